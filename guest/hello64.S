/* SPDX-License-Identifier: MIT */
/*
 * A greeting from 64-bit long mode, for `minivm run --long`. The monitor has made what a processor
 * needs to be there (a GDT, page tables, the bits of CR0, CR4 and EFER: boot/longmode.c), so that the
 * first instruction is a 64-bit one already.
 *
 * The text is taken eight bytes at a time, as one register now holds so many.
 */
.intel_syntax noprefix
.code64

.set COM1, 0x3f8

start:  lea rsi, [rip + text]
        mov dx, COM1
next:   lodsq                   # rax = 8 bytes at rsi, rsi = rsi + 8
        test rax, rax
        jz end
send:   out dx, al
        shr rax, 8
        jnz send
        jmp next
end:    hlt

        .balign 8
text:   .ascii "Hello, long mode!\n"
        .balign 8, 0
        .quad 0

/* SPDX-License-Identifier: MIT */
/*
 * From real mode to 32-bit protected mode, by its own hands: a table of segment descriptors (GDT),
 * LGDT, the bit PE of CR0, a far jump. The monitor does nothing for it, and has no exit until the
 * first byte of output.
 *
 * In protected mode a segment's base no longer is its selector * 16 but stands in its descriptor.
 * This program does not know where its memory lies until it runs, and computes the base from CS; with
 * it in the descriptors every offset means what it meant before.
 *
 * After: Intel SDM vol. 3A, "Switching to Protected Mode" and "Segment Descriptors".
 */
.intel_syntax noprefix
.code16

.set COM1, 0x3f8
.set PE, 1
.set CODE, 8                    # selectors: where a descriptor stands in the GDT
.set DATA, 16

start:  xor eax, eax
        mov ax, cs
        shl eax, 4              # where our memory begins
        or [code + 2], eax      # into the 24 bits of the base, as it is below 1 MiB
        or [data + 2], eax
        add [gdtr + 2], eax     # LGDT wants a linear address

        lgdt [gdtr]
        mov eax, cr0
        or al, PE
        mov cr0, eax
        jmp CODE:protected      # loads CS, and so leaves 16-bit code behind

.code32
protected:
        mov ax, DATA
        mov ds, ax
        mov esi, offset text
        mov dx, COM1
next:   lodsb                   # al = byte at ds:esi, esi = esi + 1
        test al, al
        jz end
        out dx, al
        jmp next
end:    hlt

text:   .asciz "Hello from protected mode!\n"

# limit 15..0, base 15..0, base 23..16, type, limit 19..16 and flags, base 31..24
        .balign 8
gdt:    .quad 0                             # selector 0 is never valid
code:   .word 0xffff, 0
        .byte 0, 0b10011010, 0b11001111, 0  # code, readable; 32 bits, 4 GiB
data:   .word 0xffff, 0
        .byte 0, 0b10010010, 0b11001111, 0  # data, writable
gdt_end:
gdtr:   .word gdt_end - gdt - 1
        .long gdt

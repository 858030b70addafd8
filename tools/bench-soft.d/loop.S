/* SPDX-License-Identifier: MIT */
/*
 * A loop of integers and memory for processors made of software, in 16-bit real mode, in 32-bit
 * protected mode without paging, or in 64-bit mode, as BITS says. It is both a boot sector, which a
 * PC's firmware enters at 0000:7c00 or 07c0:0000, and a 16-bit program for minivm (boot/realmode.h).
 *
 * COUNT times the same number of instructions: LOOP of them, whatever the data, as both ways through
 * the one branch that depends on data (it is taken once in eight) are equally long. They use 64 KiB,
 * zeros at first. Port 0xe9 gets "B\n" in front and "D", a checksum in hexadecimal and "\n" behind.
 * Who runs this takes the time between these lines: a guest's clocks may be part of the fiction. Then
 * the machine is switched off, or where STAY is defined does nothing for ever, so that it can be asked
 * what it has used.
 *
 *     base             this program, a page
 *     base + 0fff0     stack, down
 *     data             base + 10000, up to the next page: the 64 KiB
 *     data + 10000     64-bit: three page tables, which map 2 MiB as they are
 *
 * Nothing is written near the code: a processor that has translated it would have to look whether
 * it is still the same.
 */
.intel_syntax noprefix
.code16

.set LOOP, 24                   # instructions, from again to jnz again and in leaf
.set DEBUG_PORT, 0xe9           # Bochs's port_e9_hack, QEMU's and minivm's debug console
.set BOCHS_PORT, 0x8900         # hw/power-port.h
.set PM_CONTROL, 0x604          # where QEMU's firmware puts that of the PIIX4

.set CODE, 8                    # selectors
.set DATA, 16
.set TABLES, 0x10000            # from data

#if BITS == 16
#define A ax
#define B bx
#define D dx
#define SI si
#define DI di
#elif BITS == 32
#define BASE ebp
#define A eax
#define B ebx
#define D edx
#define SI esi
#define DI edi
#else
#define BASE rbp
#define A rax
#define B rbx
#define D rdx
#define SI rsi
#define DI rdi
#endif

# To where IP is 0 at start, wherever that is.
start:  cli
        cld
        call here
here:   pop bx
        shr bx, 4               # start is at a multiple of 16, here within 16 bytes
        mov ax, cs
        add ax, bx
        mov ds, ax
        mov ss, ax
        mov sp, 0xfff0
        push ax
        push offset segment
        retf

# ebp = base, ebx = data
segment:
        movzx ebp, ax
        shl ebp, 4
        lea ebx, [ebp + 0x10fff]
        and ebx, 0xfffff000
        mov eax, ebx
        shr eax, 4
        mov es, ax
        xor eax, eax
        xor edi, edi
        mov ecx, 0x10000 / 4
        rep stosd
        mov ecx, COUNT

#if BITS == 16
        push es
        pop ds
        xor bx, bx
#else
        lea eax, [ebp + gdt]
        mov [gdtr + 2], eax
        lgdt [gdtr]
#if BITS == 64
        mov ax, es
        add ax, TABLES >> 4
        mov es, ax
        lea edx, [ebx + TABLES]
        mov cr3, edx
        lea eax, [edx + 0x1003] # present, writable
        xor edi, edi
        call table
        lea eax, [edx + 0x2003]
        call table
        mov eax, 0x83           # the same, and 2 MiB
        call table
        mov eax, cr4
        or al, 0x20             # PAE
        mov cr4, eax
        push ecx
        mov ecx, 0xc0000080     # EFER
        rdmsr
        or ah, 1                # LME
        wrmsr
        pop ecx
        mov eax, cr0
        or eax, 0x80000001      # PG, PE
#else
        mov eax, cr0
        or al, 1                # PE
#endif
        mov cr0, eax
        lea eax, [ebp + inside]
        push dword ptr CODE
        push eax
        .byte 0x66              # both are dwords
        retf

#if BITS == 64
# A page table, of which only the first entry says something.
table:  push cx
        stosd
        xor eax, eax
        mov cx, 1023
        rep stosd
        pop cx
        ret
.code64
#else
.code32
#endif

inside: mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        lea esp, [BASE + 0xfff0]
#endif

        mov al, 'B'
        out DEBUG_PORT, al
        mov al, '\n'
        out DEBUG_PORT, al
        xor edx, edx
        xor esi, esi
        xor edi, edi

again:  mov A, [B + SI]
        add A, DI
        imul D, A, 0x2545
        xor D, A
        mov A, D
        shr A, 5
        add D, A
        mov [B + SI], D
        movzx A, byte ptr [B + DI]
        push D
        call leaf               # and leaf's three
        pop D
        cmp A, 32
        jb less
        inc DI                  # one way: inc, jmp
        jmp both
less:   dec DI                  # the other: dec, not
        not D
both:   and DI, 0xffff
        add SI, 40
        and SI, 0xfff8
        dec ecx
        jnz again

# "D", what D is, "\n"
        mov B, D
        mov al, 'D'
        out DEBUG_PORT, al
        mov cl, BITS / 4
digit:  rol B, 4
        mov al, bl
        and al, 15
        cmp al, 10
        jb below
        add al, 'a' - '0' - 10
below:  add al, '0'
        out DEBUG_PORT, al
        dec cl
        jnz digit
        mov al, '\n'
        out DEBUG_PORT, al

#ifdef STAY
stay:   jmp stay
#endif

# Off: Bochs and minivm by letters, QEMU by ACPI's soft off.
        mov edx, BOCHS_PORT
        .irp letter, 'S', 'h', 'u', 't', 'd', 'o', 'w', 'n'
        mov al, \letter
        out dx, al
        .endr
        mov edx, PM_CONTROL
        mov eax, 0x2000
        out dx, ax
        hlt

# What a subroutine does, not to be nothing.
leaf:   xor A, D
        movzx A, al
        ret

#if BITS != 16
        .balign 8
gdt:    .quad 0
#if BITS == 64
        .quad 0x00af9b000000ffff
#else
        .quad 0x00cf9b000000ffff
#endif
        .quad 0x00cf93000000ffff
gdtr:   .word 23
        .long 0
#endif

        .org 510
        .word 0xaa55

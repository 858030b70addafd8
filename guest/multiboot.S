/* SPDX-License-Identifier: MIT */
/*
 * What guest/multiboot.c cannot say in C: the Multiboot header, the first instructions of each CPU.
 *
 * After: Multiboot Specification 0.6.96, "OS image format", "Machine state"; Intel SDM vol. 3A,
 * "Multiple-Processor (MP) Initialization", "Switching to Protected Mode".
 */
.intel_syntax noprefix

.set ALIGN, 1                   # flags: modules on pages, and a memory map
.set MEMORY, 2
.set ADDRESSES, 0x10000         # ... and where everything goes, for a file that is not ELF

#ifdef FLAT
.set FLAGS, ALIGN | MEMORY | ADDRESSES
#else
.set FLAGS, ALIGN | MEMORY
#endif

.set PE, 1
.set CODE, 8                    # selectors
.set DATA, 16
.set STACK_SIZE, 4096

.text
.balign 4
header: .long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#ifdef FLAT
        .long header, header, 0, end, start
#endif

.code32
.global start
start:  lgdt [gdtr]             # the one that the loader left may lie anywhere
        jmp CODE:loaded
loaded: mov ecx, DATA
        mov ds, ecx
        mov es, ecx
        mov ss, ecx
        mov esp, offset boot_stack
        push ebx                # kernel_main(eax, ebx)
        push eax
        call kernel_main
stop:   cli
        hlt
        jmp stop

# A CPU wakes up here, in real mode, CS = this page / 16. It is copied to a page below 1 MiB, and so
# counts from there.
.code16
.global trampoline, trampoline_end
trampoline:
        cli
        mov ax, cs
        mov ds, ax
        lgdtd [trampoline_gdtr - trampoline]
        mov eax, cr0
        or al, PE
        mov cr0, eax
        .byte 0x66, 0xea        # jmp CODE:woken, the offset with 32 bits
        .long woken
        .word CODE
        .balign 4
trampoline_gdtr:
        .word gdt_end - gdt - 1
        .long gdt
trampoline_end:

.code32
woken:  mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, [next_stack]
        call cpu_main
        jmp stop

        .balign 8
gdt:    .quad 0                 # flat: from 0 to 4 GiB, 32 bits
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
gdt_end:
gdtr:   .word gdt_end - gdt - 1
        .long gdt

.bss
        .balign 16
        .skip STACK_SIZE
boot_stack:

.section .note.GNU-stack, "", @progbits

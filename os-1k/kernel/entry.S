/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel starts, where traps enter and leave it, and how it changes from one process's
 * stack to another's.
 *
 * After: Intel SDM vol. 3A, "Interrupt and Exception Handling"; boot/pmode-1k.h for the start.
 */
#include "os-1k/abi.h"

.intel_syntax noprefix

.set USER_DATA, 0x23
.set CR0_EM, 1 << 2
.set CR0_WP, 1 << 16

/* The exceptions for which the CPU pushes an error code, as a set of bits. */
.set HAS_ERROR_CODE, 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 3 << 29

.section .text.start, "ax"
.global start
start:  mov esp, 0x80100000
        mov eax, USER_DATA      # see trap_entry
        mov ds, eax
        mov es, eax
        mov eax, cr0
        or eax, CR0_EM | CR0_WP # no FPU, as its registers are not switched
        mov cr0, eax
        mov edi, offset bss_start
        mov ecx, offset bss_end
        sub ecx, edi
        xor eax, eax
        cld
        rep stosb
        jmp kernel_main

.text

/* One entry of 16 bytes for each vector: exceptions, interrupts, and the system call last. */
.macro entry number
        .balign 16
        .ifeq HAS_ERROR_CODE >> (\number & 63) & 1
        push 0
        .endif
        push \number
        jmp trap_entry
.endm

.balign 16
.global vectors
vectors:
.set number, 0
.rept 48
        entry number
        .set number, number + 1
.endr
        entry SYSCALL_VECTOR

/* The kernel has the user's data segment in DS and ES, which are the same 4 GiB to it, so that they
 * need not change on the way out; but on the way in who knows what the user has put there. */
trap_entry:
        pusha
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        cld
        push esp                # the argument: struct trap_frame *
        call trap
        add esp, 4

.global trap_return
trap_return:
        popa
        add esp, 8              # vector, error code
        iretd

/* void switch_stacks(uint32_t *save_esp, uint32_t load_esp): returns on the other stack, to where
 * that one's owner called it. The C compiler expects these four registers back. */
.global switch_stacks
switch_stacks:
        mov eax, [esp + 4]
        mov edx, [esp + 8]
        push ebp
        push ebx
        push esi
        push edi
        mov [eax], esp
        mov esp, edx
        pop edi
        pop esi
        pop ebx
        pop ebp
        ret

/* The disk: a tar archive, and room for more. fs.c */
.section .disk, "aw"
.global disk, disk_end
disk:   .incbin "build/os-1k/disk.tar"
        .space 64 << 10
disk_end:
.section .note.GNU-stack, "", @progbits

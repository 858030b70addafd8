/* SPDX-License-Identifier: MIT */
/*
 * A 16-bit program that comes to a bad end, chosen by -D:
 *
 *     RUN_OFF         no HLT: the CPU runs on through the zeros behind it to the end of the
 *                     segment, where it faults; a CPU that is emulated may start again at 0
 *     NOWHERE         jumps to where there is no RAM
 *     BAD_SEGMENT     loads a segment register in protected mode from beyond its GDT
 *     BAD_OPCODE      an invalid instruction
 *     BAD_PROTECTED   an invalid instruction in protected mode
 *     BREAKPOINT      int3
 *     DIVIDE          divides by zero
 *     STATUS=n        no bad end: EXIT with that status
 *
 * With no interrupt table each of these exceptions is a triple fault. All but RUN_OFF say so first,
 * in a line of one letter.
 */
#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code16

.set COM1, 0x3f8
.set PE, 1

#ifdef RUN_OFF
        xor ax, ax              # zeros are add [bx + si], al
#else
        mov dx, COM1
        mov al, 'b'
        out dx, al
        mov al, '\n'
        out dx, al
#endif

#ifdef NOWHERE
        jmp 0xffff:0x10         # linear 0x100000
#endif

#if defined(BAD_SEGMENT) || defined(BAD_PROTECTED)
        lidt [no_idt]
        xor eax, eax
        mov ax, cs
        shl eax, 4
        add [gdtr + 2], eax
        lgdt [gdtr]
        mov eax, cr0
        or al, PE
        mov cr0, eax
#ifdef BAD_PROTECTED
        ud2
#endif
        mov ax, 0x28
        mov ds, ax
        hlt

        .balign 8
gdt:    .quad 0
gdtr:   .word 7
        .long gdt
no_idt: .word 0
        .long 0
#endif

#ifdef BAD_OPCODE
        ud2
        hlt
#endif

#ifdef BREAKPOINT
        int3
        hlt
#endif

#ifdef DIVIDE
        xor cl, cl
        div cl
        hlt
#endif

#ifdef STATUS
        mov bl, STATUS
        mov al, HYPERCALL_EXIT
        mov dx, HYPERCALL_PORT
        out dx, al
#endif

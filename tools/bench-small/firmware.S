/* SPDX-License-Identifier: MIT */
/*
 * A 16-bit guest of minivm's as firmware for QEMU: 64 KiB that end at 4 GiB, where the processor
 * starts, 16 bytes below the end. Nothing else runs in that machine.
 *
 * PROGRAM is the guest's source, as it is, but that HLT and with HYPERCALLS also OUT are macros:
 * the end is QEMU's isa-debug-exit, and the hypercalls of guest/multiplication.S become bytes for
 * QEMU's debug console, for which a byte is one exit and one write.
 */
#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code16

.set DEBUG_EXIT, 0x500
.set DEBUG_CONSOLE, 0xe9
.set OUT_DX_AL, 0xee            # the instruction, as its name is taken

.macro hlt
        mov dx, DEBUG_EXIT
        mov al, 0
        .byte OUT_DX_AL
        jmp .                   # QEMU ends in its own time
.endm

#ifdef HYPERCALLS
.macro out port, function
        call hypercall
.endm
#endif

program:
#include PROGRAM

#ifdef HYPERCALLS
# PUTCHAR, NEWLINE, and PUTNUM for numbers below 100.
hypercall:
        push ax
        push dx
        mov dx, DEBUG_CONSOLE
        cmp al, HYPERCALL_PUTNUM
        je number
        cmp al, HYPERCALL_NEWLINE
        mov al, '\n'
        je send
        mov al, bl
        jmp send
number: mov al, bl
        aam                     # ah = al / 10, al = al % 10
        add ax, 0x3030          # "00"
        cmp ah, '0'
        je send
        xchg al, ah
        .byte OUT_DX_AL
        mov al, ah
send:   .byte OUT_DX_AL
        pop dx
        pop ax
        ret
#endif

        .org 0xff00
reset:  mov sp, 0x8000          # SS is 0, and there is RAM
        jmp program

        .org 0xfff0
        jmp reset

        .org 0xffff
        .byte 0

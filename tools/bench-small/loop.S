/* SPDX-License-Identifier: MIT */
/*
 * COUNT times to the monitor and back: each OUT gets as far as the chip behind PORT, which has
 * nothing to do for this byte.
 */
.intel_syntax noprefix
.code16

        mov ecx, COUNT
        mov dx, PORT
        mov al, 0xff            # no hypercall
next:   .byte 0xee              # out dx, al
        dec ecx
        jnz next
        hlt

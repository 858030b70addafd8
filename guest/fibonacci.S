/* SPDX-License-Identifier: MIT */
/*
 * The first 15 Fibonacci numbers, one a line, by PUTNUM and NEWLINE: 30 exits and the HLT. The
 * hypercall uses DX, AL and BX; all other registers keep what the guest has in them.
 */
#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code16

start:  mov dx, HYPERCALL_PORT
        mov cx, 15
        xor bx, bx              # this number
        mov si, 1               # the next one
next:   mov al, HYPERCALL_PUTNUM
        out dx, al
        mov al, HYPERCALL_NEWLINE
        out dx, al
        add bx, si              # their sum
        xchg bx, si             # is the next one now, and the next one is this one
        loop next
        hlt

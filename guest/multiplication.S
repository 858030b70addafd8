/* SPDX-License-Identifier: MIT */
/*
 * The multiplication table, by hypercalls: the monitor writes the numbers, so that the guest needs
 * no routine for decimals. Each call is an OUT to port 0x500 with the function in AL and its
 * argument in BL or BX; each is an exit: six for an entry, 433 in all. guest/write.S writes the
 * same with nine.
 */
#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code16

.macro putchar char
        mov bl, \char
        mov al, HYPERCALL_PUTCHAR
        out dx, al
.endm

start:  mov dx, HYPERCALL_PORT
        mov cl, 2               # cl * ch
row:    mov ch, 1
entry:  movzx bx, cl
        mov al, HYPERCALL_PUTNUM
        out dx, al
        putchar '*'
        movzx bx, ch
        mov al, HYPERCALL_PUTNUM
        out dx, al
        putchar '='
        mov al, cl
        mul ch                  # ax = al * ch
        mov bx, ax
        mov al, HYPERCALL_PUTNUM
        out dx, al

        inc ch
        cmp ch, 9
        ja end
        putchar ' '
        jmp entry

end:    mov al, HYPERCALL_NEWLINE
        out dx, al
        inc cl
        cmp cl, 9
        jbe row
        hlt

/* SPDX-License-Identifier: MIT */
/*
 * Work without exits: c = a * b for matrices of 8 x 8 words, REPEAT times over, and then the result.
 * KVM lets the processor run this by itself, so it should take as long as the same arithmetic in a
 * program of the host; tools/bench builds it with a REPEAT that can be timed and compares.
 *
 * a counts 1 to 64, b counts 64 to 1; then no element of c is above 17088, and so none needs more
 * than 16 bits. In C:
 *
 *     for (int i = 0; i < 8; i++)
 *         for (int j = 0; j < 8; j++) {
 *             uint16_t sum = 0;
 *
 *             for (int k = 0; k < 8; k++)
 *                 sum += a[i][k] * b[k][j];
 *             c[i][j] = sum;
 *         }
 */
#include "hw/port-hypercall-abi.h"

#ifndef REPEAT
#define REPEAT 1000
#endif

.intel_syntax noprefix
.code16

.set ROW, 8 * 2                 # bytes
.set MATRIX, 8 * ROW

# What is written lies a page behind the program: a processor that is told of a write close to the
# code it runs must look whether that code has changed. (QEMU's emulated one takes six times as long
# for all of this when c follows the code.)
.set c, 0x1000
.set count, c + MATRIX

start:  mov dword ptr [count], REPEAT
again:  call product
        dec dword ptr [count]
        jnz again

        mov dx, HYPERCALL_PORT
        mov si, offset c
print:  lodsw
        mov bx, ax
        mov al, HYPERCALL_PUTNUM
        out dx, al
        test si, ROW - 1        # c is aligned, and its rows are
        jz line
        mov bl, ' '
        mov al, HYPERCALL_PUTCHAR
        out dx, al
        jmp print
line:   mov al, HYPERCALL_NEWLINE
        out dx, al
        cmp si, offset c + MATRIX
        jb print
        hlt

# c = a * b, some 4,000 instructions.
product:
        mov si, offset a        # a row of a
        mov di, offset c        # an element of c
row:    mov bx, offset b        # a column of b
column: xor cx, cx              # the sum
        mov bp, 8
next:   mov ax, [si]
        mul word ptr [bx]       # dx:ax = ax * word; dx is 0
        add cx, ax
        add si, 2
        add bx, ROW
        dec bp
        jnz next
        mov [di], cx
        add di, 2
        sub si, ROW             # the same row
        sub bx, MATRIX - 2      # the next column
        cmp bx, offset b + ROW
        jb column
        add si, ROW
        cmp si, offset a + MATRIX
        jb row
        ret

        .balign ROW
a:      .irp row, 0, 1, 2, 3, 4, 5, 6, 7
        .irp column, 1, 2, 3, 4, 5, 6, 7, 8
        .word 8 * \row + \column
        .endr
        .endr
b:      .irp row, 0, 1, 2, 3, 4, 5, 6, 7
        .irp column, 1, 2, 3, 4, 5, 6, 7, 8
        .word 65 - (8 * \row + \column)
        .endr
        .endr

/* SPDX-License-Identifier: MIT */
/*
 * The routine of guest/matrix.S, instruction by instruction, for a 64-bit program: only what holds
 * an address is wider, as 64-bit mode has no 16-bit addresses.
 */
.intel_syntax noprefix

.set ROW, 8 * 2                 # bytes
.set MATRIX, 8 * ROW

.globl product
product:
        push rbx
        push rbp
        lea r8, [rip + b + ROW]
        lea r9, [rip + a + MATRIX]

        lea rsi, [rip + a]      # a row of a
        lea rdi, [rip + c]      # an element of c
row:    lea rbx, [rip + b]      # a column of b
column: xor cx, cx              # the sum
        mov bp, 8
next:   mov ax, [rsi]
        mul word ptr [rbx]
        add cx, ax
        add rsi, 2
        add rbx, ROW
        dec bp
        jnz next
        mov [rdi], cx
        add rdi, 2
        sub rsi, ROW            # the same row
        sub rbx, MATRIX - 2     # the next column
        cmp rbx, r8
        jb column
        add rsi, ROW
        cmp rsi, r9
        jb row

        pop rbp
        pop rbx
        ret

        .section .note.GNU-stack, "", @progbits

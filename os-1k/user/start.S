/* SPDX-License-Identifier: MIT */
/*
 * Where a program starts: the kernel has left a pointer to its arguments, one string, on the stack,
 * just where main() expects its parameter.
 */
.intel_syntax noprefix

.global start
start:  call main
        push eax
        call exit

.section .note.GNU-stack, "", @progbits

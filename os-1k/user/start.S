/* SPDX-License-Identifier: MIT */
/*
 * Where a program starts, and its system calls. The kernel has left a pointer to the arguments, one
 * string, on the stack, just where main() expects its parameter.
 */
#include "os-1k/abi.h"

.intel_syntax noprefix

.global start
start:  call main
        push eax
        call exit

/* A function of C with up to four parameters. */
.macro function name, number
        .global \name
\name:  mov eax, \number
        jmp system_call
.endm

        function exit, SYS_EXIT
        function write, SYS_WRITE
        function getchar, SYS_GETCHAR
        function spawn, SYS_SPAWN
        function wait, SYS_WAIT
        function getpid, SYS_GETPID
        function readfile, SYS_READFILE
        function writefile, SYS_WRITEFILE
        function list, SYS_LIST
        function process, SYS_PROCESS
        function ticks, SYS_TICKS
        function pages, SYS_PAGES
        function sleep, SYS_SLEEP

system_call:
        push ebx
        push esi
        mov ebx, [esp + 12]
        mov ecx, [esp + 16]
        mov edx, [esp + 20]
        mov esi, [esp + 24]
        int SYSCALL_VECTOR
        pop esi
        pop ebx
        ret

.section .note.GNU-stack, "", @progbits

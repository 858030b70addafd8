/* SPDX-License-Identifier: MIT */
/*
 * The digits by COM1: a loop that counts in the very byte it sends. An exit for each of the 11
 * bytes, and one for the HLT; what happens between them costs the monitor nothing.
 */
.intel_syntax noprefix
.code16

.set COM1, 0x3f8

start:  mov dx, COM1
        mov al, '0'
next:   out dx, al
        inc al
        cmp al, '9'
        jbe next
        mov al, '\n'
        out dx, al
        hlt

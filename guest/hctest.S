/* SPDX-License-Identifier: MIT */
/*
 * Each hypercall but ROWS and COLUMNS once, and the edges of those that have any: numbers are 16 bits
 * without a sign, GETCHAR does not wait, and EXIT gives the monitor a status to end with, where HLT
 * means 0. Here it is 0 as well, since all went well.
 *
 * GETCHAR says 0xff when there is no byte, which may mean not yet. So the guest asks several times,
 * but not when COM1, the other end of the same line, says that the sender has hung up.
 */
#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code16

.set MSR, 0x3fe                 # COM1's modem status
.set DCD, 0x80                  # there is a sender
.set LOOKS, 10000

.macro hypercall function
        mov al, \function
        mov dx, HYPERCALL_PORT
        out dx, al
.endm

.macro putchar char
        mov bl, \char
        hypercall HYPERCALL_PUTCHAR
.endm

.macro putnum number
        mov bx, \number
        hypercall HYPERCALL_PUTNUM
.endm

# The text from its label to label_end.
.macro write text
        xor esi, esi
        mov si, ds
        shl esi, 4
        add esi, offset \text   # guest-physical: segment * 16 + offset
        mov ecx, offset \text\()_end - \text
        hypercall HYPERCALL_WRITE
.endm

start:  putchar 'H'
        putchar 'e'
        putchar 'l'
        putchar 'l'
        putchar 'o'
        putchar '!'
        hypercall HYPERCALL_NEWLINE

        putnum 42
        putchar ' '
        putnum 1234
        putchar ' '
        putnum 0
        putchar ' '
        putnum 65535
        hypercall HYPERCALL_NEWLINE

        write text
        mov cx, LOOKS
look:   hypercall HYPERCALL_GETCHAR
        in al, dx
        cmp al, HYPERCALL_NO_INPUT
        jne read
        mov dx, MSR
        in al, dx
        test al, DCD
        loopnz look
        write none
        jmp end

read:   mov bl, al
        hypercall HYPERCALL_PUTCHAR
        hypercall HYPERCALL_NEWLINE
end:    mov bl, 0
        hypercall HYPERCALL_EXIT

text:   .ascii "one WRITE for all of this line\ninput: "
text_end:
none:   .ascii "none\n"
none_end:

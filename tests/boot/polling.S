// SPDX-License-Identifier: MIT
// A --pmode kernel as others write them: it polls for input, has interrupts on and an empty
// interrupt table, and never heard of a PIC. It prints what it is sent until a 'q', which ends it;
// 'i' makes it print what it was started with, 't' causes a triple fault, 'r' resets the machine.

#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code32

start:  sti                             # an interrupt now would be a triple fault
        mov al, '>'
        call putchar
next:   call getchar
        cmp al, 'q'
        je quit
        cmp al, 'i'
        je info
        cmp al, 't'
        je triple
        cmp al, 'r'
        je reset
        call putchar
        jmp next

quit:   mov al, HYPERCALL_EXIT
        mov bl, 5
        mov dx, HYPERCALL_PORT
        out dx, al

triple: int3                            # the table's gates are all empty

reset:  mov al, 0xfe
        out 0x64, al
        jmp $

# The segments, the tables and the two maps, as hexadecimal numbers.
info:   mov eax, cs
        call number
        mov eax, ds
        call number
        mov eax, es
        call number
        mov eax, ss
        call number
        mov eax, cr3
        call number
        sub esp, 8
        sgdt [esp + 2]
        mov eax, [esp + 4]
        call number
        sidt [esp + 2]
        mov eax, [esp + 4]
        call number
        add esp, 8
        mov eax, [0x102004]             # by the low map: what the high one has for page 1
        and eax, 0xffffff9f             # without the accessed and dirty bits
        call number
        mov eax, [0x80101004]           # by the high map: the low one's
        and eax, 0xffffff9f
        call number
        mov eax, [0x80001000]           # this program's first bytes by one map
        xor eax, [0x1000]               # and the other
        call number
        jmp next

number: mov ecx, 8
        mov edi, eax
digit:  rol edi, 4
        mov eax, edi
        and eax, 15
        mov al, [digits + eax]
        call putchar
        loop digit
        mov al, ' '
        jmp putchar

# Writes AL.
putchar:
        push ebx
        push edx
        mov bl, al
        mov dx, HYPERCALL_PORT
        mov al, HYPERCALL_PUTCHAR
        out dx, al
        pop edx
        pop ebx
        ret

# Waits for a byte, in AL.
getchar:
        mov dx, HYPERCALL_PORT
        mov al, HYPERCALL_GETCHAR
        out dx, al
        in al, dx
        cmp al, HYPERCALL_NO_INPUT
        je getchar
        ret

digits: .ascii "0123456789abcdef"

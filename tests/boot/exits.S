// SPDX-License-Identifier: MIT
// A Multiboot kernel that does what its command line says, behind its own name:
//
//     bPORT=VALUE  write a byte (w a word, l a double word; numbers are hexadecimal)
//     x  exit with 7 by the hypercall port             h  halt with interrupts off
//     s  have CPU 1 halt with interrupts off           j  jump in a circle, interrupts off
//     c  have all CPUs but this one crash
//     z  sleep for three of the RTC's seconds, halted with interrupts on
//
// After: Multiboot Specification 0.6.96; Intel 8259A data sheet, "Initialization Command Words";
// Motorola MC146818A data sheet, "Interrupts"; Intel SDM vol. 3A, "Interrupt Command Register".

#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code32

.set MAGIC, 0x1badb002
.set FLAGS, 0x10000                     // the addresses follow
.set CMDLINE, 16                        // in the information structure
.set CODE, 8                            // selectors
.set DATA, 16
.set RTC_VECTOR, 0x28                   // IRQ 8
.set ICR, 0xfee00300
.set AP_PAGE, 0x8000

header:
    .long MAGIC, FLAGS, -(MAGIC + FLAGS)
    .long header, header, end, end + 4096, start

start:
    cli
    mov esp, offset end + 4096
    mov esi, [ebx + CMDLINE]
next:
    lodsb
    cmp al, ' '
    ja next                             // the rest of a word
    test al, al
    jz exit
    lodsb
    cmp al, 'b'
    je write
    cmp al, 'w'
    je write
    cmp al, 'l'
    je write
    cmp al, 'x'
    je exit
    cmp al, 's'
    je start_cpu
    cmp al, 'c'
    je crash
    cmp al, 'z'
    je sleep
    cmp al, 'j'
    je .
halt:
    hlt
    jmp halt

exit:
    mov ax, 7 << 8 | HYPERCALL_EXIT
    mov dx, HYPERCALL_PORT
    out dx, ax
    jmp halt

write:
    mov cl, al
    call number
    mov edx, ebx
    call number
    mov eax, ebx
    cmp cl, 'w'
    je word_out
    cmp cl, 'l'
    je long_out
    out dx, al
    jmp written
word_out:
    out dx, ax
    jmp written
long_out:
    out dx, eax
written:
    dec esi                             // what ended the number may be the end
    jmp next

// EBX becomes the number at ESI, AL the character behind it.
number:
    xor ebx, ebx
digit:
    lodsb
    cmp al, '0'
    jb number_end
    cmp al, '9'
    jbe decimal
    cmp al, 'a'
    jb number_end
    sub al, 'a' - 10 - '0'
decimal:
    sub al, '0'
    movzx eax, al
    shl ebx, 4
    or ebx, eax
    jmp digit
number_end:
    ret

crash:
    mov dword ptr [AP_PAGE], 0x201e010f // lidt [0x8020], where zeros are: no vectors
    mov dword ptr [AP_PAGE + 4], 0x0b0f80 // ud2
    jmp init
start_cpu:
    mov dword ptr [AP_PAGE], 0xfdebf4fa // cli; hlt; jmp to hlt
init:
    mov dword ptr [ICR], 0xc4500        // INIT to all others
    mov ecx, 100000
    call pause
    mov dword ptr [ICR], 0xc4600 | AP_PAGE >> 12
    mov ecx, 100000
    call pause
    jmp next
pause:
    pause
    loop pause
    ret

sleep:
    lgdt [gdtr]
    jmp CODE:loaded
loaded:
    mov ecx, DATA
    mov ds, ecx
    mov es, ecx
    mov ss, ecx
    mov eax, offset tick
    mov [idt + RTC_VECTOR * 8], ax
    mov word ptr [idt + RTC_VECTOR * 8 + 2], CODE
    mov word ptr [idt + RTC_VECTOR * 8 + 4], 0x8e00
    shr eax, 16
    mov [idt + RTC_VECTOR * 8 + 6], ax
    lidt [idtr]

    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20                        // vectors
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4                           // the cascade
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xfb                        // all masked but the cascade and IRQ 8
    out 0x21, al
    mov al, 0xfe
    out 0xa1, al

    mov al, 0x0b                        // register B: update-ended interrupts, 24 hours
    out 0x70, al
    mov al, 0x12
    out 0x71, al
    call rtc_ack
    sti
asleep:
    hlt
    cmp dword ptr [ticks], 4
    jb asleep
    cli
    jmp next

tick:
    push eax
    inc dword ptr [ticks]
    call rtc_ack
    mov al, 0x20
    out 0xa0, al
    out 0x20, al
    pop eax
    iretd
rtc_ack:
    mov al, 0x0c
    out 0x70, al
    in al, 0x71
    ret

.balign 8
gdt:
    .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:
    .word . - gdt - 1
    .long gdt
idtr:
    .word idt_end - idt - 1
    .long idt
ticks:
    .long 0
.balign 8
idt:
    .skip (RTC_VECTOR + 1) * 8
idt_end:
end:

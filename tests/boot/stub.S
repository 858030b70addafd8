// SPDX-License-Identifier: MIT
// A bzImage of a few bytes that does one thing, chosen by the last letter of its command line:
//
//     e  exit with status 9 by the hypercall port      t  triple fault
//     p  power off by the ACPI control register        m  jump to where only devices are
//     c  reset by port 0xcf9                           h  halt with interrupts off
//     k  reset by the keyboard controller              l  loop for ever
//     a  reset by system control port A                n  exit with what no device answers
//     d  write D to the debug port and exit            o  write a line to COM1 and halt
//     i  halt with interrupts on, of which none come
// After: Linux, Documentation/arch/x86/boot.rst.

#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix
.code64

.set CMD_LINE_PTR, 0x228                // in the zero page
.set CODE, 0x400                        // boot sector and one sector of setup

.org 0x1f1
    .byte 1                             // setup_sects
    .word 0
    .long (end - start) / 16            // syssize
    .word 0, 0, 0
    .word 0xaa55                        // boot_flag
    .byte 0xeb, 0x66                    // jump over the header
    .ascii "HdrS"
    .word 0x20c                         // version
    .long 0
    .word 0, 0
    .byte 0, 1                          // loadflags: LOADED_HIGH
    .word 0
    .long 0x100000                      // code32_start
    .long 0, 0, 0
    .word 0
    .byte 0, 0
    .long 0
    .long 0x7fffffff                    // initrd_addr_max
    .long 0x1000                        // kernel_alignment
    .byte 1, 12                         // relocatable, min_alignment
    .word 1                             // xloadflags: XLF_KERNEL_64
    .long 255                           // cmdline_size
    .long 0
    .quad 0
    .long 0, 0
    .quad 0
    .quad 0x100000                      // pref_address
    .long 0x10000                       // init_size
    .long 0

.org CODE
start:
    .fill 0x200, 1, 0xf4                // the 32-bit entry point: halts
    mov esi, [rsi + CMD_LINE_PTR]
last:
    mov al, [rsi]
    inc rsi
    cmp byte ptr [rsi], 0
    jne last

    cmp al, 'e'
    je exit_9
    cmp al, 'p'
    je power_off
    cmp al, 'c'
    je reset_cf9
    cmp al, 'k'
    je reset_keyboard
    cmp al, 'a'
    je reset_port_a
    cmp al, 't'
    je triple_fault
    cmp al, 'm'
    je jump_to_device
    cmp al, 'l'
    je .
    cmp al, 'n'
    je nobody
    cmp al, 'd'
    je debug
    cmp al, 'o'
    je output
    cmp al, 'i'
    je idle
halt:
    cli
    hlt
    jmp halt

idle:
    mov al, 0xff                        // nothing from the PICs
    out 0x21, al
    out 0xa1, al
    sti
    hlt
    jmp idle

exit_9:
    mov ah, 9
exit:
    mov al, HYPERCALL_EXIT
    mov dx, HYPERCALL_PORT
    out dx, ax
    jmp halt

power_off:
    mov ax, 0x2000
    mov dx, 0x604
    out dx, ax
    jmp halt

reset_cf9:
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    jmp halt

reset_keyboard:
    mov al, 0xfe
    out 0x64, al
    jmp halt

reset_port_a:
    in al, 0x92
    or al, 1
    out 0x92, al
    jmp halt

triple_fault:
    lidt [rip + no_idt]
    int3

jump_to_device:
    mov eax, 0xd0000000
    jmp rax

nobody:
    mov dx, 0x1234
    in al, dx
    mov ah, al
    jmp exit

debug:
    mov al, 'D'
    out 0xe9, al
    mov ah, 0
    jmp exit

output:
    lea rsi, [rip + line]
    mov ecx, offset line_end - line
    mov dx, 0x3f8
    rep outsb
    jmp halt

line:
    .ascii "the last line\n"
line_end:
no_idt:
    .word 0
    .quad 0
    .balign 16
end:

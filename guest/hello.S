/* SPDX-License-Identifier: MIT */
/*
 * A greeting by COM1, the serial port. Every byte is one OUT, every OUT leaves the guest for the
 * monitor (an exit), and the monitor's chip (hw/serial8250) passes the byte on: 12 exits, and one
 * for the HLT.
 *
 * A real UART wants its speed set first, and a look at its line status before each byte. Ours is
 * always ready, and each look would be an exit more.
 */
.intel_syntax noprefix
.code16

.set COM1, 0x3f8

start:  mov si, offset text
        mov dx, COM1
next:   lodsb                   # al = byte at ds:si, si = si + 1
        test al, al
        jz end
        out dx, al
        jmp next
end:    hlt

text:   .asciz "Hello, KVM!\n"

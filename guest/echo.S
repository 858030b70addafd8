/* SPDX-License-Identifier: MIT */
/*
 * Sends back what comes in by COM1, until a q, a Ctrl-D, or the end of the input. Two registers tell
 * a guest about its line without an interrupt: the line status (LSR) has DR while a byte waits, the
 * modem status (MSR) has DCD, "carrier detect", while there is somebody at the other end. The
 * monitor drops it when its stdin has ended and every byte of that was read.
 *
 * Asking again and again is polling: the CPU is busy while nothing happens, and each look is an
 * exit. What it should do instead, sleep until an interrupt, is shown by guest/timer.S.
 */
.intel_syntax noprefix
.code16

.set COM1, 0x3f8
.set LSR, COM1 + 5
.set MSR, COM1 + 6
.set DR, 0x01
.set DCD, 0x80
.set CTRL_D, 4

.macro look register, bit
        mov dx, \register
        in al, dx
        test al, \bit
.endm

start:  look LSR, DR
        jnz read
        look MSR, DCD
        jnz start
        look LSR, DR            # what came between the two looks is not lost
        jz end

read:   mov dx, COM1
        in al, dx
        cmp al, 'q'
        je end
        cmp al, CTRL_D
        je end
        cmp al, '\r'            # what Enter sends on a terminal
        jne send
        mov al, '\n'
send:   out dx, al
        jmp start
end:    hlt

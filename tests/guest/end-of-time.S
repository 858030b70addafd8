/* SPDX-License-Identifier: MIT */
/*
 * A Multiboot kernel for the instruction clock: sleeps until that has come to its end, 2^64 ns, and
 * there has every timer of the machine started. Ends with status 7; it has no stack that matters,
 * and never returns from its interrupt.
 */
.intel_syntax noprefix

.set APIC, 0xfee00000
.set TSC_DEADLINE, 0x6e0
.set VECTOR, 0x40

        .align 4
        .long 0x1badb002, 0, -0x1badb002

        .globl start
start:
        mov esp, 0x180000
        mov eax, offset late
        mov word ptr idt[VECTOR * 8], ax
        mov word ptr idt[VECTOR * 8 + 2], cs
        mov word ptr idt[VECTOR * 8 + 4], 0x8e00
        shr eax, 16
        mov word ptr idt[VECTOR * 8 + 6], ax
        lidt idtr
        mov dword ptr [APIC + 0xf0], 0x1ff
        mov dword ptr [APIC + 0x320], 2 << 17 | VECTOR  # TSC-deadline mode
        mov ecx, TSC_DEADLINE
        mov eax, 0xffffff00
        mov edx, 0xffffffff
        wrmsr
        sti
1:      hlt
        jmp 1b

late:
        mov dx, 0x600                   # the PM timer: TMR_STS cleared and TMR_EN
        mov ax, 1
        out dx, ax
        add dx, 2
        out dx, ax
        mov al, 0x34                    # counter 0 of the PIT: mode 2, the longest period
        out 0x43, al
        mov al, 0
        out 0x40, al
        out 0x40, al
        mov al, 0x0b                    # the RTC: every interrupt it has
        out 0x70, al
        mov al, 0x72
        out 0x71, al
        mov dword ptr [APIC + 0x320], 1 << 17 | VECTOR  # the local APIC: periodic
        mov dword ptr [APIC + 0x380], 0xffffffff
        mov ecx, 1000
1:      loop 1b
        mov ax, 7 << 8
        mov dx, 0x500
        out dx, ax
        hlt

        .align 8
idtr:   .word (VECTOR + 1) * 8 - 1
        .long idt
        .align 8
idt:    .fill VECTOR + 1, 8, 0

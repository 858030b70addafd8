/* SPDX-License-Identifier: MIT */
/*
 * Ten interrupts of the timer, a hundredth of a second apart, for which the guest waits asleep. It
 * has to set up four things, none of which the monitor has touched:
 *
 *     the interrupt table  where the CPU finds the handler (LIDT)
 *     the PIC              which interrupt number the timer's wire has (ICW1 to 4), and that it may
 *                          pass (the mask)
 *     the PIT              how often counter 0 raises that wire
 *     the flag IF          STI: now the CPU listens
 *
 * How late they come is measured by a second clock, the ACPI power management timer, which counts
 * three times as fast as the PIT and wraps after four seconds.
 *
 * After: Intel 8259A (231468), 8254 (231164); Intel SDM vol. 3A, "Real-Address Mode".
 */
.intel_syntax noprefix
.code16

.set COM1, 0x3f8
.set PM_TIMER, 0x608            # 24 bits or 32
.set PM_HZ, 3579545

.set PIC_COMMAND, 0x20
.set PIC_DATA, 0x21
.set ICW1, 0x11                 # start; there are a second PIC and an ICW4
.set ICW2, 0x20                 # IR0 to IR7 are interrupts 0x20 to 0x27, behind the exceptions
.set ICW3, 0x04                 # the second PIC, which stays as it is, hangs on IR2
.set ICW4, 0x01                 # an x86 is interrupted, not an MCS-80
.set MASK, 0xfe                 # nobody passes but IR0, the timer
.set EOI, 0x20
.set VECTORS, ICW2 + 8

.set PIT_COUNTER_0, 0x40
.set PIT_CONTROL, 0x43
.set RATE, 0x34                 # counter 0, low byte and then high, mode 2: again and again
.set PIT_HZ, 1193182
.set HZ, 100
.set COUNT, (PIT_HZ + HZ / 2) / HZ
.set TICKS, 10

.macro output port, byte
        mov al, \byte
        out \port, al
.endm

# In real mode the table holds offset and segment of each handler. At the start its limit is 0, and
# at address 0 there may be another guest: ours is in our own memory, and LIDT wants its linear
# address.
start:  mov di, offset table
        mov cx, VECTORS
fill:   mov ax, offset unexpected
        stosw                   # word at es:di = ax, di = di + 2
        mov ax, cs
        stosw
        loop fill
        mov word ptr [table + 4 * ICW2], offset tick
        xor eax, eax
        mov ax, cs
        shl eax, 4
        add [idtr + 2], eax
        lidt [idtr]

        output PIC_COMMAND, ICW1
        output PIC_DATA, ICW2
        output PIC_DATA, ICW3
        output PIC_DATA, ICW4
        output PIC_DATA, MASK

        call clock
        mov [began], eax
        output PIT_CONTROL, RATE
        output PIT_COUNTER_0, (COUNT & 0xff)
        output PIT_COUNTER_0, (COUNT >> 8)

# The CPU takes no interrupt between STI and HLT, so none can slip in after the look and before the
# sleep, from which then nobody would wake us.
        xor bx, bx              # ticks told
wait:   cli
        cmp bx, [ticks]
        jb tell
        sti
        hlt
        jmp wait
tell:   sti
        call clock
        sub eax, [began]
        and eax, 0xffffff
        mov ecx, 1000000
        mul ecx                 # edx:eax
        mov ecx, PM_HZ
        div ecx                 # microseconds
        mov [elapsed], eax
        inc bx

        mov si, offset text_tick
        call print
        movzx eax, bx
        call print_number
        mov si, offset text_at
        call print
        mov eax, [elapsed]
        call print_number
        mov si, offset text_us
        call print
        cmp bx, TICKS
        jb wait

        cli
        mov si, offset text_period
        call print
        mov eax, [elapsed]
        xor edx, edx
        mov ecx, TICKS
        div ecx
        call print_number
        mov si, offset text_us
        call print
        hlt

# The PIC passes no other interrupt of this kind or a lower one until it is told that this one ends.
tick:   push ax
        inc word ptr [ticks]
        output PIC_COMMAND, EOI
        pop ax
        iret

unexpected:
        cli
        mov si, offset text_unexpected
        call print
        hlt

# eax = what the second clock shows
clock:  mov dx, PM_TIMER
        in eax, dx
        ret

# The text at si, to its zero.
print:  mov dx, COM1
next:   lodsb
        test al, al
        jz printed
        out dx, al
        jmp next
printed:
        ret

# eax as decimal: the digits come last one first, so they wait on the stack.
print_number:
        mov ecx, 10
        mov di, sp
digit:  xor edx, edx
        div ecx
        add dl, '0'
        push dx
        test eax, eax
        jnz digit
        mov dx, COM1
send:   pop ax
        out dx, al
        cmp sp, di
        jne send
        ret

text_tick:
        .asciz "tick "
text_at:
        .asciz " after "
text_us:
        .asciz " us\n"
text_period:
        .asciz "period "
text_unexpected:
        .asciz "unexpected interrupt\n"

        .balign 4
began:  .long 0
elapsed:
        .long 0
ticks:  .word 0
idtr:   .word 4 * VECTORS - 1
        .long table
        .balign 4
table:                          # here the program ends and its memory goes on

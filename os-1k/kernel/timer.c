// SPDX-License-Identifier: MIT
/*
 * The timer, and the interrupt controllers between it and the CPU.
 *
 * After: Intel 8254 data sheet (231164), "Mode 2: Rate Generator"; Intel 8259A data sheet (231468),
 * "Programming the 8259A".
 */
#include "os-1k/kernel/kernel.h"

enum {
    PIT_COUNTER_0 = 0x40,
    PIT_CONTROL = 0x43,
    PIT_HZ = 1193182,
    RATE_GENERATOR = 0x34, /* counter 0, low byte then high byte, mode 2 */

    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    ICW1 = 0x11,                      /* edge-triggered, two controllers, ICW4 follows */
    ICW4 = 0x03,                      /* 8086, automatic end of interrupt */
    MASK = ~(1 << 0 | 1 << 4) & 0xff, /* all but the timer and COM1 */
};

int ticks;

/* The first tick at which somebody wants to be woken. */
static bool alarm_is_set;
static int alarm;

/* Bring IRQ 0..15 to vectors 32..47, away from the exceptions. An interrupt ends as it is
 * delivered: the kernel runs with interrupts off, so the next one cannot come into this one's way;
 * and telling the controller that it has ended would leave the machine for the monitor, at each
 * tick. */
static void pic_init(void)
{
    static const uint8_t master[] = {32, 1 << 2, ICW4, MASK}, slave[] = {40, 2, ICW4, 0xff};

    out8(PIC_MASTER, ICW1);
    out8(PIC_SLAVE, ICW1);
    for (size_t i = 0; i < sizeof(master); i++) {
        out8(PIC_MASTER + 1, master[i]);
        out8(PIC_SLAVE + 1, slave[i]);
    }
}

void timer_init(void)
{
    int count = PIT_HZ / TICKS_PER_SECOND;

    pic_init();
    out8(PIT_CONTROL, RATE_GENERATOR);
    out8(PIT_COUNTER_0, count & 0xff);
    out8(PIT_COUNTER_0, count >> 8);
}

void timer_interrupt(void)
{
    ticks++;
    current->info.ticks++;
    if (alarm_is_set && ticks == alarm) {
        alarm_is_set = false;
        wake();
    }
}

/* An alarm wakes everybody; who has to sleep on sets the next one. */
int timer_sleep(int n)
{
    int end;

    if (__builtin_add_overflow(ticks, n, &end))
        return BAD_ARGUMENT;
    while (ticks < end && !current->killed) {
        if (!alarm_is_set || end < alarm)
            alarm = end;
        alarm_is_set = true;
        sleep();
    }
    return 0;
}

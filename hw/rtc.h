/* SPDX-License-Identifier: MIT */
/*
 * The MC146818A real-time clock of a PC, and the battery-backed RAM around its registers.
 *
 * Nothing ticks: the time is the host's calendar (UTC) and an offset that the guest may set, and
 * the flags of register C follow from the time that has passed since the last look. A timer is
 * armed only for an interrupt that is enabled and not yet pending.
 */
#ifndef HW_RTC_H
#define HW_RTC_H

#include "hw/clock.h"
#include "hw/device.h"

PLAIN_BEGIN
struct rtc_state {
    uint64_t deadline;
    int64_t offset;    /* seconds to add to the calendar */
    int64_t second;    /* of the chip's time, up to which UF and AF are known */
    uint64_t cycle;    /* of the 32768 Hz crystal, up to which PF is known */
    uint32_t phase;    /* ns to add to the calendar, 0..1e9-1 */
    uint8_t cmos[128]; /* registers and RAM; the time in it is valid only while it stands still */
    uint8_t index;
    uint8_t unused[3];
};
PLAIN_END

struct rtc {
    struct device dev; /* offsets 0 and 1: index and data */
    struct clock *clock;
    struct timer timer;
    struct irq irq8;
    struct rtc_state s;
};

/*
 * Make an RTC that runs by c and interrupts on the wire irq8, a level. Takes one of the clock's
 * timers. It shows UTC, 24 hours, BCD; its RAM is zero. The reset pin clears the interrupt enables
 * and flags, and spares the time and the RAM.
 */
void rtc_init(struct rtc *r, struct clock *c, struct irq irq8);

/*
 * Leave in CMOS RAM what firmware would: the size of memory, as low_bytes from address 0 and
 * high_bytes from 4 GiB up, rounded down and capped to what each field can say, and the checksum.
 */
void rtc_set_memory(struct rtc *r, uint64_t low_bytes, uint64_t high_bytes);

#endif

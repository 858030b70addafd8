/* SPDX-License-Identifier: MIT */
/*
 * A bus: who answers at an address. A board has two, ports and memory-mapped I/O. Another bus may
 * stand behind it: each CPU has ports of its own in front of its board's.
 */
#ifndef HW_BUS_H
#define HW_BUS_H

#include "hw/device.h"

#define BUS_SLOTS 64

struct bus {
    struct bus *behind; /* takes the addresses that nobody here answers; NULL for none */
    int n;
    struct bus_slot {
        uint64_t base, len;
        struct device *dev;
    } slot[BUS_SLOTS];
};

/* Let a device answer at base .. base+len-1. Overlap with another one is our bug. */
void bus_attach(struct bus *b, uint64_t base, uint64_t len, struct device *d);

/* Likewise, but it may overlap others, and answers in their place. */
void bus_cover(struct bus *b, uint64_t base, uint64_t len, struct device *d);

/* Does nobody answer at base .. base+len-1? What is behind does not count. */
bool bus_is_free(const struct bus *b, uint64_t base, uint64_t len);

/*
 * Read or write size bytes (1, 2, 4 or 8) at addr. An access is split until each part lies within
 * one device and is no wider than that device takes, as the PC's bus does with a word for byte
 * registers. Where nobody answers, reads give all-ones and writes vanish.
 */
uint64_t bus_read(struct bus *b, uint64_t addr, int size);
void bus_write(struct bus *b, uint64_t addr, int size, uint64_t val);

/* Who answers at addr, here or behind, or NULL. */
const struct device *bus_device(const struct bus *b, uint64_t addr);

/* Pull the reset line: every device on the bus once, and none behind it. */
void bus_reset(struct bus *b);

#endif

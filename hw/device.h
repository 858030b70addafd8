/* SPDX-License-Identifier: MIT */
/*
 * What a chip is, and what a wire is.
 *
 * A chip is a value: a struct embedded in the machine, without thread, lock, file descriptor or
 * clock of its own. It is given wires, a console or a clock when it is made, and can therefore be
 * tested alone, be used by any engine, and be saved by copying it. Everything in hw/ is called
 * with the machine locked unless its header says otherwise.
 */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One wire from a chip to whatever it drives. A wire that leads nowhere has set == NULL. */
struct irq {
    void (*set)(void *to, int pin, bool level);
    void *to;
    int pin;
};

static inline void irq_set(const struct irq *irq, bool level)
{
    if (irq->set)
        irq->set(irq->to, irq->pin, level);
}

/*
 * A chip, as a bus sees it. Offsets count from wherever the board put it: a chip does not know its
 * own address. size is 1, 2, 4 or 8 bytes and off + size never passes the end of the range that
 * the board attached; a value read or written occupies the low size bytes. The bus splits an
 * access that is wider than max_size into several (0 stands for 1: a chip of byte registers).
 *
 * reset is the chip's reset pin; it may be NULL.
 */
struct device {
    const char *name;
    int max_size;
    uint64_t (*read)(struct device *d, uint64_t off, int size);
    void (*write)(struct device *d, uint64_t off, int size, uint64_t val);
    void (*reset)(struct device *d);
};

/* The struct that a member is embedded in. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif

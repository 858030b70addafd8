/* SPDX-License-Identifier: MIT */
/*
 * What a chip is, and what a wire is.
 *
 * A chip is a value: a struct embedded in the machine, without thread, lock, file descriptor or
 * clock of its own, so that it can be tested alone and be used by any engine. It has two parts. The
 * first is what it was given when it was made, and keeps: wires, a console, a clock, an id. The
 * second is its state, a struct X_state of plain data between PLAIN_BEGIN and PLAIN_END: integers
 * of a fixed width and bool (a byte, 0 or 1), without pointers and without padding. The level of an
 * input pin belongs to the state of the chip that has the pin, and a timer's deadline to that of
 * the chip which waits for it.
 *
 * So a machine that stands still is saved by copying its chips' states, and two are compared by
 * comparing the bytes. To put one back, copy the states into chips made alike, on a clock that
 * shows the time of the save, and call each chip's restored().
 *
 * Everything in hw/ is called with the machine locked unless its header says otherwise.
 */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Around a struct of plain data: the compiler refuses padding, which has no value. */
#define PLAIN_BEGIN _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic error \"-Wpadded\"")
#define PLAIN_END   _Pragma("GCC diagnostic pop")

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
 *
 * state is where the chip's state is, and state_size its size in bytes; a chip without state, and
 * all but one of the devices of a chip that has several, have 0. restored is called when a state
 * has been put back: the chip updates its timers, and drives its wires to their levels. It does not
 * drive a wire that signals a moment, such as a reset. It may be NULL.
 */
struct device {
    const char *name;
    int max_size;
    uint64_t (*read)(struct device *d, uint64_t off, int size);
    void (*write)(struct device *d, uint64_t off, int size, uint64_t val);
    void (*reset)(struct device *d);
    void *state;
    size_t state_size;
    void (*restored)(struct device *d);
};

/* The struct that a member is embedded in. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif

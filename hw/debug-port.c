// SPDX-License-Identifier: MIT
/*
 * The debug port: the smallest chip there is.
 *
 * After: Bochs User Manual, "port_e9_hack", which QEMU's isa-debugcon follows: the port reads as
 * its own number, by which a guest can tell that it is there.
 */
#include "hw/debug-port.h"

#define PRESENT 0xe9

static uint64_t debug_port_read(struct device *dev, uint64_t off, int size)
{
    (void)dev, (void)off, (void)size;
    return PRESENT;
}

static void debug_port_write(struct device *dev, uint64_t off, int size, uint64_t val)
{
    struct debug_port *d = container_of(dev, struct debug_port, dev);

    (void)off, (void)size;
    if (d->put)
        d->put(d->to, val);
}

void debug_port_init(struct debug_port *d, void (*put)(void *to, uint8_t byte), void *to)
{
    *d = (struct debug_port){
        .dev = {.name = "debug-port", .read = debug_port_read, .write = debug_port_write},
        .put = put,
        .to = to,
    };
}

// SPDX-License-Identifier: MIT
/*
 * The exit port.
 *
 * After: QEMU, the device isa-debug-exit. Bytes, words and double words at any of its addresses;
 * an odd status differs from QEMU's own 0.
 */
#include "hw/exit-port.h"

static uint64_t exit_port_read(struct device *d, uint64_t off, int size)
{
    (void)d, (void)off, (void)size;
    return 0;
}

static void exit_port_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct exit_port *e = container_of(d, struct exit_port, dev);

    (void)off, (void)size;
    e->exit(e->to, (val << 1 | 1) & 0xff);
}

void exit_port_init(struct exit_port *e, void (*exit)(void *to, int status), void *to)
{
    *e = (struct exit_port){
        .dev = {.name = "exit-port",
                .max_size = 4,
                .read = exit_port_read,
                .write = exit_port_write},
        .exit = exit,
        .to = to,
    };
}

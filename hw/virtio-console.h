/* SPDX-License-Identifier: MIT */
/*
 * virtio-console: consoles (hvc0 ...) and named ports, each a stream of bytes both ways.
 *
 * Its worker's lock is held around everything here, and when its consoles call it.
 */
#ifndef HW_VIRTIO_CONSOLE_H
#define HW_VIRTIO_CONSOLE_H

#include "hw/console.h"
#include "hw/event.h"
#include "hw/virtio.h"

enum {
    VIRTIO_CONSOLE_PORTS = 8, /* at most */
};

/* As the driver reads it. */
struct virtio_console_config {
    uint16_t cols, rows; /* of the first port */
    uint32_t max_nr_ports;
    uint32_t emerg_wr;
};

PLAIN_BEGIN
struct virtio_console_state {
    struct virtio_console_port_state {
        uint8_t pending; /* what the driver is yet to be told of the port */
        bool open;       /* the guest reads and writes it */
        bool ended;      /* the guest was told that its input has ended, or will be */
        uint8_t spare[5];
    } port[VIRTIO_CONSOLE_PORTS];
};
PLAIN_END

/* What is behind a port. */
struct virtio_console_end {
    const char *name; /* of a port that programs open; NULL for a console */
    struct console *console;
};

struct virtio_console {
    struct virtio virtio;
    struct device dev; /* on no bus: it has the state */
    struct virtio_console_config config;
    struct watch again; /* of a worker with a thread: a bell that asks for another look */
    int ports;
    struct virtio_console_port {
        struct virtio_console *device;
        struct virtio_console_end end;
    } port[VIRTIO_CONSOLE_PORTS];
    struct virtio_console_state s;
};

/* Make one of n ports. Drivers that know a single console only have the first, if that is one.
 * Dies when the host is out of descriptors. */
void virtio_console_init(struct virtio_console *v, const struct virtio_console_end *ends, int n,
                         const struct virtio_memory *memory, struct worker *worker);

/* A console of which much was unwritten has written it: go on with the output that waits. Returns
 * whether there may be more. Also for a machine that stands still. */
bool virtio_console_drained(struct virtio_console *v);

/* Give its descriptor back. Its worker has ended. */
void virtio_console_free(struct virtio_console *v);

#endif

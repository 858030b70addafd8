/* SPDX-License-Identifier: MIT */
/*
 * A virtio device in a machine: its PCI function, and what connects it and its worker with the
 * machine's lock and the engine.
 */
#ifndef X86_VIRTIO_SLOT_H
#define X86_VIRTIO_SLOT_H

#include "hw/virtio-pci.h"
#include "hw/worker.h"
#include "x86/call.h"
#include "x86/doorbell.h"
#include "x86/parts.h"
#include "x86/vcpu.h"

struct machine;

struct virtio_slot {
    struct virtio_pci pci;
    struct machine *machine;
    struct worker_after after;

    /* One for each queue. */
    struct virtio_slot_bell {
        struct virtio_slot *slot;
        int q;
        struct watch watch;
        struct doorbell bell;
        bool there;       /* it is hung up, which only a worker with a thread has */
        struct call call; /* likewise */
    } bell[VIRTIO_QUEUES];
};

/* The machine's RAM, for its virtio devices. */
struct virtio_memory virtio_slot_memory(struct machine *m);

/* Put a device, which has been made with a worker that does not run yet, into the next free slot of
 * a board's PCI bus. */
void virtio_slot_init(struct virtio_slot *s, struct machine *m, struct pci *pci, struct virtio *d);

/* Show its parts, and the device's own, which may be NULL, as those of a name and a number. */
void virtio_slot_show(struct virtio_slot *s, const char *name, int n, struct device *own,
                      struct parts *p);

/* Give its descriptors back. Its worker has ended. */
void virtio_slot_free(struct virtio_slot *s);

#endif

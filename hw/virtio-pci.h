/* SPDX-License-Identifier: MIT */
/*
 * A virtio device as a PCI function: its registers, and its interrupts by MSI-X or INTA. A
 * transitional one has the legacy interface, too, by which old and small systems speak to it.
 *
 * The registers are reached with the machine locked, and take the lock of the device's worker. An
 * interrupt that the device wants, and that cannot be sent right where it is wanted, is noted by
 * who holds that alone, and sent by virtio_pci_deliver().
 */
#ifndef HW_VIRTIO_PCI_H
#define HW_VIRTIO_PCI_H

#include "hw/msix.h"
#include "hw/pci.h"
#include "hw/virtio.h"

struct virtio_pci;

/* What it is wired to. */
struct virtio_pci_out {
    /* Send an interrupt message. Machine locked. */
    void (*message)(void *to, uint64_t addr, uint32_t data);

    /* Have queue q served by the worker, later: it was kicked, and the write came to the register,
     * or there may be something in it for another reason. NULL in tests. Machine locked. */
    void (*ring)(void *to, int q);

    /* For a device that has a worker with a thread; all NULL otherwise. Machine locked. */

    /* From now on the driver kicks queue q by a write of two bytes to addr, which is a port or
     * memory; if it is a port, q is the value. PCI_NOWHERE: not at all. */
    void (*bell)(void *to, int q, bool port, uint64_t addr);

    /* By the legacy interface, in which a driver cannot ask whether its reset is finished, it asked
     * for one that is not: its CPU is to wait. */
    void (*wait)(void *to);

    /* From now on queue q interrupts by this message, which may be sent at once; addr 0: by none
     * such. */
    void (*call)(void *to, int q, uint64_t addr, uint32_t data);

    /* Queue q interrupts: send its message, if that can be done right here. False: it cannot, and
     * message() will be called for it. Worker locked, any thread. */
    bool (*interrupt)(void *to, int q);

    void *to;
};

PLAIN_BEGIN
struct virtio_pci_state {
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    uint16_t config_vector, queue_vector[VIRTIO_QUEUES]; /* of MSI-X */
    uint8_t isr;
    uint8_t spare[3];
};
PLAIN_END

struct virtio_pci {
    struct pci_function function;
    struct msix msix;
    struct device dev;    /* the registers, one BAR; it has the state */
    struct device legacy; /* those of the legacy interface, another one */
    struct virtio *d;
    struct virtio_pci_out out;
    int access; /* where the capability is by which configuration space reaches the registers */

    uint64_t due; /* interrupts noted: bit q, or VIRTIO_QUEUES for the configuration's; atomic */

    /* What follows from the states: where each queue is kicked, and by which message it interrupts;
     * addr 0 where by none that may be sent at once. */
    struct virtio_pci_bell {
        uint64_t addr;
        bool port;
    } bell[VIRTIO_QUEUES];
    struct virtio_pci_call {
        uint64_t addr;
        uint32_t data;
    } call[VIRTIO_QUEUES];

    struct virtio_pci_state s;
};

/* Make the function for a device, which is not added to a bus yet. */
void virtio_pci_init(struct virtio_pci *p, struct virtio *d, const struct virtio_pci_out *out);

/* Send what interrupts were noted. Machine locked, the worker not. */
void virtio_pci_deliver(struct virtio_pci *p);

/* Is there anything to send? Any lock. */
static inline bool virtio_pci_is_due(const struct virtio_pci *p)
{
    return __atomic_load_n(&p->due, __ATOMIC_ACQUIRE) != 0;
}

#endif

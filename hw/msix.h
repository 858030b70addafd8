/* SPDX-License-Identifier: MIT */
/*
 * MSI-X: the messages by which a PCI function interrupts, and the table where the guest has said
 * what they are.
 */
#ifndef HW_MSIX_H
#define HW_MSIX_H

#include "hw/device.h"
#include "hw/pci.h"

#define MSIX_VECTORS 128 /* at most, for one function */

PLAIN_BEGIN
struct msix_state {
    struct msix_entry {
        uint64_t addr;
        uint32_t data;
        uint32_t control; /* bit 0: masked */
    } table[MSIX_VECTORS];
    uint64_t pending[MSIX_VECTORS / 64];
};
PLAIN_END

struct msix {
    struct device dev; /* table and pending bits: all of a BAR */
    struct pci_function *f;
    int vectors, capability;
    void (*send)(void *to, uint64_t addr, uint32_t data);
    void *to;

    /* What msix_sends() tells may have changed. Machine locked. To be set after msix_init(), or
     * NULL.
     */
    void (*changed)(struct msix *x);
    struct msix_state s;
};

/*
 * Give f, which has not been added yet, the capability of 1..MSIX_VECTORS vectors, and BAR bar for
 * its table. send is called with the machine locked, and only with messages for local APICs. While
 * the guest has MSI-X enabled, INTA is not asserted, whatever the function says.
 */
void msix_init(struct msix *x, struct pci_function *f, int bar, int vectors,
               void (*send)(void *to, uint64_t addr, uint32_t data), void *to);

/* Has the guest enabled it, that is, chosen it instead of INTA? */
bool msix_enabled(const struct msix *x);

/* Send the message of a vector, 0..vectors-1, at once or, if the guest has masked it, once it is no
 * longer. Without effect while MSI-X is not enabled. Machine locked. */
void msix_signal(struct msix *x, int vector);

/* Would the vector be sent at once, and is it an interrupt? Then its message is *addr and *data.
 * Machine locked. */
bool msix_sends(const struct msix *x, int vector, uint64_t *addr, uint32_t *data);

/* Is there a vector that may interrupt a CPU whose interrupts are off, as by an NMI? */
bool msix_wakes(const struct msix *x);

/* For hw/pci only: the configuration space of f was written, was reset, was put back. */
void msix_config_written(struct msix *x);
void msix_reset(struct msix *x);

#endif

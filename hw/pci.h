/* SPDX-License-Identifier: MIT */
/*
 * PCI: one bus behind a host bridge, and the functions on it.
 *
 * The configuration space of a function is reached by the configuration ports and by ECAM. Its
 * BARs' ranges are on two buses of their own, p->io and p->mem, which a board puts behind those of
 * its chips. The host bridge passes on what is in its windows and nothing else, so a BAR can
 * be neither over RAM nor over a chip, whatever a guest writes to it; of two that overlap, the one
 * of the lower slot answers and the other is not there at all.
 */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/bus.h"
#include "hw/device.h"

#define PCI_SLOTS 32 /* the host bridge has the first */
#define PCI_BARS  6

#define PCI_NOWHERE UINT64_MAX /* the address of a BAR that does not answer */

/* Where the chip answers: the address register, and the data behind it. */
enum {
    PCI_CONFIG_ADDRESS = 0, /* 4 bytes */
    PCI_CONFIG_DATA = 4,    /* 4 bytes */
    PCI_LEN = 8,
    PCI_ECAM_LEN = 0x100000, /* of one bus */
};

/* The configuration space of a function. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS = 0x09, /* 3 bytes: interface, subclass, class */
    PCI_CACHE_LINE_SIZE = 0x0c,
    PCI_BAR = 0x10,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_HEADER_LEN = 0x40,
    PCI_CONFIG_LEN = 0x100,

    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_INTX_DISABLE = 1 << 10,

    PCI_STATUS_INTX = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,
};

struct pci;
struct pci_function;
struct msix;

struct pci_id {
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint32_t class; /* class, subclass, interface: 0x020000 is an Ethernet controller */
    uint8_t revision;
};

enum pci_bar_kind {
    PCI_BAR_IO,
    PCI_BAR_MEM32,
    PCI_BAR_MEM64, /* of two registers: n and n + 1 */
    PCI_BAR_KINDS
};

struct pci_bar {
    uint64_t len; /* 0: there is none */
    enum pci_bar_kind kind;
    struct device *dev;
    uint64_t at, next; /* where it answers, or PCI_NOWHERE, and where it will */
};

/* What a function wants to know. Machine locked. Each may be NULL. */
struct pci_hooks {
    /* Before size bytes at off in its configuration space are read; after they have been written.
     * size is 1, 2 or 4, off of any alignment. */
    void (*config_read)(struct pci_function *f, int off, int size);
    void (*config_written)(struct pci_function *f, int off, int size);

    /* BAR n answers at addr from now on, or not at all: PCI_NOWHERE. One that moves is told of
     * both, first that it has left, and no two are told that they answer at the same place. */
    void (*moved)(struct pci_function *f, int n, uint64_t addr);

    /* The reset pin. Its configuration space is as the firmware left it; the BARs' devices are
     * not reset by anybody else. */
    void (*reset)(struct pci_function *f);
};

PLAIN_BEGIN
struct pci_function_state {
    uint8_t config[PCI_CONFIG_LEN];
};
PLAIN_END

/*
 * A function, embedded in what it is. dev is its configuration space, which has the state; it is
 * on no bus.
 */
struct pci_function {
    struct device dev;
    const struct pci_hooks *hooks;
    struct pci *pci; /* and where it is there, when it has been added */
    int slot;
    struct pci_bar bar[PCI_BARS];
    struct msix *msix; /* or NULL */
    uint8_t writable[PCI_CONFIG_LEN], at_reset[PCI_CONFIG_LEN];
    int capabilities_end, last_capability; /* where the next one goes, and its offset */
    struct pci_function_state s;
};

/* A range that the host bridge passes on. */
struct pci_window {
    uint64_t base, len;
};

PLAIN_BEGIN
struct pci_state {
    uint32_t address;
};
PLAIN_END

struct pci {
    struct device dev;  /* attached over PCI_LEN addresses, at port 0xcf8 on a PC */
    struct device ecam; /* the same configuration spaces in memory, PCI_ECAM_LEN bytes */
    struct device *cf9; /* who has the byte at offset 1 */
    struct bus io, mem; /* the BARs that answer */
    struct pci_window window[PCI_BAR_KINDS]; /* by enum pci_bar_kind */
    uint64_t free[PCI_BAR_KINDS]; /* what firmware has not given away of each, from here on */
    struct irq intx[2];
    struct pci_function bridge, *function[PCI_SLOTS]; /* NULL where there is none */
    int bars;                                         /* of memory, in all */
    struct pci_state s;
};

/*
 * cf9 is the device of one byte that shares offset 1 with the address register, which takes only
 * accesses of 4 bytes: a PC's reset control register. even and odd are where the interrupts of
 * the functions in even and odd slots go: the interrupt lines PC_PCI_IRQ(slot). mem64 is where the
 * window for memory above 4 GiB begins, of PC_PCI_MEM64_LEN bytes; 0 for none. The other windows
 * stand in hw/pc.h.
 */
void pci_init(struct pci *p, struct device *cf9, struct irq even, struct irq odd, uint64_t mem64);

/* Begin to make a function, which interrupts by INTA and has neither BARs nor capabilities yet. */
void pci_function_init(struct pci_function *f, const struct pci_id *id,
                       const struct pci_hooks *hooks);

/* Give it BAR n of len bytes, a power of two (at least 4 of ports, at least 16 of memory), where
 * dev answers. Before it is added. */
void pci_bar(struct pci_function *f, int n, uint64_t len, enum pci_bar_kind kind,
             struct device *dev);

/*
 * Give it a capability: its id, and the len bytes that follow the pointer to the next one. A guest
 * can write the bits that are set in mask; NULL for none. Returns its offset in configuration
 * space, a multiple of 4. Before it is added.
 */
int pci_capability(struct pci_function *f, uint8_t id, const void *body, int len, const void *mask);

/*
 * Put a function into the next free slot, as firmware does: with addresses in its BARs as far as
 * the windows have room, decoding them, and able to reach memory. Dies when there is no slot.
 */
void pci_add(struct pci *p, struct pci_function *f);

/* Are these bits of its command register all set? */
bool pci_enabled(const struct pci_function *f, int command);

/* Is there a function in this slot, and can it assert INTA? */
bool pci_interrupts(const struct pci *p, int slot);

/* Assert INTA or not, as the function itself sees it: the guest may have disabled it. */
void pci_interrupt(struct pci_function *f, bool level);

/* Numbers in configuration space, which are in little-endian order. */
uint32_t pci_get(const struct pci_function *f, int off, int size);
void pci_put(struct pci_function *f, int off, int size, uint32_t val);

#endif

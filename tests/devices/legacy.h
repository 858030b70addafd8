// SPDX-License-Identifier: MIT
/*
 * What Multiboot kernels have in common whose drivers are as old and small systems have them: each
 * device is found by PCI configuration mechanism 1 and spoken to by ports, and nothing interrupts.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, the parts about the legacy interface of "Virtio
 * Over PCI Bus" and "Split Virtqueues".
 */
#ifndef TESTS_DEVICES_LEGACY_H
#define TESTS_DEVICES_LEGACY_H

#include <stdint.h>

enum {
    COM1 = 0x3f8,
    EXIT = 0xf4, /* ends the machine with status (value << 1) | 1 */
    PCI_ADDRESS = 0xcf8,
    PCI_DATA = 0xcfc,
    PCI_COMMAND = 0x04,
    PCI_BAR0 = 0x10,
    COMMAND_IO_AND_MASTER = 0x5,

    NET = 0x10001af4, /* device and vendor */
    BLK = 0x10011af4,

    FEATURES = 4, /* registers */
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    STATUS = 18,
    CONFIG = 20,
    STATUS_READY = 7, /* a driver is there, knows the device, and works */

    NEXT = 1, /* flags of a descriptor */
    WRITE = 2,
    PAGE = 4096,
};

/* Where it begins. */
void kernel_main(void);

__asm__(".text\n"
        ".balign 4\n"
        "header: .long 0x1badb002, 0, -0x1badb002\n"
        ".global start\n"
        "start: mov esp, offset stack_end\n"
        "call kernel_main\n"
        "stop: hlt\n"
        "jmp stop\n"
        ".bss\n"
        ".skip 4096\n"
        "stack_end:\n"
        ".text\n");

#define PORTS(bits)                                                                                \
    static inline void out##bits(uint16_t port, uint##bits##_t val)                                \
    {                                                                                              \
        __asm__ volatile("out %1, %0" : : "a"(val), "Nd"(port) : "memory");                        \
    }                                                                                              \
    static inline uint##bits##_t in##bits(uint16_t port)                                           \
    {                                                                                              \
        uint##bits##_t val;                                                                        \
                                                                                                   \
        __asm__ volatile("in %0, %1" : "=a"(val) : "Nd"(port) : "memory");                         \
        return val;                                                                                \
    }
PORTS(8)
PORTS(16)
PORTS(32)

/* Print it, up to an end. */
static inline void text(const char *s, char end)
{
    for (; *s && *s != end; s++)
        out8(COM1, *s);
}

static inline void number(uint32_t n, uint32_t base)
{
    if (n >= base)
        number(n / base, base);
    out8(COM1, "0123456789abcdef"[n % base]);
}

struct queue {
    uint16_t port, number, size;
    struct desc {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next;
    } * desc;
    volatile uint16_t *avail, *used; /* flags, index, entries */
    uint16_t seen;
};

/* The ports of the nth device of that kind, which is ready then but for its queues; 0 when there is
 * none. The driver takes those features. */
static inline uint16_t find(uint32_t id, int n, uint32_t features)
{
    for (uint32_t slot = 0x80000000; slot < 0x80010000; slot += 0x800) {
        out32(PCI_ADDRESS, slot);
        if (in32(PCI_DATA) != id || n--)
            continue;
        out32(PCI_ADDRESS, slot | PCI_COMMAND);
        out16(PCI_DATA, COMMAND_IO_AND_MASTER);
        out32(PCI_ADDRESS, slot | PCI_BAR0);
        uint16_t port = in32(PCI_DATA) & ~3;

        out8(port + STATUS, 0);
        out32(port + FEATURES, features);
        out8(port + STATUS, STATUS_READY);
        return port;
    }
    return 0;
}

static inline struct queue make_queue(uint16_t port, int n)
{
    static uint8_t memory[4][3 * PAGE] __attribute__((aligned(PAGE)));
    static int made;
    uint8_t *at = memory[made++];
    struct queue q = {.port = port, .number = n, .desc = (void *)at};

    out16(port + QUEUE_SELECT, n);
    q.size = in16(port + QUEUE_SIZE);
    q.avail = (void *)(at + 16 * q.size);
    q.used = (void *)(at + ((16 * q.size + 6 + 2 * q.size + PAGE - 1) & -PAGE));
    out32(port + QUEUE_ADDRESS, (uint32_t)at / PAGE);
    return q;
}

/* Descriptor n; those of a request follow each other, up to one without NEXT. */
static inline void describe(struct queue *q, int n, void *at, uint32_t len, uint16_t flags)
{
    q->desc[n] = (struct desc){(uint32_t)at, len, flags, n + 1};
}

/* The request that begins at descriptor n is the device's. */
static inline void give(struct queue *q, int n)
{
    q->avail[2 + q->avail[1] % q->size] = n;
    __asm__ volatile("" : : : "memory");
    q->avail[1]++;
    out16(q->port + QUEUE_NOTIFY, q->number);
}

/* Has one come back? Then the next one is looked for. */
static inline int has_come(struct queue *q)
{
    int came = q->used[1] != q->seen;

    __asm__ volatile("pause" : : : "memory");
    q->seen += came;
    return came;
}

/* Wait until one comes back. */
static inline void await(struct queue *q)
{
    while (!has_come(q))
        ;
}

#endif

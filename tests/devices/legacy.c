// SPDX-License-Identifier: MIT
/*
 * A Multiboot kernel with drivers as old and small systems have them, for one disk and one network
 * card: each is found by PCI configuration mechanism 1 and spoken to by ports, and nothing
 * interrupts. It prints the first line of the disk's first sector and who answers for an address
 * that is asked for by ARP, and ends with status 35.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, the parts about the legacy interface of "Virtio
 * Over PCI Bus", "Split Virtqueues", "Network Device" and "Block Device"; RFC 826 (ARP).
 */
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

    QUEUE_ADDRESS = 8, /* registers */
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    STATUS = 18,
    CONFIG = 20,
    STATUS_READY = 7, /* a driver is there, knows the device, and works */

    NEXT = 1, /* flags of a descriptor */
    WRITE = 2,
    HEADER = 10, /* before each frame */
    FRAME = 1526,
    PAGE = 4096,
};

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
    static void out##bits(uint16_t port, uint##bits##_t val)                                       \
    {                                                                                              \
        __asm__ volatile("out %1, %0" : : "a"(val), "Nd"(port) : "memory");                        \
    }                                                                                              \
    static uint##bits##_t in##bits(uint16_t port)                                                  \
    {                                                                                              \
        uint##bits##_t val;                                                                        \
                                                                                                   \
        __asm__ volatile("in %0, %1" : "=a"(val) : "Nd"(port) : "memory");                         \
        return val;                                                                                \
    }
PORTS(8)
PORTS(16)
PORTS(32)

static void text(const char *s, char end)
{
    for (; *s && *s != end; s++)
        out8(COM1, *s);
}

static void number(uint32_t n, uint32_t base)
{
    if (n >= base)
        number(n / base, base);
    out8(COM1, "0123456789abcdef"[n % base]);
}

/* ---- what both have in common ---- */

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

/* The ports of a device, which is ready then but for its queues; 0 when there is none. */
static uint16_t find(uint32_t id)
{
    for (uint32_t slot = 0x80000000; slot < 0x80010000; slot += 0x800) {
        out32(PCI_ADDRESS, slot);
        if (in32(PCI_DATA) != id)
            continue;
        out32(PCI_ADDRESS, slot | PCI_COMMAND);
        out16(PCI_DATA, COMMAND_IO_AND_MASTER);
        out32(PCI_ADDRESS, slot | PCI_BAR0);
        uint16_t port = in32(PCI_DATA) & ~3;

        out8(port + STATUS, 0);
        out8(port + STATUS, STATUS_READY);
        return port;
    }
    return 0;
}

static struct queue make_queue(uint16_t port, int n)
{
    static uint8_t memory[3][3 * PAGE] __attribute__((aligned(PAGE)));
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
static void describe(struct queue *q, int n, void *at, uint32_t len, uint16_t flags)
{
    q->desc[n] = (struct desc){(uint32_t)at, len, flags, n + 1};
}

/* The request that begins at descriptor 0 is the device's. */
static void give(struct queue *q)
{
    q->avail[2 + q->avail[1] % q->size] = 0;
    __asm__ volatile("" : : : "memory");
    q->avail[1]++;
    out16(q->port + QUEUE_NOTIFY, q->number);
}

/* Wait until it comes back. */
static void await(struct queue *q)
{
    while (q->used[1] == q->seen)
        __asm__ volatile("pause" : : : "memory");
    q->seen++;
}

/* ---- the disk ---- */

static void disk(void)
{
    static struct {
        uint32_t type, reserved; /* 0: read */
        uint64_t sector;
    } head;
    static char sector[512];
    static uint8_t status = 0xff;
    uint16_t port = find(BLK);

    if (!port)
        return;
    struct queue q = make_queue(port, 0);

    describe(&q, 0, &head, sizeof(head), NEXT);
    describe(&q, 1, sector, sizeof(sector), NEXT | WRITE);
    describe(&q, 2, &status, 1, WRITE);
    give(&q);
    await(&q);
    text("disk: ", 0);
    number(in32(port + CONFIG), 10);
    text(" sectors, status ", 0);
    number(status, 10);
    text(", ", 0);
    text(sector, '\n');
    text("\n", 0);
}

/* ---- the network card ---- */

static void net(void)
{
    static uint8_t out[HEADER + 42] = {[HEADER] = 0xff,
                                       0xff,
                                       0xff,
                                       0xff,
                                       0xff,
                                       0xff,
                                       [HEADER + 12] = 8,
                                       6,
                                       0,
                                       1,
                                       8,
                                       0,
                                       6,
                                       4,
                                       0,
                                       1,
                                       [HEADER + 38] = 169,
                                       254,
                                       0,
                                       1};
    static uint8_t in[HEADER + FRAME];
    const uint8_t *frame = in + HEADER;
    uint16_t port = find(NET);

    if (!port)
        return;
    struct queue rx = make_queue(port, 0), tx = make_queue(port, 1);

    for (int i = 0; i < 6; i++)
        out[HEADER + 6 + i] = out[HEADER + 22 + i] = in8(port + CONFIG + i);
    describe(&rx, 0, in, sizeof(in), WRITE);
    give(&rx);
    describe(&tx, 0, out, sizeof(out), 0);
    give(&tx);
    await(&tx);
    /* The answer may not be the first frame that comes. */
    for (await(&rx); frame[12] != 8 || frame[13] != 6 || frame[21] != 2; await(&rx))
        give(&rx);
    text("net: ", 0);
    for (int i = 0; i < 4; i++) {
        number(frame[28 + i], 10);
        text(i < 3 ? "." : " is at ", 0);
    }
    for (int i = 0; i < 6; i++) {
        number(frame[22 + i] / 16, 16);
        number(frame[22 + i] % 16, 16);
        text(i < 5 ? ":" : "\n", 0);
    }
}

void kernel_main(void)
{
    disk();
    net();
    out8(EXIT, 17);
}

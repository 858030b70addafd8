// SPDX-License-Identifier: MIT
/*
 * A Multiboot kernel with drivers as old and small systems have them, for one disk and one network
 * card: each is found by PCI configuration mechanism 1 and spoken to by ports, and nothing
 * interrupts. It prints the first line of the disk's first sector and who answers for an address
 * that is asked for by ARP, and ends with status 35.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, the parts about the legacy interface of "Virtio
 * Over PCI Bus", "Network Device" and "Block Device"; RFC 826 (ARP).
 */
#include "tests/devices/legacy.h"

enum {
    HEADER = 10, /* before each frame */
    FRAME = 1526,
    AGAIN = 1 << 20 /* looks for an answer */
};

/* ---- the disk ---- */

static void disk(void)
{
    static struct {
        uint32_t type, reserved; /* 0: read */
        uint64_t sector;
    } head;
    static char sector[512];
    static uint8_t status = 0xff;
    uint16_t port = find(BLK, 0, 0);

    if (!port)
        return;
    struct queue q = make_queue(port, 0);

    describe(&q, 0, &head, sizeof(head), NEXT);
    describe(&q, 1, sector, sizeof(sector), NEXT | WRITE);
    describe(&q, 2, &status, 1, WRITE);
    give(&q, 0);
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
    uint16_t port = find(NET, 0, 0);

    if (!port)
        return;
    struct queue rx = make_queue(port, 0), tx = make_queue(port, 1);

    for (int i = 0; i < 6; i++)
        out[HEADER + 6 + i] = out[HEADER + 22 + i] = in8(port + CONFIG + i);
    describe(&rx, 0, in, sizeof(in), WRITE);
    give(&rx, 0);
    describe(&tx, 0, out, sizeof(out), 0);
    /* The answer may not be the first frame that comes; and while the host's end of the line is
     * just coming up it drops what it sends, so the question is repeated. */
    for (uint32_t i = 0, answered = 0; !answered; i++) {
        if (i % AGAIN == 0) {
            give(&tx, 0);
            await(&tx);
        }
        if (!has_come(&rx))
            continue;
        answered = frame[12] == 8 && frame[13] == 6 && frame[21] == 2;
        if (!answered)
            give(&rx, 0);
    }
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

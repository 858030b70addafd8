// SPDX-License-Identifier: MIT
/*
 * A Multiboot kernel that writes to all of its disks, up to four, until it is killed: block after
 * block in the first half, all of them flushed before their number is printed, and beside that here
 * and there in the second half.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Block Device".
 */
#include "tests/boot/blocks.h"
#include "tests/devices/legacy.h"

enum {
    DISKS = 4,
    OUT = 1, /* kinds of requests */
    FLUSH = 4,
    F_FLUSH = 1 << 9
};

static struct disk {
    struct queue queue;
    struct request {
        struct {
            uint32_t type, reserved;
            uint64_t sector;
        } head;
        uint8_t status;
    } block, other, flush;
    uint64_t a_block[BLOCK / 8], others[MANY / 8];
} disks[DISKS];

/* The request has three descriptors, or two where it has no data, from n on. */
static void request(struct disk *d, struct request *r, int n, uint32_t type, uint64_t at,
                    void *data, uint32_t len)
{
    r->head.type = type;
    r->head.sector = at / SECTOR;
    r->status = 0xff;
    describe(&d->queue, n, &r->head, sizeof(r->head), NEXT);
    if (len)
        describe(&d->queue, n + 1, data, len, NEXT);
    describe(&d->queue, n + (len ? 2 : 1), &r->status, 1, WRITE);
    give(&d->queue, n);
}

/* All of n requests are back, and went well. */
static void await_all(struct disk *d, int n)
{
    while (n--)
        await(&d->queue);
    if (d->block.status | d->other.status | d->flush.status) {
        text("a request failed\n", 0);
        out8(EXIT, 0);
    }
}

void kernel_main(void)
{
    uint32_t half = 0, place = 1;
    int count = 0;

    for (uint16_t port; count < DISKS && (port = find(BLK, count, F_FLUSH)); count++) {
        disks[count].queue = make_queue(port, 0);
        half = in32(port + CONFIG) / 2;
    }
    for (uint32_t n = 1; n * (BLOCK / SECTOR) < half; n++) {
        uint64_t at = (n - 1) * BLOCK;

        for (int i = 0; i < count; i++) {
            struct disk *d = &disks[i];

            d->flush.status = 0;
            place = place * 1103515245 + 12345;
            uint64_t there = (uint64_t)half * SECTOR +
                             (uint64_t)((place >> 16) % (half / (MANY / SECTOR))) * MANY;

            blocks_fill(d->a_block, at, BLOCK);
            blocks_fill(d->others, there, MANY);
            request(d, &d->block, 0, OUT, at, d->a_block, BLOCK);
            request(d, &d->other, 3, OUT, there, d->others, MANY);
        }
        for (int i = 0; i < count; i++)
            await_all(&disks[i], 2);
        for (int i = 0; i < count; i++) {
            request(&disks[i], &disks[i].flush, 6, FLUSH, 0, NULL, 0);
            request(&disks[i], &disks[i].other, 3, OUT, disks[i].other.head.sector * SECTOR,
                    disks[i].others, MANY);
        }
        for (int i = 0; i < count; i++)
            await_all(&disks[i], 2);
        text("flushed ", 0);
        number(n, 10);
        text("\n", 0);
    }
    out8(EXIT, 1);
}

// SPDX-License-Identifier: MIT
/*
 * A Multiboot kernel that resets its disk by the legacy interface while a read is under way. It
 * begins to read when it is given a byte of input, and resets the disk at the next; when that is
 * finished, nothing may change what it has in memory. Ends with status 35.
 */
#include "tests/devices/legacy.h"

enum {
    LINE_STATUS = COM1 + 5,
    DATA_READY = 1,
    SECTOR = 512,
    LOOKS = 10000
};

static void await_key(void)
{
    while (!(in8(LINE_STATUS) & DATA_READY))
        ;
    in8(COM1);
}

void kernel_main(void)
{
    static const struct {
        uint32_t type, reserved; /* 0: read */
        uint64_t sector;
    } head;
    static volatile char sector[SECTOR];
    static volatile uint8_t status;
    uint16_t port = find(BLK, 0, 0);
    struct queue q = make_queue(port, 0);
    int changed = 0;

    describe(&q, 0, (void *)&head, sizeof(head), NEXT);
    describe(&q, 1, (void *)sector, SECTOR, NEXT | WRITE);
    describe(&q, 2, (void *)&status, 1, WRITE);
    text("ready\n", 0);
    await_key();
    give(&q, 0);
    await_key();
    text("resets it\n", 0);
    out8(port + STATUS, 0);
    status = 0xff;
    for (int i = 0; i < SECTOR; i++)
        sector[i] = 1;
    text("reset\n", 0);
    for (int i = 0; i < LOOKS; i++)
        changed |= in8(port + STATUS) || status != 0xff || sector[i % SECTOR] != 1 || q.used[1];
    text(changed ? "changed\n" : "as it was\n", 0);
    out8(EXIT, 17);
}

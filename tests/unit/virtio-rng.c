// SPDX-License-Identifier: MIT
/*
 * Random bytes, from the driver's side.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Entropy Device".
 */
#include "hw/virtio-rng.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

#include <errno.h>
#include <sys/random.h>

enum {
    SIZE = 256,
    QUEUE = 0x1000,
    BUFFER = 0x10000,
    RAM = 0x100000,
};

static struct rig {
    struct virtio_rng rng;
    struct test_clock clock;
    struct ram ram;
    struct ring ring;
    int interrupts;
    bool greedy; /* there is another request as soon as one has been served */
} rig;

static bool host_has_none;

/* In place of the C library's. */
ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    CHECK_EQ(flags, 0);
    if (host_has_none) {
        errno = ENOSYS;
        return -1;
    }
    memset(buf, 0xa5, n);
    return n;
}

static void interrupt(void *to, int q)
{
    (void)to;
    if (q == VIRTIO_CONFIG_IRQ)
        return;
    rig.interrupts++;
    if (rig.greedy)
        ring_add(&rig.ring, 0);
}

static void start(bool fixed)
{
    memset(&rig, 0, sizeof(rig));
    ram_init(&rig.ram, RAM);
    test_clock_init(&rig.clock);
    virtio_rng_init(&rig.rng, &(struct virtio_memory){.ram = &rig.ram}, NULL, &rig.clock.clock,
                    fixed);
    rig.rng.virtio.interrupt = interrupt;
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
    driver_start(&rig.rng.virtio, 0, &rig.ring, 1);
}

/* Ask for bytes. Returns how many came. */
static uint32_t ask(uint32_t len)
{
    uint32_t head, written = 0;

    ring_desc(&rig.ring, 0, BUFFER, len, RING_WRITE, 0);
    ring_add(&rig.ring, 0);
    virtio_kick(&rig.rng.virtio, 0);
    CHECK(ring_take(&rig.ring, &head, &written));
    return written;
}

static void bytes(void)
{
    const uint8_t *at;

    start(false);
    at = ram_at(&rig.ram, BUFFER, 1000);
    CHECK_EQ(ask(999), 999);
    CHECK_EQ(at[0], 0xa5);
    CHECK_EQ(at[998], 0xa5);
    CHECK_EQ(at[999], 0);
    CHECK_EQ(ask(0x80000), 16384);
    CHECK_EQ(rig.interrupts, 2);
    ram_free(&rig.ram);
}

static void fixed(void)
{
    uint64_t first, second;

    start(true);
    CHECK_EQ(ask(8), 8);
    memcpy(&first, ram_at(&rig.ram, BUFFER, 8), 8);
    CHECK_EQ(ask(8), 8);
    memcpy(&second, ram_at(&rig.ram, BUFFER, 8), 8);
    CHECK(first != second);
    rig.rng.dev.reset(&rig.rng.dev);
    CHECK_EQ(ask(8), 8);
    CHECK(!memcmp(&first, ram_at(&rig.ram, BUFFER, 8), 8));
    ram_free(&rig.ram);
}

static void greedy(void)
{
    start(false);
    rig.greedy = true;
    ask(1);
    int served = rig.interrupts;

    CHECK(served > 1 && served <= SIZE);
    test_clock_advance(&rig.clock, NS_PER_SECOND);
    CHECK(rig.interrupts > 100 * served);
    rig.greedy = false;
    test_clock_advance(&rig.clock, NS_PER_SECOND);
    CHECK_EQ(rig.interrupts, rig.ring.added);
    CHECK_EQ(clock_next(&rig.clock.clock), CLOCK_NEVER);

    /* After a reset there is nothing to go on with. */
    rig.greedy = true;
    ask(1);
    CHECK(clock_next(&rig.clock.clock) != CLOCK_NEVER);
    rig.rng.dev.reset(&rig.rng.dev);
    CHECK_EQ(clock_next(&rig.clock.clock), CLOCK_NEVER);
    ram_free(&rig.ram);
}

static void none(void)
{
    start(false);
    host_has_none = true;
    ring_desc(&rig.ring, 0, BUFFER, 8, RING_WRITE, 0);
    ring_add(&rig.ring, 0);
    virtio_kick(&rig.rng.virtio, 0);
    host_has_none = false;
    CHECK(virtio_is_broken(&rig.rng.virtio));
    CHECK_EQ(rig.interrupts, 0);
    ram_free(&rig.ram);
}

int main(void)
{
    return test_main((struct test[]){
        {bytes, "a request is filled with the host's random bytes, as far as one may be"},
        {fixed, "or with a sequence that is the same in each run"},
        {greedy, "a driver that has always one more cannot keep the machine locked"},
        {none, "a host without random bytes is told of, and nothing else given for random"},
        {0},
    });
}

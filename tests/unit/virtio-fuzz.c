// SPDX-License-Identifier: MIT
/*
 * Drivers that write all kinds of nonsense to rings and registers. The device touches nothing but
 * RAM and the buffers it was given; what it is given is in order; it never has more requests than
 * fit the queue; a reset is finished when none is under way, and nothing of them is published after
 * it; and whatever happened, it works again then.
 *
 *     virtio-fuzz [rounds [seed]]
 */
#include "hw/virtio-pci.h"
#include "hw/bus.h"
#include "hw/pc.h"
#include "hw/reset-port.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

enum {
    STEPS = 300,
    QUEUES = 3,
    HELD = QUEUES * VIRTQ_SIZE,
};

static struct test_wire wires[4];
static struct reset_port reset;
static struct pci pci;
static struct bus pio, mmio;
static struct ram ram;
static struct virtio device;
static struct virtio_pci slot;
static uint8_t config[60];
static bool at_once; /* requests come back at once, or some time */
static int taken, broken;

/* Requests that the device has, and of which queue each is. */
static struct held {
    int q;
    struct virtq_chain c;
} held[HELD];
static int nheld;

/* All of a chain is in RAM. */
static void check(const struct virtq_chain *c)
{
    size_t outs = 0, ins = 0;

    CHECK(c->outs + c->ins > 0 && c->outs + c->ins <= VIRTQ_SEGMENTS);
    for (int i = 0; i < c->outs + c->ins; i++) {
        uint64_t gpa = ram_gpa(&ram, c->v[i].iov_base);

        CHECK(c->v[i].iov_len > 0);
        CHECK(ram_at(&ram, gpa, c->v[i].iov_len) == c->v[i].iov_base);
        *(i < c->outs ? &outs : &ins) += c->v[i].iov_len;
    }
    CHECK_EQ(outs, c->out_len);
    CHECK_EQ(ins, c->in_len);
}

/* Is the ring of queue q untouched by a request that is given back? */
static bool may_publish(int q)
{
    return virtio_is_live(&device) && device.q[q].desc;
}

static void give_back(struct held *h)
{
    uint8_t buf[64];
    uint16_t filled = device.q[h->q].filled, published = device.s.q[h->q].published;
    bool may = may_publish(h->q);
    size_t n = chain_read(&h->c, below(100), buf, sizeof(buf));

    CHECK(n <= sizeof(buf) && n <= h->c.out_len);
    n = chain_write(&h->c, 0, buf, below(sizeof(buf)));
    if (below(4))
        virtq_push(&device, h->q, &h->c, n);
    else
        virtq_put(&device, h->q, &h->c, n);
    CHECK(may || (device.q[h->q].filled == filled && device.s.q[h->q].published == published));
    virtio_end(&device);
}

/* Any of those that the device has. */
static void give_some_back(void)
{
    int n = below(nheld);
    struct held h = held[n];

    held[n] = held[--nheld];
    give_back(&h);
}

static void kicked(struct virtio *d, int q)
{
    while (nheld < HELD && virtq_pop(d, q, &held[nheld].c)) {
        held[nheld].q = q;
        check(&held[nheld].c);
        virtio_begin(d);
        taken++;
        if (at_once) {
            give_back(&held[nheld]);
            virtq_publish(d, q);
        } else {
            nheld++;
        }
    }
    CHECK(nheld < HELD || !virtq_pop(d, q, &held[0].c));
    if (below(4) == 0)
        virtq_want(d, q, below(2));
}

static void cancel(struct virtio *d)
{
    CHECK(virtio_is_resetting(d));
    for (int n = nheld ? below(nheld + 1) : 0; n; n--) {
        nheld--;
        virtio_end(d);
    }
}

static void was_reset(struct virtio *d)
{
    CHECK(virtio_is_resetting(d));
    CHECK_EQ(nheld, 0);
}

static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    (void)d;
    CHECK(off + size <= sizeof(config));
    memcpy(config + off, &val, size);
}

static const struct virtio_kind kind = {.name = "virtio-blk",
                                        .id = 2,
                                        .kicked = kicked,
                                        .cancel = cancel,
                                        .reset = was_reset,
                                        .config_write = config_write};

static void message(void *to, uint64_t addr, uint32_t data)
{
    (void)to, (void)data;
    CHECK_EQ(addr >> 20, 0xfee);
}

static void wrote(void *to, uint64_t gpa, uint64_t len)
{
    (void)to;
    CHECK(ram_at(&ram, gpa, len));
}

static void make_machine(void)
{
    struct virtio_memory memory = {&ram, wrote, NULL};
    struct virtio_pci_out out = {.message = message};

    wall_ram(&ram);
    memset(wires, 0, sizeof(wires));
    pio = (struct bus){.behind = &pci.io};
    mmio = (struct bus){.behind = &pci.mem};
    reset_port_init(&reset, test_wire(wires, 0), test_wire(wires, 1));
    pci_init(&pci, &reset.control, test_wire(wires, 2), test_wire(wires, 3), 0);
    bus_attach(&pio, 0xcf8, PCI_LEN, &pci.dev);
    virtio_init(&device, &kind, 0, QUEUES, &memory, NULL);
    device.size[1] = device.s.q[1].size = 8;
    device.config = config;
    device.config_len = sizeof(config);
    virtio_pci_init(&slot, &device, &out);
    pci_add(&pci, &slot.function);
    nheld = 0;
}

/* Where the driver has a queue, if it has. */
static struct ring ring[QUEUES];

static uint64_t any_address(void)
{
    const uint64_t special[] = {0,        ram.size - 1, ram.size - 16, ram.size,     RAM_HOLE,
                                RAM_HIGH, UINT64_MAX,   ring[0].desc,  ring[0].used, ring[1].avail};

    return odd_number(special, sizeof(special) / sizeof(special[0]), ram.size);
}

static uint32_t any_length(void)
{
    const uint64_t special[] = {0, 1, 15, 16, 4096, UINT32_MAX, 0x80000000};

    return below(2) ? below(64) : odd_number(special, 7, 0x10000);
}

/* A descriptor as most drivers write it, or not. */
static void any_desc(const struct ring *r, uint64_t table, int n, int size)
{
    static const uint16_t flags[] = {0, 0, 0, RING_WRITE, RING_WRITE, RING_NEXT, 3};
    bool sound = below(60);
    uint64_t low = ram_low(&ram) - 64;
    uint16_t flag = sound ? PICK(flags) : random64();
    uint64_t addr = sound ? below(low) : any_address();

    if (!ram_at(&ram, table + 16 * n, 16))
        return;
    if (below(10) == 0) {
        addr = (sound ? below(low) : addr) & ~UINT64_C(15);
        ring_entry(r, table, n, addr, 16 * below(6), RING_INDIRECT, 0);
        for (int i = 0; sound && i < 4; i++)
            if (ram_at(&ram, addr + 16 * i, 16))
                ring_entry(r, addr, i, below(low), 1 + below(64), PICK(flags), below(5));
        return;
    }
    ring_entry(r, table, n, addr, sound ? 1 + below(64) : any_length(), flag,
               sound ? below(size) : random64());
}

static void set(int off, int size, uint64_t val)
{
    slot.dev.write(&slot.dev, off, size, val);
}

/* Reset it, and wait for that, as most drivers do. */
static void reset_device(bool wait)
{
    set(20, 1, 0);
    CHECK_EQ(virtio_is_resetting(&device), nheld > 0);
    CHECK_EQ(slot.dev.read(&slot.dev, 20, 1) != 0, nheld > 0);
    while (wait && nheld)
        give_some_back();
}

/* Set the device up as it should be, but for its queues, which may be odd. */
static void start(bool odd)
{
    reset_device(!odd || below(8));
    set(20, 1, 3);
    set(8, 4, 0);
    set(12, 4, below(2) << 29 | below(2) << 28);
    set(8, 4, 1);
    set(12, 4, 1);
    set(20, 1, 11);
    for (int q = 0; q < QUEUES; q++) {
        uint16_t size = 1 << below(q != 1 && odd ? 9 : 4);
        uint64_t room = 26 * size + 16, low = ram_low(&ram);
        uint64_t at = room < low ? below(low - room) & ~UINT64_C(15) : 0;

        ring_lay(&ring[q], &ram, at, room < low ? size : 1);
        set(22, 2, q);
        set(24, 2, odd && !below(60) ? random64() : ring[q].size);
        set(32, 8, odd && !below(60) ? any_address() : ring[q].desc);
        set(36, 4, ring[q].desc >> 32);
        set(32, 4, odd && !below(60) ? any_address() : ring[q].desc);
        set(40, 4, odd && !below(60) ? any_address() : ring[q].avail);
        set(44, 4, 0);
        set(48, 4, odd && !below(60) ? any_address() : ring[q].used);
        set(52, 4, 0);
        set(28, 2, 1);
    }
    set(20, 1, 15);
}

static void start_legacy(void)
{
    struct device *d = &slot.legacy;

    d->write(d, 18, 1, 0);
    d->write(d, 18, 1, 3);
    d->write(d, 4, 4, below(2) << 29 | below(2) << 28);
    for (int q = 0; q < QUEUES; q++) {
        uint32_t page = below(2) ? below(ram.size >> 12) : random64();

        d->write(d, 14, 2, q);
        d->write(d, 8, 4, page);
        ring[q].desc = (uint64_t)page << 12;
        ring[q].size = device.size[q];
        ring[q].avail = ring[q].desc + 16 * ring[q].size;
        ring[q].used = (ring[q].avail + 6 + 2 * ring[q].size + 4095) & ~UINT64_C(4095);
    }
    if (below(4))
        d->write(d, 18, 1, 7);
}

static bool in_ram(const struct ring *r)
{
    return r->ram && ram_at(&ram, r->desc, 16 * r->size) &&
           ram_at(&ram, r->avail, 6 + 2 * r->size) && ram_at(&ram, r->used, 6 + 8 * r->size);
}

static void use_ring(struct ring *r)
{
    if (!in_ram(r))
        return;
    for (int n = 1 + below(3); n > 0; n--)
        any_desc(r, r->desc, below(r->size), r->size);
    ring_used_event(r, below(2) ? r->added : random64());
    if (below(8) == 0)
        ring_no_interrupt(r, below(2));
    r->added = ring_get16(r, r->avail + 2);
    if (below(60) == 0)
        ring_put16(r, r->avail + 2, r->added + below(2 * r->size));
    else
        ring_add(r, below(40) ? below(r->size) : random64());
}

static void step(void)
{
    static const int sizes[] = {1, 2, 4};
    struct device *devices[] = {&slot.dev, &slot.legacy, &slot.function.dev, &slot.msix.dev};
    static const int lens[] = {0x1000, 128, 256, 0x1000};
    int which = below(4), size = PICK(sizes), off = below(lens[which]);

    if (virtio_is_broken(&device) && below(2)) {
        start(true);
        return;
    }
    switch (below(16)) {
    case 0:
        if (below(4) == 0)
            start(true);
        break;
    case 1:
        if (below(4) == 0)
            start_legacy();
        break;
    case 2:
        if (which < 2)
            off = below(64);
        if (off + size <= lens[which])
            devices[which]->write(devices[which], off, size, random64() >> below(64));
        break;
    case 3:
        if (off + size <= lens[which])
            devices[which]->read(devices[which], off, size);
        break;
    case 4:
        if (nheld)
            give_some_back();
        break;
    case 5:
        virtq_publish(&device, below(QUEUES));
        at_once = below(2);
        break;
    case 6:
        slot.legacy.write(&slot.legacy, 16, 2, below(QUEUES));
        break;
    default:
        use_ring(&ring[below(QUEUES)]);
        set(0x100 + 4 * below(QUEUES), 2, 0);
    }
}

/* Whatever was done to it, it works after a reset. */
static void check_works(void)
{
    uint32_t head = 0, len = 0;

    at_once = true;
    start(false);
    CHECK_EQ(device.s.status, 15);
    ring_desc(&ring[0], 0, ram_low(&ram) - 64, 64, RING_WRITE, 0);
    ring_add(&ring[0], 0);
    taken = 0;
    set(0x100, 2, 0);
    CHECK_EQ(taken, 1);
    CHECK(ring_take(&ring[0], &head, &len));
    CHECK_EQ(head, 0);
    CHECK(len <= 64);
}

static void fuzz(void)
{
    int requests = 0;

    for (int i = 0; i < rounds / 10 && !test_failures; i++) {
        make_machine();
        taken = 0;
        memset(ring, 0, sizeof(ring));
        for (int n = 0; n < STEPS && !test_failures; n++) {
            step();
            broken += virtio_is_broken(&device);
        }
        requests += taken;
        check_works();
        unwall_ram(&ram);
        if (test_failures)
            printf("# in round %d\n", i);
    }
    printf("# %d requests, broken after %d of %d steps\n", requests, broken, rounds / 10 * STEPS);
    CHECK(requests > rounds && broken > rounds / 10 && broken < rounds / 10 * STEPS);
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    return test_main((struct test[]){
        {fuzz, "nonsense in rings and registers does no harm"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Virtio over PCI, as drivers find it: by capabilities, by the legacy interface, and by
 * configuration space; kicks and interrupts either way.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over PCI Bus".
 */
#include "hw/virtio-pci.h"
#include "hw/bus.h"
#include "hw/pc.h"
#include "hw/reset-port.h"
#include "hw/worker.h"
#include "tests/unit/test.h"
#include "tests/unit/virtio-driver.h"

enum {
    SIZE = 8,
    QUEUE = 0x10000,
    BUFFERS = 0x40000,
    SLOT = 1, /* its interrupts go to the odd line */
    ODD = 3,
    NO_VECTOR = 0xffff,
};

static const uint64_t VERSION_1 = VIRTIO_BIT(VIRTIO_F_VERSION_1);

static struct rig {
    struct test_wire wires[4]; /* A20, reset, INTA of even and of odd slots */
    struct reset_port reset;
    struct pci pci;
    struct bus io, mem;
    struct ram ram;
    struct virtio d;
    struct virtio_pci p;
    struct worker worker;
    struct ring ring;
    uint8_t config[40];
    int kicks, resets, echoes, sent, rung, waits;
    uint64_t sent_addr;
    uint32_t sent_data;
    struct virtio_pci_bell bell[VIRTIO_QUEUES];
    int bells;
} rig;

/* Every request comes back at once, with a byte. */
static void kicked(struct virtio *d, int q)
{
    static struct virtq_chain c;

    rig.kicks++;
    while (virtq_pop(d, q, &c)) {
        virtq_push(d, q, &c, chain_write(&c, 0, "!", 1));
        rig.echoes++;
    }
}

static void was_reset(struct virtio *d)
{
    (void)d;
    rig.resets++;
}

static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    (void)d;
    memcpy(rig.config + off, &val, size);
}

static const struct virtio_kind blk = {.name = "virtio-blk",
                                       .id = 2,
                                       .kicked = kicked,
                                       .reset = was_reset,
                                       .config_write = config_write};
static const struct virtio_kind rng = {
    .name = "virtio-rng", .id = 4, .kicked = kicked, .reset = was_reset};

static void message(void *to, uint64_t addr, uint32_t data)
{
    CHECK(to == &rig);
    rig.sent++;
    rig.sent_addr = addr;
    rig.sent_data = data;
}

static void move_bell(void *to, int q, bool port, uint64_t addr)
{
    CHECK(to == &rig);
    rig.bell[q] = (struct virtio_pci_bell){addr, port};
    rig.bells++;
}

static void ring_bell(void *to, int q)
{
    CHECK(to == &rig);
    rig.rung += q == 0;
}

static void wait(void *to)
{
    CHECK(to == &rig);
    rig.waits++;
}

static void still(void *to)
{
    (void)to;
}

static void make(const struct virtio_kind *kind, bool thread)
{
    struct virtio_pci_out out = {.message = message, .to = &rig};

    if (rig.ram.host)
        ram_free(&rig.ram);
    memset(&rig, 0, sizeof(rig));
    ram_init(&rig.ram, 1 << 20);
    rig.io.behind = &rig.pci.io;
    rig.mem.behind = &rig.pci.mem;
    reset_port_init(&rig.reset, test_wire(rig.wires, 0), test_wire(rig.wires, 1));
    pci_init(&rig.pci, &rig.reset.control, test_wire(rig.wires, 2), test_wire(rig.wires, ODD), 0);
    bus_attach(&rig.io, 0xcf8, PCI_LEN, &rig.pci.dev);
    if (thread) {
        worker_init(&rig.worker, 1, still, NULL);
        out.bell = move_bell;
        out.ring = ring_bell;
        out.wait = wait;
    }

    struct virtio_memory memory = {.ram = &rig.ram};

    virtio_init(&rig.d, kind, VIRTIO_BIT(5), 3, &memory, thread ? &rig.worker : NULL);
    rig.d.config = rig.config;
    rig.d.config_len = sizeof(rig.config);
    for (size_t i = 0; i < sizeof(rig.config); i++)
        rig.config[i] = i;
    virtio_pci_init(&rig.p, &rig.d, &out);
    pci_add(&rig.pci, &rig.p.function);
    ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
}

static void unmake(void)
{
    worker_free(&rig.worker);
}

static uint32_t conf(int reg, int size)
{
    bus_write(&rig.io, 0xcf8, 4, 0x80000000 | SLOT << 11 | (reg & 0xfc));
    return bus_read(&rig.io, 0xcfc + (reg & 3), size);
}

static void set_conf(int reg, int size, uint32_t val)
{
    bus_write(&rig.io, 0xcf8, 4, 0x80000000 | SLOT << 11 | (reg & 0xfc));
    bus_write(&rig.io, 0xcfc + (reg & 3), size, val);
}

/* The capability that is about such a structure, or of another id; 0 when there is none. */
static int find(int id, int type)
{
    int at = conf(0x34, 1);

    for (int n = 0; at && n < 20; n++, at = conf(at + 1, 1))
        if (conf(at, 1) == (uint32_t)id && (id != 9 || conf(at + 3, 1) == (uint32_t)type))
            return at;
    return 0;
}

/* Where a structure is in memory. */
static uint64_t place(int type)
{
    int cap = find(9, type);
    int bar = conf(cap + 4, 1);

    CHECK(cap);
    CHECK(bar < 6);
    return (conf(0x10 + 4 * bar, 4) & ~15u) + conf(cap + 8, 4);
}

static uint64_t get(uint64_t addr, int size)
{
    return bus_read(&rig.mem, addr, size);
}

static void set(uint64_t addr, int size, uint64_t val)
{
    bus_write(&rig.mem, addr, size, val);
}

static uint64_t ports(void)
{
    return conf(0x10, 4) & ~3u;
}

static uint64_t in(int off, int size)
{
    return bus_read(&rig.io, ports() + off, size);
}

static void out(int off, int size, uint64_t val)
{
    bus_write(&rig.io, ports() + off, size, val);
}

static void enable_msix(void)
{
    int cap = find(0x11, 0);
    uint64_t table = conf(0x10 + 4 * (conf(cap + 4, 4) & 7), 4) & ~15u;

    for (int i = 0; i < 4; i++) {
        set(table + 16 * i, 4, 0xfee00000);
        set(table + 16 * i + 8, 4, 0x40 + i);
        set(table + 16 * i + 12, 4, 0);
    }
    set_conf(cap + 2, 2, 0x8000);
}

/* A driver's initialisation, up to its queue 0. */
static void drive(void)
{
    uint64_t common = place(1);

    set(common + 20, 1, 0);
    set(common + 20, 1, 1);
    set(common + 20, 1, 3);
    set(common + 0, 4, 1);
    CHECK_EQ(get(common + 4, 4), 1); /* VERSION_1 */
    set(common + 0, 4, 0);
    CHECK_EQ(get(common + 4, 4), rig.d.offered & UINT32_MAX);
    set(common + 8, 4, 0);
    set(common + 12, 4, 1 << 5);
    set(common + 8, 4, 1);
    set(common + 12, 4, 1);
    CHECK_EQ(get(common + 12, 4), 1);
    set(common + 20, 1, 0xb);
    CHECK_EQ(get(common + 20, 1), 0xb);
    CHECK_EQ(rig.d.s.features, VERSION_1 | VIRTIO_BIT(5));
    CHECK_EQ(get(common + 18, 2), 3);

    set(common + 22, 2, 3);
    CHECK_EQ(get(common + 24, 2), 0); /* there is no such queue */
    set(common + 22, 2, 0);
    CHECK_EQ(get(common + 24, 2), VIRTQ_SIZE);
    set(common + 24, 2, SIZE);
    set(common + 32, 4, rig.ring.desc);
    set(common + 36, 4, 0);
    set(common + 40, 8, rig.ring.avail);
    set(common + 48, 4, rig.ring.used);
    set(common + 26, 2, 1);
    CHECK_EQ(get(common + 26, 2), 1);
    set(common + 26, 2, 4);
    CHECK_EQ(get(common + 26, 2), NO_VECTOR);
    set(common + 26, 2, 1);
    set(common + 16, 2, 2);
    CHECK_EQ(get(common + 16, 2), 2);
    CHECK_EQ(get(common + 28, 2), 0);
    set(common + 28, 2, 1);
    CHECK_EQ(get(common + 28, 2), 1);
    set(common + 32, 4, 0x1234); /* too late */
    CHECK_EQ(get(common + 32, 8), rig.ring.desc);
    set(common + 20, 1, 0xf);
    CHECK_EQ(get(common + 20, 1), 0xf);
}

static void add(void)
{
    ring_desc(&rig.ring, 0, BUFFERS, 1, RING_WRITE, 0);
    ring_add(&rig.ring, 0);
}

static uint64_t notify(void)
{
    return place(2) + get(place(1) + 30, 2) * conf(find(9, 2) + 16, 4);
}

static void modern(void)
{
    make(&rng, false);
    CHECK_EQ(conf(0, 4), 0x10441af4);
    CHECK_EQ(conf(0x2c, 4), 0x00041af4);
    CHECK_EQ(conf(8, 1), 1);
    CHECK_EQ(conf(0x10, 4), 0); /* no legacy interface */
    drive();
    add();
    set(notify(), 2, 0);
    CHECK_EQ(rig.echoes, 1);
    CHECK(rig.wires[ODD].level);
    CHECK_EQ(rig.sent, 0);
    CHECK_EQ(get(place(3), 1), 1);
    CHECK(!rig.wires[ODD].level);
    CHECK_EQ(get(place(3), 1), 0);

    /* The configuration is the device's. */
    CHECK_EQ(get(place(4), 4), 0x03020100);
    CHECK_EQ(get(place(4) + 37, 2), 0x2625);
    set(place(4), 4, 0xffffffff);
    CHECK_EQ(get(place(4), 4), 0x03020100);
    virtio_config_changed(&rig.d);
    CHECK_EQ(get(place(1) + 21, 1), 1);
    CHECK_EQ(get(place(3), 1), 2);

    set(place(1) + 20, 1, 0);
    CHECK_EQ(get(place(1) + 20, 1), 0);
    CHECK_EQ(rig.resets, 2);
    CHECK_EQ(get(place(1) + 26, 2), NO_VECTOR);
    CHECK_EQ(get(place(1) + 16, 2), NO_VECTOR);
    CHECK_EQ(get(place(1) + 28, 2), 0);
    add();
    set(notify(), 2, 0);
    CHECK_EQ(rig.echoes, 1);
}

static void messages(void)
{
    make(&rng, false);
    enable_msix();
    drive();
    add();
    set(notify(), 2, 0);
    CHECK_EQ(rig.sent, 1);
    CHECK_EQ(rig.sent_addr, 0xfee00000);
    CHECK_EQ(rig.sent_data, 0x41);
    CHECK(!rig.wires[ODD].level);
    CHECK_EQ(get(place(3), 1), 0);
    virtio_config_changed(&rig.d);
    CHECK_EQ(rig.sent, 2);
    CHECK_EQ(rig.sent_data, 0x42);
    set(place(1) + 16, 2, NO_VECTOR);
    virtio_broken(&rig.d);
    CHECK_EQ(rig.sent, 2);
}

/* By configuration space, where its registers cannot be reached otherwise. */
static void windowed(void)
{
    make(&rng, false);

    int cap = find(9, 5);

    set_conf(cap + 4, 1, 4);
    set_conf(cap + 8, 4, 20); /* the status */
    set_conf(cap + 12, 4, 1);
    set_conf(cap + 16, 1, 3);
    CHECK_EQ(rig.d.s.status, 3);
    CHECK_EQ(conf(cap + 16, 1), 3);
    set_conf(cap + 8, 4, 0x200);
    set_conf(cap + 12, 4, 4);
    CHECK_EQ(conf(cap + 16, 4), 0x03020100);

    /* Nothing is there. */
    static const uint32_t bad[][3] = {{4, 0x1000, 4}, {4, 0xffc, 8}, {4, 2, 4},  {4, UINT32_MAX, 1},
                                      {4, 20, 3},     {0, 20, 1},    {5, 20, 1}, {4, 20, 0}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_conf(cap + 4, 1, bad[i][0]);
        set_conf(cap + 8, 4, bad[i][1]);
        set_conf(cap + 12, 4, bad[i][2]);
        set_conf(cap + 16, 4, 0);
        conf(cap + 16, 4);
        CHECK_EQ(rig.d.s.status, 3);
    }
}

static void legacy(void)
{
    make(&blk, false);
    CHECK_EQ(conf(0, 4), 0x10011af4);
    CHECK_EQ(conf(0x2c, 4), 0x00021af4);
    CHECK_EQ(conf(8, 1), 0);
    CHECK_EQ(conf(0x10, 1) & 1, 1);
    out(18, 1, 0);
    out(18, 1, 1);
    out(18, 1, 3);
    CHECK_EQ(in(0, 4), (rig.d.offered & UINT32_MAX) | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT));
    out(4, 4, 1 << 5 | 1 << 7);
    CHECK_EQ(in(4, 4), 1 << 5);
    CHECK_EQ(in(20, 4), 0x03020100); /* the configuration */
    out(21, 1, 0xab);
    CHECK_EQ(in(20, 2), 0xab00);
    out(14, 2, 7);
    CHECK_EQ(in(12, 2), 0); /* there is no such queue */
    out(14, 2, 0);
    CHECK_EQ(in(12, 2), VIRTQ_SIZE);
    CHECK_EQ(in(8, 4), 0);
    out(8, 4, QUEUE >> 12);
    CHECK_EQ(in(8, 4), QUEUE >> 12);
    out(18, 1, 7);

    ring_lay(&rig.ring, &rig.ram, QUEUE, VIRTQ_SIZE);
    rig.ring.used = QUEUE + 0x2000; /* after 16 * 256 + 6 + 2 * 256 bytes */
    add();
    out(16, 2, 0);
    CHECK_EQ(rig.echoes, 1);
    CHECK_EQ(ring_get16(&rig.ring, rig.ring.used + 2), 1);
    CHECK(rig.wires[ODD].level);
    CHECK_EQ(in(19, 1), 1);
    CHECK(!rig.wires[ODD].level);
    CHECK_EQ(in(19, 1), 0);

    /* With MSI-X two registers come before the configuration. */
    enable_msix();
    CHECK_EQ(in(24, 2), 0xab00);
    CHECK_EQ(in(20, 4), 0xffffffff);
    out(22, 2, 3);
    CHECK_EQ(in(22, 2), 3);
    out(20, 2, 1000);
    CHECK_EQ(in(20, 2), NO_VECTOR);
    add();
    out(16, 2, 0);
    CHECK_EQ(rig.sent, 1);
    CHECK_EQ(rig.sent_data, 0x43);

    out(8, 4, 0); /* takes the queues away */
    CHECK_EQ(in(18, 1), 0);
    CHECK_EQ(rig.d.s.q[0].enabled, 0);
}

/* With a worker: kicks ring, wherever the registers are, and interrupts wait to be delivered. */
static void bells(void)
{
    make(&blk, true);
    drive();
    CHECK_EQ(rig.bells, 1);
    CHECK(!rig.bell[0].port);
    CHECK_EQ(rig.bell[0].addr, notify());
    CHECK_EQ(rig.rung, 1); /* there may have been something before */
    add();
    set(notify(), 4, 0); /* of another size: it comes to the register */
    CHECK_EQ(rig.rung, 2);
    CHECK_EQ(rig.echoes, 0);

    worker_lock(&rig.worker);
    virtio_serve(&rig.d, 0);
    worker_unlock(&rig.worker);
    CHECK_EQ(rig.echoes, 1);
    CHECK(!rig.wires[ODD].level);
    CHECK(virtio_pci_is_due(&rig.p));
    virtio_pci_deliver(&rig.p);
    CHECK(rig.wires[ODD].level);
    CHECK(!virtio_pci_is_due(&rig.p));
    CHECK_EQ(get(place(3), 1), 1);

    /* They move. */
    uint64_t old = notify();

    set_conf(0x20, 4, 0xc8000000);
    CHECK_EQ(rig.bells, 3);
    CHECK_EQ(rig.bell[0].addr, notify());
    CHECK(rig.bell[0].addr != old);
    set_conf(4, 2, 0);
    CHECK_EQ(rig.bell[0].addr, PCI_NOWHERE);
    CHECK_EQ(rig.rung, 3);
    set_conf(0x3c, 1, 9); /* another register: nothing moves */
    CHECK_EQ(rig.rung, 3);
    set_conf(4, 2, 7);
    CHECK_EQ(rig.bell[0].addr, notify());
    CHECK_EQ(rig.rung, 4);
    rig.p.dev.restored(&rig.p.dev); /* and before the state was saved */
    CHECK_EQ(rig.rung, 5);
    CHECK_EQ(rig.kicks, 1);
    set(place(1) + 20, 1, 0);
    CHECK_EQ(rig.bell[0].addr, PCI_NOWHERE);
    unmake();

    make(&blk, true);
    out(18, 1, 3);
    out(8, 4, QUEUE >> 12);
    CHECK_EQ(rig.bells, 0);
    CHECK_EQ(rig.rung, 0);
    out(16, 2, 0); /* before it is ready, as it says */
    CHECK(rig.d.s.begun);
    CHECK(rig.rung > 0);
    CHECK_EQ(rig.kicks, 0);
    out(18, 1, 7);
    CHECK_EQ(rig.bells, 1);
    CHECK(rig.bell[0].port);
    CHECK_EQ(rig.bell[0].addr, ports() + 16);
    rig.pci.dev.reset(&rig.pci.dev);
    CHECK_EQ(rig.bell[0].addr, PCI_NOWHERE);
    CHECK_EQ(rig.d.s.status, 0);
    unmake();
}

/* With something under way, the status reads 0 when that has ended, and until then nothing that the
 * driver does has any effect. */
static void resets(void)
{
    for (int thread = 0; thread < 2; thread++) {
        make(&blk, thread);
        drive();
        worker_lock(rig.d.worker);
        virtio_begin(&rig.d);
        worker_unlock(rig.d.worker);
        CHECK(!thread || !worker_is_still(&rig.worker));
        int was = rig.resets, kicks = rig.kicks;
        uint64_t status = place(1) + 20;

        set(status, 1, 0);
        CHECK(get(status, 1) != 0);
        CHECK_EQ(rig.bell[0].addr, thread ? PCI_NOWHERE : 0);
        set(status, 1, 0);
        set(status, 1, 0xf);
        add();
        set(notify(), 2, 0);
        virtio_serve(&rig.d, 0);
        CHECK_EQ(rig.kicks, kicks);
        CHECK_EQ(rig.echoes, 0);
        CHECK(get(status, 1) != 0);
        CHECK_EQ(rig.resets, was);
        worker_lock(rig.d.worker);
        virtio_end(&rig.d);
        worker_unlock(rig.d.worker);
        CHECK_EQ(rig.resets, was + 1);
        CHECK_EQ(get(status, 1), 0);
        CHECK_EQ(get(place(1) + 28, 2), 0);
        CHECK(!thread || worker_is_still(&rig.worker));
        CHECK_EQ(rig.waits, 0);
        ring_lay(&rig.ring, &rig.ram, QUEUE, SIZE);
        drive();
        add();
        set(notify(), 2, 0);
        virtio_serve(&rig.d, 0);
        CHECK_EQ(rig.echoes, 1);
        if (thread)
            unmake();
    }

    /* A legacy driver does not ask, so its CPU waits. */
    make(&blk, true);
    for (int by_address = 0; by_address < 2; by_address++) {
        int off = by_address ? 8 : 18, size = by_address ? 4 : 1;

        out(18, 1, 3);
        out(8, 4, QUEUE >> 12);
        out(18, 1, 7);
        virtio_begin(&rig.d);
        out(off, size, 0);
        CHECK_EQ(rig.waits, by_address + 1);
        CHECK(in(18, 1) != 0);
        virtio_end(&rig.d);
        CHECK_EQ(in(18, 1), 0);
        out(off, size, 0);
        CHECK_EQ(rig.waits, by_address + 1);
    }
    unmake();
}

/* Odd accesses do nothing. */
static void odd(void)
{
    make(&blk, false);
    for (int size = 1; size <= 4; size *= 2)
        for (int off = 0; off + size <= 0x1000; off++)
            get(place(1) + off, size);
    CHECK_EQ(get(place(1) + 0x70, 4), 0);
    set(place(1) + 20, 4, 3);
    CHECK_EQ(rig.d.s.status, 0);
    set(place(1) + 0, 2, 1);
    set(place(1) + 56, 2, 1);
    CHECK_EQ(get(place(1), 4), 0);
    set(place(2) + 4 * 40, 2, 40);
    set(place(2) + 2, 2, 0);
    out(16, 2, 99);
    out(8, 2, 5);
    CHECK_EQ(in(8, 4), 0);
}

int main(void)
{
    return test_main((struct test[]){
        {modern, "a driver finds a device, sets it up and uses it, with INTA"},
        {messages, "and with MSI-X"},
        {windowed, "the registers are reached by configuration space"},
        {legacy, "a legacy driver does the same by ports"},
        {bells, "kicks ring and interrupts wait, where a worker has a thread"},
        {resets, "a reset is finished when nothing is under way any more"},
        {odd, "odd accesses do nothing"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Unit tests of PCI: configuration ports and ECAM, the host bridge, and a function with BARs and
 * capabilities, which notes what it is told.
 */
#include "hw/bus.h"
#include "hw/msix.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/reset-port.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"

#define MEM64 (UINT64_C(1) << 34)
#define ECAM  PC_PCI_ECAM

enum {
    CF8 = 0xcf8,
    CFC = 0xcfc
};

static struct test_wire wires[4]; /* A20, reset, INTA of even and of odd slots */
static struct reset_port reset;
static struct pci pci;
static struct bus bus, mem;

static void setup(void)
{
    memset(wires, 0, sizeof(wires));
    bus = (struct bus){.behind = &pci.io};
    mem = (struct bus){.behind = &pci.mem};
    reset_port_init(&reset, test_wire(wires, 0), test_wire(wires, 1));
    pci_init(&pci, &reset.control, test_wire(wires, 2), test_wire(wires, 3), MEM64);
    bus_attach(&bus, CF8, PCI_LEN, &pci.dev);
    bus_attach(&mem, ECAM, PCI_ECAM_LEN, &pci.ecam);
}

/* A register of the function in a slot, by the ports. */
static uint32_t get(int slot, int reg, int size)
{
    bus_write(&bus, CF8, 4, 0x80000000 | slot << 11 | (reg & 0xfc));
    return bus_read(&bus, CFC + (reg & 3), size);
}

static void set(int slot, int reg, int size, uint32_t val)
{
    bus_write(&bus, CF8, 4, 0x80000000 | slot << 11 | (reg & 0xfc));
    bus_write(&bus, CFC + (reg & 3), size, val);
}

/* A card: what answers at a BAR says which one it is, and at which offset. */
struct card {
    struct pci_function f;
    struct card_bar {
        struct device dev;
        uint64_t len, says;
    } bar[3];
    uint64_t at[3];
    int moves, resets, reads, writes, off, size; /* of its configuration space */
};

enum {
    IO_LEN = 0x20,
    MEM_LEN = 0x1000,
    BIG_LEN = 0x4000,
};

static uint64_t card_read(struct device *d, uint64_t off, int size)
{
    struct card_bar *b = container_of(d, struct card_bar, dev);

    CHECK(off + size <= b->len);
    return b->says | off;
}

static void card_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    (void)d, (void)off, (void)size, (void)val;
}

static void card_config_read(struct pci_function *f, int off, int size)
{
    struct card *c = container_of(f, struct card, f);

    c->reads++;
    c->off = off;
    c->size = size;
}

static void card_config_written(struct pci_function *f, int off, int size)
{
    struct card *c = container_of(f, struct card, f);

    c->writes++;
    c->off = off;
    c->size = size;
}

/* All of the cards that there are. */
static struct card card[PCI_SLOTS];

static void card_moved(struct pci_function *f, int n, uint64_t addr)
{
    struct card *c = container_of(f, struct card, f);
    int i = n == 4 ? 2 : n;

    CHECK(i < 3);
    CHECK(c->at[i] != addr);
    CHECK(c->at[i] == PCI_NOWHERE || addr == PCI_NOWHERE);
    for (int j = 0; j < PCI_SLOTS && addr != PCI_NOWHERE; j++)
        CHECK((card[j].at[i]) != addr);
    c->at[i] = addr;
    c->moves++;
}

static void card_reset(struct pci_function *f)
{
    container_of(f, struct card, f)->resets++;
}

static const struct pci_id id = {.vendor = 0x1af4,
                                 .device = 0x1042,
                                 .subsystem_vendor = 0x1234,
                                 .subsystem = 0x5678,
                                 .class = 0x010203,
                                 .revision = 9};
static const struct pci_hooks hooks = {card_config_read, card_config_written, card_moved,
                                       card_reset};

static void make_card(struct card *c)
{
    static const uint64_t len[] = {IO_LEN, MEM_LEN, BIG_LEN};

    *c = (struct card){.at = {PCI_NOWHERE, PCI_NOWHERE, PCI_NOWHERE}};
    pci_function_init(&c->f, &id, &hooks);
    for (int i = 0; i < 3; i++)
        c->bar[i] = (struct card_bar){
            .dev = {.name = "card", .max_size = 4, .read = card_read, .write = card_write},
            .len = len[i],
            .says = (i + 1) << 16,
        };
    pci_bar(&c->f, 0, IO_LEN, PCI_BAR_IO, &c->bar[0].dev);
    pci_bar(&c->f, 1, MEM_LEN, PCI_BAR_MEM32, &c->bar[1].dev);
    pci_bar(&c->f, 4, BIG_LEN, PCI_BAR_MEM64, &c->bar[2].dev);
}

/* A machine with so many cards, in slots 1, 2, ... */
static void setup_cards(int n)
{
    setup();
    for (int i = 0; i < PCI_SLOTS; i++)
        make_card(&card[i]);
    for (int i = 1; i <= n; i++)
        pci_add(&pci, &card[i].f);
}

/* Who answers at each place of a card is this card, if any. */
static bool answers(const struct card *c, int i)
{
    const struct device *d = c->at[i] == PCI_NOWHERE ? NULL : bus_device(i ? &mem : &bus, c->at[i]);

    return d && d == &c->bar[i].dev;
}

static void test_bridge(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x80000000);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0x12378086);
    CHECK_EQ(bus_read(&bus, CFC, 2), 0x8086);
    CHECK_EQ(bus_read(&bus, CFC + 2, 2), 0x1237);
    CHECK_EQ(bus_read(&bus, CFC + 3, 1), 0x12);
    bus_write(&bus, CF8, 4, 0x80000008);
    CHECK_EQ(bus_read(&bus, CFC + 2, 2), 0x0600);
    bus_write(&bus, CF8, 4, 0x800000fc);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0);
}

static void test_empty(void)
{
    setup();
    for (uint32_t function = 1; function < 0x10000; function++) {
        bus_write(&bus, CF8, 4, 0x80000000 | function << 8);
        CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    }
}

static void test_disabled(void)
{
    setup();
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    bus_write(&bus, CF8, 4, 0x7fffffff);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x00fffffc);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
}

static void test_read_only(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CFC, 4, 0);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0x12378086);
}

/* Bytes in the address register are not its own: one is the reset control register. */
static void test_cf9(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST);
    CHECK_EQ(bus_read(&bus, CF8 + 1, 1), RESET_PORT_SYS_RST);
    CHECK_EQ(bus_read(&bus, CF8, 1), 0xff);
    CHECK_EQ(bus_read(&bus, CF8, 2), 0xffff);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0x80000000);
    CHECK(!wires[1].level);
    bus_write(&bus, CF8, 4, 0x80000600);
    CHECK(!wires[1].level);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST | RESET_PORT_RST_CPU);
    CHECK(wires[1].level);
}

static void test_reset(void)
{
    setup();
    bus_write(&bus, CF8, 4, 0x80000000);
    bus_write(&bus, CF8 + 1, 1, RESET_PORT_SYS_RST);
    bus_reset(&bus);
    CHECK_EQ(bus_read(&bus, CF8, 4), 0);
    CHECK_EQ(bus_read(&bus, CF8 + 1, 1), 0);
}

static void test_header(void)
{
    setup_cards(2);
    CHECK_EQ(get(1, 0, 4), 0x10421af4);
    CHECK_EQ(get(1, 8, 4), 0x01020309);
    CHECK_EQ(get(1, 0xc, 4), 0);
    CHECK_EQ(get(1, 0x2c, 4), 0x56781234);
    CHECK_EQ(get(1, 0x34, 1), 0);
    CHECK_EQ(get(1, 6, 2), 0);
    CHECK_EQ(get(1, 0x3c, 2), 0x0100 | 11);
    CHECK_EQ(get(2, 0x3c, 2), 0x0100 | 10);
    CHECK_EQ(get(2, 0, 4), 0x10421af4);
    CHECK_EQ(get(3, 0, 4), 0xffffffff);
    CHECK_EQ(get(0, 0, 4), 0x12378086);
    CHECK_EQ(get(0, 0x3c, 2), 0);
    /* No second function, and no second bus. */
    bus_write(&bus, CF8, 4, 0x80000900);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    bus_write(&bus, CF8, 4, 0x80010800);
    CHECK_EQ(bus_read(&bus, CFC, 4), 0xffffffff);
    /* What identifies it stays. */
    for (int reg = 0; reg < 0x40; reg += 4)
        if (reg != 4 && reg != 0xc && reg != 0x3c && (reg < 0x10 || reg >= 0x28)) {
            uint32_t was = get(1, reg, 4);

            set(1, reg, 4, 0xffffffff);
            CHECK_EQ(get(1, reg, 4), was);
            set(1, reg, 4, 0);
            CHECK_EQ(get(1, reg, 4), was);
        }
    set(1, 0xc, 4, 0xffffffff);
    CHECK_EQ(get(1, 0xc, 4), 0xff);
    set(1, 0x3c, 4, 0xffffff05);
    CHECK_EQ(get(1, 0x3c, 4), 0x105);
    set(1, 4, 4, 0xffffffff);
    CHECK_EQ(get(1, 4, 4), 0x407);
}

static void test_ecam(void)
{
    setup_cards(1);
    CHECK_EQ(bus_read(&mem, ECAM, 4), 0x12378086);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8000, 4), 0x10421af4);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8002, 2), 0x1042);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8003, 1), 0x10);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8001, 2), 0x421a);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8008, 8), 0x01020309);
    bus_write(&mem, ECAM + 0x803c, 1, 7);
    CHECK_EQ(get(1, 0x3c, 1), 7);
    bus_write(&mem, ECAM + 0x8010, 4, 0xc123);
    CHECK_EQ(get(1, 0x10, 4), 0xc121);
    for (int size = 1; size <= 8; size *= 2) {
        uint64_t ones = UINT64_MAX >> (64 - 8 * size);

        CHECK_EQ(bus_read(&mem, ECAM + 0x8100, size), ones);
        CHECK_EQ(bus_read(&mem, ECAM + 0x9000, size), ones);
        CHECK_EQ(bus_read(&mem, ECAM + 0x10000, size), ones);
        CHECK_EQ(bus_read(&mem, ECAM + PCI_ECAM_LEN - size, size), ones);
        bus_write(&mem, ECAM + 0x8100, size, 0);
        bus_write(&mem, ECAM + PCI_ECAM_LEN - size, size, 0);
    }
    CHECK_EQ(bus_read(&mem, ECAM + 0x80fe, 4), 0xffffffff);
    bus_write(&mem, ECAM + 0x80fe, 4, 0);
    bus_write(&mem, ECAM + 0x7ffe, 4, 0);
}

static void test_firmware(void)
{
    setup_cards(3);
    for (int i = 1; i <= 3; i++) {
        struct card *c = &card[i];

        CHECK_EQ(get(i, 4, 2), 7);
        CHECK_EQ(c->moves, 3);
        CHECK_EQ(c->at[0], PC_PCI_IO + (i - 1) * IO_LEN);
        CHECK_EQ(get(i, 0x10, 4), c->at[0] | 1);
        CHECK_EQ(get(i, 0x14, 4), c->at[1]);
        CHECK_EQ(get(i, 0x18, 4), 0);
        CHECK_EQ(get(i, 0x1c, 4), 0);
        CHECK_EQ(get(i, 0x20, 4), c->at[2] | 4);
        CHECK_EQ(get(i, 0x24, 4), 0);
        CHECK(c->at[1] >= PC_PCI_MEM && c->at[1] % MEM_LEN == 0);
        CHECK(c->at[2] >= PC_PCI_MEM && c->at[2] % BIG_LEN == 0);
        for (int n = 0; n < 3; n++)
            CHECK(answers(c, n));
        CHECK_EQ(bus_read(&bus, c->at[0] + 5, 4), 0x10005);
        CHECK_EQ(bus_read(&mem, c->at[1] + 0xffc, 4), 0x20ffc);
        CHECK_EQ(bus_read(&mem, c->at[2] + 0x3ffe, 2), 0x3ffe);
    }
}

/* As a guest finds out how long they are. */
static void test_sizes(void)
{
    setup_cards(1);
    set(1, 4, 2, 0);
    for (int reg = 0x10; reg < 0x28; reg += 4)
        set(1, reg, 4, 0xffffffff);
    CHECK_EQ(get(1, 0x10, 4), 0xffffffe1);
    CHECK_EQ(get(1, 0x14, 4), 0xfffff000);
    CHECK_EQ(get(1, 0x18, 4), 0);
    CHECK_EQ(get(1, 0x1c, 4), 0);
    CHECK_EQ(get(1, 0x20, 4), 0xffffc004);
    CHECK_EQ(get(1, 0x24, 4), 0xffffffff);
    CHECK_EQ(card[1].moves, 6); /* the three, and each gone */
    CHECK_EQ(pci.io.n + pci.mem.n, 0);
}

static void test_moves(void)
{
    uint64_t was;

    setup_cards(1);
    was = card[1].at[1];
    set(1, 0x14, 4, 0xd0000000);
    CHECK_EQ(card[1].at[1], 0xd0000000);
    CHECK_EQ(bus_read(&mem, 0xd0000004, 4), 0x20004);
    CHECK_EQ(bus_read(&mem, was, 4), 0xffffffff);
    CHECK_EQ(card[1].moves, 5);

    /* The halves of 64 bits come one after the other, and between them it is nowhere. */
    set(1, 0x24, 4, MEM64 >> 32);
    set(1, 0x20, 4, 0x4000);
    CHECK_EQ(card[1].at[2], MEM64 + 0x4000);
    CHECK_EQ(bus_read(&mem, MEM64 + 0x4010, 2), 0x10);
    set(1, 0x20, 4, 0xffffffff);
    set(1, 0x24, 4, (2 * MEM64 - 1) >> 32);
    CHECK_EQ(card[1].at[2], 2 * MEM64 - BIG_LEN);
    set(1, 0x24, 4, 2 * MEM64 >> 32);
    CHECK_EQ(card[1].at[2], PCI_NOWHERE);

    set(1, 4, 1, 6);
    CHECK_EQ(card[1].at[0], PCI_NOWHERE);
    CHECK_EQ(bus_read(&bus, PC_PCI_IO, 4), 0xffffffff);
    CHECK_EQ(card[1].at[1], 0xd0000000);
    set(1, 4, 1, 5);
    CHECK_EQ(card[1].at[0], PC_PCI_IO);
    CHECK_EQ(card[1].at[1], PCI_NOWHERE);
    CHECK_EQ(bus_read(&mem, 0xd0000004, 4), 0xffffffff);
    /* One byte of an address moves it too. */
    set(1, 0x11, 1, 0xc3);
    CHECK_EQ(card[1].at[0], 0xc300);
}

/* The bridge passes on what is in its windows. */
static void test_windows(void)
{
    static const uint32_t nowhere[] = {0,          0x1000,     0xbffff000, 0xe0000000, 0xe00ff000,
                                       0xe0100000, 0xfec00000, 0xfee00000, 0xfffff000};
    static const uint32_t ports[] = {0, 0x20, 0x3e0, 0xce0, 0xbfe0, 0xd000, 0xffe0, 0x1c000};

    setup_cards(1);
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        set(1, 0x14, 4, nowhere[i]);
        CHECK_EQ(card[1].at[1], PCI_NOWHERE);
        set(1, 0x20, 4, nowhere[i]);
        CHECK_EQ(card[1].at[2], PCI_NOWHERE);
    }
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        set(1, 0x10, 4, ports[i]);
        CHECK_EQ(card[1].at[0], PCI_NOWHERE);
    }
    set(1, 0x10, 4, PC_PCI_IO + PC_PCI_IO_LEN - IO_LEN);
    CHECK_EQ(card[1].at[0], 0xcfe0);
    set(1, 0x14, 4, 0xdffff000);
    CHECK_EQ(card[1].at[1], 0xdffff000);
    CHECK_EQ(bus_read(&mem, ECAM + 0x8000, 4), 0x10421af4);
}

/* Of two at one place the lower slot answers, whoever came first; and when it goes, the other. */
static void test_overlap(void)
{
    setup_cards(2);
    set(1, 0x14, 4, 0xd0000000);
    set(2, 0x14, 4, 0xd0000000);
    CHECK(answers(&card[1], 1));
    CHECK_EQ(card[2].at[1], PCI_NOWHERE);
    set(1, 0x14, 4, 0xd0001000);
    CHECK(answers(&card[1], 1) && answers(&card[2], 1));
    CHECK_EQ(card[2].at[1], 0xd0000000);
    set(1, 0x20, 4, 0xd0000000); /* over both, and one is its own */
    CHECK(answers(&card[1], 1));
    CHECK_EQ(card[1].at[2], PCI_NOWHERE);
    CHECK(answers(&card[2], 1));
    set(1, 0x14, 4, 0);
    CHECK(answers(&card[1], 2));
    CHECK_EQ(card[2].at[1], PCI_NOWHERE);
    set(1, 4, 2, 0);
    CHECK(answers(&card[2], 1));
    bus_reset(&bus);
    for (int i = 1; i <= 2; i++)
        for (int n = 0; n < 3; n++)
            CHECK(answers(&card[i], n));
}

static void test_function_reset(void)
{
    uint8_t was[2][PCI_CONFIG_LEN];

    setup_cards(2);
    for (int i = 0; i < 2; i++)
        memcpy(was[i], card[i + 1].f.s.config, PCI_CONFIG_LEN);
    /* They change places. */
    set(1, 0x14, 4, card[2].at[1]);
    set(2, 0x14, 4, pci_get(&card[1].f, 0x14, 4) - MEM_LEN);
    set(1, 4, 2, 0);
    pci_interrupt(&card[1].f, true);
    bus_reset(&bus);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(card[i + 1].resets, 1);
        CHECK(!memcmp(was[i], card[i + 1].f.s.config, PCI_CONFIG_LEN));
        for (int n = 0; n < 3; n++)
            CHECK(answers(&card[i + 1], n));
    }
    CHECK(!wires[3].level);
}

static void test_interrupts(void)
{
    setup_cards(3);
    pci_interrupt(&card[1].f, true);
    CHECK(wires[3].level && !wires[2].level);
    CHECK_EQ(get(1, 6, 2), 8);
    pci_interrupt(&card[3].f, true); /* on the same line */
    pci_interrupt(&card[1].f, false);
    CHECK(wires[3].level);
    CHECK_EQ(get(1, 6, 2), 0);
    set(3, 4, 2, 0x407);
    CHECK(!wires[3].level);
    CHECK_EQ(get(3, 6, 2), 8);
    set(3, 4, 2, 7);
    CHECK(wires[3].level);
    pci_interrupt(&card[2].f, true);
    CHECK(wires[2].level);
    pci_interrupt(&card[3].f, false);
    CHECK(!wires[3].level && wires[2].level);
}

static void test_capabilities(void)
{
    static const uint8_t body[] = {1, 2, 3, 4, 5}, mask[] = {0, 0xf0, 0xff, 0, 0x80};
    int first, second;

    setup();
    make_card(&card[1]);
    first = pci_capability(&card[1].f, 9, body, sizeof(body), mask);
    second = pci_capability(&card[1].f, 0x10, body, 2, NULL);
    pci_add(&pci, &card[1].f);
    CHECK_EQ(get(1, 6, 2), 0x10);
    CHECK_EQ(get(1, 0x34, 1), first);
    CHECK_EQ(first, 0x40);
    CHECK_EQ(second, 0x48);
    CHECK_EQ(get(1, first, 4), 0x02014809);
    CHECK_EQ(get(1, second, 4), 0x02010010);
    set(1, first, 4, 0xffffffff);
    set(1, first + 4, 4, 0xffffffff);
    set(1, second, 4, 0xffffffff);
    CHECK_EQ(get(1, first, 4), 0xf2014809);
    CHECK_EQ(get(1, first + 4, 4), 0x8504ff);
    CHECK_EQ(get(1, second, 4), 0x02010010);
}

static void test_hooks(void)
{
    setup_cards(1);
    get(1, 0x46, 2);
    CHECK_EQ(card[1].reads, 1);
    CHECK_EQ(card[1].off, 0x46);
    CHECK_EQ(card[1].size, 2);
    set(1, 0xff, 1, 2);
    CHECK_EQ(card[1].writes, 1);
    CHECK_EQ(card[1].off, 0xff);
    CHECK_EQ(card[1].size, 1);
    set(1, 0xfc, 4, 2);
    CHECK_EQ(card[1].size, 4);
    set(2, 0, 4, 2);
    CHECK_EQ(card[1].writes, 2);
}

static void test_full(void)
{
    setup_cards(PCI_SLOTS - 1);
    for (int i = 1; i < PCI_SLOTS; i++)
        for (int n = 0; n < 3; n++)
            CHECK(answers(&card[i], n));
    make_card(&card[0]);
    if (!setjmp(died)) {
        pci_add(&pci, &card[0].f);
        CHECK(false);
    } else {
        CHECK(!strcmp(last_words, "a machine has room for 31 devices, and this is one more"));
    }
}

/* What has no room below 4 GiB goes above, and what has none there either is left to the guest. */
static void test_room(void)
{
    static struct pci_function f[5];
    static struct device dev = {.name = "card", .read = card_read, .write = card_write};
    static const struct pci_hooks none;

    setup();
    for (int i = 0; i < 5; i++) {
        pci_function_init(&f[i], &id, &none);
        pci_bar(&f[i], 0, i < 2 ? UINT64_C(1) << 28 : UINT64_C(1) << 33, PCI_BAR_MEM64, &dev);
        pci_bar(&f[i], 2, 0x800, PCI_BAR_IO, &dev);
        pci_add(&pci, &f[i]);
    }
    CHECK_EQ(f[0].bar[0].at, PC_PCI_MEM);
    CHECK_EQ(f[1].bar[0].at, PC_PCI_MEM + (1 << 28));
    CHECK_EQ(f[2].bar[0].at, MEM64);
    CHECK_EQ(f[3].bar[0].at, MEM64 + (MEM64 >> 1));
    CHECK_EQ(f[4].bar[0].at, PCI_NOWHERE);
    CHECK_EQ(f[1].bar[2].at, PC_PCI_IO + 0x800);
    CHECK_EQ(f[2].bar[2].at, PCI_NOWHERE);
    CHECK_EQ(get(5, 0x10, 4), 4);
    CHECK_EQ(get(5, 0x14, 4), 0);
    CHECK_EQ(get(5, 4, 2), 7);
    set(3, 0x14, 4, 0);
    set(5, 0x14, 4, MEM64 >> 32);
    CHECK_EQ(f[4].bar[0].at, MEM64);
}

int main(void)
{
    return test_main((struct test[]){
        {test_bridge, "the host bridge is at 0:0.0"},
        {test_empty, "without functions nothing else is on any bus"},
        {test_disabled, "data without the enable bit is nowhere"},
        {test_read_only, "the bridge cannot be overwritten"},
        {test_cf9, "the reset control register shares the address register's place"},
        {test_reset, "reset clears the address and the reset control register"},
        {test_header, "a function says what it is, and the guest cannot change that"},
        {test_ecam, "ECAM shows the same configuration space"},
        {test_firmware, "BARs have addresses and answer there"},
        {test_sizes, "BARs tell their lengths"},
        {test_moves, "BARs move, and are switched on and off"},
        {test_windows, "a BAR outside the bridge's windows is nowhere"},
        {test_overlap, "of two BARs at one place one answers, whatever came first"},
        {test_function_reset, "reset puts back what firmware had set up"},
        {test_interrupts, "functions share two lines, and can be cut off"},
        {test_capabilities, "capabilities are a list, with bits that can be written"},
        {test_hooks, "a function is told of accesses to its configuration space"},
        {test_full, "31 functions all work, and a 32nd is refused"},
        {test_room, "what does not fit below 4 GiB is above, or left to the guest"},
        {0},
    });
}

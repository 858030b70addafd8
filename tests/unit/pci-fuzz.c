// SPDX-License-Identifier: MIT
/*
 * Guests that write all kinds of nonsense to configuration space, to BARs and to MSI-X tables.
 * After each access the chips and RAM are where they were, what answers is what was told to the
 * function, no two at one place, what a guest cannot write has not changed, and the interrupt lines
 * and messages are those that the registers say.
 *
 *     pci-fuzz [rounds [seed]]
 */
#include "hw/msix.h"
#include "hw/pc.h"
#include "hw/pci.h"
#include "hw/ram.h"
#include "hw/reset-port.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"

#define MEM64 (UINT64_C(3) << 34)

enum {
    CF8 = 0xcf8,
    CFC = 0xcfc,
    STEPS = 200,
};

static struct test_wire wires[4];
static struct reset_port reset;
static struct pci pci;
static struct bus pio, mmio;
static struct device chip;
static int sent, moved;

struct card {
    struct pci_function f;
    struct device dev;
    struct msix msix;
    int vectors;
    bool inta;
    uint64_t at[PCI_BARS];
};

static struct card cards[PCI_SLOTS];
static int ncards;

static uint64_t read_any(struct device *d, uint64_t off, int size)
{
    (void)d, (void)size;
    return off;
}

static void write_any(struct device *d, uint64_t off, int size, uint64_t val)
{
    (void)d, (void)off, (void)size, (void)val;
}

static void card_moved(struct pci_function *f, int n, uint64_t addr)
{
    struct card *c = container_of(f, struct card, f);

    CHECK(c->at[n] != addr);
    CHECK(c->at[n] == PCI_NOWHERE || addr == PCI_NOWHERE);
    c->at[n] = addr;
    moved++;
}

static void card_reset(struct pci_function *f)
{
    container_of(f, struct card, f)->inta = false;
}

static void send(void *to, uint64_t addr, uint32_t data)
{
    struct card *c = to;

    (void)data;
    CHECK_EQ(addr >> 20, 0xfee);
    CHECK(pci_enabled(&c->f, PCI_COMMAND_MASTER));
    CHECK(msix_enabled(&c->msix));
    sent++;
}

static void make_card(struct card *c)
{
    static const struct pci_id id = {.vendor = 0x1af4, .device = 0x1042, .class = 0x010203};
    static const struct pci_hooks hooks = {.moved = card_moved, .reset = card_reset};
    uint8_t body[16], mask[16];
    int free_bar = 0;

    *c = (struct card){.dev = {.name = "card", .read = read_any, .write = write_any}};
    c->dev.max_size = 1 << below(4);
    pci_function_init(&c->f, &id, &hooks);
    for (int n = 0; n < PCI_BARS; n++)
        c->at[n] = PCI_NOWHERE;
    if (below(4)) {
        c->vectors = 1 + below(below(2) ? 4 : MSIX_VECTORS);
        msix_init(&c->msix, &c->f, free_bar++, c->vectors, send, c);
    }
    while (below(3) && free_bar < PCI_BARS - 1) {
        int kind = below(3);
        int bits = kind == PCI_BAR_IO ? 2 + below(8) : 4 + below(kind == PCI_BAR_MEM32 ? 20 : 32);

        pci_bar(&c->f, free_bar, UINT64_C(1) << bits, kind, &c->dev);
        free_bar += 1 + (kind == PCI_BAR_MEM64);
    }
    while (below(3) && c->f.capabilities_end < 0xe0) {
        for (int i = 0; i < 16; i++) {
            body[i] = random64();
            mask[i] = random64();
        }
        pci_capability(&c->f, 9, body, below(17), mask);
    }
}

static void make_machine(void)
{
    static const struct {
        uint64_t base, len;
    } chips[] = {{0, 0x100}, {0x3f8, 8}, {0x600, 12}, {0xcff8, 4}, {0x8900, 1}};

    memset(wires, 0, sizeof(wires));
    reset_port_init(&reset, test_wire(wires, 0), test_wire(wires, 1));
    pci_init(&pci, &reset.control, test_wire(wires, 2), test_wire(wires, 3), below(8) ? MEM64 : 0);
    pio = (struct bus){.behind = &pci.io};
    mmio = (struct bus){.behind = &pci.mem};
    chip = (struct device){.name = "chip", .read = read_any, .write = write_any};
    bus_attach(&pio, CF8, PCI_LEN, &pci.dev);
    for (size_t i = 0; i < sizeof(chips) / sizeof(chips[0]); i++)
        bus_attach(&pio, chips[i].base, chips[i].len, &chip);
    bus_attach(&mmio, PC_PCI_ECAM, PCI_ECAM_LEN, &pci.ecam);
    bus_attach(&mmio, PC_IOAPIC_BASE, 0x1000, &chip);

    ncards = 0;
    for (int n = 1 + below(below(8) ? 4 : PCI_SLOTS - 1); n > 0 && pci.bars < 58; n--) {
        make_card(&cards[ncards]);
        pci_add(&pci, &cards[ncards++].f);
    }
}

/* An address that somebody may have, or nearly so, or any. */
static uint64_t any_address(void)
{
    static const uint64_t special[] = {0,           0xcf8,      0xc000,     0xcff0,     0xd000,
                                       0xe0000,     0xbffff000, 0xc0000000, 0xc0001000, 0xd0000000,
                                       0xdffff000,  0xe0000000, 0xfec00000, 0xfee00000, 0xfffff000,
                                       0x100000000, MEM64,      UINT64_MAX, 0xffff0000, 0x80000000};
    struct card *c = &cards[below(ncards)];

    if (below(2)) {
        uint64_t at = c->at[below(PCI_BARS)];

        return at == PCI_NOWHERE ? PICK(special) : at + below(64) - 32;
    }
    return odd_number(special, sizeof(special) / sizeof(special[0]), UINT64_C(1) << 37);
}

/* A register of a function, most often one that is there. */
static uint32_t any_register(void)
{
    static const uint8_t special[] = {0x04, 0x05, 0x06, 0x10, 0x14, 0x18, 0x1c,
                                      0x20, 0x24, 0x28, 0x30, 0x42, 0x43};
    uint32_t slot = below(8) ? below(ncards + 1) : below(0x10000 >> 3);
    uint32_t function = slot << 3 | (below(16) ? 0 : below(8));

    return function << 8 | (below(3) ? PICK(special) : below(0x100));
}

static void write_config(void)
{
    uint32_t reg = any_register();
    int size = 1 << below(3);
    uint64_t val = below(3) ? any_address() : random64();

    if ((reg & 0xff) == PCI_COMMAND && below(2))
        val = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    if (below(2)) {
        bus_write(&pio, CF8, 4, (below(32) ? 0x80000000 : 0) | reg);
        bus_write(&pio, CFC + (reg & 3), size, val);
        bus_read(&pio, CFC + (reg & 3), size);
    } else {
        uint64_t off = (reg >> 8 << 12 | (reg & 0xff) | (below(16) ? 0 : 0x100)) % PCI_ECAM_LEN;

        bus_write(&mmio, PC_PCI_ECAM + off, 1 << below(4), below(2) ? val : val >> 32);
        bus_read(&mmio, PC_PCI_ECAM + off, 1 << below(4));
    }
}

/* A good entry, or any bytes; and MSI-X on or off. */
static void write_table(void)
{
    struct card *c = &cards[below(ncards)];
    uint64_t at = c->at[0] + 16 * below(c->vectors + 1);

    if (!c->vectors || c->at[0] == PCI_NOWHERE)
        return;
    switch (below(3)) {
    case 0:
        c->f.dev.write(&c->f.dev, c->msix.capability + 2, 2, below(4) ? 0x8000 : random64());
        break;
    case 1:
        bus_write(&mmio, at, 8, 0xfee00000 + below(0x100000));
        bus_write(&mmio, at + 12, 4, below(4) == 0);
        break;
    default:
        bus_write(&mmio, c->at[0] + below(0x1000), 1 << below(4), any_address());
    }
    bus_read(&mmio, c->at[0] + below(0x1000), 1 << below(4));
}

static void step(void)
{
    struct card *c = &cards[below(ncards)];
    struct bus *bus = below(2) ? &pio : &mmio;

    switch (below(16)) {
    case 0:
        c->inta = below(2);
        pci_interrupt(&c->f, c->inta);
        break;
    case 1:
    case 2:
        if (c->vectors)
            msix_signal(&c->msix, below(c->vectors));
        break;
    case 3:
        bus_read(bus, any_address(), 1 << below(4));
        break;
    case 4:
        if (below(32) == 0)
            bus_reset(&pio);
        else if (bus == &mmio)
            bus_write(bus, any_address(), 1 << below(4), random64());
        break;
    case 5 ... 7:
        write_table();
        break;
    default:
        write_config();
    }
}

static void check_card(const struct card *c)
{
    for (int i = 0; i < PCI_CONFIG_LEN; i++)
        CHECK(!((c->f.s.config[i] ^ c->f.at_reset[i]) & ~c->f.writable[i] &
                ~(i == PCI_STATUS ? PCI_STATUS_INTX : 0)));
    for (int n = 0; n < PCI_BARS; n++) {
        const struct pci_bar *b = &c->f.bar[n];
        const struct bus *bus = b->kind == PCI_BAR_IO ? &pci.io : &pci.mem;

        CHECK(b->at == c->at[n] || !b->len);
        if (c->at[n] == PCI_NOWHERE)
            continue;
        CHECK(b->len && c->at[n] % b->len == 0);
        CHECK(bus_device(bus, c->at[n]) == b->dev);
        CHECK(bus_device(bus, c->at[n] + b->len - 1) == b->dev);
    }
    for (int v = 0; v < c->vectors; v++)
        CHECK(c->msix.s.table[v].control <= 1);
}

static void check_bus(const struct bus *bus)
{
    for (int i = 0; i < bus->n; i++)
        for (int j = 0; j < i; j++)
            CHECK(bus->slot[i].base + bus->slot[i].len <= bus->slot[j].base ||
                  bus->slot[j].base + bus->slot[j].len <= bus->slot[i].base);
}

static void check_machine(void)
{
    int mapped = 0;
    bool line[2] = {false};

    for (int i = 0; i < ncards; i++) {
        const struct card *c = &cards[i];

        check_card(c);
        for (int n = 0; n < PCI_BARS; n++)
            mapped += c->at[n] != PCI_NOWHERE;
        line[c->f.slot & 1] |= c->inta && !pci_enabled(&c->f, PCI_COMMAND_INTX_DISABLE) &&
                               !(c->vectors && msix_enabled(&c->msix));
    }
    CHECK_EQ(pci.io.n + pci.mem.n, mapped);
    CHECK_EQ(wires[2].level, line[0]);
    CHECK_EQ(wires[3].level, line[1]);
    check_bus(&pci.io);
    check_bus(&pci.mem);
    for (int i = 0; i < pci.mem.n; i++)
        CHECK((pci.mem.slot[i].base >= RAM_HOLE &&
               pci.mem.slot[i].base + pci.mem.slot[i].len <= PC_PCI_ECAM) ||
              (pci.mem.slot[i].base >= MEM64 &&
               pci.mem.slot[i].base + pci.mem.slot[i].len <= MEM64 + PC_PCI_MEM64_LEN));
    CHECK(bus_device(&mmio, PC_IOAPIC_BASE) == &chip);
    CHECK(bus_device(&mmio, PC_PCI_ECAM + 0x8000) == &pci.ecam);
    CHECK(bus_device(&pio, 0xcff8) == &chip);
    CHECK(bus_device(&pio, CF8) == &pci.dev);
}

static void fuzz(void)
{
    for (int i = 0; i < rounds && !test_failures; i++) {
        make_machine();
        for (int n = 0; n < STEPS && !test_failures; n++) {
            step();
            check_machine();
        }
        if (test_failures)
            printf("# in round %d\n", i);
    }
    printf("# %d rounds: %d moves, %d messages\n", rounds, moved, sent);
    CHECK(moved > rounds * 10 && sent > rounds / 2);
}

int main(int argc, char **argv)
{
    rounds = 300;
    fuzz_arguments(argc, argv);
    return test_main((struct test[]){
        {fuzz, "whatever a guest writes, PCI keeps to its registers and its place"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * What a BIOS leaves: its data area, vectors that lead to code that returns, and the PICs.
 */
#include "boot/bios.h"
#include "hw/pic.h"
#include "tests/unit/memory.h"

static struct bus pio;

static void test_words(void)
{
    ram_init(&ram, 0x100000);
    bios_build(&ram, &pio);
    CHECK_EQ(get(0x400, 2), 0x3f8);
    CHECK_EQ(get(0x402, 2), 0);
    CHECK_EQ(get(0x40e, 2) << 4, BIOS_EBDA);
    CHECK_EQ(get(0x413, 2), BIOS_EBDA / 1024);
    CHECK_EQ(get(BIOS_EBDA, 1), 1);
    ram_free(&ram);
}

static void test_vectors(void)
{
    ram_init(&ram, 0x100000);
    bios_build(&ram, &pio);
    for (int i = 0; i < 256; i++) {
        uint64_t handler = get(4 * i, 2) + (get(4 * i + 2, 2) << 4);

        CHECK_EQ(get(handler + 3, 4), 0x01064e80);
        CHECK_EQ(get(handler + 8, 1), 0xcf);
    }
    ram_free(&ram);
}

/* A request on each line that the masks let through, the highest first. */
static void test_pics(void)
{
    static const struct {
        int line, vector;
    } open[] = {{0, 0x08}, {1, 0x09}, {8, 0x70}, {12, 0x74}, {13, 0x75}, {14, 0x76}, {6, 0x0e}};
    struct test_wire intr = {0};
    struct pic pic;

    pic_init(&pic, test_wire(&intr, 0), (struct irq){0});
    bus_attach(&pio, 0x20, 2, &pic.master.dev);
    bus_attach(&pio, 0xa0, 2, &pic.slave.dev);
    bus_attach(&pio, 0x4d0, 2, &pic.elcr);
    ram_init(&ram, 0x100000);
    bios_build(&ram, &pio);
    CHECK_EQ(bus_read(&pio, 0x4d0, 2), 0x0c00); /* levels: 10 and 11 */
    for (int i = 0; i < 16; i++)
        if (i != 2) {
            struct irq pin = pic_pin(&pic, i);

            irq_set(&pin, true);
        }
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        CHECK(intr.level);
        CHECK_EQ(pic_ack(&pic), open[i].vector);
        if (open[i].line >= 8)
            bus_write(&pio, 0xa0, 1, 0x20);
        bus_write(&pio, 0x20, 1, 0x20);
    }
    CHECK(!intr.level);
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {test_words, "what kernels read there"},
        {test_vectors, "every vector leads to a refusal"},
        {test_pics, "the PICs have a BIOS's vectors and masks"},
        {0},
    });
}

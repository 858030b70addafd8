// SPDX-License-Identifier: MIT
/*
 * The BIOS data area, and vectors that lead to code that returns.
 */
#include "boot/bda.h"
#include "tests/unit/test.h"

static struct ram ram;

static uint64_t get(uint64_t gpa, int size)
{
    uint64_t val = 0;

    memcpy(&val, ram_at(&ram, gpa, size), size);
    return val;
}

static void test_words(void)
{
    ram_init(&ram, 0x100000);
    bda_build(&ram);
    CHECK_EQ(get(0x400, 2), 0x3f8);
    CHECK_EQ(get(0x402, 2), 0);
    CHECK_EQ(get(0x40e, 2) << 4, BDA_EBDA);
    CHECK_EQ(get(0x413, 2), BDA_EBDA / 1024);
    CHECK_EQ(get(BDA_EBDA, 1), 1);
    ram_free(&ram);
}

static void test_vectors(void)
{
    ram_init(&ram, 0x100000);
    bda_build(&ram);
    for (int i = 0; i < 256; i++) {
        uint64_t handler = get(4 * i, 2) + (get(4 * i + 2, 2) << 4);

        CHECK_EQ(get(handler + 3, 4), 0x01064e80);
        CHECK_EQ(get(handler + 8, 1), 0xcf);
    }
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {test_words, "what kernels read there"},
        {test_vectors, "every vector leads to a refusal"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Guest RAM: what ram_at() lets through, and what it does not.
 */
#define _GNU_SOURCE
#include "hw/ram-file.h"
#include "hw/ram.h"
#include "tests/unit/test.h"

#include <sys/mman.h>
#include <unistd.h>

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

/* RAM that is only calculated with: its host address is never followed. */
#define HOST ((uint8_t *)(UINT64_C(1) << 40))

/* Offset on the host of an address, or -1. */
static uint64_t at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
    uint8_t *p = ram_at(ram, gpa, len);

    return p ? (uint64_t)(p - ram->host) : UINT64_MAX;
}

static void small(void)
{
    const struct ram ram = {.host = HOST, .size = MIB};

    CHECK_EQ(ram_low(&ram), MIB);
    CHECK_EQ(ram_high(&ram), 0);
    CHECK_EQ(at(&ram, 0, 1), 0);
    CHECK_EQ(at(&ram, 0, MIB), 0);
    CHECK_EQ(at(&ram, MIB - 1, 1), MIB - 1);
    CHECK(!ram_at(&ram, 0, MIB + 1));
    CHECK(!ram_at(&ram, 1, MIB));
    CHECK(!ram_at(&ram, MIB - 1, 2));
    CHECK(!ram_at(&ram, MIB, 1));
    CHECK(!ram_at(&ram, RAM_HOLE, 1));
    CHECK(!ram_at(&ram, RAM_HIGH, 1));
}

static void wrapping(void)
{
    const struct ram sizes[] = {{.host = HOST, .size = MIB},
                                {.host = HOST, .size = RAM_HOLE},
                                {.host = HOST, .size = 8 * GIB}};

    for (int i = 0; i < 3; i++) {
        CHECK(!ram_at(&sizes[i], UINT64_MAX, 1));
        CHECK(!ram_at(&sizes[i], UINT64_MAX, 2));
        CHECK(!ram_at(&sizes[i], UINT64_MAX, UINT64_MAX));
        CHECK(!ram_at(&sizes[i], 1, UINT64_MAX));
        CHECK(!ram_at(&sizes[i], 0, UINT64_MAX));
        CHECK(!ram_at(&sizes[i], 4096, -UINT64_C(4096)));
        CHECK(!ram_at(&sizes[i], 4096, -UINT64_C(4095)));
        CHECK(!ram_at(&sizes[i], RAM_HIGH, UINT64_MAX - RAM_HIGH + 1));
        CHECK(!ram_at(&sizes[i], RAM_HIGH, UINT64_MAX - RAM_HIGH + 2));
        CHECK(!ram_at(&sizes[i], RAM_HIGH + 4096, UINT64_MAX));
        CHECK(!ram_at(&sizes[i], -UINT64_C(4096), 8192));
    }
}

static void nothing_at_all(void)
{
    const struct ram ram = {.host = HOST, .size = 8 * GIB};

    CHECK_EQ(at(&ram, 0, 0), 0);
    CHECK_EQ(at(&ram, 4096, 0), 4096);
    CHECK_EQ(at(&ram, RAM_HIGH, 0), RAM_HOLE);
    CHECK(!ram_at(&ram, RAM_HOLE + 1, 0));
    CHECK(!ram_at(&ram, RAM_HIGH - 1, 0));
    CHECK(!ram_at(&ram, 9 * GIB + 1, 0));
    CHECK(!ram_at(&ram, UINT64_MAX, 0));
}

static void hole(void)
{
    const struct ram exact = {.host = HOST, .size = RAM_HOLE},
                     more = {.host = HOST, .size = RAM_HOLE + 4096};

    CHECK_EQ(ram_low(&exact), RAM_HOLE);
    CHECK_EQ(ram_high(&exact), 0);
    CHECK_EQ(at(&exact, RAM_HOLE - 1, 1), RAM_HOLE - 1);
    CHECK(!ram_at(&exact, RAM_HOLE - 1, 2));
    CHECK(!ram_at(&exact, RAM_HIGH, 1));

    CHECK_EQ(ram_low(&more), RAM_HOLE);
    CHECK_EQ(ram_high(&more), 4096);
    CHECK(!ram_at(&more, RAM_HOLE - 1, 2));
    CHECK(!ram_at(&more, RAM_HOLE, 1));
    CHECK(!ram_at(&more, RAM_HIGH - 1, 1));
    CHECK(!ram_at(&more, RAM_HIGH - 1, 2));
    CHECK(!ram_at(&more, RAM_HOLE - 1, RAM_HIGH - RAM_HOLE + 2));
    CHECK(!ram_at(&more, 0, RAM_HOLE + 1));
}

static void high(void)
{
    const struct ram ram = {.host = HOST, .size = 8 * GIB};

    CHECK_EQ(ram_low(&ram) + ram_high(&ram), 8 * GIB);
    CHECK_EQ(at(&ram, RAM_HIGH, 1), RAM_HOLE);
    CHECK_EQ(at(&ram, RAM_HIGH, 5 * GIB), RAM_HOLE);
    CHECK_EQ(at(&ram, 9 * GIB - 1, 1), 8 * GIB - 1);
    CHECK(!ram_at(&ram, 9 * GIB - 1, 2));
    CHECK(!ram_at(&ram, 9 * GIB, 1));
    CHECK(!ram_at(&ram, RAM_HIGH, 5 * GIB + 1));
}

/* Against the definition, byte by byte, around every border. */
static bool is_ram(const struct ram *ram, uint64_t gpa)
{
    return gpa < ram_low(ram) || (gpa >= RAM_HIGH && gpa < RAM_HIGH + ram_high(ram));
}

static void every_border(void)
{
    const uint64_t sizes[] = {4096, MIB, RAM_HOLE - 4096, RAM_HOLE, RAM_HOLE + 4096, 8 * GIB};

    for (int i = 0; i < 6; i++) {
        const struct ram ram = {.host = HOST, .size = sizes[i]};
        const uint64_t borders[] = {
            4, ram_low(&ram), RAM_HOLE, RAM_HIGH, RAM_HIGH + ram_high(&ram), UINT64_MAX - 8};

        for (int j = 0; j < 6; j++)
            for (uint64_t gpa = borders[j] - 4; gpa != borders[j] + 4; gpa++)
                for (uint64_t len = 1; len < 8; len++) {
                    bool all = true;

                    for (uint64_t k = 0; k < len; k++)
                        all &= is_ram(&ram, gpa + k);
                    CHECK_EQ(ram_at(&ram, gpa, len) != NULL, all);
                }
    }
}

static void real(void)
{
    struct ram ram;
    uint64_t sum = 0;

    ram_init(&ram, 4 * MIB + 4096);
    CHECK_EQ(ram.size, 4 * MIB + 4096);
    CHECK_EQ((uintptr_t)ram.host % (2 * MIB), 0);
    for (uint64_t i = 0; i < ram.size; i++)
        sum += *(uint8_t *)ram_at(&ram, i, 1);
    CHECK_EQ(sum, 0);
    memset(ram_at(&ram, 0, ram.size), 0xa5, ram.size);
    CHECK_EQ(*(uint8_t *)ram_at(&ram, ram.size - 1, 1), 0xa5);
    ram_free(&ram);
    CHECK_EQ(ram.size, 0);
    CHECK(!ram_at(&ram, 0, 1));

    /* Lazily committed: more than the host would like to give. */
    ram_init(&ram, 64 * GIB);
    *(uint8_t *)ram_at(&ram, RAM_HIGH + ram_high(&ram) - 1, 1) = 1;
    CHECK_EQ(ram.host[64 * GIB - 1], 1);
    ram_free(&ram);
}

/* The flags of the mapping at p, as /proc says. */
static void flags_of(const void *p, char *flags, size_t size)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long begin, end;
    bool here = false;

    flags[0] = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            here = (uintptr_t)p >= begin && (uintptr_t)p < end;
        else if (here && !strncmp(line, "VmFlags:", 8))
            snprintf(flags, size, "%s", line);
    }
    if (f)
        fclose(f);
}

static void not_dumped(void)
{
    struct ram ram;
    char flags[512];

    ram_init(&ram, 4 * MIB);
    flags_of(ram.host, flags, sizeof(flags));
    CHECK(strstr(flags, " dd "));
    flags_of(ram.host + ram.size - 1, flags, sizeof(flags));
    CHECK(strstr(flags, " dd "));
    ram_free(&ram);
}

/* A part may be that of a file; what is written there stays in RAM, and all is gone after a reset.
 */
static void mapped(void)
{
    int fd = memfd_create("file", 0), saved = memfd_create("saved", 0);
    static uint8_t content[3 * 4096], page[4096];
    struct ram ram;
    char flags[512];

    memset(content, 'x', sizeof(content));
    CHECK(write(fd, content, sizeof(content)) == sizeof(content));
    ram_init(&ram, 4 * MIB);
    memset(ram.host, 'r', ram.size);
    CHECK(ram_part(&ram, 2 * MIB, 2 * 4096, fd, 4096));
    CHECK(ram.host[2 * MIB - 1] == 'r' && ram.host[2 * MIB + 2 * 4096] == 'r');
    CHECK_EQ(ram_save(&ram, saved), 0); /* also what nobody has touched yet */
    CHECK(pread(saved, page, sizeof(page), 2 * MIB + 4096) == sizeof(page));
    CHECK(!memcmp(page, content, sizeof(page)));
    CHECK(!memcmp(ram.host + 2 * MIB, content, 2 * 4096));
    flags_of(ram.host + 2 * MIB, flags, sizeof(flags));
    CHECK(strstr(flags, " dd "));
    ram.host[2 * MIB] = 'w';
    CHECK(pread(fd, content, sizeof(content), 0) == sizeof(content) && content[4096] == 'x');
    ram_clear(&ram);
    for (uint64_t i = 0; i < ram.size; i += 512)
        CHECK(!ram.host[i]);
    flags_of(ram.host + 2 * MIB, flags, sizeof(flags));
    CHECK(strstr(flags, " dd "));
    ram_free(&ram);
    close(fd);
    close(saved);
}

int main(void)
{
    return test_main((struct test[]){
        {small, "RAM ends where it ends"},
        {wrapping, "no address and length wrap around"},
        {nothing_at_all, "an empty range is in RAM or at its end"},
        {hole, "nothing is in the hole, or crosses it"},
        {high, "the rest is found above 4 GiB"},
        {every_border, "every border is where it should be"},
        {real, "RAM is zeroed, aligned, and committed as it is touched"},
        {not_dumped, "RAM is not part of a core dump"},
        {mapped, "RAM that is part of a file, until a reset"},
        {0},
    });
}

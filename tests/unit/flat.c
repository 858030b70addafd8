// SPDX-License-Identifier: MIT
/*
 * The three ways for a flat binary: 16-bit, 32-bit with paging, 64-bit. What stands where in RAM,
 * the state that the CPU starts in, and files that are refused.
 */
#define _GNU_SOURCE
#include "boot/realmode.h"
#include "boot/longmode.h"
#include "boot/pmode-1k.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"
#include "x86/paging.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB 0x100000

static struct ram ram;
static struct cpu_state s;

/* A file of n bytes, which begins with head. */
static struct image file(size_t n, const void *head, size_t len)
{
    struct image img = {.name = "guest.bin", .fd = memfd_create("guest", 0), .size = n};

    if (ftruncate(img.fd, n) < 0 || pwrite(img.fd, head, len, 0) != (ssize_t)len)
        abort();
    return img;
}

static uint8_t byte_at(uint64_t gpa)
{
    return *(uint8_t *)ram_at(&ram, gpa, 1);
}

static void test_realmode(void)
{
    static const struct {
        int index, count;
        uint32_t base;
    } places[] = {{0, 1, 0},       {1, 2, 0x40000}, {3, 4, 0xc0000},
                  {1, 5, 0x10000}, {4, 5, 0x40000}, {15, 16, 0xf0000}};
    struct image img = file(3, "\xf4xy", 3);

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint32_t base = places[i].base;

        ram_init(&ram, REALMODE_RAM);
        realmode_load(&img, places[i].index, places[i].count, &ram, &s);
        CHECK_EQ(byte_at(base), 0xf4);
        CHECK_EQ(byte_at(base + 2), 'y');
        CHECK(!strcmp(cpu_mode(&s), "real mode"));
        CHECK_EQ(s.cs.base, base);
        CHECK_EQ(s.cs.selector, base / 16);
        CHECK_EQ(s.ds.base, base);
        CHECK_EQ(s.es.base, base);
        CHECK_EQ(s.ss.base, base);
        CHECK_EQ(s.rip, 0);
        CHECK_EQ(s.gpr[RSP], 0xfffe);
        CHECK_EQ(s.rflags, EFLAGS_FIXED);
        CHECK_EQ(s.idt.limit, 0);
        ram_free(&ram);
    }
    close(img.fd);
}

/* The load dies with words. */
static bool refused(void (*load)(const struct image *img), const struct image *img,
                    const char *words)
{
    if (setjmp(died))
        return strstr(last_words, words) && strstr(last_words, img->name);
    load(img);
    return false;
}

static void load_of_four(const struct image *img)
{
    realmode_load(img, 3, 4, &ram, &s);
}

static void load_of_five(const struct image *img)
{
    realmode_load(img, 4, 5, &ram, &s);
}

static void load_beside(const struct image *img)
{
    realmode_load_beside(img, 2, "kernel.bin", 0xc0000, &ram, &s);
}

static void load_beside_too_many(const struct image *img)
{
    realmode_load_beside(img, 3, "kernel.bin", 0xc0000, &ram, &s);
}

static void load_pmode(const struct image *img)
{
    pmode_1k_load(img, &ram, &s);
}

static void load_long(const struct image *img)
{
    longmode_load(img, &ram, &s);
}

static void test_realmode_sizes(void)
{
    struct image img = file(256 * 1024, "", 0);

    ram_init(&ram, REALMODE_RAM);
    load_of_four(&img);
    img = file(256 * 1024 + 1, "", 0);
    CHECK(refused(load_of_four, &img, "256 KiB"));
    img = file(64 * 1024, "", 0);
    load_of_five(&img);
    load_beside(&img);
    CHECK_EQ(s.cs.base, 0xc0000);
    img = file(64 * 1024 + 1, "", 0);
    CHECK(refused(load_of_five, &img, "64 KiB"));
    CHECK(refused(load_beside, &img, "64 KiB"));
    CHECK(refused(load_beside_too_many, &img, "no room beside kernel.bin, which leaves it to 3"));
    ram_free(&ram);
}

/* Where a linear address leads by the tables that were built. */
static uint64_t physical(uint64_t linear)
{
    uint64_t gpa;

    return paging_walk(&ram, &s, linear, &gpa) ? gpa : UINT64_MAX;
}

static void test_pmode(void)
{
    struct image img = file(5, "\x90kern", 5);
    const uint64_t *gdt;

    ram_init(&ram, PMODE_1K_RAM);
    load_pmode(&img);
    CHECK_EQ(byte_at(0x1000), 0x90);
    CHECK_EQ(s.rip, 0x80001000);
    CHECK_EQ(s.cr3, 0x100000);
    CHECK(!strcmp(cpu_mode(&s), "32-bit protected mode with paging"));
    CHECK_EQ(s.rflags, EFLAGS_FIXED);
    CHECK_EQ(s.cs.selector, 0x08);
    CHECK_EQ(s.ds.selector, 0x10);
    CHECK_EQ(s.es.selector, 0x10);
    CHECK_EQ(s.ss.selector, 0x10);
    CHECK_EQ(s.cs.limit, 0xffffffff);

    CHECK_EQ(physical(0), 0);
    CHECK_EQ(physical(0x3fffff), 0x3fffff);
    CHECK_EQ(physical(0x400000), UINT64_MAX);
    CHECK_EQ(physical(0x80001234), 0x1234);
    CHECK_EQ(physical(0x803fffff), 0x3fffff);
    CHECK_EQ(physical(0x80400000), UINT64_MAX);
    CHECK_EQ(*(uint32_t *)ram_at(&ram, 0x100000, 4), 0x101003);
    CHECK_EQ(*(uint32_t *)ram_at(&ram, 0x100800, 4), 0x102003);
    CHECK_EQ(*(uint32_t *)ram_at(&ram, 0x102ffc, 4), 0x3ff003);

    CHECK_EQ(s.gdt.base, 0x500);
    CHECK_EQ(s.gdt.limit, 5 * 8 - 1);
    CHECK_EQ(s.idt.base, 0x528);
    CHECK_EQ(s.idt.limit, 256 * 8 - 1);
    gdt = ram_at(&ram, 0x500, 40);
    CHECK_EQ(gdt[0], 0);
    for (int i = 1; i < 5; i++) {
        /* Flat, 32-bit, present, accessed; code then data, of ring 0 then 3. */
        CHECK_EQ(gdt[i] & ~(UINT64_C(0x68) << 40), 0x00cf93000000ffff);
        CHECK_EQ(gdt[i] >> 43 & 1, i & 1);
        CHECK_EQ(gdt[i] >> 45 & 3, i > 2 ? 3 : 0);
    }
    ram_free(&ram);
    close(img.fd);
}

static void test_pmode_sizes(void)
{
    struct image img = file(MIB - 0x1000, "", 0);

    ram_init(&ram, PMODE_1K_RAM);
    load_pmode(&img);
    img = file(MIB - 0x1000 + 1, "", 0);
    CHECK(refused(load_pmode, &img, "page directory"));
    ram_free(&ram);
    ram_init(&ram, PMODE_1K_RAM - 0x1000);
    img = file(1, "", 0);
    CHECK(refused(load_pmode, &img, "4 MiB of RAM"));
    ram_free(&ram);
}

static void test_long(void)
{
    struct image img = file(4, "long", 4);

    ram_init(&ram, LONGMODE_RAM);
    load_long(&img);
    CHECK(!strcmp(cpu_mode(&s), "64-bit mode"));
    CHECK_EQ(s.rip, MIB);
    CHECK_EQ(s.gpr[RSP], MIB);
    CHECK_EQ(byte_at(MIB + 3), 'g');
    CHECK_EQ(physical(0x12345678), 0x12345678);
    CHECK_EQ(physical(0xffffffff), 0xffffffff);
    img = file(LONGMODE_RAM - MIB, "", 0);
    load_long(&img);
    img = file(LONGMODE_RAM - MIB + 1, "", 0);
    CHECK(refused(load_long, &img, "--mem"));
    ram_free(&ram);
}

static void test_no_flat_binary(void)
{
    char linux_header[0x206] = "MZ";
    struct image elf = file(100, "\177ELF\1\1\1", 7), script = file(20, "#!/bin/sh\n", 10), kernel;

    memcpy(linux_header + 0x202, "HdrS", 4);
    kernel = file(sizeof(linux_header), linux_header, sizeof(linux_header));
    ram_init(&ram, PMODE_1K_RAM);
    CHECK(refused(load_of_four, &elf, "objcopy -O binary"));
    CHECK(refused(load_pmode, &elf, "objcopy -O binary"));
    CHECK(refused(load_long, &elf, "objcopy -O binary"));
    CHECK(refused(load_of_four, &script, "script"));
    CHECK(refused(load_of_four, &kernel, "--kernel"));
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {test_realmode, "16-bit programs: place and state"},
        {test_realmode_sizes, "16-bit programs may fill their memory, and no more"},
        {test_pmode, "32-bit kernels: the boot contract"},
        {test_pmode_sizes, "32-bit kernels end below the page directory"},
        {test_long, "64-bit programs"},
        {test_no_flat_binary, "what is no flat binary is refused by name"},
        {0},
    });
}

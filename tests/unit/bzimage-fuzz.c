// SPDX-License-Identifier: MIT
/*
 * Thousands of damaged kernels on odd machines: each loads, or dies with one line; none crashes,
 * hangs, or makes the loader write outside RAM (which has unmapped pages on both sides).
 *
 *     bzimage-fuzz [rounds [seed [bzImage]]]
 */
#define _GNU_SOURCE
#include "boot/kernel.h"
#include "tests/unit/die.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB        UINT64_C(0x100000)
#define HEADER_END 0x290

/* What a number in a header may turn into: round ones, and those next to them. */
static uint64_t odd_value(void)
{
    static const uint64_t special[] = {0, 1, 0x7fffffff, 0xfff, 0xc0000000, UINT64_MAX, 0x100000};

    return odd_number(special, sizeof(special) / sizeof(special[0]), 256 * MIB);
}

/* The fields that the loader looks at. */
static const struct field {
    int off, size;
} fields[] = {
    {0x1f1, 1}, {0x1f4, 4}, {0x200, 2}, {0x211, 1}, {0x22c, 4}, {0x230, 4},
    {0x234, 1}, {0x236, 2}, {0x238, 4}, {0x258, 8}, {0x260, 4},
};

static uint8_t header[HEADER_END];
static struct image kernel, initrd = {.name = "initrd"};

static void put(uint8_t *at, int off, int size, uint64_t val)
{
    memcpy(at + off, &val, size);
}

static uint64_t get(const uint8_t *at, int off, int size)
{
    uint64_t val = 0;

    memcpy(&val, at + off, size);
    return val;
}

/* A small kernel of today: 39 sectors of setup, 40000 bytes of code. */
static void make_kernel(void)
{
    static uint8_t file[40 * 512 + 40000];

    for (size_t i = 0; i < sizeof(file); i++)
        file[i] = i * 7 + (i >> 8) * 3 + 1;
    memset(file + 0x1f1, 0, 0x26c - 0x1f1);
    put(file, 0x1f1, 1, 39);
    put(file, 0x1f4, 4, 40000 / 16);
    put(file, 0x1fe, 2, 0xaa55);
    put(file, 0x200, 2, 0x6aeb);
    put(file, 0x202, 4, 0x53726448);
    put(file, 0x206, 2, 0x20f);
    put(file, 0x211, 1, 1);
    put(file, 0x22c, 4, 0x7fffffff);
    put(file, 0x230, 4, 2 * MIB);
    put(file, 0x234, 1, 1);
    put(file, 0x236, 2, 1);
    put(file, 0x238, 4, 2047);
    put(file, 0x258, 8, 16 * MIB);
    put(file, 0x260, 4, 8 * MIB);
    kernel = (struct image){.name = "kernel", .fd = memfd_create("kernel", 0)};
    kernel.size = write(kernel.fd, file, sizeof(file));
}

/* A private copy of a real one, to damage. */
static void copy_kernel(const char *path)
{
    struct image real;
    void *data;

    if (setjmp(died)) {
        fprintf(stderr, "%s\n", last_words);
        exit(1);
    }
    image_open(&real, path, true);
    data = malloc(real.size);
    image_read(&real, 0, data, real.size);
    kernel = (struct image){.name = "kernel", .fd = memfd_create("kernel", 0)};
    kernel.size = write(kernel.fd, data, real.size);
    free(data);
}

/* The kernel, damaged or not, in the file; how long the loader finds it. */
static uint64_t damage(uint8_t *damaged)
{
    static const uint16_t versions[] = {0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b,
                                        0x20c, 0x20d, 0x20f, 0x210, 0x300, 0xffff};

    memcpy(damaged, header, HEADER_END);
    if (!below(2))
        put(damaged, 0x206, 2, PICK(versions));
    for (int n = below(4); n > 0; n--) {
        const struct field *f = &PICK(fields);

        put(damaged, f->off, f->size, odd_value());
    }
    for (int n = below(8) ? 0 : below(16); n > 0; n--)
        damaged[below(HEADER_END)] = random64();
    if (pwrite(kernel.fd, damaged, HEADER_END, 0) != HEADER_END)
        abort();
    switch (below(8)) {
    case 0:
        return 1 + below(kernel.size);
    case 1:
        return 1 + below(HEADER_END);
    default:
        return kernel.size;
    }
}

/* What a loaded kernel can rely on, whatever its header says. */
static void check_loaded(const struct kernel *b, const struct ram *ram, const struct cpu_state *s,
                         const uint8_t *damaged)
{
    const uint8_t *zero_page = ram_at(ram, s->gpr[RSI], 4096);
    uint64_t version = get(damaged, 0x206, 2), load = s->rip - (s->cs.l ? 0x200 : 0);
    uint64_t need = version >= 0x20a ? get(damaged, 0x260, 4) : 0;
    uint64_t image = ((damaged[0x1f1] ? damaged[0x1f1] : 4) + 1) * 512;
    uint64_t at = get(zero_page, 0x218, 4), size = get(zero_page, 0x21c, 4);
    const uint8_t *code = ram_at(ram, load, 16), *cmdline;
    uint8_t want[16] = {0};

    CHECK(load >= MIB && ram_at(ram, load, need));
    image_read(&b->image, image, want, b->image.size - image < 16 ? b->image.size - image : 16);
    CHECK(code && !memcmp(code, want, b->image.size - image < 16 ? 1 : 16));
    CHECK_EQ(get(zero_page, 0x214, 4), load);
    cmdline = ram_at(ram, get(zero_page, 0x228, 4), strlen(b->cmdline) + 1);
    CHECK(cmdline && !strcmp((const char *)cmdline, b->cmdline));
    CHECK_EQ(size != 0, b->modules || b->extra_size);
    if (size) {
        CHECK(at % 4096 == 0 && at >= load + need && at > load);
        CHECK(ram_at(ram, at, size) && at + size - 1 <= get(damaged, 0x22c, 4));
    }
    CHECK(s->cs.l ? b->entry != 32 && version >= 0x20c : b->entry != 64);
}

static void fuzz(void)
{
    static char cmdline[0x90000];
    static uint8_t extra[5000], damaged[HEADER_END];
    static int loaded;
    const uint64_t kernel_size = kernel.size;

    image_read(&kernel, 0, header, HEADER_END);
    memset(extra, 0xee, sizeof(extra));
    for (int i = 0; i < rounds; i++) {
        struct ram ram;
        struct cpu_state s = {0};
        struct kernel b = {.extra = extra,
                           .extra_size = below(2) ? 0 : below(sizeof(extra)),
                           .cmdline = cmdline,
                           .entry = below(3) * 32};
        size_t length = below(8) ? below(300) : below(sizeof(cmdline));

        memset(cmdline, 'x', length);
        cmdline[length] = 0;
        wall_ram(&ram);
        kernel.size = kernel_size;
        b.image = kernel;
        b.image.size = damage(damaged);
        /* Mostly sparse: a hole in a file costs nothing until the guest's RAM holds it. */
        b.modules = below(2) ? 0 : below(4);
        for (int m = 0; m < b.modules; m++) {
            initrd.size = below(8) ? 1 + below(100000) : 1 + (odd_value() >> 1);
            b.module[m] = (struct module){.image = initrd, .args = ""};
        }
        if (!setjmp(died)) {
            way_bzimage.load(&b, &ram, &s);
            check_loaded(&b, &ram, &s, damaged);
            loaded++;
        } else {
            CHECK(!strncmp(last_words, "kernel: ", 8) || !strncmp(last_words, "initrd: ", 8) ||
                  !strncmp(last_words, "the initramfs: ", 15));
            CHECK(!strchr(last_words, '\n'));
        }
        unwall_ram(&ram);
        if (test_failures) {
            printf("# in round %d; last words: %s\n", i, last_words);
            break;
        }
    }
    printf("# %d of %d loaded\n", loaded, rounds);
    CHECK(loaded > rounds / 20 && loaded < rounds);
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    if (argc > 3)
        copy_kernel(argv[3]);
    else
        make_kernel();
    initrd.fd = memfd_create("initrd", 0);
    if (ftruncate(initrd.fd, 4 * MIB))
        return 1;
    return test_main((struct test[]){
        {fuzz, "damaged bzImages on machines of all sizes load or die, within RAM"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Thousands of damaged Multiboot kernels, of both versions, on odd machines: each loads, or dies
 * with one line; none crashes, hangs, or makes the loader write outside RAM (which has unmapped
 * pages on both sides).
 *
 *     multiboot-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "tests/unit/fuzz.h"
#include "tests/unit/multiboot.h"

/* What a number may turn into: round ones, those next to them, and what these files consist of. */
static uint64_t odd_value(void)
{
    static const uint64_t special[] = {0,          1,        0x7fffffff, 0xfff,  0xc0000000,
                                       UINT64_MAX, 0x100000, TEXT_GPA,   TEXT,   ENTRY_GPA,
                                       BSS_END,    0x9fc00,  0x10000,    0xe0000};

    return odd_number(special, sizeof(special) / sizeof(special[0]), 64 * MIB);
}

static bool is_2, is_64; /* of the file */
static uint32_t header_end;

/* Sum up the header, mostly. */
static void put_checksum(void)
{
    uint32_t word[3], sum = 0;

    memcpy(word, file + HEADER_AT, sizeof(word));
    for (int i = 0; i < (is_2 ? 3 : 2); i++)
        sum += word[i];
    put(HEADER_AT + (is_2 ? 12 : 8), 4, -sum);
}

static void make_header1(void)
{
    const uint32_t flat = below(2) ? 0x10000 : 0;
    const uint32_t header[] = {0x1badb002,
                               3 | flat,
                               0,
                               TEXT_GPA + HEADER_AT,
                               TEXT_GPA,
                               below(2) ? 0 : TEXT_GPA + 0x3000,
                               below(2) ? 0 : BSS_END,
                               ENTRY_GPA};

    memcpy(file + HEADER_AT, header, sizeof(header));
    header_end = HEADER_AT + sizeof(header);
}

static void put_tag(int type, int n, const uint32_t *words)
{
    put(header_end, 2, type);
    put(header_end + 2, 2, below(2));
    put(header_end + 4, 4, 8 + 4 * n);
    memcpy(file + header_end + 8, words, 4 * n);
    header_end += (8 + 4 * n + 7) & -8;
}

static void make_header2(void)
{
    const uint32_t none[1] = {0}, request[] = {1, 3, 6, 9}, console = 2, entry = ENTRY_GPA;
    const uint32_t addresses[] = {TEXT_GPA + HEADER_AT, TEXT_GPA, 0, BSS_END};
    const uint32_t relocation[] = {0, 0xffffffff, below(2) ? 0x1000 : 0x200000, 2};

    put(HEADER_AT, 4, 0xe85250d6);
    put(HEADER_AT + 4, 4, 0);
    header_end = HEADER_AT + 16;
    if (below(2))
        put_tag(1, 4, request);
    if (below(2))
        put_tag(4, 1, &console);
    if (below(3) == 0)
        put_tag(2, 4, addresses);
    if (below(2))
        put_tag(3, 1, &entry);
    if (below(2))
        put_tag(6, 0, none);
    if (below(2))
        put_tag(10, 4, relocation);
    put_tag(0, 0, none);
    put(HEADER_AT + 8, 4, header_end - HEADER_AT);
}

/* One number somewhere in a structure of the file. */
static void damage_once(void)
{
    static const int sizes[] = {1, 2, 4, 4, 4, 8};
    uint32_t at;

    switch (below(5)) {
    case 0:
        at = below(0x40); /* the ELF header */
        break;
    case 1:
        at = PHDRS + below(2 * 56);
        break;
    case 2:
        at = SHDRS + below(4 * 64);
        break;
    default:
        at = HEADER_AT + 4 + below(header_end - HEADER_AT - 4);
    }
    if (below(4))
        at &= -4;
    put(at, PICK(sizes), odd_value());
}

/* A new kernel, damaged or not. */
static void make_kernel(void)
{
    is_2 = below(2);
    is_64 = below(2);
    make_elf(is_64);
    if (is_2)
        make_header2();
    else
        make_header1();
    for (int n = below(4); n > 0; n--)
        damage_once();
    if (below(16))
        put(HEADER_AT, 4, is_2 ? 0xe85250d6 : 0x1badb002);
    if (below(16))
        put_checksum();
    save(below(8) ? FILE_SIZE : 1 + below(FILE_SIZE));
    k.image.name = "kernel";
}

/* Mostly sparse: a hole in a file costs nothing until the guest's RAM holds it. */
static void make_modules(struct image *img)
{
    static char words[0x20000];

    k.modules = below(2) ? 0 : below(KERNEL_MODULES + 1);
    for (int i = 0; i < k.modules; i++) {
        size_t length = below(8) ? below(100) : below(sizeof(words));

        memset(words, 'x', sizeof(words) - 1);
        img->size = 1 + below(below(4) ? 10000 : 4 * MIB);
        k.module[i] = (struct module){*img, words + sizeof(words) - 1 - length};
        if (below(50) == 0)
            k.module[i].image.size = 1 + (odd_value() >> 1);
    }
    k.cmdline = words + sizeof(words) - 1 - below(sizeof(words));
}

/* The information of version 2: tags follow each other to the end. */
static int count_modules2(uint64_t info)
{
    uint64_t at = info + 8, end = info + get(info, 4);
    int n = 0;

    for (; at < end && get(at, 4); at = (at + get(at + 4, 4) + 7) & -8) {
        if (get(at + 4, 4) < 8)
            return -1;
        if (get(at, 4) == 3)
            CHECK_EQ(get(at + 12, 4) - get(at + 8, 4), k.module[n++].image.size);
    }
    return at + 8 == end && get(at + 4, 4) == 8 ? n : -1;
}

/* What a loaded kernel can rely on, whatever its header says. */
static void check_loaded(void)
{
    uint64_t info = s.gpr[RBX];

    CHECK(ram_at(&ram, s.rip, 1) && s.rip >= 0x1000);
    CHECK(info >= 0x1000 && info % 8 == 0);
    CHECK_EQ(s.gpr[RAX], is_2 ? 0x36d76289 : 0x2badb002);
    if (is_2) {
        CHECK_EQ(count_modules2(info), k.modules);
        return;
    }
    CHECK_EQ(get(info + 20, 4), k.modules);
    CHECK(!strncmp(ram_at(&ram, get(info + 16, 4), 7), "kernel", 6));
    for (int i = 0; i < k.modules; i++) {
        uint64_t at = get(info + 24, 4) + i * 16, start = get(at, 4);

        CHECK_EQ(start % 4096, 0);
        CHECK_EQ(get(at + 4, 4) - start, k.module[i].image.size);
        CHECK(ram_at(&ram, start, k.module[i].image.size));
    }
}

static void fuzz(void)
{
    int loaded = 0, missing = 0;
    struct image module = {.name = "module", .fd = memfd_create("module", 0)};
    FILE *nowhere = fopen("/dev/null", "w");

    if (ftruncate(module.fd, 4 * MIB) < 0)
        abort();
    for (int i = 0; i < rounds && !test_failures; i++) {
        const struct way *w;

        make_kernel();
        make_modules(&module);
        wall_ram(&ram);
        w = is_2 ? &way_multiboot2 : &way_multiboot;
        strcpy(last_words, "kernel: ");
        if (!w->offered(&k.image)) {
            missing++;
        } else {
            w->print(&k.image, nowhere);
            if (loads(w)) {
                check_loaded();
                loaded++;
            }
        }
        CHECK(!strncmp(last_words, "kernel: ", 8) || !strncmp(last_words, "module: ", 8));
        CHECK(!strchr(last_words, '\n'));
        unwall_ram(&ram);
        if (test_failures)
            printf("# in round %d; last words: %s\n", i, last_words);
    }
    printf("# %d of %d loaded, %d offered nothing\n", loaded, rounds, missing);
    CHECK(loaded > rounds / 20 && loaded < rounds);
    CHECK(missing < rounds / 2);
    fclose(nowhere);
    close(module.fd);
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    return test_main((struct test[]){
        {fuzz, "damaged Multiboot kernels on machines of all sizes load or die, within RAM"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Thousands of damaged packed files of every format, and files of other kinds: each is unpacked
 * within its room or refused, and described in one line; none crashes or hangs.
 *
 *     unpack-fuzz [rounds [seed [FILE...]]]
 *
 * FILEs are damaged too, to be described only.
 */
#define _GNU_SOURCE
#include "boot/identify.h"
#include "boot/unpack.h"
#include "tests/unit/die.h"
#include "tests/unit/pack.h"
#include "tests/unit/test.h"
#include "tests/unit/random.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONTENT  20000
#define ROOM     65536
#define GUARD    4096
#define SAMPLES  64
#define FILE_MAX 0x12000 /* the most that is looked at of a file, and more */

static int rounds = 3000, samples;
static struct sample {
    enum packing packing;
    uint8_t *data;
    size_t n;
} sample[SAMPLES];
static uint8_t content[CONTENT];

/* An end of memory: room bytes of which the next one is unmapped, as is the one before. */
static uint8_t *guarded(size_t n)
{
    uint8_t *at = mmap(NULL, n + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || mprotect(at + GUARD, n, PROT_READ | PROT_WRITE))
        abort();
    return at + GUARD;
}

static void add(enum packing p, const void *data, size_t n)
{
    if (samples == SAMPLES)
        return;
    sample[samples] = (struct sample){p, malloc(n), n};
    memcpy(sample[samples++].data, data, n);
}

/* Headers that have much in them to be followed. */
static void add_headers(void)
{
    uint8_t elf[1024] = "\177ELF\2\1\1", pe[1024] = "MZ", disk[1024] = {0};

    memcpy(elf + 16, "\1\0\76\0", 4);
    elf[0x28 + 1] = 2; /* sections at 512, of 64 bytes, names in the first */
    elf[0x3a] = 64;
    elf[0x3c] = 2;
    elf[0x20] = 64; /* segments at 64: two, notes and an interpreter */
    elf[0x36] = 56;
    elf[0x38] = 2;
    elf[64] = 4;
    elf[64 + 9] = 3;
    elf[64 + 32] = 200;
    elf[120] = 3;
    elf[120 + 9] = 3;
    elf[120 + 32] = 20;
    elf[512 + 0x18 + 1] = 3;
    elf[512 + 0x20] = 100;
    add(PACKING_NONE, elf, sizeof(elf));
    memcpy(elf + 16, "\2", 1);
    add(PACKING_NONE, elf, sizeof(elf));

    pe[0x3c] = 0x80;
    memcpy(pe + 0x80, "PE\0\0\x64\x86\3\0", 8);
    pe[0x80 + 20] = 0xf0;
    memcpy(pe + 0x80 + 24 + 0xf0 + 80, ".linux\0\0", 8);
    add(PACKING_NONE, pe, sizeof(pe));

    disk[450] = 0x83;
    disk[466] = 0x82;
    memcpy(disk + 510, "\x55\xaa", 2);
    add(PACKING_NONE, disk, sizeof(disk));
    add(PACKING_NONE, "#!/bin/sh\nexit 0\n", 17);
    add(PACKING_NONE, "ffffffff81000000 T _text\n", 25);
}

static void make_samples(void)
{
    static uint8_t packed[2 * CONTENT];

    pack_content(content, sizeof(content));
    for (size_t k = 0; k < PACKERS; k++) {
        static const size_t sizes[] = {1, 300, CONTENT};

        for (int i = 0; i < 3; i++)
            add(packers[k].packing, packed,
                packers[k].pack(content, sizes[i], packed, sizeof(packed)));
    }
    add_headers();
}

static void add_file(const char *path)
{
    static uint8_t data[FILE_MAX];
    struct image img;

    if (setjmp(died)) {
        fprintf(stderr, "%s\n", last_words);
        exit(1);
    }
    image_open(&img, path, true);
    add(PACKING_NONE, data, image_peek(&img, 0, data, sizeof(data)));
    image_close(&img);
}

/* A few of: bits flipped, numbers made odd, a piece moved, the end lost or made longer. */
static size_t damage(uint8_t *data, size_t n, size_t room)
{
    static const uint32_t odd[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000};

    for (int i = below(5); i > 0 && n > 8; i--) {
        /* Half of it to the header. */
        size_t at = below(2) ? below(n - 4) : below(n - 4 < 64 ? n - 4 : 64), len;

        switch (below(6)) {
        case 0:
        case 1:
            data[at] ^= 1 << below(8);
            break;
        case 2:
            data[at] = random64();
            break;
        case 3:
            memcpy(data + at, &odd[below(8)], 1 + below(4));
            break;
        case 4:
            len = below(n - at);
            memmove(data + below(n - len), data + at, len);
            break;
        case 5:
            n = below(2) ? 1 + below(n) : n + below(room - n < 600 ? room - n + 1 : 600);
            break;
        }
    }
    return n;
}

static void check_unpacked(const struct sample *s, const uint8_t *data, size_t n, int *well)
{
    size_t room = below(4) ? ROOM : below(ROOM), got = SIZE_MAX;
    uint8_t *out = guarded(ROOM), *end = out + ROOM - room;
    enum packing p = below(8) ? s->packing : 1 + below(PACKINGS - 1);
    const char *problem = unpack(p, data, n, below(2), end, room, &got);

    *well += !problem;
    CHECK(packing_missing(p) ? got == 0 : got <= room);
    CHECK(!problem || (*problem && !strchr(problem, '\n')));
    for (size_t i = 0; i < ROOM - room; i += 97)
        CHECK_EQ(out[i], 0);
    munmap(out - GUARD, ROOM + 2 * GUARD);
}

static void check_identified(const uint8_t *data, size_t n)
{
    struct image img = {.name = "file", .fd = -1, .data = data, .size = n};
    char text[256] = "?";

    if (!identify(&img, text, sizeof(text))) {
        CHECK(!strcmp(text, "?"));
        return;
    }
    CHECK(*text && strlen(text) < sizeof(text) - 1);
    for (const char *c = text; *c; c++)
        CHECK(isprint(*c));
}

/* Where the file ends, so does the memory. */
static uint8_t *file_end;

/* Nothing in a file is a reason to die. */
static bool describes(const uint8_t *data, size_t n)
{
    if (setjmp(died))
        return false;
    check_identified(data, n);
    return true;
}

static void fuzz(void)
{
    int well = 0, packed = 0;

    for (int i = 0; i < rounds && !test_failures; i++) {
        const struct sample *s = &sample[below(samples)];
        uint8_t *at = file_end - FILE_MAX;
        size_t n;

        memcpy(at, s->data, s->n);
        n = damage(at, s->n, FILE_MAX);
        at = memmove(file_end - n, at, n);
        CHECK(describes(at, n));
        if (s->packing != PACKING_NONE) {
            check_unpacked(s, at, n, &well);
            packed++;
        }
        if (test_failures)
            printf("# in round %d\n", i);
    }
    printf("# %d of %d were unpacked\n", well, packed);
    CHECK(well > packed / 20 && well < packed);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atoi(argv[1]);
    if (argc > 2)
        seed ^= strtoull(argv[2], NULL, 0) << 8;
    make_samples();
    file_end = guarded(FILE_MAX) + FILE_MAX;
    for (int i = 3; i < argc; i++)
        add_file(argv[i]);
    return test_main((struct test[]){
        {fuzz, "damaged files are unpacked within bounds or refused, and described"},
        {0},
    });
}

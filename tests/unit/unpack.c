// SPDX-License-Identifier: MIT
/*
 * Unpacking: every format that was built in, whole and damaged; what is said of the others.
 */
#define _GNU_SOURCE
#include "boot/unpack.h"
#include "tests/unit/pack.h"
#include "tests/unit/test.h"

#include <stdlib.h>

#define ROOM (PACK_CONTENT + 4096)

static uint8_t content[PACK_CONTENT], packed[2 * PACK_CONTENT], out[ROOM];
static size_t got;

static const char *try(enum packing p, const void *buf, size_t n, bool sized)
{
    /* A copy that ends where it ends, so that ASan sees who reads on. */
    void *exact = malloc(n ? n : 1);
    const char *problem;

    memcpy(exact, buf, n);
    memset(out, 0, sizeof(out));
    problem = unpack(p, exact, n, sized, out, ROOM, &got);
    free(exact);
    return problem;
}

static bool holds(const char *problem, size_t n)
{
    if (problem)
        printf("# %s\n", problem);
    return !problem && got == n && !memcmp(out, content, n);
}

static bool is(const char *problem, const char *words)
{
    if (!problem || !strstr(problem, words))
        printf("# %s\n", problem ? problem : "no problem");
    return problem && strstr(problem, words);
}

static void whole(void)
{
    static const size_t sizes[] = {1, 1000, PACK_CONTENT};

    for (size_t k = 0; k < PACKERS; k++) {
        for (size_t i = 0; i < 3; i++) {
            size_t n = packers[k].pack(content, sizes[i], packed, sizeof(packed));

            CHECK_EQ(packing_of(packed, n), packers[k].packing);
            CHECK_EQ(packing_of(packed, PACKING_START), packers[k].packing);
            CHECK(!packing_missing(packers[k].packing));
            CHECK(holds(try(packers[k].packing, packed, n, false), sizes[i]));
        }
    }
}

/* Content of more than one block of any format. */
static void large(void)
{
    size_t size = 9 << 20, room = size + 4096;
    uint8_t *data = malloc(size), *packed_data = malloc(2 * size), *unpacked = malloc(room);

    for (size_t i = 0; i < size; i++)
        data[i] = content[i % PACK_CONTENT] ^ (i / PACK_CONTENT);
    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(data, size, packed_data, 2 * size);

        CHECK(!unpack(packers[k].packing, packed_data, n, false, unpacked, room, &got));
        CHECK(got == size && !memcmp(unpacked, data, size));
    }
    free(data);
    free(packed_data);
    free(unpacked);
}

static void in_a_row(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(content, 1000, packed, sizeof(packed));

        if (packers[k].packing == PACKING_LZMA)
            continue;
        n += packers[k].pack(content + 1000, 500, packed + n, sizeof(packed) - n);
        CHECK(holds(try(packers[k].packing, packed, n, false), 1500));
        memset(packed + n, 0, 512);
        CHECK(holds(try(packers[k].packing, packed, n + 512, false), 1500));
    }
}

static void followed(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(content, 1000, packed, sizeof(packed));

        memcpy(packed + n, "more", 4);
        CHECK(try(packers[k].packing, packed, n + 4, false));
    }
}

static void sized(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(content, 1000, packed, sizeof(packed));

        memcpy(packed + n, "\xe8\3\0\0", 4);
        CHECK(holds(try(packers[k].packing, packed, n + 4, true), 1000));
        packed[n + 1]++;
        CHECK(is(try(packers[k].packing, packed, n + 4, true), "damaged"));
        packed[n + 1]--;
        CHECK(try(packers[k].packing, packed, n + 5, true));
        CHECK(try(packers[k].packing, packed, n + 3, true));
        if (packers[k].packing == PACKING_GZIP)
            CHECK(holds(try(packers[k].packing, packed, n, true), 1000));
    }
}

/* lz4's legacy frame alone does not say where it ends: it may have been cut between blocks. */
static void truncated(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        enum packing p = packers[k].packing;
        size_t n = packers[k].pack(content, 1000, packed, sizeof(packed));

        for (size_t cut = 1; cut <= n; cut++)
            CHECK((p == PACKING_LZ4_LEGACY && n - cut == 4) ||
                  is(try(p, packed, n - cut, false), "damaged or truncated"));
    }
}

/* Formats with a checksum notice; all of them stay within bounds and come to an end. */
static void flipped(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        enum packing p = packers[k].packing;
        size_t n = packers[k].pack(content, 1000, packed, sizeof(packed)), unnoticed = 0;

        for (size_t bit = 0; bit < 8 * n; bit++) {
            packed[bit / 8] ^= 1 << bit % 8;
            if (!try(p, packed, n, false) && (got != 1000 || memcmp(out, content, 1000)))
                unnoticed++;
            packed[bit / 8] ^= 1 << bit % 8;
        }
        CHECK(!unnoticed || p == PACKING_LZMA || p == PACKING_LZ4_LEGACY);
    }
}

static void bombs(void)
{
    size_t size = 16 << 20;
    uint8_t *zeros = calloc(1, size), *bomb = malloc(2 * size);

    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(zeros, size, bomb, 2 * size);

        memset(out, 0x55, sizeof(out));
        CHECK(unpack(packers[k].packing, bomb, n, false, out, 10000, &got) == UNPACK_TOO_LARGE);
        CHECK(got <= 10000);
        CHECK_EQ(out[10000], 0x55);
        CHECK(unpack(packers[k].packing, bomb, n, false, out, 0, &got) == UNPACK_TOO_LARGE);
        CHECK_EQ(got, 0);
    }
    free(zeros);
    free(bomb);
}

static void exact_room(void)
{
    for (size_t k = 0; k < PACKERS; k++) {
        enum packing p = packers[k].packing;
        size_t n = packers[k].pack(content, PACK_CONTENT, packed, sizeof(packed));

        CHECK(!unpack(p, packed, n, false, out, PACK_CONTENT, &got));
        CHECK_EQ(got, PACK_CONTENT);
        CHECK(unpack(p, packed, n, false, out, PACK_CONTENT - 1, &got) == UNPACK_TOO_LARGE);
    }
}

/* A header that asks for 4 GiB of memory to work in. */
static void greedy(void)
{
    static const char lzma[] = "\x5d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0";

    if (!packing_missing(PACKING_LZMA))
        CHECK(is(try(PACKING_LZMA, lzma, sizeof(lzma) - 1, false), "memory"));
}

static void unknown(void)
{
    static const struct {
        const char *start;
        size_t n;
        enum packing packing;
    } starts[] = {
        {"", 0, PACKING_NONE},
        {"\x1f", 1, PACKING_NONE},
        {"\x1f\x8b", 2, PACKING_NONE},
        {"\x1f\x8b\x08", 3, PACKING_GZIP},
        {"BZh", 3, PACKING_NONE},
        {"BZh0", 4, PACKING_NONE},
        {"BZh9", 4, PACKING_BZIP2},
        {"\x89LZO\0\r\n\x1a\n", 9, PACKING_LZO},
        {"\x50\x2a\x4d\x18", 4, PACKING_ZSTD},
        {"\x02\x21\x4c\x18", 4, PACKING_LZ4_LEGACY},
        {"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", 13, PACKING_LZMA},
        {"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", 12, PACKING_NONE},
        {"\x5d\0\0\x80\0\x10\0\0\0\0\0\0\0", 13, PACKING_LZMA},
        {"\x5d\0\0\x81\0\x10\0\0\0\0\0\0\0", 13, PACKING_NONE},
        {"\x5d\0\0\x80\0\x10\0\0\0\0\0\0\1", 13, PACKING_NONE},
        {"\x7f"
         "ELF\2\1\1\0\0\0\0\0\0\0\0\0",
         16, PACKING_NONE},
    };

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        CHECK_EQ(packing_of(starts[i].start, starts[i].n), starts[i].packing);
    CHECK(try(PACKING_NONE, "abc", 3, false));
    CHECK(is(try(PACKING_LZO, "abc", 3, false), "lzop -d"));
}

/* Each packing has a name, and either a test here or words on what to install. */
static void missing(void)
{
    for (enum packing p = PACKING_NONE; p < PACKINGS; p++) {
        bool tested = false;

        for (size_t k = 0; k < PACKERS; k++)
            tested |= packers[k].packing == p;
        CHECK(packing_name(p) && *packing_name(p));
        CHECK_EQ(tested, !packing_missing(p));
        if (!tested && p != PACKING_NONE)
            CHECK(is(packing_missing(p), "unpack it with "));
        if (!tested && p != PACKING_NONE && p != PACKING_LZO) {
            CHECK(is(packing_missing(p), "install lib"));
            CHECK(is(try(p, content, 1000, false), "install lib"));
        }
    }
}

int main(void)
{
    pack_content(content, sizeof(content));
    return test_main((struct test[]){
        {whole, "every format is known by its start and is unpacked"},
        {large, "content of several blocks"},
        {in_a_row, "several files in a row are one, zeros after them are nothing"},
        {followed, "anything else after them is refused"},
        {sized, "the unpacked size at the end, as Linux has it, is checked"},
        {truncated, "a file that was cut anywhere is refused"},
        {flipped, "a file with any bit flipped does no harm, and checksums notice"},
        {bombs, "no more is unpacked than there is room for"},
        {exact_room, "room for all of it is enough"},
        {greedy, "a header cannot ask for gigabytes of memory"},
        {unknown, "what begins like no packed file is none"},
        {missing, "where a library is missing, the words name its package"},
        {0},
    });
}

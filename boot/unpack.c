// SPDX-License-Identifier: MIT
/*
 * Unpacking compressed files. The libraries do the work; this adds what they have in common, and
 * the one format that none of them reads.
 *
 * After: zlib.h, "Advanced Functions"; lzma/base.h and lzma/container.h of XZ Utils; zstd.h,
 * "Explicit context"; lz4frame.h; the bzip2 manual, "Low-level interface"; lz4_Frame_format.md,
 * "Legacy frame"; Linux, scripts/Makefile.lib, "size_append".
 *
 * Left out: lzo, whose library few have and which no distribution's kernel uses; dictionaries of
 * zstd and lz4, which no kernel uses.
 */
#include "boot/unpack.h"
#include "hw/units.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#ifdef HAVE_LZMA
#include <lzma.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#include <lz4frame.h>
#endif
#ifdef HAVE_BZ2
#include <bzlib.h>
#endif

const char UNPACK_TOO_LARGE[] = "too large";
static const char DAMAGED[] = "damaged or truncated";
static const char NO_MEMORY[] = "no memory to unpack it";

/* What is left to read, and where what is made goes. */
struct job {
    const uint8_t *in;
    size_t left;
    uint8_t *out;
    size_t room;
    size_t tail; /* how many bytes at the end of left are not packed */
};

/* A decoder unpacks one stream, frame or member, and leaves the job behind its end. */
typedef const char *decoder(struct job *j);

static void advance(struct job *j, size_t in, size_t out)
{
    j->in += in;
    j->left -= in;
    j->out += out;
    j->room -= out;
}

/* Why a decoder stopped without an error. */
static const char *stuck(const struct job *j)
{
    return j->room ? DAMAGED : UNPACK_TOO_LARGE;
}

/* The part of n bytes that libraries which count in unsigned int take at once. */
static unsigned int piece(size_t n)
{
    return n < INT_MAX ? n : INT_MAX;
}

static const char *unpack_gzip(struct job *j)
{
    z_stream z = {0};
    int status = inflateInit2(&z, 16 + MAX_WBITS);

    while (status == Z_OK) {
        unsigned int in = piece(j->left), out = piece(j->room);

        z.next_in = (uint8_t *)j->in;
        z.avail_in = in;
        z.next_out = j->out;
        z.avail_out = out;
        status = inflate(&z, Z_NO_FLUSH);
        advance(j, in - z.avail_in, out - z.avail_out);
    }
    inflateEnd(&z);
    switch (status) {
    case Z_STREAM_END:
        return NULL;
    case Z_BUF_ERROR:
        return stuck(j);
    case Z_MEM_ERROR:
        return NO_MEMORY;
    default:
        return DAMAGED;
    }
}

static uint64_t little_endian(const uint8_t *at, int n)
{
    uint64_t val = 0;

    while (n--)
        val = val << 8 | at[n];
    return val;
}

#ifdef HAVE_LZMA
/* Linux has its xz use a dictionary of 128 MiB; what decoding takes besides is little. */
#define LZMA_MEMORY (160 * MIB)

static const char *run_lzma(struct job *j, lzma_stream *s, lzma_ret status)
{
    while (status == LZMA_OK) {
        s->next_in = j->in;
        s->avail_in = j->left;
        s->next_out = j->out;
        s->avail_out = j->room;
        status = lzma_code(s, LZMA_FINISH);
        advance(j, j->left - s->avail_in, j->room - s->avail_out);
    }
    lzma_end(s);
    switch (status) {
    case LZMA_STREAM_END:
        return NULL;
    case LZMA_BUF_ERROR:
        return stuck(j);
    case LZMA_MEMLIMIT_ERROR:
        return "of a kind that takes more than 160 MiB of memory to unpack";
    case LZMA_MEM_ERROR:
        return NO_MEMORY;
    default:
        return DAMAGED;
    }
}

static const char *unpack_xz(struct job *j)
{
    lzma_stream s = LZMA_STREAM_INIT;

    return run_lzma(j, &s, lzma_stream_decoder(&s, LZMA_MEMORY, 0));
}

static const char *unpack_lzma(struct job *j)
{
    lzma_stream s = LZMA_STREAM_INIT;

    return run_lzma(j, &s, lzma_alone_decoder(&s, LZMA_MEMORY));
}
#endif

#ifdef HAVE_ZSTD
/* Decompress a whole frame at once: it refers back to out itself, so no window takes memory. */
static const char *unpack_zstd(struct job *j)
{
    size_t in = ZSTD_findFrameCompressedSize(j->in, j->left), out;

    if (ZSTD_isError(in))
        return DAMAGED;
    out = ZSTD_decompress(j->out, j->room, j->in, in);
    switch (ZSTD_getErrorCode(out)) {
    case ZSTD_error_no_error:
        advance(j, in, out);
        return NULL;
    case ZSTD_error_dstSize_tooSmall:
        return UNPACK_TOO_LARGE;
    case ZSTD_error_memory_allocation:
        return NO_MEMORY;
    default:
        return DAMAGED;
    }
}
#endif

#ifdef HAVE_LZ4
#define LZ4_LEGACY_MAGIC 0x184c2102
#define LZ4_LEGACY_BLOCK (8 << 20) /* unpacked; but the last one may be smaller */

static const char *unpack_lz4(struct job *j)
{
    /* What has been written stays where it is: no copies of it are needed. */
    const LZ4F_decompressOptions_t options = {.stableDst = 1};
    LZ4F_dctx *lz4;
    size_t in, out, expected;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)))
        return NO_MEMORY;
    do {
        in = j->left;
        out = j->room;
        expected = LZ4F_decompress(lz4, j->out, &out, j->in, &in, &options);
        if (!LZ4F_isError(expected))
            advance(j, in, out);
    } while (expected && !LZ4F_isError(expected) && (in || out));
    LZ4F_freeDecompressionContext(lz4);
    if (LZ4F_isError(expected))
        return DAMAGED;
    return expected ? stuck(j) : NULL;
}

/* Blocks, each after its packed size. Nothing marks the end: it is the end of the file, or what
 * cannot be a block (zeros, or the next frame's magic number). */
static const char *unpack_lz4_legacy(struct job *j)
{
    if (j->left < 4)
        return DAMAGED;
    advance(j, 4, 0);
    while (j->left > j->tail) {
        uint32_t size;
        int out;

        if (j->left < 4)
            return DAMAGED;
        size = little_endian(j->in, 4);
        if (!size || size == LZ4_LEGACY_MAGIC)
            break;
        if (size > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK) || size > j->left - 4)
            return DAMAGED;
        out = LZ4_decompress_safe((const char *)j->in + 4, (char *)j->out, size,
                                  j->room < LZ4_LEGACY_BLOCK ? j->room : LZ4_LEGACY_BLOCK);
        if (out < 0)
            return j->room < LZ4_LEGACY_BLOCK ? UNPACK_TOO_LARGE : DAMAGED;
        advance(j, 4 + size, out);
    }
    return NULL;
}
#endif

#ifdef HAVE_BZ2
static const char *unpack_bzip2(struct job *j)
{
    bz_stream s = {0};
    int status = BZ2_bzDecompressInit(&s, 0, 0);
    bool moved = true;

    while (status == BZ_OK && moved) {
        unsigned int in = piece(j->left), out = piece(j->room);

        s.next_in = (char *)j->in;
        s.avail_in = in;
        s.next_out = (char *)j->out;
        s.avail_out = out;
        status = BZ2_bzDecompress(&s);
        moved = s.avail_in != in || s.avail_out != out;
        advance(j, in - s.avail_in, out - s.avail_out);
    }
    BZ2_bzDecompressEnd(&s);
    switch (status) {
    case BZ_STREAM_END:
        return NULL;
    case BZ_OK:
        return stuck(j);
    case BZ_MEM_ERROR:
        return NO_MEMORY;
    default:
        return DAMAGED;
    }
}
#endif

#define WITHOUT(tool, package)                                                                     \
    NULL, "unpack it with " tool " -d, or install " package                                        \
          " and build minivm again (make clean all)"

/* Each packing's name, and what unpacks it, or else what to do. */
static const struct {
    const char *name;
    decoder *decode;
    const char *missing;
} packings[PACKINGS] = {
    [PACKING_NONE] = {"nothing that is known", NULL, "nothing here can unpack it"},
    [PACKING_GZIP] = {"gzip", unpack_gzip, NULL},
#ifdef HAVE_LZMA
    [PACKING_XZ] = {"xz", unpack_xz, NULL},
    [PACKING_LZMA] = {"lzma", unpack_lzma, NULL},
#else
    [PACKING_XZ] = {"xz", WITHOUT("xz", "liblzma-dev")},
    [PACKING_LZMA] = {"lzma", WITHOUT("lzma", "liblzma-dev")},
#endif
#ifdef HAVE_ZSTD
    [PACKING_ZSTD] = {"zstd", unpack_zstd, NULL},
#else
    [PACKING_ZSTD] = {"zstd", WITHOUT("zstd", "libzstd-dev")},
#endif
#ifdef HAVE_LZ4
    [PACKING_LZ4] = {"lz4", unpack_lz4, NULL},
    [PACKING_LZ4_LEGACY] = {"lz4 (legacy)", unpack_lz4_legacy, NULL},
#else
    [PACKING_LZ4] = {"lz4", WITHOUT("lz4", "liblz4-dev")},
    [PACKING_LZ4_LEGACY] = {"lz4 (legacy)", WITHOUT("lz4", "liblz4-dev")},
#endif
#ifdef HAVE_BZ2
    [PACKING_BZIP2] = {"bzip2", unpack_bzip2, NULL},
#else
    [PACKING_BZIP2] = {"bzip2", WITHOUT("bzip2", "libbz2-dev")},
#endif
    [PACKING_LZO] = {"lzo", NULL, "unpack it with lzop -d"},
};

/* The header of the old format: properties, dictionary size, unpacked size or all ones. The packers
 * write few of them, and nothing else tells such a file from others. */
static bool begins_lzma(const uint8_t *at, size_t n)
{
    uint64_t dictionary, size;

    if (n < 13 || at[0] != 0x5d)
        return false;
    dictionary = little_endian(at + 1, 4);
    size = little_endian(at + 5, 8);
    return dictionary >= 4096 && !(dictionary & (dictionary - 1)) &&
           (size == UINT64_MAX || size < UINT64_C(1) << 38);
}

enum packing packing_of(const void *start, size_t n)
{
    static const struct {
        const char *magic;
        size_t n;
        enum packing packing;
    } starts[] = {
        {"\x1f\x8b\x08", 3, PACKING_GZIP}, /* the one method that there is */
        {"\xfd"
         "7zXZ\0",
         6, PACKING_XZ},
        {"\x28\xb5\x2f\xfd", 4, PACKING_ZSTD},
        {"\x04\x22\x4d\x18", 4, PACKING_LZ4},
        {"\x02\x21\x4c\x18", 4, PACKING_LZ4_LEGACY},
        {"\x89LZO\0\r\n\x1a\n", 9, PACKING_LZO},
    };
    const uint8_t *at = start;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (n >= starts[i].n && !memcmp(at, starts[i].magic, starts[i].n))
            return starts[i].packing;
    }
    /* pzstd begins with a frame to be skipped: any of 16 magic numbers. */
    if (n >= 4 && (at[0] & 0xf0) == 0x50 && !memcmp(at + 1, "\x2a\x4d\x18", 3))
        return PACKING_ZSTD;
    if (n >= 4 && !memcmp(at, "BZh", 3) && at[3] >= '1' && at[3] <= '9')
        return PACKING_BZIP2;
    return begins_lzma(at, n) ? PACKING_LZMA : PACKING_NONE;
}

const char *packing_name(enum packing p)
{
    return packings[p].name;
}

const char *packing_missing(enum packing p)
{
    return packings[p].missing;
}

const char *unpack(enum packing p, const void *buf, size_t n, bool sized, void *out, size_t room,
                   size_t *got)
{
    struct job j = {.in = buf, .left = n, .out = out, .room = room, .tail = sized ? 4 : 0};
    const char *problem = packings[p].missing;

    *got = 0;
    if (problem)
        return problem;
    do {
        problem = packings[p].decode(&j);
        *got = room - j.room;
        while (j.left > j.tail && !*j.in)
            advance(&j, 1, 0);
    } while (!problem && packing_of(j.in, j.left) == p);
    if (problem || !j.left)
        return problem;
    if (j.left != j.tail)
        return "followed by something else";
    return little_endian(j.in, 4) == (uint32_t)*got ? NULL : DAMAGED;
}

/* SPDX-License-Identifier: MIT */
/*
 * Packing, for tests of unpacking: with the libraries that minivm was built with, as the usual
 * tools and the build of Linux do it.
 */
#ifndef TESTS_UNIT_PACK_H
#define TESTS_UNIT_PACK_H

#include "boot/unpack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LZMA
#include <lzma.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#include <lz4frame.h>
#endif
#ifdef HAVE_BZ2
#include <bzlib.h>
#endif

#define PACK_CONTENT 300000

/* Content that is worth packing, but not trivial: numbers, with noise here and there. */
static inline void pack_content(uint8_t *content, size_t n)
{
    uint32_t noise = 1;

    for (size_t i = 0; i < n; i++) {
        noise = noise * 1664525 + 1013904223;
        content[i] = i * 7 + (i >> 8) * 3 + (noise >> 28 ? 0 : noise >> 20);
    }
}

static inline size_t pack_gzip(const void *data, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (void *)data, .avail_in = n, .next_out = out, .avail_out = room};

    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return room - z.avail_out;
}

#ifdef HAVE_LZMA
/* Like Linux: branches of x86 code are filtered, and the check is a CRC32. */
static inline size_t pack_xz(const void *data, size_t n, uint8_t *out, size_t room)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        {LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
    size_t size = 0;

    lzma_lzma_preset(&options, 1);
    if (lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, n, out, &size, room))
        abort();
    return size;
}

static inline size_t pack_lzma(const void *data, size_t n, uint8_t *out, size_t room)
{
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_options_lzma options;

    lzma_lzma_preset(&options, 1);
    if (lzma_alone_encoder(&s, &options))
        abort();
    s.next_in = data;
    s.avail_in = n;
    s.next_out = out;
    s.avail_out = room;
    if (lzma_code(&s, LZMA_FINISH) != LZMA_STREAM_END)
        abort();
    lzma_end(&s);
    return room - s.avail_out;
}
#endif

#ifdef HAVE_ZSTD
static inline size_t pack_zstd(const void *data, size_t n, uint8_t *out, size_t room)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    size_t size;

    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size = ZSTD_compress2(z, out, room, data, n);
    if (ZSTD_isError(size))
        abort();
    ZSTD_freeCCtx(z);
    return size;
}
#endif

#ifdef HAVE_LZ4
static inline size_t pack_lz4(const void *data, size_t n, uint8_t *out, size_t room)
{
    LZ4F_preferences_t p = {
        .frameInfo = {.contentChecksumFlag = LZ4F_contentChecksumEnabled, .contentSize = n}};
    size_t size = LZ4F_compressFrame(out, room, data, n, &p);

    if (LZ4F_isError(size))
        abort();
    return size;
}

static inline size_t pack_lz4_legacy(const void *data, size_t n, uint8_t *out, size_t room)
{
    size_t size = 4;

    memcpy(out, "\x02\x21\x4c\x18", 4);
    for (size_t done = 0; done < n; done += 8 << 20) {
        int block = n - done < 8 << 20 ? n - done : 8 << 20;
        int32_t packed = LZ4_compress_default((const char *)data + done, (char *)out + size + 4,
                                              block, room - size - 4);

        if (packed <= 0)
            abort();
        memcpy(out + size, &packed, 4);
        size += 4 + packed;
    }
    return size;
}
#endif

#ifdef HAVE_BZ2
static inline size_t pack_bzip2(const void *data, size_t n, uint8_t *out, size_t room)
{
    unsigned int size = room;

    if (BZ2_bzBuffToBuffCompress((char *)out, &size, (char *)data, n, 9, 0, 0))
        abort();
    return size;
}
#endif

static const struct packer {
    enum packing packing;
    size_t (*pack)(const void *data, size_t n, uint8_t *out, size_t room);
} packers[] = {
    {PACKING_GZIP, pack_gzip},
#ifdef HAVE_LZMA
    {PACKING_XZ, pack_xz},       {PACKING_LZMA, pack_lzma},
#endif
#ifdef HAVE_ZSTD
    {PACKING_ZSTD, pack_zstd},
#endif
#ifdef HAVE_LZ4
    {PACKING_LZ4, pack_lz4},     {PACKING_LZ4_LEGACY, pack_lz4_legacy},
#endif
#ifdef HAVE_BZ2
    {PACKING_BZIP2, pack_bzip2},
#endif
};

#define PACKERS (sizeof(packers) / sizeof(packers[0]))

#endif

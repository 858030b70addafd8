/* SPDX-License-Identifier: MIT */
/*
 * Unpacking compressed files, in memory: gzip always, the others where their library was found when
 * minivm was built.
 */
#ifndef BOOT_UNPACK_H
#define BOOT_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packing {
    PACKING_NONE, /* or nothing that is known */
    PACKING_GZIP,
    PACKING_XZ,
    PACKING_LZMA, /* the old format of xz, without a magic number of its own: by its usual start */
    PACKING_ZSTD,
    PACKING_LZ4,        /* the frame format of lz4(1) */
    PACKING_LZ4_LEGACY, /* the one that Linux uses */
    PACKING_BZIP2,
    PACKING_LZO, /* is known, but never unpacked */
};

/* What these first bytes of a file begin; n may be small. */
enum packing packing_of(const void *start, size_t n);

/* "xz", "lz4 (legacy)" ... */
const char *packing_name(enum packing p);

/* NULL when it can be unpacked, else what to do about it: "install liblzma-dev and build minivm
 * again, or unpack it with xz -d". */
const char *packing_missing(enum packing p);

/* Takes what comes out; false to end the unpacking early. */
typedef bool unpack_sink(void *to, const void *buf, size_t n);

/*
 * Unpack n bytes, which must be the whole file; what follows a complete one is ignored only when it
 * is tail bytes or fewer (Linux appends the unpacked size, 4 bytes, to what it packs). NULL when
 * all went well, else why not, in a few words: "damaged or truncated". A sink that returned false
 * is "too large". Bounded memory, whatever the input.
 */
const char *unpack(enum packing p, const void *buf, size_t n, size_t tail, unpack_sink *sink,
                   void *to);

#endif

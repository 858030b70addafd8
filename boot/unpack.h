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
    PACKING_LZMA, /* the old format of xz, which has no magic number: known by its usual start */
    PACKING_ZSTD,
    PACKING_LZ4,        /* the frame format of lz4(1) */
    PACKING_LZ4_LEGACY, /* the one that Linux uses */
    PACKING_BZIP2,
    PACKING_LZO, /* is known, but never unpacked */
    PACKINGS,
};

/* PACKING_START bytes of a file are enough to know it by. */
#define PACKING_START 16

/* The packing of a file by its first n bytes; n may be anything. */
enum packing packing_of(const void *start, size_t n);

/* "xz", "lz4 (legacy)" ... */
const char *packing_name(enum packing p);

/* NULL when it can be unpacked, else what to do: "unpack it with xz -d, or install liblzma-dev and
 * build minivm again (make clean all)". */
const char *packing_missing(enum packing p);

/*
 * Unpack the n bytes at buf to the room bytes at out; *got says how many were made, whatever is
 * returned. NULL when all went well, else what is wrong with it, in a few words: "damaged or
 * truncated"; a lack of room is UNPACK_TOO_LARGE.
 *
 * The n bytes must be one packed file or more in a row, and nothing else but zeros after them. When
 * sized is true they may end in the unpacked size, 4 bytes, which is checked: Linux appends it to
 * what it packs (but for gzip, which has it already).
 *
 * Safe against any input. Besides out it takes at most 256 MiB of memory.
 */
const char *unpack(enum packing p, const void *buf, size_t n, bool sized, void *out, size_t room,
                   size_t *got);

extern const char UNPACK_TOO_LARGE[];

#endif

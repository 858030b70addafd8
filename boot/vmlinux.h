/* SPDX-License-Identifier: MIT */
/*
 * The kernel inside a 64-bit bzImage: an ELF file, and behind it a list of the places that hold
 * virtual addresses, by which it can be made to run elsewhere than where it was linked.
 */
#ifndef BOOT_VMLINUX_H
#define BOOT_VMLINUX_H

#include "boot/elf.h"
#include "boot/image.h"
#include "hw/ram.h"

#include <stdbool.h>
#include <stdint.h>

/* The virtual address of physical address 0, for which kernels are linked. */
#define VMLINUX_VA UINT64_C(0xffffffff80000000)

/* How a place changes when the kernel moves up: by how many bits, and which way. */
enum vmlinux_kind {
    VMLINUX_ADD64,
    VMLINUX_SUBTRACT32, /* per-CPU variables relative to code */
    VMLINUX_ADD32,
    VMLINUX_KINDS,
};

struct vmlinux {
    struct image image; /* unpacked, in memory */
    uint64_t link;      /* the physical address that it is linked for */
    uint64_t span;      /* bytes of RAM that it takes from there, with what is not in the file */
    uint64_t entry;     /* counted from link */

    /* What the file has of it: where in the file, counted from link, and how much. */
    struct vmlinux_piece {
        uint64_t offset, at, size;
    } piece[ELF_SEGMENTS];
    int pieces;

    /* The places, counted from link, within span. */
    struct vmlinux_places {
        uint32_t *at;
        uint32_t n;
    } places[VMLINUX_KINDS];
    bool moves; /* it can run at other virtual addresses: it has the lists, even if empty */

    /* Where it was put last, and how much higher than linked it runs. */
    uint64_t gpa, offset;
};

/*
 * Take the image, which is in memory, apart. NULL when all went well, then v owns it; else why not,
 * in a few words that follow the file's name, and the image is still the caller's. Safe against any
 * image.
 */
const char *vmlinux_read(struct vmlinux *v, const struct image *image);
void vmlinux_free(struct vmlinux *v);

/* Put the kernel at a physical address, where span bytes of RAM hold zeros, to run at virtual
 * addresses that are higher by offset: 0, or less than 2 GiB when it moves. */
void vmlinux_put(struct vmlinux *v, const struct ram *ram, uint64_t gpa, uint64_t offset);

#endif

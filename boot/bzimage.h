/* SPDX-License-Identifier: MIT */
/*
 * Linux/x86 bzImages: where everything goes, and the state that the kernel is entered in.
 */
#ifndef BOOT_BZIMAGE_H
#define BOOT_BZIMAGE_H

#include "boot/image.h"
#include "hw/ram.h"
#include "x86/cpu.h"

struct bzimage {
    struct image kernel;
    const struct image *initrd; /* NULL for none */

    /* A second archive, in memory, that follows the initrd on a 4-byte boundary (or stands alone).
     * extra_size may be 0. */
    const void *extra;
    uint64_t extra_size;

    const char *cmdline;
    int entry;     /* 64 or 32 bits: the entry point to use; 0 for the best that the kernel has */
    uint64_t rsdp; /* guest-physical address of the ACPI RSDP, for the zero page; 0 for none */
};

/*
 * Place the kernel, its command line, the initrd and the zero page in RAM as the image's header
 * asks, and set s to the state of the kernel's entry. May be called again after the RAM was
 * cleared, for a reboot. Dies, with the cause and the cure, when the image is not a bzImage that
 * minivm can boot, is damaged or truncated, or does not fit; writes nothing outside RAM.
 */
void bzimage_load(const struct bzimage *b, const struct ram *ram, struct cpu_state *s);

#endif

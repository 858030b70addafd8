/* SPDX-License-Identifier: MIT */
/*
 * A kernel and what goes with it; and the ways of booting one.
 */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include "boot/image.h"
#include "hw/ram.h"
#include "x86/cpu.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define KERNEL_MODULES 32

struct module {
    struct image image;
    const char *args; /* what follows the name; "" for nothing */
};

struct vmlinux;

struct kernel {
    struct image image;     /* unpacked */
    struct vmlinux *inside; /* a bzImage's, which is booted in its place; or NULL */

    /* The initramfs archives, or whatever modules the kernel takes, in order. */
    struct module module[KERNEL_MODULES];
    int modules;

    /* A last archive, in memory, for Linux. extra_size may be 0. */
    const void *extra;
    uint64_t extra_size;

    const char *cmdline;
    int entry;          /* of a bzImage: 32 or 64 bits; 0 for the best that it has */
    uint64_t rsdp;      /* guest-physical address of the ACPI RSDP; 0 for none */
    uint64_t *sequence; /* where its random place comes from (hw/random.h); NULL for the host */
};

/* A way of booting: how to see that a kernel offers it, and how to start it so. */
struct way {
    const char *name;  /* of the option: "pvh" */
    const char *title; /* for people: "PVH, entered with 32 bits" */

    /* Does the image offer this way? The image may be anything at all. */
    bool (*offered)(const struct image *img);

    /*
     * Place the kernel and all that goes with it in RAM, and set s to the state of its entry. The
     * image offers this way. Dies, with the cause and the cure, when something is damaged or does
     * not fit; writes nothing outside RAM. May be called again after the RAM was cleared.
     */
    void (*load)(const struct kernel *k, const struct ram *ram, struct cpu_state *s);

    /* What the image says about this way, lines of "  key: value": where it goes, how much RAM that
     * needs, its entry. The image offers it, but may be damaged: then a line says so. */
    void (*print)(const struct image *img, FILE *f);
};

extern const struct way way_unpacked, way_bzimage, way_pvh, way_multiboot2, way_multiboot,
    way_linux64;

/* All of them, the best first, up to a NULL. */
extern const struct way *const ways[];

/* The way of that name, or NULL. */
const struct way *way_named(const char *name);

/* The best way that an image offers, or NULL. */
const struct way *way_of(const struct image *img);

/* Unpack the vmlinux in a bzImage, to be booted in its place, unless that is in the cache
 * (boot/kernel-cache.h). NULL when all went well, else why not, to follow the file's name. */
const char *bzimage_unpack(const struct image *img, bool cache, struct image *vmlinux);

/* The same, taken apart for way_unpacked, whose kernel->inside it is; the caller frees it. NULL
 * when all went well, else why not: the kernel can still unpack itself, unless it is damaged. */
const char *bzimage_open(const struct image *img, bool cache, struct vmlinux *v);

/*
 * Put the initramfs of k (its modules, each on a 4-byte boundary, and the extra archive) at gpa,
 * where initramfs_size() bytes of RAM are free. A size that overflows becomes one that no RAM has.
 */
uint64_t initramfs_size(const struct kernel *k);
void initramfs_load(const struct kernel *k, const struct ram *ram, uint64_t gpa);
const char *initramfs_name(const struct kernel *k); /* the one file's, or "the initramfs" */

/* A random number for its place. */
uint64_t kernel_random(const struct kernel *k);

/* Die because the kernel, with what goes with it, needs so many bytes of RAM, counted from 0. */
_Noreturn void kernel_needs_ram(const struct kernel *k, uint64_t bytes);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * For tests of the ways to boot: a kernel, and the machine that it is loaded into.
 */
#ifndef TESTS_UNIT_LOADER_H
#define TESTS_UNIT_LOADER_H

#include "boot/kernel.h"
#include "tests/unit/die.h"
#include "tests/unit/memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct kernel k;
static struct cpu_state s;

/* A file that has these bytes; the caller closes its fd. */
static inline struct image make_image(const char *name, const void *data, size_t size)
{
    struct image img = {.name = name, .fd = memfd_create("image", 0), .size = size};

    if (pwrite(img.fd, data, size, 0) != (ssize_t)size)
        abort();
    return img;
}

static inline void add_module(const char *name, const void *data, size_t size, const char *args)
{
    k.module[k.modules++] = (struct module){make_image(name, data, size), args};
}

/* What archives consist of, which repeats itself late. */
static uint8_t archive[0x12000];

/* A module that is the begin of archive; or a hole, of more than that. */
static inline void add_archive(const char *name, uint64_t size, const char *args)
{
    for (size_t i = 0; i < sizeof(archive); i++)
        archive[i] = i * 5 + (i >> 8) * 3 + 1;
    add_module(name, archive, size < sizeof(archive) ? size : sizeof(archive), args);
    k.module[k.modules - 1].image.size = size;
}

/* Loads the kernel into RAM that holds zeros; false, with the text in last_words, when that dies.
 */
static inline bool loads(const struct way *w)
{
    static bool loaded;

    memset(&s, 0xee, sizeof(s));
    loaded = false;
    if (!setjmp(died)) {
        w->load(&k, &ram, &s);
        loaded = true;
    }
    return loaded;
}

#endif

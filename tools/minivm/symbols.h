/* SPDX-License-Identifier: MIT */
/*
 * A kernel's System.map: names for addresses.
 */
#ifndef TOOLS_MINIVM_SYMBOLS_H
#define TOOLS_MINIVM_SYMBOLS_H

#include "hw/ram.h"
#include "x86/cpu.h"

#include <stddef.h>

struct symbol {
    uint64_t addr;
    const char *name;
};

struct symbols {
    char *text;
    struct symbol *symbol; /* none without a System.map */
    size_t n;
    uint64_t start; /* where the kernel's code begins; 0 when that is not known */
    uint64_t moved; /* how much higher than linked, as far as that is known */
};

/* Read a System.map. Dies when it cannot be read or is none. */
void symbols_read(struct symbols *s, const char *path);

/*
 * "name+0x12" for a linear address of the guest in the given state, or "" when nothing is near. A
 * kernel that moved (KASLR) is found by its interrupt table, or by where it was put.
 */
void symbols_describe(const struct symbols *s, const struct ram *ram, const struct cpu_state *cpu,
                      uint64_t addr, char *buf, size_t size);

#endif

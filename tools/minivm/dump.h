/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory in hexadecimal: --dump-mem.
 */
#ifndef TOOLS_MINIVM_DUMP_H
#define TOOLS_MINIVM_DUMP_H

#include "hw/ram.h"

#include <stdio.h>

/* A range of guest-physical memory that the user wants to see. */
struct dump {
    const char *said; /* ADDR,LEN */
    uint64_t addr, len;
};

/* Read what follows --dump-mem. Dies when it is no range. */
struct dump dump_parse(const char *said);

/* Die unless all of it is RAM. */
void dump_check(const struct dump *d, const struct ram *ram);

/* Print it, 16 bytes a line; a '*' stands for lines like the one before. */
void dump_print(const struct dump *d, const struct ram *ram, FILE *f);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * ELF executables, 32-bit and 64-bit, little-endian, as kernels come: program headers, notes, and
 * loading by physical addresses. Every field may be wrong.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include "boot/image.h"
#include "boot/place.h"
#include "hw/ram.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    ELF_SEGMENTS = 64, /* program headers; a file with more is refused */

    ET_REL = 1,
    ET_EXEC = 2,
    ET_DYN = 3, /* position-independent; its physical addresses say where it goes all the same */
    ET_CORE = 4,

    PT_LOAD = 1,
    PT_INTERP = 3,
    PT_NOTE = 4,

    EM_386 = 3,
    EM_X86_64 = 62,
};

struct elf {
    const struct image *img;
    bool is_64;
    uint16_t type, machine;
    uint64_t entry; /* virtual */
    uint64_t shoff; /* section headers, for symbols: where, how many, the size of one; unchecked */
    int shnum, shentsize, shstrndx;
    int n;
    struct elf_segment {
        uint32_t type;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } segment[ELF_SEGMENTS];
};

/*
 * Read the headers. NULL when it is an executable for x86 (ELFCLASS32 with EM_386, ELFCLASS64 with
 * EM_X86_64; x32 is refused), fixed or position-independent, whose program headers lie within the
 * file; else why not, in a few words that follow the file's name ("a core dump", "damaged: ...",
 * "no ELF file"). All but the segments is set even then, as far as the file has it.
 */
const char *elf_read(struct elf *e, const struct image *img);

/*
 * Load the PT_LOAD segments at their physical addresses. What a segment has in memory but not in
 * the file stays as it is: zeros, as RAM is after power-on. Dies with one line when they overlap,
 * wrap, are not RAM or not in the file; nothing is written outside of RAM. *end is then the address
 * behind the highest one.
 */
void elf_load(const struct elf *e, struct place *p, uint64_t *end);

/* Where the segments would go: from the lowest address to the end of the highest. False when there
 * are none, or one wraps. */
bool elf_span(const struct elf *e, uint64_t *start, uint64_t *end);

/* The physical address of a virtual one, by the PT_LOAD segments; unchanged when none has it. */
uint64_t elf_physical(const struct elf *e, uint64_t vaddr);

/* The PT_LOAD segment that has this physical address; NULL when none does. */
const struct elf_segment *elf_segment_at(const struct elf *e, uint64_t paddr);

/* Copy up to size bytes of the descriptor of the first note of this name and type to desc. Returns
 * its length, or -1 when there is none. Notes lie in PT_NOTE segments, of which the first 64 KiB
 * are searched. */
int elf_note(const struct elf *e, const char *name, uint32_t type, void *desc, int size);

/* For people, lines of "  key: value": where it goes and how much RAM that needs; or that it cannot
 * be loaded. */
void elf_print(const struct elf *e, FILE *f);

#endif

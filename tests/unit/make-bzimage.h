/* SPDX-License-Identifier: MIT */
/*
 * For tests of what is inside a bzImage: a small vmlinux with its relocations, and the bzImage that
 * has it packed by gzip.
 */
#ifndef TESTS_UNIT_MAKE_BZIMAGE_H
#define TESTS_UNIT_MAKE_BZIMAGE_H

#include "hw/units.h"
#include "tests/unit/make-elf.h"
#include "tests/unit/pack.h"

#define VA UINT64_C(0xffffffff80000000)

enum {
    LINK = 0x1000000,            /* where the vmlinux goes */
    SPAN = 0x400000,             /* RAM that it takes */
    PERCPU = 0x9000,             /* where its per-CPU data is, from LINK on */
    DATA = 0x200000,             /* and its data */
    ELF_END = CONTENTS + 0xd000, /* the relocations follow */
    SETUP = 4 * 512,             /* what is before the protected-mode kernel of the bzImage */
    PAYLOAD = 0x40,              /* what is before the payload in that */
};

/* The ELF file: code, per-CPU data at virtual address 0, data; its last page of code is zeros, and
 * so is the end of its data. */
static inline void make_vmlinux(void)
{
    int at = CONTENTS + 0x7000;

    make_elf(true, LINK + 0x40);
    add_segment(PT_LOAD, CONTENTS, VA + LINK, LINK, 0x9000, 0x9000);
    add_segment(PT_LOAD, CONTENTS + 0x9000, 0, LINK + PERCPU, 0x1000, 0x1000);
    add_segment(PT_LOAD, CONTENTS + 0xa000, VA + LINK + DATA, LINK + DATA, 0x3000, SPAN - DATA);
    memset(elf_bytes + CONTENTS + 0x8000, 0, 0x1000);
    memset(elf_bytes + CONTENTS + 0xb000, 0, 0x2000);
    at = add_note(at, 4, "Linux", 0x100, "6.1.0", 6);
    add_segment(PT_NOTE, CONTENTS + 0x7000, VA + LINK + 0x7000, LINK + 0x7000,
                at - CONTENTS - 0x7000, at - CONTENTS - 0x7000);
    elf_size = ELF_END;
}

static inline void add_word(uint32_t val)
{
    put(elf_size, 4, val);
    elf_size += 4;
}

/* A list, of n places counted from LINK, behind the file as it is. */
static inline void add_places(const uint32_t *at, int n)
{
    add_word(0);
    for (int i = 0; i < n; i++)
        add_word((uint32_t)(VA + LINK + at[i]));
}

static uint8_t bzimage[SETUP + PAYLOAD + FILE_MAX + 1000];

static inline void put_bzimage(int off, int size, uint64_t val)
{
    memcpy(bzimage + off, &val, size);
}

/* A bzImage of today with the file as it is, or damaged; its size, a multiple of 16. */
static inline size_t make_bzimage(void)
{
    size_t packed = pack_gzip(elf_bytes, elf_size, bzimage + SETUP + PAYLOAD, FILE_MAX + 900);
    size_t size = align_up(PAYLOAD + packed, 16);

    memset(bzimage, 0, SETUP + PAYLOAD);
    memset(bzimage + SETUP + PAYLOAD + packed, 0, size - PAYLOAD - packed);
    put_bzimage(0x1f1, 1, SETUP / 512 - 1);
    put_bzimage(0x1f4, 4, size / 16);
    put_bzimage(0x1fe, 2, 0xaa55);
    put_bzimage(0x200, 2, 0x6aeb);
    put_bzimage(0x202, 4, 0x53726448);
    put_bzimage(0x206, 2, 0x20f);
    put_bzimage(0x211, 1, 1);
    put_bzimage(0x22c, 4, 0x7fffffff);
    put_bzimage(0x230, 4, 2 * MIB);
    put_bzimage(0x234, 1, 1);
    put_bzimage(0x236, 2, 1);
    put_bzimage(0x238, 4, 2047);
    put_bzimage(0x248, 4, PAYLOAD);
    put_bzimage(0x24c, 4, packed);
    put_bzimage(0x258, 8, LINK);
    put_bzimage(0x260, 4, 2 * SPAN);
    return SETUP + size;
}

#endif

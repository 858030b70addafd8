/* SPDX-License-Identifier: MIT */
/*
 * Small ELF files for tests, made field by field so that each can be a lie: a header, program
 * headers behind it, and contents from CONTENTS on.
 */
#ifndef TESTS_UNIT_MAKE_ELF_H
#define TESTS_UNIT_MAKE_ELF_H

#include "boot/elf.h"
#include "boot/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FILE_MAX = 0x20000,
    CONTENTS = 0x1000,
};

/* Where a field of the file is, and its size. */
struct elf_field {
    int off, size;
};

static uint8_t elf_bytes[FILE_MAX];
static size_t elf_size; /* of the file */
static bool elf_64;
static int elf_n;

static inline void put(int off, int size, uint64_t val)
{
    memcpy(elf_bytes + off, &val, size);
}

static inline int phdr(int i)
{
    return elf_64 ? 64 + 56 * i : 52 + 32 * i;
}

/* Fields of the header, and of a program header, by their names in the specification. */
enum elf_name {
    E_TYPE,
    E_MACHINE,
    E_ENTRY,
    E_PHOFF,
    E_PHENTSIZE,
    E_PHNUM,
    P_TYPE,
    P_OFFSET,
    P_VADDR,
    P_PADDR,
    P_FILESZ,
    P_MEMSZ,
    P_ALIGN,
};

static inline struct elf_field elf_field(enum elf_name name, int segment)
{
    static const struct elf_field in64[] = {{16, 2}, {18, 2}, {24, 8}, {32, 8}, {54, 2},
                                            {56, 2}, {0, 4},  {8, 8},  {16, 8}, {24, 8},
                                            {32, 8}, {40, 8}, {48, 8}};
    static const struct elf_field in32[] = {{16, 2}, {18, 2}, {24, 4}, {28, 4}, {42, 2},
                                            {44, 2}, {0, 4},  {4, 4},  {8, 4},  {12, 4},
                                            {16, 4}, {20, 4}, {28, 4}};
    struct elf_field f = elf_64 ? in64[name] : in32[name];

    if (name >= P_TYPE)
        f.off += phdr(segment);
    return f;
}

static inline void set(enum elf_name name, int segment, uint64_t val)
{
    struct elf_field f = elf_field(name, segment);

    put(f.off, f.size, val);
}

/* Begin an executable without program headers, its contents a pattern. */
static inline void make_elf(bool is_64, uint64_t entry)
{
    elf_64 = is_64;
    elf_n = 0;
    elf_size = FILE_MAX;
    memset(elf_bytes, 0, CONTENTS);
    for (int i = CONTENTS; i < FILE_MAX; i++)
        elf_bytes[i] = i * 7 + (i >> 8) * 3 + 1;
    memcpy(elf_bytes, is_64 ? "\177ELF\2\1\1" : "\177ELF\1\1\1", 7);
    set(E_TYPE, 0, 2);
    set(E_MACHINE, 0, is_64 ? EM_X86_64 : EM_386);
    put(20, 4, 1);
    set(E_ENTRY, 0, entry);
    set(E_PHOFF, 0, phdr(0));
    put(is_64 ? 52 : 40, 2, phdr(0));
    set(E_PHENTSIZE, 0, is_64 ? 56 : 32);
}

static inline int add_segment(uint32_t type, uint64_t offset, uint64_t vaddr, uint64_t paddr,
                              uint64_t filesz, uint64_t memsz)
{
    int i = elf_n++;

    set(P_TYPE, i, type);
    set(P_OFFSET, i, offset);
    set(P_VADDR, i, vaddr);
    set(P_PADDR, i, paddr);
    set(P_FILESZ, i, filesz);
    set(P_MEMSZ, i, memsz);
    set(P_ALIGN, i, 4);
    set(E_PHNUM, 0, elf_n);
    return i;
}

/* Write a note at an offset of the file, its parts padded with zeros; the offset behind it. */
static inline int add_note(int off, int align, const char *name, uint32_t type, const void *desc,
                           int size)
{
    int namesz = strlen(name) + 1, at = (12 + namesz + align - 1) & -align;
    int end = (at + size + align - 1) & -align;

    memset(elf_bytes + off, 0, end);
    put(off, 4, namesz);
    put(off + 4, 4, size);
    put(off + 8, 4, type);
    memcpy(elf_bytes + off + 12, name, namesz);
    memcpy(elf_bytes + off + at, desc, size);
    return off + end;
}

/* The file as it is now; close its fd. */
static inline struct image open_elf(const char *name)
{
    struct image img = {.name = name, .fd = memfd_create("elf", 0), .size = elf_size};

    if (write(img.fd, elf_bytes, elf_size) != (ssize_t)elf_size)
        abort();
    return img;
}

#endif

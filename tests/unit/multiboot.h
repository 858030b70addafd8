/* SPDX-License-Identifier: MIT */
/*
 * For the tests of Multiboot: a kernel that is made in memory, and what its loader left in RAM.
 */
#ifndef TESTS_UNIT_MULTIBOOT_H
#define TESTS_UNIT_MULTIBOOT_H

#include "tests/unit/loader.h"

enum {
    FILE_SIZE = 0x5000,
    HEADER_AT = 0x400, /* where tests put the Multiboot header */

    /* The ELF files: where its parts are in the file, and in RAM. */
    PHDRS = 0x40,
    TEXT = 0x1000,
    DATA = 0x2000,
    SHDRS = 0x3000,
    SYMTAB = 0x4000,
    STRTAB = 0x4100,
    TEXT_GPA = 0x100000,
    DATA_GPA = 0x200000,
    BSS_END = 0x204000,
    ENTRY_GPA = TEXT_GPA + 0x40,
};

static uint8_t file[0x10000];

static inline void put(uint32_t off, int size, uint64_t val)
{
    memcpy(file + off, &val, size);
}

static inline const char *string_at(uint64_t gpa)
{
    const char *p = ram_at(&ram, gpa, 1);

    CHECK(p && memchr(p, 0, 4096));
    return p ? p : "";
}

/* The kernel is the first size bytes of file. */
static inline void save(size_t size)
{
    if (k.image.name)
        close(k.image.fd);
    k.image = make_image("dir/kernel", file, size);
}

static inline void put_section(int i, bool is_64, uint32_t type, uint64_t addr, uint32_t off,
                               uint32_t size)
{
    uint32_t at = SHDRS + i * (is_64 ? 64 : 40);
    int word = is_64 ? 8 : 4;

    put(at + 4, 4, type);
    put(at + (is_64 ? 16 : 12), word, addr);
    put(at + (is_64 ? 24 : 16), word, off);
    put(at + (is_64 ? 32 : 20), word, size);
}

static inline void put_segment(int i, bool is_64, uint32_t off, uint64_t vaddr, uint64_t paddr,
                               uint64_t filesz, uint64_t memsz)
{
    uint32_t at = PHDRS + i * (is_64 ? 56 : 32);
    int word = is_64 ? 8 : 4;
    const uint64_t val[] = {off, vaddr, paddr, filesz, memsz};

    put(at, 4, 1); /* PT_LOAD */
    for (int j = 0; j < 5; j++)
        put(at + (is_64 ? 8 : 4) + j * word, word, val[j]);
}

/* An ELF file, linked for a higher half, with text, data, a bss and symbols. */
static inline void make_elf(bool is_64)
{
    uint64_t half = is_64 ? 0xffffffff80000000 : 0xc0000000;
    int word = is_64 ? 8 : 4;

    for (size_t i = 0; i < sizeof(file); i++)
        file[i] = i * 7 + (i >> 8) * 3 + 1;
    memset(file, 0, 0x800);
    memset(file + SHDRS, 0, 0x400);
    memcpy(file, is_64 ? "\177ELF\2\1\1" : "\177ELF\1\1\1", 7);
    put(16, 2, 2);
    put(18, 2, is_64 ? 62 : 3);
    put(20, 4, 1);
    put(24, word, half + ENTRY_GPA);
    put(24 + word, word, PHDRS);
    put(24 + 2 * word, word, SHDRS);
    const uint16_t sizes[] = {is_64 ? 64 : 52, is_64 ? 56 : 32, 2, is_64 ? 64 : 40, 4, 3};
    memcpy(file + 28 + 3 * word, sizes, sizeof(sizes));
    put_segment(0, is_64, TEXT, half + TEXT_GPA, TEXT_GPA, 0x1000, 0x1000);
    put_segment(1, is_64, DATA, half + DATA_GPA, DATA_GPA, 0x10, BSS_END - DATA_GPA);
    put_section(1, is_64, 1, half + TEXT_GPA, TEXT, 0x1000);
    put_section(2, is_64, 2, 0, SYMTAB, 0x30);
    put_section(3, is_64, 3, 0, STRTAB, 0x21);
}

/* The load dies with words, in one line that names the file. */
static inline bool refused(const struct way *w, const char *words)
{
    return !loads(w) && died_of("dir/kernel", words);
}

/* Load it into new RAM of that size. */
static inline void load(const struct way *w, uint64_t size)
{
    set_ram(size);
    CHECK(loads(w) || !died_of(NULL, ""));
}

/* What both versions specify of the state of the machine. */
static inline void check_state(uint32_t magic, uint32_t entry)
{
    const struct segment *data[] = {&s.ds, &s.es, &s.fs, &s.gs, &s.ss};

    CHECK_EQ(s.gpr[RAX], magic);
    CHECK_EQ(s.gpr[RBX] % 8, 0);
    CHECK_EQ(s.rip, entry);
    CHECK_EQ(s.rflags, EFLAGS_FIXED);
    CHECK(!strcmp(cpu_mode(&s), "32-bit protected mode"));
    CHECK_EQ(s.cs.selector, 8);
    CHECK_EQ(s.cs.base, 0);
    CHECK_EQ(s.cs.limit, 0xffffffff);
    CHECK(s.cs.db && s.cs.type == SEGMENT_CODE);
    CHECK_EQ(get(s.gdt.base + s.cs.selector, 8), 0x00cf9b000000ffff);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(data[i]->selector, 16);
        CHECK_EQ(data[i]->base, 0);
        CHECK_EQ(data[i]->limit, 0xffffffff);
        CHECK_EQ(data[i]->type, SEGMENT_DATA);
        CHECK_EQ(get(s.gdt.base + data[i]->selector, 8), 0x00cf93000000ffff);
    }
    CHECK(s.gdt.limit >= 3 * 8 - 1);
}

/* The text and data of make_elf()'s file are where they belong, moved by delta. */
static inline void check_elf_loaded(uint64_t delta)
{
    CHECK(!memcmp(ram_at(&ram, TEXT_GPA + delta, 0x1000), file + TEXT, 0x1000));
    CHECK(!memcmp(ram_at(&ram, DATA_GPA + delta, 0x10), file + DATA, 0x10));
    CHECK_EQ(get(DATA_GPA + delta + 0x10, 8), 0);
    CHECK_EQ(get(BSS_END + delta - 8, 8), 0);
}

#endif

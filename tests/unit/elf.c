// SPDX-License-Identifier: MIT
/*
 * ELF files: headers, loading, notes; and that no lie in them gets past.
 */
#define _GNU_SOURCE
#include "boot/elf.h"
#include "tests/unit/die.h"
#include "tests/unit/make-elf.h"
#include "tests/unit/memory.h"

static struct elf e;
static struct image img;

static const char *reads(void)
{
    if (img.size)
        close(img.fd);
    img = open_elf("kernel.elf");
    return elf_read(&e, &img);
}

/* A kernel with code and data; a gap of 0x100 in the file is one in memory too. */
static void setup(bool is_64)
{
    make_elf(is_64, 0x200010);
    add_segment(PT_LOAD, CONTENTS, 0xc0200000, 2 * MIB, 0x2345, 0x2345);
    add_segment(PT_LOAD, CONTENTS + 0x2400, 0xc0202400, 2 * MIB + 0x2400, 0x100, 0x8000);
    CHECK(!reads());
}

static struct place p;
static uint64_t end;

static bool loads(void)
{
    static bool loaded;
    const char *problem = reads();

    CHECK(!problem);
    memset(ram.host, 0, ram.size);
    place_init(&p, &ram);
    loaded = false;
    if (!problem && !setjmp(died)) {
        elf_load(&e, &p, &end);
        loaded = true;
    }
    return loaded;
}

static bool dies(const char *text)
{
    return !loads() && died_of("kernel.elf", text);
}

static void headers(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        setup(is_64);
        CHECK_EQ(e.is_64, is_64);
        CHECK_EQ(e.type, 2);
        CHECK_EQ(e.machine, is_64 ? EM_X86_64 : EM_386);
        CHECK_EQ(e.entry, 0x200010);
        CHECK_EQ(e.n, 2);
        CHECK_EQ(e.segment[1].type, PT_LOAD);
        CHECK_EQ(e.segment[1].offset, CONTENTS + 0x2400);
        CHECK_EQ(e.segment[1].vaddr, 0xc0202400);
        CHECK_EQ(e.segment[1].paddr, 2 * MIB + 0x2400);
        CHECK_EQ(e.segment[1].filesz, 0x100);
        CHECK_EQ(e.segment[1].memsz, 0x8000);
        CHECK_EQ(e.segment[1].align, 4);

        put(is_64 ? 40 : 32, 4, 0x12345);
        put(is_64 ? 58 : 46, 2, 64);
        put(is_64 ? 60 : 48, 2, 39);
        put(is_64 ? 62 : 50, 2, 38);
        set(E_TYPE, 0, 3);
        CHECK(!reads());
        CHECK_EQ(e.type, 3);
        CHECK_EQ(e.shoff, 0x12345);
        CHECK_EQ(e.shentsize, 64);
        CHECK_EQ(e.shnum, 39);
        CHECK_EQ(e.shstrndx, 38);
    }
}

static void refused(void)
{
    static const struct {
        enum elf_name name;
        uint64_t val;
        const char *text;
    } bad[] = {
        {E_TYPE, 1, "an ELF file that is not linked yet"},
        {E_TYPE, 4, "a core dump"},
        {E_MACHINE, 183, "an ELF file for another kind of processor"},
        {E_PHNUM, 0, "an ELF file without program headers"},
        {E_PHNUM, 65, "damaged: it has more than 64 program headers"},
        {E_PHNUM, 0xffff, "damaged: it has more than 64 program headers"},
        {E_PHENTSIZE, 0, "damaged: its program headers have an odd size"},
        {E_PHENTSIZE, 57, "damaged: its program headers have an odd size"},
        {E_PHOFF, FILE_MAX - 63, "truncated: its program headers are not in the file"},
        {E_PHOFF, FILE_MAX, "truncated: its program headers are not in the file"},
        {E_PHOFF, UINT64_MAX, "truncated: its program headers are not in the file"},
        {E_PHOFF, UINT64_MAX - 111, "truncated: its program headers are not in the file"},
    };

    for (int is_64 = 0; is_64 < 2; is_64++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            setup(is_64);
            set(bad[i].name, 0, bad[i].val);

            const char *why = reads();

            CHECK(why && !strcmp(why, bad[i].text));
        }
        setup(is_64);
        elf_bytes[0] = 0;
        CHECK(!strcmp(reads(), "no ELF file"));
        for (elf_size = 1; elf_size < (is_64 ? 64 : 52); elf_size++)
            CHECK(!strcmp(reads(), "no ELF file"));
        elf_bytes[0] = 0x7f;
        for (elf_size = 5; elf_size < (is_64 ? 64 : 52); elf_size++)
            CHECK(!strcmp(reads(), "truncated: it ends within its ELF header"));
    }

    /* 32 and 64 bits mixed up: x32, and what no processor has. */
    setup(false);
    set(E_MACHINE, 0, EM_X86_64);
    CHECK(!strcmp(reads(), "an ELF file for another kind of processor"));
    setup(true);
    set(E_MACHINE, 0, EM_386);
    CHECK(!strcmp(reads(), "an ELF file for another kind of processor"));
    setup(false);
    elf_bytes[4] = 3;
    CHECK(strstr(reads(), "neither 32 nor 64 bits"));

    setup(false);
    elf_bytes[5] = 2;
    put(18, 2, 20 << 8);
    CHECK(!strcmp(reads(), "an ELF file for another kind of processor"));
}

static void loading(void)
{
    uint64_t start;

    ram_init(&ram, 16 * MIB);
    for (int is_64 = 0; is_64 < 2; is_64++) {
        setup(is_64);
        CHECK(loads());
        CHECK(holds(2 * MIB, elf_bytes + CONTENTS, 0x2345));
        CHECK(holds(2 * MIB + 0x2400, elf_bytes + CONTENTS + 0x2400, 0x100));
        CHECK(holds(2 * MIB + 0x2500, (char[0x7f00]){0}, 0x7f00));
        CHECK(holds(2 * MIB + 0x2345, (char[0xbb]){0}, 0xbb));
        CHECK_EQ(end, 2 * MIB + 0xa400);
        CHECK(elf_span(&e, &start, &end));
        CHECK_EQ(start, 2 * MIB);
        CHECK_EQ(end, 2 * MIB + 0xa400);
        CHECK(!place_take(&p, 2 * MIB + 0xa3ff, 1));
        CHECK(place_take(&p, 2 * MIB + 0xa400, 1));
        CHECK(place_take(&p, 2 * MIB + 0x2345, 0xbb));
    }

    /* Segments that load nothing may say anything. */
    add_segment(PT_LOAD, UINT64_MAX, 0, UINT64_MAX, 0, 0);
    add_segment(PT_LOAD, UINT64_MAX, 0, 0, UINT64_MAX, 0);
    add_segment(PT_NOTE, UINT64_MAX, 0, 2 * MIB, UINT64_MAX, UINT64_MAX);
    add_segment(0x12345678, UINT64_MAX, 0, UINT64_MAX, 77, UINT64_MAX);
    CHECK(loads());

    /* In RAM to its very end, and in the file. */
    set(P_MEMSZ, 1, 14 * MIB - 0x2400);
    CHECK(loads());
    set(P_OFFSET, 1, FILE_MAX - 0x100);
    CHECK(loads());
    CHECK(holds(2 * MIB + 0x2400, elf_bytes + FILE_MAX - 0x100, 0x100));
    ram_free(&ram);
}

static void lies(void)
{
    static const struct {
        enum elf_name name;
        uint64_t val;
        const char *text;
    } bad[] = {
        {P_FILESZ, 0x8001, "damaged: a segment is larger in the file than in memory"},
        {P_FILESZ, UINT64_MAX, "damaged: a segment is larger in the file than in memory"},
        {P_OFFSET, FILE_MAX - 0xff, "truncated: a segment is not all in the file"},
        {P_OFFSET, UINT64_MAX, "truncated: a segment is not all in the file"},
        {P_OFFSET, UINT64_MAX - 0xfe, "truncated: a segment is not all in the file"},
        {P_PADDR, 2 * MIB, "damaged: a segment goes to 0x200000..0x207fff, where firmware, the "},
        {P_PADDR, 2 * MIB + 0x2344, "where firmware, the loader or another one is"},
        {P_PADDR, 2 * MIB - 0x7fff, "where firmware, the loader or another one is"},
        {P_PADDR, 0, "where firmware, the loader or another one is"},
        {P_PADDR, 0xfff, "where firmware, the loader or another one is"},
        {P_PADDR, 0x98000, "where firmware, the loader or another one is"},
        {P_PADDR, MIB - 1, "where firmware, the loader or another one is"},
        {P_PADDR, 16 * MIB - 0x7fff, "needs more RAM: --mem 17M at least"},
        {P_PADDR, 3 * GIB - 0x8000, "needs more RAM: --mem 3072M at least"},
        {P_PADDR, 3 * GIB - 0x7fff, "where a PC has no RAM"},
        {P_PADDR, 0xfffff000, "where a PC has no RAM"},
        {P_MEMSZ, 0xfffffff0, "where a PC has no RAM"},
    };
    static const struct {
        enum elf_name name;
        uint64_t val;
        const char *text;
    } bad64[] = {
        {P_PADDR, UINT64_MAX, "damaged: it has nothing to load, or it wraps around"},
        {P_PADDR, UINT64_MAX - 0x7fff, "damaged: it has nothing to load, or it wraps around"},
        {P_PADDR, UINT64_MAX - 0x8000, "where a PC has no RAM"},
        {P_PADDR, 4 * GIB, "goes to 0x100000000..0x100007fff, where a PC has no RAM"},
        {P_PADDR, 0xffffffff80200000, "where a PC has no RAM"},
        {P_MEMSZ, UINT64_MAX, "damaged: it has nothing to load, or it wraps around"},
    };

    ram_init(&ram, 16 * MIB);
    for (int is_64 = 0; is_64 < 2; is_64++)
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            setup(is_64);
            set(bad[i].name, 1, bad[i].val);
            CHECK(dies(bad[i].text));
        }
    for (size_t i = 0; i < sizeof(bad64) / sizeof(bad64[0]); i++) {
        setup(true);
        set(bad64[i].name, 1, bad64[i].val);
        CHECK(dies(bad64[i].text));
    }

    make_elf(true, 0);
    add_segment(PT_NOTE, CONTENTS, 0, 0, 100, 100);
    CHECK(dies("damaged: it has nothing to load"));
    make_elf(true, 0);
    for (int i = 0; i < ELF_SEGMENTS; i++)
        add_segment(PT_LOAD, CONTENTS, 0, MIB + i * 8192, 100, 100);
    CHECK(loads());
    CHECK_EQ(end, MIB + 63 * 8192 + 100);
    set(P_PADDR, 63, MIB);
    CHECK(dies("where firmware, the loader or another one is"));
    ram_free(&ram);
}

static void addresses(void)
{
    setup(true);
    add_segment(PT_LOAD, 0, UINT64_MAX - 99, 3 * MIB, 0, 200); /* it wraps */
    add_segment(PT_NOTE, 0, 0x5000, 4 * MIB, 0, 200);
    CHECK(!reads());
    CHECK_EQ(elf_physical(&e, 0xc0200000), 2 * MIB);
    CHECK_EQ(elf_physical(&e, 0xc0202344), 2 * MIB + 0x2344);
    CHECK_EQ(elf_physical(&e, 0xc0202345), 0xc0202345);
    CHECK_EQ(elf_physical(&e, 0xc02023ff), 0xc02023ff);
    CHECK_EQ(elf_physical(&e, 0xc020a3ff), 2 * MIB + 0xa3ff);
    CHECK_EQ(elf_physical(&e, 0xc01fffff), 0xc01fffff);
    CHECK_EQ(elf_physical(&e, UINT64_MAX), 3 * MIB + 99);
    CHECK_EQ(elf_physical(&e, 99), 3 * MIB + 199);
    CHECK_EQ(elf_physical(&e, 0x5000), 0x5000);
    CHECK(elf_segment_at(&e, 2 * MIB) == &e.segment[0]);
    CHECK(elf_segment_at(&e, 2 * MIB + 0xa3ff) == &e.segment[1]);
    CHECK(!elf_segment_at(&e, 2 * MIB + 0xa400));
    CHECK(!elf_segment_at(&e, 4 * MIB));
}

static int note(const char *name, uint32_t type, char *desc, int size)
{
    CHECK(!reads());
    return elf_note(&e, name, type, desc, size);
}

static void notes(void)
{
    static const int aligns[] = {4, 8, 0};
    char desc[16] = "";
    int seg;

    for (int i = 0; i < 3; i++)
        for (int padded = 4; padded <= 8; padded += 4) {
            int at = CONTENTS;

            /* 8 bytes of padding are only believed where the segment says 8, 4 always. */
            if (padded == 8 && aligns[i] != 8)
                continue;
            setup(i & 1);
            at = add_note(at, padded, "GNU", 5, "property.....", 13);
            at = add_note(at, padded, "Xen", 17, "1234", 4);
            at = add_note(at, padded, "Xenon", 18, "5678", 4);
            at = add_note(at, padded, "Xen", 18, "abcdefgh", 8);
            at = add_note(at, padded, "Xen", 18, "second", 6);
            at = add_note(at, padded, "empty", 1, "", 0);
            seg = add_segment(PT_NOTE, CONTENTS, 0, 0, at - CONTENTS, at - CONTENTS);
            set(P_ALIGN, seg, aligns[i]);
            CHECK_EQ(note("Xen", 18, desc, 16), 8);
            CHECK(!memcmp(desc, "abcdefgh", 9));
            CHECK_EQ(note("Xen", 17, desc, 2), 4);
            CHECK(!memcmp(desc, "12cd", 4));
            CHECK_EQ(note("GNU", 5, NULL, 0), 13);
            CHECK_EQ(note("empty", 1, desc, 16), 0);
            CHECK_EQ(note("Xen", 19, desc, 16), -1);
            CHECK_EQ(note("Xe", 18, desc, 16), -1);
            CHECK_EQ(note("", 18, desc, 16), -1);
            memset(desc, 0, sizeof(desc));
        }

    /* In the second segment of notes; PT_LOADs are not searched. */
    setup(true);
    add_note(CONTENTS, 4, "Xen", 18, "1234", 4);
    CHECK_EQ(note("Xen", 18, desc, 16), -1);
    add_segment(PT_NOTE, CONTENTS + 0x1000, 0, 0, 0, 0);
    add_segment(PT_NOTE, CONTENTS, 0, 0, 20, 20);
    CHECK_EQ(note("Xen", 18, desc, 16), 4);
}

static void note_lies(void)
{
    static const uint32_t sizes[] = {0xffffffff, 0xfffffffc, 0xfffffff0, 0x80000000,
                                     0x7fffffff, 0x10000,    0x20,       9};
    char desc[16];
    int seg;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int off = 0; off <= 4; off += 4) {
            setup(true);
            add_note(CONTENTS, 4, "Xen", 18, "12345678", 8);
            seg = add_segment(PT_NOTE, CONTENTS, 0, 0, 24, 24);
            set(P_ALIGN, seg, i & 1 ? 4 : 8);
            CHECK_EQ(note("Xen", 18, desc, 16), 8);
            put(CONTENTS + off, 4, sizes[i]);
            CHECK_EQ(note("Xen", 18, desc, 16), -1);
        }

    /* A segment that ends early, is not in the file, or is all notes of nothing. */
    setup(true);
    add_note(CONTENTS, 4, "Xen", 18, "12345678", 8);
    seg = add_segment(PT_NOTE, CONTENTS, 0, 0, 24, 24);
    for (int size = 0; size < 24; size++) {
        set(P_FILESZ, seg, size);
        CHECK_EQ(note("Xen", 18, desc, 16), -1);
    }
    set(P_FILESZ, seg, UINT64_MAX);
    CHECK_EQ(note("Xen", 18, desc, 16), 8);
    set(P_OFFSET, seg, UINT64_MAX - 10);
    CHECK_EQ(note("Xen", 18, desc, 16), -1);
    set(P_OFFSET, seg, FILE_MAX - 10);
    CHECK_EQ(note("Xen", 18, desc, 16), -1);
    set(P_OFFSET, seg, CONTENTS);
    set(P_FILESZ, seg, 0x18000);
    memset(elf_bytes + CONTENTS, 0, 0x18000);
    CHECK_EQ(note("Xen", 18, desc, 16), -1);
    add_note(CONTENTS + 0xfff0 - 12, 4, "Xen", 18, "12345678", 8);
    CHECK_EQ(note("Xen", 18, desc, 16), 8);
    memset(elf_bytes + CONTENTS, 0, 0x18000);
    add_note(CONTENTS + 0xfff0, 4, "Xen", 18, "12345678", 8);
    CHECK_EQ(note("Xen", 18, desc, 16), -1);
}

static const char *printed(void)
{
    static char text[500];
    FILE *f = fmemopen(text, sizeof(text), "w");

    CHECK(!reads());
    elf_print(&e, f);
    fclose(f);
    return text;
}

static void words(void)
{
    setup(true);
    CHECK(!strcmp(printed(), "  address: 0x200000..0x20a3ff\n  RAM: 3 MiB at least\n"));
    set(P_PADDR, 1, 5 * GIB);
    CHECK(!strcmp(printed(), "  address: 0x200000..0x140007fff\n"
                             "  problem: a PC has no RAM there\n"));
    set(P_OFFSET, 1, FILE_MAX);
    CHECK(!strcmp(printed(), "  problem: truncated: a segment is not all in the file\n"));
    set(P_MEMSZ, 1, UINT64_MAX);
    CHECK(!strcmp(printed(), "  problem: damaged: it has nothing to load, or it wraps around\n"));
}

int main(void)
{
    return test_main((struct test[]){
        {headers, "the headers of 32-bit and 64-bit files"},
        {refused, "what is no x86 executable is refused in words"},
        {loading, "segments go to their physical addresses"},
        {lies, "segments that overlap, wrap, or are not in RAM or the file are refused"},
        {addresses, "virtual addresses have physical ones"},
        {notes, "notes by name and type, padded to 4 or 8 bytes"},
        {note_lies, "notes that lie are not found"},
        {words, "where it goes, in words"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * PVH: the start info and the state that a kernel is entered with, modules for Linux and for
 * others, and what is refused.
 */
#define _GNU_SOURCE
#include "boot/e820.h"
#include "tests/unit/loader.h"
#include "tests/unit/make-elf.h"

/* A kernel at 2 MiB whose notes, from NOTES on, are a PVH entry and perhaps one more. */
#define NOTES (CONTENTS + 0x8000)

static void set_notes(const char *name, uint32_t type, const char *text, int entry_size)
{
    uint64_t entry = 2 * MIB + 0x123;
    int at = NOTES;

    memset(elf_bytes + NOTES, 0, 0x1000);
    if (name)
        at = add_note(at, 4, name, type, text, strlen(text) + 1);
    at = add_note(at, 4, "Xen", 18, &entry, entry_size);
    set(P_FILESZ, 1, at - NOTES);
}

static void setup(bool is_64)
{
    make_elf(is_64, 0x80200010);
    add_segment(PT_LOAD, CONTENTS, 0x80200000, 2 * MIB, 0x9000, 0x20001);
    add_segment(PT_NOTE, NOTES, 0x80208000, 2 * MIB + 0x8000, 0, 0);
    set_notes(NULL, 0, NULL, 4);
    k = (struct kernel){.cmdline = "a command line", .rsdp = 0xe0010};
    set_ram(64 * MIB);
}

static bool offered(void)
{
    struct image img = open_elf("kernel");
    bool yes = way_pvh.offered(&img);

    close(img.fd);
    return yes;
}

static bool load(void)
{
    bool loaded;

    k.image = open_elf("kernel");
    memset(ram.host, 0, ram.size < 64 * MIB ? ram.size : 64 * MIB);
    loaded = loads(&way_pvh);
    close(k.image.fd);
    return loaded;
}

static bool dies(const char *text)
{
    return !load() && died_of("kernel", text);
}

/* Offsets in hvm_start_info and hvm_modlist_entry. */
enum {
    MAGIC = 0,
    VERSION = 4,
    FLAGS = 8,
    NR_MODULES = 12,
    MODLIST = 16,
    CMDLINE = 24,
    RSDP = 32,
    MEMMAP = 40,
    MEMMAP_ENTRIES = 48,

    PADDR = 0,
    SIZE = 8,
    MODULE_CMDLINE = 16,
    MODULE_RESERVED = 24,
};

static uint64_t info(int off, int size)
{
    return get(s.gpr[RBX] + off, size);
}

static uint64_t module(int i, int off)
{
    return get(info(MODLIST, 8) + 32 * i + off, 8);
}

static void state(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++)
        for (int size = 4; size <= 8; size += 4) {
            setup(is_64);
            set_notes(NULL, 0, NULL, size);
            CHECK(offered());
            CHECK(load());
            CHECK(!strcmp(cpu_mode(&s), "32-bit protected mode"));
            CHECK_EQ(s.rip, 2 * MIB + 0x123);
            CHECK_EQ(s.cr0, 0x11);
            CHECK_EQ(s.cr4, 0);
            CHECK_EQ(s.efer, 0);
            CHECK_EQ(s.rflags, 2);
            CHECK(s.cs.base == 0 && s.cs.limit == 0xffffffff && s.cs.type == SEGMENT_CODE &&
                  s.cs.db);
            CHECK(s.ds.base == 0 && s.ds.limit == 0xffffffff && s.ds.type == SEGMENT_DATA);
            CHECK(s.es.base == 0 && s.es.limit == 0xffffffff && s.es.type == SEGMENT_DATA);
            CHECK(s.tr.base == 0 && s.tr.limit == 0x67 && s.tr.type == SEGMENT_TSS);
            CHECK(holds(2 * MIB, elf_bytes + CONTENTS, 0x9000));
            CHECK_EQ(get(2 * MIB + 0x9000, 8), 0);
            ram_free(&ram);
        }
}

static void start_info(void)
{
    struct e820_entry map[E820_MAX];
    uint64_t at;
    int n;

    setup(true);
    set_ram(5 * GIB);
    CHECK(load());
    n = e820_build(&ram, map, E820_MAX);
    CHECK_EQ(info(MAGIC, 4), 0x336ec578);
    CHECK_EQ(info(VERSION, 4), 1);
    CHECK_EQ(info(FLAGS, 4), 0);
    CHECK_EQ(info(NR_MODULES, 4), 0);
    CHECK_EQ(info(MODLIST, 8), 0);
    CHECK_EQ(info(RSDP, 8), 0xe0010);
    CHECK_EQ(info(MEMMAP_ENTRIES, 8), n);
    CHECK(holds(info(CMDLINE, 8), "a command line", 15));
    at = info(MEMMAP, 8);
    for (int i = 0; i < n; i++) {
        CHECK(holds(at + 24 * i, &map[i], 20));
        CHECK_EQ(get(at + 24 * i + 20, 4), 0);
    }
    CHECK(s.gpr[RBX] >= 0x1000 && s.gpr[RBX] < 0x9fc00);
    CHECK(info(CMDLINE, 8) >= 0x1000 && info(CMDLINE, 8) + 15 <= 0x9fc00);
    ram_free(&ram);
}

/* Any kernel: each module by itself, on a page, behind the kernel. */
static void modules(void)
{
    static const uint64_t sizes[] = {70001, 1, 4096};
    uint64_t at = 2 * MIB + 0x21000;

    setup(true);
    add_archive("module", sizes[0], "first one=1");
    add_archive("module", sizes[1], "");
    add_archive("module", sizes[2], "third");
    CHECK(load());
    CHECK_EQ(info(NR_MODULES, 4), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(module(i, PADDR), at);
        CHECK_EQ(module(i, SIZE), sizes[i]);
        CHECK_EQ(module(i, MODULE_RESERVED), 0);
        CHECK(holds(at, archive, sizes[i]));
        at += (sizes[i] + 4095) & ~UINT64_C(4095);
    }
    CHECK(holds(module(0, MODULE_CMDLINE), "first one=1", 12));
    CHECK_EQ(module(1, MODULE_CMDLINE), 0);
    CHECK(holds(module(2, MODULE_CMDLINE), "third", 6));
    CHECK(holds(info(CMDLINE, 8), "a command line", 15));

    k.extra = "an archive";
    k.extra_size = 10;
    CHECK(dies("kernel: a command is for Linux to run, and this is no Linux"));
    k.extra_size = 0;

    k.modules = 0;
    for (int i = 0; i < KERNEL_MODULES; i++)
        add_archive("module", 1 + i, "x");
    CHECK(load());
    CHECK_EQ(info(NR_MODULES, 4), KERNEL_MODULES);
    CHECK_EQ(module(31, SIZE), 32);
    CHECK(holds(module(31, MODULE_CMDLINE), "x", 2));
    ram_free(&ram);
}

/* Linux, which looks at the first only: all archives in one. */
static void linux_modules(void)
{
    static const struct {
        const char *name;
        uint32_t type;
        const char *text;
    } of_linux[] = {{"Linux", 0x100, ""}, {"Xen", 6, "linux"}};

    for (int i = 0; i < 2; i++) {
        setup(true);
        set_notes(of_linux[i].name, of_linux[i].type, of_linux[i].text, 8);
        CHECK(load());
        CHECK_EQ(info(NR_MODULES, 4), 0);
        CHECK_EQ(info(MODLIST, 8), 0);
        add_archive("module", 70001, "");
        add_archive("module", 5, "ignored");
        k.extra = "another archive";
        k.extra_size = 15;
        CHECK(load());
        CHECK_EQ(info(NR_MODULES, 4), 1);
        CHECK_EQ(module(0, PADDR), 2 * MIB + 0x21000);
        CHECK_EQ(module(0, SIZE), 70012 + 15);
        CHECK_EQ(module(0, MODULE_CMDLINE), 0);
        CHECK(holds(module(0, PADDR), archive, 70001));
        CHECK(holds(module(0, PADDR) + 70004, archive, 5));
        CHECK(holds(module(0, PADDR) + 70012, "another archive", 15));
        ram_free(&ram);
    }
    setup(true);
    set_notes("Xen", 6, "FreeBSD", 8);
    add_archive("module", 70001, "");
    add_archive("module", 5, "");
    CHECK(load());
    CHECK_EQ(info(NR_MODULES, 4), 2);
    ram_free(&ram);
}

static void cmdline(void)
{
    static char line[0xa0000];

    setup(true);
    memset(line, 'x', 0x90000);
    k.cmdline = line;
    CHECK(load());
    CHECK(holds(info(CMDLINE, 8), line, 0x90001));
    memset(line, 'x', sizeof(line) - 1);
    CHECK(dies("no room for its command line below 640 KiB: 655360 characters"));
    line[2048] = 0;
    set_notes("Linux", 0x100, "", 8);
    CHECK(dies("takes a command line of 2047 characters at most; this one has 2048"));
    line[2047] = 0;
    CHECK(load());

    /* A kernel that leaves nothing of base memory. */
    set(P_PADDR, 0, 0x1000);
    set(P_MEMSZ, 0, 0x9ec00);
    set_notes(NULL, 0, NULL, 8);
    CHECK(dies("damaged: its PVH entry is outside of what it loads"));
    add_segment(PT_LOAD, CONTENTS, 0, 2 * MIB, 0x1000, 0x1000);
    CHECK(dies("no room for its command line below 640 KiB"));
    ram_free(&ram);
}

static void little_ram(void)
{
    setup(true);
    set_ram(4096);
    CHECK(dies("needs more RAM: --mem 3M at least"));
    set_ram(2 * MIB + 0x20000);
    CHECK(dies("needs more RAM: --mem 3M at least"));
    set_ram(2 * MIB + 0x21000);
    CHECK(load());
    add_archive("module", 4097, "");
    add_archive("module", 1, "");
    set_ram(2 * MIB + 0x23000);
    CHECK(dies("needs more RAM with this initrd: --mem 3M at least"));
    set_ram(2 * MIB + 0x24000);
    CHECK(load());
    k.module[1].image.size = INT64_MAX;
    CHECK(dies("too big with this initrd"));
    k.module[1].image.size = 3 * GIB - 2 * MIB - 0x23000;
    CHECK(dies("needs more RAM with this initrd: --mem 3072M at least"));
    k.module[1].image.size++;
    CHECK(dies("too big with this initrd: it needs 3073 MiB, and a PC has 3072"));
    ram_free(&ram);
}

static void refused(void)
{
    static const uint64_t entries[] = {2 * MIB - 1, 2 * MIB + 0x20001, 0, 0x80200000, UINT64_MAX};

    setup(true);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        set_notes(NULL, 0, NULL, 8);
        put(NOTES + 16, 8, entries[i]);
        CHECK(offered());
        CHECK(dies("damaged: its PVH entry is outside of what it loads"));
    }
    set_notes(NULL, 0, NULL, 6);
    CHECK(offered());
    CHECK(dies("damaged: its PVH entry has neither 4 nor 8 bytes"));
    set_notes(NULL, 0, NULL, 4);
    put(NOTES + 8, 4, 17);
    CHECK(!offered());
    CHECK(dies("has no PVH entry (no Xen note of type 18)"));
    set_notes(NULL, 0, NULL, 4);
    set(P_MEMSZ, 0, UINT64_MAX);
    CHECK(dies("damaged: it has nothing to load, or it wraps around"));
    elf_bytes[1] = 0;
    CHECK(!offered());
    CHECK(dies("no ELF file"));
    elf_size = 1;
    CHECK(!offered());
    ram_free(&ram);
}

static const char *printed(void)
{
    static char text[500];
    FILE *f = fmemopen(text, sizeof(text), "w");
    struct image img = open_elf("kernel");

    way_pvh.print(&img, f);
    fclose(f);
    close(img.fd);
    return text;
}

static void words(void)
{
    setup(true);
    CHECK(!strcmp(printed(), "  entry: 0x200123, 32-bit\n  address: 0x200000..0x220000\n"
                             "  RAM: 3 MiB at least\n  modules: one by one\n"));
    set_notes("Linux", 0x100, "", 8);
    CHECK(strstr(printed(), "  modules: joined into one initramfs, for this is Linux\n"));
    set_notes(NULL, 0, NULL, 5);
    CHECK(strstr(printed(), "  problem: damaged: its PVH entry has neither 4 nor 8 bytes\n"));
    ram_free(&ram);
}

static void reboot(void)
{
    static uint8_t first[64 * MIB];
    uint64_t rbx;

    setup(true);
    add_archive("module", 70001, "args");
    CHECK(load());
    memcpy(first, ram.host, ram.size);
    rbx = s.gpr[RBX];
    CHECK(load());
    CHECK(!memcmp(first, ram.host, ram.size));
    CHECK_EQ(s.gpr[RBX], rbx);
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {state, "32-bit protected mode without paging, by ELF files of both kinds"},
        {start_info, "the start info holds the command line, the memory map and the RSDP"},
        {modules, "each module on its own page behind the kernel, with its command line"},
        {linux_modules, "Linux gets all archives as one module"},
        {cmdline, "command lines as long as there is room, or as Linux takes"},
        {little_ram, "too little RAM: the message names what is enough, to the MiB"},
        {refused, "entries that lie, and files without one, are refused"},
        {words, "where it goes, in words"},
        {reboot, "loading again gives the same memory and state"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * vmlinux by the 64-bit boot protocol: what is taken for one, what stands in its zero page, the
 * state that it is entered in, and what is refused.
 */
#define _GNU_SOURCE
#include "boot/e820.h"
#include "tests/unit/loader.h"
#include "tests/unit/make-elf.h"
#include "x86/paging.h"

#define VA UINT64_C(0xffffffff80000000)

/* As Linux is linked: text and data at 16 MiB, per-CPU data at virtual address 0. */
static void setup(void)
{
    int at = CONTENTS + 0x8000;

    make_elf(true, 16 * MIB + 0x40);
    add_segment(PT_LOAD, CONTENTS, VA + 16 * MIB, 16 * MIB, 0x9000, 0x9000);
    add_segment(PT_LOAD, CONTENTS + 0x9000, 0, 18 * MIB, 0x1000, 0x1000);
    add_segment(PT_LOAD, CONTENTS + 0xa000, VA + 19 * MIB, 19 * MIB, 0x1000, MIB);
    at = add_note(at, 4, "GNU", 3, "build id", 8);
    at = add_note(at, 4, "Linux", 0x100, "6.1.0", 6);
    add_segment(PT_NOTE, CONTENTS + 0x8000, VA + 16 * MIB + 0x8000, 16 * MIB + 0x8000,
                at - CONTENTS - 0x8000, at - CONTENTS - 0x8000);
    k = (struct kernel){.cmdline = "quiet", .rsdp = 0xe0010};
    set_ram(64 * MIB);
}

static bool offered(void)
{
    struct image img = open_elf("vmlinux");
    bool yes = way_linux64.offered(&img);

    close(img.fd);
    return yes;
}

static bool load(void)
{
    bool loaded;

    k.image = open_elf("vmlinux");
    memset(ram.host, 0, ram.size < 64 * MIB ? ram.size : 64 * MIB);
    loaded = loads(&way_linux64);
    close(k.image.fd);
    return loaded;
}

static bool dies(const char *text)
{
    return !load() && died_of(NULL, text);
}

static uint64_t zero_page(int off, int size)
{
    return get(s.gpr[RSI] + off, size);
}

static void what_is_one(void)
{
    setup();
    CHECK(offered());

    /* A 32-bit file, an entry by a virtual address, a program, another kernel. */
    set(E_ENTRY, 0, VA + 16 * MIB + 0x40);
    CHECK(!offered());
    CHECK(dies("vmlinux: not a vmlinux of 64 bits"));
    set(E_ENTRY, 0, 18 * MIB);
    CHECK(!offered());
    set(E_ENTRY, 0, 16 * MIB + 0x40);
    set(P_VADDR, 0, 16 * MIB);
    CHECK(!offered());
    set(P_VADDR, 0, VA + 16 * MIB);
    CHECK(offered());
    memcpy(elf_bytes + CONTENTS + 0x8000, (char[64]){0}, 64);
    CHECK(!offered());

    /* Linux by its notes for Xen, FreeBSD by the same; Linux by its text. */
    add_note(CONTENTS + 0x8000, 4, "Xen", 6, "linux", 6);
    CHECK(offered());
    add_note(CONTENTS + 0x8000, 4, "Xen", 6, "FreeBSD", 8);
    CHECK(!offered());
    add_note(CONTENTS + 0x8000, 4, "Xen", 6, "linuxish, and long", 19);
    CHECK(!offered());
    memcpy(elf_bytes + CONTENTS + 0x8000, (char[64]){0}, 64);
    for (int at = 0xfff0; at < 0x10002; at++) {
        memcpy(elf_bytes + at, "Linux version ", 14);
        CHECK(offered());
        elf_bytes[at] = 'l';
        CHECK(!offered());
    }
    elf_bytes[0] = 0;
    CHECK(!offered());
    CHECK(dies("vmlinux: no ELF file"));
    elf_size = 1;
    CHECK(!offered());
    ram_free(&ram);
}

static void state(void)
{
    uint64_t gpa;

    setup();
    CHECK(load());
    CHECK(!strcmp(cpu_mode(&s), "64-bit mode"));
    CHECK_EQ(s.rip, 16 * MIB + 0x40);
    CHECK_EQ(s.cs.selector, 0x10);
    CHECK_EQ(s.ds.selector, 0x18);
    CHECK_EQ(s.ss.selector, 0x18);
    CHECK_EQ(s.rflags, 2);
    CHECK_EQ(s.gdt.limit, 31);
    CHECK_EQ(get(s.gdt.base + 0x10, 8), 0x00af9b000000ffff);
    CHECK_EQ(get(s.gdt.base + 0x18, 8), 0x00cf93000000ffff);
    for (uint64_t at = 0; at < 4 * GIB; at += 511 * 4096) {
        CHECK(paging_walk(&ram, &s, at, &gpa));
        CHECK_EQ(gpa, at);
    }
    CHECK(holds(16 * MIB, elf_bytes + CONTENTS, 0x9000));
    CHECK(holds(18 * MIB, elf_bytes + CONTENTS + 0x9000, 0x1000));
    CHECK(holds(19 * MIB, elf_bytes + CONTENTS + 0xa000, 0x1000));
    CHECK_EQ(get(19 * MIB + 0x1000, 8), 0);
    ram_free(&ram);
}

static void zero_page_of_it(void)
{
    struct e820_entry map[E820_MAX];
    int n;

    setup();
    set_ram(5 * GIB);
    CHECK(load());
    n = e820_build(&ram, map, E820_MAX);
    CHECK_EQ(zero_page(0x1e8, 1), n);
    CHECK(holds(s.gpr[RSI] + 0x2d0, map, n * 20));
    CHECK_EQ(zero_page(0x70, 8), 0xe0010);
    CHECK_EQ(zero_page(0x1fe, 2), 0xaa55);
    CHECK_EQ(zero_page(0x202, 4), 0x53726448);
    CHECK_EQ(zero_page(0x206, 2), 0x20f);
    CHECK_EQ(zero_page(0x210, 1), 0xff);
    CHECK_EQ(zero_page(0x211, 1), 1);
    CHECK_EQ(zero_page(0x218, 8), 0);
    CHECK_EQ(zero_page(0x1ef, 1), 0); /* sentinel: nothing else was filled in */
    CHECK_EQ(zero_page(0x250, 8), 0); /* no setup_data */
    CHECK(holds(zero_page(0x228, 4), "quiet", 6));
    ram_free(&ram);
}

static void cmdline(void)
{
    static char line[3000];

    setup();
    memset(line, 'x', 2047);
    k.cmdline = line;
    CHECK(load());
    CHECK(holds(zero_page(0x228, 4), line, 2048));
    line[2047] = 'x';
    CHECK(dies("vmlinux: takes a command line of 2047 characters at most; this one has 2048"));
    ram_free(&ram);
}

static void archives(void)
{
    setup();
    add_archive("initramfs.cpio", 70001, "");
    CHECK(load());
    CHECK_EQ(zero_page(0x218, 4), 64 * MIB - 70001 - (4096 - 70001 % 4096));
    CHECK_EQ(zero_page(0x21c, 4), 70001);
    CHECK(holds(zero_page(0x218, 4), archive, 70001));
    add_archive("initramfs.cpio", 5, "");
    k.extra = "another archive";
    k.extra_size = 15;
    CHECK(load());
    CHECK_EQ(zero_page(0x21c, 4), 70004 + 8 + 15);
    CHECK(holds(zero_page(0x218, 4), archive, 70001));
    CHECK(holds(zero_page(0x218, 4) + 70004, archive, 5));
    CHECK(holds(zero_page(0x218, 4) + 70012, "another archive", 15));
    set_ram(8 * GIB);
    CHECK(load());
    CHECK_EQ(zero_page(0x218, 4) + 70012 + 15 + 4095 >= 3 * GIB, true);
    CHECK(zero_page(0x218, 4) + 70012 + 15 <= 3 * GIB);
    ram_free(&ram);
}

/* The RAM that is named is enough, and a page less is not. */
static void little_ram(void)
{
    setup();
    set_ram(4096);
    CHECK(dies("vmlinux: needs more RAM: --mem 20M at least"));
    set_ram(20 * MIB);
    CHECK(load());
    set_ram(20 * MIB - 4096);
    CHECK(dies("vmlinux: needs more RAM: --mem 20M at least"));
    add_archive("initramfs.cpio", 70001, "");
    CHECK(dies("vmlinux: needs more RAM with this initrd: --mem 21M at least"));
    set_ram(20 * MIB + 17 * 4096);
    CHECK(dies("vmlinux: needs more RAM with this initrd: --mem 21M at least"));
    set_ram(20 * MIB + 18 * 4096);
    CHECK(load());
    k.module[0].image.size = 3 * GIB - 20 * MIB;
    CHECK(dies("vmlinux: needs more RAM with this initrd: --mem 3072M at least"));
    k.module[0].image.size++;
    CHECK(dies("vmlinux: too big with this initrd: it needs 3073 MiB, and a PC has 3072"));
    k.module[0].image.size = INT64_MAX;
    CHECK(dies("vmlinux: too big with this initrd"));
    ram_free(&ram);
}

static void damaged(void)
{
    setup();
    set(P_PADDR, 1, 16 * MIB);
    CHECK(dies("vmlinux: damaged: a segment goes to 0x1000000..0x1000fff"));
    set(P_PADDR, 1, 0x10000);
    CHECK(dies("vmlinux: damaged: a segment goes to 0x10000..0x10fff"));
    set(P_PADDR, 1, 18 * MIB);
    set(P_MEMSZ, 2, UINT64_MAX);
    CHECK(dies("vmlinux: damaged: it has nothing to load, or it wraps around"));
    ram_free(&ram);
}

static void reboot(void)
{
    static uint8_t first[64 * MIB];
    struct cpu_state state;

    setup();
    add_archive("initramfs.cpio", 70001, "");
    CHECK(load());
    memcpy(first, ram.host, ram.size);
    state = s;
    CHECK(load());
    CHECK(!memcmp(first, ram.host, ram.size));
    CHECK(s.rip == state.rip && s.cr3 == state.cr3 && s.gpr[RSI] == state.gpr[RSI]);
    ram_free(&ram);
}

static void words(void)
{
    char text[300];
    FILE *f = fmemopen(text, sizeof(text), "w");
    struct image img;

    setup();
    img = open_elf("vmlinux");
    way_linux64.print(&img, f);
    fclose(f);
    close(img.fd);
    CHECK(!strcmp(text, "  entry: 0x1000040, 64-bit\n  address: 0x1000000..0x13fffff\n"
                        "  RAM: 20 MiB at least\n"));
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {what_is_one, "a vmlinux is told from programs and other kernels"},
        {state, "64-bit mode, the first 4 GiB mapped, GDT, kernel where it is linked for"},
        {zero_page_of_it, "the zero page holds a header, the memory map and the RSDP"},
        {cmdline, "a command line as long as Linux takes, and none longer"},
        {archives, "all archives at the top of low RAM"},
        {little_ram, "too little RAM: the message names what is enough, to the MiB"},
        {damaged, "damaged segments are refused"},
        {reboot, "loading again gives the same memory and state"},
        {words, "where it goes, in words"},
        {0},
    });
}

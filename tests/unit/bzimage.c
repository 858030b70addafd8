// SPDX-License-Identifier: MIT
/*
 * The bzImage loader, with small images made here: what goes where, and every way to refuse.
 */
#define _GNU_SOURCE
#include "boot/e820.h"
#include "tests/unit/loader.h"
#include "x86/paging.h"

/* Offsets in the header, by boot.rst. */
enum {
    SETUP_SECTS = 0x1f1,
    SYSSIZE = 0x1f4,
    BOOT_FLAG = 0x1fe,
    JUMP = 0x200,
    HEADER = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    KERNEL_ALIGNMENT = 0x230,
    RELOCATABLE_KERNEL = 0x234,
    XLOADFLAGS = 0x236,
    CMDLINE_SIZE = 0x238,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    KERNEL_INFO_OFFSET = 0x268,
};

enum {
    SETUP = 40 * 512,
    KERNEL = 100000,
    FILE_SIZE = SETUP + KERNEL
};

static uint8_t file[FILE_SIZE + 5000];
static size_t file_size;

static struct image *initrd = &k.module[0].image;

static void put(int off, int size, uint64_t val)
{
    memcpy(file + off, &val, size);
}

/* A field of the zero page. */
static uint64_t zero_page(int off, int size)
{
    return get(s.gpr[RSI] + off, size);
}

/* A kernel of today that wants 16 to 24 MiB, and nothing else; 64 MiB of RAM. */
static void setup(void)
{
    for (size_t i = 0; i < sizeof(file); i++)
        file[i] = i * 7 + (i >> 8) * 3 + 1;
    memset(file + SETUP_SECTS, 0, 0x26c - SETUP_SECTS);
    put(SETUP_SECTS, 1, SETUP / 512 - 1);
    put(SYSSIZE, 4, KERNEL / 16);
    put(BOOT_FLAG, 2, 0xaa55);
    put(JUMP, 2, 0x6aeb);
    put(HEADER, 4, 0x53726448);
    put(VERSION, 2, 0x20f);
    put(LOADFLAGS, 1, 1);
    put(INITRD_ADDR_MAX, 4, 0x7fffffff);
    put(KERNEL_ALIGNMENT, 4, 2 * MIB);
    put(RELOCATABLE_KERNEL, 1, 1);
    put(XLOADFLAGS, 2, 1);
    put(CMDLINE_SIZE, 4, 2047);
    put(PREF_ADDRESS, 8, 16 * MIB);
    put(INIT_SIZE, 4, 8 * MIB);
    file_size = FILE_SIZE;
    k = (struct kernel){.image = {.name = "vmlinuz"}, .cmdline = "quiet"};
    set_ram(64 * MIB);
}

static void add_initrd(uint64_t size)
{
    k.modules = 0;
    add_archive("initramfs.cpio", size, "");
}

static bool load(void)
{
    bool loaded;

    k.image = make_image("vmlinuz", file, file_size);
    loaded = loads(&way_bzimage);
    close(k.image.fd);
    return loaded;
}

static bool dies(const char *text)
{
    return !load() && died_of(NULL, text);
}

/* Dies naming the RAM that is needed, and is right: this much will do and a MiB less will not. */
static bool needs_ram(unsigned long long mib)
{
    char text[100];

    snprintf(text, sizeof(text), "vmlinuz: needs more RAM%s: --mem %lluM at least",
             k.modules || k.extra_size ? " with this initrd" : "", mib);
    if (!dies(text))
        return false;
    set_ram((mib - 1) * MIB);
    if (!dies(text))
        return false;
    set_ram(mib * MIB);
    return load();
}

static bool kernel_is_at(uint64_t gpa, size_t offset, size_t size)
{
    return holds(gpa, file + offset, size) && holds(gpa + size, "", 1);
}

static void entry64(void)
{
    uint64_t gpa = 0;

    setup();
    CHECK(load());
    CHECK(!strcmp(cpu_mode(&s), "64-bit mode"));
    CHECK(kernel_is_at(16 * MIB, SETUP, KERNEL));
    CHECK_EQ(s.rip, 16 * MIB + 0x200);
    CHECK_EQ(zero_page(CODE32_START, 4), 16 * MIB);
    CHECK_EQ(s.cs.selector, 0x10);
    CHECK_EQ(s.ds.selector, 0x18);
    CHECK_EQ(s.rflags, 2);
    CHECK_EQ(s.gdt.limit, 31);
    CHECK_EQ(get(s.gdt.base + 0x10, 8), 0x00af9b000000ffff);
    CHECK_EQ(get(s.gdt.base + 0x18, 8), 0x00cf93000000ffff);
    for (uint64_t at = 0; at < 4 * GIB; at += 511 * 4096) {
        CHECK(paging_walk(&ram, &s, at, &gpa));
        CHECK_EQ(gpa, at);
    }
    ram_free(&ram);
}

static void check_entry32(void)
{
    CHECK(load());
    CHECK(!strcmp(cpu_mode(&s), "32-bit protected mode"));
    CHECK_EQ(s.rip, 16 * MIB);
    CHECK_EQ(s.gpr[RBP] | s.gpr[RDI] | s.gpr[RBX], 0);
    CHECK_EQ(get(s.gdt.base + 0x10, 8), 0x00cf9b000000ffff);
    CHECK_EQ(get(s.gdt.base + 0x18, 8), 0x00cf93000000ffff);
}

static void entry32(void)
{
    setup();
    k.entry = 32;
    check_entry32();

    k.entry = 0;
    put(XLOADFLAGS, 2, 0xfffe);
    check_entry32();

    k.entry = 64;
    CHECK(dies("vmlinuz: has no 64-bit entry point"));

    /* Before 2.12 these bits mean nothing. */
    put(XLOADFLAGS, 2, 1);
    put(VERSION, 2, 0x20b);
    CHECK(dies("vmlinuz: has no 64-bit entry point"));
    k.entry = 0;
    check_entry32();
    ram_free(&ram);
}

static void setup_sects(void)
{
    setup();
    put(SETUP_SECTS, 1, 0);
    put(SYSSIZE, 4, 50000 / 16);
    CHECK(load());
    CHECK(kernel_is_at(16 * MIB, 5 * 512, 50000));
    ram_free(&ram);
}

static void header(void)
{
    static const uint8_t zero[0x1000];

    setup();
    memset(file + 0x268, 0x77, 0x290 - 0x268);
    CHECK(load());
    CHECK(holds(s.gpr[RSI], zero, 0x70));
    CHECK(holds(s.gpr[RSI] + 0x1e9, zero, 8));
    CHECK(holds(s.gpr[RSI] + 0x238, file + 0x238, 0x34));
    CHECK_EQ(zero_page(KERNEL_INFO_OFFSET, 8), 0x77777777);
    CHECK(holds(s.gpr[RSI] + 0x270, zero, 0x60));
    CHECK_EQ(zero_page(TYPE_OF_LOADER, 1), 0xff);
    CHECK_EQ(zero_page(LOADFLAGS, 1), 1);
    CHECK_EQ(zero_page(0x1fa, 2), 0xffff);
    CHECK_EQ(zero_page(0x1e0, 4), 63 * 1024);

    /* The longest there can be. */
    put(JUMP, 2, 0x7feb);
    CHECK(load());
    CHECK(holds(s.gpr[RSI] + 0x238, file + 0x238, 0x281 - 0x238));
    CHECK_EQ(zero_page(0x281, 8), 0);
    put(JUMP, 2, 0x80eb);
    CHECK(dies("vmlinuz: damaged: its header ends at 0x282"));
    put(JUMP, 2, 0x61eb);
    CHECK(dies("vmlinuz: damaged: its header ends at 0x263"));
    ram_free(&ram);
}

static void memory_map(void)
{
    struct e820_entry map[E820_MAX];
    int n;

    setup();
    set_ram(5 * GIB);
    k.rsdp = 0xe0010;
    CHECK(load());
    n = e820_build(&ram, map, E820_MAX);
    CHECK_EQ(zero_page(0x1e8, 1), n);
    CHECK(holds(s.gpr[RSI] + 0x2d0, map, n * 20));
    CHECK_EQ(zero_page(0x70, 8), 0xe0010);
    ram_free(&ram);
}

static void cmdline(void)
{
    static char long_line[0x80000];

    setup();
    CHECK(load());
    CHECK(holds(zero_page(CMD_LINE_PTR, 4), "quiet", 6));

    memset(long_line, 'x', 2047);
    k.cmdline = long_line;
    CHECK(load());
    CHECK(holds(zero_page(CMD_LINE_PTR, 4), long_line, 2048));
    long_line[2047] = 'x';
    CHECK(dies("vmlinuz: takes a command line of 2047 characters at most; this one has 2048"));

    /* Nor may it run into the firmware's memory if the kernel does not mind. */
    memset(long_line, 'x', sizeof(long_line) - 1);
    put(CMDLINE_SIZE, 4, 0xffffffff);
    CHECK(dies("this one has 524287"));
    long_line[0x9fc00 - 0x20000] = 0;
    CHECK(dies("523263 characters at most; this one has 523264"));
    long_line[0x9fc00 - 0x20000 - 1] = 0;
    CHECK(load());
    CHECK_EQ(get(0x9fc00, 8), 0);
    k.cmdline = "quiet";
    CHECK(load());
    CHECK(holds(zero_page(CMD_LINE_PTR, 4), "quiet", 6));
    ram_free(&ram);
}

static void check_initrd(uint64_t end)
{
    uint64_t at, size;

    CHECK(load());
    at = zero_page(RAMDISK_IMAGE, 4);
    size = zero_page(RAMDISK_SIZE, 4);
    CHECK_EQ(at % 4096, 0);
    CHECK(at >= 24 * MIB);
    CHECK(at + size <= end && at + size > end - 4096);
    if (k.modules) {
        CHECK(holds(at, archive, initrd->size));
        at += initrd->size;
        size -= initrd->size;
        for (; size > k.extra_size; at++, size--)
            CHECK_EQ(get(at, 1), 0);
    }
    CHECK_EQ(at % 4, k.extra_size ? 0 : at % 4);
    CHECK_EQ(size, k.extra_size);
    CHECK(holds(at, k.extra ? k.extra : "", size));
}

static void initrds(void)
{
    setup();
    CHECK(load());
    CHECK_EQ(zero_page(RAMDISK_IMAGE, 8), 0);

    for (int size = 69997; size <= 70001; size++) {
        set_ram(64 * MIB);
        add_initrd(size);
        k.extra_size = 0;
        check_initrd(64 * MIB);
        k.extra = "another archive";
        k.extra_size = 15;
        check_initrd(64 * MIB);
    }
    k.modules = 0;
    check_initrd(64 * MIB);

    /* As high as RAM goes, not above the hole, not above what the kernel can reach. */
    set_ram(6 * GIB);
    add_initrd(70000);
    check_initrd(2 * GIB);
    put(INITRD_ADDR_MAX, 4, 0x37ffffff);
    check_initrd(0x38000000);
    put(INITRD_ADDR_MAX, 4, 0xffffffff);
    check_initrd(3 * GIB);
    ram_free(&ram);
}

/* Three archives and the extra one: each on a 4-byte boundary, in their order. */
static void several_initrds(void)
{
    static const struct {
        uint64_t size, at;
    } want[] = {{70001, 0}, {3, 70004}, {4096, 70008}};
    uint64_t at;

    setup();
    add_initrd(want[0].size);
    for (int i = 1; i < 3; i++)
        add_archive("more.cpio", want[i].size, "");
    k.extra = "another archive";
    k.extra_size = 15;
    CHECK(load());
    CHECK_EQ(zero_page(RAMDISK_SIZE, 4), 70008 + 4096 + 15);
    at = zero_page(RAMDISK_IMAGE, 4);
    CHECK_EQ(at, (64 * MIB - 70008 - 4096 - 15) & ~UINT64_C(4095));
    for (int i = 0; i < 3; i++)
        CHECK(holds(at + want[i].at, archive, want[i].size));
    CHECK_EQ(get(at + 70001, 3), 0);
    CHECK_EQ(get(at + 70007, 1), 0);
    CHECK(holds(at + 70008 + 4096, "another archive", 15));

    /* However many, and of whatever size: nothing wraps. */
    for (int i = 1; i < KERNEL_MODULES; i++)
        k.module[i].image = (struct image){.name = "more.cpio", .size = INT64_MAX};
    k.modules = KERNEL_MODULES;
    CHECK(dies("the initramfs: too big: vmlinuz takes an initrd of 2072576 KiB at most"));
    ram_free(&ram);
}

static const char *printed(void)
{
    static char text[1000];
    FILE *f = fmemopen(text, sizeof(text), "w");

    k.image = make_image("vmlinuz", file, file_size);
    way_bzimage.print(&k.image, f);
    fclose(f);
    close(k.image.fd);
    return text;
}

static void words(void)
{
    setup();
    CHECK(!strcmp(printed(), "  protocol: 2.15\n  entry: 64-bit and 32-bit\n"
                             "  address: 0x1000000\n  RAM: 24 MiB at least\n"));
    put(0x248, 4, 16);
    put(0x24c, 4, 100);
    memcpy(file + (file[0x1f1] + 1) * 512 + 16, "\3757zXZ\0", 6);
    CHECK(strstr(printed(), "  payload: compressed by xz\n"));
    put(VERSION, 2, 0x20b);
    CHECK(strstr(printed(), "  entry: 32-bit\n  address: 0x1000000\n  RAM: 10 MiB at least\n"));
    file_size = 0x210;
    CHECK(!strcmp(printed(), "  problem: truncated: it ends within its header\n"));
    file_size = FILE_SIZE;
    put(KERNEL_ALIGNMENT, 4, 3);
    CHECK(!strcmp(printed(), "  problem: damaged: its kernel_alignment is 0x3\n"));
    ram_free(&ram);
}

/* An initrd that just fits, and one that does not; the file need not be read for that. */
static void initrd_fits(void)
{
    setup();
    set_ram(24 * MIB + 0x12000);
    add_initrd(0x12000);
    check_initrd(24 * MIB + 0x12000);
    CHECK_EQ(zero_page(RAMDISK_IMAGE, 4), 24 * MIB);
    add_initrd(0x11000);
    k.extra = "another archive";
    k.extra_size = 15;
    check_initrd(24 * MIB + 0x12000);
    put(INIT_SIZE, 4, 8 * MIB + 1);
    CHECK(needs_ram(25));

    k.modules = 0;
    put(INIT_SIZE, 4, 8 * MIB);
    set_ram(24 * MIB);
    CHECK(needs_ram(25));

    add_initrd(2 * GIB - 24 * MIB - 12);
    set_ram(4 * GIB);
    CHECK(dies("initramfs.cpio: too big: vmlinuz takes an initrd of 2072576 KiB at most"));
    add_initrd(INT64_MAX);
    CHECK(dies("initramfs.cpio: too big"));
    put(INITRD_ADDR_MAX, 4, 0xffffffff);
    add_initrd(3 * GIB);
    CHECK(dies("initramfs.cpio: too big: vmlinuz takes an initrd of 3121152 KiB at most"));
    put(INITRD_ADDR_MAX, 4, 0);
    CHECK(dies("initramfs.cpio: too big: vmlinuz takes an initrd of 0 KiB at most"));
    ram_free(&ram);
}

static void too_little_ram(void)
{
    setup();
    set_ram(4096);
    CHECK(needs_ram(24));
    CHECK_EQ(s.rip, 16 * MIB + 0x200);
    put(INIT_SIZE, 4, 8 * MIB + 1);
    CHECK(needs_ram(25));

    /* Whatever the header says, the image itself has to fit. */
    put(INIT_SIZE, 4, 0);
    put(PREF_ADDRESS, 8, 16 * MIB);
    set_ram(16 * MIB + 4096);
    CHECK(needs_ram(17));
    ram_free(&ram);
}

static void relocation(void)
{
    /* Until 3.14 a kernel ran wherever it was loaded. */
    setup();
    put(VERSION, 2, 0x20c);
    set_ram(23 * MIB);
    CHECK(load());
    CHECK(kernel_is_at(2 * MIB, SETUP, KERNEL));
    CHECK_EQ(s.rip, 2 * MIB + 0x200);
    CHECK_EQ(zero_page(CODE32_START, 4), 2 * MIB);
    set_ram(24 * MIB);
    CHECK(load());
    CHECK_EQ(s.rip, 16 * MIB + 0x200);
    set_ram(MIB);
    CHECK(needs_ram(10));
    put(VERSION, 2, 0x20d);
    CHECK(needs_ram(24));
    put(VERSION, 2, 0x20c);

    put(RELOCATABLE_KERNEL, 1, 0);
    set_ram(23 * MIB);
    CHECK(needs_ram(24));

    /* Alignment means nothing to a kernel that stays where it is. */
    put(KERNEL_ALIGNMENT, 4, 0);
    put(PREF_ADDRESS, 8, 3 * MIB);
    CHECK(load());
    CHECK_EQ(s.rip, 3 * MIB + 0x200);
    put(PREF_ADDRESS, 8, 0);
    CHECK(load());
    CHECK_EQ(s.rip, 1 * MIB + 0x200);
    put(RELOCATABLE_KERNEL, 1, 1);
    put(KERNEL_ALIGNMENT, 4, 4 * MIB);
    CHECK(load());
    CHECK_EQ(s.rip, 4 * MIB + 0x200);
    ram_free(&ram);
}

/* Protocol 2.06: a shorter header, without preferences. */
static void oldest(void)
{
    setup();
    put(VERSION, 2, 0x206);
    put(JUMP, 2, 0x3aeb);
    memset(file + 0x23c, 0x99, 0x100);
    set_ram(16 * MIB);
    CHECK(load());
    CHECK(kernel_is_at(2 * MIB, SETUP, KERNEL));
    CHECK_EQ(s.rip, 2 * MIB);
    CHECK_EQ(zero_page(0x23c, 8), 0);
    CHECK_EQ(zero_page(PREF_ADDRESS, 8), 0);
    put(RELOCATABLE_KERNEL, 1, 0);
    CHECK(load());
    CHECK_EQ(s.rip, 1 * MIB);

    /* Room to unpack itself. */
    add_initrd(4096);
    put(INITRD_ADDR_MAX, 4, MIB + 4 * KERNEL + 4095);
    CHECK(dies("initramfs.cpio: too big"));
    k.modules = 0;
    set_ram(MIB + KERNEL + 4096 - KERNEL % 4096);
    CHECK(needs_ram(2));

    put(JUMP, 2, 0x39eb);
    CHECK(dies("vmlinuz: damaged: its header ends at 0x23b"));
    ram_free(&ram);
}

static void truncated(void)
{
    setup();
    file_size = FILE_SIZE + 5000;
    CHECK(load());
    CHECK(kernel_is_at(16 * MIB, SETUP, KERNEL));
    set_ram(64 * MIB);
    file_size = FILE_SIZE - 15;
    CHECK(load());
    CHECK(kernel_is_at(16 * MIB, SETUP, KERNEL - 15));
    file_size--;
    CHECK(dies("vmlinuz: truncated: 120464 bytes of 120480"));
    for (file_size = 0x290; file_size < FILE_SIZE - 15; file_size += 101)
        CHECK(dies("vmlinuz: truncated: "));
    for (file_size = 0x206; file_size < 0x290; file_size++)
        CHECK(dies("vmlinuz: truncated: it ends within its header"));
    for (file_size = 1; file_size < 0x206; file_size++)
        CHECK(dies("vmlinuz: not a bzImage"));
    ram_free(&ram);
}

static void refused(void)
{
    static const struct {
        int off, size;
        uint64_t val;
        const char *text;
    } bad[] = {
        {BOOT_FLAG, 2, 0xaa54, "not a bzImage (no HdrS at 0x202)"},
        {HEADER, 4, 0x53726449, "not a bzImage (no HdrS at 0x202)"},
        {VERSION, 2, 0x205, "too old: it speaks version 2.05"},
        {LOADFLAGS, 1, 0xfe, "a zImage"},
        {SYSSIZE, 4, 0, "damaged: its syssize is 0"},
        {SYSSIZE, 4, 0xffffffff, "truncated: 120480 bytes of 68719497200"},
        {SETUP_SECTS, 1, 255, "truncated: "},
        {KERNEL_ALIGNMENT, 4, 0, "damaged: its kernel_alignment is 0"},
        {KERNEL_ALIGNMENT, 4, 3 * MIB, "damaged: its kernel_alignment is 0x300000"},
        {KERNEL_ALIGNMENT, 4, 0x80000000, "--mem 2056M at least"},
        {PREF_ADDRESS, 8, MIB - 1, "damaged: its pref_address is 0xfffff"},
        {PREF_ADDRESS, 8, 3 * GIB + 1, "damaged: its pref_address is 0xc0000001"},
        {PREF_ADDRESS, 8, UINT64_MAX, "damaged: its pref_address is 0xffffffffffffffff"},
        {PREF_ADDRESS, 8, 3 * GIB - 8 * MIB + 1, "damaged: it asks for RAM at 0xbfa00000"},
        {INIT_SIZE, 4, 0xffffffff, "damaged: it asks for RAM at 0x1000000..0x100ffffff"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setup();
        put(bad[i].off, bad[i].size, bad[i].val);
        CHECK(dies(bad[i].text));
        CHECK(!strncmp(last_words, "vmlinuz: ", 9));
        ram_free(&ram);
    }
}

static void reboot(void)
{
    static uint8_t first[64 * MIB];
    struct cpu_state state;

    setup();
    add_initrd(70001);
    k.extra = "another archive";
    k.extra_size = 15;
    CHECK(load());
    memcpy(first, ram.host, ram.size);
    state = s;
    memset(ram.host, 0, ram.size);
    CHECK(load());
    CHECK(!memcmp(first, ram.host, ram.size));
    CHECK(s.rip == state.rip && s.cr3 == state.cr3 && s.gpr[RSI] == state.gpr[RSI]);
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {entry64, "64-bit entry: the first 4 GiB mapped, GDT, kernel where it prefers"},
        {entry32, "32-bit entry: when asked, for 32-bit kernels, before protocol 2.12"},
        {setup_sects, "setup_sects of 0 means 4"},
        {header, "the zero page holds the header, by its own length, and zeros"},
        {memory_map, "the zero page holds the memory map and the RSDP"},
        {cmdline, "a command line as long as the kernel takes, and none longer"},
        {initrds, "initrd and extra archive at the top, page-aligned, 4-byte padding of zeros"},
        {several_initrds, "several archives follow each other on 4-byte boundaries"},
        {initrd_fits, "an initrd ends at the kernel's memory, or names the RAM that it needs"},
        {too_little_ram, "too little RAM: the message names what is enough, to the MiB"},
        {relocation, "a kernel is moved only if it can be, and stays there"},
        {oldest, "protocol 2.06 loads at 1 MiB, with room to unpack"},
        {truncated, "a file may lack up to 15 bytes or have more, but is never cut short"},
        {refused, "damaged headers and other files are refused by name and cause"},
        {words, "what the header says, in words"},
        {reboot, "loading again gives the same memory and state"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * bzImages that are unpacked before they boot: what stands where, at which addresses it is to run,
 * what is left to the kernel itself.
 */
#define _GNU_SOURCE
#include "boot/vmlinux.h"
#include "hw/random.h"
#include "tests/unit/loader.h"
#include "tests/unit/make-bzimage.h"
#include "x86/paging.h"

static struct vmlinux inside;
static uint64_t sequence;
static size_t size;

static const uint32_t add64[] = {0x100, DATA + 0xffc, SPAN - 8}, subtract32[] = {0x200, PERCPU + 4},
                      add32[] = {0x300, 0x7ffc, SPAN - 4};

/* A number in the file, of what is at an offset from LINK. */
static uint64_t in_file(uint32_t at, int n)
{
    uint64_t val = 0;

    if (at < 0x9000)
        memcpy(&val, elf_bytes + CONTENTS + at, n);
    else if (at >= PERCPU && at < PERCPU + 0x1000)
        memcpy(&val, elf_bytes + CONTENTS + at, n);
    else if (at >= DATA && at < DATA + 0x3000)
        memcpy(&val, elf_bytes + CONTENTS + 0xa000 + at - DATA, n);
    return val;
}

static void setup(void)
{
    make_vmlinux();
    add_places(add64, 3);
    add_places(subtract32, 2);
    add_places(add32, 3);
    size = make_bzimage();
    k = (struct kernel){.image = {.name = "vmlinuz"}, .cmdline = "quiet", .rsdp = 0xe0010};
    set_ram(64 * MIB);
}

/* NULL when it can be unpacked, else why not. */
static const char *open_it(void)
{
    const char *problem;

    if (inside.image.data)
        vmlinux_free(&inside);
    k.image = make_image("vmlinuz", bzimage, size);
    problem = bzimage_open(&k.image, false, &inside);
    k.inside = problem ? NULL : &inside;
    return problem;
}

static bool opens(void)
{
    const char *problem = open_it();

    if (problem)
        printf("# %s\n", problem);
    return !problem;
}

static bool refuses(const char *text)
{
    const char *problem = open_it();

    close(k.image.fd);
    if (problem && !strcmp(problem, text))
        return true;
    printf("# %s\n", problem ? problem : "opened");
    return false;
}

static uint64_t zero_page(int off, int n)
{
    return get(s.gpr[RSI] + off, n);
}

/* Does all of the kernel stand where it says, moved by so much? */
static void check_put(uint64_t offset)
{
    uint64_t gpa = inside.gpa;

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(get(gpa + add64[i], 8),
                 in_file(add64[i], 8) + offset + (i == 2 ? (offset << 32) : 0));
        CHECK_EQ(get(gpa + add32[i], 4),
                 (uint32_t)(i == 2 ? offset + (offset >> 32) : in_file(add32[i], 4) + offset));
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(get(gpa + subtract32[i], 4), (uint32_t)(in_file(subtract32[i], 4) - offset));
    for (uint32_t at = 0x400; at < SPAN - 8; at += 8)
        if (at != PERCPU && (at & -8) != 0x7ff8 && (at & -8) != (DATA + 0xff8) &&
            at != DATA + 0x1000)
            CHECK_EQ(get(gpa + at, 8), in_file(at, 8));
}

static void linked(void)
{
    setup();
    CHECK(opens());
    k.cmdline = "nokaslr";
    CHECK(loads(&way_unpacked));
    CHECK_EQ(inside.gpa, LINK);
    CHECK_EQ(inside.offset, 0);
    CHECK_EQ(s.rip, LINK + 0x40);
    CHECK(!strcmp(cpu_mode(&s), "64-bit mode"));
    CHECK_EQ(zero_page(0x211, 1), 1);
    CHECK_EQ(zero_page(0x218, 8), 0);
    CHECK_EQ(zero_page(0x258, 8), LINK);
    CHECK(holds(zero_page(0x228, 4), "nokaslr", 8));
    check_put(0);
    ram_free(&ram);
}

/* In thousands of boots every place comes up that there is, and no other. */
static void random_places(void)
{
    bool at[64] = {0}, by[512] = {0};
    int places = 0, offsets = 0;

    setup();
    CHECK(opens());
    add_module("initramfs", "archive", 8, "");
    k.sequence = &sequence;
    for (int i = 0; i < 5000 && !test_failures; i++) {
        memset(ram.host, 0, ram.size);
        CHECK(loads(&way_unpacked));
        CHECK(inside.gpa >= LINK && inside.gpa % (2 * MIB) == 0);
        CHECK(inside.gpa + SPAN <= zero_page(0x218, 4));
        CHECK_EQ(s.rip, inside.gpa + 0x40);
        CHECK_EQ(inside.offset % (2 * MIB), 0);
        CHECK(LINK + inside.offset + SPAN <= GIB);
        CHECK_EQ(zero_page(0x211, 1), 3);
        if (i < 10)
            check_put(inside.offset);
        if (test_failures)
            break;
        places += !at[inside.gpa / MIB];
        at[inside.gpa / MIB] = true;
        offsets += !by[inside.offset / (2 * MIB)];
        by[inside.offset / (2 * MIB)] = true;
    }
    /* 48 MiB, less an initramfs, in steps of 2 MiB; a GiB, less 16 MiB. */
    CHECK_EQ(places, 22);
    CHECK_EQ(offsets, 503);

    /* The host's numbers differ. */
    uint64_t seen = inside.offset;

    k.sequence = NULL;
    for (int i = 0; i < 20 && inside.offset == seen; i++)
        CHECK(loads(&way_unpacked));
    CHECK(inside.offset != seen);
    close(k.module[0].image.fd);
    ram_free(&ram);
}

/* Above 4 GiB the page tables go there, too. */
static void high(void)
{
    bool low = false, above = false;
    uint64_t gpa;

    setup();
    set_ram(8 * GIB);
    CHECK(opens());
    k.sequence = &sequence;
    for (int i = 0; i < 200; i++) {
        CHECK(loads(&way_unpacked));
        CHECK(ram_at(&ram, inside.gpa, SPAN));
        for (uint64_t p = inside.gpa; p < inside.gpa + SPAN; p += MIB)
            CHECK(paging_walk(&ram, &s, p, &gpa) && gpa == p);
        low |= inside.gpa < RAM_HOLE;
        above |= inside.gpa >= RAM_HIGH;
    }
    CHECK(low && above);

    /* Any GiB can be added. */
    paging_identity_add(&ram, 0x9000, 0x11000, 6);
    CHECK(paging_walk(&ram, &s, 6 * GIB + 0x1234567, &gpa) && gpa == 6 * GIB + 0x1234567);
    ram_free(&ram);
}

static void words(void)
{
    static const struct {
        const char *cmdline;
        bool place, offset;
    } says[] = {
        {"", true, true},
        {"nokaslr", false, false},
        {"quiet nokaslr", false, false},
        {"nokaslr quiet", false, false},
        {"xnokaslr nokaslrx no kaslr", true, true},
        {"nokaslrx nokaslr", false, false},
        {"mem=64M", false, true},
        {"quiet memmap=4M$1G", false, true},
        {"hugepagesz=1G hugepages=1", false, true},
        {"swapmem=3", true, true},
    };

    setup();
    CHECK(opens());
    for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
        bool place = false, offset = false;

        k.cmdline = says[i].cmdline;
        for (int n = 0; n < 40; n++) {
            memset(ram.host, 0, ram.size);
            CHECK(loads(&way_unpacked));
            place |= inside.gpa != LINK;
            offset |= inside.offset != 0;
        }
        CHECK_EQ(place, says[i].place);
        CHECK_EQ(offset, says[i].offset);
        CHECK_EQ(zero_page(0x211, 1), says[i].offset ? 3 : 1);
    }
    ram_free(&ram);
}

/* Where only one place is, it is taken; less RAM than the header asks for is refused. */
static void little_ram(void)
{
    setup();
    CHECK(opens());
    set_ram(LINK + 2 * SPAN);
    for (int i = 0; i < 20; i++)
        CHECK(loads(&way_unpacked) && inside.gpa + SPAN <= ram.size);
    set_ram(LINK + 2 * SPAN - 4096);
    CHECK(!loads(&way_unpacked) && died_of("vmlinuz", "needs more RAM: --mem 24M at least"));
    ram_free(&ram);
}

/* Kernels that cannot move: without lists, and those with lists of two kinds only. */
static void other_lists(void)
{
    setup();
    elf_size = ELF_END;
    size = make_bzimage();
    CHECK(opens());
    CHECK(!inside.moves);
    for (int i = 0; i < 10; i++)
        CHECK(loads(&way_unpacked) && inside.gpa == LINK && !inside.offset);
    CHECK_EQ(zero_page(0x211, 1), 1);
    check_put(0);

    setup();
    elf_size = ELF_END;
    add_places(add64, 3);
    add_places(add32, 3);
    size = make_bzimage();
    CHECK(opens());
    CHECK_EQ(inside.places[VMLINUX_ADD64].n, 3);
    CHECK_EQ(inside.places[VMLINUX_SUBTRACT32].n, 0);
    CHECK_EQ(inside.places[VMLINUX_ADD32].n, 3);

    /* Empty ones. */
    elf_size = ELF_END;
    add_word(0);
    add_word(0);
    size = make_bzimage();
    CHECK(opens());
    CHECK(inside.moves && loads(&way_unpacked));
    ram_free(&ram);
}

static void strange(void)
{
    static const char lists[] = "strange inside: what follows the vmlinux are no relocations",
                      place[] =
                          "strange inside: it is linked for another place than the header says";
    static const uint32_t outside[] = {SPAN - 7, SPAN, SPAN + 0x1000, -1, -LINK, 0x80000000};

    setup();
    add_word(0);
    size = make_bzimage();
    CHECK(refuses(lists));
    elf_size = ELF_END;
    add_word(0);
    size = make_bzimage();
    CHECK(refuses(lists));
    elf_size = ELF_END;
    add_word(1);
    add_word(0);
    size = make_bzimage();
    CHECK(refuses(lists));
    elf_size = ELF_END + 9;
    memset(elf_bytes + ELF_END, 0, 9);
    size = make_bzimage();
    CHECK(refuses(lists));
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        elf_size = ELF_END;
        add_places(outside + i, 1);
        add_places(NULL, 0);
        size = make_bzimage();
        CHECK(refuses(lists));
    }
    setup();
    put_bzimage(0x258, 8, LINK + 2 * MIB);
    CHECK(refuses(place));
    setup();
    put_bzimage(0x260, 4, SPAN - 4096);
    CHECK(refuses(place));
    setup();
    put(40, 8, ELF_END); /* section headers, beyond the end */
    put(58, 2, 64);
    put(60, 2, 10);
    size = make_bzimage();
    CHECK(refuses("damaged inside: its sections are not all there"));
    make_vmlinux();
    set(P_FILESZ, 0, 0x9001);
    size = make_bzimage();
    CHECK(refuses("damaged inside: a segment is not all there"));
    make_vmlinux();
    set(P_OFFSET, 2, ELF_END - 0x2fff);
    size = make_bzimage();
    CHECK(refuses("damaged inside: a segment is not all there"));
    make_vmlinux();
    set(P_VADDR, 0, VA + 2 * LINK);
    size = make_bzimage();
    CHECK(refuses("strange inside: it is linked for other addresses than Linux is"));
    make_vmlinux();
    set(P_VADDR, 0, LINK);
    size = make_bzimage();
    CHECK(refuses("no vmlinux of 64 bits inside"));
    make_vmlinux();
    set(E_MACHINE, 0, 40);
    size = make_bzimage();
    CHECK(refuses("an ELF file for another kind of processor"));
    setup();
    memset(bzimage + SETUP + PAYLOAD + 100, 0, 100);
    CHECK(refuses("compressed by gzip, but damaged or truncated"));
    ram_free(&ram);
}

/* What is mapped from a file is the same as what is copied, and the file stays as it is. */
static void mapped(void)
{
    static uint32_t places[] = {0x3ffc, 0x41ffc, 0x80000, 0xfeff8};
    static uint8_t content[MIB];
    struct image img = {.name = "kernel", .fd = memfd_create("kernel", 0), .size = sizeof(content)};
    struct vmlinux v = {
        .span = 2 * MIB,
        .moves = true,
        .pieces = 2,
        .piece = {{0x1000, 0, 0xff000}, {0x20123, 0x100000, 0x30000}},
        .places = {[VMLINUX_ADD64] = {places, 4}, [VMLINUX_SUBTRACT32] = {places + 1, 1}},
    };

    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = i * 7 + (i >> 8) * 3;
    CHECK(write(img.fd, content, sizeof(content)) == sizeof(content));
    img.data = mmap(NULL, img.size, PROT_READ, MAP_PRIVATE, img.fd, 0);
    v.image = img;
    set_ram(8 * MIB);
    for (int offset = 0; offset < 2; offset++) {
        v.image.mapped = false;
        vmlinux_put(&v, &ram, 2 * MIB, offset * 6 * MIB);
        v.image.mapped = true;
        vmlinux_put(&v, &ram, 4 * MIB, offset * 6 * MIB);
        CHECK(!memcmp(ram.host + 2 * MIB, ram.host + 4 * MIB, 2 * MIB));
        CHECK_EQ(get(4 * MIB + 0xfeff8, 1), content[0xffff8]);
        CHECK(!memcmp(img.data, content, sizeof(content)));
    }
    munmap((void *)img.data, img.size);
    close(img.fd);
    ram_free(&ram);
}

/* It is offered where it may work, without a look inside. */
static void offer(void)
{
    setup();
    k.image = make_image("vmlinuz", bzimage, size);
    CHECK(way_of(&k.image) == &way_unpacked);
    close(k.image.fd);
    put_bzimage(0x236, 2, 0);
    k.image = make_image("vmlinuz", bzimage, size);
    CHECK(way_of(&k.image) == &way_bzimage);
    close(k.image.fd);
    put_bzimage(0x236, 2, 1);
    put_bzimage(0x24c, 4, 0);
    k.image = make_image("vmlinuz", bzimage, size);
    CHECK(way_of(&k.image) == &way_bzimage);
    close(k.image.fd);
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {linked, "nokaslr: it stands where it is linked, all of it and no more"},
        {random_places, "else it stands and runs anywhere, by what it has in its lists"},
        {high, "also above 4 GiB, which is mapped then"},
        {words, "the command line: nokaslr, and what limits RAM"},
        {little_ram, "the RAM that it needs is what its header says"},
        {other_lists, "kernels that cannot move, and lists of 6.15"},
        {strange, "what is strange inside is refused, with the reason"},
        {mapped, "what is mapped is as what is copied"},
        {offer, "only 64-bit kernels with a payload are unpacked"},
        {0},
    });
}

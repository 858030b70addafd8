// SPDX-License-Identifier: MIT
/*
 * Thousands of damaged ELF kernels on odd machines, by PVH and by the 64-bit Linux protocol: each
 * loads, or dies with one line; none crashes, hangs, or makes a loader write outside RAM (which has
 * unmapped pages on both sides).
 *
 *     elf-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "boot/kernel.h"
#include "tests/unit/die.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/make-elf.h"
#include "tests/unit/test.h"

#define MIB UINT64_C(0x100000)
#define VA  UINT64_C(0xffffffff80000000)

/* What a number in a file may turn into: round ones, and those next to them. */
static uint64_t odd_value(void)
{
    static const uint64_t special[] = {0,          1,          0x7fffffff, 0xfff, 0x9fc00,
                                       0xc0000000, UINT64_MAX, 0x100000,   VA,    0xffff};

    if (!below(5))
        return below(FILE_MAX);
    return odd_number(special, sizeof(special) / sizeof(special[0]), 256 * MIB);
}

static struct image file = {.name = "kernel"}, module = {.name = "module"};

#define NOTES (CONTENTS + 0x4000)

/* A small kernel, perhaps Linux, that offers both kinds or one. */
static void make_kernel(void)
{
    uint64_t at = MIB + below(32) * MIB, entry = at + 0x100;
    bool is_64 = below(4);
    uint64_t va = is_64 ? VA : below(2) * 0x80000000;
    int off = NOTES, align = below(4) ? 4 : 8, seg;

    make_elf(is_64, entry);
    memset(elf_bytes + NOTES, 0, 0x1000);
    off = add_note(off, align, "GNU", 3, "build id", 8);
    if (below(2))
        off = add_note(off, align, "Linux", 0x100, "", 1);
    if (below(4))
        off = add_note(off, align, "Xen", 18, &entry, below(2) ? 4 : 8);
    if (below(4) == 0)
        off = add_note(off, align, "Xen", 6, below(2) ? "linux" : "other", 6);
    add_segment(PT_LOAD, CONTENTS, va + at, at, 0x5000, 0x5000 + below(0x3000));
    add_segment(PT_LOAD, CONTENTS + 0x5000, va + at + 0x8000, at + 0x8000, below(0x1000),
                0x1000 + below(MIB));
    seg = add_segment(PT_NOTE, NOTES, va + at + 0x4000, at + 0x4000, off - NOTES, off - NOTES);
    set(P_ALIGN, seg, align);
    for (int n = below(4) ? 0 : below(40); n > 0; n--)
        add_segment(below(8), below(FILE_MAX), 0, 40 * MIB + below(1000) * 4096, below(5000),
                    below(9000));
    if (below(16) == 0)
        memcpy(elf_bytes + CONTENTS + below(0x3000), "Linux version ", 14);
}

static void damage(void)
{
    for (int n = below(4); n > 0; n--) {
        struct elf_field f = elf_field(below(P_ALIGN + 1), below(elf_n));

        put(f.off, f.size, odd_value());
    }
    for (int n = below(3); n > 0; n--)
        put(NOTES + below(30) * 4, 4, odd_value());
    for (int n = below(8) ? 0 : below(16); n > 0; n--)
        elf_bytes[below(phdr(elf_n))] = random64();
    for (int n = below(8) ? 0 : below(16); n > 0; n--)
        elf_bytes[NOTES + below(200)] = random64();
    if (!below(8))
        elf_size = 1 + below(below(2) ? FILE_MAX : phdr(elf_n));
}

/* Is a range RAM, and apart from the kernel and from what is not the loader's? */
static bool is_apart(const struct elf *e, const struct ram *ram, uint64_t at, uint64_t size)
{
    if (at < 0x500 || !ram_at(ram, at, size) || (at < MIB && at + size > 0x9fc00))
        return false;
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++)
        if (s->type == PT_LOAD && s->memsz && at < s->paddr + s->memsz && s->paddr < at + size)
            return false;
    return true;
}

static void check_segments(const struct elf *e, const struct ram *ram)
{
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        const uint8_t *p = ram_at(ram, s->paddr, s->memsz);

        if (s->type != PT_LOAD || !s->memsz)
            continue;
        CHECK(p && s->paddr >= 0x1000 && s->paddr + s->memsz <= 0xc0000000);
        CHECK(s->paddr >= MIB || s->paddr + s->memsz <= 0x9fc00);
        CHECK(p && s->filesz <= s->memsz && !memcmp(p, elf_bytes + s->offset, s->filesz));
        CHECK(s->filesz == s->memsz || !p[s->filesz]);
    }
}

static void check_pvh(const struct kernel *k, const struct elf *e, const struct ram *ram,
                      const struct cpu_state *s)
{
    const uint32_t *info = ram_at(ram, s->gpr[RBX], 56);
    const uint64_t *list;
    uint64_t entry = 0, cmdline;

    elf_note(e, "Xen", 18, &entry, sizeof(entry));
    CHECK_EQ(s->rip, entry);
    CHECK(elf_segment_at(e, s->rip));
    CHECK(is_apart(e, ram, s->gpr[RBX], 56));
    memcpy(&cmdline, info + 6, sizeof(cmdline));
    CHECK(is_apart(e, ram, cmdline, strlen(k->cmdline) + 1));
    CHECK(!strcmp(ram_at(ram, cmdline, strlen(k->cmdline) + 1), k->cmdline));
    CHECK((int)info[3] == k->modules || info[3] == (k->modules || k->extra_size));
    list = ram_at(ram, info[4], 32 * info[3]);
    for (uint32_t i = 0; i < info[3]; i++) {
        CHECK(list[4 * i] % 4096 == 0 && is_apart(e, ram, list[4 * i], list[4 * i + 1]));
        CHECK(!i || list[4 * i] >= list[4 * i - 4] + list[4 * i - 3]);
    }
}

static void check_linux(const struct kernel *k, const struct elf *e, const struct ram *ram,
                        const struct cpu_state *s)
{
    const uint8_t *zero_page = ram_at(ram, s->gpr[RSI], 4096);
    uint32_t at, size;

    memcpy(&at, zero_page + 0x218, 4);
    memcpy(&size, zero_page + 0x21c, 4);
    CHECK_EQ(s->rip, e->entry);
    CHECK(elf_segment_at(e, s->rip));
    CHECK(is_apart(e, ram, s->gpr[RSI], 4096));
    CHECK(is_apart(e, ram, s->cr3, 6 * 4096));
    CHECK_EQ(size, initramfs_size(k));
    CHECK(!size || (at % 4096 == 0 && is_apart(e, ram, at, size)));
}

static void add_modules(struct kernel *k)
{
    k->modules = below(2) ? 0 : below(4);
    for (int i = 0; i < k->modules; i++) {
        /* Mostly sparse: a hole in a file costs nothing until the guest's RAM holds it. */
        module.size = below(8) ? 1 + below(100000) : 1 + (odd_value() >> 1);
        k->module[i] = (struct module){.image = module, .args = below(2) ? "" : "some words"};
    }
}

static void fuzz(void)
{
    static const struct way *const kinds[] = {&way_pvh, &way_linux64};
    static char cmdline[0xa0000];
    static uint8_t extra[5000];
    static int loaded[2], offered[2];
    static struct ram ram;
    static FILE *null;

    null = fopen("/dev/null", "w");
    memset(extra, 0xee, sizeof(extra));
    for (int i = 0; i < rounds && !test_failures; i++) {
        static struct kernel k;
        struct cpu_state s = {0};
        struct elf e;
        int w = below(2);
        size_t length = below(16) ? below(300) : below(sizeof(cmdline));

        make_kernel();
        damage();
        if (pwrite(file.fd, elf_bytes, elf_size, 0) != (ssize_t)elf_size ||
            ftruncate(file.fd, elf_size))
            abort();
        memset(cmdline, 'x', length);
        cmdline[length] = 0;
        file.size = elf_size;
        k = (struct kernel){
            .image = file, .extra = extra, .extra_size = below(2) * 5000, .cmdline = cmdline};
        add_modules(&k);
        wall_ram(&ram);
        if (!setjmp(died)) {
            if (kinds[w]->offered(&k.image)) {
                offered[w]++;
                kinds[w]->print(&k.image, null);
            }
            kinds[w]->load(&k, &ram, &s);
            CHECK(kinds[w]->offered(&k.image));
            CHECK(!elf_read(&e, &k.image));
            check_segments(&e, &ram);
            (w ? check_linux : check_pvh)(&k, &e, &ram, &s);
            loaded[w]++;
        } else {
            CHECK(!strncmp(last_words, "kernel: ", 8) || !strncmp(last_words, "module: ", 8));
            CHECK(!strchr(last_words, '\n'));
        }
        unwall_ram(&ram);
        if (test_failures)
            printf("# in round %d; last words: %s\n", i, last_words);
    }
    for (int w = 0; w < 2; w++) {
        printf("# %s: %d loaded, %d offered\n", kinds[w]->name, loaded[w], offered[w]);
        CHECK(loaded[w] > rounds / 40 && loaded[w] < offered[w]);
    }
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    file.fd = memfd_create("kernel", 0);
    module.fd = memfd_create("module", 0);
    if (ftruncate(module.fd, 4 * MIB))
        return 1;
    return test_main((struct test[]){
        {fuzz, "damaged ELF kernels on machines of all sizes load or die, within RAM"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Thousands of damaged kernels, as they are unpacked from a bzImage: each is refused with a reason,
 * or put into RAM, all of it and nothing outside; none crashes or hangs. The file and the RAM have
 * unmapped pages behind them.
 *
 *     unpacked-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "boot/vmlinux.h"
#include "hw/units.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/make-bzimage.h"
#include "tests/unit/test.h"

/* The file ends at a wall. */
static uint8_t *file_end;

static uint64_t odd_value(void)
{
    static const uint64_t special[] = {0,          1,          0xfff,       LINK,       VA + LINK,
                                       VA,         SPAN,       LINK + SPAN, CONTENTS,   ELF_END,
                                       UINT64_MAX, 0xffffffff, 0xc0000000,  0x7fffffff, 0x80000000};

    return odd_number(special, sizeof(special) / sizeof(special[0]), 64 * MIB);
}

static void add_some_places(void)
{
    add_word(0);
    for (int n = below(20); n > 0; n--)
        add_word(below(16) ? (uint32_t)(VA + LINK + below(SPAN)) : (uint32_t)odd_value());
}

/* A file, damaged or not; its size. */
static size_t make_file(void)
{
    make_vmlinux();
    for (int lists = below(8) ? 2 + below(2) : below(5); lists > 0; lists--)
        add_some_places();
    for (int n = below(4); n > 0; n--) {
        if (below(4))
            set(below(P_ALIGN + 1), below(4), odd_value());
        else
            put(40 + 8 * below(2), 8, odd_value()); /* where sections are, how many */
    }
    for (int n = below(4) ? 0 : below(16); n > 0; n--)
        elf_bytes[below(elf_size)] = random64();
    return below(8) ? elf_size : 1 + below(elf_size);
}

static void fuzz(void)
{
    int put = 0, moved = 0;

    for (int i = 0; i < rounds && !test_failures; i++) {
        struct ram ram;
        size_t size = make_file();
        struct image img = {.name = "kernel", .fd = -1, .size = size, .data = file_end - size};
        struct vmlinux v;

        memcpy(file_end - size, elf_bytes, size);
        const char *problem = vmlinux_read(&v, &img);

        CHECK(!problem || (*problem && !strchr(problem, '\n')));
        if (problem)
            continue;
        wall_ram(&ram);
        uint64_t gpa = ram.size > v.span ? (ram.size - v.span) & -PAGE_SIZE : 0;

        if (v.span <= ram.size && ram_at(&ram, gpa, v.span)) {
            vmlinux_put(&v, &ram, gpa, v.moves ? below(512) * 2 * MIB : 0);
            put++;
            moved += v.offset != 0;
        }
        unwall_ram(&ram);
        v.image.data = NULL; /* it is the test's */
        vmlinux_free(&v);
    }
    printf("# %d of %d put, %d moved\n", put, rounds, moved);
    CHECK(put > rounds / 20 && put < rounds && moved > rounds / 50);
}

int main(int argc, char **argv)
{
    uint8_t *map = mmap(NULL, FILE_MAX + WALL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    fuzz_arguments(argc, argv);
    if (map == MAP_FAILED || mprotect(map, FILE_MAX, PROT_READ | PROT_WRITE))
        return 1;
    file_end = map + FILE_MAX;
    return test_main((struct test[]){
        {fuzz, "damaged kernels inside bzImages are refused, or put into RAM"},
        {0},
    });
}

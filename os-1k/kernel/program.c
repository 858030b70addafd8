// SPDX-License-Identifier: MIT
/*
 * Loads a program into an address space.
 *
 * After: System V ABI, "Object Files", "Program Header".
 * Left out: dynamic linking, relocation, notes. Anybody can write a file, so nothing in it is
 * believed.
 */
#include "os-1k/kernel/kernel.h"

enum {
    ELF_MAGIC = 0x464c457f, /* 7f "ELF" */
    ELF_EXECUTABLE = 2,
    ELF_386 = 3,
    SEGMENT_LOAD = 1,
    SEGMENT_WRITABLE = 2,
};

struct elf_header {
    uint32_t magic, class[3];
    uint16_t type, machine;
    uint32_t version, entry, segments, sections, flags;
    uint16_t size, segment_size, segment_count;
};

struct elf_segment {
    uint32_t type, offset, address, physical, file_size, memory_size, flags, align;
};

static uint32_t min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Is [start, start + n) within [low, high)? */
static bool within(uint32_t start, uint32_t n, uint32_t low, uint32_t high)
{
    return start >= low && start <= high && n <= high - start;
}

static int load_segment(uint32_t *directory, const struct elf_segment *s, const char *bytes)
{
    uint32_t n;

    for (uint32_t done = 0; done < s->memory_size; done += n) {
        uint32_t at = s->address + done;
        char *page = user_map(directory, at, s->flags & SEGMENT_WRITABLE);

        if (!page)
            return FULL;
        n = min(PAGE_SIZE - at % PAGE_SIZE, s->memory_size - done);
        if (done < s->file_size)
            memcpy(page + at % PAGE_SIZE, bytes + done, min(n, s->file_size - done));
    }
    return 0;
}

int program_load(uint32_t *directory, const char *image, uint32_t size, uint32_t *entry)
{
    const struct elf_header *h = (const void *)image;
    const struct elf_segment *s;

    if (size < sizeof(*h) || h->magic != ELF_MAGIC || h->type != ELF_EXECUTABLE ||
        h->machine != ELF_386 || h->segment_size != sizeof(*s) ||
        !within(h->segments, h->segment_count * sizeof(*s), 0, size))
        return NOT_A_PROGRAM;

    s = (const void *)(image + h->segments);
    for (int i = 0; i < h->segment_count; i++, s++) {
        int loaded;

        if (s->type != SEGMENT_LOAD)
            continue;
        if (!within(s->offset, s->file_size, 0, size) || s->file_size > s->memory_size ||
            !within(s->address, s->memory_size, USER_START, USER_STACK))
            return NOT_A_PROGRAM;
        loaded = load_segment(directory, s, image + s->offset);
        if (loaded < 0)
            return loaded;
    }
    *entry = h->entry;
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * ELF executables.
 *
 * After: System V Application Binary Interface, "Object Files", "Program Loading"; for the machine
 * types also the processor supplements. Linux man-pages elf(5), "Notes (Nhdr)", for notes.
 *
 * Left out: big-endian files, which x86 does not have. Relocation: kernels are linked for their
 * place, or move themselves. PN_XNUM, for more than 65534 program headers: a kernel has five.
 */
#include "boot/elf.h"
#include "hw/die.h"
#include "hw/units.h"

#include <assert.h>
#include <string.h>

#define NOTES_MAX 0x10000

enum {
    EI_CLASS = 4,
    EI_DATA = 5,
    ELFCLASS32 = 1,
    ELFCLASS64 = 2,
    ELFDATA2LSB = 1,
};

struct header32 {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct header64 {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct segment32 {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct segment64 {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct note {
    uint32_t namesz, descsz, type;
};

_Static_assert(sizeof(struct header32) == 52, "Elf32_Ehdr");
_Static_assert(sizeof(struct header64) == 64, "Elf64_Ehdr");
_Static_assert(sizeof(struct segment32) == 32, "Elf32_Phdr");
_Static_assert(sizeof(struct segment64) == 56, "Elf64_Phdr");

static bool within(const struct image *img, uint64_t offset, uint64_t size)
{
    return offset <= img->size && size <= img->size - offset;
}

static void widen_header(const struct header32 *h, struct header64 *to)
{
    *to = (struct header64){
        .type = h->type,
        .machine = h->machine,
        .entry = h->entry,
        .phoff = h->phoff,
        .shoff = h->shoff,
        .phentsize = h->phentsize,
        .phnum = h->phnum,
        .shentsize = h->shentsize,
        .shnum = h->shnum,
        .shstrndx = h->shstrndx,
    };
    memcpy(to->ident, h->ident, sizeof(to->ident));
}

static void read_segments(struct elf *e, uint64_t phoff)
{
    struct segment64 s64[ELF_SEGMENTS];
    struct segment32 s32[ELF_SEGMENTS];

    if (e->is_64)
        image_read(e->img, phoff, s64, e->n * sizeof(s64[0]));
    else
        image_read(e->img, phoff, s32, e->n * sizeof(s32[0]));
    for (int i = 0; i < e->n; i++) {
        const struct segment64 *l = &s64[i];
        const struct segment32 *s = &s32[i];

        if (e->is_64)
            e->segment[i] = (struct elf_segment){l->type,   l->offset, l->vaddr, l->paddr,
                                                 l->filesz, l->memsz,  l->align};
        else
            e->segment[i] = (struct elf_segment){s->type,   s->offset, s->vaddr, s->paddr,
                                                 s->filesz, s->memsz,  s->align};
    }
}

const char *elf_read(struct elf *e, const struct image *img)
{
    union {
        struct header32 h32;
        struct header64 h64;
    } file = {0};
    struct header64 h;
    size_t size, entry_size;

    *e = (struct elf){.img = img};
    image_read(img, 0, &file, img->size < sizeof(file) ? img->size : sizeof(file));
    if (memcmp(file.h64.ident, "\177ELF", 4))
        return "no ELF file";
    e->is_64 = file.h64.ident[EI_CLASS] == ELFCLASS64;
    size = e->is_64 ? sizeof(file.h64) : sizeof(file.h32);
    entry_size = e->is_64 ? sizeof(struct segment64) : sizeof(struct segment32);
    if (img->size < size)
        return "truncated: it ends within its ELF header";
    if (e->is_64)
        h = file.h64;
    else
        widen_header(&file.h32, &h);
    e->type = h.type;
    e->machine = h.machine;
    e->entry = h.entry;
    e->shoff = h.shoff;
    e->shnum = h.shnum;
    e->shentsize = h.shentsize;
    e->shstrndx = h.shstrndx;

    if (h.ident[EI_DATA] != ELFDATA2LSB || h.machine != (e->is_64 ? EM_X86_64 : EM_386))
        return "an ELF file for another kind of processor";
    if (!e->is_64 && h.ident[EI_CLASS] != ELFCLASS32)
        return "damaged: an ELF file of neither 32 nor 64 bits";
    if (h.type == ET_CORE)
        return "a core dump";
    if (h.type != ET_EXEC && h.type != ET_DYN)
        return "an ELF file that is not linked yet";
    if (!h.phnum)
        return "an ELF file without program headers";
    if (h.phnum > ELF_SEGMENTS)
        return "damaged: it has more than 64 program headers";
    if (h.phentsize != entry_size)
        return "damaged: its program headers have an odd size";
    if (!within(img, h.phoff, h.phnum * entry_size))
        return "truncated: its program headers are not in the file";
    e->n = h.phnum;
    read_segments(e, h.phoff);
    return NULL;
}

static const char no_span[] = "damaged: it has nothing to load, or it wraps around";

static bool is_loaded(const struct elf_segment *s)
{
    return s->type == PT_LOAD && s->memsz;
}

bool elf_span(const struct elf *e, uint64_t *start, uint64_t *end)
{
    *start = UINT64_MAX;
    *end = 0;
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        if (!is_loaded(s))
            continue;
        if (s->memsz > UINT64_MAX - s->paddr)
            return false;
        if (s->paddr < *start)
            *start = s->paddr;
        if (s->paddr + s->memsz > *end)
            *end = s->paddr + s->memsz;
    }
    return *start < *end;
}

/* What is wrong with a segment, whatever RAM there is; NULL when nothing is. */
static const char *segment_problem(const struct elf *e, const struct elf_segment *s)
{
    if (s->filesz > s->memsz)
        return "damaged: a segment is larger in the file than in memory";
    if (!within(e->img, s->offset, s->filesz))
        return "truncated: a segment is not all in the file";
    return NULL;
}

static _Noreturn void die_no_place(const struct elf *e, const struct elf_segment *s,
                                   const struct ram *ram, uint64_t end)
{
    unsigned long long first = s->paddr, last = s->paddr + s->memsz - 1;

    if (last >= RAM_HOLE)
        die("%s: goes to %#llx..%#llx, where a PC has no RAM", e->img->name, first, last);
    if (last >= ram_low(ram))
        die("%s: needs more RAM: --mem %lluM at least", e->img->name,
            to_mib(end < RAM_HOLE ? end : RAM_HOLE));
    die("%s: damaged: a segment goes to %#llx..%#llx, where firmware, the loader or another one is",
        e->img->name, first, last);
}

void elf_load(const struct elf *e, struct place *p, uint64_t *end)
{
    uint64_t start;

    if (!elf_span(e, &start, end))
        die("%s: %s", e->img->name, no_span);
    /* The checks come first: a file that does not fit need not be read. */
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        if (!is_loaded(s))
            continue;
        if (segment_problem(e, s))
            die("%s: %s", e->img->name, segment_problem(e, s));
        if (!place_take(p, s->paddr, s->memsz))
            die_no_place(e, s, p->ram, *end);
    }
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        if (!is_loaded(s) || !s->filesz)
            continue;

        void *to = ram_at(p->ram, s->paddr, s->filesz);

        assert(to);
        image_read(e->img, s->offset, to, s->filesz);
    }
}

uint64_t elf_physical(const struct elf *e, uint64_t vaddr)
{
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++)
        if (s->type == PT_LOAD && vaddr - s->vaddr < s->memsz)
            return s->paddr + (vaddr - s->vaddr);
    return vaddr;
}

const struct elf_segment *elf_segment_at(const struct elf *e, uint64_t paddr)
{
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++)
        if (s->type == PT_LOAD && paddr - s->paddr < s->memsz)
            return s;
    return NULL;
}

/* Notes in buf, whose parts are padded to align bytes. */
static int find_note(const uint8_t *buf, uint64_t size, uint64_t align, const char *name,
                     uint32_t type, void *desc, int max)
{
    uint64_t at = 0, name_size = strlen(name) + 1;
    struct note n;

    while (at < size && size - at >= sizeof(n)) {
        memcpy(&n, buf + at, sizeof(n));
        at += sizeof(n);

        /* Offsets have 64 bits and sizes 32, so nothing wraps. */
        uint64_t from = align_up(at + n.namesz, align), to = from + n.descsz;

        if (to > size)
            return -1;
        if (n.type == type && n.namesz == name_size && !memcmp(buf + at, name, name_size)) {
            if (max)
                memcpy(desc, buf + from, n.descsz < (uint32_t)max ? n.descsz : (uint32_t)max);
            return n.descsz;
        }
        at = align_up(to, align);
    }
    return -1;
}

int elf_note(const struct elf *e, const char *name, uint32_t type, void *desc, int size)
{
    uint8_t buf[NOTES_MAX];

    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        uint64_t len = s->filesz < sizeof(buf) ? s->filesz : sizeof(buf);
        int n = -1;

        if (s->type != PT_NOTE || !within(e->img, s->offset, len))
            continue;
        image_read(e->img, s->offset, buf, len);

        /* The GNU tools pad notes as the segment is aligned. Kernels pad notes of their own to 4
         * bytes, even next to others that align the segment to 8. */
        if (s->align == 8)
            n = find_note(buf, len, 8, name, type, desc, size);
        if (n < 0)
            n = find_note(buf, len, 4, name, type, desc, size);
        if (n >= 0)
            return n;
    }
    return -1;
}

void elf_print(const struct elf *e, FILE *f)
{
    const char *problem = NULL;
    uint64_t start, end;

    if (!elf_span(e, &start, &end))
        problem = no_span;
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n && !problem; s++)
        if (is_loaded(s))
            problem = segment_problem(e, s);
    if (problem) {
        fprintf(f, "  problem: %s\n", problem);
        return;
    }
    fprintf(f, "  address: %#llx..%#llx\n", (unsigned long long)start, (unsigned long long)end - 1);
    if (end <= RAM_HOLE)
        fprintf(f, "  RAM: %llu MiB at least\n", to_mib(end));
    else
        fprintf(f, "  problem: a PC has no RAM there\n");
}

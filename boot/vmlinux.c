// SPDX-License-Identifier: MIT
/*
 * The kernel inside a 64-bit bzImage.
 *
 * After: Linux, arch/x86/boot/compressed/misc.c, the comment in handle_relocations(): behind the
 * ELF file there are two or three lists of virtual addresses, each of 32 bits that stand for 64 by
 * their sign, each list after a zero: places of 64 bits; from 3.15 to 6.14 places of 32 bits that
 * shrink; places of 32 bits.
 *
 * Left out: kernels of 32 bits, which unpack themselves.
 */
#include "boot/vmlinux.h"
#include "boot/kernel.h"
#include "hw/units.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Parts of a file that are smaller are copied: a page fault, and an area of memory that the host
 * keeps account of, take more time. */
#define MAPPED (64 * KIB)

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t word(const struct image *img, uint64_t off)
{
    uint32_t val;

    memcpy(&val, img->data + off, sizeof(val));
    return val;
}

/* What is behind it in the file belongs to no ELF file; 0 when the headers are damaged. */
static uint64_t end_of_elf(const struct elf *e)
{
    uint64_t sections = (uint64_t)e->shnum * e->shentsize, end = 0;

    if (e->shnum && (e->shoff > e->img->size || sections > e->img->size - e->shoff))
        return 0;
    if (e->shnum)
        end = e->shoff + sections;
    for (int i = 0; i < e->n; i++)
        if (e->segment[i].type == PT_LOAD)
            end = max(end, e->segment[i].offset + e->segment[i].filesz);
    return end;
}

/* How many of the bytes are left without the zero pages at their end, which RAM has already. */
static uint64_t without_zeros(const uint8_t *data, uint64_t size)
{
    static const uint8_t zeros[PAGE_SIZE];

    while (size) {
        uint64_t last = (size - 1) % PAGE_SIZE + 1;

        if (memcmp(data + size - last, zeros, last))
            break;
        size -= last;
    }
    return size;
}

static bool read_pieces(struct vmlinux *v, const struct elf *e)
{
    for (const struct elf_segment *s = e->segment; s < e->segment + e->n; s++) {
        if (s->type != PT_LOAD || !s->memsz)
            continue;
        if (s->filesz > s->memsz || s->offset > e->img->size ||
            s->filesz > e->img->size - s->offset)
            return false;

        uint64_t size = without_zeros(e->img->data + s->offset, s->filesz);

        if (size)
            v->piece[v->pieces++] = (struct vmlinux_piece){s->offset, s->paddr - v->link, size};
    }
    return v->pieces;
}

/* One list: n addresses at an offset of the image. */
static bool read_places(struct vmlinux *v, enum vmlinux_kind kind, uint64_t off, uint32_t n)
{
    struct vmlinux_places *p = &v->places[kind];
    uint64_t width = kind == VMLINUX_ADD64 ? 8 : 4;

    p->at = malloc(n * sizeof(*p->at) + 1);
    assert(p->at);
    for (; p->n < n; p->n++) {
        uint64_t address = (int64_t)(int32_t)word(&v->image, off + p->n * UINT64_C(4));
        uint64_t at = address - (VMLINUX_VA + v->link);

        if (at > v->span || width > v->span - at)
            return false;
        p->at[p->n] = at;
    }
    return true;
}

/* The lists, from an offset of the image to its end. */
static bool read_lists(struct vmlinux *v, uint64_t off)
{
    uint64_t zero[VMLINUX_KINDS + 1], size = v->image.size;
    int lists = 0;

    if ((size - off) % 4)
        return false;
    for (uint64_t at = off; at < size; at += 4) {
        if (word(&v->image, at))
            continue;
        if (lists == VMLINUX_KINDS)
            return false;
        zero[lists++] = at;
    }
    if (lists < 2 || zero[0] != off)
        return false;
    zero[lists] = size;
    for (int i = 0; i < lists; i++) {
        enum vmlinux_kind kind = i + 1 == lists ? VMLINUX_ADD32 : i;

        if (!read_places(v, kind, zero[i] + 4, (zero[i + 1] - zero[i] - 4) / 4))
            return false;
    }
    v->moves = true;
    return true;
}

static const char *take_apart(struct vmlinux *v)
{
    static const char strange[] = "strange inside: what follows the vmlinux are no relocations";
    struct elf e;
    uint64_t end;
    const char *problem = elf_read(&e, &v->image);

    if (problem)
        return problem;
    if (!way_linux64.offered(&v->image))
        return "no vmlinux of 64 bits inside";
    if (!elf_span(&e, &v->link, &end) || end > RAM_HOLE || e.entry < v->link)
        return "damaged inside: its segments lie outside of RAM";
    v->span = align_up(end - v->link, PAGE_SIZE);
    v->entry = e.entry - v->link;

    const struct elf_segment *s = elf_segment_at(&e, e.entry);

    if (s->vaddr - s->paddr != VMLINUX_VA)
        return "strange inside: it is linked for other addresses than Linux is";
    if (!read_pieces(v, &e))
        return "damaged inside: a segment is not all there";
    end = end_of_elf(&e);
    if (!end)
        return "damaged inside: its sections are not all there";
    return end == v->image.size || read_lists(v, end) ? NULL : strange;
}

const char *vmlinux_read(struct vmlinux *v, const struct image *image)
{
    *v = (struct vmlinux){.image = *image};

    const char *problem = take_apart(v);

    if (problem) {
        v->image.data = NULL;
        vmlinux_free(v);
    }
    return problem;
}

void vmlinux_free(struct vmlinux *v)
{
    for (int kind = 0; kind < VMLINUX_KINDS; kind++)
        free(v->places[kind].at);
    if (v->image.data)
        image_close(&v->image);
    *v = (struct vmlinux){.image.fd = -1};
}

static void add32(uint8_t *at, uint32_t n)
{
    uint32_t val;

    memcpy(&val, at, sizeof(val));
    val += n;
    memcpy(at, &val, sizeof(val));
}

static void add64(uint8_t *at, uint64_t n)
{
    uint64_t val;

    memcpy(&val, at, sizeof(val));
    val += n;
    memcpy(at, &val, sizeof(val));
}

static void relocate(const struct vmlinux *v, uint8_t *kernel, uint64_t offset)
{
    const struct vmlinux_places *p = v->places;

    for (uint32_t i = 0; i < p[VMLINUX_ADD64].n; i++)
        add64(kernel + p[VMLINUX_ADD64].at[i], offset);
    for (uint32_t i = 0; i < p[VMLINUX_SUBTRACT32].n; i++)
        add32(kernel + p[VMLINUX_SUBTRACT32].at[i], -offset);
    for (uint32_t i = 0; i < p[VMLINUX_ADD32].n; i++)
        add32(kernel + p[VMLINUX_ADD32].at[i], offset);
}

/* Which pages, from link on, change when it moves: a bit for each. The caller frees them. */
static uint8_t *pages_that_change(const struct vmlinux *v)
{
    uint8_t *bits = calloc(v->span / PAGE_SIZE / 8 + 2, 1);

    assert(bits);
    for (int kind = 0; kind < VMLINUX_KINDS; kind++) {
        for (uint32_t i = 0; i < v->places[kind].n; i++) {
            uint32_t at = v->places[kind].at[i];

            bits[at / PAGE_SIZE / 8] |= 1 << at / PAGE_SIZE % 8;
            at += 7;
            bits[at / PAGE_SIZE / 8] |= 1 << at / PAGE_SIZE % 8;
        }
    }
    return bits;
}

static void put_copy(const struct vmlinux *v, const struct ram *ram, uint64_t gpa, uint64_t offset,
                     uint64_t n)
{
    void *to = ram_at(ram, gpa, n);

    assert(to);
    memcpy(to, v->image.data + offset, n);
}

/* From at on, up to end: how many bytes of whole pages stay as they are. */
static uint64_t same_pages(const uint8_t *changes, uint64_t at, uint64_t end)
{
    uint64_t from = at;

    while (end - at >= PAGE_SIZE &&
           !(changes && changes[at / PAGE_SIZE / 8] >> at / PAGE_SIZE % 8 & 1))
        at += PAGE_SIZE;
    return at - from;
}

/* Put a piece into RAM at gpa: map what stays as it is in large parts, and copy the rest. */
static void put_piece(const struct vmlinux *v, const struct vmlinux_piece *p, const struct ram *ram,
                      uint64_t gpa, const uint8_t *changes)
{
    uint64_t at = p->at, end = p->at + p->size, copied = at, offset = p->offset - p->at;
    bool maps = v->image.mapped && !(offset % PAGE_SIZE) && !(at % PAGE_SIZE);

    while (maps && at < end) {
        uint64_t n = same_pages(changes, at, end);

        if (n >= MAPPED && ram_part(ram, gpa + at, n, v->image.fd, offset + at)) {
            put_copy(v, ram, gpa + copied, offset + copied, at - copied);
            copied = at + n;
        }
        at += n ? n : PAGE_SIZE;
    }
    put_copy(v, ram, gpa + copied, offset + copied, end - copied);
}

void vmlinux_put(struct vmlinux *v, const struct ram *ram, uint64_t gpa, uint64_t offset)
{
    uint8_t *kernel = ram_at(ram, gpa, v->span);

    uint8_t *changes = offset ? pages_that_change(v) : NULL;

    assert(kernel && (!offset || v->moves));
    for (int i = 0; i < v->pieces; i++)
        put_piece(v, &v->piece[i], ram, gpa, changes);
    free(changes);
    if (offset)
        relocate(v, kernel, offset);
    v->gpa = gpa;
    v->offset = offset;
}

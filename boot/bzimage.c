// SPDX-License-Identifier: MIT
/*
 * Linux/x86 bzImages: by their 32-bit or 64-bit entry point, where they unpack themselves; or
 * unpacked here, which takes less time, and entered where they would have jumped then.
 *
 *     0x000500   what it is entered with: see boot/zero-page.h
 *     0x100000   the kernel, here or higher: pref_address, init_size
 *                free
 *     top        the initramfs archives, as high below RAM's end, or initrd_addr_max, as they go
 *
 * What is unpacked here may go anywhere from pref_address on (KASLR), also above 4 GiB.
 *
 * After: Linux Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol"); for what a kernel
 * finds after it unpacked itself, arch/x86/boot/compressed/misc.c, extract_kernel().
 *
 * Left out: zImages and protocols before 2.06 (Linux 2.6.22, 2007). The 16-bit entry point: it
 * calls a BIOS. EFI handover, setup_data: for firmware. Loading what is packed, and initramfs,
 * above 4 GiB: they fit below the hole. The video mode: there is no video card. Page tables with 5
 * levels for a kernel that is unpacked here: they are for more RAM than 64 TiB.
 */
#include "boot/kernel-cache.h"
#include "boot/kaslr.h"
#include "boot/kernel.h"
#include "boot/linux.h"
#include "boot/unpack.h"
#include "boot/vmlinux.h"
#include "boot/zero-page.h"
#include "hw/die.h"
#include "hw/units.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#define SECTOR 512

/* From here on RAM is as good as any other for a kernel, though it may prefer a higher place. */
#define LOWEST (512 * MIB)

/* Where everything goes; or why it cannot, in a few words that follow the file's name. */
struct layout {
    uint64_t offset, size;        /* the protected-mode kernel in its file */
    uint64_t load, end;           /* ... and the RAM it needs before it reads the memory map */
    uint64_t initrd, initrd_size; /* all archives, with the padding between them */
    char why[160];
};

/* False, and why. */
__attribute__((format(printf, 2, 3))) static bool no(struct layout *l, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(l->why, sizeof(l->why), fmt, ap);
    va_end(ap);
    return false;
}

static bool is_bzimage(const struct image *kernel)
{
    const size_t start = offsetof(struct boot_params, hdr);
    struct setup_header h;
    size_t have = offsetof(struct setup_header, version);

    if (kernel->size < start + have)
        return false;
    image_read(kernel, start, &h, have);
    return h.boot_flag == ZERO_PAGE_BOOT_FLAG && h.header == ZERO_PAGE_HEADER;
}

/* The zero page of this bzImage: zeros and the image's own header. */
static bool read_header(const struct image *kernel, struct boot_params *bp, struct layout *l)
{
    const size_t start = offsetof(struct boot_params, hdr);
    const size_t have = offsetof(struct boot_params, unused_290);
    struct boot_params file = {0};
    const struct setup_header *h = &file.hdr;
    size_t end;

    if (kernel->size < have)
        return no(l, "truncated: it ends within its header");
    image_read(kernel, 0, &file, have);
    if (h->version < 0x206)
        return no(l,
                  "too old: it speaks version %d.%02d of the boot protocol; 2.06 (Linux 2.6.22) is "
                  "needed",
                  h->version >> 8, h->version & 0xff);
    if (!(h->loadflags & LOADED_HIGH))
        return no(l, "a zImage; make a bzImage of that kernel (make bzImage)");

    /* The jump over the header gives its length; the jump reaches 127 bytes at most. */
    end = 0x202 + (h->jump >> 8);
    if (end > 0x202 + 127 || end < (h->version >= 0x20a ? 0x264 : 0x23c))
        return no(l, "damaged: its header ends at %#zx", end);
    *bp = (struct boot_params){0};
    memcpy((uint8_t *)bp + start, (const uint8_t *)&file + start, end - start);
    return true;
}

static bool find_kernel(const struct image *kernel, const struct setup_header *h, struct layout *l)
{
    l->offset = ((h->setup_sects ? h->setup_sects : 4) + 1) * SECTOR;
    l->size = UINT64_C(16) * h->syssize;
    if (!l->size)
        return no(l, "damaged: its syssize is 0");

    /* Kernels before 2.08 (Linux 2.6.26) are not padded to whole units of 16; a signature may
     * follow. */
    if (kernel->size + 15 < l->offset + l->size)
        return no(l, "truncated: %llu bytes of %llu", (unsigned long long)kernel->size,
                  (unsigned long long)(l->offset + l->size));
    if (l->size > kernel->size - l->offset)
        l->size = kernel->size - l->offset;
    return true;
}

/* Find its place in a machine with `low` bytes of RAM below the hole, whether it fits or not. */
static bool place_kernel(const struct setup_header *h, uint64_t low, struct layout *l)
{
    /* Before 2.10 a kernel does not say how much it grows; compression gains less than this. */
    uint64_t need = h->version >= 0x20a ? h->init_size : 4 * l->size;
    uint64_t align = h->relocatable_kernel ? h->kernel_alignment : 1;

    if (!align || align & (align - 1))
        return no(l, "damaged: its kernel_alignment is %#x", h->kernel_alignment);
    if (need < l->size)
        need = l->size;
    l->load = h->version >= 0x20a && h->pref_address ? h->pref_address : MIB;
    if (l->load < MIB || l->load > RAM_HOLE)
        return no(l, "damaged: its pref_address is %#llx", (unsigned long long)l->load);
    l->load = align_up(l->load, align);

    /* From 2.13 (Linux 3.14) a kernel that is loaded lower than it prefers moves itself there. */
    if (l->load + need > low && h->relocatable_kernel && h->version < 0x20d)
        l->load = align_up(MIB, align);
    l->end = l->load + need;
    if (l->end > RAM_HOLE)
        return no(l, "damaged: it asks for RAM at %#llx..%#llx", (unsigned long long)l->load,
                  (unsigned long long)l->end);
    return true;
}

static void place_initrd(const struct kernel *k, const struct setup_header *h,
                         const struct ram *ram, struct layout *l)
{
    uint64_t floor = align_up(l->end, PAGE_SIZE), top = (uint64_t)h->initrd_addr_max + 1;
    uint64_t size = initramfs_size(k), room;

    if (top > RAM_HOLE)
        top = RAM_HOLE;
    room = top > floor ? top - floor : 0;
    if (size > room)
        die("%s: too big: %s takes an initrd of %llu KiB at most", initramfs_name(k), k->image.name,
            (unsigned long long)room / 1024);
    if (floor + size > ram_low(ram))
        kernel_needs_ram(k, floor + size);
    if (top > ram_low(ram))
        top = ram_low(ram);
    if (size)
        l->initrd = (top - size) & -PAGE_SIZE;
    l->initrd_size = size;
}

static bool has_entry64(const struct setup_header *h)
{
    return h->version >= 0x20c && h->xloadflags & XLF_KERNEL_64;
}

/* Read the header and find a place for all; dies when there is none. */
static void prepare(const struct kernel *k, const struct ram *ram, struct boot_params *bp,
                    struct layout *l)
{
    const struct image *img = &k->image;

    if (!is_bzimage(img))
        die("%s: not a bzImage (no HdrS at 0x202)", img->name);
    if (!read_header(img, bp, l))
        die("%s: %s", img->name, l->why);
    if (k->entry == 64 && !has_entry64(&bp->hdr))
        die("%s: has no 64-bit entry point; --entry 32 uses the other", img->name);
    if (!find_kernel(img, &bp->hdr, l) || !place_kernel(&bp->hdr, ram_low(ram), l))
        die("%s: %s", img->name, l->why);
    place_initrd(k, &bp->hdr, ram, l);
    bp->hdr.code32_start = l->load;
}

static void load(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct boot_params bp;
    struct layout l = {0};
    void *to;

    prepare(k, ram, &bp, &l);
    zero_page_write(k, ram, &bp, l.initrd, l.initrd_size);
    to = ram_at(ram, l.load, l.size);
    assert(to);
    image_read(&k->image, l.offset, to, l.size);
    initramfs_load(k, ram, l.initrd);
    if (has_entry64(&bp.hdr) && k->entry != 32)
        zero_page_enter(ram, s, 64, l.load + 0x200);
    else
        zero_page_enter(ram, s, 32, l.load);
}

/* Choose where the kernel goes, as it would itself; true if that is at random. */
static bool choose_place(const struct kernel *k, const struct ram *ram,
                         const struct setup_header *h, const struct layout *l, uint64_t *gpa,
                         uint64_t *offset)
{
    const struct vmlinux *v = k->inside;
    struct kaslr_need need = {
        .size = v->span > v->image.size ? v->span : v->image.size,
        .align = h->kernel_alignment,
        .lowest = l->load < LOWEST ? l->load : LOWEST,
        .taken = l->initrd,
        .taken_size = align_up(l->initrd_size, PAGE_SIZE),
    };
    enum kaslr wanted = v->moves ? kaslr_wanted(k->cmdline) : KASLR_OFF;
    uint64_t place = 0;

    *offset = 0;
    if (wanted == KASLR_FULL)
        place = kaslr_physical(&need, ram, kernel_random(k));
    if (wanted != KASLR_OFF)
        *offset = kaslr_offset(&need, v->link, kernel_random(k));
    *gpa = place ? place : l->load;
    return wanted != KASLR_OFF;
}

static void load_unpacked(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct boot_params bp;
    struct layout l = {0};
    uint64_t gpa, offset;

    prepare(k, ram, &bp, &l);
    if (choose_place(k, ram, &bp.hdr, &l, &gpa, &offset))
        bp.hdr.loadflags |= KASLR_FLAG;
    else
        bp.hdr.loadflags &= ~KASLR_FLAG;
    zero_page_write(k, ram, &bp, l.initrd, l.initrd_size);
    vmlinux_put(k->inside, ram, gpa, offset);
    initramfs_load(k, ram, l.initrd);
    zero_page_enter(ram, s, 64, gpa + k->inside->entry);
}

/* How the payload is packed that the kernel unpacks by itself; *at is where it is in the file. */
static enum packing payload(const struct image *img, const struct setup_header *h,
                            const struct layout *l, uint64_t *at)
{
    uint8_t start[PACKING_START];

    *at = l->offset + h->payload_offset;
    if (h->version < 0x208 || !h->payload_length)
        return PACKING_NONE;
    return packing_of(start, image_peek(img, *at, start, sizeof(start)));
}

/* All that the header says. NULL when it is whole, else why not. */
static const char *read_layout(const struct image *img, struct boot_params *bp, struct layout *l)
{
    static char why[sizeof(l->why)];

    if (!is_bzimage(img))
        return "not a bzImage";
    if (read_header(img, bp, l) && find_kernel(img, &bp->hdr, l))
        return NULL;
    memcpy(why, l->why, sizeof(why));
    return why;
}

static const char *unpack_payload(const struct image *img, struct image *vmlinux)
{
    struct boot_params bp;
    struct layout l = {0};
    const char *problem = read_layout(img, &bp, &l);
    uint64_t at;

    if (problem)
        return problem;
    if (payload(img, &bp.hdr, &l, &at) == PACKING_NONE || at > img->size ||
        bp.hdr.payload_length > img->size - at)
        return "damaged: there is no packed kernel in it";
    return image_unpack(vmlinux, img, at, bp.hdr.payload_length, true);
}

/* The same, or what it was made into before. */
static const char *unpack_once(const struct image *img, struct image *vmlinux)
{
    struct kernel_cache_key key;
    struct image copy;
    char what[128] = "";

    if (kernel_cache_recall(&key, img, vmlinux))
        return NULL;
    /* What is hashed is what is unpacked. */
    image_copy(&copy, img);

    const char *problem = NULL;

    if (!kernel_cache_find(&key, &copy, vmlinux)) {
        problem = unpack_payload(&copy, vmlinux);
        linux_version(img, what, sizeof(what));
        if (!problem)
            kernel_cache_keep(&key, vmlinux, what);
    }
    image_close(&copy);
    return problem;
}

const char *bzimage_unpack(const struct image *img, bool cache, struct image *vmlinux)
{
    return cache ? unpack_once(img, vmlinux) : unpack_payload(img, vmlinux);
}

const char *bzimage_open(const struct image *img, bool cache, struct vmlinux *v)
{
    struct boot_params bp;
    struct layout l = {0};
    struct image inside;
    const char *problem = read_layout(img, &bp, &l);

    if (!problem)
        problem = bzimage_unpack(img, cache, &inside);
    if (problem)
        return problem;
    problem = vmlinux_read(v, &inside);
    if (problem) {
        image_close(&inside);
        return problem;
    }
    /* Where it goes, and what RAM it needs, is then as the header says. */
    if (v->link != bp.hdr.pref_address || v->span > bp.hdr.init_size) {
        vmlinux_free(v);
        return "strange inside: it is linked for another place than the header says";
    }
    return NULL;
}

static bool offered_unpacked(const struct image *img)
{
    struct boot_params bp;
    struct layout l = {0};
    enum packing packing;
    uint64_t at;

    if (!is_bzimage(img) || !read_header(img, &bp, &l) || !has_entry64(&bp.hdr) ||
        !find_kernel(img, &bp.hdr, &l))
        return false;
    packing = payload(img, &bp.hdr, &l, &at);
    return packing != PACKING_NONE && !packing_missing(packing);
}

static void print_unpacked(const struct image *img, FILE *f)
{
    struct boot_params bp;
    struct layout l = {0};

    if (!read_header(img, &bp, &l) || !find_kernel(img, &bp.hdr, &l) ||
        !place_kernel(&bp.hdr, RAM_HOLE, &l)) {
        fprintf(f, "  problem: %s\n", l.why);
        return;
    }
    fprintf(f, "  address: %#llx, or any from there on (KASLR)\n", (unsigned long long)l.load);
    fprintf(f, "  RAM: %llu MiB at least\n", to_mib(l.end));
}

static void print(const struct image *img, FILE *f)
{
    struct boot_params bp;
    struct layout l = {0};
    enum packing packing;
    uint64_t at;

    /* The least RAM that will do, and its place if there is plenty. */
    if (!read_header(img, &bp, &l) || !find_kernel(img, &bp.hdr, &l) ||
        !place_kernel(&bp.hdr, 0, &l)) {
        fprintf(f, "  problem: %s\n", l.why);
        return;
    }
    unsigned long long ram = l.end;

    fprintf(f, "  protocol: %d.%02d\n", bp.hdr.version >> 8, bp.hdr.version & 0xff);
    packing = payload(img, &bp.hdr, &l, &at);
    if (packing != PACKING_NONE)
        fprintf(f, "  payload: compressed by %s\n", packing_name(packing));
    fprintf(f, "  entry: %s\n", has_entry64(&bp.hdr) ? "64-bit and 32-bit" : "32-bit");
    if (place_kernel(&bp.hdr, RAM_HOLE, &l))
        fprintf(f, "  address: %#llx\n", (unsigned long long)l.load);
    fprintf(f, "  RAM: %llu MiB at least\n", to_mib(ram));
}

const struct way way_bzimage = {
    .name = "bzimage",
    .title = "bzImage, entered with 64 or 32 bits",
    .offered = is_bzimage,
    .load = load,
    .print = print,
};

const struct way way_unpacked = {
    .name = "unpacked",
    .title = "the vmlinux inside, unpacked by minivm, entered with 64 bits",
    .offered = offered_unpacked,
    .load = load_unpacked,
    .print = print_unpacked,
};

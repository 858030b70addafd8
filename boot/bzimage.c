// SPDX-License-Identifier: MIT
/*
 * Linux/x86 bzImages, by their 32-bit or 64-bit entry point.
 *
 *     0x000500   GDT
 *     0x008000   top of a stack, for kernels that push before they have their own
 *     0x009000   page tables for the 64-bit entry, 6 pages: the first 4 GiB as they are
 *     0x010000   zero page
 *     0x020000   command line
 *     0x09fc00   not ours: firmware and its tables, video memory
 *     0x100000   the kernel, here or higher: pref_address, init_size
 *                free
 *     top        initrd and the extra archive, as high below RAM's end, or initrd_addr_max, as
 *                they go
 *
 * After: Linux Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol") and zero-page.rst.
 *
 * Left out: zImages and protocols before 2.06 (Linux 2.6.22, 2007). The 16-bit entry point: it
 * calls a BIOS. EFI handover, setup_data: for firmware. Loading above 4 GiB: what is loaded fits
 * below the hole, and a kernel uses all RAM from wherever it is. The video mode: there is no video
 * card.
 */
#include "boot/bzimage.h"
#include "boot/e820.h"
#include "hw/die.h"
#include "x86/paging.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define GDT         0x500
#define STACK       0x8000
#define PAGE_TABLES 0x9000
#define ZERO_PAGE   0x10000
#define CMDLINE     0x20000
#define CMDLINE_END 0x9fc00

#define PAGE   UINT64_C(4096)
#define MIB    UINT64_C(0x100000)
#define SECTOR 512

#define BOOT_FLAG 0xaa55
#define HEADER    0x53726448 /* "HdrS" */

enum {
    LOADED_HIGH = 1 << 0,   /* in loadflags: a bzImage, no zImage */
    XLF_KERNEL_64 = 1 << 0, /* in xloadflags: has a 64-bit entry point */
};

/* The header of an image, from 0x1f1; the comments give offsets in the file and the zero page. */
struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint16_t jump; /* 0x200 */
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader; /* 0x210 */
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge; /* 0x220 */
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max;
    uint32_t kernel_alignment; /* 0x230 */
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size;
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data; /* 0x240 */
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data; /* 0x250 */
    uint64_t pref_address;
    uint32_t init_size; /* 0x260 */
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} __attribute__((packed));

/* The zero page, as far as we fill it. */
struct boot_params {
    uint8_t unused_000[0x70];
    uint64_t acpi_rsdp_addr; /* 0x070 */
    uint8_t unused_078[0x168];
    uint32_t alt_mem_k; /* 0x1e0 */
    uint8_t unused_1e4[4];
    uint8_t e820_entries; /* 0x1e8 */
    uint8_t unused_1e9[8];
    struct setup_header hdr; /* 0x1f1 */
    uint8_t hdr_rest[0x24];  /* 0x26c: of kernels newer than we are */
    uint8_t unused_290[0x40];
    struct e820_entry e820_table[128]; /* 0x2d0 */
    uint8_t unused_cd0[0x330];
} __attribute__((packed));

#define AT(field, offset) _Static_assert(offsetof(struct boot_params, field) == (offset), #field)
AT(acpi_rsdp_addr, 0x70);
AT(alt_mem_k, 0x1e0);
AT(e820_entries, 0x1e8);
AT(hdr.setup_sects, 0x1f1);
AT(hdr.jump, 0x200);
AT(hdr.type_of_loader, 0x210);
AT(hdr.ramdisk_image, 0x218);
AT(hdr.cmd_line_ptr, 0x228);
AT(hdr.kernel_alignment, 0x230);
AT(hdr.xloadflags, 0x236);
AT(hdr.hardware_subarch_data, 0x240);
AT(hdr.pref_address, 0x258);
AT(hdr.init_size, 0x260);
AT(hdr_rest, 0x26c);
AT(unused_290, 0x290);
AT(e820_table, 0x2d0);
_Static_assert(sizeof(struct boot_params) == PAGE, "the zero page is a page");

/* Where everything goes. */
struct layout {
    uint64_t offset, size;        /* the protected-mode kernel in its file */
    uint64_t load, end;           /* ... and the RAM it needs before it reads the memory map */
    uint64_t initrd, initrd_size; /* both archives, with the padding between them */
};

static uint64_t align_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & -align;
}

static unsigned long long to_mib(uint64_t bytes)
{
    return bytes / MIB + (bytes % MIB != 0);
}

/* RAM that the layout has already been checked to have. */
static void *at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
    void *p = ram_at(ram, gpa, len);

    assert(p);
    return p;
}

static _Noreturn void die_not_bzimage(const struct image *kernel, const uint8_t *start)
{
    static const struct {
        const char *magic, *hint;
    } known[] = {
        {"\177ELF", "an ELF file; is it a vmlinux? The bzImage made with it is in arch/x86/boot"},
        {"MZ", "an EFI program; objcopy -O binary --only-section=.linux gets the kernel out of a "
               "unified kernel image"},
        {"0707", "a cpio archive; is it for --initrd?"},
        {"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it with zstd -d first"},
        {"\3757zXZ", "compressed by xz; unpack it with xz -d first"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!memcmp(start, known[i].magic, strlen(known[i].magic)))
            die("%s: not a bzImage but %s", kernel->name, known[i].hint);
    die("%s: not a bzImage (no HdrS at 0x202)", kernel->name);
}

/* The zero page of this kernel: all zeros but for the image's own header. */
static void read_header(const struct image *kernel, struct boot_params *bp)
{
    const size_t start = offsetof(struct boot_params, hdr);
    struct boot_params file = {0};
    const struct setup_header *h = &file.hdr;
    size_t end, have = offsetof(struct boot_params, unused_290);

    image_read(kernel, 0, &file, kernel->size < have ? kernel->size : have);
    if (h->boot_flag != BOOT_FLAG || h->header != HEADER)
        die_not_bzimage(kernel, (const uint8_t *)&file);
    if (kernel->size < have)
        die("%s: truncated: it ends within its header", kernel->name);
    if (h->version < 0x206)
        die("%s: too old: it speaks version %d.%02d of the boot protocol; 2.06 (Linux 2.6.22) is "
            "needed",
            kernel->name, h->version >> 8, h->version & 0xff);
    if (!(h->loadflags & LOADED_HIGH))
        die("%s: a zImage; make a bzImage of that kernel (make bzImage)", kernel->name);

    /* A jump over the header says how long it is; it reaches no further than 127 bytes. */
    end = 0x202 + (h->jump >> 8);
    if (end > 0x202 + 127 || end < (h->version >= 0x20a ? 0x264 : 0x23c))
        die("%s: damaged: its header ends at %#zx", kernel->name, end);
    *bp = (struct boot_params){0};
    memcpy((uint8_t *)bp + start, (const uint8_t *)&file + start, end - start);
}

static void find_kernel(const struct image *kernel, const struct setup_header *h, struct layout *l)
{
    l->offset = ((h->setup_sects ? h->setup_sects : 4) + 1) * SECTOR;
    l->size = UINT64_C(16) * h->syssize;
    if (!l->size)
        die("%s: damaged: its syssize is 0", kernel->name);

    /* Kernels before 2.08 (Linux 2.6.26) are not padded to whole units of 16; a signature may
     * follow. */
    if (kernel->size + 15 < l->offset + l->size)
        die("%s: truncated: %llu bytes of %llu", kernel->name, (unsigned long long)kernel->size,
            (unsigned long long)(l->offset + l->size));
    if (l->size > kernel->size - l->offset)
        l->size = kernel->size - l->offset;
}

static void place_kernel(const struct image *kernel, const struct setup_header *h,
                         const struct ram *ram, struct layout *l)
{
    /* Before 2.10 a kernel does not say how much it grows; compression gains less than this. */
    uint64_t need = h->version >= 0x20a ? h->init_size : 4 * l->size;
    uint64_t align = h->relocatable_kernel ? h->kernel_alignment : 1;

    if (!align || align & (align - 1))
        die("%s: damaged: its kernel_alignment is %#x", kernel->name, h->kernel_alignment);
    if (need < l->size)
        need = l->size;
    l->load = h->version >= 0x20a && h->pref_address ? h->pref_address : MIB;
    if (l->load < MIB || l->load > RAM_HOLE)
        die("%s: damaged: its pref_address is %#llx", kernel->name, (unsigned long long)l->load);
    l->load = align_up(l->load, align);

    /* From 2.13 (Linux 3.14) a kernel that is loaded lower than it prefers moves itself there. */
    if (l->load + need > ram_low(ram) && h->relocatable_kernel && h->version < 0x20d)
        l->load = align_up(MIB, align);
    l->end = l->load + need;
    if (l->end > RAM_HOLE)
        die("%s: damaged: it asks for RAM at %#llx..%#llx", kernel->name,
            (unsigned long long)l->load, (unsigned long long)l->end);
}

static void place_initrd(const struct bzimage *b, const struct setup_header *h,
                         const struct ram *ram, struct layout *l)
{
    uint64_t floor = align_up(l->end, PAGE), top = (uint64_t)h->initrd_addr_max + 1;
    uint64_t size = b->initrd ? b->initrd->size : 0, room;

    if (b->extra_size)
        size = align_up(size, 4) + b->extra_size;
    if (top > RAM_HOLE)
        top = RAM_HOLE;
    room = top > floor ? top - floor : 0;
    if (size > room)
        die("%s: too big: %s takes an initrd of %llu KiB at most",
            b->initrd ? b->initrd->name : "the initramfs", b->kernel.name,
            (unsigned long long)room / 1024);
    if (floor + size > ram_low(ram))
        die("%s: needs more RAM%s: --mem %lluM at least", b->kernel.name,
            size ? " with this initrd" : "", to_mib(floor + size));
    if (top > ram_low(ram))
        top = ram_low(ram);
    if (size)
        l->initrd = (top - size) & -PAGE;
    l->initrd_size = size;
}

static void load_files(const struct bzimage *b, const struct ram *ram, const struct layout *l)
{
    image_read(&b->kernel, l->offset, at(ram, l->load, l->size), l->size);
    if (b->initrd)
        image_read(b->initrd, 0, at(ram, l->initrd, b->initrd->size), b->initrd->size);
    if (b->extra_size)
        memcpy(at(ram, l->initrd + l->initrd_size - b->extra_size, b->extra_size), b->extra,
               b->extra_size);
}

static void write_cmdline(const struct bzimage *b, const struct setup_header *h,
                          const struct ram *ram)
{
    size_t len = strlen(b->cmdline), max = CMDLINE_END - CMDLINE - 1;

    if (max > h->cmdline_size)
        max = h->cmdline_size;
    if (len > max)
        die("%s: takes a command line of %zu characters at most; this one has %zu", b->kernel.name,
            max, len);
    memcpy(at(ram, CMDLINE, len + 1), b->cmdline, len + 1);
}

static void write_zero_page(const struct bzimage *b, struct boot_params *bp, const struct ram *ram,
                            const struct layout *l)
{
    struct setup_header *h = &bp->hdr;

    h->vid_mode = 0xffff;
    h->type_of_loader = 0xff;
    h->code32_start = l->load;
    h->ramdisk_image = l->initrd;
    h->ramdisk_size = l->initrd_size;
    h->cmd_line_ptr = CMDLINE;
    bp->acpi_rsdp_addr = b->rsdp;
    bp->alt_mem_k = (ram_low(ram) - MIB) / 1024;
    bp->e820_entries =
        e820_build(ram, bp->e820_table, sizeof(bp->e820_table) / sizeof(bp->e820_table[0]));
    memcpy(at(ram, ZERO_PAGE, sizeof(*bp)), bp, sizeof(*bp));
}

static void write_gdt(const struct ram *ram, struct cpu_state *s)
{
    const uint64_t gdt[] = {
        0, 0,
        s->cs.l ? 0x00af9b000000ffff : 0x00cf9b000000ffff, /* 0x10: flat code, 64 or 32 bits */
        0x00cf93000000ffff,                                /* 0x18: flat data */
    };

    memcpy(at(ram, GDT, sizeof(gdt)), gdt, sizeof(gdt));
    s->gdt = (struct descriptor_table){.base = GDT, .limit = sizeof(gdt) - 1};
}

void bzimage_load(const struct bzimage *b, const struct ram *ram, struct cpu_state *s)
{
    struct boot_params bp;
    struct layout l = {0};
    bool has64;

    read_header(&b->kernel, &bp);
    has64 = bp.hdr.version >= 0x20c && bp.hdr.xloadflags & XLF_KERNEL_64;
    if (b->entry == 64 && !has64)
        die("%s: has no 64-bit entry point; --entry 32 uses the other", b->kernel.name);
    find_kernel(&b->kernel, &bp.hdr, &l);
    place_kernel(&b->kernel, &bp.hdr, ram, &l);
    place_initrd(b, &bp.hdr, ram, &l);

    write_cmdline(b, &bp.hdr, ram);
    load_files(b, ram, &l);
    write_zero_page(b, &bp, ram, &l);
    if (has64 && b->entry != 32) {
        paging_identity(ram, PAGE_TABLES, 4);
        cpu_long_mode(s, PAGE_TABLES);
        s->rip = l.load + 0x200;
    } else {
        cpu_flat32(s);
        s->rip = l.load;
    }
    write_gdt(ram, s);
    s->gpr[RSP] = STACK;
    s->gpr[RSI] = ZERO_PAGE;
}

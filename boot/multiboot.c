// SPDX-License-Identifier: MIT
/*
 * Multiboot kernels, version 1, and what version 2 shares with it.
 *
 *     0x000500   GDT
 *     0x001000   top of a stack, for kernels that push before they have their own
 *     0x010000   the block of information
 *     0x09fc00   not ours: firmware and its tables, video memory
 *     ...        the kernel, where its header or its ELF segments say
 *                the modules, each on a page of its own; the ELF symbols
 *
 * What does not fit there goes where there is room. RAM is zero, and so is the bss.
 *
 * After: Multiboot Specification 0.6.96, "OS image format", "Machine state", "Boot information
 * format".
 *
 * Left out: what this machine does not have: boot device, drives, BIOS configuration table, APM,
 * VBE and framebuffer. A header that asks for a video mode (bit 2 of its flags) gets none: the mode
 * is a preference, and the kernel has to look whether it was met. ELF sections other than symbols
 * stay in the file: debug information can be larger than RAM.
 */
#include "boot/multiboot.h"
#include "boot/e820.h"
#include "boot/gdt.h"
#include "hw/die.h"
#include "hw/units.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define STACK       0x1000
#define INFORMATION 0x10000

enum {
    HEADER_MAGIC = 0x1badb002,
    INFO_MAGIC = 0x2badb002,
    SEARCHED = 8192, /* the header ends within these first bytes of the file */

    /* Flags of the header: the upper half is what a loader may ignore. */
    HEADER_ADDRESSES = 1 << 16,
    HEADER_UNKNOWN = 0xfff8, /* known: modules on pages, memory map, video mode */

    /* Flags of the information. */
    INFO_MEMORY = 1 << 0,
    INFO_CMDLINE = 1 << 2,
    INFO_MODULES = 1 << 3,
    INFO_ELF = 1 << 5,
    INFO_MAP = 1 << 6,
    INFO_LOADER = 1 << 9,

    SHT_SYMTAB = 2,
    SHT_STRTAB = 3,
};

struct header {
    uint32_t magic, flags, checksum;
    struct multiboot_addresses addresses;
    uint32_t entry;
};

struct information {
    uint32_t flags;
    uint32_t mem_lower, mem_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t mods_count, mods_addr;
    uint32_t elf_num, elf_size, elf_addr, elf_shndx;
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr;
    uint32_t config_table;
    uint32_t boot_loader_name;
    uint32_t apm_table;
    uint32_t video[11];
};
_Static_assert(sizeof(struct information) == 116, "Multiboot information");

struct module_entry {
    uint32_t start, end, string, reserved;
};

struct map_entry {
    uint32_t size; /* of the rest */
    struct e820_entry range;
} __attribute__((packed));

int multiboot_find(const struct image *img, uint8_t *buf, size_t limit, size_t *n, uint32_t magic,
                   int words, int align)
{
    *n = img->size < limit ? img->size : limit;
    image_read(img, 0, buf, *n);
    for (size_t at = 0; at + words * sizeof(uint32_t) <= *n; at += align) {
        uint32_t word[4], sum = 0;

        memcpy(word, buf + at, words * sizeof(uint32_t));
        for (int i = 0; i < words; i++)
            sum += word[i];
        if (word[0] == magic && sum == 0)
            return at;
    }
    return -1;
}

bool multiboot_fail(struct multiboot *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->why, sizeof(m->why), fmt, ap);
    va_end(ap);
    return false;
}

bool multiboot_by_addresses(struct multiboot *m, int at, const struct multiboot_addresses *a)
{
    uint32_t before = a->header - a->load;

    if (a->load > a->header || before > (uint32_t)at)
        return multiboot_fail(m,
                              "damaged: its header, %#x bytes into the file, says that it goes to "
                              "%#x, in a kernel from %#x on",
                              at, a->header, a->load);
    m->offset = at - before;
    m->size = m->img->size - m->offset;
    if (a->load_end && a->load_end <= a->load)
        return multiboot_fail(m, "damaged: its load_end_addr %#x is not above its load_addr %#x",
                              a->load_end, a->load);
    if (a->load_end && a->load_end - a->load > m->size)
        return multiboot_fail(m, "truncated: its header names %u bytes, %llu are there",
                              a->load_end - a->load, (unsigned long long)m->size);
    if (a->load_end)
        m->size = a->load_end - a->load;
    m->start = a->load;
    m->end = m->start + m->size;
    if (a->bss_end && a->bss_end < m->end)
        return multiboot_fail(m, "damaged: its bss_end_addr %#x lies within what is loaded",
                              a->bss_end);
    if (a->bss_end)
        m->end = a->bss_end;
    return true;
}

bool multiboot_by_elf(struct multiboot *m)
{
    const char *why = elf_read(&m->elf, m->img);

    if (why)
        return multiboot_fail(m, "%s, and its Multiboot header names no addresses", why);
    m->is_elf = true;
    if (!elf_span(&m->elf, &m->start, &m->end))
        return multiboot_fail(m, "damaged: its segments name no place in memory");
    return true;
}

bool multiboot_entry(struct multiboot *m, uint64_t entry)
{
    if (entry < m->start || entry >= m->end || entry > UINT32_MAX ||
        (m->is_elf && !elf_segment_at(&m->elf, entry)))
        return multiboot_fail(
            m, "damaged: its entry point %#llx is not in the kernel, %#llx..%#llx",
            (unsigned long long)entry, (unsigned long long)m->start, (unsigned long long)m->end);
    m->entry = entry;
    return true;
}

static void load_kernel(struct multiboot *m, const struct ram *ram)
{
    uint64_t end;

    if (m->is_elf) {
        elf_load(&m->elf, &m->place, &end);
        return;
    }
    if (place_take(&m->place, m->start, m->end - m->start))
        image_read(m->img, m->offset, ram_at(ram, m->start, m->size), m->size);
    else if (m->end > ram_low(ram) && m->end <= RAM_HOLE)
        die("%s: needs more RAM: --mem %lluM at least", m->img->name, to_mib(m->end));
    else
        die("%s: goes to %#llx..%#llx, and not all of that is RAM that a kernel may have: that is "
            "0x1000..0x9fc00 and from 1 MiB on",
            m->img->name, (unsigned long long)m->start, (unsigned long long)m->end);
}

/* Take size bytes of whole pages behind the kernel, or elsewhere: 0 when there is no room. */
static uint64_t take(struct multiboot *m, uint64_t size)
{
    uint64_t at;

    /* No range of RAM is longer, and rounding up must not wrap. */
    if (!size || size > RAM_HOLE)
        return 0;
    size = align_up(size, PAGE_SIZE);
    at = place_above(&m->place, size, PAGE_SIZE, m->end);
    return at ? at : place_find(&m->place, size, PAGE_SIZE, RAM_HOLE);
}

static void load_modules(struct multiboot *m, const struct kernel *k, const struct ram *ram)
{
    for (int i = 0; i < k->modules; i++) {
        const struct image *img = &k->module[i].image;
        uint64_t at = take(m, img->size);

        if (!at)
            die("%s: no room for module %s (%llu KiB); say --mem (kernel and modules can have 3 "
                "GiB)",
                m->img->name, img->name, (unsigned long long)img->size / 1024);
        image_read(img, 0, ram_at(ram, at, img->size), img->size);
        m->module[i] = at;
    }
}

void multiboot_load(struct multiboot *m, const struct kernel *k, const struct ram *ram)
{
    place_init(&m->place, ram);
    load_kernel(m, ram);
    load_modules(m, k, ram);
}

static size_t words_size(const char *name, const char *args)
{
    return strlen(name) + strlen(args) + 2;
}

void multiboot_info_init(struct multiboot_info *i, struct multiboot *m, const struct kernel *k,
                         size_t rest)
{
    uint64_t room = rest + words_size(k->image.name, k->cmdline) + multiboot_sections_size(m);
    uint64_t at = INFORMATION;

    for (int n = 0; n < k->modules; n++)
        room += words_size(k->module[n].image.name, k->module[n].args);
    room = align_up(room, PAGE_SIZE);
    if (!place_take(&m->place, at, room))
        at = take(m, room);
    if (!at)
        die("%s: needs more RAM: there is none for %llu KiB of information about the machine; say "
            "--mem",
            m->img->name, (unsigned long long)room / 1024);
    *i = (struct multiboot_info){ram_at(m->place.ram, at, room), at, 0, room};
}

uint32_t multiboot_info_put(struct multiboot_info *i, const void *data, size_t len)
{
    uint32_t at = i->used;

    assert(len <= i->room - i->used);
    if (data)
        memcpy(i->host + at, data, len);
    else
        memset(i->host + at, 0, len);
    i->used += len;
    return i->gpa + at;
}

void multiboot_info_align(struct multiboot_info *i)
{
    multiboot_info_put(i, NULL, -i->used & 7);
}

uint32_t multiboot_info_words(struct multiboot_info *i, const char *name, const char *args)
{
    uint32_t at = multiboot_info_put(i, name, strlen(name));

    if (*args) {
        multiboot_info_put(i, " ", 1);
        multiboot_info_put(i, args, strlen(args));
    }
    multiboot_info_put(i, "", 1);
    return at;
}

uint32_t multiboot_sections_size(const struct multiboot *m)
{
    const struct elf *e = &m->elf;
    uint32_t size;

    if (!m->is_elf || e->shentsize != (e->is_64 ? 64 : 40))
        return 0;
    size = e->shnum * e->shentsize;
    return e->shoff <= m->img->size && size <= m->img->size - e->shoff ? size : 0;
}

/* A number of 4 or 8 bytes in a section header. */
static uint64_t field(const struct multiboot *m, const uint8_t *header, int off32, int off64)
{
    uint64_t val = 0;

    memcpy(&val, header + (m->elf.is_64 ? off64 : off32), m->elf.is_64 ? 8 : 4);
    return val;
}

/* Load a section that is in no segment, if it is for symbols, and note its place in its header. */
static void load_section(struct multiboot *m, uint8_t *header)
{
    uint64_t addr = field(m, header, 12, 16), offset = field(m, header, 16, 24);
    uint64_t size = field(m, header, 20, 32);
    uint32_t type;

    memcpy(&type, header + 4, sizeof(type));
    if ((type != SHT_SYMTAB && type != SHT_STRTAB) || addr || offset > m->img->size ||
        size > m->img->size - offset)
        return;
    addr = take(m, size);
    if (!addr)
        return;
    image_read(m->img, offset, ram_at(m->place.ram, addr, size), size);
    memcpy(header + (m->elf.is_64 ? 16 : 12), &addr, m->elf.is_64 ? 8 : 4);
}

uint32_t multiboot_sections(struct multiboot *m, struct multiboot_info *i)
{
    uint32_t size = multiboot_sections_size(m), at = multiboot_info_put(i, NULL, size);
    uint8_t *headers = i->host + (at - i->gpa);

    image_read(m->img, m->elf.shoff, headers, size);
    for (uint32_t off = 0; off < size; off += m->elf.shentsize)
        load_section(m, headers + off);
    return at;
}

uint32_t multiboot_mem_lower(const struct ram *ram)
{
    uint64_t low = ram_low(ram);

    return (low < BIOS_EBDA ? low : BIOS_EBDA) / 1024;
}

uint32_t multiboot_mem_upper(const struct ram *ram)
{
    uint64_t low = ram_low(ram);

    return low < MIB ? 0 : (low - MIB) / 1024;
}

void multiboot_enter(const struct multiboot *m, uint32_t magic, uint32_t info, struct cpu_state *s)
{
    cpu_flat32(s);
    gdt_load(m->place.ram, s, 0x08, GDT_RING_0);
    s->rip = m->entry;
    s->gpr[RAX] = magic;
    s->gpr[RBX] = info;
    s->gpr[RSP] = STACK;
}

void multiboot_print(const struct multiboot *m, bool ok, FILE *f)
{
    if (!ok) {
        fprintf(f, "  cannot be loaded: %s\n", m->why);
        return;
    }
    fprintf(f, "  goes to: %#llx..%#llx, as its %s\n", (unsigned long long)m->start,
            (unsigned long long)m->end, m->is_elf ? "ELF segments say" : "header says");
    fprintf(f, "  RAM: %llu MiB at least\n", to_mib(m->end));
    fprintf(f, "  entry: %#llx, 32 bits\n", (unsigned long long)m->entry);
}

static int find_header(const struct image *img, uint8_t *buf, size_t *n)
{
    return multiboot_find(img, buf, SEARCHED, n, HEADER_MAGIC, 3, 4);
}

static bool offered(const struct image *img)
{
    uint8_t buf[SEARCHED];
    size_t n;

    /* An EFI program may have the header, too, for the ELF file that it was made of. */
    return find_header(img, buf, &n) >= 0 && memcmp(buf, "MZ", 2) != 0;
}

/* False, and m->why, when it cannot be loaded. */
static bool read_kernel(struct multiboot *m, const struct image *img)
{
    uint8_t buf[SEARCHED];
    struct header h = {0};
    size_t n;
    int at = find_header(img, buf, &n);

    *m = (struct multiboot){.img = img};
    if (at < 0)
        return multiboot_fail(m, "no Multiboot header in its first %d bytes", SEARCHED);
    memcpy(&h, buf + at, n - at < sizeof(h) ? n - at : sizeof(h));
    if (h.flags & HEADER_UNKNOWN)
        return multiboot_fail(m,
                              "needs features of a loader that Multiboot does not have (flags %#x "
                              "of its header, of which %#x are unknown)",
                              h.flags, h.flags & HEADER_UNKNOWN);
    if (!(h.flags & HEADER_ADDRESSES))
        return multiboot_by_elf(m) && multiboot_entry(m, elf_physical(&m->elf, m->elf.entry));
    if (n - at < sizeof(h))
        return multiboot_fail(m, "truncated: it ends within its Multiboot header");
    return multiboot_by_addresses(m, at, &h.addresses) && multiboot_entry(m, h.entry);
}

static void put_modules(struct multiboot_info *i, struct information *info,
                        const struct multiboot *m, const struct kernel *k)
{
    struct module_entry entry[KERNEL_MODULES] = {0};

    for (int n = 0; n < k->modules; n++)
        entry[n] = (struct module_entry){
            .start = m->module[n],
            .end = m->module[n] + k->module[n].image.size,
            .string = multiboot_info_words(i, k->module[n].image.name, k->module[n].args),
        };
    multiboot_info_align(i);
    info->mods_count = k->modules;
    info->mods_addr = multiboot_info_put(i, entry, k->modules * sizeof(entry[0]));
}

static void put_map(struct multiboot_info *i, struct information *info, const struct ram *ram)
{
    struct e820_entry map[E820_MAX];
    struct map_entry entry[E820_MAX];
    int n = e820_build(ram, map, E820_MAX);

    for (int j = 0; j < n; j++)
        entry[j] = (struct map_entry){sizeof(map[j]), map[j]};
    multiboot_info_align(i);
    info->mmap_length = n * sizeof(entry[0]);
    info->mmap_addr = multiboot_info_put(i, entry, info->mmap_length);
}

static void put_sections(struct multiboot_info *i, struct information *info, struct multiboot *m)
{
    if (!multiboot_sections_size(m))
        return;
    multiboot_info_align(i);
    info->flags |= INFO_ELF;
    info->elf_num = m->elf.shnum;
    info->elf_size = m->elf.shentsize;
    info->elf_addr = multiboot_sections(m, i);
    info->elf_shndx = m->elf.shstrndx;
}

static void load(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct multiboot m;
    struct multiboot_info i;
    struct information info = {
        .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_LOADER,
        .mem_lower = multiboot_mem_lower(ram),
        .mem_upper = multiboot_mem_upper(ram),
    };
    uint32_t at;

    if (!read_kernel(&m, &k->image))
        die("%s: %s", k->image.name, m.why);
    multiboot_load(&m, k, ram);
    multiboot_info_init(&i, &m, k, PAGE_SIZE);
    at = multiboot_info_put(&i, NULL, sizeof(info));
    put_modules(&i, &info, &m, k);
    put_map(&i, &info, ram);
    put_sections(&i, &info, &m);
    info.cmdline = multiboot_info_words(&i, k->image.name, k->cmdline);
    info.boot_loader_name = multiboot_info_words(&i, MULTIBOOT_LOADER, "");
    memcpy(i.host, &info, sizeof(info));
    multiboot_enter(&m, INFO_MAGIC, at, s);
}

static void print(const struct image *img, FILE *f)
{
    struct multiboot m;
    bool ok = read_kernel(&m, img);

    multiboot_print(&m, ok, f);
}

const struct way way_multiboot = {
    .name = "multiboot",
    .title = "Multiboot, version 1",
    .offered = offered,
    .load = load,
    .print = print,
};

// SPDX-License-Identifier: MIT
/*
 * Multiboot kernels, version 2: header and information are lists of tags. What goes where is as for
 * version 1 (boot/multiboot.c).
 *
 * After: Multiboot2 Specification 2.0, "OS image format", "I386 machine state", "Boot information
 * format".
 *
 * Left out: what this machine does not have: boot device, VBE and framebuffer, APM, SMBIOS,
 * network, EFI. A kernel may ask for information about these, even insist, but the specification
 * grants an answer only where the machine has them. Entry points for EFI: there is no firmware. The
 * preference of a relocatable kernel: it goes where it was linked to, and elsewhere when it cannot.
 */
#include "boot/e820.h"
#include "boot/multiboot.h"
#include "hw/die.h"
#include "hw/units.h"

#include <string.h>

enum {
    HEADER_MAGIC = 0xe85250d6,
    INFO_MAGIC = 0x36d76289,
    SEARCHED = 32768, /* the header ends within these first bytes of the file */
    I386 = 0,

    /* Tags of the header. */
    END = 0,
    REQUEST = 1,
    ADDRESSES = 2,
    ENTRY = 3,
    CONSOLE = 4,
    FRAMEBUFFER = 5,
    MODULE_ALIGN = 6,
    EFI_BOOT_SERVICES = 7,
    EFI32_ENTRY = 8,
    EFI64_ENTRY = 9,
    RELOCATABLE = 10,

    OPTIONAL = 1 << 0,         /* a flag of every tag */
    CONSOLE_REQUIRED = 1 << 0, /* of the console tag */

    /* Tags of the information. */
    INFO_END = 0,
    INFO_CMDLINE = 1,
    INFO_LOADER = 2,
    INFO_MODULE = 3,
    INFO_MEMORY = 4,
    INFO_MAP = 6,
    INFO_ELF = 9,
    INFO_RSDP_OLD = 14,
    INFO_RSDP_NEW = 15,
    INFO_LOAD_BASE = 21,
    INFO_KNOWN = 21, /* the last one that is specified */

    RSDP_OLD_SIZE = 20, /* what ACPI 1.0 has of it */
    RSDP_NEW_SIZE = 36,
};

struct header {
    uint32_t magic, architecture, length, checksum;
};

struct tag {
    uint16_t type, flags;
    uint32_t size;
};

struct info_tag {
    uint32_t type, size;
};

/* What the tags say. */
struct tags {
    bool has_addresses, has_entry, relocatable;
    struct multiboot_addresses addresses;
    uint32_t entry;
    uint32_t min, max, align; /* of relocation: within min..max, both included */
};

static int find_header(const struct image *img, uint8_t *buf, size_t *n)
{
    int at = multiboot_find(img, buf, SEARCHED, n, HEADER_MAGIC, 4, 8);
    struct header h;

    if (at < 0)
        return -1;
    memcpy(&h, buf + at, sizeof(h));
    return h.architecture == I386 ? at : -1;
}

static bool offered(const struct image *img)
{
    uint8_t buf[SEARCHED];
    size_t n;

    /* An EFI program may have the header, too, for the ELF file that it was made of. */
    return find_header(img, buf, &n) >= 0 && memcmp(buf, "MZ", 2) != 0;
}

/* The information that a kernel insists on. */
static bool read_request(struct multiboot *m, const struct tag *t, const uint8_t *types)
{
    for (uint32_t i = 0; i < (t->size - sizeof(*t)) / 4; i++) {
        uint32_t type;

        memcpy(&type, types + 4 * i, sizeof(type));
        if (type > INFO_KNOWN && !(t->flags & OPTIONAL))
            return multiboot_fail(m,
                                  "requires information of type %u, which Multiboot 2 does not "
                                  "specify",
                                  type);
    }
    return true;
}

/* One tag of the header. value is what follows its head. */
static bool read_tag(struct multiboot *m, struct tags *tags, const struct tag *t,
                     const uint8_t *value)
{
    static const uint8_t least[] = {
        [ADDRESSES] = 16, [ENTRY] = 4, [CONSOLE] = 4, [RELOCATABLE] = 16};
    uint32_t flags;

    if (t->type < sizeof(least) && t->size < sizeof(*t) + least[t->type])
        return multiboot_fail(m, "damaged: tag %u of its Multiboot 2 header has %u bytes", t->type,
                              t->size);
    switch (t->type) {
    case REQUEST:
        return read_request(m, t, value);
    case ADDRESSES:
        tags->has_addresses = true;
        memcpy(&tags->addresses, value, sizeof(tags->addresses));
        return true;
    case ENTRY:
        tags->has_entry = true;
        memcpy(&tags->entry, value, sizeof(tags->entry));
        return true;
    case CONSOLE:
        memcpy(&flags, value, sizeof(flags));
        if (flags & CONSOLE_REQUIRED && !(t->flags & OPTIONAL))
            return multiboot_fail(m, "insists on a screen, and there is none; without bit 0 in the "
                                     "console flags of its header it would start");
        return true;
    case RELOCATABLE:
        tags->relocatable = true;
        memcpy(&tags->min, value, 4);
        memcpy(&tags->max, value + 4, 4);
        memcpy(&tags->align, value + 8, 4);
        return true;
    case FRAMEBUFFER:  /* a recommendation */
    case MODULE_ALIGN: /* they are aligned for all */
    case EFI_BOOT_SERVICES:
    case EFI32_ENTRY:
    case EFI64_ENTRY:
        return true;
    default:
        return t->flags & OPTIONAL ||
               multiboot_fail(m, "requires tag %u of the Multiboot 2 header, which is unknown",
                              t->type);
    }
}

/* All tags, in the n bytes at p. */
static bool read_tags(struct multiboot *m, struct tags *tags, const uint8_t *p, size_t n)
{
    struct tag t;

    *tags = (struct tags){0};
    for (size_t off = 0; n - off >= sizeof(t); off += (t.size + 7) & ~7) {
        memcpy(&t, p + off, sizeof(t));
        if (t.type == END)
            return true;
        if (t.size < sizeof(t) || t.size > n - off)
            return multiboot_fail(m, "damaged: tag %u of its Multiboot 2 header has %u bytes",
                                  t.type, t.size);
        if (!read_tag(m, tags, &t, p + off + sizeof(t)))
            return false;
        if (n - off < ((t.size + 7) & ~7))
            break;
    }
    return multiboot_fail(m, "damaged: the tags of its Multiboot 2 header have no end");
}

/* False, and m->why, when it cannot be loaded. */
static bool read_kernel(struct multiboot *m, struct tags *tags, const struct image *img)
{
    uint8_t buf[SEARCHED];
    struct header h;
    size_t n;
    int at = find_header(img, buf, &n);

    *m = (struct multiboot){.img = img};
    if (at < 0)
        return multiboot_fail(m, "no Multiboot 2 header in its first %d bytes", SEARCHED);
    memcpy(&h, buf + at, sizeof(h));
    if (h.length < sizeof(h) || h.length > n - at)
        return multiboot_fail(m, "damaged: its Multiboot 2 header has %u bytes", h.length);
    if (!read_tags(m, tags, buf + at + sizeof(h), h.length - sizeof(h)))
        return false;
    if (!tags->has_addresses)
        return multiboot_by_elf(m) &&
               multiboot_entry(m,
                               tags->has_entry ? tags->entry : elf_physical(&m->elf, m->elf.entry));
    if (!tags->has_entry)
        return multiboot_fail(m, "damaged: its Multiboot 2 header has addresses without an entry");
    /* Without a load address, the file goes to RAM from its beginning. */
    if (tags->addresses.load == UINT32_MAX)
        tags->addresses.load = tags->addresses.header - at;
    return multiboot_by_addresses(m, at, &tags->addresses) && multiboot_entry(m, tags->entry);
}

/* Move a kernel that cannot go where it was linked to, when it allows that and there is room. */
static void relocate(struct multiboot *m, const struct tags *tags, const struct ram *ram)
{
    struct place trial;
    uint64_t to, size = m->end - m->start, last = (uint64_t)tags->max + 1;

    place_init(&trial, ram);
    if (!tags->relocatable || place_take(&trial, m->start, size) || size > tags->max ||
        tags->align & (tags->align - 1))
        return;
    to = place_find(&trial, size, tags->align ? tags->align : 1, last < RAM_HOLE ? last : RAM_HOLE);
    if (!to || to < tags->min)
        return;
    for (int i = 0; m->is_elf && i < m->elf.n; i++)
        m->elf.segment[i].paddr += to - m->start;
    m->entry += to - m->start;
    m->end += to - m->start;
    m->start = to;
}

/* Begin a tag; its size is set when the next one begins. */
static uint32_t begin(struct multiboot_info *i, uint32_t type)
{
    struct info_tag t = {.type = type};
    uint32_t at;

    multiboot_info_align(i);
    at = i->used;
    multiboot_info_put(i, &t, sizeof(t));
    return at;
}

static void end(struct multiboot_info *i, uint32_t tag)
{
    uint32_t size = i->used - tag;

    memcpy(i->host + tag + offsetof(struct info_tag, size), &size, sizeof(size));
}

static void put_words(struct multiboot_info *i, uint32_t type, const char *name, const char *args)
{
    uint32_t tag = begin(i, type);

    multiboot_info_words(i, name, args);
    end(i, tag);
}

/* Append a tag: its head, and value behind it. */
static void put(struct multiboot_info *i, uint32_t type, const void *value, size_t len)
{
    uint32_t tag = begin(i, type);

    multiboot_info_put(i, value, len);
    end(i, tag);
}

static void put_modules(struct multiboot_info *i, const struct multiboot *m, const struct kernel *k)
{
    for (int n = 0; n < k->modules; n++) {
        const struct module *module = &k->module[n];
        const uint32_t range[] = {m->module[n], m->module[n] + module->image.size};
        uint32_t tag = begin(i, INFO_MODULE);

        multiboot_info_put(i, range, sizeof(range));
        multiboot_info_words(i, module->image.name, module->args);
        end(i, tag);
    }
}

static void put_memory(struct multiboot_info *i, const struct ram *ram)
{
    const uint32_t memory[] = {multiboot_mem_lower(ram), multiboot_mem_upper(ram)};
    struct entry {
        struct e820_entry range;
        uint32_t reserved;
    } entry;
    const uint32_t kind[] = {sizeof(entry), 0}; /* of the map: entry size and version */
    struct e820_entry map[E820_MAX];
    int n = e820_build(ram, map, E820_MAX);
    uint32_t tag;

    put(i, INFO_MEMORY, memory, sizeof(memory));
    tag = begin(i, INFO_MAP);
    multiboot_info_put(i, kind, sizeof(kind));
    for (int j = 0; j < n; j++) {
        entry = (struct entry){.range = map[j]};
        multiboot_info_put(i, &entry, sizeof(entry));
    }
    end(i, tag);
}

static void put_sections(struct multiboot_info *i, struct multiboot *m)
{
    const uint32_t head[] = {m->elf.shnum, m->elf.shentsize, m->elf.shstrndx};
    uint32_t tag;

    if (!multiboot_sections_size(m))
        return;
    tag = begin(i, INFO_ELF);
    multiboot_info_put(i, head, sizeof(head));
    multiboot_sections(m, i);
    end(i, tag);
}

static void load(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct multiboot m;
    struct multiboot_info i;
    struct tags tags;
    uint32_t head[2] = {0}, base;

    if (!read_kernel(&m, &tags, &k->image))
        die("%s: %s", k->image.name, m.why);
    relocate(&m, &tags, ram);
    multiboot_load(&m, k, ram);
    multiboot_info_init(&i, &m, k, PAGE_SIZE);
    multiboot_info_put(&i, head, sizeof(head));
    put_words(&i, INFO_CMDLINE, k->image.name, k->cmdline);
    put_words(&i, INFO_LOADER, MULTIBOOT_LOADER, "");
    put_modules(&i, &m, k);
    put_memory(&i, ram);
    put_sections(&i, &m);
    if (k->rsdp) {
        put(&i, INFO_RSDP_OLD, ram_at(ram, k->rsdp, RSDP_OLD_SIZE), RSDP_OLD_SIZE);
        put(&i, INFO_RSDP_NEW, ram_at(ram, k->rsdp, RSDP_NEW_SIZE), RSDP_NEW_SIZE);
    }
    base = m.start;
    if (tags.relocatable)
        put(&i, INFO_LOAD_BASE, &base, sizeof(base));
    put(&i, INFO_END, NULL, 0);
    head[0] = i.used;
    memcpy(i.host, head, sizeof(head));
    multiboot_enter(&m, INFO_MAGIC, i.gpa, s);
}

static void print(const struct image *img, FILE *f)
{
    struct multiboot m;
    struct tags tags;
    bool ok = read_kernel(&m, &tags, img);

    multiboot_print(&m, ok, f);
    if (ok && tags.relocatable)
        fprintf(f, "  relocatable: %#x..%#x\n", tags.min, tags.max);
}

const struct way way_multiboot2 = {
    .name = "multiboot2",
    .title = "Multiboot, version 2",
    .offered = offered,
    .load = load,
    .print = print,
};

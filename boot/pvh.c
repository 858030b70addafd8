// SPDX-License-Identifier: MIT
/*
 * PVH, the way in which Xen enters its guests: an ELF file with a note that gives a 32-bit entry.
 * Linux, FreeBSD, Xen itself and many small kernels have it.
 *
 *     0x001000   free
 *                start info: the structure itself, the memory map, the list of modules, the command
 *                lines; as high as they go
 *     0x09fc00   not ours: firmware and its tables, video memory
 *                the kernel, where its program headers say: usually above 1 MiB
 *                the modules: from the next page on, each on a page boundary
 *
 * That is the order in which Xen's own tools load. FreeBSD uses what is above the kernel, the start
 * info and the modules as free memory, so all of these are as low as possible.
 *
 * Linux takes the first module for its initramfs and ignores the others, so it gets all archives as
 * one module. A kernel's notes tell that it is Linux: see linux_notes().
 *
 * After: Xen docs/misc/pvh.pandoc ("x86/HVM direct boot ABI") and
 * xen/include/public/arch-x86/hvm/start_info.h, version 1; elfnote.h for the note.
 *
 * Left out: hypercalls, event channels, Xen's shared pages: a kernel that asks CPUID finds that
 * there is no Xen, and drives the PC's hardware.
 */
#include "boot/e820.h"
#include "boot/elf.h"
#include "boot/kernel.h"
#include "boot/linux.h"
#include "hw/die.h"
#include "hw/units.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define PHYS32_ENTRY 18 /* the type of the note */
#define MAGIC        0x336ec578
#define VERSION      1

struct start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
    uint32_t memmap_entries, reserved;
};

struct modlist_entry {
    uint64_t paddr, size, cmdline_paddr, reserved;
};

struct memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved; /* types as in an e820 map */
};

/* All that start info points to, in one piece; the command lines follow it. */
struct block {
    struct start_info info;
    struct memmap_entry memmap[E820_MAX];
    struct modlist_entry module[KERNEL_MODULES];
    char text[];
};

_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");
_Static_assert(offsetof(struct start_info, memmap_paddr) == 40, "memmap_paddr");
_Static_assert(sizeof(struct modlist_entry) == 32, "hvm_modlist_entry");
_Static_assert(sizeof(struct memmap_entry) == 24, "hvm_memmap_table_entry");

/* The entry; NULL, or what is wrong with it. It must be in what is loaded. */
static const char *find_entry(const struct elf *e, uint64_t *entry)
{
    int size;

    *entry = 0;
    size = elf_note(e, "Xen", PHYS32_ENTRY, entry, sizeof(*entry));
    if (size < 0)
        return "has no PVH entry (no Xen note of type 18)";
    if (size != 4 && size != 8)
        return "damaged: its PVH entry has neither 4 nor 8 bytes";
    if (!elf_segment_at(e, *entry))
        return "damaged: its PVH entry is outside of what it loads";
    return NULL;
}

static bool offered(const struct image *img)
{
    struct elf e;

    return !elf_read(&e, img) && elf_note(&e, "Xen", PHYS32_ENTRY, NULL, 0) >= 0;
}

/* The RAM that the modules take, from a page boundary on; RAM_HOLE when there is never so much. */
static uint64_t modules_size(const struct kernel *k, bool joined)
{
    uint64_t size = 0;

    if (joined)
        return initramfs_size(k);
    for (int i = 0; i < k->modules; i++) {
        if (k->module[i].image.size > RAM_HOLE)
            return RAM_HOLE;
        size += align_up(k->module[i].image.size, PAGE_SIZE);
    }
    return size;
}

/* Take RAM from an address on. There is enough. */
static uint64_t take_above(struct place *p, uint64_t size, uint64_t start)
{
    uint64_t at = place_above(p, size, PAGE_SIZE, start);

    assert(at);
    return at;
}

/* Load the modules, and list them, without their command lines. Returns their number. */
static int load_modules(const struct kernel *k, bool joined, struct place *p, uint64_t start,
                        struct modlist_entry *list)
{
    if (joined) {
        list->size = initramfs_size(k);
        if (!list->size)
            return 0;
        list->paddr = take_above(p, list->size, start);
        initramfs_load(k, p->ram, list->paddr);
        return 1;
    }
    for (int i = 0; i < k->modules; i++) {
        const struct image *img = &k->module[i].image;

        list[i].size = img->size;
        list[i].paddr = take_above(p, img->size, start);
        image_read(img, 0, ram_at(p->ram, list[i].paddr, img->size), img->size);
    }
    return k->modules;
}

/* Put a text behind the block. Returns its address. */
static uint64_t put_text(struct block *b, uint64_t gpa, size_t *used, const char *text)
{
    uint64_t at = gpa + offsetof(struct block, text) + *used;

    memcpy(b->text + *used, text, strlen(text) + 1);
    *used += strlen(text) + 1;
    return at;
}

/* Write the start info, at the top of base memory, with the list of n modules, and their command
 * lines unless they are joined. */
static uint64_t write_start_info(const struct kernel *k, bool joined, struct place *p,
                                 const struct modlist_entry *list, int n)
{
    struct e820_entry map[E820_MAX];
    size_t size = sizeof(struct block) + strlen(k->cmdline) + 1, used = 0;
    struct block *b;
    uint64_t gpa;

    for (int i = 0; i < n && !joined; i++)
        size += strlen(k->module[i].args) + 1;
    gpa = place_find(p, size, PAGE_SIZE, BIOS_EBDA);
    if (!gpa)
        die("%s: no room for its command line below 640 KiB: %zu characters, with the modules'",
            k->image.name, size - sizeof(struct block));
    b = ram_at(p->ram, gpa, size);
    assert(b);

    b->info = (struct start_info){
        .magic = MAGIC,
        .version = VERSION,
        .nr_modules = n,
        .modlist_paddr = n ? gpa + offsetof(struct block, module) : 0,
        .cmdline_paddr = put_text(b, gpa, &used, k->cmdline),
        .rsdp_paddr = k->rsdp,
        .memmap_paddr = gpa + offsetof(struct block, memmap),
        .memmap_entries = e820_build(p->ram, map, E820_MAX),
    };
    for (uint32_t i = 0; i < b->info.memmap_entries; i++)
        b->memmap[i] =
            (struct memmap_entry){.addr = map[i].addr, .size = map[i].size, .type = map[i].type};
    for (int i = 0; i < n; i++) {
        b->module[i] = list[i];
        if (!joined && *k->module[i].args)
            b->module[i].cmdline_paddr = put_text(b, gpa, &used, k->module[i].args);
    }
    return gpa;
}

static void load(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct modlist_entry list[KERNEL_MODULES] = {0};
    uint64_t entry, start, end;
    struct elf e;
    struct place p;
    const char *problem = elf_read(&e, &k->image);
    bool joined;
    int n;

    if (!problem)
        problem = find_entry(&e, &entry);
    if (problem)
        die("%s: %s", k->image.name, problem);
    joined = linux_notes(&e);
    if (!joined && k->extra_size)
        die("%s: a command is for Linux to run, and this is no Linux", k->image.name);
    if (joined && strlen(k->cmdline) > LINUX_CMDLINE_MAX)
        die("%s: takes a command line of %d characters at most; this one has %zu", k->image.name,
            LINUX_CMDLINE_MAX, strlen(k->cmdline));
    if (elf_span(&e, &start, &end) && end <= RAM_HOLE) {
        end = end < MIB ? MIB : align_up(end, PAGE_SIZE);
        if (end + modules_size(k, joined) > ram_low(ram))
            kernel_needs_ram(k, end + modules_size(k, joined));
    }

    place_init(&p, ram);
    elf_load(&e, &p, &end);
    n = load_modules(k, joined, &p, end < MIB ? MIB : end, list);

    cpu_flat32(s);
    s->cr0 &= ~(uint64_t)CR0_NE; /* every bit that can be clear is clear */
    s->tr.limit = 0x67;
    s->rip = entry;
    s->gpr[RBX] = write_start_info(k, joined, &p, list, n);
}

static void print(const struct image *img, FILE *f)
{
    struct elf e;
    uint64_t entry;
    const char *problem;

    if (elf_read(&e, img))
        return;
    problem = find_entry(&e, &entry);
    if (problem)
        fprintf(f, "  problem: %s\n", problem);
    else
        fprintf(f, "  entry: %#llx, 32-bit\n", (unsigned long long)entry);
    elf_print(&e, f);
    fprintf(f, "  modules: %s\n",
            linux_notes(&e) ? "joined into one initramfs, for this is Linux" : "one by one");
}

const struct way way_pvh = {
    .name = "pvh",
    .title = "PVH, entered with 32 bits",
    .offered = offered,
    .load = load,
    .print = print,
};

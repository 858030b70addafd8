// SPDX-License-Identifier: MIT
/*
 * vmlinux, the ELF file that a bzImage has packed inside, entered at its ELF entry by the 64-bit
 * boot protocol: nothing is unpacked, nothing moves.
 *
 *     0x000500   what it is entered with: see boot/zero-page.h
 *                the kernel, where its program headers say: usually from 16 MiB on
 *                free
 *     top        the initramfs archives, as high as they go
 *
 * After: Linux Documentation/arch/x86/boot.rst ("64-bit Boot Protocol"). It speaks of a bzImage's
 * entry at 0x200; what is unpacked there is entered in the same state, its entry is a physical
 * address.
 *
 * Left out: vmlinux of 32-bit kernels: their bzImages boot, and so do they by PVH. Choosing another
 * address (KASLR): only a bzImage has the list of what changes then, see boot/vmlinux.h.
 */
#include "boot/elf.h"
#include "boot/kernel.h"
#include "boot/linux.h"
#include "boot/vmlinux.h"
#include "boot/zero-page.h"
#include "hw/die.h"
#include "hw/units.h"

#include <assert.h>

/*
 * A program that runs on Linux is an ELF file, too; but a kernel is entered by a physical address,
 * and linked at another. So are some others, but they lack the notes of Linux and, for versions
 * before 4.19, the text that begins its log.
 */
static bool is_vmlinux(const struct elf *e)
{
    const struct elf_segment *s = elf_segment_at(e, e->entry);
    char version[2];

    return e->is_64 && s && s->vaddr >= VMLINUX_VA &&
           (linux_notes(e) || linux_version(e->img, version, sizeof(version)));
}

static bool offered(const struct image *img)
{
    struct elf e;

    return !elf_read(&e, img) && is_vmlinux(&e);
}

/* What a bzImage would say about itself. */
static const struct setup_header made_up = {
    .boot_flag = ZERO_PAGE_BOOT_FLAG,
    .header = ZERO_PAGE_HEADER,
    .version = 0x20f,
    .loadflags = LOADED_HIGH,
    .xloadflags = XLF_KERNEL_64,
    .cmdline_size = LINUX_CMDLINE_MAX,
};

static void load(const struct kernel *k, const struct ram *ram, struct cpu_state *s)
{
    struct boot_params bp = {.hdr = made_up};
    uint64_t start, end, size = initramfs_size(k), initramfs = 0;
    struct elf e;
    struct place p;
    const char *problem = elf_read(&e, &k->image);

    if (problem || !is_vmlinux(&e))
        die("%s: %s", k->image.name, problem ? problem : "not a vmlinux of 64 bits");
    if (elf_span(&e, &start, &end) && end <= RAM_HOLE) {
        end = align_up(end < MIB ? MIB : end, PAGE_SIZE);
        if (end + size > ram_low(ram))
            kernel_needs_ram(k, end + size);
    }

    place_init(&p, ram);
    place_take(&p, PLACE_LOW, BIOS_EBDA - PLACE_LOW);
    elf_load(&e, &p, &end);
    if (size) {
        initramfs = place_find(&p, size, PAGE_SIZE, RAM_HOLE);
        assert(initramfs);
        initramfs_load(k, ram, initramfs);
    }
    zero_page_write(k, ram, &bp, initramfs, size);
    zero_page_enter(ram, s, 64, e.entry);
}

static void print(const struct image *img, FILE *f)
{
    struct elf e;

    if (elf_read(&e, img))
        return;
    fprintf(f, "  entry: %#llx, 64-bit\n", (unsigned long long)e.entry);
    elf_print(&e, f);
}

const struct way way_linux64 = {
    .name = "linux64",
    .title = "vmlinux, entered with 64 bits",
    .offered = offered,
    .load = load,
    .print = print,
};

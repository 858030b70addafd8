// SPDX-License-Identifier: MIT
/*
 * Linux's zero page, and the state that Linux is entered in.
 *
 * After: Linux Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol", "32-bit Boot
 * Protocol", "64-bit Boot Protocol") and zero-page.rst.
 *
 * Left out: setup_data and the EFI and video fields: there is neither firmware nor a video card.
 */
#include "boot/zero-page.h"
#include "boot/bios.h"
#include "boot/gdt.h"
#include "hw/die.h"
#include "hw/units.h"
#include "x86/paging.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define STACK       0x8000
#define PAGE_TABLES 0x9000
#define ZERO_PAGE   0x10000
#define HIGH_TABLES 0x11000
#define CMDLINE     0x20000
#define CMDLINE_END BIOS_EBDA

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
_Static_assert(sizeof(struct boot_params) == PAGE_SIZE, "the zero page is a page");

/* RAM that is known to be there. */
static void *at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
    void *p = ram_at(ram, gpa, len);

    assert(p);
    return p;
}

static void write_cmdline(const struct kernel *k, const struct ram *ram, uint32_t most)
{
    size_t len = strlen(k->cmdline), max = CMDLINE_END - CMDLINE - 1;

    if (max > most)
        max = most;
    if (len > max)
        die("%s: takes a command line of %zu characters at most; this one has %zu", k->image.name,
            max, len);
    memcpy(at(ram, CMDLINE, len + 1), k->cmdline, len + 1);
}

void zero_page_write(const struct kernel *k, const struct ram *ram, struct boot_params *bp,
                     uint64_t initramfs, uint64_t initramfs_size)
{
    struct setup_header *h = &bp->hdr;

    write_cmdline(k, ram, h->cmdline_size);
    h->vid_mode = 0xffff;
    h->type_of_loader = 0xff;
    h->ramdisk_image = initramfs;
    h->ramdisk_size = initramfs_size;
    h->cmd_line_ptr = CMDLINE;
    bp->acpi_rsdp_addr = k->rsdp;
    bp->alt_mem_k = (ram_low(ram) - MIB) / 1024;
    bp->e820_entries =
        e820_build(ram, bp->e820_table, sizeof(bp->e820_table) / sizeof(bp->e820_table[0]));
    memcpy(at(ram, ZERO_PAGE, sizeof(*bp)), bp, sizeof(*bp));
}

void zero_page_enter(const struct ram *ram, struct cpu_state *s, int bits, uint64_t rip)
{
    if (bits == 64) {
        paging_identity(ram, PAGE_TABLES, 4);
        for (int i = 0; rip >= RAM_HIGH && i < 2; i++)
            paging_identity_add(ram, PAGE_TABLES, HIGH_TABLES + i * PAGE_SIZE, rip / GIB + i);
        cpu_long_mode(s, PAGE_TABLES);
    } else {
        cpu_flat32(s);
    }
    gdt_load(ram, s, 0x10, GDT_RING_0);
    s->rip = rip;
    s->gpr[RSP] = STACK;
    s->gpr[RSI] = ZERO_PAGE;
}

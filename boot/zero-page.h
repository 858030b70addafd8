/* SPDX-License-Identifier: MIT */
/*
 * What Linux/x86 is entered with, whatever its image: the zero page, which describes the machine,
 * and the state of the CPU. In base memory:
 *
 *     0x000500   GDT
 *     0x008000   top of a stack, for kernels that push before they have their own
 *     0x009000   page tables for the 64-bit entry, 6 pages: the first 4 GiB as they are
 *     0x010000   zero page
 *     0x011000   page tables for a kernel above 4 GiB, 2 pages: the 2 GiB from its entry on
 *     0x020000   command line
 *     0x09fc00   not ours: firmware and its tables, video memory
 */
#ifndef BOOT_ZERO_PAGE_H
#define BOOT_ZERO_PAGE_H

#include "boot/e820.h"
#include "boot/kernel.h"
#include "hw/ram.h"
#include "x86/cpu.h"

#include <stdint.h>

/* Of struct setup_header. */
#define ZERO_PAGE_BOOT_FLAG 0xaa55
#define ZERO_PAGE_HEADER    0x53726448 /* "HdrS" */

enum {
    LOADED_HIGH = 1 << 0,   /* in loadflags: a bzImage, no zImage */
    KASLR_FLAG = 1 << 1,    /* in loadflags, to a kernel that is unpacked: it is at random */
    XLF_KERNEL_64 = 1 << 0, /* in xloadflags: has a 64-bit entry point */
};

/* The header of an image, from 0x1f1; the comments give offsets in the file and the zero page. */
struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size, vid_mode, root_dev, boot_flag;
    uint16_t jump; /* 0x200 */
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg, kernel_version;
    uint8_t type_of_loader, loadflags; /* 0x210 */
    uint16_t setup_move_size;
    uint32_t code32_start, ramdisk_image, ramdisk_size;
    uint32_t bootsect_kludge; /* 0x220 */
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver, ext_loader_type;
    uint32_t cmd_line_ptr, initrd_addr_max;
    uint32_t kernel_alignment; /* 0x230 */
    uint8_t relocatable_kernel, min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size, hardware_subarch;
    uint64_t hardware_subarch_data; /* 0x240 */
    uint32_t payload_offset, payload_length;
    uint64_t setup_data, pref_address;                       /* 0x250 */
    uint32_t init_size, handover_offset, kernel_info_offset; /* 0x260 */
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

/*
 * Write the zero page: bp, which holds the header of the kernel's image, or one made up for it, and
 * is zero elsewhere, completed by the machine, the command line of k and the initramfs. Dies when
 * the command line is longer than cmdline_size of the header. There is 1 MiB of RAM.
 */
void zero_page_write(const struct kernel *k, const struct ram *ram, struct boot_params *bp,
                     uint64_t initramfs, uint64_t initramfs_size);

/* Set s to the state that Linux is entered in at rip, with 32 or 64 bits. There is 1 MiB of RAM. */
void zero_page_enter(const struct ram *ram, struct cpu_state *s, int bits, uint64_t rip);

#endif

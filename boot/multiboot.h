/* SPDX-License-Identifier: MIT */
/*
 * Multiboot kernels: what versions 1 and 2 have in common. A header among the first bytes of the
 * file says that it is one, and may say where it goes; else the file is ELF. The kernel is entered
 * with 32 bits, and finds a block of information.
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include "boot/elf.h"
#include "boot/kernel.h"
#include "boot/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the loader calls itself. */
#define MULTIBOOT_LOADER "minivm"

struct multiboot {
    const struct image *img;
    char why[160]; /* why it cannot be loaded, in words that follow the file's name */

    bool is_elf;
    struct elf elf;                  /* is_elf */
    uint64_t offset, size;           /* else: the bytes of the file that go to start */
    uint64_t start, end;             /* guest-physical, the end of the bss included */
    uint64_t entry;                  /* guest-physical */
    struct place place;              /* once it is loaded */
    uint64_t module[KERNEL_MODULES]; /* where they are */
};

/* The address fields of the header, the same in both versions. All are physical addresses. */
struct multiboot_addresses {
    uint32_t header;   /* where the header itself goes, */
    uint32_t load;     /* and where the file's bytes in front of it go */
    uint32_t load_end; /* 0: to the end of the file */
    uint32_t bss_end;  /* 0: there is none */
};

/*
 * Read the first bytes of the file, at most limit, to buf, and find the header: it begins on a
 * multiple of align with magic, and its words add up to 0. Returns its offset, or -1 when there is
 * none. *n is how much was read.
 */
int multiboot_find(const struct image *img, uint8_t *buf, size_t limit, size_t *n, uint32_t magic,
                   int words, int align);

/* Note why it cannot be loaded, as printf does, and return false. */
bool multiboot_fail(struct multiboot *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Where the kernel goes, by the header's addresses or as an ELF file; the header was found at
 * offset at. False, and m->why, when it cannot be. Nothing is loaded yet. */
bool multiboot_by_addresses(struct multiboot *m, int at, const struct multiboot_addresses *a);
bool multiboot_by_elf(struct multiboot *m);

/* Set the entry point; false, and m->why, when it is not in the kernel. */
bool multiboot_entry(struct multiboot *m, uint64_t entry);

/* Load the kernel where it goes, and the modules behind it, each on a page of its own. Dies when
 * there is no room. */
void multiboot_load(struct multiboot *m, const struct kernel *k, const struct ram *ram);

/* The block of information, which grows from the start of the RAM that it was given. */
struct multiboot_info {
    uint8_t *host;
    uint32_t gpa, used, room;
};

/* Find a place for it, with room for k's words, the ELF sections, and rest bytes more. */
void multiboot_info_init(struct multiboot_info *i, struct multiboot *m, const struct kernel *k,
                         size_t rest);

/* Append len bytes, zeros when data is NULL, right behind what is there: their address. */
uint32_t multiboot_info_put(struct multiboot_info *i, const void *data, size_t len);

/* Append zeros up to a multiple of 8. */
void multiboot_info_align(struct multiboot_info *i);

/* Append a file's name and what follows it, as one string: its address. */
uint32_t multiboot_info_words(struct multiboot_info *i, const char *name, const char *args);

/* The size of the kernel's section headers in the information; 0 for none. */
uint32_t multiboot_sections_size(const struct multiboot *m);

/* Append them. The symbol and string tables are loaded, where there is room, and their headers say
 * where. */
uint32_t multiboot_sections(struct multiboot *m, struct multiboot_info *i);

/* Base memory, and what follows at 1 MiB, in KiB. */
uint32_t multiboot_mem_lower(const struct ram *ram);
uint32_t multiboot_mem_upper(const struct ram *ram);

/*
 * The state in which the kernel starts: EAX and EBX, 32 bits, flat segments, no paging. The
 * specification leaves the selectors and the GDT open; every loader has code at 8 and data at 16,
 * and some kernels keep those past the GDT that they load themselves.
 */
void multiboot_enter(const struct multiboot *m, uint32_t magic, uint32_t info, struct cpu_state *s);

/* Where it goes, for struct way's print; ok is false when m->why says why not. */
void multiboot_print(const struct multiboot *m, bool ok, FILE *f);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Page tables: building those that a guest starts with, and walking the guest's own.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include "hw/ram.h"
#include "x86/cpu.h"

/* Bytes of RAM that paging_identity() fills for a map of the given number of GiB. */
#define PAGING_IDENTITY_SIZE(gib) ((2 + (gib)) * UINT64_C(0x1000))

/*
 * Build 4-level tables at guest-physical at (4 KiB aligned) that map the first gib GiB (1 to 512)
 * onto themselves with 2 MiB pages, present and writable. cr3 is at. The space must be RAM.
 */
void paging_identity(const struct ram *ram, uint64_t at, int gib);

/* Map one more GiB, the one that begins at n GiB (below 512), by a table at guest-physical table
 * (likewise). */
void paging_identity_add(const struct ram *ram, uint64_t at, uint64_t table, int n);

/*
 * Build 32-bit tables, PAGING_HIGHER_HALF_SIZE bytes at guest-physical at (4 KiB aligned), that map
 * the first 4 MiB of RAM at 0 and again at PAGING_HIGHER_HALF, present and writable. CR3 is at.
 */
#define PAGING_HIGHER_HALF      UINT32_C(0x80000000)
#define PAGING_HIGHER_HALF_SIZE 0x3000
void paging_higher_half(const struct ram *ram, uint32_t at);

/*
 * Translate a linear address by the state's paging mode (none, 32-bit, PAE, 4-level, 5-level) into
 * a guest-physical address; false when it is not mapped or a table is not in RAM. A debugger's
 * walk: no rights are checked and no accessed bit is set.
 */
bool paging_walk(const struct ram *ram, const struct cpu_state *s, uint64_t linear, uint64_t *gpa);

/* Copy up to n bytes from a linear address; the number that could be read. */
int paging_peek(const struct ram *ram, const struct cpu_state *s, uint64_t linear, void *buf,
                int n);

#endif

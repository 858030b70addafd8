/* SPDX-License-Identifier: MIT */
/*
 * The machine's RAM, and the one door to it.
 *
 * Below 4 GiB the PC keeps a hole for the chips (PCI, IOAPIC, local APIC, firmware); what does not
 * fit under the hole continues at 4 GiB:
 *
 *     0                                   first RAM_HOLE bytes of RAM
 *     RAM_HOLE    0xc0000000 .. 4 GiB     no RAM: devices
 *     RAM_HIGH    4 GiB ..                the rest of RAM
 */
#ifndef HW_RAM_H
#define HW_RAM_H

#include <stdbool.h>
#include <stdint.h>

#define RAM_HOLE UINT64_C(0xc0000000)
#define RAM_HIGH UINT64_C(0x100000000)

struct ram {
    uint8_t *host; /* all of it, contiguous on the host */
    uint64_t size; /* bytes, a multiple of 4 KiB */
    int file;      /* what is not touched is that of the file; 0: there is none, and it is zero */
    struct ram_parts *parts; /* but for these: see ram_part() */
};

/* Allocate size bytes (a multiple of 4 KiB) of zeroed RAM, of which the host commits only what is
 * touched. Dies when the host cannot. */
void ram_init(struct ram *ram, uint64_t size);
void ram_free(struct ram *ram);

/* Let it be what a file has, which is closed in the end, or with 0 be zero. Returns an errno, 0 for
 * success. */
int ram_use(struct ram *ram, int file);

/*
 * Let len bytes at guest-physical gpa be what a file has at offset off, all multiples of 4 KiB,
 * until ram_use() or ram_clear(). The host reads what is touched, and shares it with others until
 * it is written; the file stays as it is, and nobody shortens it. There is RAM. False, and nothing
 * has changed, when the host cannot, or there are too many parts.
 */
bool ram_part(const struct ram *ram, uint64_t gpa, uint64_t len, int fd, uint64_t off);

/* Is one of len bytes at an offset in host in such a part? */
bool ram_has_part(const struct ram *ram, uint64_t at, uint64_t len);

/* Zero it, and give it back to the host. */
void ram_clear(struct ram *ram);

/* Bytes of RAM below the hole, and above 4 GiB. */
uint64_t ram_low(const struct ram *ram);
uint64_t ram_high(const struct ram *ram);

/*
 * The host address of len bytes of RAM at guest-physical gpa, or NULL unless all of them are RAM.
 * Safe against any gpa and len, wrapping ones included. Takes no lock: RAM is where it is for the
 * life of the machine. A range may not cross the hole.
 */
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len);

/* The guest-physical address of what ram_at() found. */
uint64_t ram_gpa(const struct ram *ram, const void *host);

#endif

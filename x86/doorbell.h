/* SPDX-License-Identifier: MIT */
/*
 * Doorbells: addresses where a write wakes whoever serves a device, and does nothing else, so that
 * neither the machine's lock nor, where the engine can, a return to minivm is needed.
 */
#ifndef X86_DOORBELL_H
#define X86_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

/* Where a device's driver writes to have its attention: a write of two bytes there rings fd, an
 * eventfd, and nothing else happens. */
struct doorbell {
    bool port; /* or memory-mapped */
    uint64_t addr;
    int match; /* only if this value is written; -1 for whichever */
    int fd;

    /* Where it is not the engine that rings: do in the CPU's thread what is wanted, if that takes
     * no longer than to wake somebody up. False: fd is to be rung. No lock held. May be NULL; else
     * the struct stays until the machine ends. */
    bool (*answer)(const struct doorbell *b);
};

enum {
    DOORBELLS = 128 /* all others are rung in their chips */
};

struct doorbells {
    int n; /* as many of these may be there, the first ones; atomic */
    struct doorbell_slot {
        bool there;
        struct doorbell bell;
        const struct doorbell *owner; /* atomic: as it was given, if it answers */
        uint64_t key; /* atomic: of its place, for doorbell_ring(); 0 where the engine rings it */
    } slot[DOORBELLS];
};

/* A doorbell is there from now on, or no more: see engine->doorbell. Machine locked. */
void machine_doorbell(struct machine *m, const struct doorbell *b, bool on);

/* The machine has another engine, which was told of none of them yet. Nothing runs. */
void doorbells_move(struct machine *m);

/* Two bytes are written at an address: ring the doorbell there. False when there is none. Any
 * thread, no lock held. */
bool doorbell_ring(struct doorbells *d, bool port, uint64_t addr, uint16_t val);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs of one machine share, and how they reach each other.
 */
#ifndef X86_SOFT_ENGINE_H
#define X86_SOFT_ENGINE_H

#include "hw/ram.h"
#include "x86/soft/soft.h"

struct soft_vm {
    struct machine *machine;
    struct ram *ram;
    uint8_t *coders;       /* for each page of RAM: CPUs that have lines of it; atomic */
    pthread_mutex_t split; /* held while an operand is a copy: see soft_rmw_slow() */
    uint64_t noted;        /* how many times a CPU was noted in coders; atomic */
    pthread_mutex_t news;  /* what CPUs are told by soft_tell_others() */
    int cpus;
    struct soft *cpu[]; /* by index */
};

/* Set request bits of one CPU, or of all but c. Any thread, any lock. */
void soft_ask(struct soft *c, uint32_t request);
void soft_ask_others(struct soft *c, uint32_t request);

/*
 * Tell all CPUs but c of RAM's page of that number, by REQUEST_CODE_NOTED, which adds 1 to
 * vm->noted, or REQUEST_CODE_CHANGED. Returns the new vm->noted. Any lock but vm->news.
 */
uint64_t soft_tell_others(struct soft *c, uint32_t request, size_t page);

/* Do all CPUs but c know of the first `noted` pages, or will they before they run? */
bool soft_others_know(struct soft *c, uint64_t noted);

/* ---- memory.c, for line.c ---- */

/* The guest-physical address of code at linear, and whether its page is global. Raises. */
uint64_t soft_code_address(struct soft *c, uint64_t linear, bool *global);

/* RAM's page of that number has code now: no TLB entry may write to it. */
void soft_protect_page(struct soft *c, size_t page);

#endif

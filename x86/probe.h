/* SPDX-License-Identifier: MIT */
/*
 * Guests of a few bytes, one for each processor mode, that show what an engine can really run.
 */
#ifndef X86_PROBE_H
#define X86_PROBE_H

#include "hw/ram.h"
#include "x86/machine.h"

enum probe_mode {
    PROBE_REAL,    /* 16-bit real mode */
    PROBE_FLAT32,  /* 32-bit protected mode */
    PROBE_PAGED32, /* 32-bit protected mode with paging */
    PROBE_LONG,    /* 64-bit mode */
    PROBE_SPEED,   /* 64-bit mode: a loop of PROBE_INSTRUCTIONS */
    PROBE_MODES,
};

#define PROBE_INSTRUCTIONS 2000000

/* The other guests run a loop of so many instructions, too. If that takes more processor time than
 * this, in ns, they were interpreted, by a stand-in for KVM. */
#define PROBE_SHORT_INSTRUCTIONS 10000
#define PROBE_SLOW_NS            2000000

/* The status that a probe exits with. */
#define PROBE_STATUS 42

/* A probe uses only RAM below this address. */
#define PROBE_END 0x10000

/* "16-bit real mode" and so on. */
const char *probe_name(enum probe_mode mode);

/* Put the guest in RAM and set s to its start. It calls EXIT with PROBE_STATUS, in BL. */
void probe_load(const struct ram *ram, enum probe_mode mode, struct cpu_state *s);

enum probe_outcome {
    PROBE_FAILED, /* it did not do what it should */
    PROBE_SLOW,   /* it did, in more than PROBE_SLOW_NS, however often it was tried */
    PROBE_RAN,
};

/* Run the guest on CPU 0 of a machine that has not started yet. The machine is afterwards as it
 * was, with the RAM below PROBE_END cleared. */
enum probe_outcome probe_run(struct machine *m, enum probe_mode mode);

#endif

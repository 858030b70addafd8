/* SPDX-License-Identifier: MIT */
/*
 * What `minivm run` boots: the files that the user named, what they are, and how each kind of guest
 * gets into the machine.
 */
#ifndef TOOLS_MINIVM_LOAD_H
#define TOOLS_MINIVM_LOAD_H

#include "boot/cpio.h"
#include "boot/image.h"
#include "boot/kernel.h"
#include "boot/realmode.h"
#include "boot/vmlinux.h"
#include "tools/minivm/minivm.h"
#include "x86/machine.h"
#include "x86/probe.h"

#include <stdio.h>

struct resume;

struct load {
    const struct options *options;
    struct resume *resume; /* in place of all of it (tools/minivm/resume.h); or NULL */

    /* Flat programs: the one of --pmode or --long, if there is one, and 16-bit ones. */
    struct image program[1 + REALMODE_MAX];
    int programs;

    /* Or a kernel, and the way to boot it. */
    const struct way *way; /* NULL when there is none */
    struct kernel kernel;
    struct vmlinux inside; /* kernel.inside, if it has one */
    const char *packed;    /* why it has none, where that is no wish of the user's; or NULL */
    uint64_t sequence;     /* kernel.sequence, with the instruction clock */
    bool is_linux;
    int ports; /* that its command has (tools/minivm/ports.h) */
    struct cpio extra;
    const char *cmdline;
};

/* Open the files, and find out what they are. Dies when one cannot be used, or when the options do
 * not suit it. */
void load_open(struct load *l, const struct options *o);

/* What the guest of CPU n is called: its file's name. */
const char *load_name(const struct load *l, int n);

/* The machine that the guests need: ram, cpus, guests and apic of c; of one that goes on, all that
 * was saved. */
void load_config(const struct load *l, struct config *c);

/* What an engine has to be able to for these guests. */
enum probe_mode load_mode(const struct load *l);

/* Can the machine's engine run such a guest and, if truly, not only interpret it? NULL, or why not.
 * Before load_guests(). */
const char *load_probe(const struct load *l, struct machine *m, bool truly);

/* Where the code of a kernel begins that was unpacked before it booted, as it sees itself, and how
 * far that is above where it was linked; 0 and 0 of others. */
void load_place(const struct load *l, uint64_t *start, uint64_t *moved);

/* Say in a line how a kernel boots and where it is now. */
void load_say(const struct load *l, FILE *f);

/* Warn on stderr, in one line, of what will stop the guest early, where that can be seen. */
void load_warn(const struct load *l);

/* Put the guests into a machine after power-on: what firmware and a boot loader would have done. */
void load_guests(struct load *l, struct machine *m);

#endif

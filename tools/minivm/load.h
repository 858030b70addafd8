/* SPDX-License-Identifier: MIT */
/*
 * What `minivm run` boots: the files that the user named, and how each kind of guest gets into the
 * machine.
 */
#ifndef TOOLS_MINIVM_LOAD_H
#define TOOLS_MINIVM_LOAD_H

#include "boot/bzimage.h"
#include "boot/cpio.h"
#include "boot/image.h"
#include "boot/realmode.h"
#include "tools/minivm/minivm.h"
#include "x86/machine.h"

struct load {
    const struct options *options;
    struct image image[REALMODE_MAX]; /* programs; a --pmode or --long one is the first */
    struct image initrd;
    struct cpio extra;
    struct bzimage kernel;
    char *cmdline; /* the kernel's; NULL when the guest is no Linux */
};

/* Open the files. Dies when one cannot be used. */
void load_open(struct load *l, const struct options *o);

/* The machine that the guests need: ram, cpus and apic of c. */
void load_config(const struct load *l, struct config *c);

/* Can the host run such a guest? NULL, or why not and what would help. Before load_guests(). */
const char *load_probe(const struct load *l, struct machine *m);

/* Put the guests into a machine after power-on: what firmware and a boot loader would have done. */
void load_guests(struct load *l, struct machine *m);

#endif

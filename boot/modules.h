/* SPDX-License-Identifier: MIT */
/*
 * The modules of a Linux kernel, which the host has as files, for an initramfs.
 */
#ifndef BOOT_MODULES_H
#define BOOT_MODULES_H

#include "boot/cpio.h"

#include <stdbool.h>

#define MODULES_MAX 64

/* Zero it before modules_find(), but for: */
struct modules {
    bool lenient; /* what cannot be read or unpacked is left out, without a word */
    bool later;   /* those that are added now can wait until a command has begun */
    char *dir;
    char *list;                    /* of what is below it: its modules.dep or modules.order */
    const char *line[MODULES_MAX]; /* those of list whose modules have been taken */
    int taken, files;
};

/*
 * Find the modules of the kernel that the file is, which calls itself version ("6.1.0-57-amd64",
 * and what follows that). given is their directory, or the one that it was installed below
 * (INSTALL_MOD_PATH). Where it is NULL they are looked for in `modules` beside the kernel; in
 * ../lib/modules/VERSION, from there; in the tree in which the kernel was built; and in
 * /lib/modules/VERSION. False when there are none. Dies when given has none.
 */
bool modules_find(struct modules *m, const char *kernel, const char *version, const char *given);

/*
 * Add the module of that name to the archive, unpacked, behind all that it needs, as
 * minivm/modules/NN-NAME.ko, or minivm/later/NN-NAME.ko: to be loaded in the order of these names.
 * False when there is no such
 * module: it may be built in. Dies when a file cannot be read or unpacked, unless that is left out.
 */
bool modules_add(struct modules *m, struct cpio *c, const char *name);

void modules_close(struct modules *m);

#endif

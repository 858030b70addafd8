/* SPDX-License-Identifier: MIT */
/*
 * --root: a directory or a disk of the host as the guest's root, and the initramfs that mounts it.
 */
#ifndef TOOLS_MINIVM_ROOT_H
#define TOOLS_MINIVM_ROOT_H

#include "boot/cpio.h"

#include <stdbool.h>

/* The tag of the share that is the root. */
#define ROOT_TAG "/dev/root"

/* All zero: the guest has no such root. */
struct root {
    char *dir;  /* the real path of a directory; NULL when it is a disk */
    bool write; /* DIR,rw: what the guest writes is written there, not forgotten at the end */
    bool disk;
};

/* What --root was given: DIR, DIR,rw, or anything else, which is a disk. Dies when a directory
 * cannot be read, or has nothing to run: command is what was given behind --, or NULL. */
void root_parse(struct root *r, const char *said, char **command);

/*
 * Add to an archive what makes it an initramfs that mounts the root and there runs the command, or
 * a shell, or on a disk its init (initramfs/root.c). The command runs in a directory as the user
 * who calls, in the same working directory and environment as far as those make sense there; on a
 * disk as root. raw: its bytes pass unchanged, as its output is no terminal. ports: what is told of
 * them (initramfs/root.c), or NULL.
 */
void root_initramfs(struct cpio *c, const struct root *r, char **command, bool raw,
                    const char *ports);

#endif

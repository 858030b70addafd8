/* SPDX-License-Identifier: MIT */
/*
 * A look at what Linux would unpack as its initramfs: is there a program to start?
 */
#ifndef BOOT_INITRAMFS_H
#define BOOT_INITRAMFS_H

#include "boot/kernel.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * True when Linux will find no first program in the modules of k (there may be none), nor elsewhere
 * by k->cmdline (root=, rdinit=); text then says why, in one line. What cannot be seen, as it is
 * very large or compressed in an unknown way, is taken to be right. Dies like image_read().
 */
bool initramfs_problem(const struct kernel *k, char *text, size_t size);

#endif

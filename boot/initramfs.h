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
 * Will Linux look in vain for its first program in the modules of k, of which there may be none,
 * and k->cmdline not help it out (root=, rdinit=)? Then true, and why in text, one line. What
 * cannot be seen, as it is compressed in a way that cannot be unpacked here or very large, is taken
 * to be all right. Dies like image_read().
 */
bool initramfs_problem(const struct kernel *k, char *text, size_t size);

#endif

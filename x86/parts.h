/* SPDX-License-Identifier: MIT */
/*
 * The parts of a board that have a state, for whoever goes from one to the next.
 */
#ifndef X86_PARTS_H
#define X86_PARTS_H

#include "hw/device.h"

/* Somebody who wants to see them, embedded in its owner. Each is shown once, in an order that
 * depends on nothing but what the machine was made of, with its name there ("pic", "disk 1 ring"),
 * of PART_NAME bytes at most. */
#define PART_NAME 32
struct parts {
    void (*see)(struct parts *p, const char *name, struct device *d);
};

/* Show one, with a number in its name where that is not below 0. */
void parts_show(struct parts *p, const char *name, int n, const char *what, struct device *d);

#endif

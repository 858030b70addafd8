/* SPDX-License-Identifier: MIT */
/*
 * Which engine a guest gets.
 */
#ifndef TOOLS_MINIVM_CHOOSE_H
#define TOOLS_MINIVM_CHOOSE_H

#include "tools/minivm/load.h"
#include "tools/minivm/minivm.h"
#include "x86/machine.h"

struct choice {
    const struct engine *engine;
    const char *no_kvm; /* why it is not KVM, unless the user chose so */
    char why[256];
};

/* The engine to begin with: of `auto` it is KVM where there is one, or the one that a machine had
 * which goes on. Dies when that one is not to be had. */
void choose_engine(struct choice *c, const struct load *l);

/* Try the engine in the guests' machine, which has not started. If it does not suit, the machine
 * gets another, or minivm dies where the user wants KVM. */
void choose_again(struct choice *c, struct load *l, struct machine *m);

/* With --verbose: say which it is, and why. */
void choose_say(const struct choice *c, const struct machine *m);

#endif

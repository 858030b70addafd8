/* SPDX-License-Identifier: MIT */
/*
 * A machine that stands still is saved in a directory, and made again from it.
 *
 *     state     what the machine was made of, its CPUs, its chips: x86/state-file.h
 *     ram       its RAM, byte by byte, with holes where it is zero
 *
 * RAM is mapped when the machine is made again: nothing of it is read before it is touched, and
 * what the guest writes stays its own. So any number of machines may go on from one snapshot at
 * once, and its files must not change while they run.
 */
#ifndef X86_SNAPSHOT_H
#define X86_SNAPSHOT_H

#include "x86/machine.h"
#include "x86/state-file.h"

struct snapshot {
    const char *dir;
    struct state_file state; /* its owner may add sections of its own, and find them again */
    int ram;                 /* the file */
    char problem[200];       /* words that follow the directory's name */
};

/*
 * Save a machine into a new directory, which is made, or replaced as a whole if it has a snapshot.
 * s has the owner's sections, or is {0}. False, and a problem, when that cannot be; then there is
 * no new directory. Machine locked, and it stands still or has stopped, with all CPUs inspected.
 */
bool snapshot_save(struct snapshot *s, struct machine *m, const char *dir);

/* Open one. False, and a problem, when there is none that can be used. */
bool snapshot_open(struct snapshot *s, const char *dir);

/* What the machine was made of, and the engine it had: fill in that part of config. False, and a
 * problem, likewise. */
bool snapshot_config(struct snapshot *s, struct config *c);

/*
 * Give a machine, which was made of that config and has not run, the state that was saved. False,
 * and a problem, when it was made of something else or its engine cannot; then it cannot run.
 */
bool snapshot_restore(struct snapshot *s, struct machine *m);

/* Forget it; machines that were made from it go on. */
void snapshot_close(struct snapshot *s);

#endif

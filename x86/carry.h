/* SPDX-License-Identifier: MIT */
/*
 * A guest moves to another engine.
 */
#ifndef X86_CARRY_H
#define X86_CARRY_H

#include "x86/machine.h"

/*
 * Carry a machine that stands still, or has stopped, over to another engine: its CPUs go on there.
 * The guest does not notice, if the machine is portable or the guest looks neither at CPUID nor at
 * the TSC. Not with the instruction clock. Dies when the host cannot have that engine or not with
 * such a TSC; false when the CPUs' states cannot be had, and the machine is as it was. Machine
 * locked.
 */
bool machine_carry(struct machine *m, const struct engine *engine);

/*
 * The states of the CPUs were read one after another, so that their TSCs may differ by what that
 * took. Make those the same that are less than a second apart: they are meant to be, and so KVM
 * takes it, too. The CPUs are inspected.
 */
void machine_level_tscs(struct machine *m);

#endif

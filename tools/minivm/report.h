/* SPDX-License-Identifier: MIT */
/*
 * Where the guest is, in words: for a guest that hangs or crashed.
 */
#ifndef TOOLS_MINIVM_REPORT_H
#define TOOLS_MINIVM_REPORT_H

#include "tools/minivm/terminal.h"
#include "tools/minivm/symbols.h"
#include "x86/machine.h"

#include <stdio.h>

/* A line for each CPU, from v->state as of when it stood still, the console's last line, and the
 * registers of the first CPU that is running, or else of the first. symbols may be NULL; so may t,
 * when there is no such line. */
void report_where(struct machine *m, struct terminal *t, const struct symbols *symbols, FILE *f);

/* The registers of all CPUs, likewise. */
void report_registers(struct machine *m, FILE *f);

/* A line for each CPU that did not come to stand still when the machine stopped. */
void report_stuck(const struct machine *m, FILE *f);

/* The last line on the console, for a report on the only guest. */
void report_last_line(struct terminal *t, FILE *f);

/* How a vCPU crashed (v->crash), with its registers and the bytes at RIP. name is the guest's. */
void report_crash(const struct vcpu *v, const char *name, const struct symbols *symbols, FILE *f);

#endif

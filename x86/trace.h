/* SPDX-License-Identifier: MIT */
/*
 * A line of text for each exit to minivm, for those who want to watch a guest (config.trace).
 *
 *     CPU 0: io out port 0x3f8 size 1 value 0x48 'H' (serial8250)
 *     CPU 0: io out port 0x500 size 1 value 0x3 (hypercall PUTNUM 42)
 *     CPU 0: hlt
 *
 * An engine calls these after the access, in the vCPU's thread, machine not locked. Without
 * config.trace they do nothing.
 */
#ifndef X86_TRACE_H
#define X86_TRACE_H

#include "x86/vcpu.h"

/* A port access of 1, 2 or 4 bytes: what was written, or what was read. */
void trace_io(struct vcpu *v, bool out, uint16_t port, int size, uint64_t val);

/* An access to memory that is not RAM. */
void trace_mmio(struct vcpu *v, bool write, uint64_t addr, int size, uint64_t val);

/* Any other exit. */
void trace_exit(struct vcpu *v, const char *reason);

#endif

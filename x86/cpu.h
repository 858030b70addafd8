/* SPDX-License-Identifier: MIT */
/*
 * The architectural state of an x86 processor, in this project's own terms: what a boot loader
 * fills in and what an engine runs.
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "x86/arch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* General registers, in the order of their encoding. */
enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
};

/* Segment types of the SDM, "Code- and Data-Segment Descriptor Types" and "System Descriptor
 * Types", with the accessed or busy bit set as a loaded segment has it. */
enum {
    SEGMENT_DATA = 0x3,
    SEGMENT_CODE = 0xb,
    SEGMENT_LDT = 0x2,
    SEGMENT_TSS = 0xb,
};

struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, whatever g says */
    uint16_t selector;
    uint8_t type, dpl;
    bool s, present, avl, l, db, g;
};

struct descriptor_table {
    uint64_t base;
    uint16_t limit;
};

struct cpu_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    struct segment cs, ds, es, fs, gs, ss, tr, ldt;
    struct descriptor_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, efer;
};

/* 16-bit real mode: every segment has the base, IP = 0, SP = 0xfffe, interrupts off. base is a
 * multiple of 16 below 1 MiB. */
void cpu_real_mode(struct cpu_state *s, uint32_t base);

/* 32-bit protected mode without paging: all segments flat 4 GiB, with the selectors of the Linux
 * boot protocol (code 0x10, data 0x18), interrupts off. RIP and the GDT are the caller's. */
void cpu_flat32(struct cpu_state *s);

/* 64-bit mode: as above, with paging by the 4-level tables at cr3. */
void cpu_long_mode(struct cpu_state *s, uint64_t cr3);

/* The mode in words: "real mode", "16-bit protected mode", "32-bit protected mode",
 * "32-bit protected mode with paging", "virtual-8086 mode", "64-bit mode", "compatibility mode". */
const char *cpu_mode(const struct cpu_state *s);

/* All registers, a few lines of text. */
void cpu_print(const struct cpu_state *s, FILE *f);

#endif

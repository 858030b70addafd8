/* SPDX-License-Identifier: MIT */
/*
 * The architectural state of an x86 processor, in this project's own terms: what a boot loader
 * fills in and what an engine runs. It is all that an engine holds, in plain data, so that a guest
 * can move from one engine to another.
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "hw/device.h"
#include "hw/lapic.h"
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

PLAIN_BEGIN
struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, whatever g says */
    uint16_t selector;
    uint8_t type, dpl;
    bool s, present, avl, l, db, g;
    uint8_t spare[2];
};

struct descriptor_table {
    uint64_t base;
    uint16_t limit;
    uint8_t spare[6];
};
PLAIN_END

/* What the CPU does. */
enum cpu_activity {
    CPU_ACTIVE,
    CPU_HALTED,  /* until an interrupt */
    CPU_WAITING, /* for a start-up message */
};

/* An event that the CPU has taken, and that is delivered before the next instruction. */
enum cpu_event {
    EVENT_NONE,
    EVENT_INTERRUPT,
    EVENT_NMI,
    EVENT_EXCEPTION,
};

/* No interrupt is taken before the next instruction has ended: it follows one of these. */
enum {
    SHADOW_STI = 1,
    SHADOW_MOV_SS = 2,
};

/* The XSAVE area in its standard form: the legacy area, the header, and all components that today's
 * processors have without being asked for (AMX must be). */
enum {
    CPU_XSAVE_SIZE = 4096,
    XSAVE_MXCSR = 24, /* bytes from its start */
    XSAVE_LEGACY = 416,
    XSAVE_HEADER = 512,
};

PLAIN_BEGIN
struct cpu_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    struct segment cs, ds, es, fs, gs, ss, tr, ldt;
    struct descriptor_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, efer;

    /* The others, which no loader needs to set. */
    uint64_t xcr0, dr[8]; /* DR4 and DR5 are none */

    /* The TSC, and the machine's clock in ns when it read so. Both are 0 when they began together:
     * then the engine's own TSC will do. */
    uint64_t tsc, tsc_at;

    uint64_t random; /* with the instruction clock: where RDRAND's sequence is */

    /* MSRs, as listed in cpu_msrs[]. */
    uint64_t tsc_adjust, sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t misc_enable, pat, mtrr_def_type, mtrr_fixed[MTRR_FIXED];
    uint64_t mtrr_variable[2 * MTRR_VARIABLE], spec_ctrl, xss;
    uint64_t kvm_wall_clock, kvm_system_time, kvm_async_pf_en, kvm_async_pf_int;
    uint64_t kvm_steal_time, kvm_eoi_en, kvm_poll_control;

    uint8_t activity; /* enum cpu_activity */
    uint8_t shadow;
    bool nmi_pending, nmi_masked;
    uint8_t event, event_vector; /* enum cpu_event */
    bool event_has_code;
    uint8_t spare;
    uint32_t event_code;
    uint8_t more_spare[36];

    struct lapic_page lapic; /* where the machine has local APICs */
    uint8_t xsave[CPU_XSAVE_SIZE] __attribute__((aligned(64)));
};
PLAIN_END

/* MSRs that hold a value, and where it is in the state. An engine skips those of features that it
 * does not offer. */
struct cpu_msr {
    uint32_t index;
    uint16_t offset;
};
#define CPU_MSRS 48
extern const struct cpu_msr cpu_msrs[CPU_MSRS];

static inline uint64_t *cpu_msr(const struct cpu_state *s, const struct cpu_msr *m)
{
    return (uint64_t *)((char *)s + m->offset);
}

/* After power-on and firmware's work: at the reset vector. The first CPU boots, the others wait for
 * a start-up message. */
void cpu_power_on(struct cpu_state *s, int index);

/* The following are states of the CPU that boots; all else is as after power-on. */

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

/* SPDX-License-Identifier: MIT */
/*
 * The architecture's constants: registers' bits, numbers of MSRs, page table entries, exceptions.
 * Everything that names one takes it from here.
 *
 * After: Intel SDM vol. 1, "EFLAGS Register"; vol. 3A, "Control Registers", "Debug Registers",
 * "Paging", "Exception and Interrupt Reference"; vol. 4, "Architectural MSRs".
 *
 * Left out: the local APIC's registers and MSRs, which hw/lapic.h has.
 */
#ifndef X86_ARCH_H
#define X86_ARCH_H

#include <stdint.h>

enum {
    EFLAGS_CF = 1 << 0,
    EFLAGS_FIXED = 1 << 1, /* always reads as one */
    EFLAGS_PF = 1 << 2,
    EFLAGS_AF = 1 << 4,
    EFLAGS_ZF = 1 << 6,
    EFLAGS_SF = 1 << 7,
    EFLAGS_TF = 1 << 8,
    EFLAGS_IF = 1 << 9,
    EFLAGS_DF = 1 << 10,
    EFLAGS_OF = 1 << 11,
    EFLAGS_IOPL = 3 << 12,
    EFLAGS_NT = 1 << 14,
    EFLAGS_RF = 1 << 16,
    EFLAGS_VM = 1 << 17,
    EFLAGS_AC = 1 << 18,
    EFLAGS_VIF = 1 << 19,
    EFLAGS_VIP = 1 << 20,
    EFLAGS_ID = 1 << 21,
    EFLAGS_ARITHMETIC = EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF,
};

enum {
    CR0_PE = 1 << 0,
    CR0_MP = 1 << 1,
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_ET = 1 << 4,
    CR0_NE = 1 << 5,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR0_NW = 1 << 29,
    CR0_CD = 1 << 30,

    CR3_PCID = 0xfff,

    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_LA57 = 1 << 12,
    CR4_FSGSBASE = 1 << 16,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,

    EFER_SCE = 1 << 0,
    EFER_LME = 1 << 8,
    EFER_LMA = 1 << 10,
    EFER_NXE = 1 << 11,
};
#define CR0_PG       (UINT64_C(1) << 31)
#define CR3_NO_FLUSH (UINT64_C(1) << 63)

enum {
    DR6_HITS = 0xf, /* B0 to B3 */
    DR6_BD = 1 << 13,
    DR6_BS = 1 << 14,
    DR6_BT = 1 << 15,
    DR6_FIXED = 0xffff0ff0,
    DR7_ENABLES = 0xff,
    DR7_FIXED = 1 << 10,
    DR7_GD = 1 << 13,
};

/* Entries of page tables. */
enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)
#define PTE_NX      (UINT64_C(1) << 63)

/* Exceptions' vectors. */
enum {
    EXCEPTION_DE = 0,
    EXCEPTION_DB = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_BP = 3,
    EXCEPTION_OF = 4,
    EXCEPTION_BR = 5,
    EXCEPTION_UD = 6,
    EXCEPTION_NM = 7,
    EXCEPTION_DF = 8,
    EXCEPTION_TS = 10,
    EXCEPTION_NP = 11,
    EXCEPTION_SS = 12,
    EXCEPTION_GP = 13,
    EXCEPTION_PF = 14,
    EXCEPTION_MF = 16,
    EXCEPTION_AC = 17,
    EXCEPTION_XM = 19,
};

/* Model-specific registers. */
enum {
    MSR_P5_MC_ADDR = 0x0,
    MSR_P5_MC_TYPE = 0x1,
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_SPEC_CTRL = 0x48,
    MSR_TSC_ADJUST = 0x3b,
    MSR_MICROCODE = 0x8b, /* IA32_BIOS_SIGN_ID */
    MSR_MTRR_CAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_PHYS_BASE0 = 0x200, /* base, mask, base, mask, ... */
    MSR_MTRR_FIX_64K = 0x250,
    MSR_MTRR_FIX_16K = 0x258,
    MSR_MTRR_FIX_4K = 0x268,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_XSS = 0xda0,

    /* Linux, Documentation/virt/kvm/x86/msr.rst */
    MSR_KVM_WALL_CLOCK = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME = 0x4b564d01,
    MSR_KVM_ASYNC_PF_EN = 0x4b564d02,
    MSR_KVM_STEAL_TIME = 0x4b564d03,
    MSR_KVM_EOI_EN = 0x4b564d04,
    MSR_KVM_POLL_CONTROL = 0x4b564d05,
    MSR_KVM_ASYNC_PF_INT = 0x4b564d06,
};
#define MSR_EFER           UINT32_C(0xc0000080)
#define MSR_STAR           UINT32_C(0xc0000081)
#define MSR_LSTAR          UINT32_C(0xc0000082)
#define MSR_CSTAR          UINT32_C(0xc0000083)
#define MSR_FMASK          UINT32_C(0xc0000084)
#define MSR_FS_BASE        UINT32_C(0xc0000100)
#define MSR_GS_BASE        UINT32_C(0xc0000101)
#define MSR_KERNEL_GS_BASE UINT32_C(0xc0000102)
#define MSR_TSC_AUX        UINT32_C(0xc0000103)

#define MISC_ENABLE_NO_XD (UINT64_C(1) << 34)
#define MISC_ENABLE_WRITABLE                                                                       \
    (MISC_ENABLE_NO_XD | MISC_ENABLE_FAST_STRING | MISC_ENABLE_THERMAL | MISC_ENABLE_SPEED_STEP |  \
     MISC_ENABLE_MONITOR | MISC_ENABLE_LIMIT_CPUID | MISC_ENABLE_NO_XTPR)
#define PAT_RESET UINT64_C(0x0007040600070406)

enum {
    MISC_ENABLE_FAST_STRING = 1 << 0,
    MISC_ENABLE_PMU = 1 << 7,     /* read only, as are */
    MISC_ENABLE_NO_BTS = 1 << 11, /* no branch trace store, and */
    MISC_ENABLE_NO_PEBS = 1 << 12,
    MISC_ENABLE_READ_ONLY = MISC_ENABLE_PMU | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS,
    MISC_ENABLE_THERMAL = 1 << 3,
    MISC_ENABLE_SPEED_STEP = 1 << 16,
    MISC_ENABLE_MONITOR = 1 << 18,
    MISC_ENABLE_LIMIT_CPUID = 1 << 22,
    MISC_ENABLE_NO_XTPR = 1 << 23,

    DEBUGCTL_LBR = 1 << 0,
    DEBUGCTL_BTF = 1 << 1,

    MTRR_VARIABLE = 8, /* how many pairs of them there are */
    MTRR_FIXED = 11,   /* registers */
    MTRR_CAP_FIXED = 1 << 8,
    MTRR_CAP_WRITE_COMBINING = 1 << 10,
    MTRR_DEF_FIXED = 1 << 10,
    MTRR_DEF_ENABLE = 1 << 11, /* the type stands below */
    MTRR_MASK_VALID = 1 << 11,

    MEMORY_WRITE_BACK = 6,
    MEMORY_UNCACHED_MINUS = 7, /* in the PAT alone */
};

#endif

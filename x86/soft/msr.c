// SPDX-License-Identifier: MIT
/*
 * Model-specific registers.
 *
 * After: Intel SDM vol. 4, "Architectural MSRs"; vol. 3A, "Memory Type Range Registers", "Page
 * Attribute Table", "Extended Feature Enable Register", "Time-Stamp Counter Adjustment".
 *
 * Left out: those of features that CPUID does not offer (performance counters, thermal and power
 * management, virtualization, XSAVES). Kernels ask for them behind CPUID, or expect that asking may
 * fail. Memory types are stored and never looked at: all RAM is write-back, and chips are never
 * cached. No bit of MISC_ENABLE has an effect.
 */
#include "x86/soft/exec.h"

#include <stddef.h>

#define MTRR_DEF_BITS      (MTRR_DEF_FIXED | MTRR_DEF_ENABLE)
#define MICROCODE_REVISION (UINT64_C(1) << 32)
#define PHYSICAL_PAGES     UINT64_C(0xfffffff000) /* addresses of 40 bits */

/* Registers that hold a value, and no more. */
static const struct plain {
    uint32_t msr, offset;
    enum {
        ANY,
        CANONICAL,
        HALF, /* 32 bits; the others are reserved */
    } takes;
} plain[] = {
    /* clang-format off */
    {MSR_SYSENTER_CS,    offsetof(struct soft, sysenter_cs),      ANY},
    {MSR_SYSENTER_ESP,   offsetof(struct soft, sysenter_esp),     CANONICAL},
    {MSR_SYSENTER_EIP,   offsetof(struct soft, sysenter_eip),     CANONICAL},
    {MSR_STAR,           offsetof(struct soft, star),             ANY},
    {MSR_LSTAR,          offsetof(struct soft, lstar),            CANONICAL},
    {MSR_CSTAR,          offsetof(struct soft, cstar),            CANONICAL},
    {MSR_FMASK,          offsetof(struct soft, fmask),            HALF},
    {MSR_FS_BASE,        offsetof(struct soft, segment[FS].base), CANONICAL},
    {MSR_GS_BASE,        offsetof(struct soft, segment[GS].base), CANONICAL},
    {MSR_KERNEL_GS_BASE, offsetof(struct soft, kernel_gs_base),   CANONICAL},
    {MSR_TSC_AUX,        offsetof(struct soft, tsc_aux),          HALF},
    /* clang-format on */
};

static const struct plain *find_plain(uint32_t msr)
{
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (plain[i].msr == msr)
            return &plain[i];
    return NULL;
}

static uint64_t *at(struct soft *c, const struct plain *p)
{
    return (uint64_t *)((char *)c + p->offset);
}

static bool is_apic(uint32_t msr)
{
    return msr == LAPIC_MSR_BASE || msr == LAPIC_MSR_TSC_DEADLINE ||
           msr - LAPIC_MSR_X2APIC < LAPIC_MSR_X2APIC_COUNT;
}

/* Memory types that MTRRs may have. */
static bool is_type(uint8_t type)
{
    return type <= MEMORY_WRITE_BACK && type != 2 && type != 3;
}

/* Eight types, in a byte each. */
static bool are_types(uint64_t val, bool pat)
{
    for (int i = 0; i < 64; i += 8) {
        uint8_t type = val >> i;

        if (!is_type(type) && !(pat && type == MEMORY_UNCACHED_MINUS))
            return false;
    }
    return true;
}

/* A memory type range register but MTRR_CAP and MTRR_DEF_TYPE, or NULL. */
static uint64_t *find_mtrr(struct soft *c, uint32_t msr)
{
    if (msr >= MSR_MTRR_PHYS_BASE0 && msr < MSR_MTRR_PHYS_BASE0 + 2 * MTRR_VARIABLE)
        return &c->mtrr_variable[msr - MSR_MTRR_PHYS_BASE0];
    if (msr == MSR_MTRR_FIX_64K)
        return &c->mtrr_fixed[0];
    if (msr == MSR_MTRR_FIX_16K || msr == MSR_MTRR_FIX_16K + 1)
        return &c->mtrr_fixed[1 + msr - MSR_MTRR_FIX_16K];
    if (msr >= MSR_MTRR_FIX_4K && msr < MSR_MTRR_FIX_4K + 8)
        return &c->mtrr_fixed[3 + msr - MSR_MTRR_FIX_4K];
    return NULL;
}

static bool mtrr_takes(uint32_t msr, uint64_t val)
{
    if (msr >= MSR_MTRR_FIX_64K)
        return are_types(val, false);
    if (msr & 1)
        return !(val & ~(PHYSICAL_PAGES | MTRR_MASK_VALID));
    return is_type(val) && !(val & ~(PHYSICAL_PAGES | 0xff));
}

bool soft_rdmsr(struct soft *c, uint32_t msr, uint64_t *val)
{
    const struct plain *p = find_plain(msr);
    const uint64_t *mtrr = find_mtrr(c, msr);

    if (is_apic(msr))
        return soft_apic_rdmsr(c, msr, val);
    if (p || mtrr) {
        *val = p ? *at(c, p) : *mtrr;
        return true;
    }
    switch (msr) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP: /* no banks: there is never a machine check */
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:
        *val = 0;
        break;
    case MSR_TSC:
        *val = soft_tsc(c);
        break;
    case MSR_TSC_ADJUST:
        *val = c->tsc_adjust;
        break;
    case MSR_MICROCODE:
        *val = MICROCODE_REVISION;
        break;
    case MSR_MISC_ENABLE:
        *val = c->misc_enable | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS; /* and no PMU */
        break;
    case MSR_MTRR_CAP:
        *val = MTRR_VARIABLE | MTRR_CAP_FIXED | MTRR_CAP_WRITE_COMBINING;
        break;
    case MSR_MTRR_DEF_TYPE:
        *val = c->mtrr_def_type;
        break;
    case MSR_PAT:
        *val = c->pat;
        break;
    case MSR_EFER:
        *val = c->efer;
        break;
    default:
        return false;
    }
    return true;
}

/* Make the TSC be ahead of the clock's cycles by this much; TSC_ADJUST tells how far it was moved
 * in all. */
static void move_tsc(struct soft *c, uint64_t offset)
{
    c->tsc_adjust += offset - c->tsc_offset;
    soft_set_tsc_offset(c, offset);
}

static bool write_efer(struct soft *c, uint64_t val)
{
    uint64_t changed = (val ^ c->efer) & (EFER_SCE | EFER_LME | EFER_NXE);

    if (val & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
        return false;
    if (changed & EFER_LME && c->cr0 & CR0_PG)
        return false;
    c->efer ^= changed;
    if (changed & EFER_NXE)
        soft_flush_tlb(c, true);
    return true;
}

static bool write_plain(struct soft *c, const struct plain *p, uint64_t val)
{
    if ((p->takes == CANONICAL && !soft_canonical(val)) || (p->takes == HALF && val >> 32))
        return false;
    *at(c, p) = val;
    return true;
}

bool soft_wrmsr(struct soft *c, uint32_t msr, uint64_t val)
{
    const struct plain *p = find_plain(msr);
    uint64_t *mtrr = find_mtrr(c, msr);

    if (is_apic(msr))
        return soft_apic_wrmsr(c, msr, val);
    if (p)
        return write_plain(c, p, val);
    if (mtrr) {
        if (!mtrr_takes(msr, val))
            return false;
        *mtrr = val;
        return true;
    }
    switch (msr) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_MCG_STATUS:
        return !val;
    case MSR_TSC:
        move_tsc(c, c->tsc_offset + val - soft_tsc(c));
        return true;
    case MSR_TSC_ADJUST:
        move_tsc(c, c->tsc_offset + val - c->tsc_adjust);
        return true;
    case MSR_MICROCODE: /* kernels clear it before CPUID fills it */
        return true;
    case MSR_MISC_ENABLE:
        if (val & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_READ_ONLY))
            return false;
        c->misc_enable = val & MISC_ENABLE_WRITABLE;
        return true;
    case MSR_DEBUGCTL: /* as under KVM: taken, and without effect */
        return !(val & ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF));
    case MSR_MTRR_DEF_TYPE:
        if (!is_type(val) || val & ~(uint64_t)(MTRR_DEF_BITS | 0xff))
            return false;
        c->mtrr_def_type = val;
        return true;
    case MSR_PAT:
        if (!are_types(val, true))
            return false;
        c->pat = val;
        return true;
    case MSR_EFER:
        return write_efer(c, val);
    default:
        return false;
    }
}

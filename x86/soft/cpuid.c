// SPDX-License-Identifier: MIT
/*
 * What the processor says that it is.
 *
 * An Atom of a kind that does not speculate, so that kernels leave out guards that this one does
 * not need. Its TSC counts nanoseconds, unless the machine has another rate. x86/cpuid.c fits it
 * into the machine, as it does the host's processor under KVM.
 *
 * After: Intel SDM vol. 2A, "CPUID - CPU Identification"; Linux, "KVM-specific CPUID bits".
 *
 * Left out: what the soft CPU does not have. No feature is listed here without its instructions.
 */
#include "x86/machine.h"
#include "x86/soft/exec.h"

#include <assert.h>

enum {
    FAMILY = 6,
    MODEL = 0x36,
    STEPPING = 1,
    MAX_LEAF = 0x16,

    LINE = 64, /* bytes of the caches' lines */
    XSAVE_SIZE = 512 + 64,
    PHYSICAL_BITS = 40,
    LINEAR_BITS = 48,

    OSXSAVE = 1 << 27,
    APIC = 1 << 9,
    APIC_BASE_ENABLED = 1 << 11,
};
#define HYPERVISOR_LEAF UINT32_C(0x40000000)
#define EXTENDED_LEAF   UINT32_C(0x80000000)
#define POWER_LEAF      UINT32_C(0x80000007) /* the TSC's constant rate is the machine's word */
#define MAX_EXTENDED    UINT32_C(0x80000008)
#define BRAND           "minivm soft CPU"
#define NOP_IO_DELAY    (1 << 1)

/* clang-format off */
const struct soft_feature soft_features[] = {
    {1, 0, SOFT_EDX, 0, true, "fpu"},
    {1, 0, SOFT_EDX, 2, true, "de"},
    {1, 0, SOFT_EDX, 3, true, "pse"},
    {1, 0, SOFT_EDX, 4, true, "tsc"},
    {1, 0, SOFT_EDX, 5, true, "msr"},
    {1, 0, SOFT_EDX, 6, true, "pae"},
    {1, 0, SOFT_EDX, 7, false, "mce"}, /* never happens */
    {1, 0, SOFT_EDX, 8, true, "cx8"},
    {1, 0, SOFT_EDX, 11, true, "sep"},
    {1, 0, SOFT_EDX, 12, true, "mtrr"},
    {1, 0, SOFT_EDX, 13, true, "pge"},
    {1, 0, SOFT_EDX, 14, false, "mca"}, /* of no banks */
    {1, 0, SOFT_EDX, 15, true, "cmov"},
    {1, 0, SOFT_EDX, 16, true, "pat"},
    {1, 0, SOFT_EDX, 17, true, "pse36"},
    {1, 0, SOFT_EDX, 19, true, "clflush"},
    {1, 0, SOFT_EDX, 23, true, "mmx"},
    {1, 0, SOFT_EDX, 24, true, "fxsr"},
    {1, 0, SOFT_EDX, 25, true, "sse"},
    {1, 0, SOFT_EDX, 26, true, "sse2"},
    {1, 0, SOFT_EDX, 27, false, "ss"}, /* caches need no help when memory types change */

    {1, 0, SOFT_ECX, 0, true, "sse3"},
    {1, 0, SOFT_ECX, 9, true, "ssse3"},
    {1, 0, SOFT_ECX, 13, true, "cx16"},
    {1, 0, SOFT_ECX, 17, false, "pcid"},
    {1, 0, SOFT_ECX, 19, true, "sse4_1"},
    {1, 0, SOFT_ECX, 20, true, "sse4_2"},
    {1, 0, SOFT_ECX, 22, true, "movbe"},
    {1, 0, SOFT_ECX, 23, true, "popcnt"},
    {1, 0, SOFT_ECX, 26, true, "xsave"},
    {1, 0, SOFT_ECX, 30, true, "rdrand"},

    {7, 0, SOFT_EBX, 0, true, "fsgsbase"},
    {7, 0, SOFT_EBX, 1, true, "tsc_adjust"},
    {7, 0, SOFT_EBX, 3, true, "bmi1"},
    {7, 0, SOFT_EBX, 7, true, "smep"},
    {7, 0, SOFT_EBX, 8, true, "bmi2"},
    {7, 0, SOFT_EBX, 9, false, "erms"},
    {7, 0, SOFT_EBX, 10, false, "invpcid"},
    {7, 0, SOFT_EBX, 13, false, "zero_fcs_fds"}, /* x87 knows no selectors */
    {7, 0, SOFT_EBX, 18, false, "rdseed"},
    {7, 0, SOFT_EBX, 20, true, "smap"},
    {7, 0, SOFT_EBX, 23, true, "clflushopt"},
    {7, 0, SOFT_ECX, 2, false, "umip"},

    {0xd, 1, SOFT_EAX, 0, true, "xsaveopt"},
    {0xd, 1, SOFT_EAX, 1, false, "xsavec"},
    {0xd, 1, SOFT_EAX, 2, true, "xgetbv1"},

    {0x80000001, 0, SOFT_ECX, 0, true, "lahf_lm"},
    {0x80000001, 0, SOFT_ECX, 5, true, "lzcnt"},
    {0x80000001, 0, SOFT_ECX, 8, false, "prefetchw"},
    {0x80000001, 0, SOFT_EDX, 11, true, "syscall"},
    {0x80000001, 0, SOFT_EDX, 20, true, "nx"},
    {0x80000001, 0, SOFT_EDX, 26, true, "pdpe1gb"},
    {0x80000001, 0, SOFT_EDX, 27, true, "rdtscp"},
    {0x80000001, 0, SOFT_EDX, 29, true, "lm"},

    {0x80000007, 0, SOFT_EDX, 8, true, "invariant_tsc"},
    {0},
};
/* clang-format on */

static void add(struct cpuid *c, struct cpuid_entry e)
{
    assert(c->n < CPUID_MAX);
    c->entry[c->n++] = e;
}

/* The register of the answer that the feature's bit is in; NULL where there is no such leaf. */
static uint32_t *leaf_word(struct cpuid *c, const struct soft_feature *f)
{
    struct cpuid_entry *e = cpuid_find(c, f->leaf, f->index);

    if (!e)
        return NULL;
    switch (f->reg) {
    case SOFT_EAX:
        return &e->eax;
    case SOFT_EBX:
        return &e->ebx;
    case SOFT_ECX:
        return &e->ecx;
    default:
        return &e->edx;
    }
}

static void add_features(struct cpuid *c, bool portable)
{
    for (const struct soft_feature *f = soft_features; f->name; f++)
        if (f->portable || !portable)
            *leaf_word(c, f) |= UINT32_C(1) << f->bit;
}

/* Twelve bytes of text in EBX, ECX, EDX, or sixteen in all four. */
static uint32_t text(const char *s, int at)
{
    uint32_t val;

    memcpy(&val, s + at, 4);
    return val;
}

static struct cpuid_entry cache(uint32_t index, int type, int level, int ways, int sets)
{
    return (struct cpuid_entry){
        .function = 4,
        .index = index,
        .indexed = true,
        .eax = type | level << 5 | 1 << 8, /* which needs no initialization */
        .ebx = (LINE - 1) | (ways - 1) << 22,
        .ecx = sets - 1,
    };
}

static void add_basic(struct cpuid *c, uint32_t mhz)
{
    static const char vendor[] = "GenuineIntel";

    add(c, (struct cpuid_entry){.function = 0,
                                .eax = MAX_LEAF,
                                .ebx = text(vendor, 0),
                                .ecx = text(vendor, 8),
                                .edx = text(vendor, 4)});
    add(c, (struct cpuid_entry){.function = 1,
                                .eax = (MODEL & 0xf0) << 12 | FAMILY << 8 | (MODEL & 0xf) << 4 |
                                       STEPPING,
                                .ebx = LINE / 8 << 8});
    /* TLBs as an Atom has; the caches are in leaf 4. */
    add(c, (struct cpuid_entry){.function = 2, .eax = 0x5ab2ff01});
    add(c, cache(0, 1, 1, 8, 64)); /* data 32 KiB, instructions 32 KiB, both 512 KiB */
    add(c, cache(1, 2, 1, 8, 64));
    add(c, cache(2, 3, 2, 8, 1024));
    add(c, (struct cpuid_entry){.function = 4, .index = 3, .indexed = true});
    add(c, (struct cpuid_entry){.function = 6});
    add(c, (struct cpuid_entry){.function = 7, .index = 0, .indexed = true});
    add(c, (struct cpuid_entry){.function = 0xa});
    /* x87 and SSE state. */
    add(c, (struct cpuid_entry){
               .function = 0xd, .indexed = true, .eax = 3, .ebx = XSAVE_SIZE, .ecx = XSAVE_SIZE});
    add(c, (struct cpuid_entry){.function = 0xd, .index = 1, .indexed = true, .ebx = XSAVE_SIZE});
    add(c, (struct cpuid_entry){.function = 0x16, .eax = mhz, .ebx = mhz, .ecx = mhz});
}

static void add_extended(struct cpuid *c)
{
    static const char brand[48] = BRAND;

    add(c, (struct cpuid_entry){.function = EXTENDED_LEAF, .eax = MAX_EXTENDED});
    add(c, (struct cpuid_entry){.function = EXTENDED_LEAF + 1});
    for (int i = 0; i < 3; i++)
        add(c, (struct cpuid_entry){.function = EXTENDED_LEAF + 2 + i,
                                    .eax = text(brand, 16 * i),
                                    .ebx = text(brand, 16 * i + 4),
                                    .ecx = text(brand, 16 * i + 8),
                                    .edx = text(brand, 16 * i + 12)});
    add(c, (struct cpuid_entry){.function = EXTENDED_LEAF + 6,
                                .ecx = 512 << 16 | 6 << 12 | LINE}); /* 512 KiB, 8 ways */
    add(c, (struct cpuid_entry){.function = EXTENDED_LEAF + 7});
    add(c, (struct cpuid_entry){.function = EXTENDED_LEAF + 8,
                                .eax = LINEAR_BITS << 8 | PHYSICAL_BITS});
}

/* Linux takes x2APIC without interrupt remapping from KVM only. */
static void add_hypervisor(struct cpuid *c)
{
    static const char signature[12] = "KVMKVMKVM";

    add(c, (struct cpuid_entry){.function = HYPERVISOR_LEAF,
                                .eax = HYPERVISOR_LEAF + 1,
                                .ebx = text(signature, 0),
                                .ecx = text(signature, 4),
                                .edx = text(signature, 8)});
    add(c, (struct cpuid_entry){.function = HYPERVISOR_LEAF + 1, .eax = NOP_IO_DELAY});
}

void cpuid_soft(struct cpuid *c, const struct cpuid_config *config)
{
    c->n = 0;
    add_basic(c, config->tsc_khz / 1000);
    add_extended(c);
    add_hypervisor(c);
    add_features(c, config->portable);
    cpuid_filter(c, config);
}

const char *cpuid_missing(struct cpuid *host)
{
    for (const struct soft_feature *f = soft_features; f->name; f++) {
        const uint32_t *have = leaf_word(host, f);

        if (f->portable && f->leaf != POWER_LEAF && !(have && *have >> f->bit & 1))
            return f->name;
    }
    return NULL;
}

struct cpuid_answer soft_cpuid(struct soft *c, uint32_t leaf, uint32_t index)
{
    const struct machine *m = c->vcpu->machine;
    const struct cpuid_entry *e;
    struct cpuid_answer a = {0};

    if (!c->cpuid.n)
        cpuid_soft(&c->cpuid, &(struct cpuid_config){.id = c->vcpu->index,
                                                     .cpus = m->config.cpus,
                                                     .apic = m->config.apic,
                                                     .portable = m->config.portable,
                                                     .tsc_deadline = true,
                                                     .tsc_khz = m->tsc_khz});
    /* Leaves beyond all others answer as the highest basic one. */
    if (leaf >= EXTENDED_LEAF ? leaf > MAX_EXTENDED
                              : leaf > MAX_LEAF && (leaf & ~UINT32_C(0xff)) != HYPERVISOR_LEAF)
        leaf = MAX_LEAF;
    e = cpuid_find(&c->cpuid, leaf, index);
    if (e)
        a = (struct cpuid_answer){e->eax, e->ebx, e->ecx, e->edx};
    else if (leaf == 0xb && cpuid_find(&c->cpuid, leaf, 0)) /* levels beyond the last one */
        a = (struct cpuid_answer){.ecx = index & 0xff, .edx = c->vcpu->index};
    if (leaf == 1 && c->cr4 & CR4_OSXSAVE)
        a.ecx |= OSXSAVE;
    if (leaf == 1 && !(c->lapic.s.base & APIC_BASE_ENABLED))
        a.edx &= ~(uint32_t)APIC;
    return a;
}

uint64_t soft_cr4_bits(const struct soft *c)
{
    const uint64_t portable = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE |
                              CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP |
                              CR4_SMAP;

    return c->vcpu->machine->config.portable ? portable : portable | CR4_MCE | CR4_UMIP | CR4_PCIDE;
}

// SPDX-License-Identifier: MIT
/*
 * What the processor says that it is.
 *
 * An Atom of a kind that does not speculate, so that kernels guard against nothing that this one
 * cannot do wrong. Its TSC counts nanoseconds. x86/cpuid.c fits it into the machine, as it does
 * the host's processor under KVM.
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
    MHZ = 1000,
    PHYSICAL_BITS = 40,
    LINEAR_BITS = 48,

    OSXSAVE = 1 << 27,
    APIC = 1 << 9,
    APIC_BASE_ENABLED = 1 << 11,
};
#define HYPERVISOR_LEAF UINT32_C(0x40000000)
#define EXTENDED_LEAF   UINT32_C(0x80000000)
#define MAX_EXTENDED    UINT32_C(0x80000008)
#define BRAND           "minivm soft CPU"
#define NOP_IO_DELAY    (1 << 1)

/* clang-format off */
const struct soft_feature soft_features[] = {
    {1, 0, SOFT_EDX, 0, "fpu"},
    {1, 0, SOFT_EDX, 2, "de"},
    {1, 0, SOFT_EDX, 3, "pse"},
    {1, 0, SOFT_EDX, 4, "tsc"},
    {1, 0, SOFT_EDX, 5, "msr"},
    {1, 0, SOFT_EDX, 6, "pae"},
    {1, 0, SOFT_EDX, 7, "mce"}, /* never happens */
    {1, 0, SOFT_EDX, 8, "cx8"},
    {1, 0, SOFT_EDX, 11, "sep"},
    {1, 0, SOFT_EDX, 12, "mtrr"},
    {1, 0, SOFT_EDX, 13, "pge"},
    {1, 0, SOFT_EDX, 14, "mca"}, /* of no banks */
    {1, 0, SOFT_EDX, 15, "cmov"},
    {1, 0, SOFT_EDX, 16, "pat"},
    {1, 0, SOFT_EDX, 17, "pse36"},
    {1, 0, SOFT_EDX, 19, "clflush"},
    {1, 0, SOFT_EDX, 23, "mmx"},
    {1, 0, SOFT_EDX, 24, "fxsr"},
    {1, 0, SOFT_EDX, 25, "sse"},
    {1, 0, SOFT_EDX, 26, "sse2"},
    {1, 0, SOFT_EDX, 27, "ss"}, /* caches need no help when memory types change */

    {1, 0, SOFT_ECX, 0, "sse3"},
    {1, 0, SOFT_ECX, 9, "ssse3"},
    {1, 0, SOFT_ECX, 13, "cx16"},
    {1, 0, SOFT_ECX, 17, "pcid"},
    {1, 0, SOFT_ECX, 19, "sse4_1"},
    {1, 0, SOFT_ECX, 20, "sse4_2"},
    {1, 0, SOFT_ECX, 22, "movbe"},
    {1, 0, SOFT_ECX, 23, "popcnt"},
    {1, 0, SOFT_ECX, 26, "xsave"},
    {1, 0, SOFT_ECX, 30, "rdrand"},

    {7, 0, SOFT_EBX, 0, "fsgsbase"},
    {7, 0, SOFT_EBX, 1, "tsc_adjust"},
    {7, 0, SOFT_EBX, 3, "bmi1"},
    {7, 0, SOFT_EBX, 7, "smep"},
    {7, 0, SOFT_EBX, 8, "bmi2"},
    {7, 0, SOFT_EBX, 9, "erms"},
    {7, 0, SOFT_EBX, 10, "invpcid"},
    {7, 0, SOFT_EBX, 13, "zero_fcs_fds"}, /* x87 knows no selectors */
    {7, 0, SOFT_EBX, 18, "rdseed"},
    {7, 0, SOFT_EBX, 20, "smap"},
    {7, 0, SOFT_EBX, 23, "clflushopt"},
    {7, 0, SOFT_ECX, 2, "umip"},

    {0xd, 1, SOFT_EAX, 0, "xsaveopt"},
    {0xd, 1, SOFT_EAX, 1, "xsavec"},
    {0xd, 1, SOFT_EAX, 2, "xgetbv1"},

    {0x80000001, 0, SOFT_ECX, 0, "lahf_lm"},
    {0x80000001, 0, SOFT_ECX, 5, "lzcnt"},
    {0x80000001, 0, SOFT_ECX, 8, "prefetchw"},
    {0x80000001, 0, SOFT_EDX, 11, "syscall"},
    {0x80000001, 0, SOFT_EDX, 20, "nx"},
    {0x80000001, 0, SOFT_EDX, 26, "pdpe1gb"},
    {0x80000001, 0, SOFT_EDX, 27, "rdtscp"},
    {0x80000001, 0, SOFT_EDX, 29, "lm"},

    {0x80000007, 0, SOFT_EDX, 8, "invariant_tsc"},
    {0},
};
/* clang-format on */

static void add(struct cpuid *c, struct cpuid_entry e)
{
    assert(c->n < CPUID_MAX);
    c->entry[c->n++] = e;
}

static void add_features(struct cpuid *c)
{
    for (const struct soft_feature *f = soft_features; f->name; f++) {
        struct cpuid_entry *e = cpuid_find(c, f->leaf, f->index);
        uint32_t bit = UINT32_C(1) << f->bit;

        assert(e);
        switch (f->reg) {
        case SOFT_EAX:
            e->eax |= bit;
            break;
        case SOFT_EBX:
            e->ebx |= bit;
            break;
        case SOFT_ECX:
            e->ecx |= bit;
            break;
        case SOFT_EDX:
            e->edx |= bit;
            break;
        }
    }
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

static void add_basic(struct cpuid *c)
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
    add(c, (struct cpuid_entry){.function = 0x16, .eax = MHZ, .ebx = MHZ, .ecx = MHZ});
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

static void make_table(struct soft *c, struct cpuid *table)
{
    const struct config *config = &c->vcpu->machine->config;

    add_basic(table);
    add_extended(table);
    add_hypervisor(table);
    add_features(table);
    cpuid_filter(table, &(struct cpuid_config){.id = c->vcpu->index,
                                               .cpus = config->cpus,
                                               .apic = config->apic,
                                               .tsc_deadline = true,
                                               .tsc_khz = MHZ * 1000});
}

struct cpuid_answer soft_cpuid(struct soft *c, uint32_t leaf, uint32_t index)
{
    const struct cpuid_entry *e;
    struct cpuid_answer a = {0};

    if (!c->cpuid.n)
        make_table(c, &c->cpuid);
    /* Leaves that are beyond all answer as the highest basic one. */
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
    (void)c;
    return CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |
           CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
}

// SPDX-License-Identifier: MIT
/*
 * CPUID.
 *
 * After: Intel SDM vol. 2A, "CPUID - CPU Identification"; vol. 3A, "Detecting Hardware Multi-
 * Threading Support and Topology"; AMD APM vol. 3, appendix E; Linux, "KVM-specific CPUID bits".
 *
 * Left out: features that the host's KVM does not report, and those that describe hardware the
 * board does not have (performance counters, thermal and power management, turbo).
 */
#include "x86/cpuid.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum {
    /* 1.ECX */
    MONITOR = 1 << 3,
    VMX = 1 << 5,
    PDCM = 1 << 15,
    X2APIC = 1 << 21,
    TSC_DEADLINE = 1 << 24,
    /* 1.EDX */
    APIC = 1 << 9,
    HTT = 1 << 28,
    /* 6.EAX */
    ARAT = 1 << 2,
    /* 80000001.ECX */
    CMP_LEGACY = 1 << 1,
    SVM = 1 << 2,
    SKINIT = 1 << 12,
    TOPOLOGY_EXT = 1 << 22,
    /* topology leaf: level types */
    LEVEL_SMT = 1,
    LEVEL_CORE = 2,
};
#define HYPERVISOR     (UINT32_C(1) << 31) /* 1.ECX */
#define APIC_TIMER_KHZ UINT32_C(1000000)

struct cpuid_entry *cpuid_find(struct cpuid *c, uint32_t function, uint32_t index)
{
    for (int i = 0; i < c->n; i++) {
        struct cpuid_entry *e = &c->entry[i];

        if (e->function == function && (!e->indexed || e->index == index))
            return e;
    }
    return NULL;
}

static void remove_leaf(struct cpuid *c, uint32_t function)
{
    int n = 0;

    for (int i = 0; i < c->n; i++)
        if (c->entry[i].function != function)
            c->entry[n++] = c->entry[i];
    c->n = n;
}

static void add(struct cpuid *c, struct cpuid_entry e)
{
    assert(c->n < CPUID_MAX);
    c->entry[c->n++] = e;
}

/* Bits that hold numbers 0..n-1. */
static int width(int n)
{
    int bits = 0;

    while (1 << bits < n)
        bits++;
    return bits;
}

static void features(struct cpuid *c, const struct cpuid_config *config)
{
    struct cpuid_entry *e = cpuid_find(c, 0x80000001, 0);

    if (e && !config->apic)
        e->edx &= ~APIC; /* AMD has it twice */
    e = cpuid_find(c, 1, 0);
    if (!e)
        return;
    e->ebx = (e->ebx & 0xffff) | (uint32_t)config->id << 24 | (uint32_t)config->cpus << 16;
    e->ecx &= ~(MONITOR | PDCM | X2APIC | TSC_DEADLINE);
    e->ecx |= HYPERVISOR;
    e->edx &= ~(APIC | HTT);
    if (config->apic) {
        e->ecx |= X2APIC | (config->tsc_deadline ? TSC_DEADLINE : 0);
        e->edx |= APIC;
    }
    if (config->cpus > 1)
        e->edx |= HTT;
}

/* Leaf 0xb (Intel, and AMD since Zen 2): one thread a core, all cores in one package. */
static void topology_leaf(struct cpuid *c, uint32_t function, const struct cpuid_config *config)
{
    uint32_t id = config->id;

    add(c, (struct cpuid_entry){function, 0, true, 0, 1, LEVEL_SMT << 8, id});
    add(c, (struct cpuid_entry){function, 1, true, width(config->cpus), config->cpus,
                                LEVEL_CORE << 8 | 1, id});
    add(c, (struct cpuid_entry){function, 2, true, 0, 0, 2, id});
}

/* Caches: the first two levels belong to a core, the others to the socket. */
static void cache_leaf(struct cpuid *c, uint32_t function, const struct cpuid_config *config)
{
    for (int i = 0; i < c->n; i++) {
        struct cpuid_entry *e = &c->entry[i];

        if (e->function != function || !(e->eax & 0x1f))
            continue;
        int level = e->eax >> 5 & 7, sharing = level > 2 ? (1 << width(config->cpus)) - 1 : 0;

        e->eax = (e->eax & 0x3fff) | (uint32_t)sharing << 14;
        if (function == 4)
            e->eax |= (uint32_t)((1 << width(config->cpus)) - 1) << 26;
    }
}

static void amd_topology(struct cpuid *c, const struct cpuid_config *config)
{
    struct cpuid_entry *e = cpuid_find(c, 0x80000001, 0);

    if (e && !(e->ecx & TOPOLOGY_EXT))
        remove_leaf(c, 0x8000001e);
    if (e) {
        e->ecx &= ~CMP_LEGACY;
        if (config->cpus > 1)
            e->ecx |= CMP_LEGACY;
    }
    e = cpuid_find(c, 0x80000008, 0);
    if (e)
        e->ecx = (uint32_t)width(config->cpus) << 12 | (config->cpus - 1);
    e = cpuid_find(c, 0x8000001e, 0);
    if (e) {
        e->eax = config->id;
        e->ebx = config->id & 0xff; /* core id, one thread */
        e->ecx = 0;                 /* node 0 of 1 */
    }
}

/*
 * The rate of the TSC, for guests that do not ask KVM: as a fraction of the clock that also drives
 * the local APIC's timer, which KVM runs at 1 GHz. Linux multiplies by the numerator in 32 bits, so
 * this is the nearest fraction that allows it: 0.012 % off at worst, mostly a few in a million.
 */
static struct cpuid_entry tsc_leaf(uint32_t tsc_khz)
{
    struct cpuid_entry best = {.function = 0x15, .ecx = APIC_TIMER_KHZ * 1000};
    uint64_t least = 0;

    for (uint32_t eax = 1; eax <= UINT32_MAX / APIC_TIMER_KHZ; eax++) {
        uint64_t want = (uint64_t)eax * tsc_khz;
        uint64_t ebx = (want + APIC_TIMER_KHZ / 2) / APIC_TIMER_KHZ, have = ebx * APIC_TIMER_KHZ;
        uint64_t error = have > want ? have - want : want - have;

        if (have <= UINT32_MAX && (!best.eax || error * best.eax < least * eax)) {
            least = error;
            best.eax = eax;
            best.ebx = ebx;
        }
    }
    return best;
}

/* Hidden because a guest that finds virtualisation uses it: Linux loads KVM, which costs time and
 * memory. */
static void hide_virtualisation(struct cpuid *c)
{
    struct cpuid_entry *e = cpuid_find(c, 1, 0);

    if (e)
        e->ecx &= ~VMX;
    e = cpuid_find(c, 0x80000001, 0);
    if (e)
        e->ecx &= ~(SVM | SKINIT);
    remove_leaf(c, 0x8000000a);
}

void cpuid_filter(struct cpuid *c, const struct cpuid_config *config)
{
    struct cpuid_entry *e = cpuid_find(c, 0, 0);
    bool amd = e && e->ebx == 0x68747541; /* "Auth"enticAMD */

    features(c, config);
    if (!config->nested)
        hide_virtualisation(c);
    /* No thermal sensor, turbo or energy bias; a timer that never stops. */
    e = cpuid_find(c, 6, 0);
    if (e)
        *e = (struct cpuid_entry){.function = 6, .eax = ARAT};
    e = cpuid_find(c, 0xa, 0);
    if (e)
        *e = (struct cpuid_entry){.function = 0xa};
    remove_leaf(c, 0xb);
    remove_leaf(c, 0x1f);
    if (config->apic)
        topology_leaf(c, 0xb, config);
    cache_leaf(c, 4, config);
    cache_leaf(c, 0x8000001d, config);
    if (amd)
        amd_topology(c, config);
    e = cpuid_find(c, 0, 0);
    if (e && e->eax >= 0x15 && config->tsc_khz && !amd) {
        remove_leaf(c, 0x15);
        add(c, tsc_leaf(config->tsc_khz));
    }
}

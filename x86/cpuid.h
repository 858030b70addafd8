/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells the guest: the host's answers, made true for a machine with one socket of N
 * cores and whatever interrupt controllers it has.
 */
#ifndef X86_CPUID_H
#define X86_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_entry {
    uint32_t function, index;
    bool indexed; /* the answer depends on ECX */
    uint32_t eax, ebx, ecx, edx;
};

#define CPUID_MAX 256

/* Of engine soft. */
#define SOFT_TSC_KHZ 1000000

struct cpuid {
    int n;
    struct cpuid_entry entry[CPUID_MAX];
};

struct cpuid_config {
    int id, cpus;      /* this vCPU's APIC id, and how many there are */
    bool apic;         /* it has a local APIC */
    bool portable;     /* it offers no more than engines have in common, see cpuid_soft() */
    bool nested;       /* it offers its own virtualisation, as far as the host does */
    bool tsc_deadline; /* whose timer takes deadlines of the TSC */
    uint32_t tsc_khz;  /* the guest's TSC rate, 0 when not known */
};

/* The answer to a leaf, or NULL. index is ignored where the leaf has no sub-leaves. */
struct cpuid_entry *cpuid_find(struct cpuid *c, uint32_t function, uint32_t index);

/* Turn what the host supports into what this vCPU has. */
void cpuid_filter(struct cpuid *c, const struct cpuid_config *config);

/*
 * What a CPU of engine soft has. A portable one has of that what any processor of the last ten
 * years has as well, so that a guest may move to another engine or another host.
 */
void cpuid_soft(struct cpuid *c, const struct cpuid_config *config);

/* A feature of the portable CPU which the host lacks, as Linux calls it, or NULL. */
const char *cpuid_missing(struct cpuid *host);

#endif

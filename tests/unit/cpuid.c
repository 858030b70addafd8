// SPDX-License-Identifier: MIT
/*
 * Unit tests of CPUID: what two made-up hosts say, turned into what the guest's machine has.
 */
#include "x86/cpuid.h"
#include "tests/unit/test.h"

enum {
    /* 1.ECX, 1.EDX */
    SSE3 = 1 << 0,
    MONITOR = 1 << 3,
    VMX = 1 << 5,
    PDCM = 1 << 15,
    X2APIC = 1 << 21,
    TSC_DEADLINE = 1 << 24,
    TSC = 1 << 4,
    APIC = 1 << 9,
    HTT = 1 << 28,
    /* 80000001.ECX */
    CMP_LEGACY = 1 << 1,
    SVM = 1 << 2,
    SKINIT = 1 << 12,
    TOPOLOGY_EXT = 1 << 22,
};
#define HYPERVISOR (UINT32_C(1) << 31)

/* Machines to try, and the bits that their APIC ids take. */
static const struct {
    int cpus, bits;
} sizes[] = {{1, 0}, {2, 1}, {3, 2}, {8, 3}, {64, 6}};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* 8 cores of 2 threads, of which CPU 11 answers. */
static const struct cpuid_entry intel[] = {
    {0, 0, false, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69},
    {1, 0, false, 0x906ea, 0x0b100800, SSE3 | MONITOR | VMX | PDCM | X2APIC, TSC | APIC | HTT},
    {4, 0, true, 0x1c004121, 0x01c0003f, 0x3f, 0},
    {4, 1, true, 0x1c004122, 0x01c0003f, 0x3f, 0},
    {4, 2, true, 0x1c004143, 0x00c0003f, 0x3ff, 0},
    {4, 3, true, 0x1c03c163, 0x03c0003f, 0x1fff, 6},
    {4, 4, true, 0, 0, 0, 0},
    {6, 0, false, 0x27f7, 2, 9, 0},
    {7, 0, true, 0, 0x9c6fbf, 0, 0},
    {0xa, 0, false, 0x07300804, 0, 0, 0x603},
    {0xb, 0, true, 1, 2, 0x100, 11},
    {0xb, 1, true, 4, 16, 0x201, 11},
    {0x15, 0, false, 2, 0xfa, 0, 0},
    {0x16, 0, false, 3000, 4500, 100, 0},
    {0x1f, 0, true, 1, 2, 0x100, 11},
    {0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d},
    {0x40000001, 0, false, 0x01007afb, 0, 0, 0},
    {0x80000000, 0, false, 0x80000008, 0, 0, 0},
    {0x80000001, 0, false, 0, 0, 0x121, 0x2c100800},
    {0x80000008, 0, false, 0x3027, 0, 0, 0},
};

static const struct cpuid_entry amd[] = {
    {0, 0, false, 0x10, 0x68747541, 0x444d4163, 0x69746e65},
    {1, 0, false, 0x830f10, 0x0b100800, SSE3 | MONITOR | X2APIC, TSC | APIC | HTT},
    {0xb, 0, true, 1, 2, 0x100, 11},
    {0xb, 1, true, 4, 16, 0x201, 11},
    {0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d},
    {0x40000001, 0, false, 0x01007afb, 0, 0, 0},
    {0x80000000, 0, false, 0x8000001e, 0x68747541, 0x444d4163, 0x69746e65},
    {0x80000001, 0, false, 0x830f10, 0, TOPOLOGY_EXT | CMP_LEGACY | SVM | SKINIT,
     APIC | 0x2c100800},
    {0x80000008, 0, false, 0x3030, 0x1000, 0x400f, 0},
    {0x8000000a, 0, false, 1, 0x8000, 0, 0x119b9cff},
    {0x8000001d, 0, true, 0x4121, 0x01c0003f, 0x3f, 0},
    {0x8000001d, 1, true, 0x4122, 0x01c0003f, 0x3f, 0},
    {0x8000001d, 2, true, 0x4143, 0x01c0003f, 0x3ff, 2},
    {0x8000001d, 3, true, 0x1c163, 0x03c0003f, 0x3fff, 1},
    {0x8000001d, 4, true, 0, 0, 0, 0},
    {0x8000001e, 0, false, 11, 0x105, 0x101, 0},
};

static struct cpuid c;

static void filter(const struct cpuid_entry *host, size_t size, struct cpuid_config config)
{
    memset(&c, 0xa5, sizeof(c));
    c.n = size / sizeof(*host);
    memcpy(c.entry, host, size);
    cpuid_filter(&c, &config);
}
#define FILTER(host, ...) filter(host, sizeof(host), (struct cpuid_config){__VA_ARGS__})

/* The answer that a guest gets: zeros where there is none. */
static struct cpuid_entry ask(uint32_t function, uint32_t index)
{
    struct cpuid_entry *e = cpuid_find(&c, function, index);

    return e ? *e : (struct cpuid_entry){0};
}

static void check(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx,
                  uint32_t edx)
{
    struct cpuid_entry e = ask(function, index);

    CHECK_EQ(e.eax, eax);
    CHECK_EQ(e.ebx, ebx);
    CHECK_EQ(e.ecx, ecx);
    CHECK_EQ(e.edx, edx);
}

static void test_find(void)
{
    FILTER(intel, .cpus = 1);
    CHECK_EQ(cpuid_find(&c, 4, 2)->ebx, 0x00c0003f);
    CHECK(!cpuid_find(&c, 4, 5));
    CHECK(cpuid_find(&c, 1, 7) == cpuid_find(&c, 1, 0));
    CHECK(!cpuid_find(&c, 3, 0));
}

/* Every leaf once, and every index of one that has them. */
static void check_unique(void)
{
    for (int i = 0; i < c.n; i++)
        CHECK(cpuid_find(&c, c.entry[i].function, c.entry[i].index) == &c.entry[i]);
}

static void test_leaf_1(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        for (int id = 0; id < sizes[i].cpus; id++) {
            FILTER(intel, .id = id, .cpus = sizes[i].cpus, .apic = true, .tsc_deadline = true);
            check_unique();
            check(1, 0, 0x906ea, (uint32_t)id << 24 | sizes[i].cpus << 16 | 0x0800,
                  SSE3 | X2APIC | TSC_DEADLINE | HYPERVISOR,
                  TSC | APIC | (sizes[i].cpus > 1 ? HTT : 0));
        }
    }
}

static void test_no_deadline(void)
{
    FILTER(intel, .cpus = 1, .apic = true);
    check(1, 0, 0x906ea, 0x010800, SSE3 | X2APIC | HYPERVISOR, TSC | APIC);
}

/* Without a local APIC nothing speaks of one, whatever KVM could do. */
static void test_no_apic(void)
{
    FILTER(intel, .id = 1, .cpus = 2, .tsc_deadline = true);
    check_unique();
    check(1, 0, 0x906ea, 0x01020800, SSE3 | HYPERVISOR, TSC | HTT);
    CHECK(!cpuid_find(&c, 0xb, 0));
    CHECK(!cpuid_find(&c, 0x1f, 0));

    FILTER(amd, .cpus = 1);
    check(1, 0, 0x830f10, 0x010800, SSE3 | HYPERVISOR, TSC);
    CHECK_EQ(ask(0x80000001, 0).edx, 0x2c100800);
    CHECK(!cpuid_find(&c, 0xb, 0));
}

static void test_leaf_b(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        for (int id = 0; id < sizes[i].cpus; id++) {
            FILTER(intel, .id = id, .cpus = sizes[i].cpus, .apic = true);
            check(0xb, 0, 0, 1, 0x100, id);
            check(0xb, 1, sizes[i].bits, sizes[i].cpus, 0x201, id);
            check(0xb, 2, 0, 0, 2, id);
            CHECK(!cpuid_find(&c, 0x1f, 0));
        }
    }
    FILTER(amd, .id = 5, .cpus = 8, .apic = true);
    check_unique();
    check(0xb, 1, 3, 8, 0x201, 5);
}

static void test_intel_caches(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        uint32_t last = (1 << sizes[i].bits) - 1;

        FILTER(intel, .cpus = sizes[i].cpus, .apic = true);
        check(4, 0, last << 26 | 0x121, 0x01c0003f, 0x3f, 0);
        check(4, 1, last << 26 | 0x122, 0x01c0003f, 0x3f, 0);
        check(4, 2, last << 26 | 0x143, 0x00c0003f, 0x3ff, 0);
        check(4, 3, last << 26 | last << 14 | 0x163, 0x03c0003f, 0x1fff, 6);
        check(4, 4, 0, 0, 0, 0);
    }
}

static void test_amd_caches(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        uint32_t last = (1 << sizes[i].bits) - 1;

        FILTER(amd, .cpus = sizes[i].cpus, .apic = true);
        check(0x8000001d, 0, 0x121, 0x01c0003f, 0x3f, 0);
        check(0x8000001d, 2, 0x143, 0x01c0003f, 0x3ff, 2);
        check(0x8000001d, 3, last << 14 | 0x163, 0x03c0003f, 0x3fff, 1);
        check(0x8000001d, 4, 0, 0, 0, 0);
    }
}

static void test_amd(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        int cpus = sizes[i].cpus, id = cpus - 1;

        FILTER(amd, .id = id, .cpus = cpus, .apic = true);
        check(0x80000008, 0, 0x3030, 0x1000, (uint32_t)sizes[i].bits << 12 | (cpus - 1), 0);
        check(0x8000001e, 0, id, id, 0, 0);
        CHECK_EQ(ask(0x80000001, 0).ecx, TOPOLOGY_EXT | (cpus > 1 ? CMP_LEGACY : 0));
        CHECK_EQ(ask(0x80000001, 0).edx, APIC | 0x2c100800);
    }
}

/* Without the bit that announces it, nobody may look at 8000001e. */
static void test_amd_old(void)
{
    struct cpuid_entry old[sizeof(amd) / sizeof(amd[0])];

    memcpy(old, amd, sizeof(amd));
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        if (old[i].function == 0x80000001)
            old[i].ecx = 0;
    FILTER(old, .cpus = 2, .apic = true);
    CHECK(!cpuid_find(&c, 0x8000001e, 0));
    CHECK_EQ(ask(0x80000001, 0).ecx, CMP_LEGACY);
}

/* These are AMD's; Intel's are all of another kind. */
static void test_intel_extended(void)
{
    FILTER(intel, .id = 3, .cpus = 8, .apic = true);
    check(0x80000001, 0, 0, 0, 0x121, 0x2c100800);
    check(0x80000008, 0, 0x3027, 0, 0, 0);
    CHECK(!cpuid_find(&c, 0x8000001e, 0));
}

static void test_left_out(void)
{
    FILTER(intel, .cpus = 1, .apic = true);
    check(6, 0, 1 << 2, 0, 0, 0);
    check(0xa, 0, 0, 0, 0, 0);
}

/* What a host offers for hypervisors inside it is for those who ask. */
static void test_nested(void)
{
    FILTER(intel, .cpus = 1, .apic = true);
    CHECK(!(ask(1, 0).ecx & VMX));
    FILTER(intel, .cpus = 1, .apic = true, .nested = true);
    CHECK(ask(1, 0).ecx & VMX);
    FILTER(amd, .cpus = 1, .apic = true);
    CHECK(!(ask(0x80000001, 0).ecx & (SVM | SKINIT)));
    CHECK(!cpuid_find(&c, 0x8000000a, 0));
    FILTER(amd, .cpus = 1, .apic = true, .nested = true);
    CHECK(ask(0x80000001, 0).ecx & SVM);
    check(0x8000000a, 0, 1, 0x8000, 0, 0x119b9cff);
}

static void test_untouched(void)
{
    static const uint32_t leaves[] = {0, 7, 0x40000000, 0x40000001, 0x80000000};

    FILTER(intel, .id = 1, .cpus = 2, .apic = true, .tsc_khz = 3000000);
    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
        for (size_t j = 0; j < sizeof(intel) / sizeof(intel[0]); j++)
            if (intel[j].function == leaves[i])
                check(leaves[i], 0, intel[j].eax, intel[j].ebx, intel[j].ecx, intel[j].edx);
}

/* What Linux reads out of leaf 0x15, with its 32 bits: kHz. */
static uint32_t linux_tsc_khz(void)
{
    struct cpuid_entry e = ask(0x15, 0);
    uint32_t crystal_khz = e.ecx / 1000;

    return e.eax ? crystal_khz * e.ebx / e.eax : 0;
}

static void test_tsc(void)
{
    static const struct {
        uint32_t khz, off;
    } rates[] = {{1000000, 0}, {1995379, 1}, {2100000, 0},   {2399998, 2},
                 {2595124, 1}, {2893202, 1}, {3000350, 350}, {5000001, 1}};

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        FILTER(intel, .cpus = 1, .apic = true, .tsc_khz = rates[i].khz);
        check_unique();
        CHECK_EQ(ask(0x15, 0).ecx, 1000000000); /* as KVM's local APIC */
        CHECK(linux_tsc_khz() + rates[i].off >= rates[i].khz);
        CHECK(linux_tsc_khz() <= rates[i].khz + rates[i].off);
    }
    FILTER(intel, .cpus = 1, .apic = true, .tsc_khz = 2100000);
    check(0x15, 0, 10, 21, 1000000000, 0);
}

/* As the host said when nothing is known, and nothing on processors without the leaf. */
static void test_tsc_unknown(void)
{
    struct cpuid_entry old[] = {intel[0], intel[1]};

    FILTER(intel, .cpus = 1, .apic = true);
    check(0x15, 0, 2, 0xfa, 0, 0);
    FILTER(amd, .cpus = 1, .apic = true, .tsc_khz = 3000000);
    CHECK(!cpuid_find(&c, 0x15, 0));
    old[0].eax = 0xd;
    FILTER(old, .cpus = 1, .apic = true, .tsc_khz = 3000000);
    CHECK(!cpuid_find(&c, 0x15, 0));
}

static void test_portable(void)
{
    struct cpuid_config config = {
        .cpus = 2, .apic = true, .portable = true, .tsc_deadline = true, .tsc_khz = 2300000};
    struct cpuid portable, all;

    cpuid_soft(&portable, &config);
    config.portable = false;
    cpuid_soft(&all, &config);
    CHECK_EQ(portable.n, all.n);
    for (int i = 0; i < all.n; i++) {
        const struct cpuid_entry *a = &all.entry[i], *p = &portable.entry[i];
        uint32_t less =
            (a->eax ^ p->eax) | (a->ebx ^ p->ebx) | (a->ecx ^ p->ecx) | (a->edx ^ p->edx);

        CHECK(p->function == a->function && p->index == a->index);
        CHECK(!(p->eax & ~a->eax || p->ebx & ~a->ebx || p->ecx & ~a->ecx || p->edx & ~a->edx));
        CHECK(!less == (a->function != 1 && a->function != 7 && a->function != 0x80000001 &&
                        !(a->function == 0xd && a->index == 1)));
    }
    c = portable;
    CHECK_EQ(ask(0x15, 0).ebx / ask(0x15, 0).eax, 2);
    CHECK_EQ(ask(0x16, 0).eax, 2300);

    /* A host that has all of it, and one that lacks something. */
    CHECK(!cpuid_missing(&all));
    CHECK(!cpuid_missing(&portable));
    cpuid_find(&portable, 0x80000007, 0)->edx = 0; /* what only says what KVM does anyway */
    CHECK(!cpuid_missing(&portable));
    cpuid_find(&portable, 1, 0)->ecx &= ~(1 << 30);
    CHECK(!strcmp(cpuid_missing(&portable), "rdrand"));
    FILTER(amd, .cpus = 1);
    CHECK(cpuid_missing(&c));
}

int main(void)
{
    return test_main((struct test[]){
        {test_find, "answers are found by leaf, and by index where that matters"},
        {test_leaf_1, "leaf 1: the APIC id, the count, HTT, a hypervisor, and what is left out"},
        {test_no_deadline, "no TSC deadline where KVM has none"},
        {test_no_apic, "without a local APIC nothing speaks of one"},
        {test_leaf_b, "leaf 0xb: one thread a core, all in one package"},
        {test_intel_caches, "leaf 4: the first two levels are a core's own"},
        {test_amd_caches, "leaf 0x8000001d: the first two levels are a core's own"},
        {test_amd, "leaves 0x80000001, 0x80000008 and 0x8000001e count cores"},
        {test_amd_old, "an AMD host without topology extensions"},
        {test_intel_extended, "extended leaves of Intel stay as they are"},
        {test_left_out, "no performance counters, a timer that never stops"},
        {test_nested, "no virtualisation within, unless it is asked for"},
        {test_untouched, "vendor, features and KVM's leaves stay as they are"},
        {test_tsc, "leaf 0x15: the TSC's rate, in what 32 bits hold"},
        {test_tsc_unknown, "leaf 0x15 where there is nothing to say"},
        {test_portable, "a portable CPU has no more than engine soft's, and a host may lack some"},
        {0},
    });
}

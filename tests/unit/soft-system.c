// SPDX-License-Identifier: MIT
/*
 * System instructions of the CPU in C: what control registers and MSRs take, and that CPUID says
 * what is there.
 *
 * After: Intel SDM vol. 3A, "Control Registers"; vol. 4; vol. 2A, "CPUID - CPU Identification".
 */
#include "tests/unit/soft-cpu.h"

#define RUN(bytes) cpu_run(bytes, sizeof(bytes) - 1)

enum {
    PRESENT = 1,
    PDPTES = 0x110000,
};

static int mov_to_cr(int n, uint64_t val)
{
    uint8_t code[] = {0x0f, 0x22, 0xc0 | n << 3};

    c->r[RAX] = val;
    return cpu_run(code, sizeof(code));
}

static int mov_to_dr(int n, uint64_t val)
{
    uint8_t code[] = {0x0f, 0x23, 0xc0 | n << 3};

    c->r[RAX] = val;
    return cpu_run(code, sizeof(code));
}

static uint64_t mov_from_dr(int n)
{
    uint8_t code[] = {0x0f, 0x21, 0xc0 | n << 3};

    CHECK_EQ(cpu_run(code, sizeof(code)), CPU_OK);
    return c->r[RAX];
}

static int wrmsr(uint32_t msr, uint64_t val)
{
    c->r[RCX] = msr;
    c->r[RAX] = (uint32_t)val;
    c->r[RDX] = val >> 32;
    return RUN("\x0f\x30");
}

static int rdmsr(uint32_t msr, uint64_t *val)
{
    c->r[RCX] = msr;
    c->r[RAX] = c->r[RDX] = UINT64_MAX;
    int result = RUN("\x0f\x32");

    *val = c->r[RAX] | c->r[RDX] << 32;
    return result;
}

static void cr0_combinations(void)
{
    const uint64_t pe = CR0_PE, cd = CR0_CD, nw = CR0_NW, pg = CR0_PG;

    cpu_start(CPU_FLAT32);
    CHECK_EQ(mov_to_cr(0, pg), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(mov_to_cr(0, pe | nw), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(0, pe | nw | cd), CPU_OK);
    CHECK_EQ(c->cr0, pe | nw | cd | CR0_ET);
    /* Reserved bits below 32 are ignored, above they are not. */
    CHECK_EQ(mov_to_cr(0, pe | 0x1000ffc0), CPU_OK);
    CHECK_EQ(c->cr0, pe | CR0_ET);
    cpu_start(CPU_LONG64);
    CHECK_EQ(mov_to_cr(0, c->cr0 | UINT64_C(1) << 32), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(0, c->cr0 & ~pg), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_WP), CPU_OK);
    CHECK(c->cr0 & CR0_WP);
    CHECK_EQ(RUN("\x0f\x20\xc3"), CPU_OK);
    CHECK_EQ(c->r[RBX], c->cr0);
}

static void into_long_mode(void)
{
    uint64_t efer;

    cpu_start(CPU_FLAT32);
    paging_identity(&cpu_machine->ram, CPU_TABLES, 1);
    CHECK_EQ(rdmsr(0xc0000080, &efer), CPU_OK);
    CHECK_EQ(wrmsr(0xc0000080, efer | EFER_LME), CPU_OK);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES), CPU_OK);
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_PG), EXCEPTION_GP); /* PAE is wanted */
    CHECK_EQ(mov_to_cr(4, CR4_PAE), CPU_OK);
    c->segment[CS].l = true;
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_PG), EXCEPTION_GP);
    c->segment[CS].l = false;
    CHECK(!(c->efer & EFER_LMA));
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_PG), CPU_OK);
    CHECK(c->efer & EFER_LMA);
    CHECK_EQ(c->code_size, 2);
    CHECK_EQ(wrmsr(0xc0000080, 0), EXCEPTION_GP); /* LME stays while paging is on */
    CHECK_EQ(mov_to_cr(4, 0), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(4, CR4_PAE | CR4_PCIDE), CPU_OK);
    CHECK_EQ(mov_to_cr(0, c->cr0 & ~CR0_PG), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(4, CR4_PAE), CPU_OK);
    CHECK_EQ(mov_to_cr(0, c->cr0 & ~CR0_PG), CPU_OK);
    CHECK(!(c->efer & EFER_LMA) && c->efer & EFER_LME);
}

static void pae_loads_pdptes(void)
{
    uint64_t *pdpte;

    cpu_start(CPU_FLAT32);
    paging_identity(&cpu_machine->ram, CPU_TABLES, 1);
    pdpte = (uint64_t *)cpu_at(PDPTES);
    /* The page directory of the identity map: its third page. */
    pdpte[0] = (CPU_TABLES + 0x2000) | PRESENT;
    pdpte[1] = 2 << 1 | PRESENT;
    CHECK_EQ(mov_to_cr(4, CR4_PAE), CPU_OK);
    CHECK_EQ(mov_to_cr(3, PDPTES), CPU_OK);
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_PG), EXCEPTION_GP); /* reserved bits */
    pdpte[1] = 0;
    CHECK_EQ(mov_to_cr(0, c->cr0 | CR0_PG), CPU_OK);
    CHECK_EQ(c->pdpte[0], (CPU_TABLES + 0x2000) | PRESENT);
    pdpte[3] = UINT64_C(1) << 63 | PRESENT;
    CHECK_EQ(mov_to_cr(3, PDPTES), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(4, CR4_PAE | CR4_PGE), EXCEPTION_GP);
    CHECK_EQ(c->cr4, CR4_PAE);
    CHECK_EQ(mov_to_cr(4, CR4_PAE | CR4_DE), CPU_OK); /* needs them not */
    pdpte[3] = 0;
    CHECK_EQ(mov_to_cr(3, PDPTES), CPU_OK);
}

static void cr3_and_cr4(void)
{
    cpu_start(CPU_LONG64);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES | UINT64_C(1) << 40), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES | UINT64_C(1) << 63), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES | 5), CPU_OK);
    CHECK_EQ(mov_to_cr(4, c->cr4 | CR4_PCIDE), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES), CPU_OK);
    CHECK_EQ(mov_to_cr(4, c->cr4 | CR4_PCIDE), CPU_OK);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES | 5 | UINT64_C(1) << 63), CPU_OK);
    CHECK_EQ(c->cr3, CPU_TABLES | 5);
    CHECK_EQ(mov_to_cr(4, c->cr4 & ~(uint64_t)CR4_PAE), EXCEPTION_GP);
    for (int bit = 0; bit < 64; bit++)
        if (!(soft_cr4_bits(c) >> bit & 1))
            CHECK_EQ(mov_to_cr(4, c->cr4 | UINT64_C(1) << bit), EXCEPTION_GP);
    CHECK_EQ(mov_to_cr(4, soft_cr4_bits(c)), CPU_OK);
    CHECK_EQ(c->cr4, soft_cr4_bits(c));
}

static void which_control_registers(void)
{
    cpu_start(CPU_LONG64);
    for (int n = 0; n < 16; n++) {
        uint8_t code[] = {n < 8 ? 0x40 : 0x44, 0x0f, 0x20, 0xc0 | (n & 7) << 3};
        bool there = n == 0 || n == 2 || n == 3 || n == 4 || n == 8;

        CHECK_EQ(cpu_run(code, sizeof(code)), there ? CPU_OK : EXCEPTION_UD);
    }
    c->r[RAX] = 16;
    CHECK_EQ(RUN("\x44\x0f\x22\xc0"), EXCEPTION_GP);
    c->r[RAX] = 15;
    CHECK_EQ(RUN("\x44\x0f\x22\xc0"), CPU_OK);
    /* ModRM says memory, and is not listened to. */
    c->cr2 = UINT64_C(0x123456789abc);
    CHECK_EQ(RUN("\x0f\x20\x13"), CPU_OK);
    CHECK_EQ(c->r[RBX], c->cr2);
}

static void machine_status_word(void)
{
    cpu_start(CPU_FLAT32);
    c->r[RAX] = 0xe;
    CHECK_EQ(RUN("\x0f\x01\xf0"), CPU_OK); /* lmsw ax */
    CHECK_EQ(c->cr0 & 0xf, 0xf);           /* protected mode stays */
    CHECK_EQ(RUN("\x0f\x06"), CPU_OK);
    CHECK_EQ(c->cr0 & 0xf, 7);
    c->r[RBX] = 0xaaaaaaaa;
    CHECK_EQ(RUN("\x0f\x01\xe3"), CPU_OK);
    CHECK_EQ(c->r[RBX], c->cr0);
    c->r[RBX] = 0xaaaaaaaa;
    CHECK_EQ(RUN("\x66\x0f\x01\xe3"), CPU_OK);
    CHECK_EQ(c->r[RBX], 0xaaaa0000 | (c->cr0 & 0xffff));
    memset(cpu_at(CPU_DATA), 0xee, 4);
    c->r[RBX] = CPU_DATA;
    CHECK_EQ(RUN("\x0f\x01\x23"), CPU_OK);
    CHECK_EQ(*(uint32_t *)cpu_at(CPU_DATA), 0xeeee0000 | (c->cr0 & 0xffff));
    c->cr4 |= CR4_UMIP;
    CHECK_EQ(RUN("\x0f\x01\xe3"), CPU_OK);
    c->cpl = 3;
    soft_mode(c);
    CHECK_EQ(RUN("\x0f\x01\xe3"), EXCEPTION_GP);
    c->cr4 &= ~(uint64_t)CR4_UMIP;
    CHECK_EQ(RUN("\x0f\x01\xe3"), CPU_OK);
}

static void debug_registers(void)
{
    cpu_start(CPU_LONG64);
    CHECK_EQ(mov_to_dr(0, UINT64_C(0xffff800000001000)), CPU_OK);
    CHECK_EQ(mov_from_dr(0), UINT64_C(0xffff800000001000));
    CHECK_EQ(mov_to_dr(6, UINT64_C(1) << 32), EXCEPTION_GP);
    CHECK_EQ(mov_to_dr(7, UINT64_C(1) << 32), EXCEPTION_GP);
    CHECK_EQ(mov_to_dr(6, 0xffffffff), CPU_OK);
    CHECK_EQ(mov_from_dr(6), 0xffffefff);
    CHECK_EQ(mov_to_dr(6, 0), CPU_OK);
    CHECK_EQ(mov_from_dr(4), DR6_FIXED);
    CHECK_EQ(mov_to_dr(7, 0xffff0300), CPU_OK);
    CHECK_EQ(mov_from_dr(5), 0xffff0700);
    c->cr4 |= CR4_DE;
    CHECK_EQ(mov_to_dr(5, 0), EXCEPTION_UD);
    CHECK_EQ(RUN("\x44\x0f\x21\xc0"), EXCEPTION_UD);
    CHECK_EQ(mov_to_dr(7, 1 << 13), CPU_OK);
    CHECK_EQ(mov_to_dr(0, 0), EXCEPTION_DB);
    CHECK_EQ(c->dr[6], DR6_FIXED | DR6_BD);
    CHECK_EQ(mov_to_dr(0, 0), CPU_OK); /* the guard stood down */
}

/* Entries of the TLB for a page: filled by a read. */
static bool translated(uint64_t linear)
{
    return c->tlb->entry[linear >> 12 & (SOFT_TLB_SIZE - 1)].read == (linear & ~SOFT_PAGE);
}

static void read_page(uint64_t linear)
{
    soft_load_slow(c, DS, linear, 1);
    CHECK(translated(linear));
}

static int invpcid(uint64_t type, uint64_t pcid, uint64_t linear)
{
    uint64_t descriptor[2] = {pcid, linear};

    memcpy(cpu_at(CPU_DATA), descriptor, sizeof(descriptor));
    c->r[RAX] = type;
    c->r[RBX] = CPU_DATA;
    return RUN("\x66\x0f\x38\x82\x03");
}

static void invalidation(void)
{
    const uint64_t page = CPU_DATA + 0x5000, other = 0x800000 + CPU_DATA + 0x6000;

    cpu_start(CPU_LONG64);
    *(uint64_t *)cpu_at(CPU_TABLES + 0x2020) = 0x83; /* 8 MiB: the first 2 MiB, once more */
    read_page(page);
    read_page(other);
    c->r[RBX] = page;
    CHECK_EQ(RUN("\x0f\x01\x3b"), CPU_OK);
    CHECK(!translated(page) && translated(other));
    c->r[RBX] = UINT64_C(1) << 60;
    CHECK_EQ(RUN("\x0f\x01\x3b"), CPU_OK); /* not canonical: nothing happens */
    CHECK_EQ(invpcid(4, 0, 0), EXCEPTION_GP);
    CHECK_EQ(invpcid(0, 1, page), EXCEPTION_GP); /* PCIDs are off */
    CHECK_EQ(invpcid(0, 0, UINT64_C(1) << 60), EXCEPTION_GP);
    CHECK_EQ(invpcid(2, 0x1000, 0), EXCEPTION_GP);
    c->cr4 |= CR4_PCIDE;
    CHECK_EQ(invpcid(0, 0x1000, page), EXCEPTION_GP);
    read_page(page);
    CHECK_EQ(invpcid(0, 5, page), CPU_OK);
    CHECK(!translated(page) && translated(other));
    for (int type = 1; type < 4; type++) {
        read_page(page);
        CHECK_EQ(invpcid(type, 5, 0), CPU_OK);
        CHECK(!translated(page));
    }
    read_page(page);
    CHECK_EQ(mov_to_cr(3, CPU_TABLES), CPU_OK);
    CHECK(!translated(page));
}

static void msrs(void)
{
    static const struct {
        uint32_t msr;
        uint64_t reset, good, bad;
    } t[] = {
        /* clang-format off */
        {0x174, 0, 0x10, 0},
        {0x175, 0, UINT64_C(0xffff800000000000), UINT64_C(0x800000000000)},
        {0x176, 0, 1, UINT64_C(0xff00000000000000)},
        {0x1a0, 0x1801, UINT64_C(0x400c51808), 2},
        {0x277, UINT64_C(0x0007040600070406), UINT64_C(0x0001050600070106), 2},
        {0x2ff, 0x806, 0xc06, 0x802}, /* enabled, write-back: as under KVM */
        {0x200, 0, UINT64_C(0xffc0000006), UINT64_C(0x10000000006)},
        {0x201, 0, UINT64_C(0xffc0000800), 0x400},
        {0x20f, 0, 0x800, 1},
        {0x250, 0, UINT64_C(0x0606060606060606), UINT64_C(0x0606060606060306)},
        {0x259, 0, 1, 7},
        {0x26f, 0, 4, 2},
        {0xc0000081, 0, UINT64_MAX, 0},
        {0xc0000082, 0, UINT64_C(0xffffffff81000000), UINT64_C(0x7fffffff81000000)},
        {0xc0000083, 0, 1, UINT64_C(1) << 47},
        {0xc0000084, 0, 0x47700, UINT64_C(1) << 32},
        {0xc0000100, 0, 0x1234, UINT64_C(1) << 47},
        {0xc0000101, 0, 0x1234, UINT64_C(1) << 47},
        {0xc0000102, 0, UINT64_MAX, UINT64_C(1) << 47},
        {0xc0000103, 0, 0xffffffff, UINT64_C(1) << 32},
        /* clang-format on */
    };
    uint64_t val;

    cpu_start(CPU_LONG64);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CHECK_EQ(rdmsr(t[i].msr, &val), CPU_OK);
        CHECK_EQ(val, t[i].reset);
        if (t[i].bad)
            CHECK_EQ(wrmsr(t[i].msr, t[i].bad), EXCEPTION_GP);
        CHECK_EQ(wrmsr(t[i].msr, t[i].good), CPU_OK);
        CHECK_EQ(rdmsr(t[i].msr, &val), CPU_OK);
        CHECK_EQ(val, t[i].good);
    }
    CHECK_EQ(c->window[FS].base, 0x1234);
    for (uint32_t msr = 0; msr < 0x1000; msr++) {
        bool there = soft_rdmsr(c, msr, &val);

        /* No APIC here. */
        if (msr == 0x1b || msr >= 0x400 || (msr >= 0x20 && msr <= 0x30))
            CHECK(!there);
    }
    CHECK_EQ(rdmsr(0x8b, &val), CPU_OK);
    CHECK_EQ(val, UINT64_C(1) << 32);
    CHECK_EQ(wrmsr(0x8b, 0), CPU_OK);
    CHECK_EQ(rdmsr(0xfe, &val), CPU_OK);
    CHECK_EQ(val, 0x508);
    CHECK_EQ(wrmsr(0xfe, 0), EXCEPTION_GP);
    CHECK_EQ(wrmsr(0x1a0, UINT64_C(0x400c51889)), CPU_OK); /* all bits that Intel names */
    CHECK_EQ(rdmsr(0x1a0, &val), CPU_OK);
    CHECK_EQ(val, UINT64_C(0x400c51809)); /* bit 7 is read only */
    CHECK_EQ(rdmsr(0xc0010015, &val), EXCEPTION_GP);
    CHECK_EQ(wrmsr(0x12345678, 0), EXCEPTION_GP);
}

static void extended_features(void)
{
    uint64_t val;

    cpu_start(CPU_LONG64);
    CHECK_EQ(rdmsr(0xc0000080, &val), CPU_OK);
    CHECK_EQ(val, EFER_LME | EFER_LMA);
    CHECK_EQ(wrmsr(0xc0000080, val | EFER_NXE | EFER_SCE), CPU_OK);
    CHECK_EQ(c->efer, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    CHECK_EQ(wrmsr(0xc0000080, val | 1 << 12), EXCEPTION_GP);
    CHECK_EQ(wrmsr(0xc0000080, EFER_LMA), EXCEPTION_GP);
    CHECK_EQ(wrmsr(0xc0000080, EFER_LME), CPU_OK); /* LMA is not for writing */
    CHECK_EQ(c->efer, EFER_LME | EFER_LMA);
}

static uint64_t rdtsc(void)
{
    CHECK_EQ(RUN("\x0f\x31"), CPU_OK);
    return c->r[RAX] | c->r[RDX] << 32;
}

static void time_stamp_counter(void)
{
    const uint64_t far = UINT64_C(1) << 50;
    uint64_t before, val;

    cpu_start(CPU_FLAT32);
    before = rdtsc();
    CHECK(rdtsc() >= before);
    CHECK_EQ(wrmsr(0x3b, far), CPU_OK);
    CHECK(rdtsc() >= before + far);
    CHECK_EQ(wrmsr(0x10, 5), CPU_OK);
    CHECK(rdtsc() < far);
    CHECK_EQ(rdmsr(0x3b, &val), CPU_OK);
    CHECK((int64_t)val <= 5); /* it went back by all that it had counted */
    c->tsc_aux = 7;
    CHECK_EQ(RUN("\x0f\x01\xf9"), CPU_OK);
    CHECK_EQ(c->r[RCX], 7);
    c->cr4 |= CR4_TSD;
    rdtsc();
    c->cpl = 3;
    soft_mode(c);
    CHECK_EQ(RUN("\x0f\x31"), EXCEPTION_GP);
    CHECK_EQ(RUN("\x0f\x01\xf9"), EXCEPTION_GP);
    c->cr4 &= ~(uint64_t)CR4_TSD;
    rdtsc();
}

static void privileged(void)
{
    static const char *const code[] = {
        "\x0f\x20\xc0", "\x0f\x22\xc0",         "\x0f\x21\xc0", "\x0f\x23\xc0", "\x0f\x06",
        "\x0f\x01\xf0", "\x0f\x01\x3b",         "\x0f\x08",     "\x0f\x09",     "\x0f\x30",
        "\x0f\x32",     "\x66\x0f\x38\x82\x03", "\x0f\x33",
    };

    cpu_start(CPU_FLAT32);
    c->cpl = 3;
    soft_mode(c);
    c->r[RCX] = 0x277;
    c->r[RBX] = CPU_DATA;
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        CHECK_EQ(cpu_run(code[i], strlen(code[i])), EXCEPTION_GP);
        CHECK_EQ(c->error_code, 0);
    }
    CHECK_EQ(RUN("\x0f\xa2"), CPU_OK);
}

static void random_numbers(void)
{
    cpu_start(CPU_LONG64);
    for (int i = 0; i < 2; i++) {
        uint8_t code[] = {0x48, 0x0f, 0xc7, i ? 0xf8 : 0xf0};

        soft_set_arith(c, EFLAGS_ARITHMETIC);
        c->r[RAX] = 0;
        CHECK_EQ(cpu_run(code, 4), CPU_OK);
        CHECK(c->r[RAX] >> 32 && (uint32_t)c->r[RAX]);
        CHECK_EQ(soft_arith(c), EFLAGS_CF);
        c->r[RAX] = UINT64_MAX;
        CHECK_EQ(cpu_run(code + 1, 3), CPU_OK);
        CHECK_EQ(c->r[RAX] >> 32, 0);
        code[0] = 0x66;
        c->r[RAX] = UINT64_C(0x1111222233330000);
        CHECK_EQ(cpu_run(code, 4), CPU_OK);
        CHECK_EQ(c->r[RAX] >> 16, UINT64_C(0x111122223333));
    }
}

static void segment_bases(void)
{
    cpu_start(CPU_LONG64);
    c->r[RAX] = UINT64_C(0xffff888812345678);
    CHECK_EQ(RUN("\xf3\x48\x0f\xae\xd0"), EXCEPTION_UD); /* not switched on */
    c->cr4 |= CR4_FSGSBASE;
    CHECK_EQ(RUN("\xf3\x48\x0f\xae\xd0"), CPU_OK);
    CHECK_EQ(c->segment[FS].base, c->r[RAX]);
    CHECK_EQ(c->window[FS].base, c->r[RAX]);
    CHECK_EQ(RUN("\xf3\x0f\xae\xd8"), CPU_OK); /* wrgsbase eax */
    CHECK_EQ(c->segment[GS].base, 0x12345678);
    CHECK_EQ(RUN("\xf3\x48\x0f\xae\xc3"), CPU_OK); /* rdfsbase rbx */
    CHECK_EQ(c->r[RBX], UINT64_C(0xffff888812345678));
    CHECK_EQ(RUN("\xf3\x0f\xae\xc3"), CPU_OK);
    CHECK_EQ(c->r[RBX], 0x12345678);
    c->r[RAX] = UINT64_C(1) << 47;
    CHECK_EQ(RUN("\xf3\x48\x0f\xae\xd0"), EXCEPTION_GP);
    cpu_start(CPU_FLAT32);
    c->cr4 |= CR4_FSGSBASE;
    CHECK_EQ(RUN("\xf3\x0f\xae\xc3"), EXCEPTION_UD);
}

static void ports(void)
{
    cpu_start(CPU_FLAT32);
    uint64_t count = c->count;

    c->r[RDX] = 0x3ff; /* COM1's scratch register */
    c->r[RAX] = 0x12345678;
    CHECK_EQ(RUN("\xee\xb0\x00\xec"), CPU_OK);
    CHECK_EQ(c->r[RAX], 0x12345678);
    CHECK_EQ(c->count, count + 3);
    CHECK_EQ(c->io, 2);
    CHECK_EQ(RUN("\xe6\x80\xe4\x80"), CPU_OK);
    c->r[RDX] = 0x5550;
    CHECK_EQ(RUN("\x66\xed"), CPU_OK);
    CHECK_EQ(c->r[RAX] >> 16, 0x1234);
    CHECK_EQ(RUN("\xed"), CPU_OK);
    CHECK_EQ(c->r[RAX], 0xffffffff);
}

static void caches_and_fences(void)
{
    cpu_start(CPU_LONG64);
    c->r[RBX] = CPU_DATA;
    CHECK_EQ(RUN("\x0f\xae\x3b\x66\x0f\xae\x3b\x0f\xae\xe8\x0f\xae\xf0\x0f\xae\xf8"), CPU_OK);
    CHECK_EQ(RUN("\x0f\x08\x0f\x09"), CPU_OK);
    c->r[RBX] = UINT64_C(1) << 32; /* not mapped */
    CHECK_EQ(RUN("\x0f\xae\x3b"), EXCEPTION_PF);
    CHECK_EQ(RUN("\xf0\x0f\xae\xf0"), EXCEPTION_UD);
}

static struct cpuid_answer cpuid(uint32_t leaf, uint32_t index)
{
    c->r[RAX] = leaf;
    c->r[RCX] = index;
    CHECK_EQ(RUN("\x0f\xa2"), CPU_OK);
    return (struct cpuid_answer){c->r[RAX], c->r[RBX], c->r[RCX], c->r[RDX]};
}

static void identity(void)
{
    struct cpuid_answer a;
    char brand[49] = {0};

    cpu_start(CPU_LONG64);
    a = cpuid(0, 0);
    CHECK_EQ(a.eax, 0x16);
    CHECK(!memcmp(&a.ebx, "Genu", 4) && !memcmp(&a.edx, "ineI", 4) && !memcmp(&a.ecx, "ntel", 4));
    a = cpuid(1, 0);
    CHECK_EQ(a.eax, 0x30661);
    CHECK_EQ(a.ebx, 0x10800);
    CHECK(!(a.edx & 1 << 9)); /* this machine has no APIC */
    CHECK(a.ecx & UINT32_C(1) << 31);
    CHECK(a.ecx & 1 << 27);
    c->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    CHECK(!(cpuid(1, 0).ecx & 1 << 27));
    for (int i = 0; i < 3; i++) {
        a = cpuid(0x80000002 + i, 0);
        memcpy(brand + 16 * i, &a, 16);
    }
    CHECK(!strcmp(brand, "minivm soft CPU"));
    a = cpuid(0x15, 0);
    CHECK_EQ(a.eax, 1);
    CHECK_EQ(a.ebx, 1);
    CHECK_EQ(a.ecx, 1000000000);
    a = cpuid(0x40000000, 0);
    CHECK_EQ(a.eax, 0x40000001);
    CHECK(!memcmp(&a.ebx, "KVMKVMKVM\0\0\0", 12));
    CHECK_EQ(cpuid(0x80000000, 0).eax, 0x80000008);
    CHECK_EQ(cpuid(0x80000008, 0).eax, 48 << 8 | 40);
    CHECK_EQ(cpuid(0xd, 0).ecx, 576);
    CHECK_EQ(cpuid(0xd, 0).eax, 3);
    CHECK_EQ(cpuid(0xd, 1).ebx, 576);
    /* Beyond the last: as the last basic one. */
    CHECK_EQ(cpuid(0x17, 0).eax, cpuid(0x16, 0).eax);
    CHECK_EQ(cpuid(0x80000009, 0).eax, cpuid(0x16, 0).eax);
    CHECK_EQ(cpuid(3, 0).eax, 0);
    CHECK_EQ(cpuid(7, 1).eax, 0);
    CHECK_EQ(cpuid(4, 2).eax & 0xff, 3 | 2 << 5);
    CHECK_EQ(cpuid(4, 3).eax, 0);
}

/* The second of two CPUs, with local APICs, in real mode. */
static void with_apic(void)
{
    static struct test_console console;
    struct config config = {
        .engine = &soft_engine, .ram = CPU_RAM, .cpus = 2, .guests = 1, .apic = true};
    struct cpu_state s;
    struct cpuid_answer a;
    uint64_t base;

    cpu_end();
    cpu_machine = calloc(1, sizeof(*cpu_machine));
    test_console_init(&console);
    machine_build(cpu_machine, &config, (struct console *[]){&console.console});
    c = cpu_machine->vcpu[1].engine;
    cpu_real_mode(&s, CPU_CODE);
    lapic_page_reset(&s.lapic, 1, false);
    soft_engine.set(&cpu_machine->vcpu[1], &s);

    a = cpuid(1, 0);
    CHECK_EQ(a.ebx, 0x1020800);
    CHECK_EQ(a.ecx & (1 << 21 | 1 << 24), 1 << 21 | 1 << 24); /* x2APIC, deadlines of the TSC */
    CHECK_EQ(a.edx & (1 << 9 | 1 << 28), 1 << 9 | 1 << 28);
    a = cpuid(0xb, 1);
    CHECK_EQ(a.ebx, 2);
    CHECK_EQ(a.edx, 1);
    a = cpuid(0xb, 5);
    CHECK_EQ(a.ecx, 5);
    CHECK_EQ(a.edx, 1);
    CHECK_EQ(rdmsr(0x1b, &base), CPU_OK);
    CHECK_EQ(base, 0xfee00800);
    CHECK_EQ(rdmsr(0x802, &base), EXCEPTION_GP);
    /* What the PIC wants is looked at when LINT0 lets it through. */
    c->vcpu->intr = true;
    c->request = 0;
    soft_mmio_write(c, 0xfee00350, 4, 0x700);
    CHECK(c->request && !c->stop_at);
    c->vcpu->intr = false;
    CHECK_EQ(wrmsr(0x1b, 0xfee00c00), CPU_OK);
    CHECK_EQ(rdmsr(0x802, &base), CPU_OK);
    CHECK_EQ(base, 1);
    CHECK_EQ(wrmsr(0x1b, 0xfee00000), CPU_OK);
    CHECK(!(cpuid(1, 0).edx & 1 << 9));
}

/* Instructions that come with features. Those without one: it is not about instructions. */
static const struct {
    const char *name, *code;
    size_t n;
} with_feature[] = {
#define CODE(bytes) bytes, sizeof(bytes) - 1
    {"fpu", CODE("\xd9\xe8")},
    {"tsc", CODE("\x0f\x31")},
    {"msr", CODE("\x0f\x32")},
    {"cx8", CODE("\x0f\xc7\x08")},
    {"sep", CODE("\x0f\x34")},
    {"cmov", CODE("\x0f\x44\xc0")},
    {"clflush", CODE("\x0f\xae\x38")},
    {"mmx", CODE("\x0f\x6f\xc0")},
    {"fxsr", CODE("\x0f\xae\x00")},
    {"sse", CODE("\x0f\x58\xc0")},
    {"sse2", CODE("\x66\x0f\x58\xc0")},
    {"sse3", CODE("\xf2\x0f\x7c\xc0")},
    {"ssse3", CODE("\x66\x0f\x38\x1c\xc0")},
    {"cx16", CODE("\x48\x0f\xc7\x08")},
    {"sse4_1", CODE("\x66\x0f\x38\x40\xc0")},
    {"sse4_2", CODE("\x66\x0f\x38\x37\xc0")},
    {"sse4_2", CODE("\xf2\x0f\x38\xf1\xc0")},
    {"movbe", CODE("\x0f\x38\xf0\x00")},
    {"popcnt", CODE("\xf3\x0f\xb8\xc0")},
    {"xsave", CODE("\x0f\xae\x20")},
    {"xsave", CODE("\x0f\xae\x28")},
    {"xsave", CODE("\x0f\x01\xd0")},
    {"rdrand", CODE("\x0f\xc7\xf0")},
    {"fsgsbase", CODE("\xf3\x0f\xae\xc0")},
    {"bmi1", CODE("\xc4\xe2\x78\xf2\xc0")},
    {"bmi1", CODE("\xf3\x0f\xbc\xc0")},
    {"bmi2", CODE("\xc4\xe2\x7b\xf6\xc0")},
    {"bmi2", CODE("\xc4\xe3\x7b\xf0\xc0\x01")},
    {"erms", CODE("\xf3\xa4")},
    {"invpcid", CODE("\x66\x0f\x38\x82\x00")},
    {"rdseed", CODE("\x0f\xc7\xf8")},
    {"smap", CODE("\x0f\x01\xca")},
    {"smap", CODE("\x0f\x01\xcb")},
    {"clflushopt", CODE("\x66\x0f\xae\x38")},
    {"xsaveopt", CODE("\x0f\xae\x30")},
    {"xsavec", CODE("\x0f\xc7\x20")},
    {"lahf_lm", CODE("\x9f")},
    {"lzcnt", CODE("\xf3\x0f\xbd\xc0")},
    {"prefetchw", CODE("\x0f\x0d\x08")},
    {"syscall", CODE("\x0f\x05")},
    {"rdtscp", CODE("\x0f\x01\xf9")},
};

/* And instructions of features that are not offered, whatever they may be. */
static const struct {
    const char *name, *code;
    size_t n;
} without_feature[] = {
    {"monitor", CODE("\x0f\x01\xc8")},
    {"mwait", CODE("\x0f\x01\xc9")},
    {"vmxon", CODE("\xf3\x0f\xc7\x30")},
    {"vmlaunch", CODE("\x0f\x01\xc2")},
    {"vmmcall", CODE("\x0f\x01\xd9")},
    {"invept", CODE("\x66\x0f\x38\x80\x03")},
    {"getsec", CODE("\x0f\x37")},
    {"aesenc", CODE("\x66\x0f\x38\xdc\xc0")},
    {"pclmulqdq", CODE("\x66\x0f\x3a\x44\xc0\x00")},
    {"adcx", CODE("\x66\x0f\x38\xf6\xc0")},
    {"adox", CODE("\xf3\x0f\x38\xf6\xc0")},
    {"sha1nexte", CODE("\x0f\x38\xc8\xc0")},
    {"vaddps", CODE("\xc5\xf8\x58\xc0")},
    {"vcvtph2ps", CODE("\xc4\xe2\x79\x13\xc0")},
    {"vfmadd132ps", CODE("\xc4\xe2\x79\x98\xc0")},
    {"rdpid", CODE("\xf3\x0f\xc7\xf8")},
    {"clwb", CODE("\x66\x0f\xae\x33")},
    {"xsaves", CODE("\x0f\xc7\x2b")},
    {"xrstors", CODE("\x0f\xc7\x1b")},
    {"rdpkru", CODE("\x0f\x01\xee")},
    {"xbegin", CODE("\xc7\xf8\0\0\0\0")},
    {"xtest", CODE("\x0f\x01\xd6")},
    {"incsspd", CODE("\xf3\x0f\xae\xe8")},
    {"ptwrite", CODE("\xf3\x0f\xae\xe0")},
    {"umonitor", CODE("\xf3\x0f\xae\xf0")},
    {"tpause", CODE("\x66\x0f\xae\xf0")},
    {"movdiri", CODE("\x0f\x38\xf9\x03")},
    {"extrq", CODE("\x66\x0f\x79\xc0")},
    {"rsm", CODE("\x0f\xaa")},
    {"senduipi", CODE("\xf3\x0f\xc7\xf0")},
    {"clzero", CODE("\x0f\x01\xfc")},
    {"serialize", CODE("\x0f\x01\xe8")},
    {"gf2p8mulb", CODE("\x66\x0f\x38\xcf\xc0")},
    {"pavgusb", CODE("\x0f\x0f\xc0\xbf")},
};

static bool is_feature(const char *name)
{
    for (const struct soft_feature *f = soft_features; f->name; f++)
        if (!strcmp(f->name, name))
            return true;
    return false;
}

static uint32_t word_of(const struct soft_feature *f)
{
    struct cpuid_answer a = cpuid(f->leaf, f->index);

    return ((const uint32_t *)&a)[f->reg - SOFT_EAX];
}

static void features(void)
{
    cpu_start(CPU_LONG64);
    for (const struct soft_feature *f = soft_features; f->name; f++)
        CHECK(word_of(f) >> f->bit & 1);
    for (size_t i = 0; i < sizeof(with_feature) / sizeof(with_feature[0]); i++) {
        uint8_t code[15] = {0};
        struct soft_op op;

        memcpy(code, with_feature[i].code, with_feature[i].n);
        struct soft_decoded d = soft_decode(c->mode, code, sizeof(code), 0, &op);

        CHECK(d.row && d.len == (int)with_feature[i].n);
        CHECK(is_feature(with_feature[i].name));
        if (!d.row)
            printf("# no instruction of %s\n", with_feature[i].name);
    }
}

static void no_other_features(void)
{
    cpu_start(CPU_LONG64);
    c->r[RBX] = CPU_DATA;
    for (size_t i = 0; i < sizeof(without_feature) / sizeof(without_feature[0]); i++) {
        int result = cpu_run(without_feature[i].code, without_feature[i].n);

        CHECK_EQ(result, EXCEPTION_UD);
        if (result != EXCEPTION_UD)
            printf("# %s is there\n", without_feature[i].name);
    }
}

static void hypercall(void)
{
    cpu_start(CPU_LONG64);
    c->r[RAX] = 1;
    CHECK_EQ(RUN("\x0f\x01\xc1"), CPU_OK);
    CHECK_EQ(c->r[RAX], (uint64_t)-1000);
}

int main(void)
{
    return test_main((struct test[]){
        {cr0_combinations, "what CR0 takes"},
        {into_long_mode, "into long mode and out"},
        {pae_loads_pdptes, "PAE paging loads its PDPTEs"},
        {cr3_and_cr4, "what CR3 and CR4 take"},
        {which_control_registers, "CR0, CR2, CR3, CR4, CR8"},
        {machine_status_word, "LMSW, SMSW, CLTS, UMIP"},
        {debug_registers, "debug registers"},
        {invalidation, "INVLPG, INVPCID, CR3"},
        {msrs, "MSRs: values after reset, what they take"},
        {extended_features, "EFER"},
        {time_stamp_counter, "RDTSC, RDTSCP, TSC_ADJUST"},
        {privileged, "privileged instructions in user mode"},
        {random_numbers, "RDRAND, RDSEED"},
        {segment_bases, "FSGSBASE"},
        {ports, "IN and OUT"},
        {caches_and_fences, "caches and fences"},
        {identity, "CPUID"},
        {with_apic, "a local APIC, in CPUID and MSRs"},
        {features, "features have instructions"},
        {no_other_features, "what is not offered is not there"},
        {hypercall, "VMCALL knows nothing"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * String instructions of the CPU in C, against the host's processor: the same bytes are run on
 * the same addresses; and what only a system sees, faults and steps in the middle.
 */
#define _GNU_SOURCE
#include "tests/unit/random.h"
#include "tests/unit/soft-cpu.h"

#include <sys/mman.h>

enum {
    AREA = 0x20000, /* bytes at CPU_DATA, in the guest and on the host */
    DIRECTION = EFLAGS_DF,
    COMPARED = EFLAGS_ARITHMETIC | EFLAGS_DF,
    PAGE_TABLE = 0x110000,
    PRESENT = 1,
    WRITABLE = 2,
};

struct registers {
    uint64_t rax, rcx, rsi, rdi, flags;
};

static uint8_t *host_code, *host_data;

static void map_host(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

    if (host_code)
        return;
    host_code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    host_data = mmap((void *)CPU_DATA, AREA, PROT_READ | PROT_WRITE, flags, -1, 0);
}

/* Let the host's processor run code. */
static void run_native(const uint8_t *code, size_t n, struct registers *r)
{
    memcpy(host_code, code, n);
    host_code[n] = 0xc3;
    asm volatile("leaq -128(%%rsp), %%rsp\n\tpushq %[flags]\n\tpopfq\n\tcall "
                 "*%[code]\n\tpushfq\n\tcld\n\tpopq %[flags]\n\tleaq 128(%%rsp), %%rsp"
                 : "+a"(r->rax), "+c"(r->rcx), "+S"(r->rsi), "+D"(r->rdi), [flags] "+r"(r->flags)
                 : [code] "r"(host_code)
                 : "memory", "cc");
    r->flags &= COMPARED;
}

/* And the one in C. */
static int run_soft(const uint8_t *code, size_t n, struct registers *r)
{
    int result;

    c->r[RAX] = r->rax;
    c->r[RCX] = r->rcx;
    c->r[RSI] = r->rsi;
    c->r[RDI] = r->rdi;
    soft_set_arith(c, r->flags);
    c->eflags = r->flags & DIRECTION;
    result = cpu_run(code, n);
    *r = (struct registers){c->r[RAX], c->r[RCX], c->r[RSI], c->r[RDI], soft_eflags(c) & COMPARED};
    return result;
}

/* A random string instruction but INS and OUTS; the length. */
static size_t random_code(uint8_t *code, int *size, bool *address32)
{
    static const uint8_t opcodes[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    uint8_t opcode = opcodes[below(5)];
    size_t n = 0;

    *size = 1 << below(4);
    *address32 = below(4) == 0;
    if (*address32)
        code[n++] = 0x67;
    if (below(5))
        code[n++] = below(2) ? 0xf3 : 0xf2;
    if (*size == 2)
        code[n++] = 0x66;
    if (*size == 8)
        code[n++] = 0x48;
    code[n++] = opcode | (*size > 1);
    return n;
}

/* Addresses such that count elements lie within the area, often near each other. */
static void random_addresses(struct registers *r, int size, bool address32)
{
    uint64_t bytes = r->rcx * size, room = AREA - bytes - 64;
    uint64_t from = CPU_DATA + 32 + below(room);
    uint64_t to = CPU_DATA + 32 + below(room);

    if (below(2)) {
        to = from + below(33) - 16;
        if (below(2) && to < CPU_DATA + AREA - bytes - 4096)
            to += below(4096);
        if (to < CPU_DATA)
            to = from;
        if (to > CPU_DATA + AREA - bytes)
            to = from;
    }
    if (r->flags & DIRECTION) {
        from += bytes ? bytes - size : 0;
        to += bytes ? bytes - size : 0;
    }
    r->rsi = from;
    r->rdi = to;
    if (address32) {
        r->rcx |= (uint64_t)below(5) << 32;
        r->rsi |= UINT64_C(0x1234567) << 32;
        r->rdi |= UINT64_C(0x89abcde) << 32;
    }
}

static void fill_area(void)
{
    for (int i = 0; i < AREA; i++)
        host_data[i] = below(50) ? 'a' : below(256);
    memcpy(cpu_at(CPU_DATA), host_data, AREA);
}

/* SDM 2, REP, and SDM 1, Address Calculations in 64-Bit Mode: whether registers are cut to 32-bit
 * addresses when the count is 0, so that nothing is done. Intel's processors cut, AMD's do not. */
static void accept_cut(const uint8_t *code, size_t n, const struct registers *before,
                       const struct registers *native, struct registers *soft)
{
    uint8_t opcode = code[n - 1] & ~1;
    bool from = opcode == 0xa4 || opcode == 0xa6 || opcode == 0xac, to = opcode != 0xac;

    if (code[0] != 0x67 || (code[1] != 0xf2 && code[1] != 0xf3) || (uint32_t)before->rcx != 0)
        return;
    if (native->rcx == (uint32_t)before->rcx && soft->rcx == before->rcx)
        soft->rcx = native->rcx;
    if (from && native->rsi == (uint32_t)before->rsi && soft->rsi == before->rsi)
        soft->rsi = native->rsi;
    if (to && native->rdi == (uint32_t)before->rdi && soft->rdi == before->rdi)
        soft->rdi = native->rdi;
}

static void against_host(void)
{
    map_host();
    CHECK(host_data == (uint8_t *)CPU_DATA);
    if (host_data != (uint8_t *)CPU_DATA)
        return;
    cpu_start(CPU_LONG64);
    for (int i = 0; i < 6000; i++) {
        uint8_t code[16];
        int size;
        bool address32;
        struct registers native = {0}, soft;
        size_t n = random_code(code, &size, &address32);

        if (i % 20 == 0)
            fill_area();
        native.rax = below(3) ? UINT64_C(0x6161616161616161) : random64();
        native.rcx = below(3) ? below(40) : below(9000);
        native.flags = random64() & COMPARED;
        random_addresses(&native, size, address32);
        soft = native;
        struct registers before = native;

        run_native(code, n, &native);
        int result = run_soft(code, n, &soft);

        accept_cut(code, n, &before, &native, &soft);
        bool same = result == CPU_OK && !memcmp(&native, &soft, sizeof(native)) &&
                    !memcmp(host_data, cpu_at(CPU_DATA), AREA);

        CHECK(same);
        if (same)
            continue;
        printf("# case %d, result %d:", i, result);
        for (size_t b = 0; b < n; b++)
            printf(" %02x", code[b]);
        printf("\n# before rax=%lx rcx=%lx rsi=%lx rdi=%lx flags=%lx\n", before.rax, before.rcx,
               before.rsi, before.rdi, before.flags);
        printf("# host   rax=%lx rcx=%lx rsi=%lx rdi=%lx flags=%lx\n", native.rax, native.rcx,
               native.rsi, native.rdi, native.flags);
        printf("# soft   rax=%lx rcx=%lx rsi=%lx rdi=%lx flags=%lx\n", soft.rax, soft.rcx, soft.rsi,
               soft.rdi, soft.flags);
        fill_area();
        if (test_failures > 10)
            return;
    }
}

/* The first 2 MiB by pages of 4 KiB. */
static void split_pages(void)
{
    uint64_t *pdpt = (uint64_t *)cpu_at(*(uint64_t *)cpu_at(CPU_TABLES) & ~SOFT_PAGE);
    uint64_t *pd = (uint64_t *)cpu_at(pdpt[0] & ~SOFT_PAGE);
    uint64_t *pt = (uint64_t *)cpu_at(PAGE_TABLE);

    for (int i = 0; i < 512; i++)
        pt[i] = (uint64_t)i << 12 | PRESENT | WRITABLE;
    pd[0] = PAGE_TABLE | PRESENT | WRITABLE;
    soft_flush_tlb(c, true);
}

static void set_page(uint64_t linear, uint64_t rights)
{
    ((uint64_t *)cpu_at(PAGE_TABLE))[linear >> 12] = linear | rights;
    soft_flush_tlb(c, true);
}

static struct registers registers(uint64_t count, uint64_t from, uint64_t to)
{
    return (struct registers){.rcx = count, .rsi = from, .rdi = to};
}

static void fault_in_the_middle(void)
{
    struct registers r = registers(100, CPU_DATA, CPU_DATA + 0x2000 - 40 * 8 - 3);

    cpu_start(CPU_LONG64);
    split_pages();
    set_page(CPU_DATA + 0x2000, PRESENT);
    c->cr0 |= CR0_WP;
    memset(cpu_at(CPU_DATA), 'x', 0x1000);
    CHECK_EQ(run_soft((const uint8_t *)"\xf3\x48\xa5", 3, &r), EXCEPTION_PF);
    /* The fortieth would have crossed into the page that cannot be written. */
    CHECK_EQ(r.rcx, 60);
    CHECK_EQ(r.rsi, CPU_DATA + 40 * 8);
    CHECK_EQ(r.rdi, CPU_DATA + 0x2000 - 3);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    CHECK_EQ(c->cr2, CPU_DATA + 0x2000);
    CHECK_EQ(c->error_code, 3);
    CHECK_EQ(*cpu_at(CPU_DATA + 0x2000 - 4), 'x');
    CHECK_EQ(*cpu_at(CPU_DATA + 0x2000 - 3), 0);
    set_page(CPU_DATA + 0x2000, PRESENT | WRITABLE);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->r[RCX], 0);
    CHECK_EQ(c->r[RIP], CPU_CODE + 3);
    CHECK_EQ(*cpu_at(CPU_DATA + 0x2000 + 60 * 8 - 4), 'x');
    CHECK_EQ(*cpu_at(CPU_DATA + 0x2000 + 60 * 8 - 3), 0);
}

/* Flags are then what they were before: SCAS does not depend on them. */
static void fault_of_a_comparison(void)
{
    struct registers r = {
        .rcx = 100, .rdi = CPU_DATA + 0x2000 - 10, .flags = EFLAGS_CF | EFLAGS_OF};

    cpu_start(CPU_LONG64);
    split_pages();
    set_page(CPU_DATA + 0x2000, 0);
    memset(cpu_at(CPU_DATA), 1, 0x2000);
    CHECK_EQ(run_soft((const uint8_t *)"\xf2\xae", 2, &r), EXCEPTION_PF);
    CHECK_EQ(r.rcx, 90);
    CHECK_EQ(r.rdi, CPU_DATA + 0x2000);
    CHECK_EQ(r.flags, EFLAGS_CF | EFLAGS_OF);
    CHECK_EQ(c->error_code, 0);
}

/* A source that cannot be read, and a target that cannot be written: the source counts. */
static void which_fault_first(void)
{
    struct registers r = registers(3, CPU_DATA + 0x1ffe, CPU_DATA + 0x3ffe);

    cpu_start(CPU_LONG64);
    split_pages();
    set_page(CPU_DATA + 0x2000, 0);
    set_page(CPU_DATA + 0x4000, 0);
    CHECK_EQ(run_soft((const uint8_t *)"\xf3\xa5", 2, &r), EXCEPTION_PF);
    CHECK_EQ(c->cr2, CPU_DATA + 0x2000);
    CHECK_EQ(r.rcx, 3);
    CHECK_EQ(r.rsi, CPU_DATA + 0x1ffe);
}

/* With TF, an iteration at a time. */
static void stepped(void)
{
    cpu_start(CPU_LONG64);
    memcpy(cpu_at(CPU_CODE), "\xf3\xa4", 2);
    c->r[RIP] = CPU_CODE;
    c->r[RCX] = 3;
    c->r[RSI] = CPU_DATA;
    c->r[RDI] = CPU_DATA + 0x1000;
    uint64_t count = c->count;

    for (int left = 2; left >= 0; left--) {
        c->stepped = true;
        CHECK_EQ(cpu_step(), CPU_OK);
        CHECK_EQ(c->r[RCX], left);
        CHECK_EQ(c->r[RIP], CPU_CODE + (left ? 0 : 2));
        CHECK_EQ(!!(c->eflags & EFLAGS_RF), left > 0);
        CHECK_EQ(c->count, count + !left);
    }
    c->stepped = false;
}

/* A long one gives way, and is counted once. */
static void gives_way(void)
{
    int steps = 0;

    cpu_start(CPU_LONG64);
    memcpy(cpu_at(CPU_CODE), "\xf3\xaa", 2);
    c->r[RIP] = CPU_CODE;
    c->r[RCX] = 0x40000;
    c->r[RDI] = CPU_DATA;
    c->r[RAX] = 0x5a;
    uint64_t count = c->count;

    while (c->r[RIP] == CPU_CODE && steps++ < 1000)
        CHECK_EQ(cpu_step(), CPU_OK);
    CHECK(steps > 10 && steps < 100);
    CHECK_EQ(c->count, count + 1);
    CHECK_EQ(*cpu_at(CPU_DATA + 0x3ffff), 0x5a);
    CHECK_EQ(*cpu_at(CPU_DATA + 0x40000), 0);
}

/* Offsets of 16 bits wrap within their segment. */
static void wraps_at_64k(void)
{
    cpu_start(CPU_REAL16);
    c->segment[ES].base = CPU_DATA;
    soft_mode(c);
    c->r[RDI] = 0xabcdfffe;
    c->r[RCX] = 0x10004;
    c->r[RAX] = 'w';
    CHECK_EQ(cpu_run("\xf3\xaa", 2), CPU_OK);
    CHECK_EQ(c->r[RDI], 0xabcd0002);
    CHECK_EQ(c->r[RCX], 0x10000);
    CHECK_EQ(*cpu_at(CPU_DATA + 0xfffe), 'w');
    CHECK_EQ(*cpu_at(CPU_DATA + 1), 'w');
    CHECK_EQ(*cpu_at(CPU_DATA + 2), 0);
    CHECK_EQ(*cpu_at(CPU_DATA + 0x10000), 0);
    /* But an element does not. */
    c->r[RDI] = 0xffff;
    CHECK_EQ(cpu_run("\xab", 1), EXCEPTION_GP);
}

static void segments(void)
{
    cpu_start(CPU_REAL16);
    c->segment[DS].base = CPU_DATA;
    c->segment[ES].base = CPU_DATA + 0x10000;
    c->segment[FS].base = CPU_DATA + 0x20000;
    soft_mode(c);
    memcpy(cpu_at(CPU_DATA), "ds", 2);
    memcpy(cpu_at(CPU_DATA + 0x20000), "fs", 2);
    c->r[RSI] = c->r[RDI] = 0;
    CHECK_EQ(cpu_run("\xa5\x64\xac", 3), CPU_OK);
    CHECK(!memcmp(cpu_at(CPU_DATA + 0x10000), "ds", 2));
    CHECK_EQ(c->r[RAX] & 0xff, 0); /* FS:2 */
    c->r[RSI] = 0;
    CHECK_EQ(cpu_run("\x64\xad", 2), CPU_OK);
    CHECK_EQ(c->r[RAX] & 0xffff, 'f' | 's' << 8);
}

/* 32-bit addresses in 64-bit mode: registers are cut when they are written, and only then. */
static void addresses_of_32_bits(void)
{
    struct registers r = registers(UINT64_C(0x500000000), UINT64_C(0x600000000), 7);

    cpu_start(CPU_LONG64);
    CHECK_EQ(run_soft((const uint8_t *)"\x67\xf3\xa4", 3, &r), CPU_OK);
    CHECK_EQ(r.rcx, UINT64_C(0x500000000));
    CHECK_EQ(r.rsi, UINT64_C(0x600000000));
    r = registers(UINT64_C(0x500000001), UINT64_C(0x600000000) | CPU_DATA, CPU_DATA);
    CHECK_EQ(run_soft((const uint8_t *)"\x67\xf3\xa4", 3, &r), CPU_OK);
    CHECK_EQ(r.rcx, 0);
    CHECK_EQ(r.rsi, CPU_DATA + 1);
}

/* INS asks whether memory takes it before it reads the port: the keyboard's status stays. */
static void ports(void)
{
    cpu_start(CPU_LONG64);
    c->r[RDX] = 0x71;
    c->r[RDI] = CPU_DATA;
    c->r[RCX] = 3;
    memset(cpu_at(CPU_DATA), 0xee, 4);
    CHECK_EQ(cpu_run("\xf3\x6c", 2), CPU_OK);
    CHECK_EQ(c->io, 3);
    CHECK(*cpu_at(CPU_DATA) != 0xee || *cpu_at(CPU_DATA + 2) != 0xee);
    CHECK_EQ(*cpu_at(CPU_DATA + 3), 0xee);
    split_pages();
    set_page(CPU_DATA, PRESENT);
    c->cr0 |= CR0_WP;
    c->r[RDI] = CPU_DATA;
    CHECK_EQ(cpu_run("\x6c", 1), EXCEPTION_PF);
    CHECK_EQ(c->io, 3);
    /* OUTS writes scratch registers of COM1, and reads memory, element by element. */
    memcpy(cpu_at(CPU_DATA), "\x11\x22\x33", 3);
    c->r[RDX] = 0x3ff;
    c->r[RSI] = CPU_DATA;
    c->r[RCX] = 3;
    CHECK_EQ(cpu_run("\xf3\x6e\xec", 3), CPU_OK);
    CHECK_EQ(c->r[RAX] & 0xff, 0x33);
    CHECK_EQ(c->r[RSI], CPU_DATA + 3);
}

/* It writes over the line that it stands in. */
static void over_itself(void)
{
    cpu_start(CPU_LONG64);
    c->r[RAX] = 0x90;
    c->r[RCX] = 2;
    c->r[RDI] = CPU_CODE + 2;
    /* rep stosb; ud2, which becomes two nops */
    CHECK_EQ(cpu_run("\xf3\xaa\x0f\x0b", 4), CPU_OK);
}

int main(void)
{
    return test_main((struct test[]){
        {against_host, "any string instruction does what the host's does"},
        {fault_in_the_middle, "a fault leaves registers at the element"},
        {fault_of_a_comparison, "a fault leaves flags alone"},
        {which_fault_first, "the source's fault comes first"},
        {stepped, "single-stepped, one iteration at a time"},
        {gives_way, "a long one gives way to interrupts"},
        {wraps_at_64k, "16-bit offsets wrap"},
        {segments, "segments and their override"},
        {addresses_of_32_bits, "32-bit addresses in 64-bit mode"},
        {ports, "strings to and from ports"},
        {over_itself, "over its own line"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * System instructions: ports, control and debug registers, MSRs, time, random numbers, caches and
 * the TLB.
 *
 * After: Intel SDM vol. 2, the instructions' own pages; vol. 3A, "Control Registers", "IA-32e Mode
 * Operation", "Loading Paging-Structure Entries", "Debug Registers".
 *
 * Left out: what caches hold. RAM is coherent whatever a guest does with caches, so WBINVD, CLFLUSH
 * and fences of loads have nothing to do; PCIDs keep nothing (see memory.c).
 */
#include "x86/soft/exec.h"
#include "x86/machine.h"

enum {
    CR0_BITS =
        CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD,
    CR0_LMSW = CR0_PE | CR0_MP | CR0_EM | CR0_TS,
    DR6_BITS = DR6_HITS | DR6_BD | DR6_BS | DR6_BT,

    KVM_ENOSYS = 1000,
};
#define PHYSICAL UINT64_C(0xffffffffff) /* addresses of 40 bits */
#define DR7_BITS UINT64_C(0xffff23ff)

/* Both expect c->op. */
static _Noreturn void refuse(struct soft *c)
{
    soft_raise_code(c, EXCEPTION_GP, 0);
}

static _Noreturn void undefined(struct soft *c)
{
    soft_raise(c, EXCEPTION_UD);
}

static void privileged(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cpl)
        refuse(c);
}

/* The size of registers that are as wide as the mode allows. */
static int wide(const struct soft *c)
{
    return c->code_size == 3 ? 3 : 2;
}

/* Code may mean something else now: for handlers with ROW_END. */
static void new_mode(struct soft *c, const struct soft_op *op)
{
    c->r[RIP] = soft_next_ip(c, op);
    soft_mode(c);
}

/* ---- ports ---- */

static void in(struct soft *c, const struct soft_op *op, uint16_t port)
{
    c->op = op;
    soft_check_io_permission(c, port, 1 << op->osize);
    soft_set_reg(c, op->osize, RAX, soft_in(c, port, 1 << op->osize));
    c->r[RIP] = soft_next_ip(c, op);
}

static void out(struct soft *c, const struct soft_op *op, uint16_t port)
{
    c->op = op;
    soft_check_io_permission(c, port, 1 << op->osize);
    soft_out(c, port, 1 << op->osize, soft_reg(c, op->osize, RAX));
    c->r[RIP] = soft_next_ip(c, op);
}

static void in_ib(struct soft *c, const struct soft_op *op)
{
    in(c, op, op->imm & 0xff);
}

static void in_dx(struct soft *c, const struct soft_op *op)
{
    in(c, op, c->r[RDX]);
}

static void out_ib(struct soft *c, const struct soft_op *op)
{
    out(c, op, op->imm & 0xff);
}

static void out_dx(struct soft *c, const struct soft_op *op)
{
    out(c, op, c->r[RDX]);
}

/* ---- control registers ---- */

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA);
}

/* EFER when paging is switched on or off, as CR0 says. */
static uint64_t switch_paging(struct soft *c, uint64_t cr0)
{
    if (cr0 & CR0_PG) {
        if (!(c->efer & EFER_LME))
            return c->efer;
        /* The last case is a TSS of 16 bits. */
        if (!(c->cr4 & CR4_PAE) || c->segment[CS].l || !(c->tr.type & 8))
            refuse(c);
        return c->efer | EFER_LMA;
    }
    if (c->cr4 & CR4_PCIDE || c->code_size == 3)
        refuse(c);
    return c->efer & ~(uint64_t)EFER_LMA;
}

static void set_cr0(struct soft *c, uint64_t val)
{
    uint64_t changed, efer = c->efer;

    if (val >> 32 || (val & CR0_PG && !(val & CR0_PE)) || (val & CR0_NW && !(val & CR0_CD)))
        refuse(c);
    val = (val & (CR0_BITS | CR0_PG)) | CR0_ET;
    changed = val ^ c->cr0;
    if (changed & CR0_PG)
        efer = switch_paging(c, val);
    if (changed & (CR0_PG | CR0_NW | CR0_CD) && pae_paging(val, c->cr4, efer) &&
        !soft_load_pdptes(c, c->cr3))
        refuse(c);
    c->cr0 = val;
    c->efer = efer;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        soft_flush_tlb(c, true);
}

static void set_cr3(struct soft *c, uint64_t val)
{
    if (c->cr4 & CR4_PCIDE)
        val &= ~CR3_NO_FLUSH;
    if (c->efer & EFER_LMA && val & ~PHYSICAL)
        refuse(c);
    if (pae_paging(c->cr0, c->cr4, c->efer) && !soft_load_pdptes(c, val))
        refuse(c);
    c->cr3 = val;
    soft_flush_tlb(c, false);
}

static void set_cr4(struct soft *c, uint64_t val)
{
    uint64_t changed = val ^ c->cr4;

    if (val & ~soft_cr4_bits(c))
        refuse(c);
    if (c->efer & EFER_LMA && !(val & CR4_PAE))
        refuse(c);
    if (changed & val & CR4_PCIDE && (!(c->efer & EFER_LMA) || c->cr3 & CR3_PCID))
        refuse(c);
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP) && pae_paging(c->cr0, val, c->efer) &&
        !soft_load_pdptes(c, c->cr3))
        refuse(c);
    c->cr4 = val;
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP))
        soft_flush_tlb(c, true);
}

static void mov_from_cr(struct soft *c, const struct soft_op *op)
{
    uint64_t val;

    c->op = op;
    if (op->reg > 4 && op->reg != 8)
        undefined(c);
    if (op->reg == 1)
        undefined(c);
    privileged(c, op);
    val = op->reg == 0   ? c->cr0
          : op->reg == 2 ? c->cr2
          : op->reg == 3 ? c->cr3
          : op->reg == 4 ? c->cr4
                         : soft_cr8(c);
    soft_set(c, wide(c), op->rm, val);
    SOFT_NEXT(c, op);
}

static void mov_to_cr(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_get(c, wide(c), op->rm);

    c->op = op;
    switch (op->reg) {
    case 0:
        privileged(c, op);
        set_cr0(c, val);
        break;
    case 2:
        privileged(c, op);
        c->cr2 = val;
        break;
    case 3:
        privileged(c, op);
        set_cr3(c, val);
        break;
    case 4:
        privileged(c, op);
        set_cr4(c, val);
        break;
    case 8:
        privileged(c, op);
        if (val & ~UINT64_C(15))
            refuse(c);
        soft_set_cr8(c, val);
        break;
    default:
        undefined(c);
    }
    new_mode(c, op);
}

static void clts(struct soft *c, const struct soft_op *op)
{
    privileged(c, op);
    c->cr0 &= ~(uint64_t)CR0_TS;
    new_mode(c, op);
}

static void lmsw(struct soft *c, const struct soft_op *op)
{
    uint64_t val;

    privileged(c, op);
    val = soft_load_e(c, op, 1) & CR0_LMSW;
    c->op = op;
    /* It cannot leave protected mode. */
    set_cr0(c, (c->cr0 & ~(uint64_t)(CR0_LMSW & ~CR0_PE)) | val);
    new_mode(c, op);
}

static void smsw(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cr4 & CR4_UMIP && c->cpl)
        refuse(c);
    soft_store_e(c, op, op->mem ? 1 : op->osize, c->cr0);
    SOFT_NEXT(c, op);
}

/* ---- debug registers ---- */

/* The register that a number means; DR7.GD guards them all. */
static int debug_register(struct soft *c, const struct soft_op *op)
{
    int n = op->reg;

    c->op = op;
    if (n > 7)
        undefined(c);
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE)
            undefined(c);
        n += 2;
    }
    privileged(c, op);
    if (c->dr[7] & DR7_GD) {
        soft_note_debug(c, DR6_BD);
        c->dr[7] &= ~(uint64_t)DR7_GD;
        soft_raise(c, EXCEPTION_DB);
    }
    return n;
}

static void mov_from_dr(struct soft *c, const struct soft_op *op)
{
    int n = debug_register(c, op);

    soft_set(c, wide(c), op->rm, c->dr[n]);
    SOFT_NEXT(c, op);
}

static void mov_to_dr(struct soft *c, const struct soft_op *op)
{
    int n = debug_register(c, op);
    uint64_t val = soft_get(c, wide(c), op->rm);

    if (n >= 6 && val >> 32)
        refuse(c);
    c->dr[n] = n == 6 ? (val & DR6_BITS) | DR6_FIXED : n == 7 ? (val & DR7_BITS) | DR7_FIXED : val;
    soft_attend(c); /* whether to look for breakpoints has to be asked again */
    new_mode(c, op);
}

/* ---- the TLB, caches ---- */

static void invlpg(struct soft *c, const struct soft_op *op)
{
    privileged(c, op);
    soft_flush_page(c, (c->window[op->segment].base + soft_offset(c, op)) & c->linear_mask);
    c->r[RIP] = soft_next_ip(c, op);
}

/* Of its four types, only that of one address spares the others. */
static void invpcid(struct soft *c, const struct soft_op *op)
{
    uint64_t type = soft_get(c, wide(c), op->reg), descriptor[2];

    privileged(c, op);
    if (type > 3)
        refuse(c);
    soft_load_bytes(c, op->segment, soft_linear(c, op, ANYHOW, 16, ACCESS_READ), descriptor, 16);
    if (type < 2 && (descriptor[0] & ~(uint64_t)(c->cr4 & CR4_PCIDE ? CR3_PCID : 0)))
        refuse(c);
    if (descriptor[0] & ~(uint64_t)CR3_PCID)
        refuse(c);
    if (type == 0) {
        if (!soft_canonical(descriptor[1]))
            refuse(c);
        soft_flush_page(c, descriptor[1] & c->linear_mask);
    } else {
        soft_flush_tlb(c, type == 2);
    }
    c->r[RIP] = soft_next_ip(c, op);
}

static void privileged_nothing(struct soft *c, const struct soft_op *op)
{
    privileged(c, op);
    SOFT_NEXT(c, op);
}

/* The byte must be readable. */
static void clflush(struct soft *c, const struct soft_op *op)
{
    soft_load(c, op, ANYHOW, 0);
    SOFT_NEXT(c, op);
}

static void load_fence(struct soft *c, const struct soft_op *op)
{
    asm volatile("lfence" ::: "memory");
    SOFT_NEXT(c, op);
}

static void store_fence(struct soft *c, const struct soft_op *op)
{
    asm volatile("sfence" ::: "memory");
    SOFT_NEXT(c, op);
}

static void full_fence(struct soft *c, const struct soft_op *op)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    SOFT_NEXT(c, op);
}

/* ---- MSRs ---- */

static __attribute__((noinline)) uint64_t read_msr(struct soft *c, uint32_t msr)
{
    uint64_t val;

    if (!soft_rdmsr(c, msr, &val))
        refuse(c);
    return val;
}

/* EDX:EAX, as several instructions answer. */
static void set_edx_eax(struct soft *c, uint64_t val)
{
    soft_set_reg(c, 2, RAX, val);
    soft_set_reg(c, 2, RDX, val >> 32);
}

static void rdmsr(struct soft *c, const struct soft_op *op)
{
    privileged(c, op);
    set_edx_eax(c, read_msr(c, c->r[RCX]));
    SOFT_NEXT(c, op);
}

static void wrmsr(struct soft *c, const struct soft_op *op)
{
    privileged(c, op);
    if (!soft_wrmsr(c, c->r[RCX], (uint32_t)c->r[RAX] | c->r[RDX] << 32))
        refuse(c);
    new_mode(c, op);
}

/* ---- time ---- */

static void check_tsc(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (c->cr4 & CR4_TSD && c->cpl)
        refuse(c);
}

static void rdtsc(struct soft *c, const struct soft_op *op)
{
    check_tsc(c, op);
    set_edx_eax(c, soft_tsc(c));
    SOFT_NEXT(c, op);
}

static void rdtscp(struct soft *c, const struct soft_op *op)
{
    check_tsc(c, op);
    set_edx_eax(c, soft_tsc(c));
    soft_set_reg(c, 2, RCX, c->tsc_aux);
    SOFT_NEXT(c, op);
}

/* There are no counters, so any number is wrong. */
static void rdpmc(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    refuse(c);
}

/* ---- what it says ---- */

static void cpuid(struct soft *c, const struct soft_op *op)
{
    struct cpuid_answer a = soft_cpuid(c, c->r[RAX], c->r[RCX]);

    soft_set_reg(c, 2, RAX, a.eax);
    soft_set_reg(c, 2, RBX, a.ebx);
    soft_set_reg(c, 2, RCX, a.ecx);
    soft_set_reg(c, 2, RDX, a.edx);
    return soft_leave(c, op); /* it serialises: code of other CPUs is seen after it */
}

/* RDRAND and RDSEED, which differ in nothing here. With f3 they are others. */
static void rdrand(struct soft *c, const struct soft_op *op)
{
    if (op->prefix & (SOFT_REP | SOFT_REPNE)) {
        c->op = op;
        undefined(c);
    }
    soft_set(c, op->osize, op->rm, soft_random(c));
    soft_set_arith(c, EFLAGS_CF);
    SOFT_NEXT(c, op);
}

/* CPUID says that there is a KVM; it knows no call. */
static void vmcall(struct soft *c, const struct soft_op *op)
{
    soft_set_reg(c, wide(c), RAX, -KVM_ENOSYS);
    SOFT_NEXT(c, op);
}

/* ---- FS and GS ---- */

static void check_fsgsbase(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    if (!(c->cr4 & CR4_FSGSBASE))
        undefined(c);
}

static void read_base(struct soft *c, const struct soft_op *op, int seg)
{
    check_fsgsbase(c, op);
    soft_set(c, op->osize, op->rm, c->segment[seg].base);
}

static void write_base(struct soft *c, const struct soft_op *op, int seg)
{
    uint64_t val = soft_get(c, op->osize, op->rm);

    check_fsgsbase(c, op);
    if (!soft_canonical(val))
        refuse(c);
    c->segment[seg].base = val;
    new_mode(c, op);
}

static void rdfsbase(struct soft *c, const struct soft_op *op)
{
    read_base(c, op, FS);
    SOFT_NEXT(c, op);
}

static void rdgsbase(struct soft *c, const struct soft_op *op)
{
    read_base(c, op, GS);
    SOFT_NEXT(c, op);
}

static void wrfsbase(struct soft *c, const struct soft_op *op)
{
    write_base(c, op, FS);
}

static void wrgsbase(struct soft *c, const struct soft_op *op)
{
    write_base(c, op, GS);
}

/* clang-format off */
SOFT_TABLE(soft_system_rows)
    ROW("e4", "in al,Ib", .run = in_ib, .attributes = ROW_END)
    ROW("e5", "in eax,Ib", .run = in_ib, .attributes = ROW_END)
    ROW("e6", "out Ib,al", .run = out_ib, .attributes = ROW_END)
    ROW("e7", "out Ib,eax", .run = out_ib, .attributes = ROW_END)
    ROW("ec", "in al,dx", .run = in_dx, .attributes = ROW_END)
    ROW("ed", "in eax,dx", .run = in_dx, .attributes = ROW_END)
    ROW("ee", "out dx,al", .run = out_dx, .attributes = ROW_END)
    ROW("ef", "out dx,eax", .run = out_dx, .attributes = ROW_END)
    ROW("0f 01 =c1", "vmcall", .run = vmcall)
    ROW("0f 01 /4", "smsw Ev", .run = smsw)
    ROW("0f 01 /6", "lmsw Ew", .run = lmsw, .attributes = ROW_END)
    ROW("0f 01 /7", "invlpg M", .run = invlpg, .attributes = ROW_END)
    ROW("0f 01 =f9", "rdtscp", .run = rdtscp)
    ROW("0f 06", "clts", .run = clts, .attributes = ROW_END)
    ROW("0f 08", "invd", .run = privileged_nothing)
    ROW("0f 09", "wbinvd", .run = privileged_nothing)
    ROW("0f 20", "mov Rv,Cv", .run = mov_from_cr)
    ROW("0f 21", "mov Rv,Dv", .run = mov_from_dr)
    ROW("0f 22", "mov Cv,Rv", .run = mov_to_cr, .attributes = ROW_END)
    ROW("0f 23", "mov Dv,Rv", .run = mov_to_dr, .attributes = ROW_END)
    ROW("0f 30", "wrmsr", .run = wrmsr, .attributes = ROW_END)
    ROW("0f 31", "rdtsc", .run = rdtsc)
    ROW("0f 32", "rdmsr", .run = rdmsr)
    ROW("0f 33", "rdpmc", .run = rdpmc, .attributes = ROW_END)
    ROW("66 0f 38 82", "invpcid Gv,Mdq", .run = invpcid, .attributes = ROW_END)
    ROW("0f a2", "cpuid", .run = cpuid)
    ROW("f3 0f ae /0 reg", "rdfsbase Ry", .run = rdfsbase, .attributes = ROW_ONLY64)
    ROW("f3 0f ae /1 reg", "rdgsbase Ry", .run = rdgsbase, .attributes = ROW_ONLY64)
    ROW("f3 0f ae /2 reg", "wrfsbase Ry", .run = wrfsbase, .attributes = ROW_ONLY64 | ROW_END)
    ROW("f3 0f ae /3 reg", "wrgsbase Ry", .run = wrgsbase, .attributes = ROW_ONLY64 | ROW_END)
    ROW("np 0f ae /5 reg", "lfence", .run = load_fence)
    ROW("np 0f ae /6 reg", "mfence", .run = full_fence)
    ROW("np 0f ae /7 reg", "sfence", .run = store_fence)
    ROW("np 0f ae /7 mem", "clflush Mb", .run = clflush)
    ROW("66 0f ae /7 mem", "clflushopt Mb", .run = clflush)
    ROW("0f c7 /6 reg", "rdrand Rv", .run = rdrand)
    ROW("0f c7 /7 reg", "rdseed Rv", .run = rdrand)
SOFT_TABLE_END
/* clang-format on */

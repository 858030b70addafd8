// SPDX-License-Identifier: MIT
/*
 * The x87: the host's own computes it.
 *
 * For each form of the host's instructions there is a stub, which is that instruction and RET. The
 * guest's state is loaded into the host, the stub called, and the state saved: so results, flags,
 * tags and stack faults are the host's in all 80 bits. The guest's exceptions may be unmasked while
 * that happens, because the host raises them only at its next waiting instruction, and there is
 * none before FNINIT.
 *
 * The quick way is for the usual case: all exceptions masked, no operand empty, no stack overflow.
 * Then one or two registers are all that has to be loaded. Exceptions that the host's FSW has from
 * before stay there where the guest has them, too; else they are cleared first.
 *
 * After: Intel SDM vol. 1, "Programming with the x87 FPU"; vol. 2, the instructions; vol. 3,
 * "Handling of x87 FPU Exceptions".
 *
 * Left out: FERR# and IRQ 13: with CR0.NE clear an exception is #MF all the same, as it is under
 * KVM. FCS and FDS: they are 0, and CPUID says so (leaf 7, EBX bit 13).
 */
#include "x86/soft/fpu.h"

/* The host's instructions: escape d8..df and ModRM c0..ff; escape and reg, operand at RDX. */
extern const uint8_t x87_register_stubs[8][64][4] __attribute__((visibility("hidden")));
extern const uint8_t x87_memory_stubs[8][8][4] __attribute__((visibility("hidden")));

/* Load state f, with the flags of arith; call stub; save the new state in after. Returns the flags,
 * as in soft.arith. */
uint32_t x87_host(const struct soft_fpu *f, const uint8_t *stub, void *operand,
                  struct soft_fpu *after, uint32_t arith) __attribute__((visibility("hidden")));

/* Quick: only FCW and exceptions of f are looked at, and none is changed. Returns FSW, above it the
 * flags as in soft.arith. The stub works on two registers; it pushes one; it pops it. */
typedef uint32_t quick_host(const struct soft_fpu *f, const uint8_t *stub, void *operand, void *st0,
                            void *sti);
extern __attribute__((visibility("hidden"))) quick_host x87_quick, x87_quick_load, x87_quick_store;

#define QUICK(name, before, after)                                                                 \
    ".type " #name ", @function\n"                                                                 \
    ".hidden " #name "\n"                                                                          \
    ".globl " #name "\n"                                                                           \
    ".p2align 4\n" #name ":\n"                                                                     \
    "    fnstsw ax\n"                                                                              \
    "    movzx r10d, word ptr [rdi + 2]\n"                                                         \
    "    not r10d\n"                                                                               \
    "    and eax, r10d\n"                                                                          \
    "    test al, 0x7f\n"                                                                          \
    "    jz 1f\n"                                                                                  \
    "    fnclex\n"                                                                                 \
    "1:  movzx r9d, word ptr [rdi]\n"                                                              \
    "    cmp r9d, 0x37f\n"                                                                         \
    "    je 2f\n"                                                                                  \
    "    fldcw [rdi]\n"                                                                            \
    "2:\n" before "    call rsi\n"                                                                 \
    "    lahf\n"                                                                                   \
    "    seto al\n"                                                                                \
    "    shl eax, 16\n"                                                                            \
    "    fnstsw ax\n" after "    cmp r9d, 0x37f\n"                                                 \
    "    je 3f\n"                                                                                  \
    "    fldcw [rip + x87_usual_fcw]\n"                                                            \
    "3:  ret\n"                                                                                    \
    ".size " #name ", . - " #name "\n"

/* clang-format off */
asm(".pushsection .text\n"
    ".set x87_i, 0\n"
    ".hidden x87_register_stubs\n"
    ".globl x87_register_stubs\n"
    "x87_register_stubs:\n"
    ".rept 512\n"
    "    .byte 0xd8 + (x87_i >> 6), 0xc0 + (x87_i & 63), 0xc3, 0xcc\n"
    "    .set x87_i, x87_i + 1\n"
    ".endr\n"
    ".set x87_i, 0\n"
    ".hidden x87_memory_stubs\n"
    ".globl x87_memory_stubs\n"
    "x87_memory_stubs:\n"
    ".rept 64\n"
    "    .byte 0xd8 + (x87_i >> 3), (x87_i & 7) << 3 | 2, 0xc3, 0xcc\n"
    "    .set x87_i, x87_i + 1\n"
    ".endr\n"
    "x87_usual_fcw:\n"
    "    .short 0x37f\n"

    ".type x87_host, @function\n"
    ".hidden x87_host\n"
    ".globl x87_host\n"
    ".p2align 4\n"
    "x87_host:\n"
    "    push rax\n"
    "    stmxcsr [rsp]\n"
    "    fxrstor64 [rdi]\n"
    "    mov eax, r8d\n"
    "    add al, 0x7f\n"
    "    sahf\n"
    "    call rsi\n"
    "    lahf\n"
    "    seto al\n"
    "    fxsave64 [rcx]\n"
    "    fninit\n"
    "    ldmxcsr [rsp]\n"
    "    pop rcx\n"
    "    ret\n"
    ".size x87_host, . - x87_host\n"

    QUICK(x87_quick, "    fld tbyte ptr [r8]\n    fld tbyte ptr [rcx]\n",
                     "    fstp tbyte ptr [rcx]\n    fstp tbyte ptr [r8]\n")
    QUICK(x87_quick_load, "", "    fstp tbyte ptr [rcx]\n")
    QUICK(x87_quick_store, "    fld tbyte ptr [rcx]\n", "")
    ".popsection\n");
/* clang-format on */

enum {
    USUAL_FCW = 0x37f,
    NO_STORE = 0x1f, /* exceptions that leave memory as it is, when they are not masked */
};

/* What an instruction does with the stack. */
enum {
    READS = 1 << 0,   /* ST(0) */
    READS_I = 1 << 1, /* ST(i), too */
    PUSHES = 1 << 2,
    POPS = 1 << 3,
    POPS_2 = 1 << 4,
    COMPARES = 1 << 5, /* its result is FSW's condition */
    FLAGS = 1 << 6,    /* its result is EFLAGS' */
};

/* ---- before and after ---- */

/* For instructions that do not wait for exceptions. */
INLINE void available(struct soft *c, const struct soft_op *op)
{
    if (unlikely(c->cr0 & (CR0_EM | CR0_TS))) {
        c->op = op;
        soft_raise(c, EXCEPTION_NM);
    }
}

INLINE void await(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    if (unlikely(fpu_pending(&c->fpu))) {
        c->op = op;
        soft_raise(c, EXCEPTION_MF);
    }
}

/* Note where the last instruction was, and what it was. */
INLINE void note(struct soft *c, const struct soft_op *op)
{
    c->fpu.fip = soft_cut(c->code_size, c->r[RIP] + op->offset);
    c->fpu.fop = (op->opcode & 7) << 8 | op->modrm;
    if (op->mem)
        c->fpu.fdp = soft_offset(c, op);
}

INLINE const uint8_t *stub_of(const struct soft_op *op)
{
    return op->mem ? x87_memory_stubs[op->opcode & 7][op->modrm >> 3 & 7]
                   : x87_register_stubs[op->opcode & 7][op->modrm & 63];
}

/* ---- operands in memory: they come and go through c->scratch ---- */

INLINE void load_operand(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t linear = soft_linear(c, op, ANYHOW, n, ACCESS_READ);

    if (n == 10) {
        uint64_t low = soft_load_at(c, op, op->segment, linear, 3);

        linear = (linear + 8) & c->linear_mask;
        *(any16 *)(c->scratch + 8) = soft_load_at(c, op, op->segment, linear, 1);
        *(any64 *)c->scratch = low;
    } else {
        *(any64 *)c->scratch = soft_load_at(c, op, op->segment, linear, __builtin_ctz(n));
    }
}

INLINE void store_operand(struct soft *c, const struct soft_op *op, int n)
{
    uint64_t linear = soft_linear(c, op, ANYHOW, n, ACCESS_WRITE);

    if (n == 10) {
        c->op = op;
        if ((linear & SOFT_PAGE) > 4096 - 10) {
            soft_store_bytes(c, op->segment, linear, c->scratch, 10);
            return;
        }
        soft_store_at(c, op, op->segment, linear, 3, *(any64 *)c->scratch);
        soft_store_at(c, op, op->segment, linear + 8, 1, *(any16 *)(c->scratch + 8));
    } else {
        soft_store_at(c, op, op->segment, linear, __builtin_ctz(n), *(any64 *)c->scratch);
    }
}

/* ---- the general way ---- */

/* Run the instruction on the host; when stored is not 0, it stores so many bytes. */
static __attribute__((noinline)) void compute(struct soft *c, const struct soft_op *op, int stored)
{
    struct soft_fpu after;
    uint32_t arith = x87_host(&c->fpu, stub_of(op), c->scratch, &after, c->arith);

    if (stored) {
        if (after.fsw & ~after.fcw & NO_STORE) {
            c->op = op;
            soft_probe(c, op->segment, soft_linear(c, op, ANYHOW, stored, ACCESS_WRITE), stored,
                       ACCESS_WRITE);
        } else {
            store_operand(c, op, stored);
        }
    }
    c->fpu.fsw = after.fsw;
    c->fpu.ftw = after.ftw;
    memcpy(c->fpu.st, after.st, sizeof(after.st));
    c->arith = arith;
}

static void general(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    compute(c, op, 0);
    note(c, op);
    SOFT_NEXT(c, op);
}

static void general_load80(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    load_operand(c, op, 10);
    compute(c, op, 0);
    note(c, op);
    SOFT_NEXT(c, op);
}

static void general_store80(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    compute(c, op, 10);
    note(c, op);
    SOFT_NEXT(c, op);
}

/* ---- the quick way ---- */

/* Is this the usual case? ST(i) must not be empty, unless it is to be pushed. */
INLINE bool usual(const struct soft_fpu *f, unsigned what, int i)
{
    int top = fpu_top(f);
    unsigned full = f->ftw * 0x101 >> top; /* bit i: ST(i) */

    return (f->fcw & FPU_EXCEPTIONS) == FPU_EXCEPTIONS && (!(what & READS) || full & 1) &&
           (!(what & READS_I) || full >> i & 1) && (!(what & PUSHES) || !(full & 0x80));
}

/* ST(0) is moved in two parts, as the host has just written it: moved at once it would have to
 * wait. */
INLINE void move_top(uint8_t *to, const uint8_t *from)
{
    *(any64 *)to = *(const any64 *)from;
    *(any16 *)(to + 8) = *(const any16 *)(from + 8);
}

INLINE void push(struct soft_fpu *f)
{
    uint8_t last[16];

    memcpy(last, f->st[7], 16);
    memmove(f->st[2], f->st[1], 6 * 16);
    move_top(f->st[1], f->st[0]);
    memcpy(f->st[0], last, 16);
    f->fsw = (f->fsw & ~FPU_TOP) | ((f->fsw - (1 << FPU_TOP_SHIFT)) & FPU_TOP);
    f->ftw |= 1 << fpu_top(f);
}

INLINE void pop(struct soft_fpu *f)
{
    uint8_t first[16];

    move_top(first, f->st[0]);
    memmove(f->st[0], f->st[1], 7 * 16);
    move_top(f->st[7], first);
    f->ftw &= ~(1 << fpu_top(f));
    f->fsw = (f->fsw & ~FPU_TOP) | ((f->fsw + (1 << FPU_TOP_SHIFT)) & FPU_TOP);
}

/* After a quick instruction, which left fsw on the host. */
INLINE void conclude(struct soft *c, const struct soft_op *op, unsigned what, uint32_t fsw)
{
    struct soft_fpu *f = &c->fpu;
    unsigned condition = what & COMPARES ? FPU_CONDITION : FPU_C1;

    f->fsw = (f->fsw & ~condition) | (fsw & (condition | FPU_EXCEPTIONS));
    if (what & FLAGS)
        c->arith = fsw >> 16;
    if (what & (POPS | POPS_2))
        pop(f);
    if (what & POPS_2)
        pop(f);
    note(c, op);
}

/* An instruction on ST(0) and ST(i), or one of them. escape and digit name the host's instruction
 * that does the same without popping. */
INLINE void two_registers(struct soft *c, const struct soft_op *op, unsigned what, int escape,
                          int digit)
{
    struct soft_fpu *f = &c->fpu;
    int i = op->rm & 7;

    await(c, op);
    if (likely(usual(f, what, i))) {
        const uint8_t *stub = x87_register_stubs[escape & 7][digit << 3 | (i ? 1 : 0)];

        conclude(c, op, what, x87_quick(f, stub, NULL, f->st[0], f->st[i ? i : 1]));
    } else {
        compute(c, op, 0);
        if (what & FLAGS) /* as the manual has it; AMD leaves it as it was */
            f->fsw &= ~FPU_C1;
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

#define TWO(name, what, escape, digit)                                                             \
    static void name(struct soft *c, const struct soft_op *op)                                     \
    {                                                                                              \
        two_registers(c, op, READS | READS_I | (what), escape, digit);                             \
    }

TWO(arithmetic_0, 0, 0xd8, op->reg & 7)
TWO(arithmetic_i, 0, 0xdc, op->reg & 7)
TWO(arithmetic_pop, POPS, 0xdc, op->reg & 7)
TWO(fcom, COMPARES, 0xd8, 2)
TWO(fcomp, COMPARES | POPS, 0xd8, 2)
TWO(fcompp, COMPARES | POPS_2, 0xd8, 2)
TWO(fucom, COMPARES, 0xdd, 4)
TWO(fucomp, COMPARES | POPS, 0xdd, 4)
TWO(fucompp, COMPARES | POPS_2, 0xdd, 4)
TWO(fucomi, FLAGS, 0xdb, 5)
TWO(fucomip, FLAGS | POPS, 0xdb, 5)
TWO(fcomi, FLAGS, 0xdb, 6)
TWO(fcomip, FLAGS | POPS, 0xdb, 6)

/* An instruction on ST(0) alone, by its own bytes. */
INLINE void one_register(struct soft *c, const struct soft_op *op, unsigned what)
{
    struct soft_fpu *f = &c->fpu;

    await(c, op);
    if (likely(usual(f, what, 0))) {
        conclude(c, op, what, x87_quick(f, stub_of(op), NULL, f->st[0], f->st[1]));
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void unary(struct soft *c, const struct soft_op *op)
{
    one_register(c, op, READS);
}

static void examine(struct soft *c, const struct soft_op *op)
{
    one_register(c, op, READS | COMPARES);
}

static void constant(struct soft *c, const struct soft_op *op)
{
    struct soft_fpu *f = &c->fpu;

    await(c, op);
    if (likely(usual(f, PUSHES, 0))) {
        push(f);
        conclude(c, op, PUSHES, x87_quick_load(f, stub_of(op), NULL, f->st[0], NULL));
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

/* Moves between registers need no host. */

static void fld_sti(struct soft *c, const struct soft_op *op)
{
    struct soft_fpu *f = &c->fpu;
    int i = op->rm & 7;

    await(c, op);
    if (likely(usual(f, READS_I | PUSHES, i))) {
        memcpy(f->st[7], f->st[i], 16);
        push(f);
        conclude(c, op, PUSHES, 0);
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void fxch(struct soft *c, const struct soft_op *op)
{
    struct soft_fpu *f = &c->fpu;
    int i = op->rm & 7;

    await(c, op);
    if (likely(usual(f, READS | READS_I, i))) {
        uint8_t old[16];

        memcpy(old, f->st[0], 16);
        memcpy(f->st[0], f->st[i], 16);
        memcpy(f->st[i], old, 16);
        conclude(c, op, READS, 0);
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

INLINE void fst_register(struct soft *c, const struct soft_op *op, unsigned what)
{
    struct soft_fpu *f = &c->fpu;
    int i = op->rm & 7;

    await(c, op);
    if (likely(usual(f, READS, i))) {
        memcpy(f->st[i], f->st[0], 16);
        f->ftw |= 1 << ((fpu_top(f) + i) & 7);
        conclude(c, op, what, 0);
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void fst_sti(struct soft *c, const struct soft_op *op)
{
    fst_register(c, op, READS);
}

static void fstp_sti(struct soft *c, const struct soft_op *op)
{
    fst_register(c, op, READS | POPS);
}

/* ---- with memory ---- */

INLINE void with_memory(struct soft *c, const struct soft_op *op, unsigned what, int digit)
{
    struct soft_fpu *f = &c->fpu;

    await(c, op);
    load_operand(c, op, 1 << op->osize);
    if (likely(usual(f, what, 0))) {
        const uint8_t *stub = x87_memory_stubs[op->opcode & 7][digit];

        conclude(c, op, what, x87_quick(f, stub, c->scratch, f->st[0], f->st[1]));
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void arithmetic_memory(struct soft *c, const struct soft_op *op)
{
    with_memory(c, op, READS, op->reg & 7);
}

static void fcom_memory(struct soft *c, const struct soft_op *op)
{
    with_memory(c, op, READS | COMPARES, 2);
}

static void fcomp_memory(struct soft *c, const struct soft_op *op)
{
    with_memory(c, op, READS | COMPARES | POPS, 2);
}

INLINE void load(struct soft *c, const struct soft_op *op, int n)
{
    struct soft_fpu *f = &c->fpu;

    await(c, op);
    load_operand(c, op, n);
    if (likely(usual(f, PUSHES, 0))) {
        push(f);
        conclude(c, op, PUSHES, x87_quick_load(f, stub_of(op), c->scratch, f->st[0], NULL));
    } else {
        compute(c, op, 0);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void fld(struct soft *c, const struct soft_op *op)
{
    load(c, op, 1 << op->osize);
}

static void fld80(struct soft *c, const struct soft_op *op)
{
    load(c, op, 10);
}

/* digit names the host's instruction that does the same and pops. */
INLINE void store(struct soft *c, const struct soft_op *op, unsigned what, int n, int digit)
{
    struct soft_fpu *f = &c->fpu;

    await(c, op);
    if (likely(usual(f, what, 0))) {
        const uint8_t *stub = x87_memory_stubs[op->opcode & 7][digit];
        uint32_t fsw = x87_quick_store(f, stub, c->scratch, f->st[0], NULL);

        store_operand(c, op, n);
        conclude(c, op, what, fsw);
    } else {
        compute(c, op, n);
        note(c, op);
    }
    SOFT_NEXT(c, op);
}

static void fst(struct soft *c, const struct soft_op *op)
{
    store(c, op, READS, 1 << op->osize, 3);
}

static void fstp(struct soft *c, const struct soft_op *op)
{
    store(c, op, READS | POPS, 1 << op->osize, op->reg & 7);
}

static void fstp80(struct soft *c, const struct soft_op *op)
{
    store(c, op, READS | POPS, 10, 7);
}

/* ---- control ---- */

static void initialize(struct soft_fpu *f)
{
    fpu_set_top(f, 0);
    f->fcw = USUAL_FCW;
    f->fsw = 0;
    f->ftw = 0;
    f->fop = 0;
    f->fip = f->fdp = 0;
}

void soft_fpu_reset(struct soft_fpu *f)
{
    *f = (struct soft_fpu){.fcw = 0x37f, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff};
}

/* A register's tag: valid, zero, special. */
static int tag_of(const uint8_t *st)
{
    int exponent = *(const any16 *)(st + 8) & 0x7fff;
    uint64_t significand = *(const any64 *)st;

    if (exponent == 0 && significand == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
}

static uint16_t full_tags(const struct soft_fpu *f)
{
    int top = fpu_top(f);
    uint16_t tags = 0;

    for (int i = 0; i < 8; i++)
        tags |= (f->ftw >> i & 1 ? tag_of(f->st[(i - top) & 7]) : 3) << (2 * i);
    return tags;
}

static void set_tags(struct soft_fpu *f, uint16_t tags)
{
    f->ftw = 0;
    for (int i = 0; i < 8; i++)
        f->ftw |= ((tags >> (2 * i) & 3) != 3) << i;
}

/* The environment has four formats: of 16 or 32 bits; with addresses in two parts where there is no
 * protection, one of them beside the opcode. */
static bool in_parts(const struct soft *c)
{
    return !(c->cr0 & CR0_PE) || c->eflags & EFLAGS_VM;
}

static int environment_size(const struct soft_op *op)
{
    return op->osize == 1 ? 14 : 28;
}

static void put_environment(const struct soft *c, const struct soft_op *op, uint8_t *buf)
{
    const struct soft_fpu *f = &c->fpu;
    uint16_t words[3] = {f->fcw, f->fsw, full_tags(f)};
    bool parts = in_parts(c);

    if (op->osize == 1) {
        any16 *to = (any16 *)buf;

        memcpy(buf, words, 6);
        to[3] = f->fip;
        to[4] = parts ? (f->fip >> 16 & 15) << 12 | f->fop : 0;
        to[5] = f->fdp;
        to[6] = parts ? (f->fdp >> 16 & 15) << 12 : 0;
    } else {
        any32 *to = (any32 *)buf;

        for (int i = 0; i < 3; i++)
            to[i] = 0xffff0000 | words[i];
        to[3] = parts ? 0xffff0000 | (uint16_t)f->fip : (uint32_t)f->fip;
        to[4] = parts ? (f->fip >> 16 & 0xffff) << 12 | f->fop : (uint32_t)f->fop << 16;
        to[5] = parts ? 0xffff0000 | (uint16_t)f->fdp : (uint32_t)f->fdp;
        to[6] = parts ? (f->fdp >> 16 & 0xffff) << 12 : 0xffff0000;
    }
}

static void take_environment(struct soft *c, const struct soft_op *op, const uint8_t *buf)
{
    struct soft_fpu *f = &c->fpu;
    bool wide = op->osize != 1, parts = in_parts(c);
    uint32_t v[7];

    for (int i = 0; i < 7; i++)
        v[i] = wide ? ((const any32 *)buf)[i] : ((const any16 *)buf)[i];
    f->fcw = v[0];
    fpu_set_top(f, v[1] >> FPU_TOP_SHIFT & 7);
    f->fsw = v[1];
    fpu_settle(f);
    set_tags(f, v[2]);
    f->fop = 0;
    if (parts) {
        uint32_t high = wide ? 0xffff : 15;

        f->fip = (uint16_t)v[3] | (v[4] >> 12 & high) << 16;
        f->fdp = (uint16_t)v[5] | (v[6] >> 12 & high) << 16;
        f->fop = v[4] & 0x7ff;
    } else {
        f->fip = v[3];
        f->fdp = v[5];
        if (wide)
            f->fop = v[4] >> 16 & 0x7ff;
    }
}

/* FNSTENV, FNSAVE. */
static __attribute__((noinline)) void store_environment(struct soft *c, const struct soft_op *op,
                                                        bool all)
{
    uint8_t buf[28 + 80];
    int n = environment_size(op);

    put_environment(c, op, buf);
    for (int i = 0; all && i < 8; i++, n += 10)
        memcpy(buf + n, c->fpu.st[i], 10);
    c->op = op;
    soft_store_bytes(c, op->segment, soft_linear(c, op, ANYHOW, n, ACCESS_WRITE), buf, n);
}

/* FLDENV, FRSTOR. */
static __attribute__((noinline)) void load_environment(struct soft *c, const struct soft_op *op,
                                                       bool all)
{
    uint8_t buf[28 + 80];
    int at = environment_size(op), n = all ? at + 80 : at;

    c->op = op;
    soft_load_bytes(c, op->segment, soft_linear(c, op, ANYHOW, n, ACCESS_READ), buf, n);
    take_environment(c, op, buf);
    for (int i = 0; all && i < 8; i++, at += 10) {
        memset(c->fpu.st[i], 0, 16);
        memcpy(c->fpu.st[i], buf + at, 10);
    }
}

static void fnstenv(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    store_environment(c, op, false);
    c->fpu.fcw |= FPU_EXCEPTIONS;
    fpu_settle(&c->fpu);
    SOFT_NEXT(c, op);
}

static void fnsave(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    store_environment(c, op, true);
    initialize(&c->fpu);
    SOFT_NEXT(c, op);
}

static void fldenv(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    load_environment(c, op, false);
    SOFT_NEXT(c, op);
}

static void frstor(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    load_environment(c, op, true);
    SOFT_NEXT(c, op);
}

static void fldcw(struct soft *c, const struct soft_op *op)
{
    await(c, op);
    c->fpu.fcw = soft_load(c, op, ANYHOW, 1);
    fpu_settle(&c->fpu);
    SOFT_NEXT(c, op);
}

static void fnstcw(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    soft_store(c, op, ANYHOW, 1, c->fpu.fcw);
    SOFT_NEXT(c, op);
}

static void fnstsw(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    soft_store(c, op, ANYHOW, 1, c->fpu.fsw);
    SOFT_NEXT(c, op);
}

static void fnstsw_ax(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    soft_set_reg(c, 1, RAX, c->fpu.fsw);
    SOFT_NEXT(c, op);
}

static void fnclex(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    c->fpu.fsw &= FPU_CONDITION | FPU_TOP;
    SOFT_NEXT(c, op);
}

static void fninit(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    initialize(&c->fpu);
    SOFT_NEXT(c, op);
}

/* Instructions that only the 8087 and the 80287 obeyed. */
static void ignored(struct soft *c, const struct soft_op *op)
{
    available(c, op);
    SOFT_NEXT(c, op);
}

static void fwait(struct soft *c, const struct soft_op *op)
{
    if (unlikely((c->cr0 & (CR0_TS | CR0_MP)) == (CR0_TS | CR0_MP))) {
        c->op = op;
        soft_raise(c, EXCEPTION_NM);
    }
    if (unlikely(fpu_pending(&c->fpu))) {
        c->op = op;
        soft_raise(c, EXCEPTION_MF);
    }
    SOFT_NEXT(c, op);
}

/* ---- rows ---- */

#define X87(encoding, text, handler) ROW(encoding, text, .run = handler, .attributes = ROW_FPU)

/* The eight of d8, da, dc, de: i is 'i' for integers. */
#define X87_MEMORY(escape, i, operand)                                                             \
    X87(escape " mem /0", "f" i "add " operand, arithmetic_memory)                                 \
    X87(escape " mem /1", "f" i "mul " operand, arithmetic_memory)                                 \
    X87(escape " mem /2", "f" i "com " operand, fcom_memory)                                       \
    X87(escape " mem /3", "f" i "comp " operand, fcomp_memory)                                     \
    X87(escape " mem /4", "f" i "sub " operand, arithmetic_memory)                                 \
    X87(escape " mem /5", "f" i "subr " operand, arithmetic_memory)                                \
    X87(escape " mem /6", "f" i "div " operand, arithmetic_memory)                                 \
    X87(escape " mem /7", "f" i "divr " operand, arithmetic_memory)

/* clang-format off */
SOFT_TABLE(soft_x87_rows)
    X87("9b", "fwait", fwait)

    X87_MEMORY("d8", "", "Md")
    X87("d8 reg /0", "fadd st0,st(i)", arithmetic_0)
    X87("d8 reg /1", "fmul st0,st(i)", arithmetic_0)
    X87("d8 reg /2", "fcom st(i)", fcom)
    X87("d8 reg /3", "fcomp st(i)", fcomp)
    X87("d8 reg /4", "fsub st0,st(i)", arithmetic_0)
    X87("d8 reg /5", "fsubr st0,st(i)", arithmetic_0)
    X87("d8 reg /6", "fdiv st0,st(i)", arithmetic_0)
    X87("d8 reg /7", "fdivr st0,st(i)", arithmetic_0)

    X87("d9 mem /0", "fld Md", fld)
    X87("d9 mem /2", "fst Md", fst)
    X87("d9 mem /3", "fstp Md", fstp)
    X87("d9 mem /4", "fldenv Mv", fldenv)
    X87("d9 mem /5", "fldcw Mw", fldcw)
    X87("d9 mem /6", "fnstenv Mv", fnstenv)
    X87("d9 mem /7", "fnstcw Mw", fnstcw)
    X87("d9 reg /0", "fld st(i)", fld_sti)
    X87("d9 reg /1", "fxch st(i)", fxch)
    X87("d9 =d0", "fnop", general)
    X87("d9 reg /3", "fstpnce st(i)", general)
    X87("d9 =e0", "fchs", unary)
    X87("d9 =e1", "fabs", unary)
    X87("d9 =e4", "ftst", examine)
    X87("d9 =e5", "fxam", examine)
    X87("d9 =e8", "fld1", constant)
    X87("d9 =e9", "fldl2t", constant)
    X87("d9 =ea", "fldl2e", constant)
    X87("d9 =eb", "fldpi", constant)
    X87("d9 =ec", "fldlg2", constant)
    X87("d9 =ed", "fldln2", constant)
    X87("d9 =ee", "fldz", constant)
    X87("d9 =f0", "f2xm1", general)
    X87("d9 =f1", "fyl2x", general)
    X87("d9 =f2", "fptan", general)
    X87("d9 =f3", "fpatan", general)
    X87("d9 =f4", "fxtract", general)
    X87("d9 =f5", "fprem1", general)
    X87("d9 =f6", "fdecstp", general)
    X87("d9 =f7", "fincstp", general)
    X87("d9 =f8", "fprem", general)
    X87("d9 =f9", "fyl2xp1", general)
    X87("d9 =fa", "fsqrt", unary)
    X87("d9 =fb", "fsincos", general)
    X87("d9 =fc", "frndint", unary)
    X87("d9 =fd", "fscale", general)
    X87("d9 =fe", "fsin", general)
    X87("d9 =ff", "fcos", general)

    X87_MEMORY("da", "i", "Md")
    X87("da reg /0", "fcmovb st0,st(i)", general)
    X87("da reg /1", "fcmove st0,st(i)", general)
    X87("da reg /2", "fcmovbe st0,st(i)", general)
    X87("da reg /3", "fcmovu st0,st(i)", general)
    X87("da =e9", "fucompp", fucompp)

    X87("db mem /0", "fild Md", fld)
    X87("db mem /1", "fisttp Md", fstp)
    X87("db mem /2", "fist Md", fst)
    X87("db mem /3", "fistp Md", fstp)
    X87("db mem /5", "fld Mt", fld80)
    X87("db mem /7", "fstp Mt", fstp80)
    X87("db reg /0", "fcmovnb st0,st(i)", general)
    X87("db reg /1", "fcmovne st0,st(i)", general)
    X87("db reg /2", "fcmovnbe st0,st(i)", general)
    X87("db reg /3", "fcmovnu st0,st(i)", general)
    X87("db =e0", "feni", ignored)
    X87("db =e1", "fdisi", ignored)
    X87("db =e2", "fnclex", fnclex)
    X87("db =e3", "fninit", fninit)
    X87("db =e4", "fsetpm", ignored)
    X87("db reg /5", "fucomi st0,st(i)", fucomi)
    X87("db reg /6", "fcomi st0,st(i)", fcomi)

    X87_MEMORY("dc", "", "Mq")
    X87("dc reg /0", "fadd st(i),st0", arithmetic_i)
    X87("dc reg /1", "fmul st(i),st0", arithmetic_i)
    X87("dc reg /2", "fcom2 st(i)", fcom)
    X87("dc reg /3", "fcomp3 st(i)", fcomp)
    X87("dc reg /4", "fsubr st(i),st0", arithmetic_i)
    X87("dc reg /5", "fsub st(i),st0", arithmetic_i)
    X87("dc reg /6", "fdivr st(i),st0", arithmetic_i)
    X87("dc reg /7", "fdiv st(i),st0", arithmetic_i)

    X87("dd mem /0", "fld Mq", fld)
    X87("dd mem /1", "fisttp Mq", fstp)
    X87("dd mem /2", "fst Mq", fst)
    X87("dd mem /3", "fstp Mq", fstp)
    X87("dd mem /4", "frstor Mv", frstor)
    X87("dd mem /6", "fnsave Mv", fnsave)
    X87("dd mem /7", "fnstsw Mw", fnstsw)
    X87("dd reg /0", "ffree st(i)", general)
    X87("dd reg /1", "fxch4 st(i)", fxch)
    X87("dd reg /2", "fst st(i)", fst_sti)
    X87("dd reg /3", "fstp st(i)", fstp_sti)
    X87("dd reg /4", "fucom st(i)", fucom)
    X87("dd reg /5", "fucomp st(i)", fucomp)

    X87_MEMORY("de", "i", "Mw")
    X87("de reg /0", "faddp st(i),st0", arithmetic_pop)
    X87("de reg /1", "fmulp st(i),st0", arithmetic_pop)
    X87("de reg /2", "fcomp5 st(i)", fcomp)
    X87("de =d9", "fcompp", fcompp)
    X87("de reg /4", "fsubrp st(i),st0", arithmetic_pop)
    X87("de reg /5", "fsubp st(i),st0", arithmetic_pop)
    X87("de reg /6", "fdivrp st(i),st0", arithmetic_pop)
    X87("de reg /7", "fdivp st(i),st0", arithmetic_pop)

    X87("df mem /0", "fild Mw", fld)
    X87("df mem /1", "fisttp Mw", fstp)
    X87("df mem /2", "fist Mw", fst)
    X87("df mem /3", "fistp Mw", fstp)
    X87("df mem /4", "fbld Mt", general_load80)
    X87("df mem /5", "fild Mq", fld)
    X87("df mem /6", "fbstp Mt", general_store80)
    X87("df mem /7", "fistp Mq", fstp)
    X87("df reg /0", "ffreep st(i)", general)
    X87("df reg /1", "fxch7 st(i)", fxch)
    X87("df reg /2", "fstp8 st(i)", fstp_sti)
    X87("df reg /3", "fstp9 st(i)", fstp_sti)
    X87("df =e0", "fnstsw ax", fnstsw_ax)
    X87("df reg /5", "fucomip st0,st(i)", fucomip)
    X87("df reg /6", "fcomip st0,st(i)", fcomip)
SOFT_TABLE_END
/* clang-format on */

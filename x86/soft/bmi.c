// SPDX-License-Identifier: MIT
/*
 * Bit counts, bit fields and CRC32: what came with POPCNT, SSE4.2, LZCNT, BMI1 and BMI2. The host
 * need not have any of it.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference".
 *
 * Left out: nothing. Flags that the manual leaves undefined are 0.
 */
#include "x86/soft/exec.h"

static uint32_t sign_and_zero(int n, uint64_t val)
{
    return (soft_sign(n, val) >> 63 ? EFLAGS_SF : 0) | (val & soft_size_mask(n) ? 0 : EFLAGS_ZF);
}

static uint32_t carry(bool on)
{
    return on ? EFLAGS_CF : 0;
}

/* ---- Counts ---- */

static void popcnt(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_load_e(c, op, op->osize);

    soft_set(c, op->osize, op->reg, __builtin_popcountll(val));
    soft_set_arith(c, val ? 0 : EFLAGS_ZF);
    SOFT_NEXT(c, op);
}

static void set_count(struct soft *c, const struct soft_op *op, int count)
{
    soft_set(c, op->osize, op->reg, count);
    soft_set_arith(c, carry(count == 8 << op->osize) | (count ? 0 : EFLAGS_ZF));
}

static void tzcnt(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_load_e(c, op, op->osize);

    set_count(c, op, val ? __builtin_ctzll(val) : 8 << op->osize);
    SOFT_NEXT(c, op);
}

static void lzcnt(struct soft *c, const struct soft_op *op)
{
    int bits = 8 << op->osize;
    uint64_t val = soft_load_e(c, op, op->osize);

    set_count(c, op, val ? __builtin_clzll(val) - (64 - bits) : bits);
    SOFT_NEXT(c, op);
}

/* ---- CRC32, of the polynomial 0x11edc6f41, all bits reflected ---- */

static uint32_t crc32c(uint32_t crc, uint64_t val, int bytes)
{
    /* What four bits shifted out turn into. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (int i = 0; i < bytes; i++) {
        crc ^= val >> (8 * i) & 0xff;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

static void crc32(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_load_e(c, op, op->osize);

    soft_set(c, 2, op->reg, crc32c(soft_get(c, 2, op->reg), val, 1 << op->osize));
    SOFT_NEXT(c, op);
}

/* ---- BMI1 ---- */

static void andn(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t res = ~soft_get(c, n, op->vreg) & soft_load_e(c, op, n);

    soft_set(c, n, op->reg, res);
    soft_set_arith(c, sign_and_zero(n, res));
    SOFT_NEXT(c, op);
}

static void bextr(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t val = soft_load_e(c, op, n), control = soft_get(c, n, op->vreg);
    int begin = control & 0xff, len = control >> 8 & 0xff;

    val = begin < 64 ? val >> begin : 0;
    if (len < 64)
        val &= (UINT64_C(1) << len) - 1;
    soft_set(c, n, op->reg, val);
    soft_set_arith(c, val ? 0 : EFLAGS_ZF);
    SOFT_NEXT(c, op);
}

static void blsr(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t val = soft_load_e(c, op, n), res = val & (val - 1);

    soft_set(c, n, op->vreg, res);
    soft_set_arith(c, sign_and_zero(n, res) | carry(!val));
    SOFT_NEXT(c, op);
}

static void blsmsk(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t val = soft_load_e(c, op, n), res = val ^ (val - 1);

    soft_set(c, n, op->vreg, res);
    soft_set_arith(c, (sign_and_zero(n, res) & ~EFLAGS_ZF) | carry(!val));
    SOFT_NEXT(c, op);
}

static void blsi(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    uint64_t val = soft_load_e(c, op, n), res = val & -val;

    soft_set(c, n, op->vreg, res);
    soft_set_arith(c, sign_and_zero(n, res) | carry(val));
    SOFT_NEXT(c, op);
}

/* ---- BMI2 ---- */

static void bzhi(struct soft *c, const struct soft_op *op)
{
    int n = op->osize, bits = 8 << n;
    uint64_t val = soft_load_e(c, op, n);
    int count = soft_get(c, 0, op->vreg);

    if (count < bits)
        val &= (UINT64_C(1) << count) - 1;
    soft_set(c, n, op->reg, val);
    soft_set_arith(c, sign_and_zero(n, val) | carry(count >= bits));
    SOFT_NEXT(c, op);
}

/* The upper half is written last: it wins where both go to one register. */
static void mulx(struct soft *c, const struct soft_op *op)
{
    int n = op->osize;
    unsigned __int128 res = (unsigned __int128)soft_load_e(c, op, n) * soft_reg(c, n, RDX);

    soft_set(c, n, op->vreg, res);
    soft_set(c, n, op->reg, res >> (8 << n));
    SOFT_NEXT(c, op);
}

static void pdep(struct soft *c, const struct soft_op *op)
{
    uint64_t mask = soft_load_e(c, op, op->osize), val = soft_get(c, op->osize, op->vreg), res = 0;

    for (; mask; mask &= mask - 1, val >>= 1)
        if (val & 1)
            res |= mask & -mask;
    soft_set(c, op->osize, op->reg, res);
    SOFT_NEXT(c, op);
}

static void pext(struct soft *c, const struct soft_op *op)
{
    uint64_t mask = soft_load_e(c, op, op->osize), val = soft_get(c, op->osize, op->vreg), res = 0;

    for (int i = 0; mask; mask &= mask - 1, i++)
        if (val & mask & -mask)
            res |= UINT64_C(1) << i;
    soft_set(c, op->osize, op->reg, res);
    SOFT_NEXT(c, op);
}

static int shift_count(const struct soft *c, const struct soft_op *op)
{
    return soft_get(c, 0, op->vreg) & ((8 << op->osize) - 1);
}

static void shlx(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_load_e(c, op, op->osize);

    soft_set(c, op->osize, op->reg, val << shift_count(c, op));
    SOFT_NEXT(c, op);
}

static void shrx(struct soft *c, const struct soft_op *op)
{
    uint64_t val = soft_load_e(c, op, op->osize);

    soft_set(c, op->osize, op->reg, val >> shift_count(c, op));
    SOFT_NEXT(c, op);
}

static void sarx(struct soft *c, const struct soft_op *op)
{
    int64_t val = soft_sign(op->osize, soft_load_e(c, op, op->osize));

    soft_set(c, op->osize, op->reg, val >> shift_count(c, op));
    SOFT_NEXT(c, op);
}

static void rorx(struct soft *c, const struct soft_op *op)
{
    int bits = 8 << op->osize, count = op->imm & (bits - 1);

    if (op->vreg) {
        c->op = op;
        soft_raise(c, EXCEPTION_UD);
    }
    uint64_t val = soft_load_e(c, op, op->osize);

    soft_set(c, op->osize, op->reg, val >> count | val << ((bits - count) & (bits - 1)));
    SOFT_NEXT(c, op);
}

/* clang-format off */
SOFT_TABLE(soft_bmi_rows)
    ROW("f3 0f b8", "popcnt Gv,Ev", .run = popcnt)
    ROW("f3 0f bc", "tzcnt Gv,Ev", .run = tzcnt)
    ROW("f3 0f bd", "lzcnt Gv,Ev", .run = lzcnt)
    /* The register has 32 bits, or 64 with REX.W, and the size is that of the other operand. */
    ROW("f2 0f 38 f0", "crc32 G,Eb", .run = crc32)
    ROW("f2 0f 38 f1", "crc32 G,Ev", .run = crc32)
    ROW("vex np 0f 38 f2", "andn Gy,By,Ey", .run = andn)
    ROW("vex np 0f 38 f3 /1", "blsr By,Ey", .run = blsr)
    ROW("vex np 0f 38 f3 /2", "blsmsk By,Ey", .run = blsmsk)
    ROW("vex np 0f 38 f3 /3", "blsi By,Ey", .run = blsi)
    ROW("vex np 0f 38 f5", "bzhi Gy,Ey,By", .run = bzhi)
    ROW("vex f3 0f 38 f5", "pext Gy,By,Ey", .run = pext)
    ROW("vex f2 0f 38 f5", "pdep Gy,By,Ey", .run = pdep)
    ROW("vex f2 0f 38 f6", "mulx Gy,By,Ey", .run = mulx)
    ROW("vex np 0f 38 f7", "bextr Gy,Ey,By", .run = bextr)
    ROW("vex 66 0f 38 f7", "shlx Gy,Ey,By", .run = shlx)
    ROW("vex f3 0f 38 f7", "sarx Gy,Ey,By", .run = sarx)
    ROW("vex f2 0f 38 f7", "shrx Gy,Ey,By", .run = shrx)
    ROW("vex f2 0f 3a f0", "rorx Gy,Ey,Ib", .run = rorx)
SOFT_TABLE_END

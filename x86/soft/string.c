// SPDX-License-Identifier: MIT
/*
 * String instructions: MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS, and their repetition.
 *
 * A repeated instruction may be left between two elements: by a fault, by an interrupt that came
 * meanwhile, or by single-stepping. Registers then say how far it came, and RIP is still at it, so
 * that it goes on where it was. It is counted once, when it ends.
 *
 * REP MOVS and REP STOS upwards do as much at a time as lies in one page on both sides.
 *
 * Those without ports are put together in string-sized.h.
 *
 * After: Intel SDM vol. 2B, "REP/REPE/REPZ/REPNE/REPNZ" and the instructions' own pages; vol. 1,
 * "String Instructions"; vol. 3B, "Instruction-Breakpoint Exception Condition" for RF.
 *
 * Left out: nothing. Fast-string operation leaves the order of stores open, so any will do.
 */
#include "x86/soft/family.h"

enum {
    BATCH = 4096, /* elements between two looks at requests */
    SINGLES = 8,  /* elements done one by one where there is no piece of RAM */
    FEW = 2,      /* so few elements are quicker one by one */
};

/* Elements to be done before the next look. */
static int64_t batch(const struct soft *c)
{
    return c->stepped || c->dr[7] & DR7_ENABLES ? 1 : BATCH;
}

static bool stopping(const struct soft *c)
{
    return __atomic_load_n(&c->stop_at, __ATOMIC_SEQ_CST) <= c->count;
}

/*
 * Leave between two elements. As when a fault ends it, RF keeps an instruction breakpoint from
 * being reported again for the rest.
 */
static void leave_between(struct soft *c, const struct soft_op *op)
{
    c->op = op;
    soft_undo(c);
    c->eflags |= EFLAGS_RF;
}

INLINE bool is_repeated(const struct soft_op *op)
{
    return op->prefix & (SOFT_REP | SOFT_REPNE);
}

/* How often to repeat. RF is cleared when an instruction begins. */
INLINE uint64_t repetitions(struct soft *c, const struct soft_op *op)
{
    c->eflags &= ~EFLAGS_RF;
    return soft_reg(c, op->asize, RCX);
}

INLINE void advance(struct soft *c, const struct soft_op *op, int osize, int reg)
{
    int step = c->eflags & EFLAGS_DF ? -(1 << osize) : 1 << osize;

    soft_set_reg(c, op->asize, reg, c->r[reg] + step);
}

/* The linear address of the element at rSI in a segment of choice, and at rDI in ES. */
INLINE uint64_t source(struct soft *c, const struct soft_op *op, int osize)
{
    return soft_segmented(c, op, op->segment, soft_reg(c, op->asize, RSI), 1 << osize, ACCESS_READ);
}

INLINE uint64_t target(struct soft *c, const struct soft_op *op, int osize, int access)
{
    return soft_segmented(c, op, ES, soft_reg(c, op->asize, RDI), 1 << osize, access);
}

INLINE uint64_t load_source(struct soft *c, const struct soft_op *op, int osize)
{
    return soft_load_at(c, op, op->segment, source(c, op, osize), osize);
}

/* ---- one element ---- */

INLINE void movs_one(struct soft *c, const struct soft_op *op, int osize)
{
    uint64_t val = load_source(c, op, osize);

    soft_store_at(c, op, ES, target(c, op, osize, ACCESS_WRITE), osize, val);
    advance(c, op, osize, RSI);
    advance(c, op, osize, RDI);
}

INLINE void stos_one(struct soft *c, const struct soft_op *op, int osize)
{
    soft_store_at(c, op, ES, target(c, op, osize, ACCESS_WRITE), osize, soft_reg(c, osize, RAX));
    advance(c, op, osize, RDI);
}

INLINE void lods_one(struct soft *c, const struct soft_op *op, int osize)
{
    soft_set_reg(c, osize, RAX, load_source(c, op, osize));
    advance(c, op, osize, RSI);
}

/* A byte read from a port cannot be put back, so memory is checked first. */
INLINE void ins_one(struct soft *c, const struct soft_op *op, int osize)
{
    uint16_t port = c->r[RDX];

    c->op = op;
    soft_check_io_permission(c, port, 1 << osize);
    uint64_t linear = target(c, op, osize, ACCESS_WRITE);

    soft_store_begin(c, ES, linear, 1 << osize);
    soft_store_end(c, soft_in(c, port, 1 << osize));
    advance(c, op, osize, RDI);
}

INLINE void outs_one(struct soft *c, const struct soft_op *op, int osize)
{
    uint16_t port = c->r[RDX];

    c->op = op;
    soft_check_io_permission(c, port, 1 << osize);
    uint64_t val = load_source(c, op, osize);

    c->op = op;
    soft_out(c, port, 1 << osize, val);
    advance(c, op, osize, RSI);
}

/* ---- many at a time ---- */

/* Bytes from offset upwards, a page at most, that a segment lets through and that lie below the end
 * of the address size. */
static uint64_t room(const struct soft *c, const struct soft_op *op, int seg, uint64_t offset,
                     int access)
{
    const struct soft_window *w = &c->window[seg];
    uint64_t last = soft_cut(op->asize, UINT64_MAX);

    if (last > w->last)
        last = w->last;
    if (offset < w->first || offset > last || access & ~w->rights)
        return 0;
    return last - offset < SOFT_PAGE ? last - offset + 1 : SOFT_PAGE + 1;
}

/* Where the bytes at offset of a segment are on the host: a whole number of elements, count at
 * most, with *n cut to their bytes. NULL when there is not even one. */
static uint8_t *piece(struct soft *c, const struct soft_op *op, int osize, int seg, int reg,
                      int access, uint64_t *n)
{
    uint64_t offset = soft_reg(c, op->asize, reg), most = room(c, op, seg, offset, access);
    uint8_t *host;

    if (*n > most)
        *n = most;
    if (!(*n >> osize))
        return NULL;
    c->op = op;
    host = soft_piece(c, seg, (c->window[seg].base + offset) & c->linear_mask, access, n);
    *n &= ~(uint64_t)((1 << osize) - 1);
    return *n ? host : NULL;
}

/* With the same result as element by element upwards: what was just written may be read again. */
static void copy_up(uint8_t *to, const uint8_t *from, uint64_t n, int osize)
{
    if (to <= from || to >= from + n) {
        memmove(to, from, n);
        return;
    }
    for (uint64_t i = 0; i < n; i += 1 << osize)
        soft_poke(to + i, osize, soft_peek(from + i, osize));
}

static void fill_up(uint8_t *to, uint64_t val, uint64_t n, int osize)
{
    if (osize == 0) {
        memset(to, val, n);
        return;
    }
    for (uint64_t i = 0; i < n; i += 1 << osize)
        soft_poke(to + i, osize, val);
}

/* Elements moved in one piece, most at most; 0 when it has to go one by one. */
static uint64_t movs_piece(struct soft *c, const struct soft_op *op, int osize, uint64_t most)
{
    uint64_t n = most << osize;
    const uint8_t *from = piece(c, op, osize, op->segment, RSI, ACCESS_READ, &n);
    uint8_t *to = from ? piece(c, op, osize, ES, RDI, ACCESS_WRITE, &n) : NULL;

    if (!to)
        return 0;
    copy_up(to, from, n, osize);
    soft_set_reg(c, op->asize, RSI, c->r[RSI] + n);
    soft_set_reg(c, op->asize, RDI, c->r[RDI] + n);
    return n >> osize;
}

static uint64_t stos_piece(struct soft *c, const struct soft_op *op, int osize, uint64_t most)
{
    uint64_t n = most << osize;
    uint8_t *to = piece(c, op, osize, ES, RDI, ACCESS_WRITE, &n);

    if (!to)
        return 0;
    fill_up(to, soft_reg(c, osize, RAX), n, osize);
    soft_set_reg(c, op->asize, RDI, c->r[RDI] + n);
    return n >> osize;
}

typedef uint64_t string_piece(struct soft *c, const struct soft_op *op, int osize, uint64_t most);
typedef void string_one(struct soft *c, const struct soft_op *op, int osize);

/* The whole of a repeated instruction, by pieces where there are some. False when it was left
 * between two elements. */
INLINE bool repeat(struct soft *c, const struct soft_op *op, int osize, string_piece *some,
                   string_one *one)
{
    uint64_t count = repetitions(c, op), done;
    bool by_pieces = some && !(c->eflags & EFLAGS_DF) && count > FEW;
    int64_t left = batch(c), singles = by_pieces ? 0 : INT64_MAX;

    while (count) {
        done = 0;
        if (!singles) {
            done = some(c, op, osize, count < (uint64_t)left ? count : (uint64_t)left);
            singles = done ? 0 : SINGLES;
        }
        if (!done) {
            one(c, op, osize);
            done = 1;
            singles--;
        }
        count -= done;
        soft_set_reg(c, op->asize, RCX, count);
        left -= done;
        if (left > 0 || !count)
            continue;
        if (stopping(c)) {
            leave_between(c, op);
            return false;
        }
        left = batch(c);
    }
    return true;
}

/* ---- handlers ---- */

/* With ports: each access to a chip may cause a request, such as the chip's interrupt. So they end
 * their line, and a repeated one looks after each element. */
INLINE void with_ports(struct soft *c, const struct soft_op *op, string_one *one)
{
    uint64_t count = 0;

    if (is_repeated(op))
        count = repetitions(c, op);
    else
        one(c, op, op->osize);
    while (count) {
        one(c, op, op->osize);
        soft_set_reg(c, op->asize, RCX, --count);
        if (count && stopping(c)) {
            leave_between(c, op);
            return;
        }
    }
    c->r[RIP] = soft_next_ip(c, op);
}

static void ins(struct soft *c, const struct soft_op *op)
{
    with_ports(c, op, ins_one);
}

static void outs(struct soft *c, const struct soft_op *op)
{
    with_ports(c, op, outs_one);
}

#define TEMPLATE "x86/soft/string-sized.h"
#include "x86/soft/sizes.h"

/* clang-format off */
SOFT_TABLE(soft_string_rows)
    ROW("6c", "ins Yb,dx", .run = ins, .attributes = ROW_END)
    ROW("6d", "ins Yz,dx", .run = ins, .attributes = ROW_END)
    ROW("6e", "outs dx,Xb", .run = outs, .attributes = ROW_END)
    ROW("6f", "outs dx,Xz", .run = outs, .attributes = ROW_END)
    ROW("a4", "movs Yb,Xb", .forms = SIZES(movs))
    ROW("a5", "movs Yv,Xv", .forms = SIZES(movs))
    ROW("a6", "cmps Xb,Yb", .forms = SIZES(cmps))
    ROW("a7", "cmps Xv,Yv", .forms = SIZES(cmps))
    ROW("aa", "stos Yb,al", .forms = SIZES(stos))
    ROW("ab", "stos Yv,rax", .forms = SIZES(stos))
    ROW("ac", "lods al,Xb", .forms = SIZES(lods))
    ROW("ad", "lods rax,Xv", .forms = SIZES(lods))
    ROW("ae", "scas al,Yb", .forms = SIZES(scas))
    ROW("af", "scas rax,Yv", .forms = SIZES(scas))
SOFT_TABLE_END
/* clang-format on */

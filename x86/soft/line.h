/* SPDX-License-Identifier: MIT */
/*
 * Straight lines of operations, decoded once, and where they are kept.
 */
#ifndef X86_SOFT_LINE_H
#define X86_SOFT_LINE_H

#include "x86/soft/decode.h"

#define SOFT_LINE_MAX 64 /* instructions in a line */

/*
 * A line: instructions of one page of code, in one mode. Its operations are the n instructions and
 * an end, which leads to whatever follows.
 */
struct soft_line {
    uint64_t gpa; /* of its first byte */
    uint32_t mode;
    uint16_t bytes, n;
    struct soft_line *next_in_hash, *next_in_page;
    struct soft_op ops[];
};

/* A CPU's lines. Both die when out of memory. vm is for the pages that any CPU has code of. */
struct soft_cache *soft_cache_new(struct soft_vm *vm);
void soft_cache_free(struct soft_cache *cache);

/* Forget all lines, or those of RAM's page of that number. Only between lines. */
void soft_cache_flush(struct soft *c);
void soft_cache_forget(struct soft *c, size_t page);

/* Translations have changed: lines that were found by linear address must be looked up again: all,
 * all but those of global pages, or those of one page of 4 KiB. */
void soft_forget_addresses(struct soft *c, bool global);
void soft_forget_page_addresses(struct soft *c, uint64_t linear);

/* Lines that were decoded so far. */
uint64_t soft_cache_decoded(const struct soft *c);

/* Run from c->r[RIP] until the next line would pass c->stop_at. False when some instructions are
 * left until then: less than a line. May raise. */
bool soft_run_lines(struct soft *c);

/* Run one instruction. May raise. */
void soft_run_one(struct soft *c);

/* Set c->r[RIP] and c->count right after a fault of c->op, if that is set. */
void soft_undo(struct soft *c);

/* Run a line, whose instructions are counted in advance, if all of it may be run: it ends before
 * c->stop_at and within the limit of CS (64-bit code has none). Else return to soft_run_lines().
 * osize is a constant, or 2 for any code. */
INLINE void soft_enter(struct soft *c, const struct soft_line *line, int osize);

/* Go on at the target of a direct near branch. osize is a constant, that of the branch. */
INLINE void soft_branch(struct soft *c, const struct soft_op *op, int osize);

/* The next operation, jump, is a conditional jump: execute it at once. */
INLINE void soft_jump(struct soft *c, const struct soft_op *jump);

/* ---- inline ---- */

INLINE void soft_enter(struct soft *c, const struct soft_line *line, int osize)
{
    uint64_t count = c->count + line->n;

    if (unlikely(count >= __atomic_load_n(&c->stop_at, __ATOMIC_RELAXED)))
        return;
    if (osize < 3 && unlikely(c->r[RIP] + line->bytes - 1 > c->window[CS].last))
        return;
    c->count = count;
    c->line = (struct soft_line *)line;
    return line->ops[0].run(c, line->ops);
}

/* A branch without a link yet, or to another page. */
void soft_branch_slow(struct soft *c, const struct soft_op *op);

INLINE void soft_branch(struct soft *c, const struct soft_op *op, int osize)
{
    const struct soft_line *to = op->link;
    uint64_t ip = c->r[RIP] + op->target;

    c->count -= op->rest;
    /* A link is right only where the offset did not wrap around to its target. */
    if (likely(to && ip == soft_cut(osize, ip))) {
        c->r[RIP] = ip;
        return soft_enter(c, to, osize);
    }
    c->r[RIP] = soft_cut(osize, ip);
    return soft_branch_slow(c, op);
}

INLINE void soft_jump(struct soft *c, const struct soft_op *jump)
{
    const struct soft_line *to = jump->link;
    uint64_t ip = c->r[RIP] + jump->target;

    if (!soft_condition(c, jump->opcode & 15))
        SOFT_NEXT(c, jump);
    /* An offset of any size that wraps around changes its upper bits. */
    if (unlikely(!to || (ip ^ c->r[RIP]) >> 16 || ip > c->window[CS].last))
        return jump->run(c, jump);
    c->count -= jump->rest;
    c->r[RIP] = ip;
    return soft_enter(c, to, 2);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From bytes to operations.
 */
#ifndef X86_SOFT_DECODE_H
#define X86_SOFT_DECODE_H

#include "x86/soft/exec.h"

/* What the meaning of bytes depends on: the bits of soft.mode. */
enum {
    MODE_CODE_SIZE = 3,       /* log2 of the default size in bytes: 1, 2, 3 */
    MODE_STACK_SHIFT = 2,     /* two bits: the kind of stack addresses: FLAT64 ... */
    MODE_FLAT_SHIFT = 4,      /* six bits, by segment: FLAT32 is right for it */
    MODE_USER = 1 << 10,      /* CPL 3 */
    MODE_PROTECTED = 1 << 11, /* neither real nor virtual-8086 mode */
    MODE_BITS = 13,
    MODE_LIMITED = 1 << 12, /* the limit of CS must be looked at */
};

#define SOFT_MAX_LEN 15

struct soft_decoded {
    int len;             /* in bytes; 0 when the n bytes are not a whole instruction */
    uint32_t attributes; /* of the row */
    const struct soft_row
        *row; /* op->row's; NULL: no instruction; raises #UD, or #GP if too long */
};

/*
 * Decode the instruction in the first of n bytes (1 to 15) for a mode. offset is its distance from
 * the start of its line. Any thread.
 */
struct soft_decoded soft_decode(uint32_t mode, const uint8_t *bytes, int n, int offset,
                                struct soft_op *op);

/*
 * If op[1] is a conditional jump, and op has a handler that executes both, use that. op[1] stays,
 * for the slow way.
 */
void soft_join(uint32_t mode, struct soft_op *op);

/*
 * The row of the tables of opcodes with this number, from 1 on (soft_op.row); its text names the
 * operation. NULL after the last, and for 0, which is no instruction: undefined bytes, or the end
 * of a line. Any thread.
 */
const struct soft_row *soft_row(int number);

#endif

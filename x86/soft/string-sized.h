/* SPDX-License-Identifier: MIT */
/*
 * String instructions of elements of one size: a template of string.c, see sizes.h.
 */

/* Repetition is a function of its own, so that the quick way needs no frame. Where it stops between
 * two elements, the line has ended. */
#define STRINGS(name, one, some)                                                                   \
    static __attribute__((noinline)) bool SIZED(name##_repeat)(struct soft * c,                    \
                                                               const struct soft_op *op)           \
    {                                                                                              \
        return repeat(c, op, SIZE, some, one);                                                     \
    }                                                                                              \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        if (!is_repeated(op))                                                                      \
            one(c, op, SIZE);                                                                      \
        else if (!SIZED(name##_repeat)(c, op))                                                     \
            return;                                                                                \
        SOFT_NEXT(c, op);                                                                          \
    }                                                                                              \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg))

STRINGS(movs, movs_one, movs_piece)
STRINGS(stos, stos_one, stos_piece)
STRINGS(lods, lods_one, NULL)
#undef STRINGS

/*
 * SCAS and CMPS, which end with the first element that is equal, or not equal. The flags are those
 * of the last comparison; when a fault ends it they are what they were. False when it was left
 * between two elements.
 */
INLINE bool SIZED(compare)(struct soft *c, const struct soft_op *op, bool scas)
{
    bool repeated = is_repeated(op), while_equal = op->prefix & SOFT_REP, ended;
    uint64_t count = repeated ? repetitions(c, op) : 1, a, b;
    int64_t left = batch(c);
    uint16_t flags;

    if (!count)
        return true;
    do {
        a = scas ? soft_reg(c, SIZE, RAX) : load_source(c, op, SIZE);
        b = soft_load_at(c, op, ES, target(c, op, SIZE, ACCESS_READ), SIZE);
        if (!scas)
            advance(c, op, SIZE, RSI);
        advance(c, op, SIZE, RDI);
        count--;
        if (repeated)
            soft_set_reg(c, op->asize, RCX, count);
        ended = !count || (a == b) != while_equal;
        if (!ended && --left <= 0) {
            if (stopping(c))
                break;
            left = batch(c);
        }
    } while (!ended);
    asm("cmp %" REG "1, %" REG "2" SOFT_FLAGS_OUT : "=&a"(flags) : "q"(a), "q"(b) : "cc");
    c->arith = flags;
    if (!ended)
        leave_between(c, op);
    return ended;
}

HANDLER(scas_reg)
{
    if (!SIZED(compare)(c, op, true))
        return;
    SOFT_NEXT(c, op);
}

HANDLER(cmps_reg)
{
    if (!SIZED(compare)(c, op, false))
        return;
    SOFT_NEXT(c, op);
}

SOFT_FORMS(SIZED(scas_forms), .reg = SIZED(scas_reg))
SOFT_FORMS(SIZED(cmps_forms), .reg = SIZED(cmps_reg))

/* SPDX-License-Identifier: MIT */
/*
 * Products and quotients of operands of one size: a template of muldiv.c, see sizes.h.
 */

/* ---- products ---- */

/* The whole product. The flags come out in AX, so the product's lower half, with 8 bits all of it,
 * must leave AX before. */
#if SIZE == 0
#define WIDE_PRODUCT(name)                                                                         \
    LOADS(name)                                                                                    \
    {                                                                                              \
        uint64_t a = soft_reg(c, 0, RAX), low;                                                     \
                                                                                                   \
        asm(#name " %b2\n\tmovzx %k0, ax" SOFT_FLAGS_OUT : "=&r"(low), "+a"(a) : "r"(e) : "cc");   \
        c->arith = a;                                                                              \
        soft_set_reg(c, 1, RAX, low);                                                              \
    }
#else
#define WIDE_PRODUCT(name)                                                                         \
    LOADS(name)                                                                                    \
    {                                                                                              \
        uint64_t a = soft_reg(c, SIZE, RAX), low, high;                                            \
                                                                                                   \
        asm(#name " %" REG "3\n\tmov %0, rax" SOFT_FLAGS_OUT                                       \
            : "=&r"(low), "+a"(a), "=&d"(high)                                                     \
            : "r"(e)                                                                               \
            : "cc");                                                                               \
        c->arith = a;                                                                              \
        soft_set_reg(c, SIZE, RAX, low);                                                           \
        soft_set_reg(c, SIZE, RDX, high);                                                          \
    }
#endif

WIDE_PRODUCT(mul)
WIDE_PRODUCT(imul)
#undef WIDE_PRODUCT

#if SIZE > 0

INLINE uint64_t SIZED(product)(struct soft *c, uint64_t a, uint64_t b)
{
    uint16_t f;

    asm("imul %" REG "0, %" REG "2" SOFT_FLAGS_OUT : "+r"(a), "=&a"(f) : "r"(b) : "cc");
    c->arith = f;
    return a;
}

LOADS(imul_ge)
{
    void *g = soft_place(c, op->reg);

    soft_put(g, SIZE, SIZED(product)(c, soft_peek(g, SIZE), e));
}

LOADS(imul_gei)
{
    soft_put(soft_place(c, op->reg), SIZE, SIZED(product)(c, e, op->imm));
}

#endif

/* ---- quotients; the flags are undefined, and stay ---- */

LOADS(div)
{
    uint64_t low = soft_reg(c, SIZE, RAX);
    uint64_t high = SIZE ? soft_reg(c, SIZE, RDX) : soft_get(c, 0, RAX * 8 + 1);

    if (unlikely(high >= e))
        divide_error(c, op);
    struct quotient res = SIZE == 3   ? divide(high, low, e)
                          : SIZE == 2 ? divide32(high, low, e)
                                      : divide32(0, high << (8 << SIZE) | low, e);

    set_quotient(c, SIZE, res.q, res.r);
}

/* By magnitudes; the remainder has the sign of the dividend. */
LOADS(idiv)
{
    int bits = 8 << SIZE;
    int64_t by = soft_sign(SIZE, e);
    uint64_t low = soft_reg(c, SIZE, RAX);
    uint64_t high = SIZE ? soft_reg(c, SIZE, RDX) : soft_get(c, 0, RAX * 8 + 1);
    bool minus = soft_sign(SIZE, high) >> 63;
    uint64_t divisor = by < 0 ? -(uint64_t)by : (uint64_t)by;

    if (minus) {
        low = -low & soft_size_mask(SIZE);
        high = (~high + !low) & soft_size_mask(SIZE);
    }
    if (unlikely(high >= divisor))
        divide_error(c, op);
    struct quotient res = SIZE == 3   ? divide(high, low, divisor)
                          : SIZE == 2 ? divide32(high, low, divisor)
                                      : divide32(0, high << bits | low, divisor);
    bool negative = minus != (by < 0);

    if (unlikely(res.q > (soft_size_mask(SIZE) >> 1) + negative))
        divide_error(c, op);
    set_quotient(c, SIZE, negative ? -res.q : res.q, minus ? -res.r : res.r);
}

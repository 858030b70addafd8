/* SPDX-License-Identifier: MIT */
/*
 * Near jumps, calls and returns with operands of one size: a template of control.c, see sizes.h.
 */
#if SIZE > 0

#define JUMPS(name, does)                                                                          \
    HANDLER(name##_reg)                                                                            \
    {                                                                                              \
        return does;                                                                               \
    }                                                                                              \
    SOFT_FORMS(SIZED(name##_forms), .reg = SIZED(name##_reg))

JUMPS(jo, jump_if(c, op, SIZE, 0x0))
JUMPS(jno, jump_if(c, op, SIZE, 0x1))
JUMPS(jb, jump_if(c, op, SIZE, 0x2))
JUMPS(jae, jump_if(c, op, SIZE, 0x3))
JUMPS(je, jump_if(c, op, SIZE, 0x4))
JUMPS(jne, jump_if(c, op, SIZE, 0x5))
JUMPS(jbe, jump_if(c, op, SIZE, 0x6))
JUMPS(ja, jump_if(c, op, SIZE, 0x7))
JUMPS(js, jump_if(c, op, SIZE, 0x8))
JUMPS(jns, jump_if(c, op, SIZE, 0x9))
JUMPS(jp, jump_if(c, op, SIZE, 0xa))
JUMPS(jnp, jump_if(c, op, SIZE, 0xb))
JUMPS(jl, jump_if(c, op, SIZE, 0xc))
JUMPS(jge, jump_if(c, op, SIZE, 0xd))
JUMPS(jle, jump_if(c, op, SIZE, 0xe))
JUMPS(jg, jump_if(c, op, SIZE, 0xf))
JUMPS(loop, loop(c, op, SIZE))
JUMPS(jump, jump(c, op, SIZE))
#undef JUMPS

/* Branches with memory or the stack. Near branches have 64 bits in 64-bit mode, and nowhere else.
 */
#define FLAT (SIZE == 3 ? FLAT64 : FLAT32)
#define FLAT_OR_ANYHOW(name)                                                                       \
    HANDLER(name##_flat)                                                                           \
    {                                                                                              \
        return name(c, op, FLAT, SIZE);                                                            \
    }                                                                                              \
    HANDLER(name##_anyhow)                                                                         \
    {                                                                                              \
        return name(c, op, ANYHOW, SIZE);                                                          \
    }
#define FORMS(name)                                                                                \
    {                                                                                              \
        [FLAT] = SIZED(name##_flat), [ANYHOW] = SIZED(name##_anyhow)                               \
    }

FLAT_OR_ANYHOW(call)
FLAT_OR_ANYHOW(call_e)
FLAT_OR_ANYHOW(ret)
FLAT_OR_ANYHOW(jump_mem)

HANDLER(jump_reg_e)
{
    return jump_reg(c, op, SIZE);
}

SOFT_FORMS(SIZED(call_forms), .mem = FORMS(call))
SOFT_FORMS(SIZED(call_e_forms), .mem = FORMS(call_e))
SOFT_FORMS(SIZED(ret_forms), .mem = FORMS(ret))
SOFT_FORMS(SIZED(jump_e_forms), .reg = SIZED(jump_reg_e), .mem = FORMS(jump_mem))
#undef FLAT
#undef FLAT_OR_ANYHOW
#undef FORMS

#endif

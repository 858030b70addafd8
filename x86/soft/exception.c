// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

_Noreturn void soft_raise(struct soft *c, int vector)
{
    c->vector = vector;
    c->has_error_code = false;
    c->error_code = 0;
    longjmp(c->fault, 1);
}

_Noreturn void soft_raise_code(struct soft *c, int vector, uint32_t error_code)
{
    c->vector = vector;
    c->has_error_code = true;
    c->error_code = error_code;
    longjmp(c->fault, 1);
}

void soft_interrupt(struct soft *c, int vector, enum soft_source source, bool has_error_code,
                    uint32_t error_code)
{
    (void)c, (void)vector, (void)source, (void)has_error_code, (void)error_code;
}

bool soft_deliver_fault(struct soft *c)
{
    (void)c;
    return false;
}

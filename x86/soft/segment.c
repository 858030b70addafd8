// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

void soft_load_segment(struct soft *c, int seg, uint16_t selector)
{
    (void)c, (void)seg, (void)selector;
}

_Noreturn void soft_segment_fault(struct soft *c, int seg)
{
    soft_raise_code(c, seg == SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
}

void soft_mode(struct soft *c)
{
    (void)c;
}

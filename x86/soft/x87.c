// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

const struct soft_row soft_x87_rows[] = {{0}};

void soft_fpu_reset(struct soft_fpu *f)
{
    *f = (struct soft_fpu){.fcw = 0x40, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff};
}

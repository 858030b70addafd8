// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

struct cpuid_answer soft_cpuid(struct soft *c, uint32_t leaf, uint32_t index)
{
    (void)c, (void)leaf, (void)index;
    return (struct cpuid_answer){0};
}

uint64_t soft_cr4_bits(const struct soft *c)
{
    (void)c;
    return 0;
}

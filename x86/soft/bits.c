// SPDX-License-Identifier: MIT
/*
 * Shifts, rotations, and single bits.
 *
 * The host's own instructions compute results and flags, from the guest's flags, so that whatever
 * they leave alone stays.
 *
 * The operations are in bits-sized.h.
 *
 * After: Intel SDM vol. 2, "Instruction Set Reference"; vol. 1, "Shift and Rotate Instructions",
 * "Bit and Byte Instructions".
 *
 * Left out: nothing; what came with BMI is in bmi.c.
 */
#include "x86/soft/family.h"

#define TEMPLATE "x86/soft/bits-sized.h"
#include "x86/soft/sizes.h"

/* clang-format off */
const struct soft_row soft_bits_rows[] = {
    {"c0 /0", "rol Eb,Ib", .forms = SIZES(rol_i)},
    {"c1 /0", "rol Ev,Ib", .forms = SIZES(rol_i)},
    {"d0 /0", "rol Eb,1", .forms = SIZES(rol_1)},
    {"d1 /0", "rol Ev,1", .forms = SIZES(rol_1)},
    {"d2 /0", "rol Eb,cl", .forms = SIZES(rol_cl)},
    {"d3 /0", "rol Ev,cl", .forms = SIZES(rol_cl)},
    {"c0 /1", "ror Eb,Ib", .forms = SIZES(ror_i)},
    {"c1 /1", "ror Ev,Ib", .forms = SIZES(ror_i)},
    {"d0 /1", "ror Eb,1", .forms = SIZES(ror_1)},
    {"d1 /1", "ror Ev,1", .forms = SIZES(ror_1)},
    {"d2 /1", "ror Eb,cl", .forms = SIZES(ror_cl)},
    {"d3 /1", "ror Ev,cl", .forms = SIZES(ror_cl)},
    {"c0 /2", "rcl Eb,Ib", .forms = SIZES(rcl_i)},
    {"c1 /2", "rcl Ev,Ib", .forms = SIZES(rcl_i)},
    {"d0 /2", "rcl Eb,1", .forms = SIZES(rcl_1)},
    {"d1 /2", "rcl Ev,1", .forms = SIZES(rcl_1)},
    {"d2 /2", "rcl Eb,cl", .forms = SIZES(rcl_cl)},
    {"d3 /2", "rcl Ev,cl", .forms = SIZES(rcl_cl)},
    {"c0 /3", "rcr Eb,Ib", .forms = SIZES(rcr_i)},
    {"c1 /3", "rcr Ev,Ib", .forms = SIZES(rcr_i)},
    {"d0 /3", "rcr Eb,1", .forms = SIZES(rcr_1)},
    {"d1 /3", "rcr Ev,1", .forms = SIZES(rcr_1)},
    {"d2 /3", "rcr Eb,cl", .forms = SIZES(rcr_cl)},
    {"d3 /3", "rcr Ev,cl", .forms = SIZES(rcr_cl)},
    {"c0 /4", "shl Eb,Ib", .forms = SIZES(shl_i)},
    {"c1 /4", "shl Ev,Ib", .forms = SIZES(shl_i)},
    {"d0 /4", "shl Eb,1", .forms = SIZES(shl_1)},
    {"d1 /4", "shl Ev,1", .forms = SIZES(shl_1)},
    {"d2 /4", "shl Eb,cl", .forms = SIZES(shl_cl)},
    {"d3 /4", "shl Ev,cl", .forms = SIZES(shl_cl)},
    {"c0 /5", "shr Eb,Ib", .forms = SIZES(shr_i)},
    {"c1 /5", "shr Ev,Ib", .forms = SIZES(shr_i)},
    {"d0 /5", "shr Eb,1", .forms = SIZES(shr_1)},
    {"d1 /5", "shr Ev,1", .forms = SIZES(shr_1)},
    {"d2 /5", "shr Eb,cl", .forms = SIZES(shr_cl)},
    {"d3 /5", "shr Ev,cl", .forms = SIZES(shr_cl)},
    {"c0 /6", "shl Eb,Ib", .forms = SIZES(shl_i)},
    {"c1 /6", "shl Ev,Ib", .forms = SIZES(shl_i)},
    {"d0 /6", "shl Eb,1", .forms = SIZES(shl_1)},
    {"d1 /6", "shl Ev,1", .forms = SIZES(shl_1)},
    {"d2 /6", "shl Eb,cl", .forms = SIZES(shl_cl)},
    {"d3 /6", "shl Ev,cl", .forms = SIZES(shl_cl)},
    {"c0 /7", "sar Eb,Ib", .forms = SIZES(sar_i)},
    {"c1 /7", "sar Ev,Ib", .forms = SIZES(sar_i)},
    {"d0 /7", "sar Eb,1", .forms = SIZES(sar_1)},
    {"d1 /7", "sar Ev,1", .forms = SIZES(sar_1)},
    {"d2 /7", "sar Eb,cl", .forms = SIZES(sar_cl)},
    {"d3 /7", "sar Ev,cl", .forms = SIZES(sar_cl)},
    {"0f a4", "shld Ev,Gv,Ib", .forms = SIZES_16(shld_i)},
    {"0f a5", "shld Ev,Gv,cl", .forms = SIZES_16(shld_cl)},
    {"0f ac", "shrd Ev,Gv,Ib", .forms = SIZES_16(shrd_i)},
    {"0f ad", "shrd Ev,Gv,cl", .forms = SIZES_16(shrd_cl)},
    {"0f a3", "bt Ev,Gv", .forms = SIZES_16(bt_g)},
    {"0f ba /4", "bt Ev,Ib", .forms = SIZES_16(bt_i)},
    {"0f ab", "bts Ev,Gv", .forms = SIZES_16(bts_g)},
    {"0f ba /5", "bts Ev,Ib", .forms = SIZES_16(bts_i)},
    {"0f b3", "btr Ev,Gv", .forms = SIZES_16(btr_g)},
    {"0f ba /6", "btr Ev,Ib", .forms = SIZES_16(btr_i)},
    {"0f bb", "btc Ev,Gv", .forms = SIZES_16(btc_g)},
    {"0f ba /7", "btc Ev,Ib", .forms = SIZES_16(btc_i)},
    {"0f bc", "bsf Gv,Ev", .forms = SIZES_16(bsf)},
    {"0f bd", "bsr Gv,Ev", .forms = SIZES_16(bsr)},
    {0},
};

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
SOFT_TABLE(soft_bits_rows)
    ROW("c0 /0", "rol Eb,Ib", .forms = SIZES(rol_i))
    ROW("c1 /0", "rol Ev,Ib", .forms = SIZES(rol_i))
    ROW("d0 /0", "rol Eb,1", .forms = SIZES(rol_1))
    ROW("d1 /0", "rol Ev,1", .forms = SIZES(rol_1))
    ROW("d2 /0", "rol Eb,cl", .forms = SIZES(rol_cl))
    ROW("d3 /0", "rol Ev,cl", .forms = SIZES(rol_cl))
    ROW("c0 /1", "ror Eb,Ib", .forms = SIZES(ror_i))
    ROW("c1 /1", "ror Ev,Ib", .forms = SIZES(ror_i))
    ROW("d0 /1", "ror Eb,1", .forms = SIZES(ror_1))
    ROW("d1 /1", "ror Ev,1", .forms = SIZES(ror_1))
    ROW("d2 /1", "ror Eb,cl", .forms = SIZES(ror_cl))
    ROW("d3 /1", "ror Ev,cl", .forms = SIZES(ror_cl))
    ROW("c0 /2", "rcl Eb,Ib", .forms = SIZES(rcl_i))
    ROW("c1 /2", "rcl Ev,Ib", .forms = SIZES(rcl_i))
    ROW("d0 /2", "rcl Eb,1", .forms = SIZES(rcl_1))
    ROW("d1 /2", "rcl Ev,1", .forms = SIZES(rcl_1))
    ROW("d2 /2", "rcl Eb,cl", .forms = SIZES(rcl_cl))
    ROW("d3 /2", "rcl Ev,cl", .forms = SIZES(rcl_cl))
    ROW("c0 /3", "rcr Eb,Ib", .forms = SIZES(rcr_i))
    ROW("c1 /3", "rcr Ev,Ib", .forms = SIZES(rcr_i))
    ROW("d0 /3", "rcr Eb,1", .forms = SIZES(rcr_1))
    ROW("d1 /3", "rcr Ev,1", .forms = SIZES(rcr_1))
    ROW("d2 /3", "rcr Eb,cl", .forms = SIZES(rcr_cl))
    ROW("d3 /3", "rcr Ev,cl", .forms = SIZES(rcr_cl))
    ROW("c0 /4", "shl Eb,Ib", .forms = SIZES(shl_i))
    ROW("c1 /4", "shl Ev,Ib", .forms = SIZES(shl_i))
    ROW("d0 /4", "shl Eb,1", .forms = SIZES(shl_1))
    ROW("d1 /4", "shl Ev,1", .forms = SIZES(shl_1))
    ROW("d2 /4", "shl Eb,cl", .forms = SIZES(shl_cl))
    ROW("d3 /4", "shl Ev,cl", .forms = SIZES(shl_cl))
    ROW("c0 /5", "shr Eb,Ib", .forms = SIZES(shr_i))
    ROW("c1 /5", "shr Ev,Ib", .forms = SIZES(shr_i))
    ROW("d0 /5", "shr Eb,1", .forms = SIZES(shr_1))
    ROW("d1 /5", "shr Ev,1", .forms = SIZES(shr_1))
    ROW("d2 /5", "shr Eb,cl", .forms = SIZES(shr_cl))
    ROW("d3 /5", "shr Ev,cl", .forms = SIZES(shr_cl))
    ROW("c0 /6", "shl Eb,Ib", .forms = SIZES(shl_i))
    ROW("c1 /6", "shl Ev,Ib", .forms = SIZES(shl_i))
    ROW("d0 /6", "shl Eb,1", .forms = SIZES(shl_1))
    ROW("d1 /6", "shl Ev,1", .forms = SIZES(shl_1))
    ROW("d2 /6", "shl Eb,cl", .forms = SIZES(shl_cl))
    ROW("d3 /6", "shl Ev,cl", .forms = SIZES(shl_cl))
    ROW("c0 /7", "sar Eb,Ib", .forms = SIZES(sar_i))
    ROW("c1 /7", "sar Ev,Ib", .forms = SIZES(sar_i))
    ROW("d0 /7", "sar Eb,1", .forms = SIZES(sar_1))
    ROW("d1 /7", "sar Ev,1", .forms = SIZES(sar_1))
    ROW("d2 /7", "sar Eb,cl", .forms = SIZES(sar_cl))
    ROW("d3 /7", "sar Ev,cl", .forms = SIZES(sar_cl))
    ROW("0f a4", "shld Ev,Gv,Ib", .forms = SIZES_16(shld_i))
    ROW("0f a5", "shld Ev,Gv,cl", .forms = SIZES_16(shld_cl))
    ROW("0f ac", "shrd Ev,Gv,Ib", .forms = SIZES_16(shrd_i))
    ROW("0f ad", "shrd Ev,Gv,cl", .forms = SIZES_16(shrd_cl))
    ROW("0f a3", "bt Ev,Gv", .forms = SIZES_16(bt_g))
    ROW("0f ba /4", "bt Ev,Ib", .forms = SIZES_16(bt_i))
    ROW("0f ab", "bts Ev,Gv", .forms = SIZES_16(bts_g))
    ROW("0f ba /5", "bts Ev,Ib", .forms = SIZES_16(bts_i))
    ROW("0f b3", "btr Ev,Gv", .forms = SIZES_16(btr_g))
    ROW("0f ba /6", "btr Ev,Ib", .forms = SIZES_16(btr_i))
    ROW("0f bb", "btc Ev,Gv", .forms = SIZES_16(btc_g))
    ROW("0f ba /7", "btc Ev,Ib", .forms = SIZES_16(btc_i))
    ROW("0f bc", "bsf Gv,Ev", .forms = SIZES_16(bsf))
    ROW("0f bd", "bsr Gv,Ev", .forms = SIZES_16(bsr))
SOFT_TABLE_END

// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

const struct soft_row soft_muldiv_rows[] = {{0}};

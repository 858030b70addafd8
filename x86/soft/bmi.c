// SPDX-License-Identifier: MIT
#include "x86/soft/exec.h"

const struct soft_row soft_bmi_rows[] = {{0}};

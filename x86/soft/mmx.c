#include "x86/soft/fpu.h"
const struct soft_row soft_mmx_rows[] = {{0}};

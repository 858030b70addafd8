// SPDX-License-Identifier: MIT
/*
 * Counts from 0 to 9.
 */
#include "os-1k/user/user.h"

int main(const char *arguments)
{
    for (int i = 0; i <= 9; i++)
        printf("%d%c", i, i < 9 ? ' ' : '\n');
    return 0;
}

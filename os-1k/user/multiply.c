// SPDX-License-Identifier: MIT
/*
 * The multiplication table, a row for each number.
 */
#include "os-1k/user/user.h"

int main(const char *arguments)
{
    for (int i = 2; i <= 9; i++)
        for (int j = 1; j <= 9; j++)
            printf("%d*%d=%d%c", i, j, i * j, j < 9 ? ' ' : '\n');
    return 0;
}

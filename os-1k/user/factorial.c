// SPDX-License-Identifier: MIT
/*
 * Factorials, as far as 32 bits hold them.
 */
#include "os-1k/user/user.h"

int main(const char *arguments)
{
    int factorial = 1;

    for (int i = 0; i <= 12; i++) {
        if (i > 0)
            factorial *= i;
        printf("%d! = %d\n", i, factorial);
    }
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * The Fibonacci sequence: each term is the sum of the two before it.
 */
#include "os-1k/user/user.h"

int main(const char *arguments)
{
    int term = 0, next = 1;

    for (int i = 0; i < 15; i++) {
        int sum = term + next;

        printf("F(%d) = %d\n", i, term);
        term = next;
        next = sum;
    }
    return 0;
}

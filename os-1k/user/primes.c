// SPDX-License-Identifier: MIT
/*
 * The prime numbers up to 100, by the sieve of Eratosthenes.
 */
#include "os-1k/user/user.h"

enum {
    LIMIT = 100,
    A_LINE = 10,
};

int main(const char *arguments)
{
    bool composite[LIMIT + 1] = {false};
    int total = 0;

    for (int n = 2; n <= LIMIT; n++) {
        if (composite[n])
            continue;
        for (int multiple = n * n; multiple <= LIMIT; multiple += n)
            composite[multiple] = true;
        if (total > 0)
            printf(total % A_LINE ? " " : "\n");
        printf("%d", n);
        total++;
    }
    printf("\nTotal: %d primes\n", total);
    return 0;
}

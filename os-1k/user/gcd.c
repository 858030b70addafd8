// SPDX-License-Identifier: MIT
/*
 * The greatest common divisor, by Euclid's algorithm.
 */
#include "os-1k/user/user.h"

static int gcd(int a, int b)
{
    while (b) {
        int rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

int main(const char *arguments)
{
    static const int pairs[][2] = {{48, 18}, {100, 75}, {17, 13}, {270, 192}, {1071, 462}};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        printf("GCD(%d, %d) = %d\n", pairs[i][0], pairs[i][1], gcd(pairs[i][0], pairs[i][1]));
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * The greatest common divisor, by Euclid's algorithm: of two numbers, or of some examples.
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

static void show(int a, int b)
{
    printf("GCD(%d, %d) = %d\n", a, b, gcd(a, b));
}

int main(const char *arguments)
{
    static const int pairs[][2] = {{48, 18}, {100, 75}, {17, 13}, {270, 192}, {1071, 462}};
    const char *rest;
    int a, b;

    if (!*arguments) {
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
            show(pairs[i][0], pairs[i][1]);
        return 0;
    }
    rest = parse_int(arguments, &a);
    if (rest)
        rest = parse_int(skip_spaces(rest), &b);
    if (!rest || *skip_spaces(rest) || a < 0 || b < 0) {
        printf("gcd: name two numbers from 0 to 2147483647\n");
        return 1;
    }
    show(a, b);
    return 0;
}

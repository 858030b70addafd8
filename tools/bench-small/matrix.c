// SPDX-License-Identifier: MIT
/*
 * guest/matrix.S as a program of the host: the same work, as often, with the same output. The work
 * itself is product.c or product.S.
 */
#include "tools/bench-small/matrix.h"

#include <stdio.h>

uint16_t a[N][N], b[N][N], c[N][N];

int main(void)
{
    for (int i = 0; i < N * N; i++) {
        a[i / N][i % N] = i + 1;
        b[i / N][i % N] = N * N - i;
    }
    for (long i = 0; i < REPEAT; i++)
        product();
    for (int i = 0; i < N * N; i++)
        printf("%u%c", c[i / N][i % N], i % N == N - 1 ? '\n' : ' ');
    return 0;
}

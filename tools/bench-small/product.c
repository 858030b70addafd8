// SPDX-License-Identifier: MIT
/*
 * What guest/matrix.S says in C.
 */
#include "tools/bench-small/matrix.h"

void product(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            uint16_t sum = 0;

            for (int k = 0; k < N; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

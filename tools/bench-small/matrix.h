/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MATRIX_H
#define BENCH_MATRIX_H

#include <stdint.h>

#define N 8

extern uint16_t a[N][N], b[N][N], c[N][N];

/* c = a * b */
void product(void);

#endif

// SPDX-License-Identifier: MIT
/*
 * Floating point of each kind, to the last digit: the C library's functions of many values as float
 * (SSE), double (SSE2) and long double (x87), roundings, conversions, and the flags that are
 * raised. What it prints is the same wherever the processor computes as IEEE 754 and the manual
 * say.
 */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define FUNCTIONS(F) \
    F(sin) F(cos) F(tan) F(asin) F(atan) F(exp) F(exp2) F(expm1) F(log) F(log2) F(log1p) F(sqrt) \
    F(cbrt) F(sinh) F(tanh) F(erf) F(lgamma) F(rint) F(floor) F(trunc)
/* clang-format on */

#define ROW(function) {#function, function##f, function, function##l},
static const struct {
    const char *name;
    float (*single)(float);
    double (*twice)(double);
    long double (*extended)(long double);
} functions[] = {FUNCTIONS(ROW)};

/* Values of every size: 0, 1 and their like, and a sequence. */
static double value(int i)
{
    static const double special[] = {0,        -0.0,      1,   -1,       0.5,
                                     INFINITY, -INFINITY, NAN, 4.9e-324, 1e-310};
    static const int count = sizeof(special) / sizeof(special[0]);
    double x = i;

    if (i < count)
        return special[i];
    x = (i % 2 ? -1 : 1) * x * 0.37137 + x * x / 977;
    return i % 5 ? x : ldexp(x, i % 121 - 60);
}

int main(int argc, char **argv)
{
    static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
    int count = argc > 1 ? atoi(argv[1]) : 400;

    for (unsigned f = 0; f < sizeof(functions) / sizeof(functions[0]); f++)
        for (int i = 0; i < count; i++) {
            double x = value(i);

            feclearexcept(FE_ALL_EXCEPT);
            printf("%s(%.17g) %.9g", functions[f].name, x, functions[f].single(x));
            printf(" %.17g", functions[f].twice(x));
            printf(" %.21Lg %x\n", functions[f].extended(x), fetestexcept(FE_ALL_EXCEPT));
        }
    for (int mode = 0; mode < 4; mode++) {
        fesetround(modes[mode]);
        for (int i = 0; i < count; i++) {
            volatile double x = value(i), y = value(count - i);
            volatile long double lx = x, ly = y;
            volatile float fx = x, fy = y;

            feclearexcept(FE_ALL_EXCEPT);
            printf("%d %.17g %.17g: %.17g %.17g %.17g %.17g", mode, x, y, x + y, x - y, x * y,
                   x / y);
            printf(" %.21Lg %.21Lg %.21Lg", lx + ly, lx * ly, lx / ly);
            printf(" %.9g %.9g %.9g", fx - fy, fx * fy, fx / fy);
            printf(" %.17g %.17g %.17g %.21Lg %lld %x\n", pow(fabs(x), y / 100), fmod(x, y),
                   hypot(x, y), remainderl(lx, ly), fabs(x) < 1e18 ? llrint(x) : 0,
                   fetestexcept(FE_ALL_EXCEPT));
        }
    }
    return 0;
}

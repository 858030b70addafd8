// SPDX-License-Identifier: MIT
/*
 * A calculator of 32-bit numbers, which says so when a result is none.
 */
#include "os-1k/user/user.h"

/* Read NUMBER OPERATOR NUMBER; NULL, or what is wrong. */
static const char *parse(const char *s, int *a, char *op, int *b)
{
    s = parse_int(skip_spaces(s), a);
    if (!s)
        return "a number of 32 bits must come first";
    s = skip_spaces(s);
    if (!*s || !strchr("+-*/%", *s))
        return "after the first number must come + - * / or %";
    *op = *s++;
    s = parse_int(skip_spaces(s), b);
    if (!s)
        return "a number of 32 bits must come last";
    return *skip_spaces(s) ? "there is something after the second number" : NULL;
}

/* The CPU answers a division whose result does not fit as it does one by zero: by an exception. */
static const char *divide(int a, char op, int b, int *result)
{
    if (b == 0)
        return "division by zero";
    if (b == -1 && op == '/')
        return __builtin_sub_overflow(0, a, result) ? "overflow" : NULL;
    if (op == '/')
        *result = a / b;
    else
        *result = b == -1 ? 0 : a % b;
    return NULL;
}

static const char *calculate(int a, char op, int b, int *result)
{
    bool overflow = false;

    switch (op) {
    case '+':
        overflow = __builtin_add_overflow(a, b, result);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, result);
        break;
    case '*':
        overflow = __builtin_mul_overflow(a, b, result);
        break;
    default:
        return divide(a, op, b, result);
    }
    return overflow ? "overflow" : NULL;
}

int main(const char *arguments)
{
    char line[80];

    printf("Type a sum such as 12 + 5, with + - * / or %%, or q to leave.\n");
    while (readline("> ", line, sizeof(line)) >= 0 && strcmp(line, "q") != 0) {
        int a, b, result;
        char op;
        const char *wrong = parse(line, &a, &op, &b);

        if (!wrong)
            wrong = calculate(a, op, b, &result);
        if (wrong)
            printf("Error: %s\n", wrong);
        else
            printf("Result: %d\n", result);
    }
    return 0;
}

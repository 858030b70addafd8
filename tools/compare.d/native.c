// SPDX-License-Identifier: MIT
/*
 * What the small guests compute, as a program of the host: `native GUEST` prints what minivm does
 * when it runs guest/GUEST. Status 2 for a guest that has no such counterpart.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void minimal(void)
{
}

static void hello(void)
{
    puts("Hello, KVM!");
}

static void counter(void)
{
    for (int i = 0; i < 10; i++)
        putchar('0' + i);
    putchar('\n');
}

static void multiplication(void)
{
    for (int i = 2; i <= 9; i++)
        for (int j = 1; j <= 9; j++)
            printf("%d*%d=%d%c", i, j, i * j, j < 9 ? ' ' : '\n');
}

static void fibonacci(void)
{
    uint16_t a = 0, b = 1;

    for (int i = 0; i < 15; i++) {
        uint16_t sum = a + b;

        printf("%u\n", a);
        a = b;
        b = sum;
    }
}

static void echo(void)
{
    for (int c; (c = getchar()) != EOF && c != 'q' && c != 4;)
        putchar(c == '\r' ? '\n' : c);
}

static void pmode(void)
{
    puts("Hello from protected mode!");
}

static void hello64(void)
{
    puts("Hello, long mode!");
}

static const struct {
    const char *name;
    void (*run)(void);
} guests[] = {
    {"minimal", minimal},
    {"hello", hello},
    {"counter", counter},
    {"multiplication", multiplication},
    {"write", multiplication},
    {"fibonacci", fibonacci},
    {"echo", echo},
    {"pmode", pmode},
    {"hello64", hello64},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof(guests) / sizeof(guests[0]); i++) {
        if (!strcmp(argv[1], guests[i].name)) {
            guests[i].run();
            return 0;
        }
    }
    return 2;
}

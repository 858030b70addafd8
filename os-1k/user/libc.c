// SPDX-License-Identifier: MIT
/*
 * The C library of user programs.
 */
#include "os-1k/user/user.h"

enum {
    CTRL_C = 0x03,
    CTRL_D = 0x04,
    BACKSPACE = 0x08,
    DEL = 0x7f,
};

int printf(const char *text, ...)
{
    char buf[256];
    va_list args;
    int n;

    va_start(args, text);
    n = format(buf, sizeof(buf), text, args);
    va_end(args);
    return write(buf, n);
}

/* A character of UTF-8 may have further bytes; it goes with all of them. */
static int take_back(const char *buf, int n)
{
    if (n == 0)
        return 0;
    do {
        n--;
    } while (n > 0 && (buf[n] & 0xc0) == 0x80);
    printf("\b \b");
    return n;
}

int readline(const char *prompt, char *buf, int size)
{
    int n = 0;

    printf("%s", prompt);
    for (;;) {
        int c = getchar();

        if (c == CTRL_C) {
            printf("^C");
            n = 0;
        }
        /* The last line of a file may lack its end. */
        if ((c == END_OF_INPUT || c == CTRL_D) && n == 0)
            return END_OF_INPUT;
        if (c == END_OF_INPUT || c == CTRL_C || c == '\r' || c == '\n')
            break;

        if (c == BACKSPACE || c == DEL) {
            n = take_back(buf, n);
        } else if (c >= ' ') {
            bool fits = n < size - 1;

            if (fits)
                buf[n++] = c;
            printf("%c", fits ? c : '\a');
        }
    }
    printf("\n");
    buf[n] = '\0';
    return n;
}

const char *skip_spaces(const char *text)
{
    while (*text == ' ')
        text++;
    return text;
}

const char *parse_int(const char *text, int *value)
{
    bool negative = *text == '-';
    int n = 0;

    if (*text == '-' || *text == '+')
        text++;
    if (*text < '0' || *text > '9')
        return NULL;
    /* Counting down, as there is one negative number more. */
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, *text - '0', &n))
            return NULL;
    if (!negative && __builtin_sub_overflow(0, n, &n))
        return NULL;
    *value = n;
    return text;
}

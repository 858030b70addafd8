// SPDX-License-Identifier: MIT
/*
 * Strings and formatted text.
 *
 * After: ISO C11, "String handling", "The fprintf function".
 * Left out: precision, long and floating-point numbers, which nobody here prints.
 */
#include "os-1k/lib.h"

/* One string instruction each: a loop in C would be turned into a call of these very functions. */
void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return start;
}

void *memset(void *to, int byte, size_t n)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
    return start;
}

/* Where the areas overlap and the copy lies higher, the last byte must go first. */
void *memmove(void *to, const void *from, size_t n)
{
    char *t = (char *)to + n;
    const char *f = (const char *)from + n;

    if (to <= from)
        return memcpy(to, from, n);
    while (n--)
        *--t = *--f;
    return to;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

char *strchr(const char *s, int c)
{
    while (*s != (char)c)
        if (!*s++)
            return NULL;
    return (char *)s;
}

void copy_string(char *to, const char *from, size_t size)
{
    size_t n = strlen(from);

    if (n >= size)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

/* The last digits of a number, written backwards from end: all that there are, but at least some.
 * Where they begin. */
static char *digits(char *end, unsigned n, unsigned base, int least)
{
    *end = '\0';
    for (; n || least > 0; n /= base, least--)
        *--end = "0123456789abcdef"[n % base];
    return end;
}

int format(char *buf, size_t size, const char *text, va_list args)
{
    char *to = buf, *last = buf + size - 1;

    for (; *text && to < last; text++) {
        char number[16], *start, *const end = number + sizeof(number) - 1;
        const char *piece;
        bool left = false;
        int width = 0, n;

        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        if (*++text == '-') {
            left = true;
            text++;
        }
        for (; *text >= '0' && *text <= '9'; text++)
            width = width * 10 + *text - '0';

        if (*text == 'd') {
            n = va_arg(args, int);
            start = digits(end, n < 0 ? -(unsigned)n : (unsigned)n, 10, 1);
            if (n < 0)
                *--start = '-';
            piece = start;
        } else if (*text == 'x') {
            piece = digits(end, va_arg(args, unsigned), 16, 8);
        } else if (*text == 's') {
            piece = va_arg(args, const char *);
        } else {
            number[0] = *text == 'c' ? va_arg(args, int) : *text;
            number[1] = '\0';
            piece = number;
        }

        for (n = strlen(piece); !left && n < width && to < last; width--)
            *to++ = ' ';
        for (; *piece && to < last; piece++)
            *to++ = *piece;
        for (; n < width && to < last; width--)
            *to++ = ' ';
    }
    *to = '\0';
    return to - buf;
}

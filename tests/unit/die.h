/* SPDX-License-Identifier: MIT */
/*
 * die() in place of the library's, for tests of what dies: it keeps the text and goes on where the
 * test has called setjmp(died).
 */
#ifndef TESTS_UNIT_DIE_H
#define TESTS_UNIT_DIE_H

#include "hw/die.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static jmp_buf died;
static char last_words[512];

void die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(last_words, sizeof(last_words), fmt, ap);
    va_end(ap);
    longjmp(died, 1);
}

/* What dies leaves its memory behind: no leak is found of what is allocated in between. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static inline void begin_to_die(void)
{
    if (__lsan_disable)
        __lsan_disable();
}

static inline void end_to_die(void)
{
    if (__lsan_enable)
        __lsan_enable();
}

/* Are the last words one line with that text in it, behind name and a colon unless that is NULL? */
static inline bool died_of(const char *name, const char *text)
{
    size_t n = name ? strlen(name) : 0;

    if (strstr(last_words, text) && !strchr(last_words, '\n') &&
        (!name || (!strncmp(last_words, name, n) && last_words[n] == ':')))
        return true;
    printf("# died of: %s\n", last_words);
    return false;
}

#endif

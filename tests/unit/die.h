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
#include <stdio.h>

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

#endif

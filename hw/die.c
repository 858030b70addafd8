// SPDX-License-Identifier: MIT
/*
 * The one way to fail while a machine is being built.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "hw/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    fprintf(stderr, "minivm: %s\n", text_make_plain(text));
    exit(EXIT_USAGE);
}

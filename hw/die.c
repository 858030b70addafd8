// SPDX-License-Identifier: MIT
/*
 * The one way to fail while a machine is being built.
 */
#include "hw/die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *fmt, ...)
{
    int error = errno;
    va_list ap;

    fputs("minivm: ", stderr);
    va_start(ap, fmt);
    errno = error;
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(EXIT_USAGE);
}

// SPDX-License-Identifier: MIT
/*
 * The names of parts.
 */
#include "x86/parts.h"

#include <assert.h>
#include <stdio.h>

void parts_show(struct parts *p, const char *name, int n, const char *what, struct device *d)
{
    char text[PART_NAME + 1], number[16] = "";

    if (n >= 0)
        snprintf(number, sizeof(number), " %d", n);
    int len = snprintf(text, sizeof(text), "%s%s%s%s", name, number, *what ? " " : "", what);

    assert(len < (int)sizeof(text));
    p->see(p, text, d);
}

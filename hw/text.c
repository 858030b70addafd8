// SPDX-License-Identifier: MIT
/*
 * Text that comes from outside.
 *
 * After: RFC 3629, UTF-8; ECMA-48, "C0 set" and "C1 set".
 */
#include "hw/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The length of the character that s begins with; 0 when it cannot be shown. */
static int character(const uint8_t *s)
{
    int n = *s < 0xc2 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;

    if (*s < ' ' || (*s > '~' && n == 1) || *s > 0xf4)
        return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool c1 = *s == 0xc2 && s[1] < 0xa0;
    bool overlong = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xf0 && s[1] < 0x90);

    return c1 || overlong ? 0 : n;
}

char *text_make_plain(char *s)
{
    for (uint8_t *p = (uint8_t *)s; *p;) {
        int n = character(p);

        if (!n)
            *p = '?';
        p += n ? n : 1;
    }
    return s;
}

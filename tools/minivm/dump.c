// SPDX-License-Identifier: MIT
/*
 * The guest's memory in hexadecimal.
 *
 * After: hexdump(1), option -C.
 */
#include "tools/minivm/dump.h"
#include "hw/die.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROW 16 /* bytes of a line */

/* A number as C has them, perhaps with a unit; *end is what follows. */
static uint64_t parse_number(const char *s, char **end)
{
    static const char units[] = "KMG";

    errno = 0;
    uint64_t n = strtoull(s, end, 0);
    const char *unit = **end ? strchr(units, toupper((unsigned char)**end)) : NULL;
    int shift = unit ? 10 + 10 * (int)(unit - units) : 0;

    if (!isdigit((unsigned char)*s) || errno || n > UINT64_MAX >> shift)
        *end = (char *)s;
    else if (unit)
        ++*end;
    return n << shift;
}

struct dump dump_parse(const char *said)
{
    struct dump d = {.said = said};
    char *end, *last = NULL;

    d.addr = parse_number(said, &end);
    if (end != said && *end == ',') {
        d.len = parse_number(end + 1, &last);
        if (last == end + 1 || *last)
            last = NULL;
    }
    if (!last || !d.len)
        die("--dump-mem %s: not an address and a length; write 0x7c00,512 or 1M,4K", said);
    return d;
}

void dump_check(const struct dump *d, const struct ram *ram)
{
    uint64_t high = ram_high(ram);
    char above[64] = "";

    if (ram_at(ram, d->addr, d->len))
        return;
    if (high)
        snprintf(above, sizeof(above), " and %#llx..%#llx", (unsigned long long)RAM_HIGH,
                 (unsigned long long)(RAM_HIGH + high));
    die("--dump-mem %s: not all of it is the guest's RAM, which is 0..%#llx%s", d->said,
        (unsigned long long)ram_low(ram), above);
}

static void print_row(uint64_t addr, const uint8_t *row, int n, FILE *f)
{
    fprintf(f, "%08llx ", (unsigned long long)addr);
    for (int i = 0; i < ROW; i++) {
        if (i % 8 == 0)
            fputc(' ', f);
        if (i < n)
            fprintf(f, "%02x ", row[i]);
        else
            fputs("   ", f);
    }
    fputs(" |", f);
    for (int i = 0; i < n; i++)
        fputc(row[i] >= ' ' && row[i] <= '~' ? row[i] : '.', f);
    fputs("|\n", f);
}

void dump_print(const struct dump *d, const struct ram *ram, FILE *f)
{
    const uint8_t *at = ram_at(ram, d->addr, d->len), *before = NULL;
    bool starred = false;

    assert(at);
    fprintf(f, "minivm: memory at %s:\n", d->said);
    for (uint64_t off = 0; off < d->len; off += ROW) {
        int n = d->len - off < ROW ? (int)(d->len - off) : ROW;
        bool same = before && n == ROW && off + ROW < d->len && !memcmp(before, at + off, ROW);

        if (!same)
            print_row(d->addr + off, at + off, n, f);
        else if (!starred)
            fputs("*\n", f);
        starred = same;
        before = at + off;
    }
}

// SPDX-License-Identifier: MIT
/*
 * The keys after Ctrl-A, for help texts. What they do is in steer.c and outlet.c.
 */
#include "tools/minivm/option.h"

static const struct {
    const char *name, *text;
    enum {
        ALWAYS,
        SEVERAL, /* guests */
        SPLIT,
    } when;
} keys[] = {
    {"x", "quit", ALWAYS},
    {"d", "say where the guest is", ALWAYS},
    {"r", "print the registers of its CPUs", ALWAYS},
    {"b", "send a break (to Linux: the magic SysRq key)", ALWAYS},
    {"n", "type to the next of several guests", SEVERAL},
    {"u", "with --split, look back", SPLIT},
    {"v", "with --split, look forward", SPLIT},
    {"h", "show these keys", ALWAYS},
    {"Ctrl-A", "send Ctrl-A", ALWAYS},
};

void print_keys(FILE *f, const char *line, bool several, bool split)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].when == ALWAYS || (keys[i].when == SEVERAL ? several : split))
            fprintf(f, line, keys[i].name, keys[i].text);
}

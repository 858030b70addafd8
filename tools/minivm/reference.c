// SPDX-License-Identifier: MIT
/*
 * The tables of options as Markdown, for the manual and the README; the completions of the shells
 * read it too.
 */
#include "tools/minivm/option.h"

#include <stdio.h>

void print_option_list(void)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *opt = &option_table[i];

        if (opt->group)
            printf("%s%s:\n\n", i ? "\n" : "", opt->group);
        if (opt->kind == ALIAS)
            continue;
        if (opt->kind == OPERAND) {
            printf("- `%s`: %s\n", opt->name, opt->text);
            continue;
        }
        fputs("- ", stdout);
        if (opt->letter)
            printf("`-%c`, ", opt->letter);
        printf("`--%s", opt->name);
        if (opt->value)
            printf(opt->kind == OPTIONAL || opt->kind == NET ? "[=%s]" : " %s", opt->value);
        printf("`: %s\n", opt->text);
    }
}

void print_key_list(void)
{
    print_keys(stdout, "- `Ctrl-A %s`: %s\n", true, true);
}

/* A list of options as a cell of a table. */
static void print_cell(const char *list)
{
    if (list)
        printf("| `%s` ", list);
    else
        fputs("| ", stdout);
}

void print_foreign_table(void)
{
    puts("| QEMU | lkvm | virtme-ng | minivm |\n"
         "|---|---|---|---|");
    for (size_t i = 0; i < foreign_count; i++) {
        const struct foreign *f = &foreign_table[i];

        if (!f->qemu && !f->lkvm && !f->vng)
            continue;
        print_cell(f->qemu);
        print_cell(f->lkvm);
        print_cell(f->vng);
        printf("| %s |\n", f->here);
    }
}

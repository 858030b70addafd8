// SPDX-License-Identifier: MIT
/*
 * minivm cache: what is kept of kernels that were unpacked.
 */
#define _GNU_SOURCE
#include "boot/kernel-cache.h"
#include "hw/die.h"
#include "hw/text.h"
#include "hw/units.h"
#include "tools/minivm/minivm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_entry(const struct kernel_cache_entry *entry, void *to)
{
    char time[32] = "", *what = text_make_plain(strdup(entry->what));
    struct tm tm;

    if (localtime_r(&entry->used, &tm))
        strftime(time, sizeof(time), "%Y-%m-%d %H:%M", &tm);
    printf("%4llu MiB, used %s: %s\n", to_mib(entry->size), time, what);
    free(what);
    *(uint64_t *)to += entry->size;
}

int cmd_cache(int argc, char **argv)
{
    uint64_t size = 0;

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return cmd_help(1, (char *[]){"help"});
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "clear")))
        die("cache: unknown word %s; 'minivm cache' lists what is kept, 'minivm cache clear' "
            "removes "
            "it",
            argv[argc - 1]);
    const char *path = kernel_cache_path();

    if (!path)
        die("cache: there is none, as neither HOME nor XDG_CACHE_HOME is set");
    char *name = text_make_plain(strdup(path));

    if (argc == 2) {
        int n = kernel_cache_clear();

        printf("%s: %d kernel%s removed\n", name, n, n == 1 ? "" : "s");
    } else {
        kernel_cache_each(print_entry, &size);
        printf("%s: %llu MiB, of 1024 at most\n", name, to_mib(size));
    }
    free(name);
    return 0;
}

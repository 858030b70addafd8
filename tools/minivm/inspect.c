// SPDX-License-Identifier: MIT
/*
 * minivm inspect: what a file is, in words, and how it can be booted.
 */
#define _GNU_SOURCE
#include "boot/guess.h"
#include "boot/identify.h"
#include "boot/kernel.h"
#include "boot/linux.h"
#include "boot/unpack.h"
#include "hw/die.h"
#include "hw/text.h"
#include "tools/minivm/minivm.h"

#include <stdio.h>
#include <string.h>

/* The first is the best. */
static void print_ways(const struct image *img, const char *best)
{
    for (int i = 0; ways[i]; i++) {
        if (!ways[i]->offered(img))
            continue;
        printf("--boot %s%s: %s\n", ways[i]->name, best, ways[i]->title);
        ways[i]->print(img, stdout);
        best = "";
    }
}

static void print_kernel(const struct image *img)
{
    struct image inside;
    char version[128];

    if (linux_version(img, version, sizeof(version)))
        printf("version: %s\n", version);
    print_ways(img, " (the best)");
    if (way_bzimage.offered(img) && !bzimage_unpack(img, false, &inside) && way_of(&inside)) {
        printf("the vmlinux inside, %llu bytes unpacked:\n", (unsigned long long)inside.size);
        print_ways(&inside, "");
    }
}

/* There is no header, so look at the code. */
static void print_flat(const struct image *img)
{
    int bits = guess_bits(img);

    printf("no header that minivm knows: perhaps a flat program ");
    if (bits)
        printf("with %d bits (--%s)\n", bits, bits == 64 ? "long" : "pmode");
    else
        printf("(16-bit, or for --pmode or --long)\n");
}

int cmd_inspect(int argc, char **argv)
{
    struct image img;
    char what[256];

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return cmd_help(1, (char *[]){"help"});
    if (argc != 2)
        die("inspect: name one file ('minivm inspect FILE')");
    image_open(&img, argv[1], true);
    printf("%s: %llu bytes", text_make_plain(strdup(argv[1])), (unsigned long long)img.size);
    if (img.packing != PACKING_NONE)
        printf(" unpacked, compressed by %s", packing_name(img.packing));
    putchar('\n');

    if (way_of(&img))
        print_kernel(&img);
    else if (identify_boot_sector(&img))
        printf("a boot sector: it runs as a 16-bit program, but calls of a BIOS lead nowhere\n");
    else if (identify(&img, what, sizeof(what)))
        printf("cannot be booted: %s\n", what);
    else
        print_flat(&img);
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * What is found in an initramfs: archives in a row, links on the way, what is compressed or no
 * archive at all.
 */
#define _GNU_SOURCE
#include "boot/initramfs.h"
#include "boot/cpio.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

static struct cpio c;
static struct kernel k;
static char text[512];

/* What the modules of a test are made of, until the next one starts. */
static void *owned[16];
static int owns;

static void *own(void *p)
{
    return owned[owns++] = p;
}

static void start(const char *cmdline)
{
    while (owns)
        free(owned[--owns]);
    k = (struct kernel){.image.name = "vmlinuz", .cmdline = cmdline};
}

static void add(const char *name, uint32_t mode)
{
    cpio_add(&c, name, mode, "data", 4);
}

/* What was added becomes a module. */
static void end(void)
{
    struct image *img = &k.module[k.modules++].image;

    cpio_end(&c);
    *img = (struct image){.name = "initrd", .data = own(c.buf), .size = c.size};
    c = (struct cpio){0};
}

static void raw(const void *data, size_t size)
{
    k.module[k.modules++].image = (struct image){.name = "initrd", .data = data, .size = size};
}

static const char *problem(void)
{
    return initramfs_problem(&k, text, sizeof(text)) ? text : "";
}

/* The line that is printed has these words; "" for no line. */
#define CHECK_PROBLEM(words) CHECK(*(words) ? strstr(problem(), words) != NULL : !*problem())

static void test_init(void)
{
    static const char *const names[] = {"init", "./init", "/init"};

    for (int i = 0; i < 3; i++) {
        start("quiet");
        add("bin", S_IFDIR | 0755);
        add(names[i], S_IFREG | 0755);
        end();
        CHECK_PROBLEM("");
    }
    start("quiet");
    add("init", S_IFLNK | 0777);
    end();
    CHECK_PROBLEM("");

    start("quiet");
    add("initrd", S_IFREG | 0755);
    add("bin/init", S_IFREG | 0755);
    end();
    CHECK_PROBLEM("initrd: has no /init");
    k.cmdline = "root=/dev/vda1";
    CHECK_PROBLEM("");

    start("quiet");
    add("init", S_IFREG | 0644);
    end();
    CHECK_PROBLEM("cannot execute /init");
}

static void test_rdinit(void)
{
    start("rdinit=/none a rdinit=/bin/sh b");
    add("init", S_IFREG | 0755);
    end();
    CHECK_PROBLEM("initrd: has no /bin/sh,");
    add("bin/sh", S_IFREG | 0755);
    end();
    CHECK_PROBLEM("");

    start("rdinit=/bin/sh");
    add("bin", S_IFLNK | 0777); /* to usr/bin */
    add("usr/bin/sh", S_IFREG | 0755);
    end();
    CHECK_PROBLEM("");
}

/* Zeros between archives, as a block size leaves them; and a second file. */
static void test_several(void)
{
    struct image *img = &k.module[0].image;
    size_t size, first;
    uint8_t *both;

    start("");
    add("kernel/x86/microcode/AuthenticAMD.bin", S_IFREG | 0644);
    end();
    CHECK_PROBLEM("has no /init");
    first = img->size;
    add("init", S_IFREG | 0755);
    end();
    CHECK_PROBLEM("");

    size = 4096 + k.module[1].image.size;
    both = own(calloc(1, size));
    memcpy(both, img->data, first);
    memcpy(both + 4096, k.module[1].image.data, k.module[1].image.size);
    k.modules = 0;
    raw(both, size);
    CHECK_PROBLEM("");
}

/* Pack the last n bytes of a module's image; in is how large a window of 16 MiB leaves. */
static void pack(struct image *img, size_t n)
{
    z_stream z = {.next_in = (uint8_t *)img->data + img->size - n, .avail_in = n};
    uint8_t *to = own(malloc(img->size + 1000));

    memcpy(to, img->data, img->size - n);
    z.next_out = to + img->size - n;
    z.avail_out = n + 1000;
    deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&z);
    img->data = to;
    img->size = z.next_out - to;
}

static void test_compressed(void)
{
    struct image *img = &k.module[0].image;
    void *large = calloc(1, 17 << 20);

    start("");
    add("init", S_IFREG | 0755);
    end();
    pack(img, img->size);
    CHECK_PROBLEM("");
    img->data += 1; /* nothing that is known */
    img->size -= 1;
    CHECK_PROBLEM("no cpio archive");

    start("");
    add("sbin/init", S_IFREG | 0755);
    end();
    pack(img, img->size);
    CHECK_PROBLEM("initrd: has no /init");

    /* Behind what is looked at there may be anything. */
    start("");
    cpio_add(&c, "large", S_IFREG | 0644, large, 17 << 20);
    end();
    pack(img, img->size);
    CHECK_PROBLEM("");
    free(large);

    start("");
    raw("\x89LZO\0\r\n\x1a\n and so on", 19);
    CHECK_PROBLEM("");
}

static void test_no_archive(void)
{
    static const uint8_t zeros[10000];

    start("");
    raw("# a text\n", 9);
    CHECK_PROBLEM("initrd: no cpio archive, so Linux finds no program to start in it");
    k.cmdline = "root=/dev/ram0";
    CHECK_PROBLEM("");
    start("");
    raw("070707", 6);
    CHECK_PROBLEM("no cpio archive");
    start("");
    raw(zeros, sizeof(zeros));
    CHECK_PROBLEM("no cpio archive");
}

static void test_none(void)
{
    start("quiet");
    CHECK_PROBLEM("vmlinuz: there is neither --initrd nor --root, nor root=");
    start("quiet root=/dev/vda");
    CHECK_PROBLEM("");
    start("rdinit=/init"); /* of one that is built in */
    CHECK_PROBLEM("");
}

int main(void)
{
    int failed = test_main((struct test[]){
        {test_init, "/init, which can be executed, or root="},
        {test_rdinit, "rdinit=, the last one"},
        {test_several, "several archives"},
        {test_compressed, "compressed archives, as far as they are looked at"},
        {test_no_archive, "what is no archive"},
        {test_none, "no initramfs"},
        {0},
    });

    start("");
    return failed;
}

// SPDX-License-Identifier: MIT
/*
 * The cache of unpacked kernels: what is found again, by what; what is not trusted; how much is
 * kept; where there is none.
 */
#define _GNU_SOURCE
#include "boot/kernel-cache.h"
#include "hw/units.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/minivm-test.XXXXXX";
static struct kernel_cache_key key;
static struct image found;

static const char *in_top(const char *name)
{
    static char path[2][300];
    static int n;

    n = !n;
    snprintf(path[n], sizeof(path[n]), "%s/%s", top, name);
    return path[n];
}

/* A file that was changed so many seconds ago, open. */
static struct image make_file(const char *name, const char *content)
{
    struct image img = {.name = name, .size = strlen(content)};

    img.fd = open(in_top(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (img.fd < 0 || write(img.fd, content, img.size) != (ssize_t)img.size)
        abort();
    return img;
}

/* An unpacked kernel in memory, of three pages and a bit, one of them zeros. */
static struct image make_kernel(char fill)
{
    uint8_t *data = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(data, fill, 0x3100);
    memset(data + 0x1000, 0, 0x1000);
    return (struct image){.name = "kernel", .fd = -1, .data = data, .size = 0x3100};
}

/* Does it hold what make_kernel() made? */
static bool is_kernel(const struct image *img, char fill)
{
    struct image want = make_kernel(fill);
    bool same = img->mapped && img->size == want.size && !memcmp(img->data, want.data, want.size);

    image_close(&want);
    return same;
}

/* Look for it, by what is in the file if need be: most are too young to be known without that. */
static bool find(const struct image *file)
{
    struct image copy;
    bool yes;

    if (kernel_cache_recall(&key, file, &found))
        return true;
    image_copy(&copy, file);
    yes = kernel_cache_find(&key, &copy, &found);
    image_close(&copy);
    return yes;
}

/* Keep a kernel of this file, for which nothing is found yet. */
static void keep(const struct image *file, char fill)
{
    struct image made = make_kernel(fill);

    CHECK(!find(file));
    CHECK(kernel_cache_keep(&key, &made, "a kernel"));
    CHECK(is_kernel(&made, fill));
    CHECK(!strcmp(made.name, "kernel"));
    image_close(&made);
}

struct sum {
    int n;
    char what[100];
};

static void add(const struct kernel_cache_entry *entry, void *to)
{
    struct sum *s = to;

    s->n++;
    snprintf(s->what, sizeof(s->what), "%s", entry->what);
}

static struct sum kept(void)
{
    struct sum s = {0};

    kernel_cache_each(add, &s);
    return s;
}

/* The one kernel's file. */
static const char *kernel_file(void)
{
    static char path[600];
    FILE *f;

    snprintf(path, sizeof(path), "ls %s/*.vmlinux", kernel_cache_path());
    f = popen(path, "r");
    if (!fgets(path, sizeof(path), f))
        path[0] = 0;
    pclose(f);
    path[strcspn(path, "\n")] = 0;
    return path;
}

static void by_content(void)
{
    struct image one = make_file("one", "a packed kernel"), two = make_file("two", "another");

    CHECK_EQ(kept().n, 0);
    keep(&one, 'a');
    keep(&two, 'b');
    CHECK(find(&one) && is_kernel(&found, 'a'));
    image_close(&found);
    CHECK(find(&two) && is_kernel(&found, 'b'));
    image_close(&found);

    /* Another file with the same content is the same kernel. */
    close(two.fd);
    two = make_file("two", "a packed kernel");
    CHECK(find(&two) && is_kernel(&found, 'a'));
    image_close(&found);
    CHECK_EQ(kept().n, 2);
    CHECK(!strcmp(kept().what, "a kernel"));
    CHECK_EQ(kernel_cache_clear(), 2);
    CHECK_EQ(kept().n, 0);
    CHECK(!find(&one));
    close(one.fd);
    close(two.fd);
}

/* A file that has been as it is for a while is not read again; until it changes. */
static void by_identity(void)
{
    struct image one = make_file("one", "a packed kernel");
    char seen[400];

    keep(&one, 'a');
    for (int i = 0; i < 100 && !kernel_cache_recall(&key, &one, &found); i++) {
        struct image copy;

        usleep(100000);
        image_copy(&copy, &one);
        CHECK(kernel_cache_find(&key, &copy, &found));
        image_close(&found);
        image_close(&copy);
    }
    CHECK(is_kernel(&found, 'a'));
    image_close(&found);

    /* What is kept is trusted no more when somebody was there, but looked at; and found whole. */
    CHECK(!utimensat(AT_FDCWD, kernel_file(), NULL, 0));
    CHECK(kernel_cache_recall(&key, &one, &found) && is_kernel(&found, 'a'));
    image_close(&found);

    int fd = open(kernel_file(), O_RDWR);

    CHECK(fd >= 0 && pwrite(fd, "x", 1, 5) == 1);
    close(fd);
    CHECK(!kernel_cache_recall(&key, &one, &found));
    CHECK_EQ(kept().n, 0);
    keep(&one, 'a');

    /* Damaged notes are no notes. */
    snprintf(seen, sizeof(seen), "for f in %s/*.seen; do echo >\"$f\"; done", kernel_cache_path());
    CHECK(!system(seen));
    CHECK(!kernel_cache_recall(&key, &one, &found));
    CHECK(pwrite(one.fd, "A", 1, 0) == 1);
    CHECK(!find(&one));
    kernel_cache_clear();
    close(one.fd);
}

/* Whatever happens to a byte of it, or to its end: it is found whole, or not at all. */
static void damaged(void)
{
    struct image one = make_file("one", "a packed kernel");
    struct stat st;

    for (int off = 0; off < 0x6000; off += off < 0x5000 ? 0x233 : 7) {
        char path[600];
        uint8_t byte = 0;

        keep(&one, 'a');
        snprintf(path, sizeof(path), "%s", kernel_file());

        int fd = open(path, O_RDWR);

        CHECK(fd >= 0 && !fstat(fd, &st));
        if (off >= st.st_size) {
            CHECK(!ftruncate(fd, off - st.st_size));
        } else {
            CHECK(pread(fd, &byte, 1, off) == 1);
            byte ^= 0x10;
            CHECK(pwrite(fd, &byte, 1, off) == 1);
        }
        close(fd);
        if (find(&one)) {
            CHECK(is_kernel(&found, 'a'));
            image_close(&found);
        } else {
            CHECK(access(path, F_OK));
        }
        kernel_cache_clear();
        if (test_failures)
            break;
    }
    close(one.fd);
}

/* A GiB, of which holes count as much as the rest: the one that was not used for longest goes. */
static void room(void)
{
    struct image file[4];
    const char *names[] = {"0", "1", "2", "3"};

    for (int i = 0; i < 4; i++) {
        struct image big = {.name = "big", .fd = -1, .size = 300 * MIB};

        file[i] = make_file(names[i], names[i]);
        CHECK(!find(&file[i]));
        big.data =
            mmap(NULL, big.size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(kernel_cache_keep(&key, &big, names[i]));
        /* It was made an hour ago, and more, the first one last. */
        struct timespec when[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000 - 3600 * i}};
        char path[400], hash[65];

        snprintf(hash, sizeof(hash), "%s", key.hash);
        snprintf(path, sizeof(path), "%s/%s.vmlinux", kernel_cache_path(), hash);
        CHECK(!utimensat(AT_FDCWD, path, when, 0));
        image_close(&big);
    }
    CHECK_EQ(kept().n, 3);
    CHECK(find(&file[0]));
    image_close(&found);
    CHECK(find(&file[1]));
    image_close(&found);
    CHECK(!find(&file[2]));
    CHECK(find(&file[3]));
    image_close(&found);
    for (int i = 0; i < 4; i++)
        close(file[i].fd);

    /* What is too large for it is not kept, and nothing goes for it. */
    struct image huge = make_kernel('a');
    uint64_t size = huge.size;

    huge.size = 2 * GIB;
    CHECK(!kernel_cache_keep(&key, &huge, ""));
    huge.size = size;
    image_close(&huge);
    CHECK_EQ(kernel_cache_clear(), 3);
}

/* What a minivm that was killed left behind goes; what another one writes stays. */
static void left_behind(void)
{
    struct image one = make_file("one", "a packed kernel");
    char path[400];

    kernel_cache_clear();
    snprintf(path, sizeof(path), "%s/0123456789abcdef.new", kernel_cache_path());
    close(open(path, O_WRONLY | O_CREAT, 0600));
    keep(&one, 'a');
    CHECK(access(path, F_OK));
    kernel_cache_clear();
    close(one.fd);
}

static void nowhere(void)
{
    struct image one = make_file("one", "a packed kernel"), made = make_kernel('a');
    const char *places[] = {"/dev/null", "/proc", "relative", ""};

    for (int i = 0; i < 6; i++) {
        if (i < 4)
            setenv("XDG_CACHE_HOME", places[i], 1);
        if (i == 4) {
            /* One that others can write to. */
            setenv("XDG_CACHE_HOME", in_top("open"), 1);
            CHECK(!mkdir(in_top("open"), 0700) && !mkdir(in_top("open/minivm"), 0700));
            CHECK(!chmod(in_top("open/minivm"), 0777));
        }
        if (i == 5)
            unsetenv("XDG_CACHE_HOME");
        unsetenv("HOME");
        CHECK(!find(&one));
        CHECK(!kernel_cache_keep(&key, &made, ""));
        CHECK(made.data && !made.mapped);
        CHECK_EQ(kept().n, 0);
        CHECK_EQ(kernel_cache_clear(), 0);
    }
    CHECK(!kernel_cache_path());
    setenv("HOME", "/home/you", 1);
    CHECK(!strcmp(kernel_cache_path(), "/home/you/.cache/minivm"));
    setenv("XDG_CACHE_HOME", "/home/you/cache", 1);
    CHECK(!strcmp(kernel_cache_path(), "/home/you/cache/minivm"));
    image_close(&made);
    close(one.fd);
}

int main(void)
{
    char *remove;
    int failed;

    if (!mkdtemp(top) || asprintf(&remove, "rm -rf %s", top) < 0)
        return 1;
    setenv("XDG_CACHE_HOME", in_top("cache"), 1);
    failed = test_main((struct test[]){
        {by_content, "what is in a file is enough to find its kernel"},
        {by_identity, "a file that stays the same is known without reading it"},
        {damaged, "nothing damaged is found"},
        {room, "a GiB, and what was not used for longest goes"},
        {left_behind, "what was not finished goes"},
        {nowhere, "no directory, or not the user's own: nothing is kept"},
        {0},
    });
    failed |= system(remove);
    free(remove);
    return failed;
}

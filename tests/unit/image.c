// SPDX-License-Identifier: MIT
/*
 * Files to boot from: plain, compressed, piped and wrong ones.
 */
#define _GNU_SOURCE
#include "boot/image.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

static bool open_dies(const char *name, bool unpack, const char *text)
{
    struct image img;

    if (setjmp(died))
        return strstr(last_words, name) && strstr(last_words, text) && !strchr(last_words, '\n');
    image_open(&img, name, unpack);
    return false;
}

static bool read_dies(const struct image *img, uint64_t off, uint64_t len, const char *text)
{
    char buf[16];

    if (setjmp(died))
        return strstr(last_words, img->name) && strstr(last_words, text);
    image_read(img, off, buf, len);
    return false;
}

/* A file without a place in the file system; its name in path. */
static int make_file(const void *data, size_t n, char path[32])
{
    int fd = memfd_create("test", 0);

    if (write(fd, data, n) != (ssize_t)n)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* A pipe that data will come out of; its name in path. */
static int make_pipe(const void *data, size_t n, char path[32])
{
    int fd[2];

    if (pipe(fd) < 0)
        abort();
    if (!fork()) {
        close(fd[0]);
        for (size_t done = 0; done < n;) {
            ssize_t wrote = write(fd[1], (const char *)data + done, n - done);

            if (wrote < 0)
                _exit(1);
            done += wrote;
        }
        _exit(0);
    }
    close(fd[1]);
    snprintf(path, 32, "/dev/fd/%d", fd[0]);
    return fd[0];
}

static uint8_t content[300000];

static void make_content(void)
{
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = i * 7 + (i >> 8) * 3;
}

static bool holds(const struct image *img, const void *data, size_t n)
{
    static uint8_t buf[sizeof(content)];

    if (img->size != n || n > sizeof(buf))
        return false;
    image_read(img, 0, buf, n);
    return !memcmp(buf, data, n);
}

static size_t gzip(const void *data, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (void *)data, .avail_in = n, .next_out = out, .avail_out = room};

    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return room - z.avail_out;
}

static void regular(void)
{
    struct image img;
    char path[32];
    uint8_t buf[3];
    int fd = make_file(content, 1000, path);

    image_open(&img, path, true);
    CHECK(holds(&img, content, 1000));
    CHECK(!strcmp(img.name, path));
    image_read(&img, 997, buf, 3);
    CHECK(!memcmp(buf, content + 997, 3));
    image_read(&img, 1000, buf, 0);
    close(img.fd);
    close(fd);
}

static void past_the_end(void)
{
    struct image img;
    char path[32];
    int fd = make_file(content, 1000, path);

    image_open(&img, path, false);
    CHECK(read_dies(&img, 998, 3, "truncated: it ends after 1000 bytes"));
    CHECK(read_dies(&img, 1001, 0, "truncated"));
    CHECK(read_dies(&img, UINT64_MAX, 2, "truncated"));
    CHECK(read_dies(&img, 1, UINT64_MAX, "truncated"));
    if (ftruncate(fd, 990))
        abort();
    CHECK(read_dies(&img, 980, 16, "became shorter"));
    close(img.fd);
    close(fd);
}

static void no_file(void)
{
    char path[32];
    int fd = make_file("", 0, path);

    CHECK(open_dies("/nonexistent/bzImage", false, "No such file or directory"));
    CHECK(open_dies("/tmp", false, "Is a directory"));
    CHECK(open_dies("/dev/null", false, "empty"));
    CHECK(open_dies(path, true, "empty"));
    close(fd);
}

static void piped(void)
{
    struct image img;
    char path[32];
    int fd = make_pipe(content, sizeof(content), path);

    image_open(&img, path, false);
    CHECK(holds(&img, content, sizeof(content)));
    close(img.fd);
    close(fd);
    wait(NULL);
}

static void of_proc(void)
{
    struct image img;
    char buf[5];

    image_open(&img, "/proc/version", false);
    image_read(&img, 0, buf, sizeof(buf));
    CHECK(!memcmp(buf, "Linux", 5));
    close(img.fd);
}

static void compressed(void)
{
    static uint8_t packed[2 * sizeof(content)];
    size_t n = gzip(content, sizeof(content), packed, sizeof(packed)), m;
    struct image img;
    char path[32];
    int fd = make_file(packed, n, path);

    image_open(&img, path, true);
    CHECK(holds(&img, content, sizeof(content)));
    close(img.fd);

    image_open(&img, path, false);
    CHECK(holds(&img, packed, n));
    close(img.fd);
    close(fd);

    fd = make_pipe(packed, n, path);
    image_open(&img, path, true);
    CHECK(holds(&img, content, sizeof(content)));
    close(img.fd);
    close(fd);
    wait(NULL);

    n = gzip(content, 1000, packed, sizeof(packed));
    m = gzip(content + 1000, 500, packed + n, sizeof(packed) - n);
    fd = make_file(packed, n + m, path);
    image_open(&img, path, true);
    CHECK(holds(&img, content, 1500));
    close(img.fd);
    close(fd);
}

static void badly_compressed(void)
{
    static uint8_t packed[2 * sizeof(content)];
    size_t n = gzip(content, sizeof(content), packed, sizeof(packed));
    char path[32];
    int fd;

    for (size_t cut = 1; cut < n - 3; cut = cut * 3 + 1) {
        fd = make_file(packed, n - cut, path);
        CHECK(open_dies(path, true, "damaged or truncated"));
        close(fd);
    }
    packed[n / 2] ^= 0x55;
    fd = make_file(packed, n, path);
    CHECK(open_dies(path, true, "damaged or truncated"));
    close(fd);

    n = gzip("", 0, packed, sizeof(packed));
    fd = make_file(packed, n, path);
    CHECK(open_dies(path, true, "empty"));
    close(fd);
}

int main(void)
{
    make_content();
    return test_main((struct test[]){
        {regular, "a file is read in place, at any offset"},
        {past_the_end, "reading past the end dies, wrapping offsets and shrinking files included"},
        {no_file, "missing files, directories and empty files die by name"},
        {piped, "a pipe is read to its end"},
        {of_proc, "a file of /proc has the size that is read"},
        {compressed, "gzip files are unpacked if asked, members in a row and from pipes too"},
        {badly_compressed, "truncated, damaged and empty gzip files die"},
        {0},
    });
}

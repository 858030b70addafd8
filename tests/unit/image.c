// SPDX-License-Identifier: MIT
/*
 * Files to boot from: plain, compressed, piped and wrong ones.
 */
#define _GNU_SOURCE
#include "boot/image.h"
#include "tests/unit/die.h"
#include "tests/unit/pack.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
    image_close(&img);
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
    image_close(&img);
    close(fd);
}

/* One that is small is read when it is opened. */
static void shrinking(void)
{
    struct image img;
    char path[32], buf[16];
    int fd = make_file(content, 1000, path);

    image_open(&img, path, false);
    if (ftruncate(fd, 990))
        abort();
    image_read(&img, 980, buf, 16);
    CHECK(!memcmp(buf, content + 980, 16));
    image_close(&img);

    if (ftruncate(fd, 100000))
        abort();
    image_open(&img, path, false);
    if (ftruncate(fd, 99000))
        abort();
    CHECK(read_dies(&img, 98990, 16, "became shorter"));
    image_close(&img);
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
    image_close(&img);
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
    image_close(&img);
}

static void compressed(void)
{
    static uint8_t packed[2 * sizeof(content)];
    size_t n = pack_gzip(content, sizeof(content), packed, sizeof(packed)), m;
    struct image img;
    char path[32];
    int fd = make_file(packed, n, path);

    image_open(&img, path, true);
    CHECK(holds(&img, content, sizeof(content)));
    image_close(&img);

    image_open(&img, path, false);
    CHECK(holds(&img, packed, n));
    image_close(&img);
    close(fd);

    fd = make_pipe(packed, n, path);
    image_open(&img, path, true);
    CHECK(holds(&img, content, sizeof(content)));
    image_close(&img);
    close(fd);
    wait(NULL);

    n = pack_gzip(content, 1000, packed, sizeof(packed));
    m = pack_gzip(content + 1000, 500, packed + n, sizeof(packed) - n);
    fd = make_file(packed, n + m, path);
    image_open(&img, path, true);
    CHECK(holds(&img, content, 1500));
    image_close(&img);
    close(fd);
}

static void every_format(void)
{
    static uint8_t packed[2 * sizeof(content)];
    struct image img;
    char path[32];

    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(content, sizeof(content), packed, sizeof(packed));
        int fd = make_file(packed, n, path);

        image_open(&img, path, true);
        CHECK(holds(&img, content, sizeof(content)));
        CHECK(read_dies(&img, sizeof(content) - 1, 2, "truncated"));
        image_close(&img);
        close(fd);
        fd = make_file(packed, n - 1, path);
        CHECK(open_dies(path, true, packing_name(packers[k].packing)));
        close(fd);
    }
}

static void not_unpacked(void)
{
    char path[32];
    int fd = make_file("\x89LZO\0\r\n\x1a\n etc", 13, path);

    CHECK(open_dies(path, true, "compressed by lzo; unpack it with lzop -d"));
    close(fd);
}

/* The payload of a bzImage: a part of the file, and behind it the unpacked size. */
static void a_part(void)
{
    static uint8_t file[3 * sizeof(content)];
    const uint32_t size = sizeof(content);

    for (size_t k = 0; k < PACKERS; k++) {
        size_t n = packers[k].pack(content, size, file + 777, sizeof(file) - 1000);
        struct image img = {.name = "file", .fd = -1, .data = file, .size = 777 + n + 104}, part;
        const char *problem;

        memcpy(file + 777 + n, &size, 4);
        memset(file + 777 + n + 4, 0xee, 100);
        CHECK(!image_unpack(&part, &img, 777, n + 4, true));
        CHECK(holds(&part, content, size));
        CHECK(part.name == img.name);
        image_close(&part);
        problem = image_unpack(&part, &img, 777, n + 5, true);
        CHECK(problem && strstr(problem, ", but "));
        CHECK(problem && strstr(problem, packing_name(packers[k].packing)));
        problem = image_unpack(&part, &img, 778, n + 4, true);
        CHECK(problem && strstr(problem, "not compressed"));
        CHECK(image_unpack(&part, &img, 777, 1, true));
        CHECK(image_unpack(&part, &img, 777, 0, true));
    }
}

/* 17 times 64 MiB of zeros. Once is enough: it takes 1 GiB of memory. */
static void too_large(void)
{
#ifndef __SANITIZE_ADDRESS__
    const size_t size = 64 << 20;
    uint8_t *zeros = calloc(1, size), *packed = malloc(17 << 20);
    size_t n = pack_gzip(zeros, size, packed, 1 << 20);
    char path[32];
    int fd;

    for (int i = 1; i < 17; i++)
        memcpy(packed + i * n, packed, n);
    fd = make_file(packed, 17 * n, path);
    free(zeros);
    free(packed);
    CHECK(open_dies(path, true, "larger than 1 GiB"));
    close(fd);
#endif
}

static void badly_compressed(void)
{
    static uint8_t packed[2 * sizeof(content)];
    size_t n = pack_gzip(content, sizeof(content), packed, sizeof(packed));
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

    n = pack_gzip("", 0, packed, sizeof(packed));
    fd = make_file(packed, n, path);
    CHECK(open_dies(path, true, "empty"));
    close(fd);
}

static void peek(void)
{
    static const uint8_t data[] = {1, 2, 3};
    struct image img = {.name = "file", .fd = -1, .data = data, .size = 3};
    uint8_t buf[4] = {9, 9, 9, 9};

    CHECK_EQ(image_peek(&img, 1, buf, 4), 2);
    CHECK(!memcmp(buf, "\2\3\0\0", 4));
    CHECK_EQ(image_peek(&img, 3, buf, 4), 0);
    CHECK_EQ(image_peek(&img, UINT64_MAX, buf, 4), 0);
    CHECK(!memcmp(buf, "\0\0\0\0", 4));
    CHECK_EQ(image_peek(&img, 0, buf, 0), 0);
}

int main(void)
{
    make_content();
    return test_main((struct test[]){
        {regular, "a file is read in place, at any offset"},
        {past_the_end, "reading past the end dies, wrapping offsets included"},
        {shrinking, "and so does reading a file that became shorter, if it is not a small one"},
        {no_file, "missing files, directories and empty files die by name"},
        {piped, "a pipe is read to its end"},
        {of_proc, "a file of /proc has the size that is read"},
        {compressed, "gzip files are unpacked if asked, members in a row and from pipes too"},
        {every_format, "so are files of the other formats that were built in"},
        {not_unpacked, "others die with the name of what unpacks them"},
        {a_part, "a part of a file can be unpacked, with its size behind it"},
        {too_large, "what unpacks to more than 1 GiB dies"},
        {badly_compressed, "truncated, damaged and empty gzip files die"},
        {peek, "a peek finds zeros behind the end"},
        {0},
    });
}

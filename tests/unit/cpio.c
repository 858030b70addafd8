// SPDX-License-Identifier: MIT
/*
 * Unit tests of cpio archives: read by the letter of the format, and by the real cpio.
 */
#define _GNU_SOURCE
#include "boot/cpio.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The fields of a header, after its magic. */
enum {
    INO,
    MODE,
    UID,
    GID,
    NLINK,
    MTIME,
    FILESIZE,
    DEVMAJOR,
    DEVMINOR,
    RDEVMAJOR,
    RDEVMINOR,
    NAMESIZE,
    CHKSUM,
    FIELDS,
};

struct entry {
    uint32_t field[FIELDS];
    const char *name;
    const uint8_t *data;
};

static struct cpio c;

static void setup(void)
{
    free(c.buf);
    c = (struct cpio){0};
}

/* Read the entry at an offset; the offset of the next one, or 0 when there is none. */
static size_t parse(size_t at, struct entry *e)
{
    CHECK_EQ(at % 4, 0);
    if (at + 110 > c.size || memcmp(c.buf + at, "070701", 6))
        return 0;
    for (int i = 0; i < FIELDS; i++) {
        char digits[9] = "", *end;

        memcpy(digits, c.buf + at + 6 + 8 * i, 8);
        e->field[i] = strtoul(digits, &end, 16);
        CHECK(end == digits + 8);
    }
    e->name = (const char *)c.buf + at + 110;

    size_t name_end = at + 110 + e->field[NAMESIZE], data = (name_end + 3) & -4;
    size_t end = data + e->field[FILESIZE], next = (end + 3) & -4;

    if (!e->field[NAMESIZE] || next > c.size)
        return 0;
    CHECK_EQ(strlen(e->name) + 1, e->field[NAMESIZE]);
    for (size_t i = name_end; i < data; i++)
        CHECK_EQ(c.buf[i], 0);
    for (size_t i = end; i < next; i++)
        CHECK_EQ(c.buf[i], 0);
    e->data = c.buf + data;
    return next;
}

static void test_empty(void)
{
    struct entry e = {.name = ""};

    setup();
    cpio_end(&c);
    CHECK_EQ(parse(0, &e), c.size);
    CHECK(!strcmp(e.name, "TRAILER!!!"));
    CHECK_EQ(e.field[FILESIZE], 0);
}

static void test_fields(void)
{
    struct entry e = {.name = ""};

    setup();
    cpio_add(&c, "dir", S_IFDIR | 0755, "", 0);
    cpio_add(&c, "dir/file", S_IFREG | 0640, "contents", 8);
    cpio_end(&c);

    size_t at = parse(0, &e);
    uint32_t first = e.field[INO];

    CHECK_EQ(e.field[MODE], 040755);
    CHECK(!strcmp(e.name, "dir"));
    CHECK_EQ(e.field[FILESIZE], 0);
    at = parse(at, &e);
    CHECK_EQ(e.field[MODE], 0100640);
    CHECK_EQ(e.field[FILESIZE], 8);
    CHECK_EQ(e.field[NLINK], 1);
    CHECK_EQ(e.field[UID] | e.field[GID] | e.field[MTIME] | e.field[CHKSUM], 0);
    CHECK(e.field[INO] != first);
    CHECK(!strcmp(e.name, "dir/file"));
    CHECK(!memcmp(e.data, "contents", 8));
    at = parse(at, &e);
    CHECK(!strcmp(e.name, "TRAILER!!!"));
    CHECK_EQ(at, c.size);
}

/* Names and data of every length modulo the padding, and the buffer grows along. */
static void test_padding(void)
{
    static const char name[] = "abcdefgh";
    uint8_t data[300];
    struct entry e = {.name = ""};
    size_t at = 0;

    setup();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = i + 1;
    for (int n = 1; n <= 8; n++)
        for (int size = 0; size < 9; size++)
            cpio_add(&c, name + 8 - n, S_IFREG | 0644, data, size * 37);
    for (int n = 1; n <= 8; n++) {
        for (int size = 0; size < 9; size++) {
            at = parse(at, &e);
            if (!at) {
                CHECK(at);
                return;
            }
            CHECK(!strcmp(e.name, name + 8 - n));
            CHECK_EQ(e.field[FILESIZE], size * 37);
            CHECK(!memcmp(e.data, data, size * 37));
        }
    }
    CHECK_EQ(at, c.size);
}

/* A file below dir: does it hold these bytes, with this mode? */
static bool holds(const char *dir, const char *name, mode_t mode, const void *data, size_t size)
{
    char path[256], buf[64];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "r");

    if (!f || stat(path, &st) < 0)
        return false;
    size_t n = fread(buf, 1, sizeof(buf), f);

    fclose(f);
    return n == size && !memcmp(buf, data, size) && st.st_mode == mode;
}

static void test_unpack(void)
{
    static const char binary[] = "\0\1\n\r\377";
    const char *tmp = getenv("TMPDIR");
    char dir[128], command[256];
    struct stat st;

    if (system("command -v cpio >/dev/null")) {
        printf("# no cpio here (apt-get install cpio)\n");
        return;
    }
    snprintf(dir, sizeof(dir), "%s/minivm-cpio.XXXXXX", tmp && strlen(tmp) < 64 ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        CHECK(!"mkdtemp");
        return;
    }
    setup();
    cpio_add(&c, "minivm", S_IFDIR | 0755, "", 0);
    cpio_add(&c, "minivm/cmd", S_IFREG | 0755, "#!/bin/sh\n", 10);
    cpio_add(&c, "minivm/raw", S_IFREG | 0644, "", 0);
    cpio_add(&c, "binary", S_IFREG | 0600, binary, sizeof(binary));
    cpio_end(&c);

    snprintf(command, sizeof(command), "cd '%s' && cpio -i --quiet", dir);
    FILE *f = popen(command, "w");

    CHECK(f && fwrite(c.buf, 1, c.size, f) == c.size);
    CHECK(f && pclose(f) == 0);
    snprintf(command, sizeof(command), "%s/minivm", dir);
    CHECK(!stat(command, &st) && st.st_mode == (S_IFDIR | 0755));
    CHECK(holds(dir, "minivm/cmd", S_IFREG | 0755, "#!/bin/sh\n", 10));
    CHECK(holds(dir, "minivm/raw", S_IFREG | 0644, "", 0));
    CHECK(holds(dir, "binary", S_IFREG | 0600, binary, sizeof(binary)));
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
}

int main(void)
{
    int failed = test_main((struct test[]){
        {test_empty, "an archive of nothing is its trailer"},
        {test_fields, "every field of a header is in its place"},
        {test_padding, "names and data of all lengths are padded to 4 bytes"},
        {test_unpack, "cpio unpacks it"},
        {0},
    });

    setup();
    return failed;
}

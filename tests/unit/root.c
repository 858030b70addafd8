// SPDX-License-Identifier: MIT
/*
 * Unit tests of --root: what is a root, and what the guest is told about it.
 */
#define _GNU_SOURCE
#include "tools/minivm/root.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/minivm-root.XXXXXX";
static struct root r;
static struct cpio c;

static char *below(const char *name)
{
    static char path[4][256];
    static int n;

    n = (n + 1) % 4;
    snprintf(path[n], sizeof(path[n]), "%s/%s", top, name);
    return path[n];
}

static void put(const char *name)
{
    FILE *f = fopen(below(name), "w");

    fputs("x", f);
    fclose(f);
}

static void parse(const char *name, char **command)
{
    free(r.dir);
    r.dir = NULL;
    root_parse(&r, name, command);
}

static bool dies(const char *name, char **command, const char *text)
{
    volatile bool alive = false;

    begin_to_die();
    if (!setjmp(died)) {
        parse(below(name), command);
        alive = true;
    }
    end_to_die();
    r.dir = NULL;
    return !alive && died_of(NULL, text);
}

/* The strings of the archive's minivm/root, of which each must be there as a whole. */
static const char *told(size_t *size)
{
    static const char name[] = "minivm/root";
    const char *end = (char *)c.buf + c.size;
    const char *entry = memmem(c.buf, c.size, name, sizeof(name));

    /* The program has that name in it, too. */
    while (memcmp(entry - 110, "070701", 6))
        entry = memmem(entry + 1, end - entry - 1, name, sizeof(name));

    /* Behind the header of 110 bytes and the name, on the next multiple of 4. */
    size_t at = ((entry - (char *)c.buf) + sizeof(name) + 3) & -4;
    char digits[9] = "";

    memcpy(digits, entry - 110 + 54, 8);
    *size = strtoul(digits, NULL, 16);
    return (const char *)c.buf + at;
}

static bool tells(const char *wanted)
{
    size_t size;
    const char *s = told(&size), *end = s + size;

    for (; s < end; s += strlen(s) + 1)
        if (!strcmp(s, wanted))
            return true;
    return false;
}

static void make(char **command, bool raw)
{
    free(c.buf);
    c = (struct cpio){0};
    root_initramfs(&c, &r, command, raw, raw ? "4 silent" : NULL);
}

static void test_kinds(void)
{
    char *command[] = {"true", NULL};

    mkdir(below("dir"), 0755);
    put("image");
    parse(below("dir"), command);
    CHECK(r.dir && !strcmp(r.dir, below("dir")) && !r.write && !r.disk);
    parse(below("dir,rw"), command);
    CHECK(r.dir && !strcmp(r.dir, below("dir")) && r.write && !r.disk);
    mkdir(below("dir,rw"), 0755);
    parse(below("dir,rw"), command);
    CHECK(r.dir && !strcmp(r.dir, below("dir,rw")) && !r.write);
    rmdir(below("dir,rw"));
    parse(below("image"), NULL);
    CHECK(!r.dir && r.disk);
    parse(below("image,ro"), NULL);
    CHECK(!r.dir && r.disk);
    CHECK(dies("dir,ro", command, "is forgotten anyway; say --root /"));
    CHECK(dies("dir,snapshot", command, "is forgotten anyway; say --root /"));
    parse(below("none"), NULL);
    CHECK(!r.dir && r.disk);
    CHECK(!symlink("dir", below("link")));
    parse(below("link"), command);
    CHECK(r.dir && !strcmp(r.dir, below("dir")));
}

/* Links are followed as the guest will. */
static void test_shell(void)
{
    mkdir(below("sys"), 0755);
    mkdir(below("sys/usr"), 0755);
    mkdir(below("sys/usr/bin"), 0755);
    CHECK(dies("sys", NULL, "it has no /bin/sh; say what to run: -- COMMAND"));
    CHECK(!symlink("/usr/bin", below("sys/bin")));
    CHECK(!symlink("/bin/bash", below("sys/usr/bin/sh")));
    CHECK(dies("sys", NULL, "it has no /bin/sh"));
    put("sys/usr/bin/bash");
    parse(below("sys"), NULL);
    CHECK(r.dir);
}

static void test_environment(void)
{
    static char *const host[] = {"DISPLAY=:0",
                                 "SSH_AUTH_SOCK=/run/x",
                                 "TMUX=1",
                                 "TMUX_PANE=2",
                                 "XDG_SEAT=seat0",
                                 "MAKEFLAGS= -j",
                                 "_=/bin/x",
                                 "LINES=3",
                                 "XDG_RUNTIME_DIR=/run/user/1"};
    static char *const kept[] = {
        "HOME=/home/x",     "MAKE=make", "LINESIZE=3", "XDG_CONFIG_HOME=/x",
        "TWO=lines\nof it", "EMPTY=",    "PWD=/",      "DISPLAYS=2"};
    char *command[] = {"echo", "", "two words", "a\nb", NULL}, text[64];

    clearenv();
    for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++)
        putenv(host[i]);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        putenv(kept[i]);
    parse("/", command);
    make(command, true);
    for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++) {
        snprintf(text, sizeof(text), "env %s", host[i]);
        CHECK(!tells(text));
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        snprintf(text, sizeof(text), "env %s", kept[i]);
        CHECK(tells(text));
    }
    CHECK(tells("share /dev/root") && tells("overlay") && tells("raw") && !tells("disk vda"));
    CHECK(tells("ports 4 silent"));
    CHECK(tells("arg echo") && tells("arg ") && tells("arg two words") && tells("arg a\nb"));
    snprintf(text, sizeof(text), "uid %u", getuid());
    CHECK(tells(text));
}

static void test_place(void)
{
    char *command[] = {"true", NULL}, text[256];

    mkdir(below("dir/in"), 0755);
    mkdir(below("director"), 0755);
    CHECK(!chdir(below("dir/in")));
    parse("/", command);
    make(command, false);
    snprintf(text, sizeof(text), "cwd %s/dir/in", top);
    CHECK(tells(text) && !tells("raw"));
    parse("..,rw", command);
    make(command, false);
    CHECK(tells("cwd /in") && !tells("overlay") && !tells("env PWD=/"));
    CHECK(!chdir(below("dir")));
    make(command, false);
    CHECK(tells("cwd /"));
    CHECK(!chdir(below("director")));
    make(command, false);
    CHECK(tells("cwd /"));
    CHECK(!chdir("/"));
}

static void test_disk(void)
{
    parse(below("image"), NULL);
    make(NULL, false);
    CHECK(tells("disk vda") && tells("env HOME=/root") && tells("cwd /"));
    CHECK(!tells("share /dev/root") && !tells("env HOME=/home/x"));
}

int main(void)
{
    char *command;

    if (!mkdtemp(top))
        abort();

    int status = test_main((struct test[]){
        {test_kinds, "directories, with rw or without; everything else is a disk"},
        {test_shell, "a directory without a shell needs a command"},
        {test_environment, "the command and its environment arrive, less what is the host's"},
        {test_place, "the working directory, as the guest sees it"},
        {test_disk, "a disk, which is root's"},
        {0},
    });

    free(r.dir);
    if (asprintf(&command, "/bin/rm -rf %s", top) < 0 || system(command))
        abort();
    free(command);
    return status;
}

// SPDX-License-Identifier: MIT
/*
 * Unit tests of what Linux is told, and of what it said last.
 */
#define _GNU_SOURCE
#include "boot/linux.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULTS "console=ttyS0 quiet panic=-1 reboot=panic_warm"

/* How this program is told to print its arguments, each with its final zero. */
#define PRINT "--print-arguments"

static char self[4096];

static void check_cmdline(const char *terminal, const char *user, const char *expected)
{
    char *cmdline = linux_cmdline(terminal, user);

    if (strcmp(cmdline, expected))
        printf("# not \"%s\" but \"%s\"\n", expected, cmdline);
    CHECK(!strcmp(cmdline, expected));
    free(cmdline);
}

static void test_cmdline(void)
{
    check_cmdline("", "", DEFAULTS);
    check_cmdline("", "ro init=/bin/sh", DEFAULTS " ro init=/bin/sh");
    check_cmdline("TERM=vt100 LINES=50", "", DEFAULTS " TERM=vt100 LINES=50");
    check_cmdline("TERM=vt100", "ro", DEFAULTS " TERM=vt100 ro");
}

/* The file of an archive, as the text that cpio -i would give; its size, or -1. */
static int extract(const struct cpio *c, const char *name, char *text, size_t max)
{
    for (size_t at = 0; at + 110 < c->size;) {
        unsigned size, length;
        const char *header = (const char *)c->buf + at, *found = header + 110;

        if (sscanf(header + 54, "%8x", &size) != 1 || sscanf(header + 94, "%8x", &length) != 1)
            return -1;
        at = (at + 110 + length + 3) & -4;
        if (!strcmp(found, name) && size < max) {
            memcpy(text, c->buf + at, size);
            text[size] = 0;
            return size;
        }
        at = (at + size + 3) & -4;
    }
    return -1;
}

/* Let a shell run a script; what it printed, up to max bytes. */
static int run(char *const shell[], char *script, char *out, size_t max)
{
    char *argv[] = {shell[0], shell[1], "-c", script, NULL};
    int p[2], status, n = 0;

    if (!shell[1]) {
        argv[1] = "-c";
        argv[2] = script;
        argv[3] = NULL;
    }
    if (pipe2(p, O_CLOEXEC) < 0)
        return -1;
    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        dup2(p[1], STDOUT_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(p[1]);
    for (ssize_t got; (got = read(p[0], out + n, max - n)) > 0;)
        n += got;
    close(p[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status)
        return -1;
    return n;
}

/* The arguments must arrive as they were, whichever shell reads the script. */
static void check_arguments(char **words)
{
    static char *const shells[][2] = {{"/bin/sh"}, {"/bin/busybox", "sh"}, {"/bin/bash"}};
    static char script[16384], out[8192], expected[8192];
    char *argv[32] = {self, PRINT};
    struct cpio c = {0};
    int size = 0;

    for (int i = 0; words[i]; i++) {
        argv[2 + i] = words[i];
        memcpy(expected + size, words[i], strlen(words[i]) + 1);
        size += strlen(words[i]) + 1;
    }
    linux_command(&c, argv, false, NULL);
    CHECK(extract(&c, "minivm/cmd", script, sizeof(script)) > 0);
    free(c.buf);
    CHECK(!strncmp(script, "#!/bin/sh\n", 10));
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (access(shells[i][0], X_OK))
            continue;
        CHECK_EQ(run(shells[i], script, out, sizeof(out)), size);
        CHECK(!memcmp(out, expected, size));
    }
}

static void test_quoting(void)
{
    char all[256];

    for (int i = 1; i < 256; i++)
        all[i - 1] = i;
    all[255] = 0;
    check_arguments((char *[]){NULL});
    check_arguments((char *[]){"a", "-l", "two words", NULL});
    check_arguments((char *[]){"", "x", "", NULL});
    check_arguments((char *[]){"it's", "'", "''", "'quoted'", "end\\", "\\'", NULL});
    check_arguments((char *[]){"two\nlines\n", "\n", "\ttab", NULL});
    check_arguments((char *[]){"$HOME", "`id`", "$(id)", "*", "~", "a;b", "#", "!", "\"", NULL});
    check_arguments((char *[]){all, NULL});
}

static void test_raw(void)
{
    char *argv[] = {"true", NULL}, text[256];
    struct cpio c = {0};

    linux_command(&c, argv, true, "3");
    CHECK_EQ(extract(&c, "minivm/raw", text, sizeof(text)), 0);
    CHECK_EQ(extract(&c, "minivm/ports", text, sizeof(text)), 1);
    CHECK(extract(&c, "minivm/cmd", text, sizeof(text)) > 0);
    CHECK(!strcmp(text, "#!/bin/sh\nexec 'true'\n"));
    free(c.buf);
    c = (struct cpio){0};
    linux_command(&c, argv, false, NULL);
    CHECK_EQ(extract(&c, "minivm/raw", text, sizeof(text)), -1);
    CHECK_EQ(extract(&c, "minivm/ports", text, sizeof(text)), -1);
    free(c.buf);
}

/* The verdict on a Linux that left this in its reset flag. */
static enum linux_end verdict(int flag, const char *user)
{
    static _Alignas(4096) uint8_t memory[0x1000];
    const struct ram ram = {.host = memory, .size = sizeof(memory)};
    char *cmdline = linux_cmdline("", user);

    memset(memory, 0, sizeof(memory));
    linux_mark(&ram);
    if (flag >= 0)
        memcpy(memory + 0x472, &(uint16_t){flag}, 2);

    enum linux_end end = linux_verdict(&ram, cmdline);

    free(cmdline);
    return end;
}

static void test_verdict(void)
{
    CHECK_EQ(verdict(-1, ""), LINUX_CRASHED);
    CHECK_EQ(verdict(0, ""), LINUX_REBOOTED);
    CHECK_EQ(verdict(0x1234, ""), LINUX_PANICKED);
    CHECK_EQ(verdict(0xffff, ""), LINUX_REBOOTED);
    CHECK_EQ(verdict(0x1234, "console=ttyS1 nosmp"), LINUX_PANICKED);
}

/* Only a reboot= that makes other reboots warm, or panics not, takes the sign away. */
static void test_verdict_user(void)
{
    static const char *const harmless[] = {"reboot=t", "ro reboot=k,f", "reboot=panic_warm",
                                           "reboot=b reboot=a,s0", "prereboot=w"};
    static const char *const other[] = {"reboot=w",          "ro reboot=warm,k",
                                        "reboot=k,w",        "reboot=b ro reboot=w",
                                        "reboot=panic_cold", "reboot=f,panic_h"};

    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        CHECK_EQ(verdict(0x1234, harmless[i]), LINUX_PANICKED);
        CHECK_EQ(verdict(0, harmless[i]), LINUX_REBOOTED);
        CHECK_EQ(verdict(-1, harmless[i]), LINUX_CRASHED);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        CHECK_EQ(verdict(0x1234, other[i]), LINUX_REBOOTED);
        CHECK_EQ(verdict(-1, other[i]), LINUX_CRASHED);
    }
}

/* A command line without our word, as a caller might make it, promises nothing. */
static void test_verdict_foreign(void)
{
    static _Alignas(4096) uint8_t memory[0x1000];
    const struct ram ram = {.host = memory, .size = sizeof(memory)};

    memcpy(memory + 0x472, &(uint16_t){0x1234}, 2);
    CHECK_EQ(linux_verdict(&ram, ""), LINUX_REBOOTED);
    CHECK_EQ(linux_verdict(&ram, "console=ttyS0"), LINUX_REBOOTED);
}

static int print_arguments(char **argv)
{
    for (; *argv; argv++)
        fwrite(*argv, 1, strlen(*argv) + 1, stdout);
    return 0;
}

static uint8_t text[3 << 20];

static void put(size_t off, size_t size, uint64_t val)
{
    memcpy(text + off, &val, size);
}

/* A bzImage's header says what it is; an ELF file's notes, and its banner. */
static void test_is(void)
{
    static uint8_t bzimage[0x400];
    struct image img = {.name = "vmlinuz", .data = bzimage, .size = sizeof(bzimage)};
    char version[32];

    memcpy(bzimage + 0x1fe, "\x55\xaa", 2);
    memcpy(bzimage + 0x202, "HdrS", 4);
    CHECK(linux_is(&img)); /* it says nothing else */
    CHECK(!linux_version(&img, version, sizeof(version)));
    memcpy(bzimage + 0x20e, "\0\1", 2);
    strcpy((char *)bzimage + 0x300, "6.1.0-1 (me@here)\nmore");
    CHECK(linux_is(&img));
    CHECK(linux_version(&img, version, sizeof(version)) && !strcmp(version, "6.1.0-1 (me@here)"));
    CHECK(linux_version(&img, version, 4) && !strcmp(version, "6.1"));
    strcpy((char *)bzimage + 0x300, "Memtest86+");
    CHECK(!linux_is(&img));
    memcpy(bzimage + 0x20e, "\xff\xff", 2); /* beyond the end */
    CHECK(!linux_version(&img, version, sizeof(version)));

    img = (struct image){.name = "vmlinux", .data = text, .size = sizeof(text)};
    CHECK(!linux_is(&img));
    CHECK(!linux_version(&img, version, sizeof(version)));
    strcpy((char *)text + 100, "Linux version %s (%s)");
    CHECK(!linux_version(&img, version, sizeof(version)));
    strcpy((char *)text + (2 << 20) - 5, "Linux version 5.10.0 x"); /* across two reads */
    CHECK(linux_version(&img, version, sizeof(version)) && !strcmp(version, "5.10.0 x"));

    /* A vmlinux without notes: linked high, and with the banner in it. */
    memcpy(text, "\177ELF\2\1\1", 8);
    put(16, 2, 2);         /* ET_EXEC */
    put(18, 2, EM_X86_64); /* for this machine */
    put(20, 4, 1);
    put(24, 8, 0x1000000); /* entry */
    put(32, 8, 64);        /* program headers: where, */
    put(54, 2, 56);        /* the size of one, */
    put(56, 2, 1);         /* how many */
    put(64, 4, 1);         /* PT_LOAD */
    put(64 + 16, 8, 0xffffffff81000000);
    put(64 + 24, 8, 0x1000000);
    put(64 + 32, 8, sizeof(text));
    put(64 + 40, 8, sizeof(text));
    put(64 + 48, 8, 0x1000);
    CHECK(linux_is(&img));
    strcpy((char *)text + (2 << 20) - 5, "Other version 5.10.0 x");
    CHECK(!linux_is(&img));
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], PRINT))
        return print_arguments(argv + 2);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    return test_main((struct test[]){
        {test_cmdline, "the command line: the defaults, then the user's"},
        {test_quoting, "arguments of a command arrive as they were"},
        {test_raw, "a command's archive, with and without the mark for raw output"},
        {test_verdict, "the reset flag tells crashes, reboots and panics apart"},
        {test_verdict_user, "the verdict under a reboot= of the user's"},
        {test_verdict_foreign, "no verdict of panic without reboot=panic_warm"},
        {test_is, "what is Linux, and of which version"},
        {0},
    });
}

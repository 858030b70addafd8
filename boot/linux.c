// SPDX-License-Identifier: MIT
/*
 * Linux as a guest.
 *
 * After: Linux, Documentation/admin-guide/kernel-parameters.txt ("panic=", "reboot="); for the word
 * at 0x472, "reset flag" in the BIOS data area of the IBM PC AT Technical Reference; for the notes,
 * Linux include/linux/build-salt.h and Xen xen/include/public/elfnote.h.
 *
 * Left out: telling a panic of a Linux before 5.2, which does not know reboot=panic_warm; it looks
 * like a reboot.
 */
#define _GNU_SOURCE
#include "boot/linux.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Before it resets the machine, Linux writes to the reset flag how: 0 for a cold reboot, 0x1234 for
 * a warm one. The command line makes panics, and nothing else, warm.
 */
#define RESET_FLAG    0x472
#define WARM          0x1234
#define NOT_YET       0x5aa5
#define PANIC_IS_WARM "reboot=panic_warm"

enum {
    NOTE_BUILD_SALT = 0x100, /* of Linux: distinguishes builds */
    NOTE_GUEST_OS = 6,       /* of Xen: "linux", "FreeBSD" ... */
};

static const char defaults[] = "console=ttyS0 quiet panic=-1 " PANIC_IS_WARM;

bool linux_notes(const struct elf *e)
{
    char system[8] = "";

    return elf_note(e, "Linux", NOTE_BUILD_SALT, NULL, 0) >= 0 ||
           (elf_note(e, "Xen", NOTE_GUEST_OS, system, sizeof(system) - 1) >= 0 &&
            !strcmp(system, "linux"));
}

/* TERM as a kernel parameter, which init gets as an environment variable: one word only. */
static bool is_word(const char *s)
{
    if (!s || !*s)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-_.+", *s))
            return false;
    return true;
}

char *linux_cmdline(const char *user, bool is_tty)
{
    const char *term = getenv("TERM");
    struct winsize size = {0};
    char terminal[128] = "", *cmdline;

    if (is_tty && is_word(term) && strlen(term) < 64)
        snprintf(terminal, sizeof(terminal), " TERM=%s", term);
    if (is_tty && !ioctl(STDIN_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
        snprintf(terminal + strlen(terminal), sizeof(terminal) - strlen(terminal),
                 " LINES=%d COLUMNS=%d", size.ws_row, size.ws_col);
    int n = asprintf(&cmdline, "%s%s%s%s", defaults, terminal, *user ? " " : "", user);

    assert(n >= 0);
    return cmdline;
}

/* One word for a shell, in single quotes. */
static void quote(FILE *f, const char *word)
{
    fputs(" '", f);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", f);
        else
            fputc(*word, f);
    }
    fputc('\'', f);
}

void linux_command(struct cpio *c, char **argv, bool raw)
{
    char *script;
    size_t size;
    FILE *f = open_memstream(&script, &size);

    assert(f);
    fputs("#!/bin/sh\nexec", f);
    for (; *argv; argv++)
        quote(f, *argv);
    fputc('\n', f);
    fclose(f);

    cpio_add(c, "minivm", S_IFDIR | 0755, "", 0);
    cpio_add(c, "minivm/cmd", S_IFREG | 0755, script, size);
    if (raw)
        cpio_add(c, "minivm/raw", S_IFREG | 0644, "", 0);
    cpio_end(c);
    free(script);
}

static uint16_t *reset_flag(const struct ram *ram)
{
    uint16_t *flag = ram_at(ram, RESET_FLAG, sizeof(*flag));

    assert(flag);
    return flag;
}

void linux_mark(const struct ram *ram)
{
    *reset_flag(ram) = NOT_YET;
}

/* Does a reboot= on the command line leave warm reboots to panics? Its value is a list, in which
 * words that begin with w make every reboot warm, and panic_ with another letter makes panics what
 * it stands for. */
static bool spares_panics(const char *value)
{
    for (;;) {
        if (*value == 'w' || (!strncmp(value, "panic_", 6) && value[6] != 'w'))
            return false;
        value += strcspn(value, ", ");
        if (*value++ != ',')
            return true;
    }
}

enum linux_end linux_verdict(const struct ram *ram, const char *cmdline)
{
    uint16_t flag = *reset_flag(ram);

    if (flag == NOT_YET)
        return LINUX_CRASHED;
    if (flag != WARM)
        return LINUX_REBOOTED;

    /* The user's reboot=, which comes after ours, may have given warm reboots another meaning. */
    const char *word = strstr(cmdline, PANIC_IS_WARM);
    bool ours = word;

    while (ours && (word = strstr(word, " reboot="))) {
        word += strlen(" reboot=");
        ours = spares_panics(word);
    }
    return ours ? LINUX_PANICKED : LINUX_REBOOTED;
}

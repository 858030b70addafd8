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
#include "boot/kernel.h"
#include "boot/zero-page.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* The header of a bzImage; false when the image is none. */
static bool read_header(const struct image *img, struct setup_header *h)
{
    image_peek(img, offsetof(struct boot_params, hdr), h, sizeof(*h));
    return h->boot_flag == ZERO_PAGE_BOOT_FLAG && h->header == ZERO_PAGE_HEADER;
}

/* Copy what can be printed, up to the end of the line. */
static void copy_line(char *to, size_t size, const char *from, size_t len)
{
    size_t n = 0;

    while (n < len && n + 1 < size && from[n] >= ' ' && from[n] < 127) {
        to[n] = from[n];
        n++;
    }
    to[n] = 0;
}

/* The text behind the first "Linux version " in a file that may be large. */
static bool find_banner(const struct image *img, char *version, size_t size)
{
    static const char banner[] = "Linux version ";
    enum {
        CHUNK = 1 << 20,
        OVERLAP = 256 /* so that a banner is whole in one of two chunks */
    };
    char *buf = malloc(CHUNK + OVERLAP);
    bool found = false;

    assert(buf);
    for (uint64_t off = 0; off < img->size && !found; off += CHUNK) {
        uint64_t n = image_peek(img, off, buf, CHUNK + OVERLAP);
        const char *at = memmem(buf, n, banner, sizeof(banner) - 1);

        /* A format string has the words, too. */
        while (at && at + sizeof(banner) < buf + n && at[sizeof(banner) - 1] == '%')
            at = memmem(at + 1, buf + n - at - 1, banner, sizeof(banner) - 1);
        if (at) {
            at += sizeof(banner) - 1;
            copy_line(version, size, at, buf + n - at);
            found = true;
        }
    }
    free(buf);
    return found;
}

bool linux_version(const struct image *img, char *version, size_t size)
{
    struct setup_header h;
    char text[256];

    if (!read_header(img, &h))
        return find_banner(img, version, size);
    if (!h.kernel_version)
        return false;
    copy_line(version, size, text,
              image_peek(img, h.kernel_version + UINT64_C(0x200), text, sizeof(text)));
    return *version;
}

bool linux_is(const struct image *img)
{
    struct setup_header h;
    struct elf e;
    char version[2];

    /* Other kernels borrow the header of Linux, but have their own names there. */
    if (read_header(img, &h))
        return !linux_version(img, version, sizeof(version)) || isdigit((unsigned char)*version);
    /* One without notes is Linux if it can be booted as a vmlinux. */
    return !elf_read(&e, img) && (linux_notes(&e) || way_linux64.offered(img));
}

bool linux_is_64(const struct image *img)
{
    struct setup_header h;
    struct elf e;

    if (read_header(img, &h))
        return h.version < 0x20c || h.xloadflags & XLF_KERNEL_64;
    return elf_read(&e, img) || e.is_64;
}

char *linux_cmdline(const char *terminal, const char *user)
{
    char *cmdline;
    int n = asprintf(&cmdline, "%s%s%s%s%s", defaults, *terminal ? " " : "", terminal,
                     *user ? " " : "", user);

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

void linux_command(struct cpio *c, char **argv, bool raw, const char *ports)
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
    if (ports)
        cpio_add(c, "minivm/ports", S_IFREG | 0644, ports, strlen(ports));
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

/* Does a reboot= on the command line leave warm reboots to panics? Its value is a list: words that
 * begin with w make every reboot warm, and panic_ with another letter changes the kind of panics.
 */
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

// SPDX-License-Identifier: MIT
/*
 * --root.
 */
#define _GNU_SOURCE
#include "tools/minivm/root.h"
#include "hw/die.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The static program that such a guest starts with. */
__asm__(".section .rodata\n"
        "root_init: .incbin \"build/initramfs/minivm-root\"\n"
        "root_init_end:\n"
        ".previous\n");
extern const char root_init[], root_init_end[];

static bool is_dir(const char *name)
{
    struct stat st;

    return !stat(name, &st) && S_ISDIR(st.st_mode);
}

/* Is there surely no such file, with links as the guest will follow them? A host before Linux 5.6
 * cannot tell. */
static bool not_in_root(const char *dir, const char *name)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = syscall(SYS_openat2, at, name, &how, sizeof(how));
    bool none = fd < 0 && errno != ENOSYS && errno != EPERM;

    close(fd);
    close(at);
    return none;
}

void root_parse(struct root *r, const char *said, char **command)
{
    size_t len = strlen(said);
    char *name = strdup(said);

    assert(name);
    *r = (struct root){0};
    if (!is_dir(name) && len > 3 && !strcmp(name + len - 3, ",rw")) {
        name[len - 3] = 0;
        r->write = true;
    }
    if (!is_dir(name)) {
        char *comma = strrchr(name, ',');

        if (comma && (!strcmp(comma, ",ro") || !strcmp(comma, ",snapshot"))) {
            *comma = 0;
            if (is_dir(name))
                die("--root %s: what is written to a directory is forgotten anyway; say --root %s",
                    said, name);
        }
        r->disk = true;
        free(name);
        return;
    }
    r->dir = realpath(name, NULL);
    if (!r->dir || access(r->dir, R_OK | X_OK))
        die("--root %s: %m", name);
    if (!command && not_in_root(r->dir, "bin/sh"))
        die("--root %s: it has no /bin/sh; say what to run: -- COMMAND", name);
    free(name);
}

/* Names of the environment that mean something on the host only: its terminals, displays, desktops,
 * sessions, services, sockets, containers and jobs. One that ends with * stands for all that begin
 * so. The manual page lists them (--root). */
static const char *const host_only[] = {
    "ALACRITTY_*",
    "AT_SPI_*",
    "CREDENTIALS_DIRECTORY",
    "DBUS_*",
    "DESKTOP_*",
    "DISPLAY",
    "FAKEROOTKEY",
    "GNOME_*",
    "GPG_AGENT_INFO",
    "GPG_TTY",
    "ICEAUTHORITY",
    "INVOCATION_ID",
    "JOURNAL_*",
    "KDE_*",
    "KITTY_*",
    "KONSOLE_*",
    "LISTEN_*",
    "MAINPID",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MANAGERPID",
    "MEMORY_PRESSURE_*",
    "MFLAGS",
    "NOTIFY_SOCKET",
    "PIPEWIRE_*",
    "PULSE_*",
    "SESSION_*",
    "SSH_*",
    "STY",
    "SUDO_*",
    "SYSTEMD_EXEC_PID",
    "TMUX*",
    "VTE_*",
    "WATCHDOG_*",
    "WAYLAND_*",
    "WEZTERM_*",
    "WINDOW",
    "WINDOWID",
    "WINDOWPATH",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SE*",
    "XDG_VTNR",
    "container",
    "COLUMNS",
    "LINES",
    "OLDPWD",
    "_",
};

static bool is_host_only(const char *setting)
{
    size_t len = strcspn(setting, "=");

    for (size_t i = 0; i < sizeof(host_only) / sizeof(*host_only); i++) {
        const char *name = host_only[i], *star = strchr(name, '*');

        if (star ? !strncmp(setting, name, star - name)
                 : strlen(name) == len && !strncmp(setting, name, len))
            return true;
    }
    return false;
}

/* One string of /minivm/root. */
#define TELL(f, ...) (fprintf(f, __VA_ARGS__), fputc(0, f))

/* As which user the command runs: the one who called minivm. */
static void tell_user(FILE *f)
{
    int n = getgroups(0, NULL);
    gid_t *group = calloc(n + 1, sizeof(*group));
    mode_t mask = umask(0);

    assert(group);
    umask(mask);
    n = getgroups(n, group);
    TELL(f, "uid %u", getuid());
    TELL(f, "gid %u", getgid());
    for (int i = 0; i < n; i++)
        TELL(f, "group %u", group[i]);
    TELL(f, "umask %u", mask);
    free(group);
}

/* Its working directory, as the guest sees it; / where the caller's is not below the root. */
static void tell_place(FILE *f, const struct root *r)
{
    char *cwd = getcwd(NULL, 0);
    size_t len = strcmp(r->dir, "/") ? strlen(r->dir) : 0;
    bool below = cwd && !strncmp(cwd, r->dir, len) && cwd[len] == '/';

    TELL(f, "cwd %s", below ? cwd + len : "/");
    for (char **s = environ; *s; s++)
        if (!is_host_only(*s) && (!len || strncmp(*s, "PWD=", 4)))
            TELL(f, "env %s", *s);
    free(cwd);
}

static void tell_root_user(FILE *f)
{
    const char *term = getenv("TERM");

    TELL(f, "umask %u", 022);
    TELL(f, "cwd /");
    TELL(f, "env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    TELL(f, "env HOME=/root");
    TELL(f, "env USER=root");
    if (term)
        TELL(f, "env TERM=%s", term);
}

void root_initramfs(struct cpio *c, const struct root *r, char **command, bool raw,
                    const char *ports)
{
    char *told;
    size_t size;
    FILE *f = open_memstream(&told, &size);

    assert(f);
    if (r->dir) {
        TELL(f, "share %s", ROOT_TAG);
        if (!r->write)
            TELL(f, "overlay");
        tell_user(f);
        tell_place(f, r);
    } else {
        TELL(f, "disk vda");
        tell_root_user(f);
    }
    for (; command && *command; command++)
        TELL(f, "arg %s", *command);
    if (raw)
        TELL(f, "raw");
    if (ports)
        TELL(f, "ports %s", ports);
    fclose(f);

    cpio_add(c, "init", S_IFREG | 0755, root_init, root_init_end - root_init);
    cpio_add(c, "minivm", S_IFDIR | 0755, "", 0);
    cpio_add(c, "minivm/root", S_IFREG | 0644, told, size);
    free(told);
}

// SPDX-License-Identifier: MIT
/*
 * /init of the initramfs that minivm makes for --root: loads modules, mounts the root that the
 * machine was given, and there runs a command or a shell as the user who called minivm, or the
 * system's own init. When the command ends so does the machine, with its status.
 *
 * minivm hands over, in the same archive:
 *     /minivm/modules/NN-NAME.ko   in the order in which they are to be loaded
 *     /minivm/later/NN-NAME.ko     those that can wait until a command has begun
 *     /minivm/root                 strings that end with a 0, each a word and what it says (below)
 *
 * After: Linux, Documentation/filesystems/{virtiofs,overlayfs,ramfs-rootfs-initramfs}.rst;
 * ioctl_tty(2), ioperm(2); include/uapi/linux/serial.h.
 */
#define _GNU_SOURCE
#include "hw/port-hypercall-abi.h"
#include "initramfs/dhcp.h"
#include "initramfs/ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/serial.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ROOT "/mnt/root"

enum {
    FAILED = 125, /* statuses as minivm's own */
    CANNOT_RUN = 126,
    NOT_FOUND = 127,

    PARTITIONS = 16,
    CONSOLE_LOGLEVEL = 8, /* of klogctl() */
    LOWEST = 19,          /* priority */
    OUT1 = 0x2000,        /* TIOCM_OUT1, a modem line */
};

/* What /minivm/root says. */
static struct {
    const char *share; /* "share TAG": a directory of the host, by virtio-fs */
    bool overlay;      /* "overlay": what is written stays in memory */
    const char *disk;  /* "disk NAME": /dev/NAME, or a partition of it */
    uid_t uid;         /* "uid N", "gid N", "group N" ...: who the command is */
    gid_t gid;
    gid_t *group;
    int groups;
    mode_t umask;     /* "umask N" */
    const char *cwd;  /* "cwd DIR" */
    const char **env; /* "env NAME=VALUE" ... */
    int envs;
    const char **arg; /* "arg WORD" ...: none for a shell, or on a disk for its init */
    int args;
    bool raw;    /* "raw": minivm's stdout is no terminal: bytes pass unchanged, both ways */
    int ports;   /* "ports N": the command has so many, if the kernel has their driver; */
    bool silent; /* "ports N silent": and nobody sees what is typed */
} told;

static int tty = -1;
static struct termios first; /* modes of the tty */
static struct ports ports = {{-1, -1, -1, -1}};

/* Everything that was written arrives before the end. */
static _Noreturn void end(int status)
{
    kill(-1, SIGKILL);
    sync();
    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    tcdrain(tty >= 0 ? tty : STDERR_FILENO);
    if (!ioperm(HYPERCALL_PORT, 2, 1))
        outw(status << 8 | HYPERCALL_EXIT, HYPERCALL_PORT);
    ports_tell(&ports, status);
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    dprintf(STDERR_FILENO, "minivm: ");
    vdprintf(STDERR_FILENO, format, args);
    dprintf(STDERR_FILENO, "\n");
    va_end(args);
}

#define FAIL(...) (say(__VA_ARGS__), end(FAILED))

/* What follows a word, if s begins with it; else NULL. */
static const char *after(const char *s, const char *word)
{
    size_t n = strlen(word);

    return strncmp(s, word, n) ? NULL : s + n;
}

static void understand(const char *s)
{
    const char *value;

    if ((value = after(s, "share ")))
        told.share = value;
    else if (!strcmp(s, "overlay"))
        told.overlay = true;
    else if ((value = after(s, "disk ")))
        told.disk = value;
    else if ((value = after(s, "uid ")))
        told.uid = strtoul(value, NULL, 10);
    else if ((value = after(s, "gid ")))
        told.gid = strtoul(value, NULL, 10);
    else if ((value = after(s, "group ")))
        told.group[told.groups++] = strtoul(value, NULL, 10);
    else if ((value = after(s, "umask ")))
        told.umask = strtoul(value, NULL, 10);
    else if ((value = after(s, "cwd ")))
        told.cwd = value;
    else if ((value = after(s, "env ")))
        told.env[told.envs++] = value;
    else if ((value = after(s, "arg ")))
        told.arg[told.args++] = value;
    else if (!strcmp(s, "raw"))
        told.raw = true;
    else if ((value = after(s, "ports "))) {
        told.ports = strtoul(value, NULL, 10);
        told.silent = strstr(value, "silent");
    }
}

static void read_told(void)
{
    int fd = open("/minivm/root", O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *text;
    size_t words = 1;

    if (fd < 0 || fstat(fd, &st) || !(text = malloc(st.st_size + 1)) ||
        read(fd, text, st.st_size) < 0)
        FAIL("/minivm/root: %m");
    text[st.st_size] = 0;
    for (char *s = text; s < text + st.st_size; s += strlen(s) + 1)
        words++;
    told.group = malloc(words * sizeof(*told.group));
    told.env = calloc(words, sizeof(*told.env));
    told.arg = calloc(words, sizeof(*told.arg));
    if (!told.group || !told.env || !told.arg)
        FAIL("/minivm/root: %m");
    for (char *s = text; s < text + st.st_size; s += strlen(s) + 1)
        understand(s);
    close(fd);
}

/* Those of a directory. Modules that find no device of theirs, or are loaded already, are no
 * mistake. */
static void load_modules(int dir)
{
    struct dirent **list;
    int n = dir < 0 || fchdir(dir) ? 0 : scandir(".", &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        int fd = *name == '.' ? -1 : open(name, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
            continue;
        if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST && errno != ENODEV)
            say("module %s: %s", name,
                errno == ENOEXEC ? "it is another kernel's; name the right ones by --modules DIR"
                                 : strerror(errno));
        close(fd);
        unlink(name);
    }
}

/* Those that can wait, in a process of their own that runs when no other wants to. */
static void load_later(int dir)
{
    if (dir < 0 || fork())
        return;
    setpriority(PRIO_PROCESS, 0, LOWEST);
    load_modules(dir);
    _exit(0);
}

/* The terminal, which COM1 is. crtscts: the kernel lowers RTS when its buffers are full, and minivm
 * then holds input back. */
static void open_tty(void)
{
    struct termios t;

    tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
    if (tty < 0 || tcgetattr(tty, &t)) {
        tty = open("/dev/console", O_RDWR | O_NOCTTY);
        return;
    }
    t.c_cflag |= CRTSCTS;
    first = t;
    if (told.raw)
        cfmakeraw(&t);
    tcsetattr(tty, TCSANOW, &t);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(tty, fd);
}

static void make_dir(const char *name)
{
    if (mkdir(name, 0755) && errno != EEXIST)
        FAIL("mkdir %s: %m", name);
}

/* What has a port does not use the terminal, which then need not be raw. */
static void open_ports(void)
{
    make_dir("/sys");
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    if (ports_wait(told.ports)) {
        ports_open(&ports);
        if (told.silent)
            first.c_lflag &= ~ECHO;
        tcsetattr(tty, TCSANOW, &first);
        if (ports.fd[STDERR_FILENO] >= 0)
            dup2(ports.fd[STDERR_FILENO], STDERR_FILENO);
    }
    umount("/sys");
}

static unsigned ask(int function)
{
    outb(function, HYPERCALL_PORT);
    return inw(HYPERCALL_PORT) & 0xffff;
}

/* The size of the user's window, which the hypercall port tells; false when there is none. */
static bool set_size(void)
{
    struct winsize w = {.ws_row = ask(HYPERCALL_ROWS)};

    if (!w.ws_row || w.ws_row == 0xffff)
        return false;
    w.ws_col = ask(HYPERCALL_COLUMNS);
    ioctl(tty, TIOCSWINSZ, &w);
    return true;
}

static int rings(void)
{
    struct serial_icounter_struct count = {0};

    ioctl(tty, TIOCGICOUNT, &count);
    return count.rng;
}

/* A process that sleeps until the serial port's ring indicator says that the window has changed. */
static void watch_size(void)
{
    if (ioperm(HYPERCALL_PORT, 2, 1) || !set_size() || fork())
        return;
    do {
        int before;

        do {
            before = rings();
            set_size();
        } while (rings() != before);
    } while (!ioctl(tty, TIOCMIWAIT, TIOCM_RNG));
    _exit(0);
}

static void mount_share(void)
{
    const char *at = told.overlay ? "/mnt/lower" : ROOT;

    make_dir(at);
    if (mount(told.share, at, "virtiofs", told.overlay ? MS_RDONLY : 0, NULL))
        FAIL("--root: %s",
             errno == ENODEV ? "this kernel has no virtiofs: name its modules by --modules DIR, or "
                               "build it with CONFIG_VIRTIO_FS"
             : errno == EINVAL ? "the kernel finds no virtio-fs device: it needs virtio_pci, from "
                                 "--modules DIR or by CONFIG_VIRTIO_PCI"
                               : strerror(errno));
    if (!told.overlay)
        return;
    make_dir("/mnt/memory");
    if (mount("tmpfs", "/mnt/memory", "tmpfs", 0, "mode=755"))
        FAIL("tmpfs: %m");
    make_dir("/mnt/memory/upper");
    make_dir("/mnt/memory/work");
    if (mount("overlay", ROOT, "overlay", 0,
              "lowerdir=/mnt/lower,upperdir=/mnt/memory/upper,workdir=/mnt/memory/work"))
        FAIL("--root: %s", errno == ENODEV
                               ? "this kernel has no overlay: name its modules by --modules DIR, "
                                 "build it with CONFIG_OVERLAY_FS, or say --root DIR,rw"
                               : strerror(errno));
}

/* Does the device hold a system? Then it is mounted now. A disk that is read-only and was not
 * unmounted is shown as it is: its journal cannot be played back. */
static bool mount_system(const char *device)
{
    static const struct {
        const char *name, *no_journal;
    } kinds[] = {{"ext4", "noload"},     {"xfs", "norecovery"}, {"btrfs", "norecovery"},
                 {"f2fs", "norecovery"}, {"erofs", NULL},       {"squashfs", NULL}};
    struct stat st;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const char *name = kinds[i].name, *as_it_is = kinds[i].no_journal;

        if (mount(device, ROOT, name, MS_SILENT, NULL) &&
            ((errno != EACCES && errno != EROFS) ||
             (mount(device, ROOT, name, MS_RDONLY | MS_SILENT, NULL) &&
              (!as_it_is || mount(device, ROOT, name, MS_RDONLY | MS_SILENT, as_it_is)))))
            continue;
        if (!lstat(ROOT "/sbin/init", &st) || !lstat(ROOT "/bin/sh", &st))
            return true;
        umount(ROOT);
    }
    return false;
}

/* The disk itself, or its first partition with a system. */
static void mount_disk(void)
{
    char device[64];

    for (int i = 0; i < PARTITIONS; i++) {
        snprintf(device, sizeof(device), i ? "/dev/%s%d" : "/dev/%s", told.disk, i);
        if (!access(device, F_OK) && mount_system(device))
            return;
        if (!i && access(device, F_OK))
            FAIL(
                "--root: the kernel finds no virtio disk: it needs virtio_pci and virtio_blk, from "
                "--modules DIR or built in");
    }
    FAIL("--root: no partition of the disk holds a system (/sbin/init or /bin/sh) on a file system "
         "that this kernel knows");
}

/* The root that is mounted becomes the only one. */
static void enter_root(void)
{
    if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
        FAIL("--root: %m");
}

static void write_text(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        say("%s: %m", file);
    close(fd);
}

/* In the new root, for a command that has no init. */
static void mount_rest(void)
{
    static const struct {
        const char *name, *kind;
        unsigned long flags;
        const char *options;
    } rest[] = {
        {"/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
        {"/dev", "devtmpfs", MS_NOSUID, "mode=755"},
        {"/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666"},
        {"/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
        {"/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"},
    };

    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        mkdir(rest[i].name, 0755);
        if (mount(rest[i].kind, rest[i].name, rest[i].kind, rest[i].flags, rest[i].options))
            say("%s: %m", rest[i].name);
    }
    symlink("/proc/self/fd", "/dev/fd");
    symlink("/proc/self/fd/0", "/dev/stdin");
    symlink("/proc/self/fd/1", "/dev/stdout");
    symlink("/proc/self/fd/2", "/dev/stderr");
    if (access("/tmp", F_OK) && !mkdir("/tmp", 0))
        chmod("/tmp", 01777);
    sethostname("minivm", strlen("minivm"));
    write_text("/proc/sys/kernel/sysrq", "1");
}

/* In the child: the command, as the user. */
static void run(void *nothing)
{
    const char **arg = told.arg;
    const char *shell[2] = {"/bin/sh", NULL};

    (void)nothing;
    setsid();
    ioctl(tty, TIOCSCTTY, 1);
    close(tty);
    ioperm(HYPERCALL_PORT, 2, 0);
    /* The user becomes the owner of the terminal, and so can open /dev/stdout without being in the
     * tty group. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && told.uid; fd++)
        fchown(fd, told.uid, -1);
    if (setgroups(told.groups, told.group) || setresgid(told.gid, told.gid, told.gid) ||
        setresuid(told.uid, told.uid, told.uid)) {
        say("setuid: %m");
        _exit(CANNOT_RUN);
    }
    if (told.cwd && chdir(told.cwd)) {
        say("cannot start in %s: %m", told.cwd);
        _exit(CANNOT_RUN);
    }
    umask(told.umask);
    environ = (char **)told.env;
    if (!told.args) {
        const char *wanted = getenv("SHELL");

        if (wanted && !access(wanted, X_OK))
            shell[0] = wanted;
        arg = shell;
    }
    execvp(arg[0], (char **)arg);

    int status = errno == ENOENT ? NOT_FOUND : CANNOT_RUN;

    say("%s: %m", arg[0]);
    _exit(status);
}

/* What poweroff, halt and reboot ask of PID 1. */
static void asked(int sig)
{
    sync();
    reboot(sig == SIGTERM ? RB_AUTOBOOT : sig == SIGUSR1 ? RB_HALT_SYSTEM : RB_POWER_OFF);
}

int main(int argc, char **argv)
{
    int line = OUT1, modules, later, status;

    (void)argc;
    umask(022);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    read_told();
    /* Only a crash may mix with the command's output. */
    if (told.args)
        klogctl(CONSOLE_LOGLEVEL, NULL, 1);
    open_tty();
    modules = open("/minivm/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    later = open("/minivm/later", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    load_modules(modules);
    if (told.ports)
        open_ports();
    make_dir("/mnt");
    make_dir(ROOT);
    if (told.share)
        mount_share();
    else
        mount_disk();
    enter_root();

    if (told.disk && !told.args) {
        mount("dev", "/dev", "devtmpfs", 0, NULL);
        load_later(later);
        argv[0] = "/sbin/init";
        execv(argv[0], argv);
        FAIL("--root: /sbin/init: %m; name a command after --");
    }

    mount_rest();
    network_up();
    watch_size();
    signal(SIGUSR1, asked);
    signal(SIGUSR2, asked);
    signal(SIGTERM, asked);
    /* From here on input may come: what came earlier would be echoed and translated. */
    ioctl(tty, TIOCMBIS, &line);
    load_later(later);
    status = ports_run(&ports, run, NULL);
    if (status < 0)
        FAIL("cannot run a command: %m");
    end(status);
}

// SPDX-License-Identifier: MIT
/*
 * The options of `minivm run`: one table, long and short forms as in lkvm.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "hw/pc.h"
#include "tools/minivm/minivm.h"

#include <ctype.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind {
    FLAG,
    STRING,
    SIZE,
    NUMBER,
    SECONDS,
    MODULE,
    OPTIONAL, /* --opt or --opt=VALUE */
    PORT,
    ABSENT, /* lkvm has it, we do not */
};

struct option {
    const char *name;
    char letter;
    enum kind kind;
    size_t offset;
};

/* --entry was not given. */
#define ANY_ENTRY (-1)

static const struct option table[] = {
    {"kernel", 'k', STRING, offsetof(struct options, kernel)},
    {"pmode", 0, STRING, offsetof(struct options, pmode)},
    {"long", 0, STRING, offsetof(struct options, longmode)},
    {"engine", 0, STRING, offsetof(struct options, engine)},
    {"soft-clock", 0, STRING, offsetof(struct options, soft_clock)},
    {"boot", 0, STRING, offsetof(struct options, boot)},
    {"initrd", 'i', MODULE, 0},
    {"module", 0, MODULE, 0},
    {"cmdline", 'p', STRING, offsetof(struct options, cmdline)},
    {"params", 0, STRING, offsetof(struct options, cmdline)},
    {"mem", 'm', SIZE, offsetof(struct options, mem)},
    {"cpus", 'c', NUMBER, offsetof(struct options, cpus)},
    {"entry", 0, NUMBER, offsetof(struct options, entry)},
    {"timeout", 0, SECONDS, offsetof(struct options, timeout)},
    {"symbols", 0, STRING, offsetof(struct options, symbols)},
    {"no-reboot", 0, FLAG, offsetof(struct options, no_reboot)},
    {"stat", 0, FLAG, offsetof(struct options, stat)},
    {"debugcon", 0, OPTIONAL, 0},
    {"exit-port", 0, PORT, offsetof(struct options, exit_port)},
    {"verbose", 0, FLAG, offsetof(struct options, verbose)},
    {"split", 0, FLAG, offsetof(struct options, split)},
    {"disk", 'd', ABSENT, 0},
};
#define OPTIONS (sizeof(table) / sizeof(table[0]))

static const struct option *look_up(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strlen(table[i].name) == len && !strncmp(table[i].name, name, len))
            return &table[i];
    return NULL;
}

static bool is_option(const char *arg)
{
    return !strncmp(arg, "--", 2) && look_up(arg + 2, strcspn(arg + 2, "="));
}

static const struct option *find(const char *name, size_t len)
{
    const struct option *opt = look_up(name, len);

    if (opt)
        return opt;
    die("unknown option --%.*s; 'minivm help run' lists them", (int)len, name);
}

static const struct option *find_letter(char letter)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (table[i].letter == letter)
            return &table[i];
    die("unknown option -%c; 'minivm help run' lists them", letter);
}

static uint64_t parse_size(const char *name, const char *s)
{
    static const char units[] = "KMGT";
    char *end;
    int shift = 20;

    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);

    if (*end) {
        const char *unit = strchr(units, toupper((unsigned char)*end));

        if (!unit || (end[1] && strcasecmp(end + 1, "B") && strcasecmp(end + 1, "iB")))
            unit = NULL;
        if (!unit)
            end = (char *)s;
        else
            shift = 10 + 10 * (int)(unit - units);
    }
    if (end == s || !isdigit((unsigned char)*s) || errno || !n || n > UINT64_MAX >> shift)
        die("--%s %s: not a size; write 256M or 2G (a plain number is in MiB)", name, s);
    return (uint64_t)n << shift;
}

static int parse_number(const char *name, const char *s)
{
    char *end;

    errno = 0;
    long n = strtol(s, &end, 10);

    if (end == s || *end || errno || n < 0 || n > INT32_MAX)
        die("--%s %s: not a number", name, s);
    return n;
}

static int64_t parse_seconds(const char *name, const char *s)
{
    char *end;
    double n = strtod(s, &end);

    if (end == s || *end || !(n > 0) || n > 1e9)
        die("--%s %s: not a time in seconds", name, s);
    return n * 1e9 < 1 ? 1 : (int64_t)(n * 1e9);
}

/* "off", or a number as C has them: 0x501. */
static int parse_port(const char *name, const char *s)
{
    char *end;
    unsigned long n = strtoul(s, &end, 0);

    if (!strcmp(s, "off"))
        return 0;
    if (end == s || *end || !isdigit((unsigned char)*s) || n < 1 || n > 0xfffc)
        die("--%s %s: not a port; write 0x501 or off", name, s);
    return (int)n;
}

static void add_module(struct options *o, const char *file, bool initrd)
{
    if (o->modules == KERNEL_MODULES)
        die("%s: one module too many; a kernel gets at most %d", file, KERNEL_MODULES);
    o->module[o->modules].file = file;
    o->module[o->modules++].initrd = initrd;
}

static void store(struct options *o, const struct option *opt, const char *val)
{
    void *to = (char *)o + opt->offset;

    switch (opt->kind) {
    case FLAG:
        *(bool *)to = true;
        break;
    case STRING:
        *(const char **)to = val;
        break;
    case SIZE:
        *(uint64_t *)to = parse_size(opt->name, val);
        break;
    case NUMBER:
        *(int *)to = parse_number(opt->name, val);
        break;
    case SECONDS:
        *(int64_t *)to = parse_seconds(opt->name, val);
        break;
    case MODULE:
        add_module(o, val, opt->letter);
        break;
    case OPTIONAL:
        o->debugcon = true;
        o->debugcon_file = val;
        break;
    case PORT:
        *(int *)to = parse_port(opt->name, val);
        break;
    case ABSENT:
        die("--%s: there are no disks yet; put files in the initramfs with tools/mkinitramfs",
            opt->name);
    }
}

/* One option at argv[i]; the index of its last word. */
static int parse_option(struct options *o, int argc, char **argv, int i)
{
    const char *arg = argv[i], *val = NULL;
    const struct option *opt;

    if (arg[1] == '-') {
        const char *equals = strchr(arg, '=');

        opt = find(arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
        val = equals ? equals + 1 : NULL;
    } else {
        opt = find_letter(arg[1]);
        val = arg[2] ? arg + 2 : NULL;
    }
    if (opt->kind == FLAG) {
        if (val)
            die("--%s takes no value", opt->name);
    } else if (!val && opt->kind != OPTIONAL) {
        if (i + 1 == argc || is_option(argv[i + 1]))
            die("--%s needs a value", opt->name);
        val = argv[++i];
    }
    store(o, opt, val);
    return i;
}

static void add_guest(struct options *o, const char *name)
{
    if (o->guests == REALMODE_MAX)
        die("%s: one program too many; at most %d run at once", name, REALMODE_MAX);
    o->guest[o->guests++] = name;
}

static void validate(const struct options *o)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

    if (!o->kernel + !o->pmode + !o->longmode + !o->guests != 3)
        die(o->kernel || o->pmode || o->longmode || o->guests
                ? "--kernel, --pmode, --long and 16-bit programs exclude each other"
                : "nothing to run; name a program or a kernel ('minivm help run')");
    if (o->mem && o->mem < 1 << 20)
        die("--mem: too little; a guest needs 1M at least, and says so when it needs more");
    if (o->mem > host)
        die("--mem %lluM: more than this host's %lluM", (unsigned long long)(o->mem >> 20),
            (unsigned long long)(host >> 20));
    if (o->cpus < 1 || o->cpus > PC_MAX_CPUS)
        die("--cpus %d: from 1 to %d", o->cpus, PC_MAX_CPUS);
    if (strcmp(o->engine, "auto") && strcmp(o->engine, "kvm") && strcmp(o->engine, "soft"))
        die("%s%s: auto, kvm or soft",
            o->engine == getenv("MINIVM_ENGINE") ? "MINIVM_ENGINE=" : "--engine ", o->engine);
    if (strcmp(o->soft_clock, "host") && strcmp(o->soft_clock, "instructions"))
        die("--soft-clock %s: host or instructions", o->soft_clock);
    if (!strcmp(o->soft_clock, "instructions")) {
        if (!strcmp(o->engine, "kvm"))
            die("--soft-clock instructions: KVM does not count them; --engine soft does");
        if (o->cpus > 1 || o->guests > 1)
            die("--soft-clock instructions is for one guest with one CPU");
    }
    if (o->boot && !way_named(o->boot))
        die("--boot %s: no such way; there are bzimage, pvh, multiboot2, multiboot and linux64",
            o->boot);
    if (o->entry != ANY_ENTRY && o->entry != 32 && o->entry != 64)
        die("--entry %d: 32 or 64", o->entry);
    if (o->split && o->guests < 2)
        die("--split is for several programs");
    if (o->split && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        die("--split needs a terminal; without one each line begins with its guest's name");
    if (o->split && (o->verbose || (o->debugcon && !o->debugcon_file)) && isatty(STDERR_FILENO))
        die("--split: what --%s prints would overwrite the panes; add 2>FILE",
            o->verbose ? "verbose" : "debugcon");
}

void options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.cmdline = "",
                          .cpus = 1,
                          .entry = ANY_ENTRY,
                          .exit_port = PC_EXIT_PORT,
                          .engine = getenv("MINIVM_ENGINE"),
                          .soft_clock = "host"};
    if (!o->engine || !*o->engine)
        o->engine = "auto";
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--")) {
            if (!argv[i + 1])
                die("--: the command to run in the guest is missing");
            o->command = argv + i + 1;
            break;
        }
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            exit(cmd_help(2, (char *[]){"help", "run"}));
        if (!*argv[i])
            die("an empty argument; 'minivm help run' lists the options");
        if (argv[i][0] == '-' && argv[i][1])
            i = parse_option(o, argc, argv, i);
        else
            add_guest(o, argv[i]);
    }
    validate(o);
    if (o->entry == ANY_ENTRY)
        o->entry = 0;
    o->mem &= ~UINT64_C(0xfff);
}

// SPDX-License-Identifier: MIT
/*
 * The command line of `minivm run`, read by the table of options.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "hw/pc.h"
#include "hw/virtio-fs.h"
#include "hw/virtio-vsock.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/option.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An option as it stands on the command line, and the table's row for it. */
struct word {
    const struct option *opt;
    char *said; /* "-k", "--kernel" */
};

char *shell_words(char *const *words)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    for (int i = 0; words[i]; i++) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "-_=+:,./@%";
        const char *quote = words[i][strspn(words[i], plain)] || !*words[i] ? "'" : "";

        fprintf(f, "%s%s%s%s", i ? " " : "", quote, words[i], quote);
    }
    fclose(f);
    return text;
}

bool is_program(const char *name)
{
    char longer[4096];

    if (access(name, F_OK) == 0)
        return true;
    snprintf(longer, sizeof(longer), "%s.bin", name);
    return access(longer, F_OK) == 0;
}

/* Why there is no such option. said is all of it, without its value. */
static _Noreturn void die_unknown(const char *said)
{
    const char *name = said + strspn(said, "-");
    const struct foreign *f = foreign_option(said);
    const struct option *near = option_near(name, strlen(name));

    if (f) {
        char here[256];
        size_t n = 0;

        for (const char *s = f->here; *s && n < sizeof(here) - 1; s++)
            if (*s != '`')
                here[n++] = *s;
        here[n] = 0;
        die("%s: %s%s", said, *f->here == '`' ? "here it is " : "", here);
    }
    if (option_named(name, strlen(name)))
        die("%s: write it with two dashes, --%s", said, name);
    if (near)
        die("unknown option %s; did you mean --%s?", said, near->name);
    die("unknown option %s; 'minivm help run' lists them", said);
}

/* The option that arg begins with; *val is what follows in the same word, or NULL. */
static struct word find(const char *arg, const char **val)
{
    size_t len = strcspn(arg, "=");
    struct word w = {.said = strndup(arg, len)};
    const char *name = w.said + 1;

    *val = arg[len] ? arg + len + 1 : NULL;
    if (*name == '-') {
        w.opt = option_named(name + 1, strlen(name + 1));
        if (!w.opt)
            die_unknown(w.said);
        return w;
    }
    if (!*name)
        die_unknown(arg);
    /* -kernel is not -k with the value "ernel". */
    if (name[1] && (option_named(name, strlen(name)) || foreign_option(w.said)))
        die_unknown(w.said);
    w.opt = option_lettered(*name);
    if (!w.opt)
        die_unknown(w.said);
    /* -m512M, -m=512M */
    *val = arg[2] == '=' ? arg + 3 : arg[2] ? arg + 2 : NULL;
    w.said[2] = 0;
    return w;
}

static bool is_option(const char *arg)
{
    if (!strncmp(arg, "--", 2))
        return !arg[2] || option_named(arg + 2, strcspn(arg + 2, "="));
    return arg[0] == '-' && arg[1] && !arg[2] && option_lettered(arg[1]);
}

static uint64_t parse_size(const char *said, const char *s)
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
        die("%s %s: not a size; write 256M or 2G (a plain number is in MiB)", said, s);
    return (uint64_t)n << shift;
}

static int parse_number(const char *said, const char *s)
{
    char *end;

    errno = 0;
    long n = strtol(s, &end, 10);

    if (end == s || *end || errno || n < 0 || n > INT32_MAX)
        die("%s %s: not a number", said, s);
    return n;
}

static int64_t parse_seconds(const char *said, const char *s)
{
    char *end;
    double n = strtod(s, &end);

    if (end == s || *end || !(n > 0) || n > 1e9)
        die("%s %s: not a time in seconds", said, s);
    return n * 1e9 < 1 ? 1 : (int64_t)(n * 1e9);
}

/* "off", or a number as C has them: 0x501. */
static int parse_port(const char *said, const char *s)
{
    char *end;
    unsigned long n = strtoul(s, &end, 0);

    if (!strcmp(s, "off"))
        return 0;
    if (end == s || *end || !isdigit((unsigned char)*s) || n < 1 || n > 0xfffc)
        die("%s %s: not a port; write 0x501 or off", said, s);
    return (int)n;
}

static void add_module(struct options *o, const char *file, bool initrd)
{
    if (o->modules == KERNEL_MODULES)
        die("%s: one module too many; a kernel gets at most %d", file, KERNEL_MODULES);
    o->module[o->modules].file = file;
    o->module[o->modules++].initrd = initrd;
}

/* The last name of a directory, for its tag. */
static const char *last_name(const char *said, const char *dir)
{
    const char *path = realpath(dir, NULL);

    if (!path)
        die("%s %s: %m", said, dir);
    return path[1] ? strrchr(path, '/') + 1 : "root";
}

static bool is_dir(const char *name)
{
    struct stat st;

    return !stat(name, &st) && S_ISDIR(st.st_mode);
}

/* DIR[=TAG][,ro]: the tag is what follows the last '='. The names of directories that are there may
 * have all of these in them. */
static void add_share(struct options *o, const char *said, const char *val)
{
    char *dir = strdup(val), *comma = strrchr(dir, ','), *tag = NULL;
    bool read_only = comma && !strcmp(comma, ",ro") && !is_dir(dir);

    if (o->shares == PC_MAX_SHARES)
        die("%s %s: one directory too many; at most %d are shared", said, val, PC_MAX_SHARES);
    if (read_only)
        *comma = 0;
    if (!is_dir(dir) && (tag = strrchr(dir, '=')))
        *tag++ = 0;
    if (!*dir)
        die("%s: the directory's name is missing", said);
    if (tag && strchr(tag, ','))
        die("%s %s: what may follow a comma is ro", said, val);
    o->share[o->shares].dir = dir;
    o->share[o->shares].read_only = read_only;
    o->share[o->shares].tag = tag ? tag : last_name(said, dir);
    tag = (char *)o->share[o->shares].tag;
    if (!*tag || strlen(tag) > VIRTIO_FS_TAG)
        die("%s %s: a tag has 1 to %d bytes: say %s %s=TAG", said, val, VIRTIO_FS_TAG, said, dir);
    for (int i = 0; i < o->shares; i++)
        if (!strcmp(o->share[i].tag, tag))
            die("%s %s: %s has the tag %s already; say %s %s=TAG with another one", said, val,
                o->share[i].dir, tag, said, dir);
    o->shares++;
}

/* FILE[,ro][,snapshot]: the name may have commas of its own. */
static void add_disk(struct options *o, const char *said, const char *val)
{
    char *file = strdup(val), *comma;

    if (o->disks == PC_MAX_DISKS)
        die("%s %s: one disk too many; there are at most %d", said, val, PC_MAX_DISKS);
    while ((comma = strrchr(file, ','))) {
        if (!strcmp(comma, ",ro"))
            o->disk[o->disks].read_only = true;
        else if (!strcmp(comma, ",snapshot"))
            o->disk[o->disks].snapshot = true;
        else
            break;
        *comma = 0;
    }
    if (!*file)
        die("%s: the file's name is missing", said);
    if (comma && access(file, F_OK) < 0)
        die("%s %s: no such file, and what may follow a comma is ro or snapshot", said, file);
    o->disk[o->disks++].file = file;
}

/* Do words like these belong to --net? */
static bool is_net(const char *s)
{
    static const char *const keys[] = {"forward=", "mac=", "mtu=", "queues=", "tap="};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!strncmp(s, keys[i], strlen(keys[i])))
            return true;
    return false;
}

/* [udp:]ADDR:PORT:PORT; an ADDR of IPv6 may stand in brackets. */
static void add_forward(struct passt_options *net, const char *said, const char *val)
{
    struct passt_forward *f = &net->forward[net->forwards];
    char text[64], *addr = text, *inner, *outer;
    unsigned char binary[16];

    if (net->forwards++ == PASST_FORWARDS)
        die("%s forward=%s: one too many; a card has at most %d", said, val, PASST_FORWARDS);
    snprintf(f->said, sizeof(f->said), "%s", val);
    f->udp = !strncmp(val, "udp:", 4);
    snprintf(text, sizeof(text), "%s", val + (f->udp ? 4 : 0));
    inner = strrchr(text, ':');
    if (inner)
        *inner++ = 0;
    outer = inner ? strrchr(text, ':') : NULL;
    if (outer)
        *outer++ = 0;
    if (*addr == '[' && addr[strlen(addr) - 1] == ']') {
        addr[strlen(addr) - 1] = 0;
        addr++;
    }
    if (!outer || !isdigit((unsigned char)*outer) || !isdigit((unsigned char)*inner) ||
        (inet_pton(AF_INET, addr, binary) != 1 && inet_pton(AF_INET6, addr, binary) != 1))
        die("%s forward=%s: write [udp:]ADDR:PORT:PORT, as in 127.0.0.1:8022:22", said, val);
    int from = parse_number(said, outer), to = parse_number(said, inner);

    if (from < 1 || from > 65535 || to < 1 || to > 65535)
        die("%s forward=%s: ports are from 1 to 65535", said, val);
    snprintf(f->spec, sizeof(f->spec), "%s/%d:%d", addr, from, to);
}

static void parse_mac(uint8_t mac[6], const char *said, const char *val)
{
    unsigned b[6];
    int end = 0;

    if (sscanf(val, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) !=
            6 ||
        val[end] || b[0] & 1 || !(b[0] | b[1] | b[2] | b[3] | b[4] | b[5]))
        die("%s mac=%s: not a card's address; write one like 02:00:00:12:34:56", said, val);
    for (int i = 0; i < 6; i++)
        mac[i] = b[i];
}

static void set_queues(struct net_option *net, const char *said, int n)
{
    if (n < 1 || n > TAP_QUEUES)
        die("%s queues=%d: from 1 to %d", said, n, TAP_QUEUES);
    net->queues = n;
}

static void set_tap(struct net_option *net, const char *said, const char *name)
{
    if (!*name || strlen(name) > TAP_NAME)
        die("%s tap=%s: not the name of a device", said, name);
    net->tap = strdup(name);
}

/* One of the words of --net: a key, and what follows its =. */
static void parse_net(struct net_option *net, const char *said, const char *word, const char *is)
{
    char key[32];

    snprintf(key, sizeof(key), "%s %.*s", said, (int)(is - 1 - word), word);
    if (!strncmp(word, "forward", 7)) {
        add_forward(&net->passt, said, is);
    } else if (!strncmp(word, "mac", 3)) {
        parse_mac(net->passt.mac, said, is);
        net->has_mac = true;
    } else if (!strncmp(word, "mtu", 3)) {
        net->passt.mtu = parse_number(key, is);
        net->has_mtu = true;
    } else if (!strncmp(word, "queues", 6)) {
        set_queues(net, said, parse_number(key, is));
    } else {
        set_tap(net, said, is);
    }
}

/* KEY=VALUE,..., or NULL. */
static void add_net(struct options *o, const char *said, const char *val)
{
    struct net_option *net = &o->net[o->nets];
    char *copy = strdup(val ? val : ""), *text = copy, *word;

    if (o->nets == PC_MAX_NETS)
        die("%s: one network card too many; there are at most %d", said, PC_MAX_NETS);
    /* An address of no vendor's. */
    *net = (struct net_option){
        .passt = {.mac = {0x02, 0x6d, 0x76, 0, 0, ++o->nets}, .mtu = PASST_MTU}};
    while ((word = strsep(&text, ","))) {
        if (!*word)
            continue;
        if (!is_net(word))
            die("%s %s: what is %s? There are forward=[udp:]ADDR:PORT:PORT, mac=MAC, mtu=N, "
                "tap=NAME and queues=N",
                said, val, word);
        parse_net(net, said, word, strchr(word, '=') + 1);
    }
    if (net->tap && net->passt.forwards)
        die("%s tap=%s: forward= is passt's; what reaches a tap device is up to the host's network",
            said, net->tap);
    if (net->queues && !net->tap)
        die("%s queues=%d is of a tap device; passt has one", said, net->queues);
    int least = net->tap ? TAP_MTU_MIN : PASST_MTU_MIN;

    if (net->passt.mtu < least || net->passt.mtu > PASST_MTU)
        die("%s mtu=%d: from %d to %d", said, net->passt.mtu, least, PASST_MTU);
    free(copy);
}

/* CID=PATH */
static void set_vsock(struct options *o, const char *said, const char *val)
{
    const char *is = strchr(val, '=');
    char *end;

    errno = 0;
    unsigned long long cid = strtoull(val, &end, 10);

    if (!is || end != is || !isdigit((unsigned char)*val) || !is[1])
        die("%s %s: write CID=PATH, as in 3=/run/user/1000/vm3", said, val);
    if (errno || cid < VIRTIO_VSOCK_CID_MIN || cid > VIRTIO_VSOCK_CID_MAX)
        die("%s %s: a guest's CID is from %u to %u", said, val, VIRTIO_VSOCK_CID_MIN,
            VIRTIO_VSOCK_CID_MAX);
    if (o->vsock)
        die("%s %s: one too many; a guest has one CID", said, val);
    o->vsock = is + 1;
    o->vsock_cid = cid;
}

/* val is none of the words that the table allows. */
static _Noreturn void die_choice(const struct word *w, const char *val)
{
    char words[128] = "";

    if (!strcmp(w->opt->name, "cpu") && isdigit((unsigned char)*val))
        die("--cpu %s: for the number of CPUs say --cpus %s", val, val);
    for (const char *s = w->opt->value; *s; s++) {
        const char *text = *s != '|' ? (char[]){*s, 0} : strchr(s + 1, '|') ? ", " : " or ";

        strcat(words, text);
    }
    die("%s %s: %s", w->said, val, words);
}

static void store(struct options *o, const struct word *w, const char *val)
{
    const struct option *opt = w->opt;
    void *to = (char *)o + opt->offset;

    if (val && opt->value && !option_allows(opt, val))
        die_choice(w, val);
    switch (opt->kind) {
    case FLAG:
        *(bool *)to = true;
        break;
    case STRING:
        *(const char **)to = val;
        break;
    case SIZE:
        *(uint64_t *)to = parse_size(w->said, val);
        break;
    case NUMBER:
        *(int *)to = parse_number(w->said, val);
        break;
    case SECONDS:
        *(int64_t *)to = parse_seconds(w->said, val);
        break;
    case MODULE:
        add_module(o, val, opt->letter);
        break;
    case OPTIONAL:
        o->debugcon = true;
        o->debugcon_file = val;
        break;
    case PORT:
        *(int *)to = parse_port(w->said, val);
        break;
    case RANGE:
        if (o->dumps == DUMPS_MAX)
            die("%s %s: one range too many; at most %d are dumped", w->said, val, DUMPS_MAX);
        o->dump[o->dumps++] = dump_parse(val);
        break;
    case SHARE:
        add_share(o, w->said, val);
        break;
    case DISK:
        add_disk(o, w->said, val);
        break;
    case NET:
        add_net(o, w->said, val);
        break;
    case VSOCK:
        set_vsock(o, w->said, val);
        break;
    case OPERAND:
    case ALIAS:
        assert(!"the table gives no such row for an option");
    }
    o->said[opt - option_table] = w->said;
}

/* An option without its value; argv are the words behind it. The file that it takes may stand
 * among them. */
static _Noreturn void die_no_value(const struct word *w, char **argv)
{
    if (strcmp(w->opt->value, "FILE") == 0)
        for (; *argv && strcmp(*argv, "--"); argv++)
            if (**argv != '-' && is_program(*argv))
                die("%s needs a value: it takes the file, %s %s", w->said, w->said, *argv);
    die("%s needs a value: %s %s", w->said, w->said, w->opt->value);
}

/* One option at argv[i]; the index of its last word. */
static int parse_option(struct options *o, char **argv, int i)
{
    const char *val;
    struct word w = find(argv[i], &val);

    if (w.opt->kind == FLAG) {
        if (val)
            die("%s takes no value", w.said);
    } else if (!val && w.opt->kind == NET) {
        if (argv[i + 1] && is_net(argv[i + 1]))
            val = argv[++i];
    } else if (!val && w.opt->kind != OPTIONAL) {
        if (!argv[i + 1] || is_option(argv[i + 1]))
            die_no_value(&w, argv + i + 1);
        val = argv[++i];
    }
    store(o, &w, val);
    return i;
}

const char *options_said(const struct options *o, const char *name)
{
    return o->said[option_named(name, strlen(name)) - option_table];
}

const char *options_for_kernels(const struct options *o)
{
    for (size_t i = 0; i < option_count; i++)
        if (o->said[i] && option_table[i].kernels)
            return o->said[i];
    return o->command ? "-- COMMAND" : NULL;
}

static void add_guest(struct options *o, const char *name)
{
    if (o->guests == REALMODE_MAX)
        die("%s: one program too many; at most %d run at once", name, REALMODE_MAX);
    o->guest[o->guests++] = name;
}

/* A shell split --cmdline a b: the words from argv[first] on are no files, but belong to the
 * command line at argv[first - 1]. */
static _Noreturn void die_unquoted(const char *said, char **argv, int first)
{
    int end = first;
    char text[1024] = "";

    while (argv[end] && argv[end][0] != '-' && !is_program(argv[end]))
        end++;
    for (int i = first - 1; i < end && strlen(text) < sizeof(text) / 2; i++) {
        const char *word = argv[i];

        if (i == first - 1 && !strncmp(word, said, strlen(said)))
            word += strlen(said) + (word[strlen(said)] == '=');
        snprintf(text + strlen(text), sizeof(text) / 2, "%s%s", *text ? " " : "", word);
    }
    die("%s: no such file; if it is part of the command line, quote that: %s '%s'", argv[first],
        said, text);
}

/* Guests are named in one way. */
static void validate_kinds(const struct options *o)
{
    static const char *const kinds[] = {"kernel", "pmode", "long", "from"};
    const char *first = NULL;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *said = options_said(o, kinds[i]);

        if (first && said)
            die("%s and %s exclude each other", first, said);
        if (said)
            first = said;
    }
    if (!first && !o->guests)
        die("nothing to run; name a program or a kernel ('minivm help run')");
    if (o->from && o->guests)
        die("%s and --from exclude each other: the machine in %s has its guests", o->guest[0],
            o->from);
    if (o->kernel && o->guests)
        die("%s %s and %s exclude each other; an initramfs goes with --initrd", first, o->kernel,
            o->guest[0]);
}

/* The guests are one list, whose first one may be of another kind. */
static void join_guests(struct options *o)
{
    const char *first = o->pmode ? o->pmode : o->longmode;

    if (!first)
        return;
    memmove(o->guest + 1, o->guest, o->guests * sizeof(o->guest[0]));
    o->guest[0] = first;
    o->guests++;
}

/* A machine that goes on is as it was made. When it is reset, nobody loads its guests again. */
static void validate_from(struct options *o)
{
    static const char *const free[] = {"from",    "engine",   "timeout",  "debugcon",
                                       "symbols", "dump-mem", "verbose",  "stat",
                                       "split",   "name",     "no-reboot"};

    if (!o->from)
        return;
    for (size_t i = 0; i < option_count; i++) {
        bool may = !o->said[i];

        for (size_t j = 0; j < sizeof(free) / sizeof(free[0]) && !may; j++)
            may = !strcmp(option_table[i].name, free[j]);
        if (!may)
            die("%s: the machine in %s has its own", o->said[i], o->from);
    }
    if (o->command)
        die("-- %s: the machine in %s goes on with what it does, and takes no command",
            o->command[0], o->from);
    o->no_reboot = true;
}

/* A root is one of the shares, or the first of the disks. */
static void validate_root(struct options *o)
{
    if (!o->root_said)
        return;
    root_parse(&o->root, o->root_said, o->command);
    if (o->root.dir) {
        if (o->shares == PC_MAX_SHARES)
            die("--root %s: one directory too many; at most %d are shared", o->root_said,
                PC_MAX_SHARES);
        o->share[o->shares].dir = o->root.dir;
        o->share[o->shares].tag = ROOT_TAG;
        o->share[o->shares++].read_only = !o->root.write;
        return;
    }
    add_disk(o, "--root", o->root_said);

    typeof(o->disk[0]) root = o->disk[o->disks - 1];

    memmove(o->disk + 1, o->disk, (o->disks - 1) * sizeof(root));
    o->disk[0] = root;
}

static void validate(struct options *o)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    const char *mem = options_said(o, "mem");

    validate_kinds(o);
    validate_from(o);
    join_guests(o);
    validate_root(o);
    if (o->mem && o->mem < 1 << 20)
        die("%s: too little; a guest needs 1M at least, and says so when it needs more", mem);
    if (o->mem > host)
        die("%s %lluM: more than this host's %lluM", mem, (unsigned long long)(o->mem >> 20),
            (unsigned long long)(host >> 20));
    /* -p N is virtme-ng's number of CPUs. With --cmdline a number is a run level, or whatever. */
    if (*o->cmdline && !o->cmdline[strspn(o->cmdline, "0123456789")] &&
        !strcmp(options_said(o, "cmdline"), "-p"))
        die("-p %s: for the number of CPUs say --cpus %s; for a command line, --cmdline %s",
            o->cmdline, o->cmdline, o->cmdline);
    if (o->cpus < 1 || o->cpus > PC_MAX_CPUS)
        die("%s %d: from 1 to %d", options_said(o, "cpus"), o->cpus, PC_MAX_CPUS);
    if (!option_allows(option_named("engine", 6), o->engine))
        die("MINIVM_ENGINE=%s: auto, kvm or soft", o->engine);
    if (o->nested && !strcmp(o->cpu, "portable"))
        die("--nested: a portable CPU has no virtualisation; leave out --cpu portable");
    if (!strcmp(o->soft_clock, "instructions")) {
        if (!strcmp(o->engine, "kvm"))
            die("--soft-clock instructions: KVM does not count them; --engine soft does");
        if (o->cpus > 1 || o->guests > 1)
            die("--soft-clock instructions is for one guest with one CPU: several run side "
                "by side, in an order that no count tells");
    }
    if (o->nets && !strcmp(o->soft_clock, "instructions"))
        die("%s: what comes from a network comes at any time, so that no run repeats; leave out "
            "--soft-clock instructions",
            options_said(o, "net"));
    if (o->vsock && !strcmp(o->soft_clock, "instructions"))
        die("%s: what comes from sockets comes at any time, so that no run repeats; leave out "
            "--soft-clock instructions",
            options_said(o, "vsock"));
    if (o->nets && o->guests > 1)
        die("%s is for one guest", options_said(o, "net"));
    if (o->disks && o->guests > 1)
        die("%s is for one guest: several have none to share", options_said(o, "disk"));
    if (o->split && o->guests < 2 && !o->from)
        die("--split is for several programs");
    if (o->split && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        die("--split needs a terminal; without one each line begins with its guest's name");
    if (o->split && (o->verbose || (o->debugcon && !o->debugcon_file)) && isatty(STDERR_FILENO))
        die("--split: what --%s prints would overwrite the panes; add 2>FILE",
            o->verbose ? "verbose" : "debugcon");
}

void options_parse(struct options *o, int argc, char **argv)
{
    const char *cmdline =
        NULL; /* how --cmdline was given, while words that follow may belong to it */

    o->cmdline = "";
    o->cpus = 1;
    o->exit_port = PC_EXIT_PORT;
    o->engine = getenv("MINIVM_ENGINE");
    o->cpu = "host";
    o->soft_clock = "host";
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
        if (argv[i][0] == '-' && argv[i][1]) {
            const char *before = o->cmdline;

            i = parse_option(o, argv, i);
            cmdline = o->cmdline != before ? options_said(o, "cmdline") : NULL;
        } else {
            if (cmdline && !is_program(argv[i]))
                die_unquoted(cmdline, argv, i);
            cmdline = NULL;
            add_guest(o, argv[i]);
        }
    }
    validate(o);
    o->mem &= ~UINT64_C(0xfff);
}

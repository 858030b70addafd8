// SPDX-License-Identifier: MIT
/*
 * Snapshots: everything that the states say, and RAM.
 *
 * After: rename(2), "RENAME_EXCHANGE".
 *
 * Left out: a checksum of RAM, which would have to be read for it. It is as safe as other files
 * are; its length is looked at. States that a checksum covers are believed: whoever can write to a
 * snapshot could as well write to the programs that the machine runs.
 */
#define _GNU_SOURCE
#include "x86/snapshot.h"
#include "hw/device.h"
#include "hw/ram-file.h"
#include "x86/carry.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { /* versions of sections; those of chips are 1 */
    MACHINE_VERSION = 1,
    CPU_VERSION = 1,
    CHIP_VERSION = 1,
};

PLAIN_BEGIN
struct saved_machine {
    uint64_t ram;   /* bytes */
    uint64_t clock; /* ns */
    uint32_t cpus, guests;
    uint32_t tsc_khz;
    uint32_t disks, shares, nets, ports, vsock_cid; /* 0 for none */
    uint16_t exit_port;
    bool apic, portable, nested, instruction_clock;
    char engine[10];
};

struct saved_cpu {
    struct cpu_state state;
    int32_t status;
    bool exited;
    uint8_t crash; /* enum vcpu_stop */
    uint8_t spare[58];
};
PLAIN_END

__attribute__((format(printf, 2, 3))) static bool no(struct snapshot *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->problem, sizeof(s->problem), fmt, ap);
    va_end(ap);
    return false;
}

static struct saved_machine describe(const struct config *c)
{
    return (struct saved_machine){
        .ram = c->ram,
        .cpus = c->cpus,
        .guests = c->guests,
        .disks = c->disks,
        .shares = c->shares,
        .nets = c->nets,
        .ports = c->ports,
        .vsock_cid = c->vsock ? c->vsock_cid : 0,
        .exit_port = c->exit_port,
        .apic = c->apic,
        .portable = c->portable,
        .nested = c->nested,
        .instruction_clock = c->instruction_clock,
    };
}

/* ---- chips ---- */

struct visit {
    struct parts parts;
    struct snapshot *snapshot;
    const char *prefix; /* of their names */
    bool failed;
};

static void name_section(const struct visit *v, const char *name, char section[STATE_NAME + 1])
{
    int n = snprintf(section, STATE_NAME + 1, "%s%s", v->prefix, name);

    assert(n <= STATE_NAME);
    (void)n;
}

static void save_chip(struct parts *p, const char *name, struct device *d)
{
    struct visit *v = container_of(p, struct visit, parts);
    char section[STATE_NAME + 1];

    name_section(v, name, section);
    state_file_add(&v->snapshot->state, section, CHIP_VERSION, d->state, d->state_size);
}

static void load_chip(struct parts *p, const char *name, struct device *d)
{
    struct visit *v = container_of(p, struct visit, parts);
    char section[STATE_NAME + 1];

    name_section(v, name, section);
    v->failed = v->failed || !state_file_get(&v->snapshot->state, section, CHIP_VERSION, d->state,
                                             d->state_size);
}

static void restored(struct parts *p, const char *name, struct device *d)
{
    (void)p, (void)name;
    if (d->restored)
        d->restored(d);
}

/* Show all chips, those of each board and those that each CPU has of its own. False when one could
 * not be loaded. */
static bool visit(struct snapshot *s, struct machine *m,
                  void (*see)(struct parts *p, const char *name, struct device *d))
{
    char prefix[24];
    struct visit v = {.parts = {see}, .snapshot = s, .prefix = prefix};

    for (int i = 0; i < m->config.guests; i++) {
        snprintf(prefix, sizeof(prefix), "%d ", i);
        board_show(&m->board[i], &v.parts);
    }
    for (int i = 0; i < m->config.cpus; i++) {
        snprintf(prefix, sizeof(prefix), "cpu %d ", i);
        parts_show(&v.parts, "hypercall", -1, "", &m->vcpu[i].hypercall.dev);
    }
    return !v.failed;
}

/* ---- saving ---- */

static void add_states(struct snapshot *s, struct machine *m)
{
    struct saved_machine machine = describe(&m->config);

    machine.clock = clock_now(&m->clock);
    machine.tsc_khz = m->tsc_khz;
    strncpy(machine.engine, m->engine->name, sizeof(machine.engine) - 1);
    state_file_add(&s->state, "machine", MACHINE_VERSION, &machine, sizeof(machine));
    for (int i = 0; i < m->config.cpus; i++) {
        const struct vcpu *v = &m->vcpu[i];
        struct saved_cpu cpu = {
            .state = v->state, .status = v->status, .exited = v->exited, .crash = v->crash};
        char name[STATE_NAME + 1];

        snprintf(name, sizeof(name), "cpu %d", i);
        state_file_add(&s->state, name, CPU_VERSION, &cpu, sizeof(cpu));
    }
    visit(s, m, save_chip);
}

static int create(int dir, const char *name)
{
    return openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* Write the files. Returns an errno, 0 for success. */
static int write_files(struct snapshot *s, struct machine *m, int dir)
{
    int fd = create(dir, "ram");
    int error = fd < 0 ? errno : ram_save(&m->ram, fd);

    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    fd = create(dir, "state");
    error = fd < 0 ? errno : state_file_write(&s->state, fd);
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    return error;
}

static void remove_files(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        unlinkat(fd, "state", 0);
        unlinkat(fd, "ram", 0);
        close(fd);
    }
    rmdir(dir);
}

/* Is there a snapshot of ours, which may be replaced? */
static bool is_snapshot(const char *dir)
{
    struct snapshot old;
    bool is = snapshot_open(&old, dir);

    if (is)
        snapshot_close(&old);
    return is;
}

/* The directory `made` becomes `dir`. Returns an errno, 0 for success. */
static int put_in_place(const char *made, const char *dir)
{
    if (!rename(made, dir))
        return 0;
    int error = errno;

    if (!is_snapshot(dir))
        return error == ENOTEMPTY ? EEXIST : error;
    if (renameat2(AT_FDCWD, made, AT_FDCWD, dir, RENAME_EXCHANGE) < 0)
        return errno;
    remove_files(made);
    return 0;
}

bool snapshot_save(struct snapshot *s, struct machine *m, const char *dir)
{
    char *made;
    int fd, error = 0;

    /* An interrupt may have been on its way when they were. */
    calls_rest(m);
    machine_inspect(m);
    for (int i = 0; i < m->config.cpus; i++)
        if (!m->vcpu[i].exited && !m->vcpu[i].inspected)
            return no(s, "CPU %d has no state that could be saved", i);
    machine_level_tscs(m);
    add_states(s, m);
    if (asprintf(&made, "%s.XXXXXX", dir) < 0)
        return no(s, "%s", strerror(ENOMEM));
    fd = mkdtemp(made) ? open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    error = fd < 0 ? errno : write_files(s, m, fd);
    if (fd >= 0)
        close(fd);
    if (!error)
        error = put_in_place(made, dir);
    if (error)
        remove_files(made);
    free(made);
    return !error || no(s, "%s", error == EEXIST ? "there is something else" : strerror(error));
}

/* ---- making it again ---- */

bool snapshot_open(struct snapshot *s, const char *dir)
{
    *s = (struct snapshot){.dir = dir, .ram = -1};
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (at < 0)
        return no(s, "%s", strerror(errno));
    int fd = openat(at, "state", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        no(s, "no snapshot: state: %s", strerror(errno));
    else if (!state_file_read(&s->state, fd))
        no(s, "state: %s", s->state.problem);
    else if ((s->ram = openat(at, "ram", O_RDONLY | O_CLOEXEC)) < 0)
        no(s, "ram: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    close(at);
    if (s->ram < 0)
        state_file_free(&s->state);
    return s->ram >= 0;
}

static bool get(struct snapshot *s, const char *name, uint32_t version, void *data, size_t len)
{
    return state_file_get(&s->state, name, version, data, len) ||
           no(s, "state: %s", s->state.problem);
}

bool snapshot_config(struct snapshot *s, struct config *c)
{
    struct saved_machine machine;
    struct stat st;

    if (!get(s, "machine", MACHINE_VERSION, &machine, sizeof(machine)))
        return false;
    machine.engine[sizeof(machine.engine) - 1] = 0;
    if (fstat(s->ram, &st) < 0 || (uint64_t)st.st_size != machine.ram)
        return no(s, "damaged: ram has not the %llu bytes of the machine",
                  (unsigned long long)machine.ram);
    if (machine.cpus < 1 || machine.cpus > PC_MAX_CPUS)
        return no(s, "damaged: it has %u CPUs", machine.cpus);
    if (strcmp(machine.engine, kvm_engine.name) && strcmp(machine.engine, soft_engine.name))
        return no(s, "made by another minivm: its engine is one that this one has not");
    c->engine = strcmp(machine.engine, kvm_engine.name) ? &soft_engine : &kvm_engine;
    c->ram = machine.ram;
    c->cpus = machine.cpus;
    c->guests = machine.guests;
    c->exit_port = machine.exit_port;
    c->apic = machine.apic;
    c->portable = machine.portable;
    c->nested = machine.nested;
    c->instruction_clock = machine.instruction_clock;
    c->tsc_khz = machine.tsc_khz;
    return true;
}

static bool same_count(struct snapshot *s, const char *what, uint32_t saved, uint32_t now)
{
    return saved == now || no(s, "the machine has %u %s, and is given %u", saved, what, now);
}

static bool fits(struct snapshot *s, const struct saved_machine *saved, const struct machine *m)
{
    struct saved_machine now = describe(&m->config);

    if (!same_count(s, "disks", saved->disks, now.disks) ||
        !same_count(s, "shares", saved->shares, now.shares) ||
        !same_count(s, "network cards", saved->nets, now.nets) ||
        !same_count(s, "ports", saved->ports, now.ports) ||
        !same_count(s, "as vsock's CID", saved->vsock_cid, now.vsock_cid))
        return false;
    if (strcmp(saved->engine, m->engine->name) && !saved->portable)
        return no(s,
                  "the machine ran on engine %s, and is not portable (--cpu portable), so it "
                  "cannot go on with %s",
                  saved->engine, m->engine->name);
    return true;
}

/* Have the clock show a time in ns from now on. */
static void set_clock(struct machine *m, uint64_t ns)
{
    if (m->config.instruction_clock)
        m->leapt = ns - m->engine->instructions(&m->vcpu[0]);
    else
        m->epoch = clock_host(CLOCK_MONOTONIC) - ns;
}

bool snapshot_restore(struct snapshot *s, struct machine *m)
{
    struct saved_machine machine;

    if (!get(s, "machine", MACHINE_VERSION, &machine, sizeof(machine)) || !fits(s, &machine, m))
        return false;
    int error = ram_map(&m->ram, s->ram);

    if (error)
        return no(s, "ram: %s", strerror(error));
    set_clock(m, machine.clock);
    if (!visit(s, m, load_chip))
        return no(s, "state: %s", s->state.problem);
    visit(s, m, restored);
    m->running = 0;
    for (int i = 0; i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];
        struct saved_cpu cpu;
        char name[STATE_NAME + 1];

        snprintf(name, sizeof(name), "cpu %d", i);
        if (!get(s, name, CPU_VERSION, &cpu, sizeof(cpu)))
            return false;
        v->status = cpu.status;
        v->crash = cpu.crash;
        v->exited = cpu.exited;
        m->running += !cpu.exited;
        if (!v->exited)
            machine_set(v, &cpu.state);
    }
    return true;
}

void snapshot_close(struct snapshot *s)
{
    close(s->ram);
    state_file_free(&s->state);
}

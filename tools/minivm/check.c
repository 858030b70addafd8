// SPDX-License-Identifier: MIT
/*
 * minivm check: what each engine can do on this host, tried for real, and what to do about the
 * rest.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "tools/minivm/minivm.h"
#include "x86/kvm.h"
#include "x86/machine.h"
#include "x86/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIMIT_S = 5,   /* for one tiny guest */
    MIN_MIPS = 20, /* million instructions a second; less is an interpreter, too slow for Linux */
};

struct check {
    const struct engine *engine;
    bool quiet, failed; /* of this engine */
    bool mode_failed;   /* the device is there, but a guest did not run */
    struct machine machine;
    struct timer limit;
};

static void row(struct check *c, bool ok, const char *what, const char *detail)
{
    if (!c->quiet)
        printf("%-4s %s: %s%s%s\n", ok ? "ok" : "FAIL", c->engine->name, what, *detail ? ": " : "",
               detail);
    c->failed |= !ok;
}

static void no_put(struct console *console, const void *buf, size_t n)
{
    (void)console, (void)buf, (void)n;
}

static int no_get(struct console *console)
{
    (void)console;
    return CONSOLE_EMPTY;
}

static void time_is_up(struct timer *t)
{
    machine_stop(&container_of(t, struct check, limit)->machine, STOP_TIMEOUT);
}

/* What became of a tiny guest. */
struct outcome {
    const char *problem; /* in words; NULL when all went well */
    uint64_t ns;         /* how long it ran */
};

static struct outcome run_guest(struct check *c, enum probe_mode mode, bool apic)
{
    struct machine *m = &c->machine;
    struct console console = {.put = no_put, .get = no_get};
    struct config config = {
        .engine = c->engine, .ram = 2 << 20, .cpus = 1, .guests = 1, .apic = apic};
    struct outcome o = {0};
    struct cpu_state s;

    machine_build(m, &config, (struct console *[]){&console});
    clock_add(&m->clock, &c->limit, time_is_up);
    clock_arm(&m->clock, &c->limit, LIMIT_S * NS_PER_SECOND);
    probe_load(&m->ram, mode, &s);
    m->engine->set(&m->vcpu[0], &s);
    o.ns = clock_now(&m->clock);
    enum machine_stop stop = machine_run(m);
    const struct vcpu *v = &m->vcpu[0];

    if (stop == STOP_TIMEOUT)
        o.problem = "it never ended";
    else if (stop == STOP_SHUTDOWN || v->crash == VCPU_SHUTDOWN)
        o.problem = "triple fault";
    else if (stop != STOP_EXIT || v->crash == VCPU_FAILED)
        o.problem = "the engine gave up";
    else if (m->status != PROBE_STATUS)
        o.problem = "it computed a wrong result";
    o.ns = clock_now(&m->clock) - o.ns;
    if (m->stuck)
        o.problem = "it never ended, and cannot be interrupted";
    else
        machine_free(m);
    return o;
}

/* Run one tiny guest in a machine of its own, and that in a process of its own: a KVM that refuses
 * something ends the process. */
static struct outcome try_mode(struct check *c, enum probe_mode mode, bool apic)
{
    struct outcome *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        die("check: out of memory");
    *shared = (struct outcome){.problem = "the engine refuses it"};
    fflush(stdout);
    pid_t child = fork();

    if (child < 0)
        die("check: cannot start a process: %m");
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(EXIT_USAGE);
        *shared = run_guest(c, mode, apic);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    struct outcome o = *shared;

    munmap(shared, sizeof(*shared));
    return o;
}

static void check_modes(struct check *c)
{
    struct outcome o;

    for (enum probe_mode mode = PROBE_REAL; mode < PROBE_SPEED; mode++) {
        o = try_mode(c, mode, false);
        row(c, !o.problem, probe_name(mode), o.problem ? o.problem : "");
    }
    o = try_mode(c, PROBE_LONG, true);
    row(c, !o.problem, "local APIC", o.problem ? o.problem : "");
}

static void check_speed(struct check *c)
{
    char detail[128];
    struct outcome o = try_mode(c, PROBE_SPEED, false);
    uint64_t mips = o.problem ? 0 : PROBE_INSTRUCTIONS * UINT64_C(1000) / (o.ns ? o.ns : 1);

    bool fast = mips >= MIN_MIPS || c->engine == &soft_engine;

    snprintf(detail, sizeof(detail), "%llu million instructions a second%s",
             (unsigned long long)mips, fast ? "" : "; they are interpreted, not executed");
    row(c, fast && !o.problem, "speed", o.problem ? o.problem : detail);
}

static void check_device(struct check *c)
{
    char problem[512];
    int fd = kvm_device(problem, sizeof(problem));

    if (fd < 0) {
        row(c, false, problem, "");
        return;
    }
    row(c, true, "/dev/kvm", "");
    const char *missing = kvm_missing(fd);

    if (missing)
        row(c, false, "this KVM lacks", missing);
    close(fd);
}

/* Check an engine; true when it runs all that minivm boots. */
static bool check_engine(struct check *c, const struct engine *engine)
{
    c->engine = engine;
    c->failed = c->mode_failed = false;
    if (engine == &kvm_engine)
        check_device(c);
    if (!c->failed) {
        check_modes(c);
        if (!c->failed)
            check_speed(c);
        c->mode_failed = c->failed;
    }
    return !c->failed;
}

static void check_both(struct check *c)
{
    bool kvm = check_engine(c, &kvm_engine), stand_in = c->mode_failed;
    bool soft = check_engine(c, &soft_engine);

    c->failed = !kvm && !soft;
    if (c->quiet)
        return;
    if (kvm)
        puts("Everything that minivm boots runs here, with KVM.");
    else if (soft && stand_in)
        puts("Everything that minivm boots runs here, with engine soft: this KVM is a stand-in. "
             "For\n"
             "KVM's speed use a host whose processor offers VMX or SVM (a virtual machine: one "
             "with\n"
             "nesting).");
    else if (soft)
        puts("Everything that minivm boots runs here, with engine soft. KVM would be faster.");
}

int cmd_check(int argc, char **argv)
{
    struct check *c = calloc(1, sizeof(*c));
    const struct engine *only = NULL;

    assert(c);
    for (int i = 1; i < argc; i++) {
        const char *engine = NULL;

        if (!strncmp(argv[i], "--engine=", 9))
            engine = argv[i] + 9;
        else if (!strcmp(argv[i], "--engine") && i + 1 < argc)
            engine = argv[++i];
        else if (!strcmp(argv[i], "-q") || !strcmp(argv[i], "--quiet"))
            c->quiet = true;
        else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
            exit(cmd_help(1, (char *[]){"help"}));
        else
            die("check: unknown option %s; there are --quiet and --engine kvm|soft", argv[i]);
        if (!engine)
            continue;
        only = !strcmp(engine, "kvm") ? &kvm_engine : !strcmp(engine, "soft") ? &soft_engine : NULL;
        if (!only)
            die("check: --engine %s: kvm or soft", engine);
    }
    if (only)
        check_engine(c, only);
    else
        check_both(c);
    bool failed = c->failed;

    free(c);
    return failed;
}

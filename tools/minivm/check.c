// SPDX-License-Identifier: MIT
/*
 * minivm check: what this host's KVM can do, tried for real, and what to do about what it cannot.
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
    bool quiet, failed;
    bool mode_failed; /* the device is there, but a guest did not run */
    struct machine machine;
    struct timer limit;
};

static void row(struct check *c, bool ok, const char *what, const char *detail)
{
    if (!c->quiet)
        printf("%-4s %s%s%s\n", ok ? "ok" : "FAIL", what, *detail ? ": " : "", detail);
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

/* How a tiny guest fared. */
struct outcome {
    const char *problem; /* in words; NULL when all went well */
    uint64_t ns;         /* how long it ran */
};

static struct outcome run_guest(struct check *c, enum probe_mode mode, bool apic)
{
    struct machine *m = &c->machine;
    struct console console = {.put = no_put, .get = no_get};
    struct config config = {.engine = &kvm_engine, .ram = 2 << 20, .cpus = 1, .apic = apic};
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
        o.problem = "KVM gave up";
    else if (m->status != PROBE_STATUS)
        o.problem = "it computed a wrong result";
    o.ns = clock_now(&m->clock) - o.ns;
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
    *shared = (struct outcome){.problem = "KVM refuses it"};
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
    row(c, !o.problem, "local APIC in the kernel (split irqchip)", o.problem ? o.problem : "");
}

static void check_speed(struct check *c)
{
    char detail[128];
    struct outcome o = try_mode(c, PROBE_SPEED, false);
    uint64_t mips = o.problem ? 0 : PROBE_INSTRUCTIONS * UINT64_C(1000) / (o.ns ? o.ns : 1);

    snprintf(detail, sizeof(detail), "%llu million instructions a second%s",
             (unsigned long long)mips,
             mips < MIN_MIPS ? "; they are interpreted, not executed" : "");
    row(c, mips >= MIN_MIPS, "speed", o.problem ? o.problem : detail);
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

int cmd_check(int argc, char **argv)
{
    struct check *c = calloc(1, sizeof(*c));

    assert(c);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-q") || !strcmp(argv[i], "--quiet"))
            c->quiet = true;
        else
            die("check: unknown option %s; there is only --quiet", argv[i]);
    }
    check_device(c);
    if (!c->failed) {
        check_modes(c);
        if (!c->failed)
            check_speed(c);
        c->mode_failed = c->failed;
    }
    bool failed = c->failed;

    if (!c->quiet && !failed)
        puts("Everything that minivm boots runs here.");
    else if (!c->quiet && c->mode_failed)
        puts(
            "Linux guests do not run here. Use a host whose processor offers VMX or SVM (a virtual "
            "machine: one\nwith nesting), or put 'tools/kvmhost' before the command: slower, but "
            "complete.");
    free(c);
    return failed;
}

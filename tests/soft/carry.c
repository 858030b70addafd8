// SPDX-License-Identifier: MIT
/*
 * A guest is carried from one engine to the other and back again and again while it runs, and does
 * not notice. It is given, and answers, as by `minivm run`.
 *
 * usage: carry TIMES SOFT-US KVM-US SLOW-US ARGUMENT...
 *
 *     ARGUMENTs are those of `minivm run`. The machine begins on KVM, and is portable. It is
 * carried over when it has been on engine soft for SOFT-US microseconds or on KVM for KVM-US, each
 * time a little different; after TIMES times, for SLOW-US on either. The exit status is the
 * guest's, or 125.
 */
#include "hw/die.h"
#include "tests/unit/random.h"
#include "tools/minivm/ending.h"
#include "tools/minivm/load.h"
#include "tools/minivm/outlet.h"
#include "x86/carry.h"
#include "x86/kvm.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 10000
};

static struct engine kvm;
static struct machine machine;
static struct options options;
static struct load load;
static struct outlet outlet;
static struct timer soon, limit;
static struct still look;
static int times, carried, quick[2], slow;

/*
 * The emulator of tools/kvmhost takes a TSS that is busy, as every processor has its own, for
 * damaged when the ring changes, and stops. It is told another type.
 */
static bool set_idle_tss(struct vcpu *v, const struct cpu_state *s)
{
    static struct cpu_state idle;

    idle = *s;
    idle.tr.type &= ~2;
    return kvm_engine.set(v, &idle);
}

static void arm(void)
{
    bool soft = machine.engine == &soft_engine;
    uint64_t us = carried < times ? quick[soft] : slow;

    us = us / 2 + random64() % us;
    clock_arm(&machine.clock, &soon, clock_after(clock_now(&machine.clock), us * 1000));
}

static void looked(struct still *s)
{
    struct machine *m = &machine;

    if (!s->all || !machine_carry(m, m->engine == &soft_engine ? &kvm : &soft_engine)) {
        fprintf(stderr, "carry: a CPU does not stand still, or has no state: %s\n",
                m->vcpu[0].failure);
        _exit(125);
    }
    carried++;
    machine_release(m);
    arm();
}

static void take_off(struct timer *t)
{
    (void)t;
    if (!machine_stopping(&machine))
        machine_hold(&machine, &look, PATIENCE_MS);
}

static void time_is_up(struct timer *t)
{
    (void)t;
    machine_stop(&machine, STOP_TIMEOUT);
}

static void command(void *to, int key)
{
    (void)to, (void)key;
}

static void closed(void *to)
{
    (void)to;
}

static void build(void)
{
    struct config config = {.engine = &kvm,
                            .portable = true,
                            .exit_port = options.exit_port,
                            .ended = outlet_ended,
                            .ended_to = &outlet};
    struct console *console;

    load_config(&load, &config);
    outlet_init(&outlet, &options, load.is_linux, command, closed, NULL);
    console = outlet_console(&outlet, 0);
    machine_build(&machine, &config, &console);
    outlet_name(&outlet, &machine);
    load_guests(&load, &machine);
    outlet_start(&outlet, &machine);
}

int main(int argc, char **argv)
{
    struct machine *m = &machine;

    if (argc < 6)
        die("usage: carry TIMES SOFT-US KVM-US SLOW-US ARGUMENT...");
    kvm = kvm_engine;
    if (getenv("KVMHOST"))
        kvm.set = set_idle_tss;
    times = atoi(argv[1]);
    quick[1] = atoi(argv[2]);
    quick[0] = atoi(argv[3]);
    slow = atoi(argv[4]);
    options_parse(&options, argc - 4, argv + 4);
    load_open(&load, &options);
    build();
    if (options.command)
        serial8250_hold(&m->board[0].com1);
    look.ready = looked;
    clock_add(&m->clock, &soon, take_off);
    clock_add(&m->clock, &limit, time_is_up);
    if (options.timeout)
        clock_arm(&m->clock, &limit, options.timeout);
    arm();
    machine_run(m);
    struct ending ending = ending_of(m, &load, &options, -1);

    outlet_close(&outlet);
    terminal_finish(&outlet.terminal, WRITER_PATIENT);
    fprintf(stderr, "%scarry: %d times\n", ending.text, carried);
    for (int i = 0; i < m->config.cpus; i++)
        if (*m->vcpu[i].failure || m->vcpu[i].crash)
            cpu_print(&m->vcpu[i].state, stderr);
    _exit(ending_exit(&ending));
}

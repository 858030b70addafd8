// SPDX-License-Identifier: MIT
/*
 * Finds out that the guest sleeps for ever.
 */
#include "x86/doze.h"
#include "x86/machine.h"

/* The first and the longest interval of looks whether the guest sleeps for ever. */
#define FIRST_NS (NS_PER_SECOND / 8)
#define MAX_NS   (4 * NS_PER_SECOND)

/* The longest time in which a sleeping CPU answers; one that takes longer is not asleep. */
#define ANSWER_MS 100

/* Processor time of all vCPU threads. */
static uint64_t cpu_time(struct machine *m)
{
    uint64_t sum = 0;

    for (int i = 0; i < m->config.cpus; i++) {
        clockid_t clock;

        if (m->vcpu[i].started && !pthread_getcpuclockid(m->vcpu[i].thread, &clock))
            sum += clock_host(clock);
    }
    return sum;
}

static bool sleeps_for_ever(const struct vcpu *v)
{
    const struct cpu_state *s = &v->state;
    bool nmi = s->activity == CPU_HALTED && s->nmi_pending && !s->nmi_masked;

    return v->inspected && v->waiting && !(s->rflags & EFLAGS_IF) && !nmi;
}

static void looked(struct still *look)
{
    struct machine *m = container_of(look, struct machine, doze.look);
    bool all = true;

    machine_release(m);
    for (int i = 0; i < m->config.cpus; i++)
        all = all && sleeps_for_ever(&m->vcpu[i]);
    /* Two looks, between which the CPUs may run: one CPU may have been woken by another just when
     * it stood still. */
    if (all && m->doze.slept)
        machine_stop(m, STOP_HALTED);
    else if (all)
        clock_arm(&m->clock, &m->doze.timer, clock_after(clock_now(&m->clock), FIRST_NS / 8));
    m->doze.slept = all;
    m->doze.cpu_ns = cpu_time(m);
}

/*
 * With local APICs HLT stays in the engine, which does not report a guest that waits for nothing.
 * So look now and then, and only if no CPU has run since the last look: an idle Linux, which wakes
 * up now and then, is not disturbed. The interval doubles up to MAX_NS, so this costs next to
 * nothing, and a guest's end is seen within two intervals.
 */
static void doze(struct timer *t)
{
    struct machine *m = container_of(t, struct machine, doze.timer);
    uint64_t spent = cpu_time(m);

    if ((m->doze.slept || spent == m->doze.cpu_ns) && !board_wakes(&m->board[0]) &&
        !m->doze.look.pending)
        machine_hold(m, &m->doze.look, ANSWER_MS);
    m->doze.cpu_ns = spent;
    if (m->doze.ns < MAX_NS)
        m->doze.ns *= 2;
    clock_arm(&m->clock, t, clock_after(clock_now(&m->clock), m->doze.ns));
}

void doze_init(struct machine *m)
{
    clock_add(&m->clock, &m->doze.timer, doze);
    m->doze.look.ready = looked;
}

void doze_start(struct machine *m)
{
    m->doze.ns = FIRST_NS;
    m->doze.cpu_ns = UINT64_MAX;
    m->doze.slept = false;
    if (m->config.apic && !m->config.instruction_clock)
        clock_arm(&m->clock, &m->doze.timer, clock_after(clock_now(&m->clock), m->doze.ns));
}

void doze_end(struct machine *m)
{
    clock_arm(&m->clock, &m->doze.timer, CLOCK_NEVER);
}

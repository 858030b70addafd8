// SPDX-License-Identifier: MIT
/*
 * Standing still: every CPU and every worker has a door, where it looks whether it may go on.
 */
#define _GNU_SOURCE
#include "x86/still.h"
#include "x86/machine.h"

#include <assert.h>
#include <time.h>

/* How long a guest's reset waits for requests that the host's storage has. */
#define STORAGE_PATIENCE_S 30
#define QUIT_PATIENCE_S    1 /* and the user's wish to end */

/* How many CPUs and workers do not stand still. */
static int count_moving(const struct machine *m)
{
    int moving = 0;

    for (int i = 0; i < m->config.cpus; i++)
        moving += !vcpu_is_still(&m->vcpu[i]);
    for (struct worker *w = m->workers; w; w = w->next)
        moving += !worker_is_still(w);
    return moving;
}

static bool all_still(const struct machine *m)
{
    return count_moving(m) == 0;
}

/* A vCPU or a worker that comes to its door looks whether it may go on. */
static void close_doors(struct machine *m)
{
    __atomic_fetch_add(&m->holds, 1, __ATOMIC_SEQ_CST);
    for (struct worker *w = m->workers; w; w = w->next)
        worker_hold(w);
}

static void worker_came(void *to)
{
    struct machine *m = to;

    pthread_mutex_lock(&m->lock);
    machine_note_still(m);
    pthread_mutex_unlock(&m->lock);
}

void machine_add_worker(struct machine *m, struct worker *w)
{
    if (m->config.instruction_clock) {
        worker_init_in_line(w, &m->loop);
        return;
    }
    worker_init(w, m->holds, worker_came, m);
    w->next = m->workers;
    m->workers = w;
}

/* Have calmed() called at the first deadline, or at once. */
static void call_calm(struct machine *m, bool now)
{
    uint64_t next = now ? 1 : UINT64_MAX;

    for (const struct still *s = m->stills; s; s = s->next)
        if (s->deadline < next)
            next = s->deadline;
    event_set_timer(&m->calm, m->stills ? next : 0);
}

void machine_note_still(struct machine *m)
{
    pthread_cond_broadcast(&m->came);
    if (m->stills && all_still(m))
        call_calm(m, true);
}

void machine_inspect(struct machine *m)
{
    for (int i = 0; i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        if (v->exited)
            continue;
        v->inspected = vcpu_is_still(v) && m->engine->get(v, &v->state);
        if (v->asleep)
            v->state.activity = CPU_HALTED;
        v->waiting = v->inspected && v->state.activity != CPU_ACTIVE;
    }
}

static void calmed(struct watch *w)
{
    struct machine *m = container_of(w, struct machine, calm);
    bool all = all_still(m);
    struct still *due = NULL, **at = &m->stills;

    event_hush(w);
    while (*at) {
        struct still *s = *at;

        if (!all && s->deadline > clock_host(CLOCK_MONOTONIC)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->next = due;
        due = s;
    }
    call_calm(m, false);
    if (due)
        machine_inspect(m);
    while (due) {
        struct still *s = due;

        due = s->next;
        s->all = all;
        s->pending = false;
        s->ready(s);
    }
}

/* Call s->ready in time. */
static void await_still(struct machine *m, struct still *s, int ms)
{
    assert(!s->pending);
    s->pending = true;
    s->deadline = clock_host(CLOCK_MONOTONIC) + ms * (NS_PER_SECOND / 1000);
    s->next = m->stills;
    m->stills = s;
    call_calm(m, all_still(m));
}

void machine_hold(struct machine *m, struct still *s, int ms)
{
    close_doors(m);
    for (int i = 0; i < m->config.cpus; i++)
        if (!vcpu_is_still(&m->vcpu[i]))
            vcpu_rouse(&m->vcpu[i]);
    await_still(m, s, ms);
}

void machine_release(struct machine *m)
{
    assert(m->holds > 0);
    __atomic_fetch_sub(&m->holds, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < m->config.cpus; i++)
        pthread_cond_broadcast(&m->vcpu[i].wake);
    for (struct worker *w = m->workers; w; w = w->next)
        worker_release(w);
}

void machine_step(struct vcpu *v, struct still *s, int ms)
{
    assert(v->still && v->machine->holds > 0);
    v->step = true;
    v->still = false;
    pthread_cond_broadcast(&v->wake);
    await_still(v->machine, s, ms);
}

/* How long what does not stand still is waited for. A guest that resets itself finds its storage
 * ready, as on a PC; the user does not wait for that. */
static uint64_t patience(struct machine *m)
{
    bool cpus = true;

    for (int i = 0; i < m->config.cpus; i++)
        cpus = cpus && vcpu_is_still(&m->vcpu[i]);
    return NS_PER_SECOND * (cpus && stop_is_reset(m->stop)   ? STORAGE_PATIENCE_S
                            : cpus && stop_is_users(m->stop) ? QUIT_PATIENCE_S
                                                             : MACHINE_PATIENCE_S);
}

/* Lock the machine, or return false when it stays locked. */
static bool try_lock(struct machine *m, uint64_t deadline)
{
    struct timespec t = {deadline / NS_PER_SECOND, deadline % NS_PER_SECOND};

    return !pthread_mutex_clocklock(&m->lock, CLOCK_MONOTONIC, &t);
}

int still_assemble(struct machine *m)
{
    uint64_t began = clock_host(CLOCK_MONOTONIC), end = began + MACHINE_PATIENCE_S * NS_PER_SECOND;

    close_doors(m);
    bool locked = try_lock(m, end);

    if (locked)
        doze_end(m);
    for (int i = 0; locked && i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        console_release(v->console, true);
        if (!vcpu_is_still(v))
            vcpu_rouse(v);
    }
    while (locked && !all_still(m) && clock_host(CLOCK_MONOTONIC) < began + patience(m)) {
        uint64_t moment = clock_host(CLOCK_MONOTONIC) + NS_PER_SECOND / 10;
        struct timespec t = {moment / NS_PER_SECOND, moment % NS_PER_SECOND};

        pthread_cond_timedwait(&m->came, &m->lock, &t);
        pthread_mutex_unlock(&m->lock);
        event_hurry(&m->loop);
        locked = try_lock(m, end > moment ? end : moment);
    }
    int moving = count_moving(m);

    if (locked)
        pthread_mutex_unlock(&m->lock);
    return locked ? moving : moving + !moving;
}

void still_init(struct machine *m)
{
    event_timer(&m->calm, calmed);
    event_add(&m->loop, &m->calm);
}

// SPDX-License-Identifier: MIT
/*
 * The vCPU thread: run, and do what the engine came back for.
 */
#include "x86/vcpu.h"
#include "hw/die.h"
#include "x86/machine.h"

#include <string.h>

static bool is_own_thread(const struct vcpu *v)
{
    return v->started && pthread_equal(v->thread, pthread_self());
}

/* Make it look around, wherever it is. In its own thread it does so anyway, after each access. */
static void rouse(struct vcpu *v)
{
    if (is_own_thread(v))
        return;
    v->machine->engine->kick(v);
    pthread_cond_broadcast(&v->wake);
}

void vcpu_intr(void *to, int pin, bool level)
{
    struct vcpu *v = to;

    (void)pin;
    if (level == v->intr || v->exited)
        return;
    __atomic_store_n(&v->intr, level, __ATOMIC_RELEASE);
    if (level)
        rouse(v);
}

void vcpu_exit(struct vcpu *v, int status)
{
    struct machine *m = v->machine;

    if (v->exited)
        return;
    __atomic_store_n(&v->exited, true, __ATOMIC_RELEASE);
    v->status = status;
    rouse(v);
    v->started = false; /* nothing to kick any more */
    m->running--;
    if (m->config.ended)
        m->config.ended(m->config.ended_to, v);
    if (m->config.guests == 1 || m->running == 0) {
        m->status = status;
        machine_stop(m, STOP_EXIT);
    }
}

/* Leave the state where machine_inspect() looks for it. Machine lock held. */
static void show_state(struct vcpu *v, bool halted)
{
    if (!v->inspect)
        return;
    v->inspected = v->machine->engine->get(v, &v->state);
    v->waiting = halted;
    v->inspect = false;
    pthread_cond_broadcast(&v->wake);
}

/* The end of the guest, but not of the others that may run beside it. */
static void crash(struct vcpu *v, enum vcpu_stop how)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    v->inspected = m->engine->get(v, &v->state);
    v->crash = how;
    if (m->config.guests > 1) {
        vcpu_exit(v, EXIT_CRASH);
    } else {
        if (!machine_stopping(m))
            m->culprit = v;
        machine_stop(m, how == VCPU_SHUTDOWN ? STOP_SHUTDOWN : STOP_FAILED);
    }
    pthread_mutex_unlock(&m->lock);
}

/* HLT without a local APIC: sleep until INTR, or for good when interrupts are off. With one, HLT
 * stays in the engine, but for one that it knows to last for ever. */
static void wait_for_interrupt(struct vcpu *v)
{
    struct machine *m = v->machine;
    struct cpu_state s;

    if (!m->engine->get(v, &s)) {
        crash(v, VCPU_FAILED);
        return;
    }
    pthread_mutex_lock(&m->lock);
    if (m->config.apic) {
        v->state = s;
        v->waiting = v->inspected = true;
        machine_stop(m, STOP_HALTED);
    } else if (!(s.rflags & EFLAGS_IF)) {
        vcpu_exit(v, 0);
    }
    while (!v->intr && !v->exited && !machine_stopping(m)) {
        show_state(v, true);
        pthread_cond_wait(&v->wake, &m->lock);
    }
    pthread_mutex_unlock(&m->lock);
}

static void look_around(struct vcpu *v)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    if (v->inspect)
        show_state(v, m->engine->halted(v));
    pthread_mutex_unlock(&m->lock);
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    struct machine *m = v->machine;

    while (!machine_stopping(m) && !__atomic_load_n(&v->exited, __ATOMIC_ACQUIRE)) {
        enum vcpu_stop stop = m->engine->run(v);

        switch (stop) {
        case VCPU_KICKED:
            look_around(v);
            break;
        case VCPU_HALTED:
            wait_for_interrupt(v);
            break;
        case VCPU_STEPPED:
            break;
        case VCPU_SHUTDOWN:
        case VCPU_FAILED:
            crash(v, stop);
            break;
        }
    }
    return NULL;
}

void vcpu_start(struct vcpu *v)
{
    int error = event_thread(&v->thread, vcpu_main, v);

    v->started = !error;
    if (error)
        die("cannot start the thread of CPU %d: %s", v->index, strerror(error));
}

void vcpu_join(struct vcpu *v)
{
    pthread_join(v->thread, NULL);
}

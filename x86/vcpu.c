// SPDX-License-Identifier: MIT
/*
 * The vCPU thread: run, and do what the engine came back for.
 */
#include "x86/vcpu.h"
#include "hw/die.h"
#include "x86/machine.h"

static bool is_own_thread(const struct vcpu *v)
{
    return v->started && pthread_equal(v->thread, pthread_self());
}

/* Its own thread looks anyway, after each access. */
void vcpu_rouse(struct vcpu *v)
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
        vcpu_rouse(v);
}

void vcpu_exit(struct vcpu *v, int status)
{
    struct machine *m = v->machine;

    if (v->exited)
        return;
    __atomic_store_n(&v->exited, true, __ATOMIC_RELEASE);
    v->status = status;
    vcpu_rouse(v);
    v->started = false; /* nothing to kick any more */
    m->running--;
    if (m->config.ended)
        m->config.ended(m->config.ended_to, v);
    if (m->config.guests == 1 || m->running == 0) {
        m->status = status;
        machine_stop(m, STOP_EXIT);
    }
}

/* Wait before the guest while the machine stands still. Machine lock held. */
static void stand(struct vcpu *v)
{
    struct machine *m = v->machine;

    while (vcpu_wanted(v) && !v->step && !v->exited && !m->ended) {
        if (!v->still) {
            v->still = true;
            machine_note_still(m);
        }
        pthread_cond_wait(&v->wake, &m->lock);
    }
    v->still = false;
}

/* The end of this guest, but not of others beside it. */
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

/* HLT without a local APIC: sleep until INTR. With one, HLT stays in the engine. */
static void wait_for_interrupt(struct vcpu *v)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    v->asleep = true;
    v->stepping = false; /* HLT itself was the step */
    while (v->asleep && !v->intr && !v->exited && !m->ended) {
        v->step = false; /* there is nothing to step */
        if (vcpu_wanted(v))
            stand(v);
        else
            pthread_cond_wait(&v->wake, &m->lock);
    }
    v->asleep = false;
    pthread_mutex_unlock(&m->lock);
}

/* HLT that nothing will end: that is the guest's end, if it has no local APIC. */
static void end(struct vcpu *v)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    if (m->config.apic) {
        v->waiting = v->inspected = m->engine->get(v, &v->state);
        machine_stop(m, STOP_HALTED);
    } else {
        vcpu_exit(v, 0);
    }
    pthread_mutex_unlock(&m->lock);
}

/* False when the vCPU is not to go in any more. Machine lock held. */
static bool pass(struct vcpu *v)
{
    v->stepping = false;
    stand(v);
    v->stepping = v->step;
    v->step = false;
    v->asleep = false; /* a state that was set may have said so; the engine finds that by itself */
    return !v->exited && !v->machine->ended;
}

/* Go in, and do what the engine came back for. */
static void turn(struct vcpu *v)
{
    const struct engine *e = v->machine->engine;
    enum vcpu_stop stop = v->stepping ? e->step(v) : e->run(v);

    switch (stop) {
    case VCPU_KICKED:
    case VCPU_STEPPED:
        break;
    case VCPU_HALTED:
        wait_for_interrupt(v);
        break;
    case VCPU_ENDED:
        end(v);
        break;
    case VCPU_SHUTDOWN:
    case VCPU_FAILED:
        crash(v, stop);
        break;
    }
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    while (pass(v)) {
        pthread_mutex_unlock(&m->lock);
        turn(v);
        pthread_mutex_lock(&m->lock);
    }
    machine_note_still(m);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

int vcpu_start(struct vcpu *v)
{
    if (v->started)
        return 0;
    int error = event_thread(&v->thread, vcpu_main, v);

    if (!error)
        v->started = v->joins = true;
    return error;
}

void vcpu_join(struct vcpu *v)
{
    if (v->joins)
        pthread_join(v->thread, NULL);
    v->started = v->joins = false;
}

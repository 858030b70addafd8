// SPDX-License-Identifier: MIT
/*
 * The machine: RAM, boards, CPUs, the clock, and the lock that they share.
 */
#define _GNU_SOURCE
#include "x86/machine.h"
#include "hw/die.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* When the instruction clock reads 0: 2000-01-01, 0:00. */
#define INSTRUCTION_EPOCH 946684800

static uint64_t now(struct clock *c)
{
    return clock_host(CLOCK_MONOTONIC) - container_of(c, struct machine, clock)->epoch;
}

static int64_t calendar(struct clock *c, uint32_t *ns)
{
    uint64_t t = clock_host(CLOCK_REALTIME);

    (void)c;
    *ns = t % NS_PER_SECOND;
    return t / NS_PER_SECOND;
}

static uint64_t instruction_now(struct clock *c)
{
    struct machine *m = container_of(c, struct machine, clock);

    uint64_t t = clock_after(m->leapt, m->engine->instructions(&m->vcpu[0]));

    return t < CLOCK_NEVER ? t : CLOCK_NEVER - 1;
}

static int64_t instruction_calendar(struct clock *c, uint32_t *ns)
{
    uint64_t t = instruction_now(c);

    *ns = t % NS_PER_SECOND;
    return INSTRUCTION_EPOCH + t / NS_PER_SECOND;
}

/* A deadline may have come closer: let the CPU look. */
static void instruction_rearm(struct clock *c)
{
    struct machine *m = container_of(c, struct machine, clock);

    if (m->vcpu[0].started)
        m->engine->kick(&m->vcpu[0]);
}

uint64_t machine_turn_clock(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    while (clock_next(&m->clock) <= clock_now(&m->clock))
        clock_run(&m->clock);
    uint64_t next = clock_next(&m->clock);

    pthread_mutex_unlock(&m->lock);
    return next == CLOCK_NEVER ? UINT64_MAX : next - m->leapt;
}

bool machine_leap(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    uint64_t next = clock_next(&m->clock), now_ns = clock_now(&m->clock);

    if (next != CLOCK_NEVER && next > now_ns)
        m->leapt += next - now_ns;
    pthread_mutex_unlock(&m->lock);
    return next != CLOCK_NEVER;
}

/* Set the alarm to the clock's earliest deadline. */
static void rearm(struct clock *c)
{
    struct machine *m = container_of(c, struct machine, clock);
    uint64_t next = clock_next(c), now = clock_now(c), left = next > now ? next - now : 0;

    /* The host's clock may have begun after the machine's. */
    event_set_timer(&m->alarm,
                    next != CLOCK_NEVER ? clock_after(clock_host(CLOCK_MONOTONIC), left) : 0);
}

static void alarm_rang(struct watch *w)
{
    struct machine *m = container_of(w, struct machine, alarm);

    event_hush(w);
    clock_run(&m->clock);
    rearm(&m->clock);
}

static void start_clock(struct machine *m)
{
    m->clock = (struct clock){.now = now, .calendar = calendar, .rearm = rearm};
    if (m->config.instruction_clock)
        m->clock = (struct clock){
            .now = instruction_now, .calendar = instruction_calendar, .rearm = instruction_rearm};
    m->epoch = clock_host(CLOCK_MONOTONIC);
    event_timer(&m->alarm, alarm_rang);
    event_add(&m->loop, &m->alarm);
}

/* All CPUs as after power-on. */
static void power_on(struct machine *m)
{
    m->running = m->config.cpus;
    for (int i = 0; i < m->config.cpus; i++) {
        struct vcpu *v = &m->vcpu[i];
        struct cpu_state s;

        v->exited = v->asleep = v->inspected = false;
        v->crash = VCPU_KICKED;
        cpu_power_on(&s, m->config.apic ? i : 0);
        machine_set(v, &s);
        m->engine->clear_stat(v);
    }
}

void machine_start_engine(struct machine *m, const struct engine *engine)
{
    m->config.engine = m->engine = engine;
    engine->open(m);
    for (int i = 0; i < m->config.cpus; i++)
        engine->vcpu_init(&m->vcpu[i]);
    doorbells_move(m);
}

static void make_boards(struct machine *m, struct console *const *consoles)
{
    int guests = m->config.guests;

    m->board = calloc(guests, sizeof(*m->board));
    assert(m->board);
    for (int i = 0; i < guests; i++)
        board_build(&m->board[i], m, &m->vcpu[i], consoles[i]);
    for (int i = 0; i < m->config.cpus; i++) {
        int guest = guests > 1 ? i : 0;

        board_plug(&m->board[guest], &m->vcpu[i], consoles[guest]);
    }
}

void machine_build(struct machine *m, const struct config *c, struct console *const *consoles)
{
    pthread_condattr_t attr;

    assert(c->cpus >= 1 && c->cpus <= PC_MAX_CPUS);
    assert(c->guests == c->cpus || (c->guests == 1 && c->apic));
    assert(c->guests == 1 || !c->apic);
    memset(m, 0, sizeof(*m));
    m->config = *c;
    m->holds = 1;          /* until it runs */
    m->engine = c->engine; /* which the clock may ask */
    m->tsc_khz = c->tsc_khz;
    pthread_mutex_init(&m->lock, NULL);
    event_init(&m->loop, &m->lock);
    start_clock(m);
    still_init(m);
    doze_init(m);
    ram_init(&m->ram, c->ram);

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->came, &attr);
    m->vcpu = calloc(c->cpus, sizeof(*m->vcpu));
    assert(m->vcpu);
    for (int i = 0; i < c->cpus; i++) {
        struct vcpu *v = &m->vcpu[i];

        v->machine = m;
        v->index = i;
        snprintf(v->name, sizeof(v->name), "CPU %d", i);
        pthread_cond_init(&v->wake, &attr);
    }
    make_boards(m, consoles);
    machine_start_engine(m, c->engine);
    power_on(m);
}

void machine_use(struct machine *m, const struct engine *engine)
{
    calls_rest(m);
    m->engine->close(m);
    m->tsc_khz = m->config.tsc_khz;
    machine_start_engine(m, engine);
    power_on(m);
}

void machine_reset(struct machine *m)
{
    enum machine_stop old = m->stop;

    /* Another thread may just be stopping it for good. */
    if (stop_is_reset(old))
        __atomic_compare_exchange_n(&m->stop, &old, STOP_NONE, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
    /* A vCPU that has just called EXIT may still be on its way out. */
    for (int i = 0; i < m->config.cpus; i++)
        if (m->vcpu[i].exited)
            vcpu_join(&m->vcpu[i]);
    for (int i = 0; i < m->config.guests; i++)
        board_reset(&m->board[i]);
    for (int i = 0; i < m->config.cpus; i++)
        bus_reset(&m->vcpu[i].pio);
    ram_clear(&m->ram);
    power_on(m);
}

static void end_threads(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    m->ended = true;
    for (int i = 0; i < m->config.cpus; i++)
        pthread_cond_broadcast(&m->vcpu[i].wake);
    pthread_mutex_unlock(&m->lock);
    for (int i = 0; i < m->config.cpus; i++)
        vcpu_join(&m->vcpu[i]);
}

void machine_free(struct machine *m)
{
    assert(!m->stuck);
    end_threads(m);
    for (struct worker *w = m->workers; w; w = w->next)
        worker_free(w);
    for (int i = 0; i < m->config.guests; i++)
        devices_free(&m->board[i].devices);
    m->engine->close(m);
    ram_free(&m->ram);
    event_free(&m->loop);
    close(m->alarm.fd);
    close(m->calm.fd);
    free(m->board);
    free(m->vcpu);
}

/* Start those threads that do not run. Returns an errno, 0 for success. */
static int start_threads(struct machine *m)
{
    int error = 0;

    for (int i = 0; i < m->config.cpus && !error; i++)
        if (!m->vcpu[i].exited)
            error = vcpu_start(&m->vcpu[i]);
    for (struct worker *w = m->workers; w && !error; w = w->next)
        error = worker_start(w);
    return error;
}

enum machine_stop machine_run(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    int error = start_threads(m);

    if (error && !m->began)
        die("cannot start the threads of CPUs and devices: %s", strerror(error));
    if (error)
        machine_fail(m, "cannot start a thread: %s", strerror(error));
    m->began = true;
    for (int i = 0; i < m->config.cpus; i++)
        console_release(m->vcpu[i].console, false);
    doze_start(m);
    machine_release(m);
    pthread_mutex_unlock(&m->lock);

    while (!machine_stopping(m))
        event_run(&m->loop);
    m->stuck = still_assemble(m);
    return m->stop;
}

/* May the machine's reason to stop be replaced by another? A reset is not the end, but the user's
 * wish is. */
static bool gives_way(enum machine_stop old, enum machine_stop why)
{
    if (stop_is_reset(old))
        return stop_is_users(why);
    return old == STOP_NONE;
}

void machine_stop(struct machine *m, enum machine_stop why)
{
    enum machine_stop old = __atomic_load_n(&m->stop, __ATOMIC_ACQUIRE);

    while (gives_way(old, why) && !__atomic_compare_exchange_n(&m->stop, &old, why, false,
                                                               __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
        ;
    event_stop(&m->loop);
}

void machine_fail(struct machine *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!*m->failure && !machine_stopping(m))
        vsnprintf(m->failure, sizeof(m->failure), fmt, ap);
    va_end(ap);
    machine_stop(m, STOP_FAILED);
}

void machine_set(struct vcpu *v, const struct cpu_state *s)
{
    struct machine *m = v->machine;

    v->asleep = s->activity == CPU_HALTED && !m->config.apic;
    if (m->engine->set(v, s))
        return;
    if (!m->began)
        die("CPU %d cannot start (%s): %s; 'minivm check' says more", v->index, cpu_mode(s),
            v->failure);
    m->culprit = v;
    v->crash = VCPU_FAILED;
    machine_stop(m, STOP_FAILED);
}

uint64_t machine_read(struct vcpu *v, struct bus *b, uint64_t addr, int size)
{
    struct machine *m = v->machine;

    pthread_mutex_lock(&m->lock);
    uint64_t val = bus_read(b, addr, size);

    pthread_mutex_unlock(&m->lock);
    return val;
}

/* Wait, as modern drivers do themselves, until the device is as after power-on; its storage may
 * hang. The CPU does not stand still until then, and nor does the device's worker. */
static void await_reset(struct machine *m, const struct virtio *d)
{
    while (virtio_is_resetting(d) && !machine_stopping(m))
        usleep(1000);
}

void machine_write(struct vcpu *v, struct bus *b, uint64_t addr, int size, uint64_t val)
{
    struct machine *m = v->machine;

    if (size == 2 && doorbell_ring(&m->doorbells, b == &v->pio, addr, val))
        return;
    pthread_mutex_lock(&m->lock);
    bus_write(b, addr, size, val);
    const struct virtio *resetting = m->resetting;

    m->resetting = NULL;
    pthread_mutex_unlock(&m->lock);
    if (resetting)
        await_reset(m, resetting);
}

int machine_ack(struct vcpu *v)
{
    struct machine *m = v->machine;
    int vector = -1;

    pthread_mutex_lock(&m->lock);
    if (v->intr)
        vector = pic_ack(&v->board->pic);
    pthread_mutex_unlock(&m->lock);
    return vector;
}

void machine_eoi(struct machine *m, int vector)
{
    pthread_mutex_lock(&m->lock);
    ioapic_eoi(&m->board[0].ioapic, vector);
    pthread_mutex_unlock(&m->lock);
}

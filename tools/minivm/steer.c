// SPDX-License-Identifier: MIT
/*
 * What the user wants.
 *
 * After: signalfd(2).
 */
#define _GNU_SOURCE
#include "tools/minivm/steer.h"
#include "hw/die.h"
#include "tools/minivm/option.h"
#include "tools/minivm/report.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_MS 500 /* for the CPUs to stand still, to be looked at */

/* How much longer than the time limit it may take to end for it: a look, and as long to get there.
 */
#define GRACE_NS (2 * LOOK_MS * (NS_PER_SECOND / 1000))

/* How long storage may delay an end that the user did not ask for. */
#define STORAGE_NS (30 * NS_PER_SECOND)

/* How long a reader may delay an end that the user asked for. */
#define MOMENT_NS (NS_PER_SECOND / 2)

void steer_hold(struct steer *s, struct still *still, int ms)
{
    for (int i = 0; i < s->machine->config.cpus; i++)
        console_release(s->machine->vcpu[i].console, true);
    machine_hold(s->machine, still, ms);
}

void steer_release(struct steer *s)
{
    for (int i = 0; i < s->machine->config.cpus; i++)
        console_release(s->machine->vcpu[i].console, false);
    machine_release(s->machine);
}

/* The CPUs stand still: return where they are or what is in their registers, in words that the
 * caller frees, and let them go on. */
static char *looked(struct steer *s, bool registers)
{
    struct terminal *t = s->options->split ? NULL : &s->outlet->terminal;
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    if (registers)
        report_registers(s->machine, f);
    else
        report_where(s->machine, t, s->symbols, f);
    fclose(f);
    steer_release(s);
    return text;
}

static void say_look(struct still *look)
{
    struct steer *s = container_of(look, struct steer, look);
    char *text = looked(s, s->registers);

    outlet_say(s->outlet, text);
    free(text);
}

static void say_help(struct steer *s)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    fputc('\n', f);
    print_keys(f, "Ctrl-A %s  %s\n", s->outlet->guests > 1, s->outlet->split);
    fclose(f);
    outlet_say(s->outlet, text);
    free(text);
}

static void stop(struct steer *s, enum machine_stop why)
{
    machine_stop(s->machine, why);
    outlet_dismiss(s->outlet);
}

static void stop_by_signal(struct steer *s, int sig)
{
    __atomic_store_n(&s->machine->signal, sig, __ATOMIC_RELEASE);
    stop(s, STOP_SIGNAL);
}

bool steer_at_once(void *to, int key)
{
    if (key == 'x')
        stop(to, STOP_QUIT);
    return key == 'x';
}

void steer_command(void *to, int key)
{
    struct steer *s = to;

    if (outlet_key(s->outlet, key))
        return;
    switch (key) {
    case 'b':
        terminal_type(&s->outlet->terminal, CONSOLE_BREAK);
        break;
    case 'd':
    case 'r':
        if (s->look.pending)
            break;
        s->registers = key == 'r';
        steer_hold(s, &s->look, LOOK_MS);
        break;
    case 'h':
    case '?':
        say_help(s);
        break;
    }
}

/* Nothing can be written any more: end as other programs of a pipeline do. */
void steer_closed(void *to)
{
    stop_by_signal(to, SIGPIPE);
}

/* A signal that ends minivm. Whoever keeps the machine's lock must not delay it, so it is not held
 * here. */
static void ended(struct watch *w)
{
    struct signalfd_siginfo info;

    while (read(w->fd, &info, sizeof(info)) == sizeof(info))
        stop_by_signal(container_of(w, struct steer, ends), info.ssi_signo);
}

static void signalled(struct watch *w)
{
    struct steer *s = container_of(w, struct steer, signals);
    struct signalfd_siginfo info;

    while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTSTP:
            outlet_suspend(s->outlet);
            raise(SIGSTOP);
            outlet_resume(s->outlet);
            break;
        case SIGCONT:
            outlet_resume(s->outlet);
            break;
        case SIGWINCH:
            outlet_resize(s->outlet);
            break;
        }
    }
}

static void keep_look(struct still *look)
{
    struct steer *s = container_of(look, struct steer, last_look);

    s->where = looked(s, false);
    stop(s, STOP_TIMEOUT);
}

static void timed_out(struct watch *w)
{
    struct steer *s = container_of(w, struct steer, timeout);

    event_hush(w);
    if (terminal_ready(&s->outlet->terminal))
        steer_hold(s, &s->last_look, LOOK_MS);
    else
        stop(s, STOP_TIMEOUT);
}

/* Time was up a while ago: timed_out() waits for the machine's lock, or for the CPUs, in vain. */
static void limit_reached(struct watch *w)
{
    event_hush(w);
    stop(container_of(w, struct steer, limit), STOP_TIMEOUT);
}

/* The signals that the main thread takes as events: those that end minivm, which come first, and
 * others. Ignored ones (nohup) stay ignored. */
static const int taken[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH};
enum {
    ENDS = 4,
    ALL = sizeof(taken) / sizeof(taken[0])
};

static sigset_t taken_signals(int from, int to)
{
    sigset_t set;

    sigemptyset(&set);
    for (int i = from; i < to; i++) {
        struct sigaction sa;

        sigaction(taken[i], NULL, &sa);
        if (sa.sa_handler != SIG_IGN)
            sigaddset(&set, taken[i]);
    }
    return set;
}

static void watch(struct steer *s, struct watch *w, int fd, void (*ready)(struct watch *w),
                  bool urgent)
{
    if (fd < 0)
        die("cannot watch signals: %m");
    *w = (struct watch){.fd = fd, .ready = ready, .urgent = urgent};
    event_add(&s->machine->loop, w);
}

/* Watch a timer that rings in so many ns from the beginning. */
static void watch_time(struct steer *s, struct watch *w, uint64_t ns,
                       void (*ready)(struct watch *w), bool urgent)
{
    event_timer(w, ready);
    w->urgent = urgent;
    event_add(&s->machine->loop, w);
    event_set_timer(w, clock_after(ns, s->began));
}

void steer_start(struct steer *s)
{
    uint64_t ns = s->options->timeout;
    sigset_t all = taken_signals(0, ALL), ends = taken_signals(0, ENDS),
             others = taken_signals(ENDS, ALL);

    pthread_sigmask(SIG_BLOCK, &all, NULL);
    watch(s, &s->ends, signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), ended, true);
    watch(s, &s->signals, signalfd(-1, &others, SFD_CLOEXEC | SFD_NONBLOCK), signalled, false);
    s->look.ready = say_look;
    s->last_look.ready = keep_look;
    s->began = clock_host(CLOCK_MONOTONIC);
    if (!ns)
        return;
    watch_time(s, &s->timeout, ns, timed_out, false);
    watch_time(s, &s->limit, clock_after(ns, GRACE_NS), limit_reached, true);
}

void steer_free_signals(void)
{
    sigset_t all = taken_signals(0, ALL);

    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}

uint64_t steer_soon(void)
{
    return clock_host(CLOCK_MONOTONIC) + MOMENT_NS;
}

uint64_t steer_deadline(const struct steer *s)
{
    uint64_t soon = steer_soon(), end = s->began + s->options->timeout;

    if (!s->options->timeout)
        return WRITER_PATIENT;
    return end > soon ? end : soon;
}

uint64_t steer_storage(const struct steer *s)
{
    uint64_t end = steer_deadline(s), most = clock_host(CLOCK_MONOTONIC) + STORAGE_NS;

    return end < most ? end : most;
}

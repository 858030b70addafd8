// SPDX-License-Identifier: MIT
/*
 * How a run ended.
 */
#include "tools/minivm/ending.h"
#include "boot/linux.h"
#include "hw/die.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ending_say(struct ending *e, const char *fmt, ...)
{
    size_t n = strlen(e->text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->text + n, sizeof(e->text) - n, fmt, ap);
    va_end(ap);
}

/* The guests' status: EXIT_CRASH when one crashed, else the first that is not 0. */
static int guests_status(const struct machine *m)
{
    int status = 0;

    if (m->config.guests == 1)
        return m->status;
    for (int i = 0; i < m->config.cpus; i++) {
        if (m->vcpu[i].crash != VCPU_KICKED)
            return EXIT_CRASH;
        if (!status)
            status = m->vcpu[i].status;
    }
    return status;
}

/* The guest ended without a status of its own, and perhaps before a command could give one. */
static void end_without_status(struct ending *e, const struct options *o, const char *how, int told)
{
    if (!o->command)
        return;
    if (told >= 0) {
        e->why = ENDING_EXIT;
        e->status = told;
        return;
    }
    ending_say(e, "minivm: the guest %s before '%s' ended\n", how, o->command[0]);
    e->status = EXIT_CRASH;
}

/* Why the guest reset the machine: it may have said by pvpanic that it panicked, or Linux left a
 * trace in memory. */
static enum linux_end verdict(const struct machine *m, const struct load *l)
{
    if (pvpanic_is(&m->board[0].pvpanic))
        return LINUX_PANICKED;
    if (l->is_linux)
        return linux_verdict(&m->ram, l->cmdline);
    return m->stop == STOP_RESET ? LINUX_REBOOTED : LINUX_CRASHED;
}

/* The machine stopped by a reset, or by a triple fault, by which a guest may ask for a reset. */
static void end_of_reset(struct ending *e, const struct machine *m, const struct load *l,
                         const struct options *o, int told)
{
    enum linux_end how = verdict(m, l);

    if (how == LINUX_PANICKED) {
        e->why = ENDING_PANICKED;
        e->status = EXIT_CRASH;
        ending_say(e, "minivm: the guest's kernel panicked\n");
    } else if (how == LINUX_CRASHED && m->stop == STOP_SHUTDOWN) {
        e->why = ENDING_CRASHED;
        e->status = EXIT_CRASH;
    } else {
        e->why = ENDING_REBOOTED;
        end_without_status(e, o, "rebooted", told);
    }
}

struct ending ending_of(const struct machine *m, const struct load *l, const struct options *o,
                        int told)
{
    struct ending e = {.why = ENDING_EXIT};

    switch (m->stop) {
    case STOP_EXIT:
        e.status = guests_status(m);
        break;
    case STOP_POWEROFF:
        end_without_status(&e, o, "switched off", told);
        break;
    case STOP_SHUTDOWN:
    case STOP_RESET:
        end_of_reset(&e, m, l, o, told);
        break;
    case STOP_FAILED:
        e = (struct ending){ENDING_CRASHED, EXIT_CRASH, ""};
        break;
    case STOP_HALTED:
        e = (struct ending){ENDING_HALTED, EXIT_CRASH,
                            "minivm: the guest sleeps for ever: every CPU is halted with "
                            "interrupts off\n"};
        break;
    case STOP_TIMEOUT:
        e = (struct ending){ENDING_TIMEOUT, EXIT_TIMEOUT, ""};
        ending_say(&e, "minivm: time is up after %g s (--timeout)\n", o->timeout / 1e9);
        break;
    case STOP_QUIT:
        e = (struct ending){ENDING_QUIT, o->command ? 128 + SIGINT : 0, ""};
        break;
    case STOP_SIGNAL:
        e = (struct ending){ENDING_SIGNAL, m->signal, ""};
        break;
    case STOP_NONE:
        assert(!"a machine stops for a reason");
    }
    if (*m->failure)
        ending_say(&e, "minivm: %s\n", m->failure);
    return e;
}

bool ending_is_forced(const struct ending *e)
{
    return e->why == ENDING_TIMEOUT || e->why == ENDING_QUIT || e->why == ENDING_SIGNAL;
}

bool ending_goes_on(const struct ending *e, const struct options *o)
{
    return e->why == ENDING_REBOOTED && !o->no_reboot && !o->command;
}

void ending_output(struct ending *e, const char *name, int error)
{
    if (!error || (e->why == ENDING_SIGNAL && e->status != SIGPIPE))
        return;
    if (error == EPIPE) {
        e->why = ENDING_SIGNAL;
        e->status = SIGPIPE;
        return;
    }
    e->why = ENDING_OUTPUT;
    e->status = EXIT_USAGE;
    ending_say(e, "minivm: %s: %s\n", name, strerror(error));
}

int ending_exit(const struct ending *e)
{
    sigset_t set;

    if (e->why != ENDING_SIGNAL)
        return e->status;
    sigemptyset(&set);
    sigaddset(&set, e->status);
    signal(e->status, SIG_DFL);
    raise(e->status);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return 128 + e->status;
}

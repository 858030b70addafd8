/* SPDX-License-Identifier: MIT */
/*
 * How a run ended: why, what to say about it, and minivm's exit status.
 */
#ifndef TOOLS_MINIVM_ENDING_H
#define TOOLS_MINIVM_ENDING_H

#include "tools/minivm/load.h"
#include "tools/minivm/minivm.h"
#include "x86/machine.h"

struct ending {
    enum ending_why {
        ENDING_EXIT,     /* the guests gave their statuses, or switched the machine off */
        ENDING_REBOOTED, /* on purpose */
        ENDING_PANICKED, /* a Linux that gave up and said so */
        ENDING_CRASHED,  /* machine.culprit, or a triple fault */
        ENDING_HALTED,   /* it sleeps for ever */
        ENDING_TIMEOUT,
        ENDING_QUIT,
        ENDING_SIGNAL,
        ENDING_OUTPUT, /* minivm's output could not be written */
    } why;
    int status;     /* minivm's; of ENDING_SIGNAL the signal */
    char text[512]; /* for stderr: lines, or "" */
};

/* How the machine, which has stopped, ended what was loaded into it. told is the status that the
 * command's port has told, or -1. */
struct ending ending_of(const struct machine *m, const struct load *l, const struct options *o,
                        int told);

/* Did the user end it, and not the guest? */
bool ending_is_forced(const struct ending *e);

/* Is the guest to be started again? */
bool ending_goes_on(const struct ending *e, const struct options *o);

/* The output called name could not be written, with this errno: this becomes the ending, unless a
 * signal was. Where nobody reads (EPIPE) minivm ends as any program of a pipeline does. */
void ending_output(struct ending *e, const char *name, int error);

/* Add to what is said. */
void ending_say(struct ending *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The status to exit with; of a signal, by that signal. */
int ending_exit(const struct ending *e);

#endif

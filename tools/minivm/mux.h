/* SPDX-License-Identifier: MIT */
/*
 * One terminal for several guests: each has a console of its own, whose output goes to a common
 * place that tells them apart (tools/minivm/lines, tools/minivm/panes), and what is typed goes to
 * the guest in focus.
 *
 * The focus starts with guest 0 and leaves a guest that has ended for the next one that has not;
 * bytes that wait for the guest in focus then wait for that one. So with the end of input: it hangs
 * up on the guest in focus, and on another when it gets the focus.
 *
 * Everything here is called with the machine locked, in any thread, unless it says otherwise.
 */
#ifndef TOOLS_MINIVM_MUX_H
#define TOOLS_MINIVM_MUX_H

#include "hw/console.h"

#include <stdbool.h>
#include <stddef.h>

#define MUX_MAX 16 /* guests */

/* The place where the output of several guests goes. */
struct mux_output {
    /* Guest n wrote something. */
    void (*put)(struct mux_output *o, int n, const void *buf, size_t len);

    /* Guest n has ended; how says it in a few words ("status 0", "crashed"). */
    void (*ended)(struct mux_output *o, int n, const char *how);

    /* The focus has moved to guest n. May be NULL. */
    void (*focus)(struct mux_output *o, int n);

    /* As console.wait: let a fast guest wait for a slow reader. Machine not locked. May be NULL. */
    void (*wait)(struct mux_output *o);

    /* As console.release: the machine stops or runs again. Any thread. May be NULL. */
    void (*release)(struct mux_output *o, bool released);
};

struct mux {
    struct console *terminal; /* where input comes from */
    struct mux_output *output;
    int n, focus;
    struct mux_guest {
        struct console console;
        struct mux *mux;
        bool ended;
    } guest[MUX_MAX];
};

/* Make n consoles, 1 to MUX_MAX. terminal gives the input, tells the mux of it (terminal->arrived),
 * and is told of release(). */
void mux_init(struct mux *x, struct console *terminal, struct mux_output *output, int n);

/* The console of guest n. */
struct console *mux_console(struct mux *x, int n);

/* Guest n ended, how in a few words. Its console may be written to no more. */
void mux_ended(struct mux *x, int n, const char *how);

/* Give the focus to the next guest that has not ended, if there is one. */
void mux_next(struct mux *x);

#endif

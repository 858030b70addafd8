// SPDX-License-Identifier: MIT
/*
 * One terminal for several guests.
 *
 * The end of input hangs up only on the guest in focus: nobody has spoken to the others. When the
 * focus comes to another one, its chip is told to look for input and for a hang-up.
 *
 * Left out: taking back what a chip has fetched when the focus moves. That is at most a FIFO, and
 * the user meant it for that guest.
 */
#include "tools/minivm/mux.h"
#include "hw/device.h"

#include <assert.h>

static bool in_focus(const struct mux_guest *g)
{
    return g == &g->mux->guest[g->mux->focus];
}

static void put(struct console *c, const void *buf, size_t n)
{
    struct mux_guest *g = container_of(c, struct mux_guest, console);
    struct mux *x = g->mux;

    x->output->put(x->output, (int)(g - x->guest), buf, n);
}

static int get(struct console *c)
{
    struct mux_guest *g = container_of(c, struct mux_guest, console);

    return in_focus(g) ? console_get(g->mux->terminal) : CONSOLE_EMPTY;
}

static bool ended(struct console *c)
{
    struct mux_guest *g = container_of(c, struct mux_guest, console);

    return in_focus(g) && console_ended(g->mux->terminal);
}

static void wait_for_reader(struct console *c)
{
    struct mux_output *o = container_of(c, struct mux_guest, console)->mux->output;

    if (o->wait)
        o->wait(o);
}

static void release(struct console *c, bool released)
{
    struct mux *x = container_of(c, struct mux_guest, console)->mux;

    console_release(x->terminal, released);
    if (x->output->release)
        x->output->release(x->output, released);
}

/* Something came to the terminal. */
static void arrived(void *to)
{
    struct mux *x = to;
    struct console *c = &x->guest[x->focus].console;

    if (c->arrived)
        c->arrived(c->to);
}

void mux_init(struct mux *x, struct console *terminal, struct mux_output *output, int n)
{
    assert(n > 0 && n <= MUX_MAX);
    *x = (struct mux){.terminal = terminal, .output = output, .n = n};
    for (int i = 0; i < n; i++)
        x->guest[i] = (struct mux_guest){
            .console = {.put = put,
                        .get = get,
                        .ended = ended,
                        .wait = wait_for_reader,
                        .release = release},
            .mux = x,
        };
    terminal->arrived = arrived;
    terminal->to = x;
}

struct console *mux_console(struct mux *x, int n)
{
    assert(n >= 0 && n < x->n);
    return &x->guest[n].console;
}

void mux_next(struct mux *x)
{
    for (int i = 1; i < x->n; i++) {
        int n = (x->focus + i) % x->n;

        if (x->guest[n].ended)
            continue;
        x->focus = n;
        if (x->output->focus)
            x->output->focus(x->output, n);
        arrived(x);
        return;
    }
}

void mux_ended(struct mux *x, int n, const char *how)
{
    assert(n >= 0 && n < x->n);
    x->guest[n].ended = true;
    x->output->ended(x->output, n, how);
    if (n == x->focus)
        mux_next(x);
}

/* SPDX-License-Identifier: MIT */
/*
 * A console, as a chip sees it: a place to put bytes and a place to get them from.
 *
 * Input waits in the console until a chip fetches it, so none is ever lost: a chip with a full
 * FIFO does not fetch. Behind it stands the user's terminal or a unit test.
 */
#ifndef HW_CONSOLE_H
#define HW_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What console_get() returns beside bytes 0..255. */
enum {
    CONSOLE_EMPTY = -1,
    CONSOLE_BREAK = 0x100, /* a break condition on the line */
};

struct console {
    /* Write n bytes. Never blocks, never loses one, keeps their order. NULL: it has no output, and
     * nobody writes to it. */
    void (*put)(struct console *c, const void *buf, size_t n);

    /* The next input byte, CONSOLE_BREAK or CONSOLE_EMPTY. */
    int (*get)(struct console *c);

    /* Up to n bytes of input, for chips that want many at once; 0 when there are none now. May be
     * NULL: they come one by one. With both NULL there is no input. */
    size_t (*take)(struct console *c, void *buf, size_t n);

    /* Has the input ended, so that there is nothing to get, now or ever? The sender has hung up.
     * May be NULL: it never ends. */
    bool (*ended)(struct console *c);

    /* The window that shows the output: how many lines of how many characters; 0 of 0 when there is
     * none. May be NULL: there is none. */
    void (*size)(struct console *c, uint16_t *rows, uint16_t *columns);

    /* Set by the chip: arrived is called when there is input to get and when the input ends,
     * resized when the size has changed. Each may be NULL. */
    void (*arrived)(void *to);
    void (*resized)(void *to);
    void *to;

    /* Let a fast writer wait for a slow reader: returns when little is left to write, or when the
     * machine stops. Called by vCPU threads, without the machine lock. May be NULL. */
    void (*wait)(struct console *c);

    /* The machine stops (released) or runs again. While it stops, wait() returns at once. Any
     * thread. May be NULL. */
    void (*release)(struct console *c, bool released);

    /* How many bytes are not written yet? Any thread. May be NULL: none. */
    size_t (*unwritten)(struct console *c);

    /* The guest has opened what is before it, where that can be told. May be NULL. */
    void (*opened)(struct console *c);
};

static inline void console_put(struct console *c, const void *buf, size_t n)
{
    c->put(c, buf, n);
}

static inline int console_get(struct console *c)
{
    return c->get(c);
}

static inline bool console_has_input(const struct console *c)
{
    return c->get || c->take;
}

/* Breaks are left out. */
static inline size_t console_take(struct console *c, void *buf, size_t n)
{
    size_t done = 0;
    int in;

    if (c->take)
        return c->take(c, buf, n);
    while (done < n && (in = console_get(c)) != CONSOLE_EMPTY)
        if (in != CONSOLE_BREAK)
            ((uint8_t *)buf)[done++] = in;
    return done;
}

static inline bool console_ended(struct console *c)
{
    return c->ended && c->ended(c);
}

static inline void console_size(struct console *c, uint16_t *rows, uint16_t *columns)
{
    *rows = *columns = 0;
    if (c->size)
        c->size(c, rows, columns);
}

static inline void console_resized(struct console *c)
{
    if (c->resized)
        c->resized(c->to);
}

static inline void console_wait(struct console *c)
{
    if (c->wait)
        c->wait(c);
}

static inline void console_release(struct console *c, bool released)
{
    if (c->release)
        c->release(c, released);
}

static inline size_t console_unwritten(struct console *c)
{
    return c->unwritten ? c->unwritten(c) : 0;
}

#endif

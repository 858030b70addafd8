/* SPDX-License-Identifier: MIT */
/*
 * A console, as a chip sees it: a place to put bytes and a place to get them from.
 *
 * Input waits in the console until a chip fetches it, so none is ever lost: a chip with a full
 * FIFO does not fetch. Behind it stands the host's terminal (hw/terminal) or a unit test.
 */
#ifndef HW_CONSOLE_H
#define HW_CONSOLE_H

#include <stddef.h>

/* What console_get() returns beside bytes 0..255. */
enum {
    CONSOLE_EMPTY = -1,
    CONSOLE_BREAK = 0x100, /* a break condition on the line */
};

struct console {
    /* Write n bytes. Never blocks, never loses one, keeps their order. */
    void (*put)(struct console *c, const void *buf, size_t n);

    /* The next input byte, CONSOLE_BREAK or CONSOLE_EMPTY. */
    int (*get)(struct console *c);

    /* The chip's: called when there is input to get. May be NULL. */
    void (*arrived)(void *to);
    void *to;
};

static inline void console_put(struct console *c, const void *buf, size_t n)
{
    c->put(c, buf, n);
}

static inline int console_get(struct console *c)
{
    return c->get(c);
}

#endif

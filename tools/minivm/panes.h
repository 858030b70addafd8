/* SPDX-License-Identifier: MIT */
/*
 * The output of several guests on a divided screen: a pane for each, with a title, which scrolls by
 * itself.
 *
 * Guests only append to their pane's inbox; the panes themselves belong to the main thread, which
 * empties the inboxes and redraws what changed, some 25 times a second while there is something to
 * draw and never otherwise. Everything is called with the machine locked unless it says otherwise.
 */
#ifndef TOOLS_MINIVM_PANES_H
#define TOOLS_MINIVM_PANES_H

#include "tools/minivm/canvas.h"
#include "hw/clock.h"
#include "hw/console.h"
#include "tools/minivm/mux.h"

#include <pthread.h>

struct pane;

struct panes {
    struct mux_output output;
    struct console *terminal; /* takes the bytes for the screen */
    struct clock *clock;      /* NULL until the screen is taken, and after the end */
    struct timer frame;
    uint64_t drawn; /* ns on the clock, of the last frame */
    int rows, columns;
    int n, focus;
    struct pane *pane;
    struct canvas canvas;
    char *message; /* NULL for the keys */
    bool fit;      /* the screen is large enough */
    bool suspended;

    /* The inboxes' content. */
    pthread_mutex_t lock; /* of released, and of unread becoming less */
    pthread_cond_t less;
    size_t unread; /* bytes; atomic */
    bool released;
};

/* Make panes for n guests, 1 to MUX_MAX, whose names are kept by reference. */
void panes_init(struct panes *p, struct console *terminal, int n, const char *const *names);

/* Get ready for a screen of the given size, to be taken by panes_resume(). A size of 0, as a
 * terminal that does not know has, stands for 24 by 80. Main thread, before the guests run; once.
 */
void panes_start(struct panes *p, struct clock *clock, int rows, int columns);

/* The terminal's size has changed. Main thread. */
void panes_resize(struct panes *p, int rows, int columns);

/* Leave the screen alone: minivm is about to be stopped. Guests that print much will wait. Main
 * thread. */
void panes_suspend(struct panes *p);

/* Take the screen (the alternate one), for the first time or again, and draw. Main thread. */
void panes_resume(struct panes *p);

/* Look back in the pane in focus by half its height, or forward again; output follows the end
 * again once it is reached. Main thread. */
void panes_scroll(struct panes *p, bool back);

/* Show a text, of one or several lines, at the bottom of the screen and over the panes, until the
 * next one; NULL for the keys that there are. Main thread. */
void panes_message(struct panes *p, const char *text);

/* Draw what is not drawn yet, now. Main thread. */
void panes_flush(struct panes *p);

/* Draw the last, give the screen back as it was (unless it is suspended), and free all. Main
 * thread; no guest runs. */
void panes_finish(struct panes *p);

#endif

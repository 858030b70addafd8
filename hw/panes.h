/* SPDX-License-Identifier: MIT */
/*
 * The output of several guests on a divided screen: a pane for each, with a title and a scrolling
 * of its own.
 *
 * Guests only append to their pane's inbox; the panes themselves belong to the main thread, which
 * empties the inboxes and redraws what changed, some 25 times a second while there is something to
 * draw and never otherwise. Everything is called with the machine locked unless it says otherwise.
 */
#ifndef HW_PANES_H
#define HW_PANES_H

#include "hw/clock.h"
#include "hw/console.h"
#include "hw/mux.h"

struct pane;

struct panes {
    struct mux_output output;
    struct console *terminal; /* takes the bytes for the screen */
    struct clock *clock;
    struct timer frame;
    int rows, columns;
    int n, focus;
    struct pane *pane;
    /* ... more, as the implementation needs */
};

/* Make panes for n guests, whose names are kept by reference. */
void panes_init(struct panes *p, struct console *terminal, int n, const char *const *names);

/* Take the screen (the alternate one), of the given size, and draw. Main thread, before the guests
 * run. */
void panes_start(struct panes *p, struct clock *clock, int rows, int columns);

/* The terminal has another size now. Main thread. */
void panes_resize(struct panes *p, int rows, int columns);

/* Look back in the pane in focus by half its height, or forward again; output follows the end
 * again once it is reached. Main thread. */
void panes_scroll(struct panes *p, bool back);

/* Show a line of text at the bottom of the screen, NULL for the keys that there are. Main thread.
 */
void panes_message(struct panes *p, const char *text);

/* Draw what is not drawn yet, now. Main thread. */
void panes_flush(struct panes *p);

/* Give the screen back as it was. Main thread; no guest runs. */
void panes_finish(struct panes *p);

#endif

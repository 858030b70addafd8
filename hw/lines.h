/* SPDX-License-Identifier: MIT */
/*
 * The output of several guests, a line at a time: no line is ever torn by another's.
 *
 * For a pipe each line begins with "[n:name] ". On a terminal each guest has its colour instead
 * (cyan, green, yellow, blue, and again), a legend comes first, and a line that does not end, such
 * as a prompt, is shown after a moment. What a guest leaves unended when it ends gets its newline.
 */
#ifndef HW_LINES_H
#define HW_LINES_H

#include "hw/clock.h"
#include "hw/console.h"
#include "hw/mux.h"

enum {
    LINES_LENGTH = 4096 /* bytes of a line; what is longer is cut into several */
};

struct lines {
    struct mux_output output;
    struct console *terminal;
    struct clock *clock;
    struct timer moment; /* until what is incomplete is shown */
    bool colour;
    int n;
    int shown; /* the guest whose incomplete line is on the screen, or -1 */
    struct line {
        const char *name;
        char buf[LINES_LENGTH];
        size_t len;
    } line[MUX_MAX];
};

/*
 * Make it of n guests, whose names are kept by reference. terminal takes the text; colour: it is a
 * terminal. The legend is written here.
 */
void lines_init(struct lines *l, struct console *terminal, bool colour, int n,
                const char *const *names);

/* Give it the clock by which incomplete lines are shown; without one they wait for their ends. Call
 * once, before the guests run. */
void lines_start(struct lines *l, struct clock *clock);

/* Write what is incomplete. No guest runs any more. */
void lines_finish(struct lines *l);

#endif

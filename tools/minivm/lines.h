/* SPDX-License-Identifier: MIT */
/*
 * The output of several guests, a line at a time: no line is ever torn by another's.
 *
 * In a pipe each line begins with "[n:name] ". On a terminal each guest has its colour instead
 * (cyan, green, yellow, blue, and again), a legend comes first, and a line that does not end, such
 * as a prompt, is shown after a moment. When another guest's line has come in between, it is shown
 * again, whole, as soon as it goes on or its guest is given the focus. A line that a guest leaves
 * incomplete at its end gets a newline.
 *
 * A line ends with a newline or with CR and newline, and is written with a newline alone, so a raw
 * terminal has to return the carriage (terminal.onlcr). All other bytes are left as they are.
 */
#ifndef TOOLS_MINIVM_LINES_H
#define TOOLS_MINIVM_LINES_H

#include "hw/clock.h"
#include "hw/console.h"
#include "tools/minivm/mux.h"

enum {
    LINES_LENGTH = 4096, /* bytes of a line; what is longer is cut into several */
    LINES_NAME = 32,     /* bytes of a guest's name; what is longer is cut off */
};

/* Makes a terminal's text plain again, when it is left in the middle of a line. */
#define LINES_PLAIN "\033[0m"

struct lines {
    struct mux_output output;
    struct console *terminal;
    struct clock *clock;
    struct timer moment; /* until what is incomplete is shown */
    bool colour;
    int n;
    int shown; /* the guest whose incomplete line the screen ends with, or -1 */
    struct line {
        char before[LINES_NAME + 16]; /* what each piece of it begins with */
        char text[LINES_LENGTH];
        size_t len, seen; /* bytes of text; how many were shown */
        uint64_t due;     /* when the others are to be shown, or CLOCK_NEVER */
    } line[MUX_MAX];
};

/* Make it of n guests, 1 to MUX_MAX, whose names are copied. terminal takes the text; colour: it is
 * a terminal. The legend is written here. */
void lines_init(struct lines *l, struct console *terminal, bool colour, int n,
                const char *const *names);

/* Set the clock by which incomplete lines are shown; without one they wait for their ends. Call it
 * once, before the guests run. */
void lines_start(struct lines *l, struct clock *clock);

/* Write what is incomplete. No guest runs any more. */
void lines_finish(struct lines *l);

#endif

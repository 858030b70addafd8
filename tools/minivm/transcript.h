/* SPDX-License-Identifier: MIT */
/*
 * What a guest has printed, in its own lines, not yet wrapped to any width.
 *
 * The lines stay as they were printed, but the last, in which carriage return, backspace and tab
 * move. Whatever goes in, only characters of one column come out.
 */
#ifndef TOOLS_MINIVM_TRANSCRIPT_H
#define TOOLS_MINIVM_TRANSCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum {
    TRANSCRIPT_LINES = 1024,  /* kept; the oldest go first */
    TRANSCRIPT_LENGTH = 1024, /* characters of a line; what is longer is cut into several */
};

struct transcript_line {
    uint16_t *text; /* Unicode */
    int len, room;
};

struct transcript {
    struct transcript_line line[TRANSCRIPT_LINES];
    uint64_t first, last; /* the lines kept, counted since the start; the last is being written */
    int column;           /* of the next character, in the last line */

    /* What is incomplete: an escape sequence, or a character of several bytes. */
    enum transcript_state {
        TRANSCRIPT_TEXT,
        TRANSCRIPT_ESCAPE,
        TRANSCRIPT_CONTROL_SEQUENCE,
        TRANSCRIPT_STRING,
    } state;
    int missing; /* bytes of the character */
    uint32_t code, least;
};

/* Make it empty: one line of no length. */
void transcript_init(struct transcript *t);

/* Give its memory back. */
void transcript_free(struct transcript *t);

/* Add n bytes of output: UTF-8, which calls may cut anywhere. */
void transcript_put(struct transcript *t, const void *buf, size_t n);

/* Line n, from t->first to t->last. */
const struct transcript_line *transcript_line(const struct transcript *t, uint64_t n);

#endif

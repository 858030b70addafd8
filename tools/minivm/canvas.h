/* SPDX-License-Identifier: MIT */
/*
 * A screen as it should be and as the terminal has it: what differs is drawn.
 *
 * Call canvas_clear(), draw everything, and canvas_show() sends the few bytes that make the
 * terminal show it. Beside characters these are: CUP (CSI row;column H), SGR (CSI n;... m), ED (CSI
 * 2 J) and the cursor's visibility (CSI ?25 h and l).
 */
#ifndef TOOLS_MINIVM_CANVAS_H
#define TOOLS_MINIVM_CANVAS_H

#include "hw/console.h"

#include <stdbool.h>
#include <stdint.h>

/* Take the screen, keeping what is on it, and give it back. */
#define CANVAS_ENTER "\033[?1049h"
#define CANVAS_LEAVE "\033[0m\033[?25h\033[?1049l"

/* The style of a cell: a colour as SGR counts them, or 0, and any of these. */
enum {
    CANVAS_GREEN = 2,
    CANVAS_YELLOW = 3,
    CANVAS_BLUE = 4,
    CANVAS_CYAN = 6,
    CANVAS_COLOUR = 7,
    CANVAS_BOLD = 8,
    CANVAS_REVERSE = 16,
};

struct canvas_cell {
    uint16_t code; /* Unicode, one column wide */
    uint8_t style;
};

struct canvas {
    int rows, columns;
    struct canvas_cell *wanted, *shown;
    bool fresh;                    /* nobody knows what the terminal shows */
    int cursor_row, cursor_column; /* wanted; -1: none */

    /* What the terminal does next. */
    int row, column; /* -1: unknown */
    uint8_t style;
    bool visible;

    char *bytes;
    size_t n, room;
};

/* Give it a size, or a new one; a zeroed canvas has none. */
void canvas_resize(struct canvas *c, int rows, int columns);
void canvas_free(struct canvas *c);

/* The terminal may show anything: draw all of it next time. */
void canvas_forget(struct canvas *c);

/* Want only blanks, and no cursor. */
void canvas_clear(struct canvas *c);

/* Want a character; the cursor; or a text of at most width columns, where bytes that are not ASCII
 * become '?'. All within the canvas. */
void canvas_put(struct canvas *c, int row, int column, uint16_t code, uint8_t style);
void canvas_cursor(struct canvas *c, int row, int column);
void canvas_text(struct canvas *c, int row, int column, const char *text, int width, uint8_t style);

/* Make the terminal show what is wanted, by at most one put(). */
void canvas_show(struct canvas *c, struct console *terminal);

#endif

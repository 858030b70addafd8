// SPDX-License-Identifier: MIT
/*
 * A screen as it should be and as the terminal has it.
 *
 * After: ECMA-48, Control functions for coded character sets, 5th edition: CUP, ED, SGR; XTerm
 * Control Sequences: DEC private modes 25 and 1049.
 *
 * Left out: terminfo. Every terminal of today knows these few sequences.
 */
#include "tools/minivm/canvas.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST 32 /* bytes of a sequence */

static const struct canvas_cell blank = {' ', 0};

static size_t cells(const struct canvas *c)
{
    return (size_t)c->rows * c->columns;
}

void canvas_resize(struct canvas *c, int rows, int columns)
{
    c->rows = rows;
    c->columns = columns;
    c->wanted = realloc(c->wanted, cells(c) * sizeof(blank));
    c->shown = realloc(c->shown, cells(c) * sizeof(blank));
    assert(c->wanted && c->shown);
    canvas_clear(c);
    canvas_forget(c);
}

void canvas_free(struct canvas *c)
{
    free(c->wanted);
    free(c->shown);
    free(c->bytes);
    *c = (struct canvas){0};
}

void canvas_forget(struct canvas *c)
{
    c->fresh = true;
}

void canvas_clear(struct canvas *c)
{
    for (size_t i = 0; i < cells(c); i++)
        c->wanted[i] = blank;
    c->cursor_row = -1;
}

void canvas_put(struct canvas *c, int row, int column, uint16_t code, uint8_t style)
{
    assert(row >= 0 && row < c->rows && column >= 0 && column < c->columns);
    c->wanted[(size_t)row * c->columns + column] = (struct canvas_cell){code, style};
}

void canvas_cursor(struct canvas *c, int row, int column)
{
    assert(row >= 0 && row < c->rows && column >= 0 && column < c->columns);
    c->cursor_row = row;
    c->cursor_column = column;
}

void canvas_text(struct canvas *c, int row, int column, const char *text, int width, uint8_t style)
{
    for (int i = 0; i < width && text[i]; i++)
        canvas_put(c, row, column + i, text[i] >= ' ' && text[i] < 127 ? text[i] : '?', style);
}

static void emit(struct canvas *c, const char *bytes)
{
    size_t n = strlen(bytes);

    if (c->n + n > c->room) {
        c->room = 2 * (c->n + n);
        c->bytes = realloc(c->bytes, c->room);
        assert(c->bytes);
    }
    memcpy(c->bytes + c->n, bytes, n);
    c->n += n;
}

static void move_to(struct canvas *c, int row, int column)
{
    char bytes[LONGEST];

    if (c->row == row && c->column == column)
        return;
    snprintf(bytes, sizeof(bytes), "\033[%d;%dH", row + 1, column + 1);
    emit(c, bytes);
    c->row = row;
    c->column = column;
}

static void set_style(struct canvas *c, uint8_t style)
{
    char bytes[LONGEST], colour[8] = "";

    if (c->style == style)
        return;
    if (style & CANVAS_COLOUR)
        snprintf(colour, sizeof(colour), ";%d", 30 + (style & CANVAS_COLOUR));
    snprintf(bytes, sizeof(bytes), "\033[0%s%s%sm", style & CANVAS_BOLD ? ";1" : "",
             style & CANVAS_REVERSE ? ";7" : "", colour);
    emit(c, bytes);
    c->style = style;
}

static void show_cursor(struct canvas *c, bool visible)
{
    if (c->visible == visible)
        return;
    emit(c, visible ? "\033[?25h" : "\033[?25l");
    c->visible = visible;
}

static void emit_cell(struct canvas *c, struct canvas_cell cell)
{
    uint16_t code = cell.code;
    char utf8[4] = {code};

    set_style(c, cell.style);
    if (code >= 0x800) {
        utf8[0] = 0xe0 | code >> 12;
        utf8[1] = 0x80 | (code >> 6 & 0x3f);
        utf8[2] = 0x80 | (code & 0x3f);
    } else if (code >= 0x80) {
        utf8[0] = 0xc0 | code >> 6;
        utf8[1] = 0x80 | (code & 0x3f);
    }
    emit(c, utf8);
    /* The terminal may give the character another width: say where the next one goes. */
    c->column = code < 0x80 ? c->column + 1 : -1;
}

static void start_afresh(struct canvas *c)
{
    emit(c, "\033[0m\033[?25l\033[2J");
    c->style = 0;
    c->visible = false;
    c->row = c->column = -1;
    for (size_t i = 0; i < cells(c); i++)
        c->shown[i] = blank;
    c->fresh = false;
}

void canvas_show(struct canvas *c, struct console *terminal)
{
    c->n = 0;
    if (c->fresh)
        start_afresh(c);
    for (size_t i = 0; i < cells(c); i++) {
        struct canvas_cell want = c->wanted[i];

        if (want.code == c->shown[i].code && want.style == c->shown[i].style)
            continue;
        show_cursor(c, false);
        move_to(c, i / c->columns, i % c->columns);
        emit_cell(c, want);
        c->shown[i] = want;
    }
    set_style(c, 0);
    if (c->cursor_row >= 0)
        move_to(c, c->cursor_row, c->cursor_column);
    show_cursor(c, c->cursor_row >= 0);
    if (c->n)
        console_put(terminal, c->bytes, c->n);
}

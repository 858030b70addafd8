// SPDX-License-Identifier: MIT
/*
 * What a guest has printed.
 *
 * After: ECMA-48, Control functions for coded character sets, 5th edition: Elements of control
 * functions, Formats of control functions; RFC 3629, UTF-8.
 *
 * Left out: what control sequences ask for. They are taken out, as a guest that prints on a pane
 * has no screen to address; colours are lost. So are characters that are not one column wide on
 * every terminal (ideographs, emoji, combining marks): each is a '?', as is a byte that is not
 * UTF-8. A newline alone returns the carriage, as it does for a program on a terminal.
 */
#include "tools/minivm/transcript.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    ESC = 0x1b,
    CAN = 0x18,
    SUB = 0x1a,
    BEL = 0x07,
    DEL = 0x7f,
    TAB_WIDTH = 8,
};

/* Characters beyond ASCII that all terminals agree about, first and last. */
static const struct {
    uint16_t first, last;
} narrow[] = {
    {0x00a1, 0x00ac}, {0x00ae, 0x02ff},                                     /* Latin */
    {0x0384, 0x038a}, {0x038e, 0x03a1}, {0x03a3, 0x0482}, {0x048a, 0x052f}, /* Greek, Cyrillic */
    {0x1e00, 0x1eff}, {0x2010, 0x2027}, {0x2030, 0x205e}, {0x20a0, 0x20bf}, /* punctuation */
    {0x2100, 0x218b}, {0x2190, 0x2319}, {0x2500, 0x25fc}, {0x2800, 0x28ff}, /* signs, boxes */
};

static bool fills_one_column(uint32_t code)
{
    if (code >= ' ' && code < DEL)
        return true;
    for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++)
        if (code >= narrow[i].first && code <= narrow[i].last)
            return true;
    return false;
}

static struct transcript_line *last_line(struct transcript *t)
{
    return &t->line[t->last % TRANSCRIPT_LINES];
}

void transcript_init(struct transcript *t)
{
    *t = (struct transcript){0};
}

void transcript_free(struct transcript *t)
{
    for (int i = 0; i < TRANSCRIPT_LINES; i++)
        free(t->line[i].text);
}

const struct transcript_line *transcript_line(const struct transcript *t, uint64_t n)
{
    assert(n >= t->first && n <= t->last);
    return &t->line[n % TRANSCRIPT_LINES];
}

static void newline(struct transcript *t)
{
    t->last++;
    if (t->last - t->first == TRANSCRIPT_LINES)
        t->first++;
    last_line(t)->len = 0; /* its memory serves again */
    t->column = 0;
}

static void put_character(struct transcript *t, uint32_t code)
{
    if (t->column == TRANSCRIPT_LENGTH)
        newline(t);

    struct transcript_line *l = last_line(t);

    if (t->column == l->room) {
        l->room = l->room ? 2 * l->room : 32;
        l->text = realloc(l->text, l->room * sizeof(l->text[0]));
        assert(l->text);
    }
    l->text[t->column++] = fills_one_column(code) ? code : '?';
    if (t->column > l->len)
        l->len = t->column;
}

static void tab(struct transcript *t)
{
    int stop = (t->column / TAB_WIDTH + 1) * TAB_WIDTH;

    while (t->column < stop && t->column < TRANSCRIPT_LENGTH) {
        if (t->column == last_line(t)->len)
            put_character(t, ' ');
        else
            t->column++;
    }
}

static void control(struct transcript *t, uint8_t byte)
{
    switch (byte) {
    case '\n':
        newline(t);
        break;
    case '\r':
        t->column = 0;
        break;
    case '\b':
        t->column -= t->column > 0;
        break;
    case '\t':
        tab(t);
        break;
    case CAN:
    case SUB:
        t->state = TRANSCRIPT_TEXT;
        break;
    case ESC:
        t->state = TRANSCRIPT_ESCAPE;
        break;
    }
}

/* The first byte of a character of several bytes, or a byte that cannot stand here. */
static void begin_character(struct transcript *t, uint8_t byte)
{
    if (byte >= 0xc2 && byte < 0xe0) {
        t->missing = 1;
        t->least = 0x80;
    } else if (byte >= 0xe0 && byte < 0xf0) {
        t->missing = 2;
        t->least = 0x800;
    } else if (byte >= 0xf0 && byte < 0xf5) {
        t->missing = 3;
        t->least = 0x10000;
    } else {
        put_character(t, '?');
    }
    t->code = byte & (0x3f >> t->missing);
}

static void text(struct transcript *t, uint8_t byte)
{
    if (byte < 0x80)
        put_character(t, byte);
    else
        begin_character(t, byte);
}

/* After ESC: a control sequence, a string, or a function of its own. */
static void escape(struct transcript *t, uint8_t byte)
{
    switch (byte) {
    case '[':
        t->state = TRANSCRIPT_CONTROL_SEQUENCE;
        break;
    case 'P': /* DCS */
    case 'X': /* SOS */
    case ']': /* OSC */
    case '^': /* PM */
    case '_': /* APC */
        t->state = TRANSCRIPT_STRING;
        break;
    default:
        if (byte >= 0x30)
            t->state = TRANSCRIPT_TEXT;
    }
}

/* A string ends with ST or BEL, and with its line: a stray opening must not silence a guest. */
static void string(struct transcript *t, uint8_t byte)
{
    if (byte == BEL)
        t->state = TRANSCRIPT_TEXT;
    if (byte == '\n')
        t->state = TRANSCRIPT_TEXT;
    if (byte == '\n' || byte == CAN || byte == SUB || byte == ESC)
        control(t, byte);
}

static void put_byte(struct transcript *t, uint8_t byte)
{
    if (t->missing && (byte & 0xc0) == 0x80) {
        t->code = t->code << 6 | (byte & 0x3f);
        if (--t->missing == 0)
            put_character(t, t->code >= t->least ? t->code : '?');
        return;
    }
    if (t->missing) {
        t->missing = 0;
        put_character(t, '?');
    }
    if (t->state == TRANSCRIPT_STRING) {
        string(t, byte);
        return;
    }
    if (byte >= 0x80)
        t->state = TRANSCRIPT_TEXT; /* no part of a sequence */
    if (byte < ' ')
        control(t, byte);
    else if (byte == DEL)
        return;
    else if (t->state == TRANSCRIPT_TEXT)
        text(t, byte);
    else if (t->state == TRANSCRIPT_ESCAPE)
        escape(t, byte);
    else if (byte >= 0x40)
        t->state = TRANSCRIPT_TEXT; /* the final byte of a control sequence */
}

void transcript_put(struct transcript *t, const void *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_byte(t, ((const uint8_t *)buf)[i]);
}

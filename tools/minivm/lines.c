// SPDX-License-Identifier: MIT
/*
 * The output of several guests, a line at a time.
 *
 * After: ECMA-48 (1991), "SGR - Select Graphic Rendition".
 *
 * Left out: screens. A guest that moves the cursor or clears the screen disturbs all others; such
 * guests need tools/minivm/panes.
 */
#define _GNU_SOURCE
#include "tools/minivm/lines.h"
#include "hw/device.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MOMENT_NS UINT64_C(50000000)

static const int colours[] = {36, 32, 33, 34};

/*
 * Write the part of guest n's line that is not on the screen yet, in one piece; end: with its
 * newline. The colour of an incomplete line stays on, so that nothing comes between its parts: a
 * guest may write a character of several bytes one by one.
 */
static void show(struct lines *l, int n, bool end)
{
    struct line *line = &l->line[n];
    char piece[sizeof(line->before) + sizeof(line->text) + 2 * sizeof(LINES_PLAIN "\n")],
        *p = piece;
    bool goes_on = l->shown == n, coloured = l->colour && line->len > 0;
    size_t from = goes_on ? line->seen : 0;

    if (l->shown >= 0 && !goes_on)
        p = stpcpy(p, LINES_PLAIN "\n");
    if (!goes_on && (coloured || !l->colour))
        p = stpcpy(p, line->before);
    p = mempcpy(p, line->text + from, line->len - from);
    if (end)
        p = stpcpy(p, coloured ? LINES_PLAIN "\n" : "\n");
    console_put(l->terminal, piece, p - piece);
    l->shown = end ? -1 : n;
    line->seen = line->len;
    line->due = CLOCK_NEVER;
}

static void end_line(struct lines *l, int n)
{
    struct line *line = &l->line[n];

    /* A line that has all been seen needs no newline when another guest's output came after it. */
    if (l->shown == n || !line->len || line->seen < line->len)
        show(l, n, true);
    line->len = line->seen = 0;
    line->due = CLOCK_NEVER;
}

static void append(struct lines *l, int n, const char *text, size_t len)
{
    struct line *line = &l->line[n];

    while (len > 0) {
        if (line->len == LINES_LENGTH)
            end_line(l, n);

        size_t room = LINES_LENGTH - line->len, fits = len < room ? len : room;

        memcpy(line->text + line->len, text, fits);
        line->len += fits;
        text += fits;
        len -= fits;
    }
}

/* Guest n has written part of a line. When that line is the last on the screen, the part follows at
 * once, because a user who types wants to see it; else after a moment. */
static void begun(struct lines *l, int n)
{
    struct line *line = &l->line[n];

    if (!l->clock || line->seen == line->len)
        return;
    if (l->shown == n) {
        show(l, n, false);
    } else if (line->due == CLOCK_NEVER) {
        line->due = clock_after(clock_now(l->clock), MOMENT_NS);
        /* The timer is not disarmed when the line ends: most lines do, and it costs a system call.
         */
        if (!clock_armed(&l->moment))
            clock_arm(l->clock, &l->moment, line->due);
    }
}

static void put(struct mux_output *o, int n, const void *buf, size_t len)
{
    struct lines *l = container_of(o, struct lines, output);
    struct line *line = &l->line[n];
    const char *text = buf, *end = text + len, *newline;

    while ((newline = memchr(text, '\n', end - text))) {
        append(l, n, text, newline - text);
        if (line->len > line->seen && line->text[line->len - 1] == '\r')
            line->len--;
        end_line(l, n);
        text = newline + 1;
    }
    append(l, n, text, end - text);
    begun(l, n);
}

static void end_leftover(struct lines *l, int n)
{
    if (l->line[n].len > 0)
        end_line(l, n);
}

static void ended(struct mux_output *o, int n, const char *how)
{
    (void)how;
    end_leftover(container_of(o, struct lines, output), n);
}

/* Let the user see where he is typing. */
static void focus(struct mux_output *o, int n)
{
    struct lines *l = container_of(o, struct lines, output);

    if (l->clock && l->line[n].len > 0 && l->shown != n)
        show(l, n, false);
}

static void wait_for_reader(struct mux_output *o)
{
    console_wait(container_of(o, struct lines, output)->terminal);
}

static void moment_passed(struct timer *t)
{
    struct lines *l = container_of(t, struct lines, moment);
    uint64_t now = clock_now(l->clock), next = CLOCK_NEVER;

    for (int i = 0; i < l->n; i++) {
        struct line *line = &l->line[i];

        if (line->due <= now)
            show(l, i, false);
        else if (line->due < next)
            next = line->due;
    }
    clock_arm(l->clock, t, next);
}

void lines_init(struct lines *l, struct console *terminal, bool colour, int n,
                const char *const *names)
{
    char entry[sizeof("  00:" LINES_PLAIN) + sizeof(l->line[0].before) + LINES_NAME];

    assert(n > 0 && n <= MUX_MAX);
    *l = (struct lines){
        .output = {.put = put, .ended = ended, .focus = focus, .wait = wait_for_reader},
        .terminal = terminal,
        .colour = colour,
        .n = n,
        .shown = -1,
    };
    for (int i = 0; i < n; i++) {
        struct line *line = &l->line[i];

        line->due = CLOCK_NEVER;
        if (!colour) {
            snprintf(line->before, sizeof(line->before), "[%d:%.*s] ", i, LINES_NAME, names[i]);
            continue;
        }
        snprintf(line->before, sizeof(line->before), "\033[%dm",
                 colours[i % (sizeof(colours) / sizeof(colours[0]))]);
        console_put(terminal, entry,
                    snprintf(entry, sizeof(entry), "%s%s%d:%.*s" LINES_PLAIN, i ? "  " : "",
                             line->before, i, LINES_NAME, names[i]));
    }
    if (colour)
        console_put(terminal, "\n", 1);
}

void lines_start(struct lines *l, struct clock *clock)
{
    if (!l->colour)
        return;
    l->clock = clock;
    clock_add(clock, &l->moment, moment_passed);
}

void lines_finish(struct lines *l)
{
    for (int i = 0; i < l->n; i++)
        end_leftover(l, i);
    if (l->clock)
        clock_arm(l->clock, &l->moment, CLOCK_NEVER);
}

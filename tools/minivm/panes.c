// SPDX-License-Identifier: MIT
/*
 * The output of several guests on a divided screen.
 *
 * A frame empties the inboxes into the panes' transcripts, wraps what is in view to the panes'
 * widths, and leaves it to the canvas to draw what differs from the frame before.
 *
 * Left out: a screen that programs in the guest can address. Guests here only print; an editor
 * needs a `minivm run` of its own, with the whole terminal.
 */
#define _GNU_SOURCE
#include "tools/minivm/panes.h"
#include "hw/device.h"
#include "tools/minivm/transcript.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_NS = 40 * 1000 * 1000, /* between frames, at least */
    INBOX = 64 * 1024,           /* bytes in the inboxes that make a guest wait */
    MIN_WIDTH = 12,              /* of a pane that is worth looking at */
    MAX_ROWS = 1000,             /* of a screen; what is larger stays empty */
    MAX_COLUMNS = 1000,
};

static const char keys[] = "Ctrl-A n next   Ctrl-A u/v look back/forward   Ctrl-A x quit   "
                           "Ctrl-A h help";

/* A row of a transcript, wrapped: a line's characters from offset on. */
struct place {
    uint64_t line;
    int offset;
};

struct pane {
    const char *name;
    char how[64]; /* the guest ended, or empty */
    struct transcript text;
    uint8_t *inbox;
    size_t n, room;

    int row, column, height, width; /* of its text, below the title */
    bool edge;                      /* another is to the right */
    bool looking_back;
    struct place top; /* then the first row in view */
};

/* Have a frame drawn as soon as one may be. */
static void draw_soon(struct panes *p)
{
    uint64_t now, next = clock_after(p->drawn, FRAME_NS);

    if (!p->clock || p->suspended || clock_armed(&p->frame))
        return;
    now = clock_now(p->clock);
    clock_arm(p->clock, &p->frame, next > now ? next : now);
}

static void put(struct mux_output *o, int n, const void *buf, size_t len)
{
    struct panes *p = container_of(o, struct panes, output);
    struct pane *pane = &p->pane[n];

    if (!len)
        return;
    if (pane->n + len > pane->room) {
        pane->room = 2 * (pane->n + len);
        pane->inbox = realloc(pane->inbox, pane->room);
        assert(pane->inbox);
    }
    memcpy(pane->inbox + pane->n, buf, len);
    pane->n += len;
    draw_soon(p);
    /* Full inboxes are emptied at once; guests do not wait for the next frame. */
    if (__atomic_add_fetch(&p->unread, len, __ATOMIC_RELAXED) >= INBOX && p->clock && !p->suspended)
        clock_arm(p->clock, &p->frame, clock_now(p->clock));
}

static void ended(struct mux_output *o, int n, const char *how)
{
    struct panes *p = container_of(o, struct panes, output);

    snprintf(p->pane[n].how, sizeof(p->pane[n].how), "%s", how);
    draw_soon(p);
}

static void focus(struct mux_output *o, int n)
{
    struct panes *p = container_of(o, struct panes, output);

    p->focus = n;
    draw_soon(p);
}

static void wait_for_room(struct mux_output *o)
{
    struct panes *p = container_of(o, struct panes, output);

    if (__atomic_load_n(&p->unread, __ATOMIC_RELAXED) < INBOX)
        return;
    pthread_mutex_lock(&p->lock);
    while (__atomic_load_n(&p->unread, __ATOMIC_RELAXED) >= INBOX && !p->released)
        pthread_cond_wait(&p->less, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void release(struct mux_output *o, bool released)
{
    struct panes *p = container_of(o, struct panes, output);

    pthread_mutex_lock(&p->lock);
    p->released = released;
    pthread_cond_broadcast(&p->less);
    pthread_mutex_unlock(&p->lock);
}

static void empty_inboxes(struct panes *p)
{
    for (int i = 0; i < p->n; i++) {
        struct pane *pane = &p->pane[i];

        transcript_put(&pane->text, pane->inbox, pane->n);
        pane->n = 0;
    }
    pthread_mutex_lock(&p->lock);
    __atomic_store_n(&p->unread, 0, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&p->less);
    pthread_mutex_unlock(&p->lock);
}

/* How well panes fit when grid_rows rows of at most k panes share the screen: each pane's part of
 * the usual 24 by 80, in 240ths, by height or by width, whichever is less. */
static int fitness(const struct panes *p, int grid_rows, int k)
{
    int width = (p->columns - (k - 1)) / k;
    int height = (p->rows - 1) / grid_rows - 1;

    if (width < MIN_WIDTH || height < 1)
        return 0;
    return 3 * width < 10 * height ? 3 * width : 10 * height;
}

/* The row of panes from first on, k of them, on the screen's rows from row on. */
static void lay_out_row(struct panes *p, int first, int k, int row, int height)
{
    int width = (p->columns - (k - 1)) / k, wider = (p->columns - (k - 1)) % k, column = 0;

    for (int i = 0; i < k; i++) {
        struct pane *pane = &p->pane[first + i];

        pane->row = row + 1;
        pane->height = height - 1;
        pane->column = column;
        pane->width = width + (i < wider);
        pane->edge = i < k - 1;
        column += pane->width + 1;
        /* A line wraps elsewhere now; the same characters stay in view. */
        pane->top.offset -= pane->top.offset % pane->width;
    }
}

static void lay_out(struct panes *p)
{
    int grid_rows = 0, best = 0, first = 0, row = 0;

    for (int g = 1; g <= p->n; g++) {
        int fits = fitness(p, g, (p->n + g - 1) / g);

        if (fits > best) {
            best = fits;
            grid_rows = g;
        }
    }
    p->fit = best > 0;
    for (int g = 0; g < grid_rows; g++) {
        int k = p->n / grid_rows + (g < p->n % grid_rows);
        int height = (p->rows - 1) / grid_rows + (g < (p->rows - 1) % grid_rows);

        lay_out_row(p, first, k, row, height);
        first += k;
        row += height;
    }
}

static struct place last_row(const struct pane *pane, uint64_t line)
{
    int len = transcript_line(&pane->text, line)->len;

    return (struct place){line, len ? (len - 1) / pane->width * pane->width : 0};
}

/* Go back by n rows, as far as there are any. */
static struct place back(const struct pane *pane, struct place at, int n)
{
    while (n-- > 0) {
        if (at.offset > 0)
            at.offset -= pane->width;
        else if (at.line > pane->text.first)
            at = last_row(pane, at.line - 1);
    }
    return at;
}

/* The next row; false when there is none. */
static bool next(const struct pane *pane, struct place *at)
{
    if (at->offset + pane->width < transcript_line(&pane->text, at->line)->len) {
        at->offset += pane->width;
        return true;
    }
    if (at->line == pane->text.last)
        return false;
    *at = (struct place){at->line + 1, 0};
    return true;
}

static bool before(struct place a, struct place b)
{
    return a.line < b.line || (a.line == b.line && a.offset < b.offset);
}

/* The first row in view when output follows the end. */
static struct place end_view(const struct pane *pane)
{
    return back(pane, last_row(pane, pane->text.last), pane->height - 1);
}

/* The first row in view. */
static struct place view(struct pane *pane)
{
    struct place end = end_view(pane);

    if (pane->looking_back && pane->top.line < pane->text.first)
        pane->top = (struct place){pane->text.first, 0};
    pane->looking_back = pane->looking_back && before(pane->top, end);
    return pane->looking_back ? pane->top : end;
}

/* Where the next character goes. When a row is just full, the cursor stays on its last column, as
 * on any terminal. */
static struct place cursor(const struct pane *pane, int *x)
{
    int column = pane->text.column;

    *x = column % pane->width;
    if (column && *x == 0 && column == transcript_line(&pane->text, pane->text.last)->len)
        *x = pane->width;
    struct place at = {pane->text.last, column - *x};

    if (*x == pane->width)
        --*x;
    return at;
}

static void draw_title(struct panes *p, int n)
{
    static const uint8_t colours[] = {CANVAS_CYAN, CANVAS_GREEN, CANVAS_YELLOW, CANVAS_BLUE};
    const struct pane *pane = &p->pane[n];
    bool focused = n == p->focus;
    uint8_t style = colours[n % 4] | (focused ? CANVAS_REVERSE | CANVAS_BOLD : 0);
    int row = pane->row - 1, room = pane->width - 2;
    char label[128], state[128];

    snprintf(label, sizeof(label), " %d:%s ", n, pane->name);
    snprintf(state, sizeof(state), "%s%s%s%s", *pane->how || pane->looking_back ? " " : "",
             pane->how, *pane->how ? " " : "", pane->looking_back ? "looking back " : "");
    for (int x = 0; x < pane->width; x++)
        canvas_put(&p->canvas, row, pane->column + x, focused ? ' ' : '-', style);

    /* A long name is cut for the words on how the guest ended; the guest's number always stays. */
    int labelled = room - (int)strlen(state) > 5 ? room - (int)strlen(state) : 5;

    if (labelled > (int)strlen(label))
        labelled = strlen(label);
    int stated = room - labelled < (int)strlen(state) ? room - labelled : (int)strlen(state);

    canvas_text(&p->canvas, row, pane->column + 1, label, labelled, style);
    canvas_text(&p->canvas, row, pane->column + 1 + room - stated, state, stated, style);
}

static void draw_text(struct panes *p, struct pane *pane, bool with_cursor)
{
    struct place at = view(pane);
    int x, y = 0;
    struct place end = cursor(pane, &x);

    do {
        const struct transcript_line *l = transcript_line(&pane->text, at.line);

        for (int i = 0; i < pane->width && at.offset + i < l->len; i++)
            canvas_put(&p->canvas, pane->row + y, pane->column + i, l->text[at.offset + i], 0);
        if (with_cursor && !before(at, end) && !before(end, at))
            canvas_cursor(&p->canvas, pane->row + y, pane->column + x);
    } while (++y < pane->height && next(pane, &at));
}

static void draw_pane(struct panes *p, int n)
{
    struct pane *pane = &p->pane[n];

    draw_text(p, pane, n == p->focus && !*pane->how);
    draw_title(p, n);
    for (int y = -1; y < pane->height && pane->edge; y++)
        canvas_put(&p->canvas, pane->row + y, pane->column + pane->width, '|', 0);
}

/* From the last line up, as far as the screen goes. */
static void draw_message(struct panes *p)
{
    const char *text = p->message ? p->message : keys, *end = text + strlen(text);
    int row = p->rows;

    while (end > text && end[-1] == '\n')
        end--;
    while (end > text && row-- > 0) {
        const char *line = memrchr(text, '\n', end - text);

        line = line ? line + 1 : text;
        for (int x = 0; x < p->columns; x++)
            canvas_put(&p->canvas, row, x, ' ', 0);
        canvas_text(&p->canvas, row, 0, line, end - line < p->columns ? end - line : p->columns,
                    p->message ? CANVAS_BOLD : 0);
        end = line > text ? line - 1 : text;
    }
    if (p->canvas.cursor_row >= row)
        p->canvas.cursor_row = -1;
}

static void draw(struct panes *p)
{
    struct canvas *c = &p->canvas;

    canvas_clear(c);
    if (p->fit) {
        for (int i = 0; i < p->n; i++)
            draw_pane(p, i);
        draw_message(p);
    } else {
        canvas_text(c, 0, 0, "The screen is too small.", p->columns, 0);
    }
    canvas_show(c, p->terminal);
    p->drawn = clock_now(p->clock);
}

static void frame(struct timer *t)
{
    struct panes *p = container_of(t, struct panes, frame);
    uint64_t now = clock_now(p->clock);

    empty_inboxes(p);
    if (now < clock_after(p->drawn, FRAME_NS)) {
        draw_soon(p);
    } else if (console_unwritten(p->terminal)) {
        /* The terminal is slow: leave this frame out, so that the next one is up to date. */
        clock_arm(p->clock, t, clock_after(now, FRAME_NS));
    } else {
        draw(p);
    }
}

void panes_init(struct panes *p, struct console *terminal, int n, const char *const *names)
{
    assert(n >= 1 && n <= MUX_MAX);
    *p = (struct panes){
        .output = {put, ended, focus, wait_for_room, release},
        .terminal = terminal,
        .n = n,
        .pane = calloc(n, sizeof(struct pane)),
    };
    assert(p->pane);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->less, NULL);
    for (int i = 0; i < n; i++) {
        p->pane[i].name = names[i];
        transcript_init(&p->pane[i].text);
    }
}

static int clamp(int n, int unknown, int most)
{
    return n < 1 ? unknown : n < most ? n : most;
}

void panes_resize(struct panes *p, int rows, int columns)
{
    p->rows = clamp(rows, 24, MAX_ROWS);
    p->columns = clamp(columns, 80, MAX_COLUMNS);
    canvas_resize(&p->canvas, p->rows, p->columns);
    lay_out(p);
    draw_soon(p);
}

void panes_start(struct panes *p, struct clock *clock, int rows, int columns)
{
    p->clock = clock;
    clock_add(clock, &p->frame, frame);
    p->suspended = true;
    panes_resize(p, rows, columns);
}

void panes_suspend(struct panes *p)
{
    p->suspended = true;
    clock_arm(p->clock, &p->frame, CLOCK_NEVER);
}

void panes_resume(struct panes *p)
{
    p->suspended = false;
    console_put(p->terminal, CANVAS_ENTER, strlen(CANVAS_ENTER));
    canvas_forget(&p->canvas);
    panes_flush(p);
}

void panes_scroll(struct panes *p, bool backwards)
{
    struct pane *pane = &p->pane[p->focus];
    int rows = pane->height > 1 ? pane->height / 2 : 1;

    if (!p->fit)
        return;
    empty_inboxes(p);
    pane->top = view(pane);
    pane->looking_back = true; /* until view() finds the end */
    if (backwards)
        pane->top = back(pane, pane->top, rows);
    else
        while (rows-- > 0)
            next(pane, &pane->top);
    draw_soon(p);
}

void panes_message(struct panes *p, const char *text)
{
    free(p->message);
    p->message = text ? strdup(text) : NULL;
    assert(p->message || !text);
    draw_soon(p);
}

void panes_flush(struct panes *p)
{
    empty_inboxes(p);
    clock_arm(p->clock, &p->frame, CLOCK_NEVER);
    draw(p);
}

void panes_finish(struct panes *p)
{
    if (!p->suspended) {
        panes_flush(p);
        console_put(p->terminal, CANVAS_LEAVE, strlen(CANVAS_LEAVE));
    }
    p->clock = NULL;
    for (int i = 0; i < p->n; i++) {
        transcript_free(&p->pane[i].text);
        free(p->pane[i].inbox);
    }
    free(p->pane);
    free(p->message);
    canvas_free(&p->canvas);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->less);
}

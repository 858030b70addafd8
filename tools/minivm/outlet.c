// SPDX-License-Identifier: MIT
/*
 * The guests' consoles, on the user's terminal or in a pipe.
 */
#define _GNU_SOURCE
#include "tools/minivm/outlet.h"
#include "hw/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How long the terminal may take to show the last frame. */
#define PATIENCE_NS (NS_PER_SECOND / 4)

/* What a guest is called: its file's name without the folder and .bin. Kept for good. */
static const char *short_name(const char *path)
{
    const char *base = strrchr(path, '/');
    size_t len;

    base = base && base[1] ? base + 1 : path;
    len = strlen(base);
    if (len > 4 && !strcmp(base + len - 4, ".bin"))
        len -= 4;
    return text_make_plain(strndup(base, len));
}

void outlet_init(struct outlet *u, const struct options *o, bool is_linux,
                 void (*command)(void *to, int key), void (*closed)(void *to), void *to)
{
    struct terminal *t = &u->terminal;

    terminal_init(t, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, command, closed, to);
    /* Linux writes the carriage returns itself, and its shell outlives the end of input. */
    t->hangs_up = !is_linux;
    t->onlcr = !is_linux || o->verbose;
    u->guests = o->guests > 1 ? o->guests : 1;
    u->split = o->split;
    if (u->guests == 1)
        return;
    for (int i = 0; i < u->guests; i++)
        u->names[i] = short_name(o->guest[i]);
    if (u->split)
        panes_init(&u->panes, &t->console, u->guests, u->names);
    mux_init(&u->mux, &t->console, u->split ? &u->panes.output : &u->lines.output, u->guests);
}

struct console *outlet_console(struct outlet *u, int n)
{
    return u->guests == 1 ? &u->terminal.console : mux_console(&u->mux, n);
}

void outlet_name(struct outlet *u, struct machine *m)
{
    for (int i = 0; i < u->guests && u->guests > 1; i++)
        snprintf(m->vcpu[i].name, sizeof(m->vcpu[i].name), "CPU %d (%s)", i, u->names[i]);
}

static bool in_foreground(void)
{
    return tcgetpgrp(STDOUT_FILENO) == getpgrp();
}

static struct winsize window_size(void)
{
    struct winsize w = {.ws_row = 24, .ws_col = 80};

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
    return w;
}

void outlet_start(struct outlet *u, struct machine *m)
{
    u->machine = m;
    terminal_start(&u->terminal, &m->loop);
    if (u->split) {
        struct winsize w = window_size();

        panes_start(&u->panes, &m->clock, w.ws_row, w.ws_col);
        if (in_foreground())
            panes_resume(&u->panes);
        terminal_at_cook(&u->terminal, CANVAS_LEAVE);
    } else if (u->guests > 1) {
        bool colour = isatty(STDOUT_FILENO);

        lines_init(&u->lines, &u->terminal.console, colour, u->guests, u->names);
        terminal_at_cook(&u->terminal, colour ? LINES_PLAIN : NULL);
        lines_start(&u->lines, &m->clock);
    }
}

void outlet_ended(void *to, struct vcpu *v)
{
    struct outlet *u = to;
    char how[32] = "crashed";

    if (u->guests == 1)
        return;
    if (v->crash == VCPU_KICKED)
        snprintf(how, sizeof(how), "status %d", v->status);
    mux_ended(&u->mux, v->index, how);
}

bool outlet_key(struct outlet *u, int key)
{
    /* Any key closes the last message. */
    if (u->split)
        panes_message(&u->panes, u->farewell);
    if (u->guests > 1 && key == 'n')
        mux_next(&u->mux);
    else if (u->split && (key == 'u' || key == 'v'))
        panes_scroll(&u->panes, key == 'u');
    else
        return false;
    return true;
}

void outlet_say(struct outlet *u, const char *text)
{
    if (u->split) {
        char *closing;

        if (asprintf(&closing, "%s(A key after Ctrl-A closes this.)", text) > 0)
            panes_message(&u->panes, closing);
        free(closing);
        return;
    }
    terminal_say(&u->terminal, text);
}

void outlet_resize(struct outlet *u)
{
    struct winsize w = window_size();

    if (u->split)
        panes_resize(&u->panes, w.ws_row, w.ws_col);
    else if (u->guests == 1)
        console_resized(&u->terminal.console);
}

void outlet_suspend(struct outlet *u)
{
    if (u->split) {
        panes_suspend(&u->panes);
        writer_drain(&u->terminal.out, PATIENCE_NS);
    }
    terminal_cook();
}

void outlet_resume(struct outlet *u)
{
    terminal_resume(&u->terminal);
    if (!in_foreground())
        return;
    if (u->split)
        panes_resume(&u->panes);
    outlet_resize(u);
}

void outlet_dismiss(struct outlet *u)
{
    __atomic_store_n(&u->dismissed, true, __ATOMIC_RELEASE);
    event_stop(&u->machine->loop);
}

static void key_pressed(void *to)
{
    outlet_dismiss(to);
}

void outlet_linger(struct outlet *u)
{
    struct machine *m = u->machine;

    if (!u->split || m->stuck)
        return;
    pthread_mutex_lock(&m->lock);
    u->terminal.console.arrived = key_pressed;
    u->terminal.console.to = u;
    u->farewell = "All guests have ended. Press a key.";
    panes_message(&u->panes, u->farewell);
    pthread_mutex_unlock(&m->lock);
    while (!__atomic_load_n(&u->dismissed, __ATOMIC_ACQUIRE))
        event_run(&m->loop);
}

void outlet_close(struct outlet *u)
{
    /* A CPU that is stuck may hold the lock. */
    if (u->machine->stuck)
        return;
    pthread_mutex_lock(&u->machine->lock);
    u->terminal.parted = true;
    if (u->split)
        panes_finish(&u->panes);
    else if (u->guests > 1)
        lines_finish(&u->lines);
    pthread_mutex_unlock(&u->machine->lock);
}

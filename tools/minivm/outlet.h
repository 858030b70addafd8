/* SPDX-License-Identifier: MIT */
/*
 * How the guests' consoles reach the user: one guest has the terminal to itself; several share it a
 * line at a time (tools/minivm/lines) or by a divided screen (tools/minivm/panes).
 */
#ifndef TOOLS_MINIVM_OUTLET_H
#define TOOLS_MINIVM_OUTLET_H

#include "tools/minivm/lines.h"
#include "tools/minivm/mux.h"
#include "tools/minivm/panes.h"
#include "tools/minivm/terminal.h"
#include "tools/minivm/minivm.h"
#include "x86/machine.h"

struct outlet {
    struct terminal terminal;
    struct machine *machine;
    int guests; /* that share it; 1 for one guest with any number of CPUs */
    bool split;
    const char *names[MUX_MAX];
    struct mux mux;
    struct lines lines;
    struct panes panes;
    const char *farewell; /* what the panes say when there is nothing else, or NULL for the keys */
    bool dismissed;       /* the user has seen enough of the panes */
};

/* Make consoles for what the options name, on stdin and stdout; is_linux: the guest is Linux.
 * command, closed and to are for terminal_init(). */
void outlet_init(struct outlet *u, const struct options *o, bool is_linux,
                 void (*command)(void *to, int key), void (*closed)(void *to), void *to);

/* The console of CPU n. */
struct console *outlet_console(struct outlet *u, int n);

/* Name the machine's CPUs after the guests, where there are several. */
void outlet_name(struct outlet *u, struct machine *m);

/* Serve them by a machine's loop and clock. Takes the terminal. */
void outlet_start(struct outlet *u, struct machine *m);

/* config.ended: tell the user that a guest ended. */
void outlet_ended(void *u, struct vcpu *v);

/* Handle a key after Ctrl-A; false if it is none of the outlet's. Machine locked, main thread. */
bool outlet_key(struct outlet *u, int key);

/* Tell the user something, lines of text, where it can be read now. As outlet_key(). */
void outlet_say(struct outlet *u, const char *text);

/* For a terminal whose size has changed; to give the terminal to the user's shell; and to take it
 * again, if minivm is in its foreground. As outlet_key(). */
void outlet_resize(struct outlet *u);
void outlet_suspend(struct outlet *u);
void outlet_resume(struct outlet *u);

/* Stop waiting for the user. Any thread. */
void outlet_dismiss(struct outlet *u);

/* The guests have ended: let the user read the panes until a key is pressed. Main thread. */
void outlet_linger(struct outlet *u);

/* Give back the screen that was divided. Nothing more may be said by this way. The bytes for it are
 * written by terminal_finish(). Main thread. */
void outlet_close(struct outlet *u);

#endif

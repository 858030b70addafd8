/* SPDX-License-Identifier: MIT */
/*
 * The host's terminal, as the console of a guest: stdin and stdout, whatever they are.
 *
 * On a terminal the line is raw and Ctrl-A is the escape to minivm; anywhere else (pipe, file,
 * /dev/null) every byte goes through as it is. Whoever sends to a guest that does not read is held
 * back; one who types, only after so much that Ctrl-A is heard beyond all that a person types. The
 * end of input is not the end of the guest; at most it hangs up.
 *
 * Output leaves by a thread of its own, a millisecond's worth at a time, so that a vCPU never
 * waits inside a chip for a slow reader.
 */
#ifndef TOOLS_MINIVM_TERMINAL_H
#define TOOLS_MINIVM_TERMINAL_H

#include "hw/console.h"
#include "hw/event.h"

#include <stdint.h>

enum {
    TERMINAL_INPUT = 4096, /* bytes that wait for the guest before a pipe or file is left alone, */
    TERMINAL_TYPED = 1 << 20,   /* and before a terminal is; Ctrl-A is heard up to there */
    TERMINAL_WHOLE = 256 << 20, /* bytes of a pipe that is read to its end first */
    TERMINAL_TAIL = 1024,       /* bytes of output remembered for a report */
    TERMINAL_WORDS = 128,       /* bytes of terminal_words() */
};

struct terminal {
    struct console console; /* what the chips get */
    struct event_loop *loop;

    /* Set between terminal_init() and terminal_start(). */
    bool hangs_up; /* the end of input hangs up: console.ended; else the guest never learns of it */
    bool whole;    /* what the guest reads from a pipe or file does not depend on when it came */
    bool onlcr;    /* a newline that the guest writes returns the carriage in raw mode, too */

    /* Input: machine lock. */
    struct watch in;
    uint16_t *queue; /* a ring of size entries, which grows to limit */
    unsigned size, limit, head, count;
    bool is_tty, escaped, eof;
    int file;       /* read as the guest asks for it: stdin, or a copy in memory; or -1 */
    uint64_t saved; /* bytes of that copy */
    bool waits;     /* the copy is not complete */
    void (*command)(void *to, int key);
    void *to;

    /* Output: its own lock, which is never held while another is taken. */
    pthread_mutex_t lock;
    pthread_cond_t more, less; /* output arrived; output left */
    pthread_t writer;
    int out_fd;
    uint8_t *out;
    size_t nout, capacity;
    size_t unwritten; /* nout, and what the writer has in hand */
    bool flush, released, dead;
    void (*closed)(void *to, int error); /* our output cannot be written any more */
    uint8_t tail[TERMINAL_TAIL];
    uint64_t total; /* bytes of output since the start */
};

/*
 * Make a console of two descriptors. command is called in the main thread, machine locked, for the
 * key after a Ctrl-A; closed is called in any thread without lock, once, with the
 * errno of a write that failed: EPIPE when the reader of out_fd has gone.
 */
void terminal_init(struct terminal *t, int in_fd, int out_fd, void (*command)(void *to, int key),
                   void (*closed)(void *to, int error), void *to);

/* Start serving it by a loop that is not running yet. Puts a terminal in raw mode, to be restored
 * at exit and on fatal signals. Dies when the host is out of threads. */
void terminal_start(struct terminal *t, struct event_loop *loop);

/* With whole: is all input of a pipe there, so that the guest may begin? Until then the loop is to
 * be run; it stops when the answer changes. Dies when there is more than TERMINAL_WHOLE. */
bool terminal_ready(struct terminal *t);

/* Queue a byte, or CONSOLE_BREAK, as if it had been typed. Machine locked. */
void terminal_type(struct terminal *t, int byte);

/* Write what is left, for at most timeout_ms without progress (-1: as long as it takes), and end
 * the writer. The loop and the vCPUs have ended. */
void terminal_finish(struct terminal *t, int timeout_ms);

/* Wait until all that was put has been written, or timeout_ms have passed. In the main thread. */
void terminal_drain(struct terminal *t, int timeout_ms);

/* The last line of output that is not blank, from its first non-blank on, as plain ASCII: up to
 * size-1 bytes. */
void terminal_last_line(struct terminal *t, char *line, size_t size);

/* Write these bytes, too, whenever the terminal is given back: what undoes other things than modes.
 * They are kept by reference; NULL for none. t has started. */
void terminal_at_cook(struct terminal *t, const char *bytes);

/* Give the user's shell its terminal back. Harmless without one, async-signal-safe. */
void terminal_cook(void);

/* What a guest with a console on this terminal should know: "TERM=xterm LINES=24 COLUMNS=80", or
 * less of it, as kernel parameters that init gets as environment variables; "" without a terminal.
 */
void terminal_words(int fd, char *words, size_t size);

/* Take the terminal again, after minivm was stopped: raw, if it is ours now. Machine locked. */
void terminal_resume(struct terminal *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The host's terminal, as the console of a guest: stdin and stdout, whatever they are.
 *
 * On a terminal the line is raw and Ctrl-A is the escape to minivm; anywhere else (pipe, file,
 * /dev/null) every byte goes through as it is. A sender waits while the guest does not read; a
 * terminal is read up to a limit that no person reaches by typing, so that Ctrl-A is heard. The end
 * of input does not end the guest; at most it hangs up.
 *
 * Output leaves by a writer, so that a vCPU never waits inside a chip for a slow reader.
 */
#ifndef TOOLS_MINIVM_TERMINAL_H
#define TOOLS_MINIVM_TERMINAL_H

#include "hw/console.h"
#include "hw/event.h"
#include "tools/minivm/writer.h"

#include <stdint.h>

enum {
    TERMINAL_INPUT = 4096, /* bytes that wait for the guest before a pipe or file is left alone, */
    TERMINAL_TYPED = 1 << 20,   /* and before a terminal is; Ctrl-A is heard until then */
    TERMINAL_WHOLE = 256 << 20, /* bytes of a pipe that is read to its end first */
    TERMINAL_SAID = 256 << 10,  /* bytes said that wait for a slow reader */
    TERMINAL_TAIL = 1024,       /* bytes of output remembered for a report */
    TERMINAL_WORDS = 128,       /* bytes of terminal_words() */
};

struct terminal {
    struct console console; /* what the chips get */
    struct event_loop *loop;

    /* Set between terminal_init() and terminal_start(). */
    bool hangs_up; /* the end of input hangs up: console.ended; else the guest never learns of it */
    bool whole;    /* the guest's input from a pipe or file does not depend on when it came */
    bool lends;    /* nothing is read before the guest asks for it, here or by terminal_lend() */
    bool shares;   /* t->err, too, has output of the guest, which waits for its reader */
    bool onlcr;    /* a newline that the guest writes returns the carriage in raw mode, too */

    /* A key after Ctrl-A that needs no lock, so that it is obeyed whoever has it; false for others,
     * which are for command. Main thread. May be NULL. */
    bool (*at_once)(void *to, int key);

    /* Input: main thread. What was typed on a terminal and not handed on yet, bytes and keys. */
    struct watch in;
    uint16_t said[TERMINAL_INPUT];
    unsigned saids;
    bool is_tty, escaped, hung_up;

    /* Machine lock. */
    struct watch heard; /* an eventfd: hand on what was typed */
    uint16_t *queue;    /* a ring of size entries, which grows to limit */
    unsigned size, limit, head, count;
    bool eof;
    int file;       /* read as the guest asks for it: stdin, or a copy in memory; or -1 */
    uint64_t saved; /* bytes of that copy */
    bool waits;     /* the copy is not complete */
    int reader;     /* atomic: who reads the input, where it can be lent */
    void (*command)(void *to, int key);
    void *to;

    /* Output of the guest, and what minivm says beside it on stderr. */
    struct writer out, err;
    bool aside;  /* atomic: the guest has stdout for itself, and what its terminal shows goes to err
                  */
    bool parted; /* the bytes of terminal_at_cook() have been written otherwise */
    uint8_t tail[TERMINAL_TAIL];
    uint64_t total; /* bytes of output since the start; machine lock, as tail */
};

/*
 * Make a console of two descriptors, and a writer to a third. command is called in the main thread,
 * machine locked, for the key after a Ctrl-A; closed, as writer.failed, when out_fd cannot be
 * written any more. t->err.failed may be set afterwards.
 */
void terminal_init(struct terminal *t, int in_fd, int out_fd, int err_fd,
                   void (*command)(void *to, int key), void (*closed)(void *to), void *to);

/* Start serving it by a loop that is not running yet. Puts a terminal in raw mode, to be restored
 * at exit and by every signal that ends the process. Dies when the host is out of threads. */
void terminal_start(struct terminal *t, struct event_loop *loop);

/* With whole: is all input of a pipe there, so that the guest may begin? Until then the loop is to
 * be run; it stops when the answer changes. Dies when there is more than TERMINAL_WHOLE. */
bool terminal_ready(struct terminal *t);

/* Lend the input, for good: returns the descriptor that the caller reads from now on, at its
 * present place; or -1 when the guest has begun to read it from this console. After
 * terminal_start(), with t->lends. Any thread, any lock. */
int terminal_lend(struct terminal *t);

/* The guest has another way to stdout; its terminal is no longer seen there. Any thread. */
void terminal_set_aside(struct terminal *t);

/* Queue a byte, or CONSOLE_BREAK, as if it had been typed. Machine locked. */
void terminal_type(struct terminal *t, int byte);

/* Write what is left, but for t->err, with patience until the deadline (writer_patience), and give
 * the terminal back. Returns whether all has been written. The loop and the vCPUs have ended. */
bool terminal_finish(struct terminal *t, uint64_t deadline);

/* Say something beside the guest's output, lines of text. It is lost when too much is still unread.
 * Any thread, any lock. */
void terminal_say(struct terminal *t, const char *text);

/* The last line of output that is not blank, from its first non-blank on, as plain ASCII without
 * control sequences: up to size-1 bytes. */
void terminal_last_line(struct terminal *t, char *line, size_t size);

/* Write these bytes, too, when the terminal is given back, to undo more than modes. They are kept
 * by reference; NULL for none. t has started. */
void terminal_at_cook(struct terminal *t, const char *bytes);

/* Give the terminal back to the user's shell, however slow it is. Input that waits is dropped.
 * Harmless without a terminal, async-signal-safe. */
void terminal_cook(void);

/* Give back only the modes: the keys are the shell's again, while output is still written. */
void terminal_give_keys(void);

/* Kernel parameters for a guest with a console on this terminal: "TERM=xterm LINES=24 COLUMNS=80",
 * or less of it, which init gets as environment variables; "" without a terminal. size is
 * TERMINAL_WORDS at least. */
void terminal_words(int fd, char *words, size_t size);

/* Take the terminal again, after minivm was stopped: raw, if it is ours now. Machine locked. */
void terminal_resume(struct terminal *t);

#endif

// SPDX-License-Identifier: MIT
/*
 * The host's terminal.
 *
 * After: termios(3), tty_ioctl(4), signal-safety(7).
 */
#define _GNU_SOURCE
#include "tools/minivm/terminal.h"
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum {
    CTRL_A = 1,
    ESC = 0x1b,

    SAID_KEY = 0x100, /* beside a byte: it is a key for minivm */
};

enum { /* terminal.reader */
    NOBODY,
    CONSOLE,
    BORROWER,
};

/* The terminal as the user's shell had it. The one global of minivm: signal handlers need it. */
static struct {
    volatile sig_atomic_t saved, raw;
    volatile sig_atomic_t due; /* the goodbye */
    int fd;
    struct termios cooked;
    const char *goodbye; /* undoes what was done to the screen, or NULL */
    struct writer *out;
} user;

/* May minivm read from this terminal? On one that does not control it, it always may. */
static bool in_foreground(int fd)
{
    pid_t owner = tcgetpgrp(fd);

    return owner < 0 || owner == getpgrp();
}

/* Keys typed to the guest, and the terminal's answers to it, are not for the shell. */
static void drop_input(void)
{
    if (user.saved && in_foreground(user.fd))
        tcflush(user.fd, TCIFLUSH);
}

void terminal_give_keys(void)
{
    if (!user.saved || !user.raw)
        return;
    user.raw = 0;
    drop_input();
    tcsetattr(user.fd, TCSANOW, &user.cooked);
}

void terminal_cook(void)
{
    if (user.due && user.goodbye) {
        user.due = 0;
        writer_overtake(user.out, user.goodbye, strlen(user.goodbye));
    }
    terminal_give_keys();
}

void terminal_at_cook(struct terminal *t, const char *bytes)
{
    user.out = &t->out;
    user.goodbye = bytes;
    user.due = user.raw;
}

static void raw_mode(const struct terminal *t)
{
    struct termios raw = user.cooked;

    /* In the background the terminal is somebody else's. */
    if (!user.saved || !in_foreground(user.fd))
        return;
    cfmakeraw(&raw);
    if (t->onlcr)
        raw.c_oflag |= OPOST | ONLCR;
    user.raw = user.due = 1;
    tcsetattr(user.fd, TCSANOW, &raw);
}

static void dying(int sig)
{
    terminal_cook();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Does a signal that nobody handles end the process? */
static bool is_fatal(int sig)
{
    struct sigaction sa;

    switch (sig) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return false;
    case SIGSEGV: /* these may have a sanitizer's handler */
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
        return true;
    }
    return !sigaction(sig, NULL, &sa) && sa.sa_handler == SIG_DFL;
}

static void take_over(const struct terminal *t)
{
    user.fd = t->in.fd;
    if (tcgetattr(user.fd, &user.cooked) < 0)
        return;
    user.saved = 1;
    atexit(terminal_cook);
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        if (is_fatal(sig))
            signal(sig, dying);
    /* Restoring the modes from the background must not stop minivm. */
    signal(SIGTTOU, SIG_IGN);
    raw_mode(t);
}

void terminal_resume(struct terminal *t)
{
    raw_mode(t);
    writer_hold(&t->out, false);
    if (t->is_tty && !t->hung_up)
        event_enable(t->loop, &t->in, true);
}

/* Double the room for what is typed, up to the limit. */
static void grow(struct terminal *t)
{
    unsigned size = 2 * t->size < t->limit ? 2 * t->size : t->limit;
    uint16_t *queue = malloc(size * sizeof(*queue));

    assert(queue);
    for (unsigned i = 0; i < t->count; i++)
        queue[i] = t->queue[(t->head + i) % t->size];
    free(t->queue);
    t->queue = queue;
    t->size = size;
    t->head = 0;
}

static void enqueue(struct terminal *t, int byte)
{
    if (t->count == t->size && t->size < t->limit)
        grow(t);
    if (t->count < t->size)
        t->queue[(t->head + t->count++) % t->size] = byte;
}

static void tell(struct terminal *t)
{
    if (t->console.arrived)
        t->console.arrived(t->console.to);
}

void terminal_type(struct terminal *t, int byte)
{
    enqueue(t, byte);
    tell(t);
}

static void end_input(struct terminal *t)
{
    t->eof = true;
    event_remove(t->loop, &t->in);
    tell(t);
}

/* A piece of a pipe that is read to its end before the guest begins. */
static void save(struct terminal *t, const uint8_t *buf, ssize_t n)
{
    if (n > 0 && (t->saved += n) <= TERMINAL_WHOLE) {
        if (write(t->file, buf, n) != n)
            die("stdin: cannot keep it in memory: %m");
        return;
    }
    if (n > 0)
        die("stdin: more than %d MiB, too much to be read to its end before the guest begins; "
            "give it as a file: <FILE",
            TERMINAL_WHOLE >> 20);
    lseek(t->file, 0, SEEK_SET);
    event_remove(t->loop, &t->in);
    event_stop(t->loop);
    t->waits = false;
    tell(t);
}

/* Read what there is, at most n bytes; -1 with EAGAIN when another process was faster. */
static ssize_t read_input(const struct terminal *t, void *buf, size_t n)
{
    if (poll(&(struct pollfd){.fd = t->in.fd, .events = POLLIN}, 1, 0))
        return read(t->in.fd, buf, n);
    errno = EAGAIN;
    return -1;
}

static void input_ready(struct watch *w)
{
    struct terminal *t = container_of(w, struct terminal, in);
    uint8_t buf[TERMINAL_INPUT];
    size_t left = t->limit - t->count, room = left < sizeof(buf) ? left : sizeof(buf);

    if (!room) {
        event_enable(t->loop, w, false);
        return;
    }
    ssize_t n = read_input(t, buf, room);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (t->waits) {
        save(t, buf, n);
        return;
    }
    if (n <= 0) {
        end_input(t);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        enqueue(t, buf[i]);
    if (t->count == t->limit)
        event_enable(t->loop, w, false);
    if (t->count)
        tell(t);
}

/* The guest asks this console for input: is it the one that has it? */
static bool claim(struct terminal *t)
{
    int reader = NOBODY;

    if (!t->lends)
        return true;
    if (!__atomic_compare_exchange_n(&t->reader, &reader, CONSOLE, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return reader == CONSOLE;
    if (t->file < 0)
        event_enable(t->loop, &t->in, true);
    return true;
}

int terminal_lend(struct terminal *t)
{
    int reader = NOBODY;

    if (!__atomic_compare_exchange_n(&t->reader, &reader, BORROWER, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return -1;
    return t->file < 0 ? t->in.fd : t->file;
}

void terminal_set_aside(struct terminal *t)
{
    __atomic_store_n(&t->aside, true, __ATOMIC_RELEASE);
}

/* ---- a terminal: what is typed is heard at once, and handed on when the machine can be locked
 * ---- */

/* One byte that was typed: for the guest, or after a Ctrl-A for minivm. */
static void hear(struct terminal *t, uint8_t byte)
{
    bool key = t->escaped && byte != CTRL_A;

    if (!t->escaped && byte == CTRL_A) {
        t->escaped = true;
        return;
    }
    t->escaped = false;
    if (!key || !t->at_once || !t->at_once(t->to, byte))
        t->said[t->saids++] = key ? SAID_KEY | byte : byte;
}

/* Without the machine's lock. */
static void overhear(struct watch *w)
{
    struct terminal *t = container_of(w, struct terminal, in);
    uint8_t buf[TERMINAL_INPUT];

    /* A read in the background would stop minivm. terminal_resume() watches again. */
    if (t->saids == TERMINAL_INPUT || !in_foreground(w->fd)) {
        event_enable(t->loop, w, false);
        return;
    }
    ssize_t n = read_input(t, buf, TERMINAL_INPUT - t->saids);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    for (ssize_t i = 0; i < n; i++)
        hear(t, buf[i]);
    if (n <= 0) {
        t->hung_up = true;
        event_remove(t->loop, w);
    }
    event_ring(&t->heard);
}

static void hand_over(struct watch *w)
{
    struct terminal *t = container_of(w, struct terminal, heard);
    unsigned n = 0;

    event_hush(w);
    for (; n < t->saids && t->count < t->limit; n++) {
        if (t->said[n] & SAID_KEY)
            t->command(t->to, t->said[n] & ~SAID_KEY);
        else
            enqueue(t, t->said[n]);
    }
    t->saids -= n;
    memmove(t->said, t->said + n, t->saids * sizeof(*t->said));
    if (t->hung_up && !t->saids)
        t->eof = true;
    else if (n && !t->hung_up)
        event_enable(t->loop, &t->in, true);
    if (t->count || t->eof)
        tell(t);
}

/* Get more from the file, which is read as the guest asks for it. */
static void refill(struct terminal *t)
{
    uint8_t buf[TERMINAL_INPUT];
    ssize_t n;

    if (t->file < 0 || t->waits || t->count || t->eof)
        return;
    do
        n = read(t->file, buf, sizeof(buf));
    while (n < 0 && errno == EINTR);
    t->eof = n <= 0;
    for (ssize_t i = 0; i < n; i++)
        enqueue(t, buf[i]);
}

static int get(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    if (!claim(t))
        return CONSOLE_EMPTY;
    refill(t);
    if (!t->count)
        return CONSOLE_EMPTY;

    int byte = t->queue[t->head];

    t->head = (t->head + 1) % t->size;
    if (--t->count == t->limit / 2 && !t->eof && t->file < 0) {
        if (t->is_tty)
            event_ring(&t->heard);
        else
            event_enable(t->loop, &t->in, true);
    }
    return byte;
}

static bool ended(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    if (!t->hangs_up)
        return false;
    refill(t);
    return t->eof && !t->count;
}

static void remember(struct terminal *t, const uint8_t *buf, size_t n)
{
    if (n > TERMINAL_TAIL) {
        t->total += n - TERMINAL_TAIL;
        buf += n - TERMINAL_TAIL;
        n = TERMINAL_TAIL;
    }
    for (size_t i = 0; i < n; i++)
        t->tail[t->total++ % TERMINAL_TAIL] = buf[i];
}

/* The window of stdout: output to a pipe must not be cut to fit one. */
static void window(struct console *c, uint16_t *rows, uint16_t *columns)
{
    struct terminal *t = container_of(c, struct terminal, console);
    struct winsize w = {0};

    ioctl(t->out.fd, TIOCGWINSZ, &w);
    *rows = w.ws_row;
    *columns = w.ws_col;
}

static void put(struct console *c, const void *buf, size_t n)
{
    struct terminal *t = container_of(c, struct terminal, console);

    remember(t, buf, n);
    writer_put(__atomic_load_n(&t->aside, __ATOMIC_ACQUIRE) ? &t->err : &t->out, buf, n);
}

static void wait_for_reader(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    writer_wait(&t->out);
    if (t->shares)
        writer_wait(&t->err);
}

static void release(struct console *c, bool released)
{
    struct terminal *t = container_of(c, struct terminal, console);

    writer_release(&t->out, released);
    writer_release(&t->err, released);
}

static size_t unwritten(struct console *c)
{
    return writer_unwritten(&container_of(c, struct terminal, console)->out);
}

void terminal_init(struct terminal *t, int in_fd, int out_fd, int err_fd,
                   void (*command)(void *to, int key), void (*closed)(void *to), void *to)
{
    *t = (struct terminal){
        .console = {.put = put,
                    .size = window,
                    .get = get,
                    .ended = ended,
                    .wait = wait_for_reader,
                    .release = release,
                    .unwritten = unwritten},
        .in = {.fd = in_fd, .ready = input_ready},
        .queue = malloc(TERMINAL_INPUT * sizeof(*t->queue)),
        .size = TERMINAL_INPUT,
        .is_tty = isatty(in_fd),
        .file = -1,
        .command = command,
        .to = to,
    };
    assert(t->queue);
    t->limit = t->is_tty ? TERMINAL_TYPED : TERMINAL_INPUT;
    if (t->is_tty) {
        t->in.ready = overhear;
        t->in.urgent = true;
        event_bell(&t->heard, hand_over);
    }
    writer_init(&t->out, out_fd, SIZE_MAX, closed, to);
    writer_init(&t->err, err_fd, TERMINAL_SAID, NULL, to);
}

/* All of the input is to be there before the guest begins. That of a file is; a pipe is copied into
 * one. */
static void start_whole(struct terminal *t)
{
    struct stat st;

    if (!fstat(t->in.fd, &st) && S_ISREG(st.st_mode)) {
        t->file = t->in.fd;
        event_remove(t->loop, &t->in);
        tell(t);
        return;
    }
    t->file = memfd_create("stdin", MFD_CLOEXEC);
    if (t->file < 0)
        die("stdin: cannot keep it in memory: %m");
    t->waits = true;
}

void terminal_start(struct terminal *t, struct event_loop *loop)
{
    int error;

    t->loop = loop;
    error = writer_start(&t->out);
    if (t->is_tty) {
        take_over(t);
        event_add(loop, &t->heard);
    }
    event_add(loop, &t->in);
    if (error)
        die("cannot start the console's thread: %s", strerror(error));
    if (t->is_tty)
        return;
    if (t->whole)
        start_whole(t);
    else if (t->lends)
        event_enable(loop, &t->in, false);
    else
        input_ready(&t->in); /* a pipe's or file's first bytes are there at once */
}

bool terminal_ready(struct terminal *t)
{
    return !t->waits;
}

bool terminal_finish(struct terminal *t, uint64_t deadline)
{
    event_remove(t->loop, &t->in);
    if (t->is_tty) {
        event_remove(t->loop, &t->heard);
        close(t->heard.fd);
    }
    if (t->file >= 0 && t->file != t->in.fd)
        close(t->file);
    t->file = -1;
    free(t->queue);
    t->queue = NULL;
    t->count = 0;
    writer_patience(&t->out, deadline);

    bool written = writer_finish(&t->out);

    if (written && t->parted)
        user.due = 0;
    drop_input();
    terminal_cook();
    return written;
}

void terminal_say(struct terminal *t, const char *text)
{
    /* On a raw line a newline does not return the carriage. */
    const char *end = user.raw ? "\r\n" : "\n";
    char *buf;
    size_t size;
    FILE *f = open_memstream(&buf, &size);

    assert(f);
    for (; *text; text++)
        fprintf(f, *text == '\n' ? "%s" : "%.1s", *text == '\n' ? end : text);
    fclose(f);
    writer_put(&t->err, buf, size);
    free(buf);
}

/* Is byte part of a control sequence: ESC [ ... and a letter? *state is what came before, 0 at the
 * beginning. */
static bool in_sequence(char *state, uint8_t byte)
{
    char before = *state;

    if (byte < ' ')
        *state = byte == ESC ? ESC : 0;
    else if (before == ESC)
        *state = byte == '[' ? '[' : 0;
    else if (byte >= '@')
        *state = 0;
    return byte == ESC || (before && byte >= ' ');
}

void terminal_last_line(struct terminal *t, char *line, size_t size)
{
    uint64_t start = t->total > TERMINAL_TAIL ? t->total - TERMINAL_TAIL : 0;
    char sequence = 0;
    size_t n = 0;

    line[0] = 0;
    for (uint64_t i = start; i < t->total; i++) {
        uint8_t byte = t->tail[i % TERMINAL_TAIL];

        if (in_sequence(&sequence, byte))
            continue;
        if (byte == '\n' || byte == '\r') {
            n = 0;
        } else if (n < size - 1 && (n || byte != ' ')) {
            line[n++] = byte >= ' ' && byte < 127 ? byte : '?';
            line[n] = 0;
        }
    }
}

/* Can a kernel parameter hold s without quotes? */
static bool is_word(const char *s)
{
    if (!s || !*s || strlen(s) >= 64)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-_.+", *s))
            return false;
    return true;
}

void terminal_words(int fd, char *words, size_t size)
{
    const char *term = getenv("TERM");
    struct winsize w = {0};
    int n = 0;

    assert(size >= TERMINAL_WORDS);
    words[0] = 0;
    if (!isatty(fd))
        return;
    if (is_word(term))
        n = snprintf(words, size, "TERM=%s", term);
    if (!ioctl(fd, TIOCGWINSZ, &w) && w.ws_row && w.ws_col)
        snprintf(words + n, size - n, "%sLINES=%d COLUMNS=%d", n ? " " : "", w.ws_row, w.ws_col);
}

// SPDX-License-Identifier: MIT
/*
 * The host's terminal.
 *
 * After: termios(3), tty_ioctl(4), signal-safety(7).
 *
 * Left out: the window's size. A serial line has no way to tell it; `resize` or `stty` in the
 * guest does.
 */
#define _GNU_SOURCE
#include "tools/minivm/terminal.h"
#include "hw/clock.h"
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
#include <time.h>
#include <unistd.h>

enum {
    CTRL_A = 1,
    LINGER_NS = 1000000,    /* how long output is gathered before it is written */
    GATHER = 16 * 1024,     /* or how much */
    HIGH_WATER = 64 * 1024, /* unwritten bytes that make a vCPU wait, */
    LOW_WATER = 16 * 1024,  /* until so few are left */
};

/* The terminal as the user's shell had it. The one global of minivm: signal handlers need it. */
static struct {
    volatile sig_atomic_t saved, raw;
    int fd;
    struct termios cooked;
    const char *goodbye; /* to be written to out_fd when the terminal is given back, or NULL */
    int out_fd;
} user;

static const int fatal_signals[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGABRT, SIGSYS, SIGTRAP,
                                    SIGXCPU, SIGALRM, SIGUSR2, SIGVTALRM, SIGPROF, SIGIO};

void terminal_cook(void)
{
    if (user.saved && user.raw) {
        user.raw = 0;
        tcsetattr(user.fd, TCSANOW, &user.cooked);
        if (user.goodbye)
            (void)!write(user.out_fd, user.goodbye, strlen(user.goodbye));
    }
}

void terminal_at_cook(struct terminal *t, const char *bytes)
{
    user.out_fd = t->out_fd;
    user.goodbye = bytes;
}

/* May we read from this terminal? One that does not control us has no foreground to be in. */
static bool in_foreground(int fd)
{
    pid_t owner = tcgetpgrp(fd);

    return owner < 0 || owner == getpgrp();
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
    user.raw = 1;
    tcsetattr(user.fd, TCSANOW, &raw);
}

static void crashed(int sig)
{
    terminal_cook();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void take_over(const struct terminal *t)
{
    user.fd = t->in.fd;
    if (tcgetattr(user.fd, &user.cooked) < 0)
        return;
    user.saved = 1;
    atexit(terminal_cook);
    for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++)
        signal(fatal_signals[i], crashed);
    /* Restoring from the background must not stop us. */
    signal(SIGTTOU, SIG_IGN);
    raw_mode(t);
}

void terminal_resume(struct terminal *t)
{
    raw_mode(t);
    if (t->is_tty && !t->eof)
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

/* One byte from stdin: to the guest, or after a Ctrl-A on a terminal, to minivm. */
static void typed(struct terminal *t, uint8_t byte)
{
    if (t->escaped) {
        t->escaped = false;
        if (byte == CTRL_A)
            enqueue(t, byte);
        else
            t->command(t->to, byte);
    } else if (t->is_tty && byte == CTRL_A) {
        t->escaped = true;
    } else {
        enqueue(t, byte);
    }
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

static void input_ready(struct watch *w)
{
    struct terminal *t = container_of(w, struct terminal, in);
    uint8_t buf[TERMINAL_INPUT];
    size_t left = t->limit - t->count, room = left < sizeof(buf) ? left : sizeof(buf);

    /* In the background a read would stop us, with the machine locked; terminal_resume() goes on.
     */
    if (!room || (t->is_tty && !in_foreground(w->fd))) {
        event_enable(t->loop, w, false);
        return;
    }
    /* Another process may have been faster, and this is no place to wait. */
    if (!poll(&(struct pollfd){.fd = w->fd, .events = POLLIN}, 1, 0))
        return;

    ssize_t n = read(w->fd, buf, room);

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
        typed(t, buf[i]);
    if (t->count == t->limit)
        event_enable(t->loop, w, false);
    if (t->count)
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

    refill(t);
    if (!t->count)
        return CONSOLE_EMPTY;

    int byte = t->queue[t->head];

    t->head = (t->head + 1) % t->size;
    if (--t->count == t->limit / 2 && !t->eof && t->file < 0)
        event_enable(t->loop, &t->in, true);
    return byte;
}

static bool ended(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    refill(t);
    return t->hangs_up && t->eof && !t->count;
}

/* Output lock held, but wait_for_reader() looks without it. */
static void set_unwritten(struct terminal *t, size_t n)
{
    __atomic_store_n(&t->unwritten, n, __ATOMIC_RELAXED);
}

/* Output lock held. */
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

static void put(struct console *c, const void *buf, size_t n)
{
    struct terminal *t = container_of(c, struct terminal, console);

    pthread_mutex_lock(&t->lock);
    remember(t, buf, n);
    if (!t->dead) {
        if (t->nout + n > t->capacity) {
            t->capacity = 2 * (t->nout + n);
            t->out = realloc(t->out, t->capacity);
            assert(t->out);
        }
        memcpy(t->out + t->nout, buf, n);
        bool first = t->nout == 0, enough = t->nout < GATHER && t->nout + n >= GATHER;

        t->nout += n;
        set_unwritten(t, t->unwritten + n);
        if (first || enough)
            pthread_cond_signal(&t->more);
    }
    pthread_mutex_unlock(&t->lock);
}

static void wait_for_reader(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    if (__atomic_load_n(&t->unwritten, __ATOMIC_RELAXED) < HIGH_WATER)
        return;
    pthread_mutex_lock(&t->lock);
    while (t->unwritten > LOW_WATER && !t->released && !t->dead)
        pthread_cond_wait(&t->less, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void release(struct console *c, bool released)
{
    struct terminal *t = container_of(c, struct terminal, console);

    pthread_mutex_lock(&t->lock);
    t->released = released;
    pthread_cond_broadcast(&t->less);
    pthread_mutex_unlock(&t->lock);
}

static size_t unwritten(struct console *c)
{
    struct terminal *t = container_of(c, struct terminal, console);

    return __atomic_load_n(&t->unwritten, __ATOMIC_RELAXED);
}

/* Write all of buf, however the descriptor behaves; false when nobody will ever read it. */
static bool write_all(struct terminal *t, const uint8_t *buf, size_t n)
{
    while (n > 0) {
        ssize_t done = write(t->out_fd, buf, n);

        if (done < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = t->out_fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        buf += done;
        n -= done;
        pthread_mutex_lock(&t->lock);
        set_unwritten(t, t->unwritten - done);
        pthread_cond_broadcast(&t->less);
        pthread_mutex_unlock(&t->lock);
    }
    return true;
}

static struct timespec after(uint64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    t.tv_sec += ns / NS_PER_SECOND;
    t.tv_nsec = ns % NS_PER_SECOND;
    return t;
}

/* The output lock is held; wait until output is worth a system call. False at the very end. */
static bool gather(struct terminal *t)
{
    while (!t->nout && !t->flush)
        pthread_cond_wait(&t->more, &t->lock);

    struct timespec deadline = after(LINGER_NS);

    while (t->nout < GATHER && !t->flush)
        if (pthread_cond_timedwait(&t->more, &t->lock, &deadline) == ETIMEDOUT)
            break;
    return t->nout > 0;
}

static void *writer(void *arg)
{
    struct terminal *t = arg;
    uint8_t *spare = NULL;
    size_t spare_capacity = 0;

    pthread_mutex_lock(&t->lock);
    while (gather(t)) {
        uint8_t *buf = t->out;
        size_t n = t->nout, capacity = t->capacity;

        t->out = spare;
        t->capacity = spare_capacity;
        t->nout = 0;
        pthread_mutex_unlock(&t->lock);
        bool alive = write_all(t, buf, n);
        pthread_mutex_lock(&t->lock);
        spare = buf;
        spare_capacity = capacity;
        if (!alive) {
            int error = errno;

            t->dead = true;
            t->nout = 0;
            set_unwritten(t, 0);
            pthread_cond_broadcast(&t->less);
            pthread_mutex_unlock(&t->lock);
            t->closed(t->to, error);
            pthread_mutex_lock(&t->lock);
        }
    }
    t->dead = true;
    pthread_cond_broadcast(&t->less);
    pthread_mutex_unlock(&t->lock);
    free(spare);
    return NULL;
}

void terminal_init(struct terminal *t, int in_fd, int out_fd, void (*command)(void *to, int key),
                   void (*closed)(void *to, int error), void *to)
{
    pthread_condattr_t attr;

    *t = (struct terminal){
        .console =
            {
                .put = put,
                .get = get,
                .ended = ended,
                .wait = wait_for_reader,
                .release = release,
                .unwritten = unwritten,
            },
        .in = {.fd = in_fd, .ready = input_ready},
        .queue = malloc(TERMINAL_INPUT * sizeof(*t->queue)),
        .size = TERMINAL_INPUT,
        .is_tty = isatty(in_fd),
        .file = -1,
        .command = command,
        .out_fd = out_fd,
        .closed = closed,
        .to = to,
    };
    assert(t->queue);
    t->limit = t->is_tty ? TERMINAL_TYPED : TERMINAL_INPUT;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->more, &attr);
    pthread_cond_init(&t->less, &attr);
    pthread_condattr_destroy(&attr);
}

/* All of the input is to be there before the guest begins: of a file it is, a pipe is copied to
 * one.
 */
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
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* both are errors of write() instead */
    if (t->is_tty)
        take_over(t);
    event_add(loop, &t->in);
    error = event_thread(&t->writer, writer, t);
    if (error)
        die("cannot start the console's thread: %s", strerror(error));
    if (t->is_tty)
        return;
    if (t->whole)
        start_whole(t);
    else
        input_ready(&t->in); /* what a pipe or file holds already is there for the first look */
}

bool terminal_ready(struct terminal *t)
{
    return !t->waits;
}

void terminal_finish(struct terminal *t, int timeout_ms)
{
    struct timespec deadline;
    size_t left = SIZE_MAX;
    int error = 0;

    event_remove(t->loop, &t->in);
    if (t->file >= 0 && t->file != t->in.fd)
        close(t->file);
    t->file = -1;
    free(t->queue);
    t->queue = NULL;
    t->count = 0;
    pthread_mutex_lock(&t->lock);
    t->flush = true;
    pthread_cond_signal(&t->more);
    while (!t->dead && error != ETIMEDOUT) {
        if (timeout_ms < 0) {
            pthread_cond_wait(&t->less, &t->lock);
            continue;
        }
        if (t->unwritten < left) {
            left = t->unwritten;
            deadline = after(timeout_ms * UINT64_C(1000000));
        }
        error = pthread_cond_timedwait(&t->less, &t->lock, &deadline);
    }
    bool dead = t->dead;
    pthread_mutex_unlock(&t->lock);
    /* A writer stuck in write() ends with the process. */
    if (dead) {
        pthread_join(t->writer, NULL);
        free(t->out);
        t->out = NULL;
    } else {
        pthread_detach(t->writer);
    }
    terminal_cook();
}

void terminal_drain(struct terminal *t, int timeout_ms)
{
    struct timespec deadline = after(timeout_ms * UINT64_C(1000000));

    pthread_mutex_lock(&t->lock);
    while (t->unwritten > 0 && !t->dead)
        if (pthread_cond_timedwait(&t->less, &t->lock, &deadline) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&t->lock);
}

void terminal_last_line(struct terminal *t, char *line, size_t size)
{
    size_t n = 0;

    pthread_mutex_lock(&t->lock);
    uint64_t start = t->total > TERMINAL_TAIL ? t->total - TERMINAL_TAIL : 0;

    line[0] = 0;
    for (uint64_t i = start; i < t->total; i++) {
        uint8_t byte = t->tail[i % TERMINAL_TAIL];

        if (byte == '\n' || byte == '\r') {
            n = 0;
        } else if (n < size - 1 && (n || byte != ' ')) {
            line[n++] = byte >= ' ' && byte < 127 ? byte : '?';
            line[n] = 0;
        }
    }
    pthread_mutex_unlock(&t->lock);
}

/* What a kernel parameter can hold without quotes. */
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

    words[0] = 0;
    if (!isatty(fd))
        return;
    if (is_word(term))
        n = snprintf(words, size, "TERM=%s", term);
    if (!ioctl(fd, TIOCGWINSZ, &w) && w.ws_row && w.ws_col)
        snprintf(words + n, size - n, "%sLINES=%d COLUMNS=%d", n ? " " : "", w.ws_row, w.ws_col);
}

// SPDX-License-Identifier: MIT
/*
 * Bytes on their way to a descriptor.
 *
 * After: write(2), fopencookie(3), signal-safety(7); for a terminal that does not take bytes,
 * tcflush(3) and tty_ioctl(4).
 *
 * Left out: O_NONBLOCK all the time: it would affect the user's shell, which shares the open file.
 */
#define _GNU_SOURCE
#include "tools/minivm/writer.h"
#include "hw/clock.h"
#include "hw/event.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
    LINGER_NS = 1000000,    /* how long bytes are gathered before they are written */
    GATHER = 16 * 1024,     /* or how many */
    HIGH_WATER = 64 * 1024, /* unwritten bytes that make a vCPU wait, */
    LOW_WATER = 16 * 1024,  /* until so few are left */

    INTERRUPT = SIGURG, /* makes the thread come back from write(2); does nothing else */
    TRIES = 100,        /* a millisecond each */
    GENTLE_TRIES = 10,  /* as many of these before a terminal's unshown bytes are thrown away */
};

/* Wait for a condition until a deadline; false when that has passed. Lock held. */
static bool wait_until(struct writer *w, pthread_cond_t *c, uint64_t deadline)
{
    struct timespec t = {deadline / NS_PER_SECOND, deadline % NS_PER_SECOND};

    if (deadline == WRITER_PATIENT)
        return pthread_cond_wait(c, &w->lock) == 0;
    return pthread_cond_timedwait(c, &w->lock, &t) != ETIMEDOUT;
}

/* Lock held; others read it without. */
static void set_unwritten(struct writer *w, size_t n)
{
    __atomic_store_n(&w->unwritten, n, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&w->less);
}

/* So many bytes were unwritten, and fewer are now. Lock not held. */
static void tell_drained(struct writer *w, size_t before, size_t now)
{
    if (w->drained && before > LOW_WATER && now <= LOW_WATER)
        w->drained(w->drained_to);
}

static bool is_set(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void wait_while_held(struct writer *w)
{
    if (!is_set(&w->held))
        return;
    pthread_mutex_lock(&w->lock);
    while (is_set(&w->held) && !is_set(&w->abandoned))
        pthread_cond_wait(&w->more, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

/* Write all of buf, however the descriptor behaves; false when nobody will ever read it. */
static bool write_all(struct writer *w, const uint8_t *buf, size_t n)
{
    while (n > 0) {
        wait_while_held(w);
        if (is_set(&w->abandoned))
            return false;

        ssize_t done = write(w->fd, buf, n);

        if (done < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = w->fd, .events = POLLOUT}, 1, -1);
        else if (done < 0 && errno != EINTR)
            return false;
        if (done <= 0)
            continue;
        buf += done;
        n -= done;
        pthread_mutex_lock(&w->lock);
        size_t left = w->unwritten - done;

        set_unwritten(w, left);
        pthread_mutex_unlock(&w->lock);
        tell_drained(w, left + done, left);
    }
    return true;
}

/* The lock is held; wait until there are bytes worth a system call. False at the very end. */
static bool gather(struct writer *w)
{
    while (!w->n && !w->flush)
        pthread_cond_wait(&w->more, &w->lock);

    uint64_t deadline = clock_host(CLOCK_MONOTONIC) + LINGER_NS;

    while (w->n < GATHER && !w->flush)
        if (!wait_until(w, &w->more, deadline))
            break;
    return w->n > 0;
}

static void *run(void *arg)
{
    struct writer *w = arg;
    uint8_t *spare = NULL;
    size_t spare_capacity = 0;

    pthread_mutex_lock(&w->lock);
    while (gather(w)) {
        uint8_t *buf = w->buf;
        size_t n = w->n, capacity = w->capacity;

        w->buf = spare;
        w->capacity = spare_capacity;
        w->n = 0;
        pthread_mutex_unlock(&w->lock);
        bool written = write_all(w, buf, n);
        int error = errno;

        pthread_mutex_lock(&w->lock);
        spare = buf;
        spare_capacity = capacity;
        if (written)
            continue;
        w->dead = true;
        if (is_set(&w->abandoned))
            break;
        w->error = error;
        w->n = 0;
        set_unwritten(w, 0);
        pthread_mutex_unlock(&w->lock);
        if (w->failed)
            w->failed(w->to);
        tell_drained(w, SIZE_MAX, 0);
        pthread_mutex_lock(&w->lock);
    }
    w->dead = w->ended = true;
    pthread_cond_broadcast(&w->less);
    pthread_mutex_unlock(&w->lock);
    free(spare);
    return NULL;
}

static void interrupted(int sig)
{
    (void)sig;
}

void writer_init(struct writer *w, int fd, size_t limit, void (*failed)(void *to), void *to)
{
    pthread_condattr_t attr;

    *w = (struct writer){
        .fd = fd, .limit = limit, .failed = failed, .to = to, .deadline = WRITER_PATIENT};
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->more, &attr);
    pthread_cond_init(&w->less, &attr);
    pthread_condattr_destroy(&attr);
}

/* Lock held. */
static int start(struct writer *w)
{
    struct sigaction sa = {.sa_handler = interrupted};

    if (w->started)
        return 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* both are errors of write() instead */
    sigaction(INTERRUPT, &sa, NULL);

    int error = event_thread(&w->thread, run, w);

    if (error)
        w->dead = true;
    else
        w->started = true;
    return error;
}

int writer_start(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    int error = start(w);

    pthread_mutex_unlock(&w->lock);
    return error;
}

void writer_put(struct writer *w, const void *buf, size_t n)
{
    pthread_mutex_lock(&w->lock);
    if (!w->dead && !w->started)
        start(w);
    if (w->dead) {
        w->lost += n;
    } else if (n > w->limit || w->unwritten > w->limit - n) {
        w->lost += n;
    } else {
        if (w->n + n > w->capacity) {
            w->capacity = 2 * (w->n + n);
            w->buf = realloc(w->buf, w->capacity);
            assert(w->buf);
        }
        memcpy(w->buf + w->n, buf, n);
        bool first = w->n == 0, enough = w->n < GATHER && w->n + n >= GATHER;

        w->n += n;
        __atomic_store_n(&w->unwritten, w->unwritten + n, __ATOMIC_RELAXED);
        if (first || enough)
            pthread_cond_broadcast(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
}

void writer_wait(struct writer *w)
{
    if (writer_unwritten(w) < HIGH_WATER)
        return;
    pthread_mutex_lock(&w->lock);
    while (w->unwritten > LOW_WATER && !w->released && !w->dead)
        if (!wait_until(w, &w->less, w->deadline))
            break;
    pthread_mutex_unlock(&w->lock);
}

void writer_release(struct writer *w, bool released)
{
    pthread_mutex_lock(&w->lock);
    w->released = released;
    pthread_cond_broadcast(&w->less);
    pthread_mutex_unlock(&w->lock);
}

void writer_patience(struct writer *w, uint64_t deadline)
{
    pthread_mutex_lock(&w->lock);
    w->deadline = deadline;
    pthread_cond_broadcast(&w->less);
    pthread_mutex_unlock(&w->lock);
}

size_t writer_unwritten(struct writer *w)
{
    return __atomic_load_n(&w->unwritten, __ATOMIC_RELAXED);
}

static ssize_t write_line(void *writer, const char *buf, size_t n)
{
    writer_put(writer, buf, n);
    writer_wait(writer);
    return n;
}

FILE *writer_stream(struct writer *w)
{
    FILE *f = fopencookie(w, "w", (cookie_io_functions_t){.write = write_line});

    assert(f);
    setvbuf(f, NULL, _IOLBF, BUFSIZ);
    return f;
}

void writer_drain(struct writer *w, uint64_t ns)
{
    uint64_t deadline = clock_host(CLOCK_MONOTONIC) + ns;

    pthread_mutex_lock(&w->lock);
    while (w->unwritten > 0 && !w->dead)
        if (!wait_until(w, &w->less, deadline))
            break;
    pthread_mutex_unlock(&w->lock);
}

void writer_hold(struct writer *w, bool held)
{
    pthread_mutex_lock(&w->lock);
    __atomic_store_n(&w->held, held, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
}

void writer_overtake(struct writer *w, const char *bytes, size_t n)
{
    int flags = fcntl(w->fd, F_GETFL);

    /* The thread may be in write(2), or just before. */
    __atomic_store_n(&w->held, true, __ATOMIC_RELEASE);
    fcntl(w->fd, F_SETFL, flags | O_NONBLOCK);
    for (int i = 0; i < TRIES && n > 0; i++) {
        if (w->started)
            pthread_kill(w->thread, INTERRUPT);

        ssize_t done = write(w->fd, bytes, n);

        if (done > 0) {
            bytes += done;
            n -= done;
            continue;
        }
        if (i >= GENTLE_TRIES)
            tcflush(w->fd, TCOFLUSH);
        poll(NULL, 0, 1);
    }
    fcntl(w->fd, F_SETFL, flags);
}

/* Make the thread give up what it has not written. It may stay in write(2) all the same, when a
 * disk does not answer. Lock held. */
static void abandon(struct writer *w)
{
    __atomic_store_n(&w->abandoned, true, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&w->more);
    for (int i = 0; i < TRIES && !w->ended; i++) {
        pthread_kill(w->thread, INTERRUPT);
        wait_until(w, &w->less, clock_host(CLOCK_MONOTONIC) + LINGER_NS);
    }
}

bool writer_finish(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->flush = true;
    pthread_cond_broadcast(&w->more);
    while (w->started && !w->ended)
        if (!wait_until(w, &w->less, w->deadline))
            break;
    if (w->started && !w->ended)
        abandon(w);
    bool ended = w->started && w->ended, written = !w->abandoned && !w->error;

    w->dead = true;
    pthread_mutex_unlock(&w->lock);
    /* A thread that stays in write(2) ends with the process. */
    if (ended) {
        pthread_join(w->thread, NULL);
        w->started = false;
        free(w->buf);
        w->buf = NULL;
    }
    return written;
}

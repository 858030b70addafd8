/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way to a descriptor whose reader may be slow, asleep or gone.
 *
 * A thread of its own writes them, a millisecond's worth at a time, so that nobody else ever waits
 * in write(2): not a chip, not the main thread. A vCPU that prints much waits for the reader in
 * writer_wait(), which the machine's stop ends.
 */
#ifndef TOOLS_MINIVM_WRITER_H
#define TOOLS_MINIVM_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A deadline that never comes. */
#define WRITER_PATIENT UINT64_MAX

struct writer {
    int fd;
    void (*failed)(void *to);
    void *to;
    void (*drained)(void *to); /* little is unwritten again; in the thread, without lock; or NULL */
    void *drained_to;
    size_t limit; /* unwritten bytes beyond which a piece is lost */

    pthread_mutex_t lock;      /* never held while another is taken */
    pthread_cond_t more, less; /* bytes came, or held changed; bytes were written */
    pthread_t thread;
    bool started;
    uint8_t *buf;
    size_t n, capacity;
    size_t unwritten;  /* n, and the bytes that the thread is writing; atomic */
    uint64_t lost;     /* bytes that did not fit */
    uint64_t deadline; /* when patience ends */
    bool flush;        /* the thread ends when all is written */
    bool released;     /* nobody waits for the reader */
    bool held;         /* atomic: nothing is written for now */
    bool abandoned;    /* atomic: nothing is written any more */
    bool dead;         /* bytes put are lost: writing has failed or ended */
    bool ended;        /* the thread has */
    int error;         /* errno of the write that failed */
};

/* Make an empty writer. failed may be NULL; it is called in the writer's thread, without lock,
 * once, when a write has failed: w->error is EPIPE when the reader has gone. limit: SIZE_MAX for
 * none. */
void writer_init(struct writer *w, int fd, size_t limit, void (*failed)(void *to), void *to);

/* Start the thread, before the first writer_put() or in it. Returns an errno, 0 for success. */
int writer_start(struct writer *w);

/* Have n bytes written, in order. Never waits. Any thread, any lock. */
void writer_put(struct writer *w, const void *buf, size_t n);

/* When much is unwritten, wait until little is, until writer_release(), or until the deadline of
 * writer_patience(). Any thread, no lock held. */
void writer_wait(struct writer *w);

/* Does writer_wait() return at once from now on? Any thread. */
void writer_release(struct writer *w, bool released);

/* The moment on CLOCK_MONOTONIC, in ns, at which writer_wait() and writer_finish() give up; before
 * this is called they never do. Any thread. */
void writer_patience(struct writer *w, uint64_t deadline);

/* Bytes that are not written yet. Any thread. */
size_t writer_unwritten(struct writer *w);

/* A stream of lines to w, for one thread or several, each of which waits as in writer_wait(). */
FILE *writer_stream(struct writer *w);

/* Wait until all is written, for at most ns nanoseconds. */
void writer_drain(struct writer *w, uint64_t ns);

/* Write nothing until it is called again with false. */
void writer_hold(struct writer *w, bool held);

/* Write bytes ahead of all others, within a tenth of a second: what a stalled terminal has not
 * shown by then is thrown away to make room. Leaves w held. Async-signal-safe. */
void writer_overtake(struct writer *w, const char *bytes, size_t n);

/* Write the rest, as long as patience lasts, and end the thread. Returns whether all is written. */
bool writer_finish(struct writer *w);
#endif

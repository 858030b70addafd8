/* SPDX-License-Identifier: MIT */
/*
 * An event loop, of the main thread or of a worker: file descriptors, and whose they are.
 */
#ifndef HW_EVENT_H
#define HW_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A file descriptor that somebody waits for, embedded in its owner. */
struct watch {
    int fd;
    void (*ready)(struct watch *w); /* in the loop's thread, with its lock held */

    /* ready() is called without the lock, before all others, and also while the lock is not to be
     * had, or the loop may not go in: it must touch only what belongs to the loop's thread. Set
     * before event_add(); not for what epoll refuses. */
    bool urgent;
    bool on;
    bool always; /* epoll refuses it (a file, /dev/null), so it is always readable */
    struct watch *next;
};

#define EVENT_BATCH 16 /* watches served at a time */

struct event_loop {
    int epoll;             /* of all watches, and of the following */
    int urgent;            /* an epoll of those that are urgent */
    struct watch waker;    /* a bell that ends a wait */
    bool stopped;          /* atomic: a stop that event_run() has not obeyed yet */
    pthread_mutex_t *lock; /* held around every ready() */

    /* What is done around serving the watches, if not to take the lock and to leave it. NULL or
     * both, to be set after event_init(). enter() does not wait: where it returns false,
     * event_wake() tells that it is to be called again. */
    bool (*enter)(struct event_loop *l);
    void (*leave)(struct event_loop *l);

    struct watch *watches;
    bool changed; /* atomic: there is a watch more that is always ready */
    bool busy;    /* one of them is always ready, as far as is known */
    /* Ready, and not served yet; NULL for one that was removed. */
    struct watch *due[EVENT_BATCH], *hurry[EVENT_BATCH];
    struct watch *next; /* the one to look at next */
};

/* Make a loop whose callbacks run with lock held. Dies when the host has no descriptors left. */
void event_init(struct event_loop *l, pthread_mutex_t *lock);

/* Give its descriptors back. */
void event_free(struct event_loop *l);

/* Watch w->fd for input, until event_remove(), after which the loop knows nothing of w. Lock held,
 * as in a callback, or the loop not running; for urgent ones in its thread. event_add() dies when
 * fd cannot be watched; event_try() is false then, and nothing has changed. event_remove() not from
 * another thread, as the loop may wait for the lock in order to serve w. */
void event_add(struct event_loop *l, struct watch *w);
bool event_try(struct event_loop *l, struct watch *w);
void event_remove(struct event_loop *l, struct watch *w);

/* Stop and resume watching. Any thread, lock held; an urgent one in the loop's thread only. */
void event_enable(struct event_loop *l, struct watch *w, bool on);

/* Run callbacks until event_stop(). In the loop's thread, lock not held. */
void event_run(struct event_loop *l);

/* Make the loop look at its watches again. Any thread, any lock. */
void event_wake(struct event_loop *l);

/* Serve only what is urgent and has come. In the loop's thread, lock not held; not in a callback.
 */
void event_hurry(struct event_loop *l);

/*
 * A watch that is rung, and not ready by itself: an eventfd. event_bell() makes one, not watched
 * yet, and dies when the host has no descriptors left; the owner closes its fd. Any thread may ring
 * it, with any lock. ready() hushes it first, as what rings after that is for another time:
 * event_hush() tells whether it had been rung. Without ready() its owner has the fd in an epoll of
 * its own.
 */
void event_bell(struct watch *w, void (*ready)(struct watch *w));
void event_ring(const struct watch *w);
bool event_hush(const struct watch *w);

/* A watch that rings at a time, once: a timerfd, made, closed and hushed as a bell. The time is in
 * ns on CLOCK_MONOTONIC, 0 for never, as at first. Any thread, any lock. */
void event_timer(struct watch *w, void (*ready)(struct watch *w));
void event_set_timer(const struct watch *w, uint64_t ns);

/* Start a thread, with a stack of the size that ours need: the default one may cost a huge page.
 * Returns an errno, 0 for success. */
int event_thread(pthread_t *thread, void *(*run)(void *arg), void *arg);

/* Make event_run() return. Any thread, any lock state, also from a signal handler; a stop before
 * the start counts. */
void event_stop(struct event_loop *l);

#endif

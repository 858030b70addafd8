/* SPDX-License-Identifier: MIT */
/*
 * Where the work of devices that move data is done: in a thread of its own, or in line.
 *
 * A worker has watches, as the main thread's event loop has, and a lock, which is held around
 * everything that its devices do. It is the board's choice:
 *
 * - With a thread, the lock is the worker's own. It comes after the machine's: who holds the
 *   machine's may take it, but not the other way. What the devices want of the machine (to
 *   interrupt it) they note, and it is done at the end of their work, when the worker calls its
 *   afters without its lock.
 * - In line, the watches are the main thread's and the lock is the machine's, which is held anyway.
 *   Requests are then served where the guest makes them, in order, and so again in each run.
 *
 * No system call that may wait for the host's storage is made with the lock held: a guest's access
 * to a register takes it.
 *
 * A machine that stands still has workers that do: each has ended what it was at, and begins
 * nothing. What it was at are pieces of work, and what is under way elsewhere because of them, such
 * as requests that the host's storage has. All of that has to end soon, as far as the host lets it.
 */
#ifndef HW_WORKER_H
#define HW_WORKER_H

#include "hw/event.h"

/* Somebody who has something to do for which the worker's lock may not be held, embedded in its
 * owner. Called after each piece of work, in whatever thread did it. */
struct worker_after {
    void (*call)(struct worker_after *a);
    struct worker_after *next;
};

/* Somebody who does the worker's work elsewhere, embedded in its owner: told with the worker's lock
 * held that it is to stand still, too, or may go on. */
struct worker_pause {
    void (*call)(struct worker_pause *p, bool still);
    struct worker_pause *next;
};

struct worker {
    struct event_loop *loop; /* its own, or the main thread's */
    bool in_line;

    /* With a thread. */
    struct event_loop own;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    struct worker_after *afters;
    struct worker_pause *pauses;
    pthread_mutex_t door; /* of what follows */
    pthread_cond_t opened;
    int holds; /* how many want it to stand still */
    int busy;  /* with pieces of work, and what is kept */
    bool ended;
    void (*still)(void *to);
    void *to;
    struct worker *next; /* for whoever keeps a list */
};

/* Make a worker with a thread, which does not run yet and is held `holds` times. still is called,
 * in its thread and without locks, when it came to stand still and somebody wants that. Dies when
 * the host is out of descriptors. */
void worker_init(struct worker *w, int holds, void (*still)(void *to), void *to);

/* Make one in line, in the main thread's loop. */
void worker_init_in_line(struct worker *w, struct event_loop *main);

/* Let its thread run, where it has one that does not run yet. Returns an errno, 0 for success. */
int worker_start(struct worker *w);

/* End it, when it stands still or never ran, and give everything back. It begins nothing more. */
void worker_free(struct worker *w);

/* Is this its thread? */
static inline bool worker_is_here(const struct worker *w)
{
    return w->started && pthread_equal(pthread_self(), w->thread);
}

/* Watch a descriptor, as event_add() and event_remove(). Worker locked, or it does not run yet. */
void worker_watch(struct worker *w, struct watch *watch);
void worker_unwatch(struct worker *w, struct watch *watch);

/* Have a called after each piece of work. Before it is started. Not for workers in line, whose
 * devices may do at once what they want of the machine. */
void worker_add_after(struct worker *w, struct worker_after *a);

/* Have p called whenever the worker is to stand still, and when it may go on. Likewise. */
void worker_add_pause(struct worker *w, struct worker_pause *p);

/* Is it to stand still? Worker locked: it stays so until the pauses are called. */
bool worker_is_held(struct worker *w);

/* Take and leave the lock. Machine locked, or within a piece of work of another thread. Both do
 * nothing in line, or where there is no worker. */
void worker_lock(struct worker *w);
void worker_unlock(struct worker *w);

/*
 * Around a piece of work in a thread that is not the worker's, as of several that serve requests:
 * it begins when the worker may work, and within it the lock may be taken. At the end the afters
 * are called. worker_begin() is false, and nothing is to be ended, when the worker itself ends. No
 * lock held. Not for workers in line.
 */
bool worker_begin(struct worker *w);
void worker_end(struct worker *w);

/* Something is under way elsewhere, and until it has ended the worker does not stand still. Worker
 * locked, or within a piece of work. Both do nothing in line, or where there is no worker. */
void worker_keep(struct worker *w);
void worker_let_go(struct worker *w);

/*
 * Around a piece of work about what is under way, in any thread, in the worker's as an urgent
 * watch: it begins also while the worker is to stand still. The lock is held within it, but not
 * before or after. Both do nothing in line.
 */
void worker_enter(struct worker *w);
void worker_leave(struct worker *w);

/* The same as worker_begin() with the lock, if it can be had at once and the worker may work now;
 * else false, and nothing is to be ended. Then worker_unlock() and worker_end(). No lock held. */
bool worker_try(struct worker *w);

/* Ask it to stand still, and let it go on; as often. Any lock but its own. */
void worker_hold(struct worker *w);
void worker_release(struct worker *w);

/* Does it, when somebody asked? */
bool worker_is_still(struct worker *w);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Threads for requests that take the host a while, so that a device's worker need not wait.
 */
#ifndef HW_HELPERS_H
#define HW_HELPERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HELPERS = 4 /* threads, at most */
};

/* Something to do, embedded in what it is about; who made that for it alone frees it in run(),
 * which is called in some helper's thread, with no lock held. */
struct helper_job {
    void (*run)(struct helper_job *j);
    void (*drop)(struct helper_job *j); /* in its place, at the end */
    uint64_t due;                       /* monotonic ns */
    struct helper_job *next;
};

/* Threads that are made when there is something to do. */
struct helpers {
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct helper_job *jobs; /* the one given first is first */
    int waiting, idle, threads;
    bool ended;
    pthread_t thread[HELPERS];
};

void helpers_init(struct helpers *h);

/* Have a job done, not before so many milliseconds. False where the host has no threads. Any
 * thread, any lock. */
bool helpers_give(struct helpers *h, struct helper_job *j, int ms);

/* Drop what was not begun, and end. Whoever is waited for in a job must be able to go on. */
void helpers_free(struct helpers *h);

#endif

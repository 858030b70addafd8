// SPDX-License-Identifier: MIT
/*
 * Threads that help a device's worker.
 */
#include "hw/helpers.h"
#include "hw/event.h"

#include <stddef.h>
#include <time.h>

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* The first job whose time has come; or NULL, and *next is when the next one's has. */
static struct helper_job *take(struct helpers *h, uint64_t *next)
{
    uint64_t t = now();

    *next = UINT64_MAX;
    for (struct helper_job **p = &h->jobs, *j; (j = *p); p = &j->next) {
        if (j->due <= t) {
            *p = j->next;
            h->waiting--;
            return j;
        }
        if (j->due < *next)
            *next = j->due;
    }
    return NULL;
}

static void wait(struct helpers *h, uint64_t until)
{
    struct timespec t = {until / 1000000000, until % 1000000000};

    h->idle++;
    if (until == UINT64_MAX)
        pthread_cond_wait(&h->given, &h->lock);
    else
        pthread_cond_timedwait(&h->given, &h->lock, &t);
    h->idle--;
}

static void *help(void *arg)
{
    struct helpers *h = arg;
    uint64_t next;

    pthread_mutex_lock(&h->lock);
    while (!h->ended) {
        struct helper_job *j = take(h, &next);

        if (!j) {
            wait(h, next);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        j->run(j);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void helpers_init(struct helpers *h)
{
    pthread_condattr_t monotonic;

    *h = (struct helpers){0};
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&h->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool helpers_give(struct helpers *h, struct helper_job *j, int ms)
{
    struct helper_job **p = &h->jobs;
    bool taken;

    j->due = ms ? now() + ms * UINT64_C(1000000) : 0;
    j->next = NULL;
    pthread_mutex_lock(&h->lock);
    if (h->waiting >= h->idle && h->threads < HELPERS &&
        !event_thread(&h->thread[h->threads], help, h))
        h->threads++;
    taken = h->threads > 0;
    if (taken) {
        while (*p)
            p = &(*p)->next;
        *p = j;
        h->waiting++;
        pthread_cond_signal(&h->given);
    }
    pthread_mutex_unlock(&h->lock);
    return taken;
}

void helpers_free(struct helpers *h)
{
    pthread_mutex_lock(&h->lock);
    h->ended = true;
    pthread_cond_broadcast(&h->given);
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; i < h->threads; i++)
        pthread_join(h->thread[i], NULL);
    while (h->jobs) {
        struct helper_job *j = h->jobs;

        h->jobs = j->next;
        j->drop(j);
    }
    pthread_cond_destroy(&h->given);
    pthread_mutex_destroy(&h->lock);
}

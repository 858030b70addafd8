// SPDX-License-Identifier: MIT
/*
 * A worker: an event loop behind a door, at which it waits while it is to stand still, with an ear
 * for what is urgent.
 */
#include "hw/worker.h"
#include "hw/device.h"

#include <assert.h>

bool worker_begin(struct worker *w)
{
    assert(!w->in_line);
    pthread_mutex_lock(&w->door);
    while (w->holds && !w->ended)
        pthread_cond_wait(&w->opened, &w->door);
    w->busy += !w->ended;
    bool begun = !w->ended;

    pthread_mutex_unlock(&w->door);
    return begun;
}

void worker_end(struct worker *w)
{
    for (struct worker_after *a = w->afters; a; a = a->next)
        a->call(a);
    pthread_mutex_lock(&w->door);
    bool came = --w->busy == 0 && w->holds;

    pthread_mutex_unlock(&w->door);
    if (came)
        w->still(w->to);
}

static void add_busy(struct worker *w, int n)
{
    if (!w || w->in_line)
        return;
    pthread_mutex_lock(&w->door);
    w->busy += n;
    assert(w->busy >= 0);
    pthread_mutex_unlock(&w->door);
}

void worker_keep(struct worker *w)
{
    add_busy(w, 1);
}

void worker_let_go(struct worker *w)
{
    add_busy(w, -1);
}

void worker_enter(struct worker *w)
{
    worker_keep(w);
    worker_lock(w);
}

void worker_leave(struct worker *w)
{
    worker_unlock(w);
    if (!w->in_line)
        worker_end(w);
}

bool worker_try(struct worker *w)
{
    if (w->in_line || pthread_mutex_trylock(&w->lock))
        return false;
    pthread_mutex_lock(&w->door);
    bool open = !w->holds && !w->ended;

    w->busy += open;
    pthread_mutex_unlock(&w->door);
    if (!open)
        pthread_mutex_unlock(&w->lock);
    return open;
}

static bool enter(struct event_loop *l)
{
    struct worker *w = container_of(l, struct worker, own);

    pthread_mutex_lock(&w->door);
    bool open = !w->holds && !w->ended;

    w->busy += open;
    pthread_mutex_unlock(&w->door);
    if (open)
        worker_lock(w);
    return open;
}

static void leave(struct event_loop *l)
{
    worker_leave(container_of(l, struct worker, own));
}

void worker_init(struct worker *w, int holds, void (*still)(void *to), void *to)
{
    *w = (struct worker){.still = still, .to = to, .loop = &w->own, .holds = holds};
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->door, NULL);
    pthread_cond_init(&w->opened, NULL);
    event_init(&w->own, &w->lock);
    w->own.enter = enter;
    w->own.leave = leave;
}

void worker_init_in_line(struct worker *w, struct event_loop *main)
{
    *w = (struct worker){.loop = main, .in_line = true};
}

static void *run(void *arg)
{
    event_run(arg);
    return NULL;
}

int worker_start(struct worker *w)
{
    if (w->in_line || w->started)
        return 0;
    int error = event_thread(&w->thread, run, w->loop);

    w->started = !error;
    return error;
}

void worker_free(struct worker *w)
{
    if (w->in_line)
        return;
    /* It may be at the door with something to do, which comes too late. */
    pthread_mutex_lock(&w->door);
    w->ended = true;
    pthread_cond_broadcast(&w->opened);
    pthread_mutex_unlock(&w->door);
    event_stop(&w->own);
    if (w->started)
        pthread_join(w->thread, NULL);
    event_free(&w->own);
}

void worker_watch(struct worker *w, struct watch *watch)
{
    event_add(w->loop, watch);
}

void worker_unwatch(struct worker *w, struct watch *watch)
{
    event_remove(w->loop, watch);
}

void worker_add_after(struct worker *w, struct worker_after *a)
{
    assert(!w->in_line && !w->started);
    a->next = w->afters;
    w->afters = a;
}

void worker_add_pause(struct worker *w, struct worker_pause *p)
{
    assert(!w->in_line && !w->started);
    p->next = w->pauses;
    w->pauses = p;
}

bool worker_is_held(struct worker *w)
{
    if (w->in_line)
        return false;
    pthread_mutex_lock(&w->door);
    bool held = w->holds;

    pthread_mutex_unlock(&w->door);
    return held;
}

static void call_pauses(struct worker *w)
{
    if (!w->pauses)
        return;
    worker_lock(w);
    for (struct worker_pause *p = w->pauses; p; p = p->next)
        p->call(p, worker_is_held(w));
    worker_unlock(w);
}

void worker_lock(struct worker *w)
{
    if (w && !w->in_line)
        pthread_mutex_lock(&w->lock);
}

void worker_unlock(struct worker *w)
{
    if (w && !w->in_line)
        pthread_mutex_unlock(&w->lock);
}

void worker_hold(struct worker *w)
{
    if (w->in_line)
        return;
    pthread_mutex_lock(&w->door);
    w->holds++;
    pthread_mutex_unlock(&w->door);
    call_pauses(w);
}

void worker_release(struct worker *w)
{
    if (w->in_line)
        return;
    pthread_mutex_lock(&w->door);
    assert(w->holds > 0);
    bool opened = --w->holds == 0;

    if (opened)
        pthread_cond_broadcast(&w->opened);
    pthread_mutex_unlock(&w->door);
    call_pauses(w);
    if (opened)
        event_wake(&w->own);
}

bool worker_is_still(struct worker *w)
{
    if (w->in_line)
        return true;
    pthread_mutex_lock(&w->door);
    bool still = !w->busy;

    pthread_mutex_unlock(&w->door);
    return still;
}

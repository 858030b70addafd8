// SPDX-License-Identifier: MIT
/*
 * An event loop, over epoll.
 *
 * After: epoll(7), eventfd(2).
 */
#define _GNU_SOURCE
#include "hw/event.h"
#include "hw/device.h"
#include "hw/die.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK (256 * 1024)

static void woken(struct watch *w)
{
    uint64_t count;

    (void)!read(w->fd, &count, sizeof(count));
}

/* Make the loop look at its watches again. */
static void wake(struct event_loop *l)
{
    uint64_t one = 1;

    (void)!write(l->wake, &one, sizeof(one));
}

void event_init(struct event_loop *l, pthread_mutex_t *lock)
{
    *l = (struct event_loop){.lock = lock};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll < 0 || l->wake < 0)
        die("cannot make an event loop: %m");
    l->waker = (struct watch){.fd = l->wake, .ready = woken};
    event_add(l, &l->waker);
}

void event_free(struct event_loop *l)
{
    close(l->wake);
    close(l->epoll);
}

void event_add(struct event_loop *l, struct watch *w)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};

    w->on = true;
    w->always = epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e) < 0;
    if (w->always && errno != EPERM)
        die("cannot watch descriptor %d: %m", w->fd);
    w->next = l->watches;
    l->watches = w;
    if (w->always)
        wake(l);
}

void event_remove(struct event_loop *l, struct watch *w)
{
    struct watch **p = &l->watches;

    while (*p && *p != w)
        p = &(*p)->next;
    if (!*p)
        return;
    *p = w->next;
    if (l->next == w)
        l->next = w->next;
    for (int i = 0; i < EVENT_BATCH; i++)
        if (l->due[i] == w)
            l->due[i] = NULL;
    w->on = false;
    if (!w->always)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
}

void event_enable(struct event_loop *l, struct watch *w, bool on)
{
    if (w->on == on)
        return;
    w->on = on;
    if (w->always) {
        wake(l);
    } else {
        /* A descriptor left in the set would report a hang-up again and again. */
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};

        epoll_ctl(l->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->fd, &e);
    }
}

/* Serve the watches that are always ready. True if there was one. */
static bool serve_always(struct event_loop *l)
{
    bool served = false;

    for (struct watch *w = l->watches; w; w = l->next) {
        l->next = w->next;
        if (w->always && w->on) {
            w->ready(w);
            served = true;
        }
    }
    return served;
}

static void serve(struct event_loop *l, const struct epoll_event *e, int n)
{
    for (int i = 0; i < n; i++)
        l->due[i] = e[i].data.ptr;
    for (int i = 0; i < n; i++) {
        struct watch *w = l->due[i];

        l->due[i] = NULL;
        if (w && w->on)
            w->ready(w);
    }
}

static void enter(struct event_loop *l)
{
    if (l->enter)
        l->enter(l);
    else
        pthread_mutex_lock(l->lock);
}

static void leave(struct event_loop *l)
{
    if (l->leave)
        l->leave(l);
    else
        pthread_mutex_unlock(l->lock);
}

void event_run(struct event_loop *l)
{
    struct epoll_event e[EVENT_BATCH];

    while (!__atomic_exchange_n(&l->stopped, false, __ATOMIC_ACQ_REL)) {
        int n = epoll_wait(l->epoll, e, EVENT_BATCH, l->busy ? 0 : -1);

        /* The thread that stopped us may hold the lock for ever. */
        if (__atomic_load_n(&l->stopped, __ATOMIC_ACQUIRE) || (n <= 0 && !l->busy))
            continue;
        enter(l);
        serve(l, e, n);
        l->busy = serve_always(l);
        leave(l);
    }
}

void event_stop(struct event_loop *l)
{
    __atomic_store_n(&l->stopped, true, __ATOMIC_RELEASE);
    wake(l);
}

int event_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);

    int error = pthread_create(thread, &attr, run, arg);

    pthread_attr_destroy(&attr);
    return error;
}

// SPDX-License-Identifier: MIT
/*
 * An event loop, over epoll.
 *
 * After: epoll(7), eventfd(2), timerfd_create(2).
 */
#define _GNU_SOURCE
#include "hw/event.h"
#include "hw/clock.h"
#include "hw/device.h"
#include "hw/die.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define STACK (256 * 1024)

/* How long the lock is waited for before what is urgent has its turn again. */
#define PATIENCE_NS 50000000

void event_bell(struct watch *w, void (*ready)(struct watch *w))
{
    *w = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = ready};
    if (w->fd < 0)
        die("cannot make an eventfd: %m");
}

void event_ring(const struct watch *w)
{
    uint64_t one = 1;

    (void)!write(w->fd, &one, sizeof(one));
}

bool event_hush(const struct watch *w)
{
    uint64_t count;

    return read(w->fd, &count, sizeof(count)) > 0;
}

void event_timer(struct watch *w, void (*ready)(struct watch *w))
{
    *w = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                        .ready = ready};
    if (w->fd < 0)
        die("cannot make a timer: %m");
}

void event_set_timer(const struct watch *w, uint64_t ns)
{
    struct itimerspec t = {.it_value = {ns / NS_PER_SECOND, ns % NS_PER_SECOND}};

    timerfd_settime(w->fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void woken(struct watch *w)
{
    event_hush(w);
}

static void change(struct event_loop *l)
{
    __atomic_store_n(&l->changed, true, __ATOMIC_RELEASE);
    event_wake(l);
}

void event_wake(struct event_loop *l)
{
    event_ring(&l->waker);
}

void event_init(struct event_loop *l, pthread_mutex_t *lock)
{
    struct epoll_event urgent = {.events = EPOLLIN};

    *l = (struct event_loop){.lock = lock};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->urgent = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0 || l->urgent < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->urgent, &urgent) < 0)
        die("cannot make an event loop: %m");
    event_bell(&l->waker, woken);
    l->waker.urgent = true;
    event_add(l, &l->waker);
}

void event_free(struct event_loop *l)
{
    close(l->waker.fd);
    close(l->urgent);
    close(l->epoll);
}

/* Watch it, or no longer. A descriptor left in the set would report a hang-up again and again. */
static bool set_watched(struct event_loop *l, struct watch *w, bool on)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};

    return epoll_ctl(w->urgent ? l->urgent : l->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->fd,
                     &e) == 0;
}

bool event_try(struct event_loop *l, struct watch *w)
{
    bool watched = set_watched(l, w, true);

    if (!watched && (errno != EPERM || w->urgent))
        return false;
    w->on = true;
    w->always = !watched;
    w->next = l->watches;
    l->watches = w;
    if (w->always)
        change(l);
    return true;
}

void event_add(struct event_loop *l, struct watch *w)
{
    if (!event_try(l, w))
        die("cannot watch descriptor %d: %m", w->fd);
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
    for (int i = 0; i < EVENT_BATCH; i++) {
        if (l->due[i] == w)
            l->due[i] = NULL;
        if (l->hurry[i] == w)
            l->hurry[i] = NULL;
    }
    if (!w->always && w->on)
        set_watched(l, w, false);
    w->on = false;
}

void event_enable(struct event_loop *l, struct watch *w, bool on)
{
    if (w->on == on)
        return;
    w->on = on;
    if (w->always)
        change(l);
    else
        set_watched(l, w, on);
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

/* Serve what is ready, of which due[] is the loop's own list. */
static void serve(struct watch **due, int n)
{
    for (int i = 0; i < n; i++) {
        struct watch *w = due[i];

        due[i] = NULL;
        if (w && w->on)
            w->ready(w);
    }
}

/* Put what is ready in due[], but for the epoll within the other. Returns how many. */
static int list(struct watch **due, const struct epoll_event *e, int n)
{
    int listed = 0;

    for (int i = 0; i < n; i++)
        if (e[i].data.ptr)
            due[listed++] = e[i].data.ptr;
    return listed;
}

static bool is_stopped(struct event_loop *l)
{
    return __atomic_load_n(&l->stopped, __ATOMIC_ACQUIRE);
}

/* Serve what is urgent, and wait for some, or not. */
static void hurry(struct event_loop *l, bool wait)
{
    struct epoll_event e[EVENT_BATCH];
    int n = list(l->hurry, e, epoll_wait(l->urgent, e, EVENT_BATCH, wait ? -1 : 0));

    serve(l->hurry, n);
}

void event_hurry(struct event_loop *l)
{
    hurry(l, false);
}

/* Take the lock, unless that would take long. */
static bool try(struct event_loop *l)
{
    struct timespec t;

    if (l->enter)
        return l->enter(l);
    if (!pthread_mutex_trylock(l->lock))
        return true;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += PATIENCE_NS;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return !pthread_mutex_clocklock(l->lock, CLOCK_MONOTONIC, &t);
}

static void leave(struct event_loop *l)
{
    if (l->leave)
        l->leave(l);
    else
        pthread_mutex_unlock(l->lock);
}

/* Go in, when that is possible, and serve what is urgent until then. False: the loop was stopped,
 * perhaps because of that. */
static bool enter(struct event_loop *l)
{
    while (!is_stopped(l)) {
        if (!try(l)) {
            hurry(l, l->enter);
            continue;
        }
        if (!is_stopped(l))
            return true;
        leave(l);
    }
    return false;
}

void event_run(struct event_loop *l)
{
    struct epoll_event e[EVENT_BATCH];

    while (!__atomic_exchange_n(&l->stopped, false, __ATOMIC_ACQ_REL)) {
        int ready = epoll_wait(l->epoll, e, EVENT_BATCH, l->busy ? 0 : -1);
        int n = list(l->due, e, ready);

        if (n != ready) /* or it was interrupted */
            hurry(l, false);
        /* The thread that stopped us may hold the lock for ever. */
        if ((!n && !l->busy && !__atomic_load_n(&l->changed, __ATOMIC_ACQUIRE)) || !enter(l))
            continue;
        __atomic_store_n(&l->changed, false, __ATOMIC_RELAXED);
        serve(l->due, n);
        l->busy = serve_always(l);
        leave(l);
    }
}

void event_stop(struct event_loop *l)
{
    __atomic_store_n(&l->stopped, true, __ATOMIC_RELEASE);
    event_wake(l);
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

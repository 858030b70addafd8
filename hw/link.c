// SPDX-License-Identifier: MIT
/*
 * What all links have in common: when which of their descriptors is watched.
 */
#include "hw/link.h"
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

void link_down(struct link *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    l->fd = -1;
    l->busy = false;
    if (l->user.down)
        l->user.down(l->user.to);
}

/* Watch for what is of interest now. */
static void watch_again(struct link *l)
{
    struct epoll_event e = {.events = (l->full || l->lent ? 0 : EPOLLIN) | (l->busy ? EPOLLOUT : 0),
                            .data.fd = l->fd};

    if (l->fd < 0 || e.events == l->events)
        return;
    l->events = e.events;
    epoll_ctl(l->poll, EPOLL_CTL_MOD, l->fd, &e);
}

/* Whatever it is that happened. */
static void look(struct link *l)
{
    struct pollfd p = {.fd = l->fd};
    char buf[4096];

    while (read(l->news, buf, sizeof(buf)) > 0)
        ;
    if (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP))
        link_down(l);
}

static void ready(struct watch *w)
{
    struct link *l = container_of(w, struct link, watch);
    struct epoll_event e[3];

    for (int i = epoll_wait(l->poll, e, 3, 0) - 1; i >= 0; i--) {
        if (e[i].data.fd == l->again.fd)
            event_hush(&l->again);
        else if (e[i].data.fd == l->news)
            look(l);
        else if (e[i].events & EPOLLIN && !l->lent)
            l->kind->receive(l);
        else if (e[i].events & (EPOLLHUP | EPOLLERR))
            link_down(l);
    }
    if (l->busy)
        l->kind->flush(l);
    if (l->asked && !l->busy) {
        l->asked = false;
        l->user.room(l->user.to);
    }
    watch_again(l);
}

void link_wait(struct link *l)
{
    watch_again(l);
}

void link_send(struct link *l, const struct link_header *h, const struct iovec *v, int count,
               size_t len)
{
    assert(!l->busy && count <= LINK_SEGMENTS);
    if (l->fd >= 0 && len >= LINK_FRAME_MIN && len <= LINK_FRAME_MAX)
        l->kind->send(l, h, v, count, len);
}

void link_ask(struct link *l)
{
    l->asked = true;
    event_ring(&l->again);
}

void link_resume(struct link *l)
{
    if (!l->full || l->fd < 0)
        return;
    l->full = false;
    l->kind->resume(l);
    watch_again(l);
}

void link_lend(struct link *l, bool on)
{
    l->lent = on;
    watch_again(l);
}

void link_attach(struct link *l, const struct link_user *user)
{
    l->user = *user;
    l->watch = (struct watch){.fd = l->poll, .ready = ready};
}

void link_watch_news(struct link *l, int news)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = news};

    l->news = news;
    epoll_ctl(l->poll, EPOLL_CTL_ADD, news, &e);
}

void link_init(struct link *l, const struct link_kind *kind, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd}, again = e;

    *l = (struct link){.kind = kind, .fd = fd, .events = e.events, .news = -1};
    l->poll = epoll_create1(EPOLL_CLOEXEC);
    event_bell(&l->again, NULL);
    again.data.fd = l->again.fd;
    if (l->poll < 0 || epoll_ctl(l->poll, EPOLL_CTL_ADD, fd, &e) < 0 ||
        epoll_ctl(l->poll, EPOLL_CTL_ADD, l->again.fd, &again) < 0)
        die("--net: cannot watch a descriptor: %m");
}

void link_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    close(l->poll);
    close(l->again.fd);
    if (l->news >= 0)
        close(l->news);
    l->kind->close(l);
}

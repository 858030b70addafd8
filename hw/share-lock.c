// SPDX-License-Identifier: MIT
/*
 * A shared directory's locks of ranges.
 *
 * After: fcntl(2), "Advisory record locking" and "Open file description locks".
 *
 * The host has them, and so its programs. It tells owners apart by their open files, so each has
 * one of its own, which gives all back when it is closed. But of such owners the host does not see
 * who waits for whom in a circle. This does, as a guest's program cannot be killed while it waits:
 * so it knows what each owner has, and wants.
 */
#define _GNU_SOURCE
#include "hw/share-inside.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A range with its last byte, and F_RDLCK or F_WRLCK. */
struct range {
    int64_t first, last;
    short type;
};

struct held {
    struct range range;
    struct held *next;
};

struct share_owner {
    uint64_t id;
    int fd;
    struct held *held; /* of which no two overlap */
    struct share_owner *next;
};

struct share_wait {
    uint64_t number, owner;
    const struct share_node *node;
    struct range range;
    enum {
        LATER,
        NEXT,
        DONE
    } look; /* in a search */
    struct share_wait *next;
};

static void free_owner(struct share_owner *o)
{
    while (o->held) {
        struct held *h = o->held;

        o->held = h->next;
        free(h);
    }
    close(o->fd);
    free(o);
}

void share_free_owners(struct share *s, struct share_node *n)
{
    pthread_mutex_lock(&s->file_locks);
    while (n->owners) {
        struct share_owner *o = n->owners;

        n->owners = o->next;
        free_owner(o);
    }
    for (struct share_wait **p = &s->waits; *p;) {
        struct share_wait *w = *p;

        if (w->node != n) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        free(w);
    }
    pthread_mutex_unlock(&s->file_locks);
}

static struct share_owner **find_owner(struct share_node *n, uint64_t id)
{
    struct share_owner **o = &n->owners;

    while (*o && (*o)->id != id)
        o = &(*o)->next;
    return o;
}

/* Owner id of n, a new one if need be. An error or 0. */
static int get_owner(struct share *s, struct share_node *n, uint64_t id, struct share_owner **o)
{
    int fd;

    *o = *find_owner(n, id);
    if (*o)
        return 0;
    fd = share_open_node(s, n, O_RDWR);
    if (fd < 0)
        fd = share_open_node(s, n, O_RDONLY);
    if (fd < 0)
        return fd == -ENFILE ? -ENOLCK : fd;
    *o = malloc(sizeof(**o));
    if (!*o) {
        close(fd);
        return -ENOLCK;
    }
    **o = (struct share_owner){.id = id, .fd = fd, .next = n->owners};
    n->owners = *o;
    return 0;
}

/* Note that o has r now, or with F_UNLCK nothing there. That takes two more entries at most: of
 * what is cut in the middle both ends stay. */
static void hold(struct share_owner *o, const struct range *r, struct held *spare[2])
{
    for (struct held **p = &o->held; *p;) {
        struct held *h = *p, *end;
        struct range *has = &h->range;

        if (has->last < r->first || has->first > r->last) {
            p = &h->next;
        } else if (has->first < r->first && has->last > r->last) {
            end = spare[0];
            spare[0] = NULL;
            *end = (struct held){{r->last + 1, has->last, has->type}, h->next};
            has->last = r->first - 1;
            h->next = end;
            break;
        } else if (has->first < r->first) {
            has->last = r->first - 1;
            p = &h->next;
        } else if (has->last > r->last) {
            has->first = r->last + 1;
            p = &h->next;
        } else {
            *p = h->next;
            free(h);
        }
    }
    if (r->type == F_UNLCK)
        return;
    *spare[1] = (struct held){*r, o->held};
    o->held = spare[1];
    spare[1] = NULL;
}

/* Have the host do it, and note it. */
static int set_lock(struct share_owner *o, struct flock *l, const struct range *r)
{
    struct held *spare[2] = {malloc(sizeof(struct held)), malloc(sizeof(struct held))};
    int error = spare[0] && spare[1] ? 0 : -ENOLCK;

    if (!error && fcntl(o->fd, F_OFD_SETLK, l) < 0)
        error = errno == EACCES ? -EAGAIN : -errno;
    if (!error)
        hold(o, r, spare);
    free(spare[0]);
    free(spare[1]);
    return error;
}

static bool is_in_the_way(const struct share_owner *o, const struct range *wanted)
{
    for (const struct held *h = o->held; h; h = h->next)
        if (h->range.first <= wanted->last && h->range.last >= wanted->first &&
            (h->range.type == F_WRLCK || wanted->type == F_WRLCK))
            return true;
    return false;
}

/* Is owner in the way of w? What others that are wait for themselves is to be looked at. */
static bool waits_for(struct share *s, const struct share_wait *w, uint64_t owner)
{
    for (const struct share_owner *o = w->node->owners; o; o = o->next) {
        if (o->id == w->owner || !is_in_the_way(o, &w->range))
            continue;
        if (o->id == owner)
            return true;
        for (struct share_wait *next = s->waits; next; next = next->next)
            if (next->owner == o->id && next->look == LATER)
                next->look = NEXT;
    }
    return false;
}

/* Would its owner wait for itself in the end? */
static bool is_a_circle(struct share *s, const struct share_wait *wanted)
{
    for (struct share_wait *w = s->waits; w; w = w->next)
        w->look = LATER;
    waits_for(s, wanted, wanted->owner);
    for (struct share_wait *w = s->waits; w;) {
        if (w->look != NEXT) {
            w = w->next;
            continue;
        }
        w->look = DONE;
        if (waits_for(s, w, wanted->owner))
            return true;
        w = s->waits;
    }
    return false;
}

static struct share_wait **find_wait(struct share *s, uint64_t number)
{
    struct share_wait **p = &s->waits;

    while (*p && (*p)->number != number)
        p = &(*p)->next;
    return p;
}

static void end_wait(struct share *s, uint64_t number)
{
    struct share_wait **p = find_wait(s, number), *w = *p;

    if (w) {
        *p = w->next;
        free(w);
    }
}

/* -EAGAIN: it will be asked for again. A circle is closed by the last of those that begin to wait.
 */
static int begin_wait(struct share *s, const struct share_wait *wanted)
{
    struct share_wait *w;

    if (*find_wait(s, wanted->number))
        return -EAGAIN;
    if (is_a_circle(s, wanted))
        return -EDEADLK;
    w = malloc(sizeof(*w));
    if (!w)
        return -ENOLCK;
    *w = *wanted;
    w->next = s->waits;
    s->waits = w;
    return -EAGAIN;
}

int share_lock(struct share *s, uint64_t node, uint64_t owner, struct flock *l, bool test,
               uint64_t wait)
{
    struct range r = {l->l_start, l->l_len ? l->l_start + l->l_len - 1 : INT64_MAX, l->l_type};
    struct share_node *n;
    struct share_owner *o;
    int error = share_get_node(s, node, true, &n);

    if (error)
        return error;
    pthread_mutex_lock(&s->file_locks);
    l->l_pid = 0;
    error = get_owner(s, n, owner, &o);
    if (!error && test)
        error = fcntl(o->fd, F_OFD_GETLK, l) < 0 ? -errno : 0;
    else if (!error)
        error = set_lock(o, l, &r);
    if (error != -EAGAIN)
        end_wait(s, wait);
    else if (wait)
        error = begin_wait(s, &(struct share_wait){wait, owner, n, r, LATER, NULL});
    pthread_mutex_unlock(&s->file_locks);
    share_put_node(s, n);
    return error;
}

void share_lock_off(struct share *s, uint64_t wait)
{
    pthread_mutex_lock(&s->file_locks);
    end_wait(s, wait);
    pthread_mutex_unlock(&s->file_locks);
}

int share_drop_locks(struct share *s, uint64_t node, uint64_t owner)
{
    struct share_node *n;
    struct share_owner **p, *o;
    int error = share_get_node(s, node, false, &n);

    if (error)
        return error;
    pthread_mutex_lock(&s->file_locks);
    p = find_owner(n, owner);
    o = *p;
    if (o) {
        *p = o->next;
        free_owner(o);
    }
    pthread_mutex_unlock(&s->file_locks);
    share_put_node(s, n);
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * Stream sockets behind virtio rings.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Socket Device" ("Virtqueue Flow Control",
 * "Addressing", "Buffer Space Management", "Stream Sockets", "Device Events").
 *
 * Left out: SEQPACKET sockets, which Unix sockets of the other kind would have to be behind, and
 * which a driver only uses where they are offered.
 */
#include "hw/virtio-vsock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { /* types of sockets */
    STREAM = 1
};

enum { /* operations */
    OP_REQUEST = 1,
    OP_RESPONSE = 2,
    OP_RST = 3,
    OP_SHUTDOWN = 4,
    OP_RW = 5,
    OP_CREDIT_UPDATE = 6,
    OP_CREDIT_REQUEST = 7,
};

enum { /* what a side does not do any more */
    SHUTDOWN_RCV = 1,
    SHUTDOWN_SEND = 2,
    SHUTDOWN_BOTH = 3
};

enum {
    EVENT_TRANSPORT_RESET = 0
};

enum {
    BATCH = 64,                        /* packets of TX before others have their turn */
    FIRST_PORT = 1 << 30,              /* of programs of the host's that ask */
    ASK_TICKS = 10000 / VSOCK_TICK_MS, /* Linux answers at once, but not while its driver begins */
    DIAL_TICKS = 2000 / VSOCK_TICK_MS,
    CLOSING_TICKS = 8000 / VSOCK_TICK_MS
};

/* Before the bytes of each packet. */
struct header {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port;
    uint32_t len;
    uint16_t type, op;
    uint32_t flags;
    uint32_t buf_alloc, fwd_cnt;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 44, "as the specification has it");

static struct virtio_vsock *vsock_of(struct virtio *d)
{
    return container_of(d, struct virtio_vsock, virtio);
}

static int number_of(const struct virtio_vsock *v, const struct virtio_vsock_connection *c)
{
    return c - v->c;
}

static void note(struct virtio_vsock_connection *c, int op)
{
    c->pending |= 1 << op;
}

/* ---- how connections begin and end ---- */

static struct virtio_vsock_connection *begin(struct virtio_vsock *v, int i, int state,
                                             uint32_t guest_port, uint32_t host_port)
{
    v->c[i] = (struct virtio_vsock_connection){
        .state = state, .guest_port = guest_port, .host_port = host_port};
    if (i >= v->top)
        v->top = i + 1;
    return &v->c[i];
}

/* The guest knows no more of it. What it sent is still written. */
static void forget(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    *c = (struct virtio_vsock_connection){.state = VIRTIO_VSOCK_FREE};
    vsock_unix_release(v->host, number_of(v, c));
    while (v->top && v->c[v->top - 1].state == VIRTIO_VSOCK_FREE)
        v->top--;
}

/* The guest is to forget it, too. */
static void reset_connection(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    c->state = VIRTIO_VSOCK_GONE;
    c->pending = 0;
    c->starved = c->dry = false;
    note(c, OP_RST);
    vsock_unix_watch(v->host, number_of(v, c), VSOCK_NOTHING);
}

/* The guest broke the rules, or nobody is there. */
static void abort_connection(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    vsock_unix_hang_up(v->host, number_of(v, c));
    reset_connection(v, c);
}

/* The program has gone. The guest answers that by a reset. */
static void begin_closing(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    vsock_unix_hang_up(v->host, number_of(v, c));
    c->state = VIRTIO_VSOCK_CLOSING;
    c->host_shut = SHUTDOWN_BOTH;
    c->fwd = c->received; /* what it did not read is lost */
    c->ticks = CLOSING_TICKS;
    note(c, OP_SHUTDOWN);
    vsock_unix_tick(v->host);
}

/* The program sends or reads no more, of which the guest is told. */
static void shut_by_program(struct virtio_vsock *v, struct virtio_vsock_connection *c, int flags)
{
    c->host_shut |= flags;
    if (c->host_shut == SHUTDOWN_BOTH)
        begin_closing(v, c);
    else
        note(c, OP_SHUTDOWN);
}

static void forget_all(struct virtio_vsock *v)
{
    for (int i = v->top - 1; i >= 0; i--)
        if (v->c[i].state != VIRTIO_VSOCK_FREE)
            forget(v, &v->c[i]);
    v->losts = 0;
    v->held = v->more = false;
}

/* ---- packets to the driver ---- */

static struct header header_of(const struct virtio_vsock *v, struct virtio_vsock_connection *c,
                               int op, uint32_t len)
{
    c->told = c->fwd;
    return (struct header){
        .src_cid = VIRTIO_VSOCK_CID_HOST,
        .dst_cid = v->config.guest_cid,
        .src_port = c->host_port,
        .dst_port = c->guest_port,
        .len = len,
        .type = STREAM,
        .op = op,
        .flags = op == OP_SHUTDOWN ? c->host_shut : 0,
        .buf_alloc = VSOCK_BUFFER,
        .fwd_cnt = c->fwd,
    };
}

/* Take a buffer for a packet. False: there is none. */
static bool take_buffer(struct virtio_vsock *v, struct virtq_chain *to, size_t len)
{
    if (!virtq_pop(&v->virtio, VIRTIO_VSOCK_RX, to))
        return false;
    if (to->in_len >= len)
        return true;
    virtio_broken(&v->virtio);
    return false;
}

static void fill(struct virtio_vsock *v, const struct virtq_chain *chain, const struct header *h)
{
    chain_write(chain, 0, h, sizeof(*h));
    virtq_put(&v->virtio, VIRTIO_VSOCK_RX, chain, sizeof(*h) + h->len);
}

/* Tell what is pending of a connection. False: there was no place for all. */
static bool tell(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    while (c->pending) {
        int op = __builtin_ctz(c->pending);

        if (!take_buffer(v, v->chain, sizeof(struct header)))
            return false;
        struct header h = header_of(v, c, op, 0);

        fill(v, v->chain, &h);
        c->pending &= ~(1 << op);
        if (op == OP_RST)
            forget(v, c);
    }
    return true;
}

/* Tell all that is pending. False: likewise. */
static bool tell_all(struct virtio_vsock *v)
{
    bool all = true;

    while (all && v->losts) {
        const struct virtio_vsock_lost *l = &v->lost[v->losts - 1];
        struct header h = {.src_cid = l->cid,
                           .dst_cid = v->config.guest_cid,
                           .src_port = l->host_port,
                           .dst_port = l->guest_port,
                           .type = l->type,
                           .op = OP_RST};

        all = take_buffer(v, v->chain, sizeof(h));
        if (all) {
            fill(v, v->chain, &h);
            v->losts--;
        }
    }
    for (int i = 0; all && i < v->top; i++)
        all = tell(v, &v->c[i]);
    virtq_publish(&v->virtio, VIRTIO_VSOCK_RX);
    return all;
}

/* How much more the guest's program has a place for. */
static uint32_t credit(const struct virtio_vsock_connection *c)
{
    uint32_t used = c->sent - c->peer_fwd;

    return c->peer_alloc > used ? c->peer_alloc - used : 0;
}

/* Add what of a buffer is behind the header to v, of which count are in use; its length. */
static size_t add_room(const struct virtq_chain *chain, struct iovec *v, int *count)
{
    size_t skip = sizeof(struct header), len = 0;

    for (int i = chain->outs; i < chain->outs + chain->ins && *count < VIRTQ_SEGMENTS; i++) {
        size_t off = skip < chain->v[i].iov_len ? skip : chain->v[i].iov_len;

        skip -= off;
        if (off == chain->v[i].iov_len)
            continue;
        v[*count] = (struct iovec){(char *)chain->v[i].iov_base + off, chain->v[i].iov_len - off};
        len += v[(*count)++].iov_len;
    }
    return len;
}

/* Take buffers for up to `most` bytes: v is where they go, room[n] how many to the n-th. How many
 * buffers there are. */
static int take_buffers(struct virtio_vsock *d, size_t most, struct iovec *v, int *count,
                        size_t *room)
{
    size_t all = 0;
    int n = 0;

    while (n < VIRTIO_VSOCK_CHAINS && all < most && *count < VIRTQ_SEGMENTS) {
        if (!take_buffer(d, &d->chain[n], sizeof(struct header) + 1))
            break;
        room[n] = add_room(&d->chain[n], v, count);
        if (room[n] > most - all) {
            size_t over = room[n] - (most - all);

            room[n] -= over;
            while (v[*count - 1].iov_len <= over)
                over -= v[--*count].iov_len;
            v[*count - 1].iov_len -= over;
        }
        all += room[n++];
    }
    return n;
}

/* What a program sends goes straight into the driver's buffers; those that are not needed are given
 * back as if they had not been taken. */
static void receive(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    struct virtio *d = &v->virtio;
    struct iovec to[VIRTQ_SEGMENTS];
    size_t room[VIRTIO_VSOCK_CHAINS], most = credit(c);
    int i = number_of(v, c), count = 0, used = 0;

    if (!most) {
        c->dry = true;
        note(c, OP_CREDIT_REQUEST);
        vsock_unix_watch(v->host, i, VSOCK_NOTHING);
        return;
    }
    int n = take_buffers(v, most, to, &count, room);

    if (!n) {
        c->starved = true;
        vsock_unix_watch(v->host, i, VSOCK_NOTHING);
        return;
    }
    ssize_t got = vsock_unix_receive(v->host, i, to, count);

    for (ssize_t left = got; left > 0; used++) {
        uint32_t len = (size_t)left < room[used] ? (size_t)left : room[used];
        struct header h = header_of(v, c, OP_RW, len);

        fill(v, &v->chain[used], &h);
        c->sent += len;
        left -= len;
    }
    virtq_publish(d, VIRTIO_VSOCK_RX);
    for (; used < n; used++)
        virtq_put(d, VIRTIO_VSOCK_RX, &v->chain[used], 0);
    virtq_unput(d, VIRTIO_VSOCK_RX);
    if (!got) {
        vsock_unix_watch(v->host, i, VSOCK_CLOSED);
        shut_by_program(v, c, vsock_unix_is_closed(v->host, i) ? SHUTDOWN_BOTH : SHUTDOWN_SEND);
    }
}

/* The driver has new buffers. */
static void feed(struct virtio_vsock *v)
{
    for (int i = 0; i < v->top; i++)
        if (v->c[i].starved) {
            v->c[i].starved = false;
            vsock_unix_watch(v->host, i, VSOCK_INPUT);
        }
}

static void tell_event(struct virtio_vsock *v)
{
    const uint32_t id = EVENT_TRANSPORT_RESET;

    if (!v->s.interrupted || !virtq_pop(&v->virtio, VIRTIO_VSOCK_EVENT, v->chain))
        return;
    if (v->chain->in_len < sizeof(id)) {
        virtio_broken(&v->virtio);
        return;
    }
    chain_write(v->chain, 0, &id, sizeof(id));
    virtq_push(&v->virtio, VIRTIO_VSOCK_EVENT, v->chain, sizeof(id));
    v->s.interrupted = false;
}

/* ---- packets from the driver ---- */

static struct virtio_vsock_connection *find(struct virtio_vsock *v, uint32_t guest_port,
                                            uint32_t host_port)
{
    for (int i = 0; i < v->top; i++) {
        struct virtio_vsock_connection *c = &v->c[i];

        if (c->state != VIRTIO_VSOCK_FREE && c->guest_port == guest_port &&
            c->host_port == host_port)
            return c;
    }
    return NULL;
}

/* Answer a packet for no connection. There is a place for it. */
static void refuse(struct virtio_vsock *v, const struct header *h)
{
    v->lost[v->losts++] = (struct virtio_vsock_lost){h->dst_cid, h->src_port, h->dst_port, h->type};
}

static void open_connection(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    c->state = VIRTIO_VSOCK_OPEN;
    vsock_unix_watch(v->host, number_of(v, c), VSOCK_INPUT);
}

/* The guest asks, or we ask for it again. */
static void dial(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    switch (vsock_unix_connect(v->host, number_of(v, c), c->host_port)) {
    case VSOCK_CONNECTED:
        note(c, OP_RESPONSE);
        open_connection(v, c);
        break;
    case VSOCK_REFUSED:
        abort_connection(v, c);
        break;
    case VSOCK_BUSY:
        vsock_unix_tick(v->host);
        if (!c->ticks--)
            abort_connection(v, c);
    }
}

static void request(struct virtio_vsock *v, const struct header *h)
{
    int i = vsock_unix_new(v->host);

    if (i < 0) {
        refuse(v, h);
        return;
    }
    struct virtio_vsock_connection *c = begin(v, i, VIRTIO_VSOCK_DIALING, h->src_port, h->dst_port);

    c->peer_alloc = h->buf_alloc;
    c->peer_fwd = h->fwd_cnt;
    c->ticks = DIAL_TICKS;
    dial(v, c);
}

/* The guest has accepted what a program asked for. */
static void response(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    char line[24];
    int n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

    vsock_unix_send(v->host, number_of(v, c), &(struct iovec){line, n}, 1, n);
    open_connection(v, c);
}

/* Some of what the guest sent is gone, and it may send more. */
static void gone(struct virtio_vsock *v, struct virtio_vsock_connection *c, size_t n)
{
    /* The line that it was answered with waited, too. */
    if (n > c->received - c->fwd)
        n = c->received - c->fwd;
    c->fwd += n;
    if (c->state != VIRTIO_VSOCK_OPEN && c->state != VIRTIO_VSOCK_CLOSING)
        return;
    if (VSOCK_BUFFER - (c->received - c->told) < VSOCK_BUFFER / 2 && c->fwd != c->told)
        note(c, OP_CREDIT_UPDATE);
    if (c->state == VIRTIO_VSOCK_OPEN && vsock_unix_is_deaf(v->host, number_of(v, c)) &&
        !(c->host_shut & SHUTDOWN_RCV) && !(c->guest_shut & SHUTDOWN_SEND))
        shut_by_program(v, c, SHUTDOWN_RCV);
}

/* Bytes for the program. */
static void data(struct virtio_vsock *v, struct virtio_vsock_connection *c,
                 const struct virtq_chain *chain, size_t len)
{
    struct iovec from[VIRTQ_SEGMENTS];
    size_t skip = sizeof(struct header), left = len;
    int count = 0;

    if (c->guest_shut & SHUTDOWN_SEND || len > VSOCK_BUFFER - (c->received - c->fwd) ||
        len > chain->out_len - sizeof(struct header)) {
        abort_connection(v, c);
        return;
    }
    for (int i = 0; i < chain->outs && left; i++) {
        size_t off = skip < chain->v[i].iov_len ? skip : chain->v[i].iov_len;
        size_t part = chain->v[i].iov_len - off < left ? chain->v[i].iov_len - off : left;

        skip -= off;
        left -= part;
        if (part)
            from[count++] = (struct iovec){(char *)chain->v[i].iov_base + off, part};
    }
    c->received += len;
    gone(v, c, vsock_unix_send(v->host, number_of(v, c), from, count, len));
}

/* The guest sends or reads no more. */
static void shut_by_guest(struct virtio_vsock *v, struct virtio_vsock_connection *c, uint32_t flags)
{
    int i = number_of(v, c), new = flags &SHUTDOWN_BOTH & ~c->guest_shut;

    c->guest_shut |= new;
    if (c->guest_shut == SHUTDOWN_BOTH) {
        reset_connection(v, c);
        return;
    }
    if (c->state != VIRTIO_VSOCK_OPEN)
        return;
    if (new &SHUTDOWN_SEND)
        vsock_unix_end_output(v->host, i);
    if (new &SHUTDOWN_RCV) {
        vsock_unix_end_input(v->host, i);
        c->starved = c->dry = false;
        vsock_unix_watch(v->host, i, VSOCK_CLOSED);
    }
}

/* A packet of a connection. */
static void serve(struct virtio_vsock *v, struct virtio_vsock_connection *c,
                  const struct virtq_chain *chain, const struct header *h)
{
    bool open = c->state == VIRTIO_VSOCK_OPEN || c->state == VIRTIO_VSOCK_CLOSING;

    c->peer_alloc = h->buf_alloc;
    c->peer_fwd = h->fwd_cnt;
    if (h->op == OP_RW && open)
        data(v, c, chain, h->len);
    else if (h->op == OP_SHUTDOWN && open)
        shut_by_guest(v, c, h->flags);
    else if (h->op == OP_CREDIT_REQUEST && open)
        note(c, OP_CREDIT_UPDATE);
    else if (h->op == OP_RESPONSE && c->state == VIRTIO_VSOCK_ASKED && !c->pending)
        response(v, c);
    else if (h->op != OP_CREDIT_UPDATE)
        abort_connection(v, c);
    if (c->dry && credit(c)) {
        c->dry = false;
        vsock_unix_watch(v->host, number_of(v, c), VSOCK_INPUT);
    }
}

/* A packet. What claims to come from elsewhere has no answer, nor has a reset. */
static void take(struct virtio_vsock *v, const struct virtq_chain *chain)
{
    struct virtio_vsock_connection *c = NULL;
    struct header h;

    if (chain_read(chain, 0, &h, sizeof(h)) < sizeof(h)) {
        virtio_broken(&v->virtio);
        return;
    }
    if (h.src_cid != v->config.guest_cid)
        return;
    bool known = h.dst_cid == VIRTIO_VSOCK_CID_HOST && h.type == STREAM;

    if (known)
        c = find(v, h.src_port, h.dst_port);
    if (h.op == OP_RST) {
        if (c)
            forget(v, c);
    } else if (!c && known && h.op == OP_REQUEST) {
        request(v, &h);
    } else if (!c) {
        refuse(v, &h);
    } else if (c->state != VIRTIO_VSOCK_GONE) {
        serve(v, c, chain, &h);
    }
}

static void transmit(struct virtio_vsock *v)
{
    struct virtio *d = &v->virtio;
    bool more = true;

    v->held = v->more = false;
    for (int i = 0; more && i < BATCH; i++) {
        if (v->losts == VIRTIO_VSOCK_RESETS && !tell_all(v)) {
            v->held = true;
            break;
        }
        more = virtq_pop(d, VIRTIO_VSOCK_TX, v->chain);
        if (more) {
            take(v, v->chain);
            virtq_put(d, VIRTIO_VSOCK_TX, v->chain, 0);
        }
    }
    virtq_publish(d, VIRTIO_VSOCK_TX);
    tell_all(v);
    v->more = more && !v->held;
    if (v->more)
        vsock_unix_ask(v->host);
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_vsock *v = vsock_of(d);

    if (q == VIRTIO_VSOCK_EVENT) {
        tell_event(v);
    } else if (q == VIRTIO_VSOCK_TX) {
        if (!v->held)
            transmit(v);
    } else if (tell_all(v)) {
        feed(v);
        if (v->held)
            transmit(v);
    }
}

/* ---- the host's side ---- */

/* A port that no other connection with that of the guest's has. */
static uint32_t new_port(struct virtio_vsock *v, uint32_t guest_port)
{
    uint32_t port;

    do {
        port = v->next_port;
        v->next_port = port == UINT32_MAX - 1 ? FIRST_PORT : port + 1;
    } while (find(v, guest_port, port));
    return port;
}

static bool asked(void *to, int i, uint32_t port)
{
    struct virtio_vsock *v = to;
    struct virtio *d = &v->virtio;

    if (!virtio_is_live(d) || !d->q[VIRTIO_VSOCK_RX].desc || !d->q[VIRTIO_VSOCK_TX].desc)
        return false;
    struct virtio_vsock_connection *c = begin(v, i, VIRTIO_VSOCK_ASKED, port, new_port(v, port));

    c->ticks = ASK_TICKS;
    vsock_unix_tick(v->host);
    note(c, OP_REQUEST);
    vsock_unix_watch(v->host, i, VSOCK_CLOSED);
    return true;
}

static void readable(void *to, int i)
{
    struct virtio_vsock *v = to;

    receive(v, &v->c[i]);
}

/* The guest need not answer any more. */
static void withdraw(struct virtio_vsock *v, struct virtio_vsock_connection *c)
{
    if (c->pending)
        forget(v, c);
    else
        abort_connection(v, c);
}

static void closed(void *to, int i)
{
    struct virtio_vsock *v = to;
    struct virtio_vsock_connection *c = &v->c[i];

    if (c->state != VIRTIO_VSOCK_ASKED)
        begin_closing(v, c);
    else if (vsock_unix_has_input(v->host, i))
        vsock_unix_watch(v->host, i, VSOCK_NOTHING); /* it did not wait, but meant something */
    else
        withdraw(v, c);
}

static void gone_later(void *to, int i, size_t n)
{
    struct virtio_vsock *v = to;

    gone(v, &v->c[i], n);
}

static void tick_all(struct virtio_vsock *v)
{
    for (int i = 0; i < v->top; i++) {
        struct virtio_vsock_connection *c = &v->c[i];

        if (c->state == VIRTIO_VSOCK_DIALING) {
            dial(v, c);
        } else if (c->state == VIRTIO_VSOCK_ASKED) {
            vsock_unix_tick(v->host);
            if (!c->ticks--)
                withdraw(v, c);
        } else if (c->state == VIRTIO_VSOCK_CLOSING) {
            vsock_unix_tick(v->host);
            if (!c->ticks--)
                reset_connection(v, c);
        }
    }
}

static void turn(void *to, bool tick)
{
    struct virtio_vsock *v = to;

    if (tick)
        tick_all(v);
    tell_event(v);
    if (v->more)
        transmit(v);
    else
        tell_all(v);
}

static void reset(struct virtio *d)
{
    struct virtio_vsock *v = vsock_of(d);

    forget_all(v);
    v->s.interrupted = false;
}

static void restored(struct device *dev)
{
    struct virtio_vsock *v = container_of(dev, struct virtio_vsock, dev);

    forget_all(v);
    v->s.interrupted = v->virtio.s.begun;
    vsock_unix_ask(v->host);
}

static const struct virtio_kind virtio_vsock = {
    .name = "virtio-vsock",
    .id = 19,
    .kicked = kicked,
    .reset = reset,
};

void virtio_vsock_init(struct virtio_vsock *v, struct vsock_unix *host, uint32_t cid,
                       const struct virtio_memory *memory, struct worker *worker)
{
    assert(cid >= VIRTIO_VSOCK_CID_MIN && cid <= VIRTIO_VSOCK_CID_MAX);
    memset(v, 0, sizeof(*v));
    v->dev = (struct device){
        .name = "vsock", .state = &v->s, .state_size = sizeof(v->s), .restored = restored};
    v->config = (struct virtio_vsock_config){.guest_cid = cid};
    v->host = host;
    v->next_port = FIRST_PORT;
    virtio_init(&v->virtio, &virtio_vsock, 0, VIRTIO_VSOCK_QUEUES, memory, worker);
    v->virtio.config = &v->config;
    v->virtio.config_len = sizeof(v->config);
    vsock_unix_attach(host, &(struct vsock_user){asked, readable, closed, gone_later, turn, v});
    worker_watch(worker, &host->watch);
}

void virtio_vsock_free(struct virtio_vsock *v)
{
    vsock_unix_close(v->host);
}

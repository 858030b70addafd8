// SPDX-License-Identifier: MIT
/*
 * virtio-console.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Console Device". But in the message of a new
 * size, which that text has as columns and rows, the rows come first: Linux read it so until 6.14,
 * and drivers of both sorts cannot be served. (The configuration has the columns first in both.)
 *
 * Nothing is lost: input stays in its console until the guest has opened the port and given a
 * buffer, and output in its ring while the console has much to write. When the input has ended, the
 * guest is told that the host has closed the port, behind the last byte.
 *
 * Left out: ports that come and go; a break, for which there is no message.
 */
#include "hw/virtio-console.h"

#include "hw/worker.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { /* features */
    VIRTIO_CONSOLE_F_SIZE = 0,
    VIRTIO_CONSOLE_F_MULTIPORT = 1,
    VIRTIO_CONSOLE_F_EMERG_WRITE = 2,
};

enum { /* queues */
    CONTROL_IN = 2,
    CONTROL_OUT = 3,
};

enum { /* control events */
    DEVICE_READY = 0,
    DEVICE_ADD = 1,
    PORT_READY = 3,
    CONSOLE_PORT = 4,
    RESIZE = 5,
    PORT_OPEN = 6,
    PORT_NAME = 7,
};

/* Of `pending`, in the order in which the driver is told. A program that finds a port by its name
 * must find it open: it would take one that is not open yet for one whose input has ended. */
enum {
    TELL_ADD = 1 << 0,
    TELL_CONSOLE = 1 << 1,
    TELL_OPEN = 1 << 2,
    TELL_NAME = 1 << 3,
    TELL_SIZE = 1 << 4,
    TELL_CLOSE = 1 << 5,
};

enum {
    MUCH = 64 * 1024,   /* unwritten bytes that make the guest wait */
    MOST = 1024 * 1024, /* of a request that is sent; drivers send a few pages */
    PIECE = 64 * 1024,  /* of one that is filled: the rest stays empty */
    NAME_MAX_LEN = 32,  /* of a port */

    /* Requests of a queue before others have their turn, and the machine may stand still. In line
     * nobody adds any meanwhile. */
    AT_ONCE = 64,

    /* Entries of queues: drivers fill those of input with pages, also where no input comes. */
    INPUT_SIZE = 64,
    OUTPUT_SIZE = 64,
    CONTROL_SIZE = 32,
    UNUSED_SIZE = 2,
};

struct control {
    uint32_t id;
    uint16_t event, value;
};

static struct virtio_console *console_of(struct virtio *d)
{
    return container_of(d, struct virtio_console, virtio);
}

static int number(const struct virtio_console_port *p)
{
    return p - p->device->port;
}

static struct virtio_console_port_state *state(struct virtio_console_port *p)
{
    return &p->device->s.port[number(p)];
}

/* A port's queue of input; that of its output is the next. */
static int input_of(const struct virtio_console_port *p)
{
    return number(p) ? 2 + 2 * number(p) : 0;
}

static bool has_multiport(const struct virtio_console *v)
{
    return virtio_has(&v->virtio, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* ---- what the driver is told of ports ---- */

static size_t write_message(struct virtio_console_port *p, int what, const struct virtq_chain *c)
{
    static const uint16_t events[] = {DEVICE_ADD, CONSOLE_PORT, PORT_OPEN,
                                      PORT_NAME,  RESIZE,       PORT_OPEN};
    struct {
        struct control head;
        char text[NAME_MAX_LEN];
    } message = {{number(p), events[__builtin_ctz(what)], what != TELL_CLOSE}, ""};
    size_t n = sizeof(message.head);
    uint16_t size[2];

    switch (what) {
    case TELL_NAME:
        memcpy(message.text, p->end.name, strlen(p->end.name));
        n += strlen(p->end.name);
        break;
    case TELL_SIZE:
        console_size(p->end.console, &size[0], &size[1]);
        memcpy(message.text, size, sizeof(size));
        n += sizeof(size);
        break;
    }
    return chain_write(c, 0, &message, n);
}

/* As far as there are buffers for it. */
static void tell(struct virtio_console *v)
{
    for (int i = 0; i < v->ports; i++) {
        uint8_t *pending = &v->s.port[i].pending;

        while (*pending) {
            int what = *pending & -*pending;
            struct virtq_chain c;

            if (!virtq_pop(&v->virtio, CONTROL_IN, &c))
                return;
            *pending &= ~what;
            virtq_push(&v->virtio, CONTROL_IN, &c, write_message(&v->port[i], what, &c));
        }
    }
}

/* ---- data ---- */

static bool is_in_line(const struct virtio_console *v)
{
    return !v->virtio.worker || v->virtio.worker->in_line;
}

/* How many requests may be served in a row. */
static int turn(const struct virtio_console *v)
{
    return is_in_line(v) ? VIRTQ_SIZE : AT_ONCE;
}

static void look_again(struct virtio_console *v)
{
    if (!is_in_line(v))
        event_ring(&v->again);
}

/* Fill a request with input. Returns the number of bytes. */
static size_t fill(struct console *console, const struct virtq_chain *c)
{
    size_t done = 0;

    for (int i = c->outs; i < c->outs + c->ins && done < PIECE; i++) {
        size_t room = c->v[i].iov_len < PIECE - done ? c->v[i].iov_len : PIECE - done;
        size_t n = console_take(console, c->v[i].iov_base, room);

        done += n;
        if (n < room)
            break;
    }
    return done;
}

/* Fill as many requests as there are and as there is input for, in one turn. */
static void fill_requests(struct virtio_console_port *p)
{
    struct virtio_console *v = p->device;
    int q = input_of(p);
    struct virtq_chain c;

    for (int i = 0; i < turn(v); i++) {
        size_t n;

        if (!virtq_pop(&v->virtio, q, &c))
            return;
        if (!c.in_len) {
            virtio_broken(&v->virtio);
            return;
        }
        n = fill(p->end.console, &c);
        if (!n) {
            virtq_unpop(&v->virtio, q);
            return;
        }
        virtq_put(&v->virtio, q, &c, n);
    }
    look_again(v);
}

static void receive(struct virtio_console_port *p)
{
    struct virtio_console *v = p->device;
    struct virtio_console_port_state *s = state(p);

    if (!virtio_is_live(&v->virtio) || !s->open || !console_has_input(p->end.console))
        return;
    fill_requests(p);
    virtq_publish(&v->virtio, input_of(p));
    if (has_multiport(v) && !s->ended && console_ended(p->end.console)) {
        s->ended = true;
        s->pending |= TELL_CLOSE;
        tell(v);
    }
}

/* Returns whether there may be more. */
static bool send(struct virtio_console_port *p)
{
    struct virtio *d = &p->device->virtio;
    struct console *console = p->end.console;
    int q = input_of(p) + 1, n = 0;
    struct virtq_chain c;

    while (n < turn(p->device) && console_unwritten(console) < MUCH && virtq_pop(d, q, &c)) {
        if (c.out_len > MOST) {
            virtio_broken(d);
            return false;
        }
        for (int i = 0; i < c.outs && console->put; i++)
            console_put(console, c.v[i].iov_base, c.v[i].iov_len);
        virtq_put(d, q, &c, 0);
        n++;
    }
    virtq_publish(d, q);
    if (n == turn(p->device))
        look_again(p->device);
    return n == turn(p->device) || console_unwritten(console) >= MUCH;
}

/* ---- what the driver tells ---- */

static void obey(struct virtio_console *v, const struct control *m)
{
    struct virtio_console_port *p;

    if (m->event == DEVICE_READY && m->value)
        for (int i = 0; i < v->ports; i++)
            v->s.port[i].pending = TELL_ADD;
    if (m->id >= (uint32_t)v->ports)
        return;
    p = &v->port[m->id];
    if (m->event == PORT_READY && m->value) {
        state(p)->pending |= TELL_OPEN | (p->end.name ? TELL_NAME : TELL_CONSOLE | TELL_SIZE);
        state(p)->ended = false;
    } else if (m->event == PORT_OPEN) {
        state(p)->open = m->value;
        if (m->value && p->end.console->opened)
            p->end.console->opened(p->end.console);
    }
}

static void control(struct virtio_console *v)
{
    struct virtq_chain c;
    struct control m;
    int n = 0;

    while (n < turn(v) && virtq_pop(&v->virtio, CONTROL_OUT, &c)) {
        if (chain_read(&c, 0, &m, sizeof(m)) == sizeof(m))
            obey(v, &m);
        virtq_push(&v->virtio, CONTROL_OUT, &c, 0);
        n++;
    }
    if (n == turn(v))
        look_again(v);
    tell(v);
    for (int i = 0; i < v->ports; i++)
        receive(&v->port[i]);
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_console *v = console_of(d);
    struct virtio_console_port *p = &v->port[q < CONTROL_IN ? 0 : (q - 2) / 2];

    if (q >= CONTROL_IN && !has_multiport(v))
        return;
    if (q == CONTROL_IN)
        tell(v);
    else if (q == CONTROL_OUT)
        control(v);
    else if (q % 2)
        send(p);
    else
        receive(p);
}

static void again(struct watch *w)
{
    struct virtio_console *v = container_of(w, struct virtio_console, again);

    event_hush(w);
    if (!virtio_is_live(&v->virtio))
        return;
    if (has_multiport(v))
        control(v);
    else
        receive(&v->port[0]);
    virtio_console_drained(v);
}

static void started(struct virtio *d)
{
    struct virtio_console *v = console_of(d);

    v->s.port[0].open = !has_multiport(v) && !v->port[0].end.name;
}

static void forget(struct virtio *d)
{
    memset(console_of(d)->s.port, 0, sizeof(console_of(d)->s.port));
}

/* A byte of the emergency write has no queue to wait in: when the console has much to write, it is
 * lost. */
static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    struct console *console = console_of(d)->port[0].end.console;
    uint8_t byte = val;

    (void)size;
    if (off == offsetof(struct virtio_console_config, emerg_wr) && console->put &&
        console_unwritten(console) < MUCH)
        console_put(console, &byte, 1);
}

static const struct virtio_kind virtio_console = {
    .name = "virtio-console",
    .id = 3,
    .kicked = kicked,
    .started = started,
    .reset = forget,
    .config_write = config_write,
};

/* ---- what the consoles tell ---- */

static void arrived(void *to)
{
    receive(to);
}

static void resized(void *to)
{
    struct virtio_console_port *p = to;
    struct virtio_console *v = p->device;

    if (number(p) == 0)
        console_size(p->end.console, &v->config.rows, &v->config.cols);
    if (!has_multiport(v)) {
        if (number(p) == 0)
            virtio_config_changed(&v->virtio);
    } else if (!p->end.name && state(p)->open) {
        state(p)->pending |= TELL_SIZE;
        tell(v);
    }
}

static void reset(struct device *dev)
{
    forget(&container_of(dev, struct virtio_console, dev)->virtio);
}

static void set_size(struct virtio *d, int q, int size)
{
    d->s.q[q].size = d->size[q] = size;
}

void virtio_console_init(struct virtio_console *v, const struct virtio_console_end *ends, int n,
                         const struct virtio_memory *memory, struct worker *worker)
{
    assert(n > 0 && n <= VIRTIO_CONSOLE_PORTS);
    *v = (struct virtio_console){
        .dev = {.name = "virtio-console",
                .reset = reset,
                .state = &v->s,
                .state_size = sizeof(v->s)},
        .config = {.max_nr_ports = n},
        .ports = n,
    };
    virtio_init(&v->virtio, &virtio_console,
                VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE) | VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT) |
                    VIRTIO_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
                2 + 2 * n, memory, worker);
    v->virtio.config = &v->config;
    v->virtio.config_len = sizeof(v->config);
    set_size(&v->virtio, CONTROL_IN, CONTROL_SIZE);
    set_size(&v->virtio, CONTROL_OUT, CONTROL_SIZE);
    for (int i = 0; i < n; i++) {
        struct console *c = ends[i].console;

        assert(!ends[i].name || strlen(ends[i].name) <= NAME_MAX_LEN);
        v->port[i] = (struct virtio_console_port){v, ends[i]};
        set_size(&v->virtio, input_of(&v->port[i]),
                 console_has_input(c) ? INPUT_SIZE : UNUSED_SIZE);
        set_size(&v->virtio, input_of(&v->port[i]) + 1, c->put ? OUTPUT_SIZE : UNUSED_SIZE);
        c->arrived = arrived;
        c->resized = resized;
        c->to = &v->port[i];
    }
    console_size(v->port[0].end.console, &v->config.rows, &v->config.cols);
    if (is_in_line(v))
        return;
    event_bell(&v->again, again);
    worker_watch(worker, &v->again);
}

bool virtio_console_drained(struct virtio_console *v)
{
    bool more = false;

    for (int i = 0; i < v->ports && virtio_is_live(&v->virtio); i++)
        if (i == 0 || has_multiport(v))
            more |= send(&v->port[i]);
    return more;
}

void virtio_console_free(struct virtio_console *v)
{
    if (!is_in_line(v))
        close(v->again.fd);
}

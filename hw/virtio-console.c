// SPDX-License-Identifier: MIT
/*
 * virtio-console.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Console Device". But in the message of a new
 * size the rows come before the columns, as Linux has it.
 *
 * Nothing is lost: input stays in its console until the guest has opened the port and given a
 * buffer, and output in its ring while the console has much to write. When the input has ended, the
 * guest is told that the host has closed the port, behind the last byte.
 *
 * Left out: ports that come and go; a break, for which there is no message.
 */
#include "hw/virtio-console.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

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

/* Of `pending`, in the order in which the driver is told. CLOSE comes after OPEN. */
enum {
    TELL_ADD = 1 << 0,
    TELL_CONSOLE = 1 << 1,
    TELL_NAME = 1 << 2,
    TELL_OPEN = 1 << 3,
    TELL_SIZE = 1 << 4,
    TELL_CLOSE = 1 << 5,
};

enum {
    MUCH = 64 * 1024,   /* unwritten bytes that make the guest wait */
    MOST = 1024 * 1024, /* of one request; drivers send a few pages */
    NAME_MAX_LEN = 32,  /* of a port */
    PIECE = 4096,       /* that input is copied in */
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
    static const uint16_t events[] = {DEVICE_ADD, CONSOLE_PORT, PORT_NAME,
                                      PORT_OPEN,  RESIZE,       PORT_OPEN};
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

/* The next byte of input that can be sent, or CONSOLE_EMPTY. */
static int next_byte(struct virtio_console_port *p)
{
    int byte = state(p)->held;

    state(p)->held = CONSOLE_EMPTY;
    while (byte == CONSOLE_EMPTY || byte == CONSOLE_BREAK) {
        byte = console_get(p->end.console);
        if (byte == CONSOLE_EMPTY)
            break;
    }
    return byte;
}

/* Fill a request with a first byte and those that follow. Returns how many there were. */
static size_t fill(struct virtio_console_port *p, const struct virtq_chain *c, int byte)
{
    uint8_t buf[PIECE];
    size_t done = 0, n;

    do {
        for (n = 0; byte != CONSOLE_EMPTY; byte = next_byte(p)) {
            buf[n++] = byte;
            if (n == sizeof(buf) || done + n == c->in_len)
                break;
        }
        done += chain_write(c, done, buf, n);
        byte = n == sizeof(buf) && done < c->in_len ? next_byte(p) : CONSOLE_EMPTY;
    } while (byte != CONSOLE_EMPTY);
    return done;
}

static void receive(struct virtio_console_port *p)
{
    struct virtio_console *v = p->device;
    struct virtio_console_port_state *s = state(p);
    int q = input_of(p), byte;
    struct virtq_chain c;

    if (!virtio_is_live(&v->virtio) || !s->open)
        return;
    while ((byte = next_byte(p)) != CONSOLE_EMPTY) {
        if (!virtq_pop(&v->virtio, q, &c)) {
            s->held = byte;
            return;
        }
        if (!c.in_len) {
            s->held = byte;
            virtio_broken(&v->virtio);
            return;
        }
        virtq_push(&v->virtio, q, &c, fill(p, &c, byte));
    }
    if (has_multiport(v) && !s->ended && console_ended(p->end.console)) {
        s->ended = true;
        s->pending |= TELL_CLOSE;
        tell(v);
    }
}

static void send(struct virtio_console_port *p)
{
    struct virtio *d = &p->device->virtio;
    struct console *console = p->end.console;
    int q = input_of(p) + 1;
    struct virtq_chain c;

    while (console_unwritten(console) < MUCH && virtq_pop(d, q, &c)) {
        if (c.out_len > MOST) {
            virtio_broken(d);
            return;
        }
        for (int i = 0; i < c.outs; i++)
            console_put(console, c.v[i].iov_base, c.v[i].iov_len);
        virtq_push(d, q, &c, 0);
    }
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
        receive(p);
    }
}

static void control(struct virtio_console *v)
{
    struct virtq_chain c;
    struct control m;

    while (virtq_pop(&v->virtio, CONTROL_OUT, &c)) {
        if (chain_read(&c, 0, &m, sizeof(m)) == sizeof(m))
            obey(v, &m);
        virtq_push(&v->virtio, CONTROL_OUT, &c, 0);
    }
    tell(v);
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

static void started(struct virtio *d)
{
    struct virtio_console *v = console_of(d);

    v->s.port[0].open = !has_multiport(v);
}

/* Input that waits for a buffer goes to the next driver. */
static void forget(struct virtio *d)
{
    struct virtio_console *v = console_of(d);

    for (int i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
        v->s.port[i] = (struct virtio_console_port_state){.held = v->s.port[i].held};
}

/* Such a byte has no queue to wait in: when the console has much to write, it is lost. */
static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    struct console *console = console_of(d)->port[0].end.console;
    uint8_t byte = val;

    (void)size;
    if (off == offsetof(struct virtio_console_config, emerg_wr) &&
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
    struct virtio_console *v = container_of(dev, struct virtio_console, dev);

    for (int i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
        v->s.port[i] = (struct virtio_console_port_state){.held = CONSOLE_EMPTY};
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
    reset(&v->dev);
    virtio_init(&v->virtio, &virtio_console,
                VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE) | VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT) |
                    VIRTIO_BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
                2 + 2 * n, memory, worker);
    v->virtio.config = &v->config;
    v->virtio.config_len = sizeof(v->config);
    for (int i = 0; i < n; i++) {
        struct console *c = ends[i].console;

        assert(!ends[i].name || strlen(ends[i].name) <= NAME_MAX_LEN);
        v->port[i] = (struct virtio_console_port){v, ends[i]};
        c->arrived = arrived;
        c->resized = resized;
        c->to = &v->port[i];
    }
    console_size(v->port[0].end.console, &v->config.rows, &v->config.cols);
}

void virtio_console_drained(struct virtio_console *v)
{
    for (int i = 0; i < v->ports && virtio_is_live(&v->virtio); i++)
        send(&v->port[i]);
}

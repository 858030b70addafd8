// SPDX-License-Identifier: MIT
/*
 * A command's stdin, stdout, stderr and status, as ports.
 *
 * After: read(2), poll(2).
 */
#include "tools/minivm/ports.h"
#include "hw/device.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* Are stdout and stderr the same file? */
static bool is_same(void)
{
    struct stat out, err;

    return !fstat(STDOUT_FILENO, &out) && !fstat(STDERR_FILENO, &err) && out.st_dev == err.st_dev &&
           out.st_ino == err.st_ino;
}

int ports_wanted(void)
{
    bool out = !isatty(STDOUT_FILENO), err = !isatty(STDERR_FILENO);
    int n = !isatty(STDIN_FILENO) + out + (err && !(out && is_same()));

    return n ? n + 1 : 0;
}

/* ---- stdin ---- */

static bool is_ready(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0;
}

/* Straight into the guest's memory. */
static size_t take(struct console *c, void *buf, size_t n)
{
    struct port_input *in = container_of(c, struct port_input, console);
    ssize_t got = -1;

    if (!in->lent || in->ended)
        return 0;
    errno = EAGAIN;
    if (is_ready(in->watch.fd))
        got = read(in->watch.fd, buf, n);
    if (got > 0)
        return got;
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        in->ended = true;
    else if (!in->worker->in_line)
        event_enable(in->worker->loop, &in->watch, true);
    return 0;
}

static bool ended(struct console *c)
{
    return container_of(c, struct port_input, console)->ended;
}

static void readable(struct watch *w)
{
    struct port_input *in = container_of(w, struct port_input, watch);

    event_enable(in->worker->loop, w, false);
    in->console.arrived(in->console.to);
}

static void opened_in(struct console *c)
{
    struct port_input *in = container_of(c, struct port_input, console);
    struct ports *p = container_of(in, struct ports, in);
    int fd;

    if (in->lent)
        return;
    fd = terminal_lend(p->terminal);
    if (fd < 0)
        return;
    in->lent = true;
    in->watch = (struct watch){.fd = fd, .ready = readable};
    /* In line all of the input is there. Where the host cannot watch it, the guest finds its end.
     */
    in->ended = !in->worker->in_line && !event_try(in->worker->loop, &in->watch);
}

/* ---- stdout, stderr ---- */

static void put(struct console *c, const void *buf, size_t n)
{
    writer_put(container_of(c, struct port_output, console)->writer, buf, n);
}

static size_t unwritten(struct console *c)
{
    return writer_unwritten(container_of(c, struct port_output, console)->writer);
}

static void opened_out(struct console *c)
{
    terminal_set_aside(container_of(c, struct port_output, console)->ports->terminal);
}

static void drained(void *to)
{
    event_ring(&((struct port_output *)to)->drained);
}

static void go_on(struct watch *w)
{
    struct port_output *o = container_of(w, struct port_output, drained);

    event_hush(w);
    virtio_console_drained(&o->ports->machine->board->devices.console);
}

/* ---- the status: digits, and a newline ---- */

static void put_status(struct console *c, const void *buf, size_t n)
{
    struct ports *p = container_of(c, struct ports, told);
    const char *digit = buf;

    for (size_t i = 0; i < n; i++)
        if (digit[i] == '\n') {
            p->status = p->telling;
            p->telling = -1;
        } else if (digit[i] >= '0' && digit[i] <= '9') {
            p->telling = ((p->telling < 0 ? 0 : p->telling) * 10 + digit[i] - '0') & 0xff;
        }
}

/* ---- all of them ---- */

static void add(struct ports *p, const char *name, struct console *c)
{
    p->end[p->ends++] = (struct virtio_console_end){name, c};
}

static void add_output(struct ports *p, int n, const char *name, struct writer *w, bool in_line)
{
    p->out[n] = (struct port_output){
        .console = {.put = put, .unwritten = in_line ? NULL : unwritten},
        .ports = p,
        .writer = w,
    };
    add(p, name, &p->out[n].console);
}

void ports_init(struct ports *p, struct terminal *t, bool in_line)
{
    bool out = !isatty(STDOUT_FILENO), err = !isatty(STDERR_FILENO), both = out && is_same();

    *p = (struct ports){.terminal = t, .status = -1, .telling = -1};
    if (!isatty(STDIN_FILENO)) {
        p->in.console = (struct console){.take = take, .ended = ended, .opened = opened_in};
        add(p, "minivm.stdin", &p->in.console);
        t->lends = true;
    }
    if (out) {
        add_output(p, 0, both ? "minivm.output" : "minivm.stdout", &t->out, in_line);
        p->out[0].console.opened = opened_out;
    }
    if (err && !both)
        add_output(p, 1, "minivm.stderr", &t->err, in_line);
    p->told.put = put_status;
    add(p, "minivm.status", &p->told);
    /* There are never more bytes than the guest's rings hold. */
    t->err.limit = SIZE_MAX;
    t->shares = true;
}

void ports_start(struct ports *p, struct machine *m)
{
    struct devices *d = &m->board->devices;

    p->machine = m;
    p->in.worker = &d->console_worker;
    for (int i = 0; i < 2; i++) {
        struct port_output *o = &p->out[i];

        if (!o->writer || !o->console.unwritten)
            continue;
        event_bell(&o->drained, go_on);
        worker_watch(&d->console_worker, &o->drained);
        o->writer->drained_to = o;
        o->writer->drained = drained;
    }
}

static bool flush(struct ports *p)
{
    struct devices *d = &p->machine->board->devices;

    pthread_mutex_lock(&p->machine->lock);
    worker_lock(&d->console_worker);
    bool more = virtio_console_drained(&d->console);

    worker_unlock(&d->console_worker);
    pthread_mutex_unlock(&p->machine->lock);
    return more;
}

void ports_flush(struct ports *p)
{
    if (p->machine && !p->machine->stuck)
        flush(p);
}

void ports_finish(struct ports *p, uint64_t deadline)
{
    if (!p->machine || p->machine->stuck)
        return;
    for (int i = 0; i < 2; i++)
        if (p->out[i].writer) {
            writer_patience(p->out[i].writer, deadline);
            writer_release(p->out[i].writer, false);
        }
    while (flush(p) && clock_host(CLOCK_MONOTONIC) < deadline)
        for (int i = 0; i < 2; i++)
            if (p->out[i].writer)
                writer_wait(p->out[i].writer);
}

// SPDX-License-Identifier: MIT
/*
 * What virtio devices have in common, and the split ring.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Basic Facilities of a Virtio Device" ("Device
 * Status Field", "Feature Bits", "Split Virtqueues") and "General Initialization And Device
 * Operation".
 *
 * Left out: the packed ring, notification data, and the reset of a single queue, which no driver
 * needs that is not offered them. The engine is not told that the used ring was written: no guest
 * has code there.
 */
#include "hw/virtio.h"
#include "hw/worker.h"

#include <assert.h>
#include <string.h>

enum { /* flags of a descriptor */
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
};

enum { /* flags of the rings */
    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
};

enum {
    DESC_SIZE = 16
};

/* As a descriptor is after it was read, once. */
struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

/* ---- the ring's parts, of which each word is read or written once, as the driver looks on ---- */

static uint16_t load16(const uint16_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static struct desc load_desc(const uint64_t *table, size_t n)
{
    uint64_t rest = __atomic_load_n(&table[2 * n + 1], __ATOMIC_RELAXED);

    return (struct desc){__atomic_load_n(&table[2 * n], __ATOMIC_RELAXED), rest, rest >> 32,
                         rest >> 48};
}

static uint16_t avail_flags(const struct virtq *vq)
{
    return load16(&vq->avail[0]);
}

/* Entries below this index are seen by whoever reads them after this. */
static uint16_t avail_index(const struct virtq *vq)
{
    return __atomic_load_n(&vq->avail[1], __ATOMIC_ACQUIRE);
}

static uint16_t avail_entry(const struct virtq *vq, const struct virtq_state *s, uint16_t n)
{
    return load16(&vq->avail[2 + n % s->size]);
}

/* At which index the driver wants to be interrupted. */
static uint16_t used_event(const struct virtq *vq, const struct virtq_state *s)
{
    return load16(&vq->avail[2 + s->size]);
}

static void set_used_flags(struct virtq *vq, uint16_t flags)
{
    __atomic_store_n((uint16_t *)vq->used, flags, __ATOMIC_RELAXED);
}

static void set_used_index(struct virtq *vq, uint16_t index)
{
    __atomic_store_n((uint16_t *)vq->used + 1, index, __ATOMIC_RELEASE);
}

static void set_used_entry(struct virtq *vq, const struct virtq_state *s, uint16_t n, uint32_t id,
                           uint32_t len)
{
    uint32_t *entry = vq->used + 1 + 2 * (n % s->size);

    __atomic_store_n(&entry[0], id, __ATOMIC_RELAXED);
    __atomic_store_n(&entry[1], len, __ATOMIC_RELAXED);
}

/* At which index the device wants to be kicked. */
static void set_avail_event(struct virtq *vq, const struct virtq_state *s, uint16_t index)
{
    __atomic_store_n((uint16_t *)(vq->used + 1 + 2 * s->size), index, __ATOMIC_RELAXED);
}

/* ---- taking requests ---- */

/* Is the queue in use? */
static bool is_up(const struct virtio *d, int q)
{
    assert(q >= 0 && q < d->queues);
    return virtio_is_live(d) && d->q[q].desc;
}

/* Add a descriptor's buffer to the chain. */
static bool add(const struct virtio *d, struct virtq_chain *c, const struct desc *e)
{
    void *host = ram_at(d->memory.ram, e->addr, e->len);
    int n = c->outs + c->ins;
    bool in = e->flags & DESC_WRITE;

    if (!host || !e->len || n == VIRTQ_SEGMENTS || (!in && c->ins) ||
        c->out_len + c->in_len + e->len > UINT32_MAX)
        return false;
    c->v[n] = (struct iovec){host, e->len};
    *(in ? &c->ins : &c->outs) += 1;
    *(in ? &c->in_len : &c->out_len) += e->len;
    return true;
}

/* Add what a table of descriptors has, from entry n on. The end of it may be in another table. As
 * each adds a segment, of which there may be only so many, a loop has an end. */
static bool walk(const struct virtio *d, struct virtq_chain *c, const uint64_t *table, size_t size,
                 size_t n, bool indirect)
{
    for (;;) {
        if (n >= size)
            return false;
        struct desc e = load_desc(table, n);

        if (e.flags & DESC_INDIRECT) {
            const void *inner = ram_at(d->memory.ram, e.addr, e.len);

            if (indirect || !virtio_has(d, VIRTIO_F_INDIRECT_DESC) || e.flags & DESC_NEXT ||
                !inner || e.addr % 8 || e.len % DESC_SIZE)
                return false;
            return walk(d, c, inner, e.len / DESC_SIZE, 0, true);
        }
        if (!add(d, c, &e))
            return false;
        if (!(e.flags & DESC_NEXT))
            return true;
        n = e.next;
    }
}

/* Ask for a kick at the next request. */
static void ask(struct virtio *d, int q)
{
    if (virtio_has(d, VIRTIO_F_EVENT_IDX))
        set_avail_event(&d->q[q], &d->s.q[q], d->s.q[q].next);
    /* Either the driver sees that we ask, or we see what it added before it looked. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool virtq_pop(struct virtio *d, int q, struct virtq_chain *c)
{
    struct virtq *vq = &d->q[q];
    struct virtq_state *s = &d->s.q[q];

    if (!is_up(d, q))
        return false;
    uint16_t waiting = avail_index(vq) - s->next;
    uint16_t taken = s->next - s->published - vq->filled;

    if (!waiting && !s->unwanted) {
        ask(d, q);
        waiting = avail_index(vq) - s->next;
    }
    if (!waiting)
        return false;

    c->head = avail_entry(vq, s, s->next);
    c->outs = c->ins = 0;
    c->out_len = c->in_len = 0;
    if (waiting > s->size - taken || !walk(d, c, vq->desc, s->size, c->head, false)) {
        virtio_broken(d);
        return false;
    }
    s->next++;
    return true;
}

void virtq_unpop(struct virtio *d, int q)
{
    if (is_up(d, q))
        d->s.q[q].next--;
}

void virtq_want(struct virtio *d, int q, bool want)
{
    struct virtq_state *s = &d->s.q[q];

    if (!is_up(d, q) || s->unwanted == !want)
        return;
    s->unwanted = !want;
    set_used_flags(&d->q[q], want ? 0 : USED_NO_NOTIFY);
    if (want)
        ask(d, q);
}

/* ---- giving them back ---- */

static void tell_written(const struct virtio *d, const struct virtq_chain *c, uint32_t written)
{
    for (int i = c->outs; i < c->outs + c->ins && written; i++) {
        const struct iovec *v = &c->v[i];
        uint32_t n = v->iov_len < written ? v->iov_len : written;

        d->memory.wrote(d->memory.to, ram_gpa(d->memory.ram, v->iov_base), n);
        written -= n;
    }
}

void virtq_put(struct virtio *d, int q, const struct virtq_chain *c, uint32_t written)
{
    struct virtq *vq = &d->q[q];
    struct virtq_state *s = &d->s.q[q];

    assert(written <= c->in_len);
    if (d->memory.wrote)
        tell_written(d, c, written);
    if (!is_up(d, q))
        return;
    set_used_entry(vq, s, s->published + vq->filled++, c->head, written);
}

/* Does an index that went from old to new pass the one that the other side waits for? */
static bool passes(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void virtq_publish(struct virtio *d, int q)
{
    struct virtq *vq = &d->q[q];
    struct virtq_state *s = &d->s.q[q];
    uint16_t old = s->told;

    if (!is_up(d, q) || !vq->filled)
        return;
    s->published += vq->filled;
    vq->filled = 0;
    set_used_index(vq, s->published);
    /* Either we see that the driver wants an interrupt, or it sees what was published before. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    s->told = s->published;
    if (virtio_has(d, VIRTIO_F_EVENT_IDX) ? passes(used_event(vq, s), s->published, old)
                                          : !(avail_flags(vq) & AVAIL_NO_INTERRUPT))
        d->interrupt(d->interrupt_to, q);
}

void virtq_unput(struct virtio *d, int q)
{
    if (!is_up(d, q))
        return;
    d->s.q[q].next -= d->q[q].filled;
    d->q[q].filled = 0;
}

void virtq_go_on(struct virtio *d, int q, uint16_t next)
{
    struct virtq_state *s = &d->s.q[q];

    if (!is_up(d, q))
        return;
    s->next = next;
    s->published = s->told = load16((const uint16_t *)d->q[q].used + 1);
}

void virtq_push(struct virtio *d, int q, const struct virtq_chain *c, uint32_t written)
{
    virtq_put(d, q, c, written);
    virtq_publish(d, q);
}

/* Copy between buf and a part of v, in which n bytes are to be skipped first. */
static size_t copy(const struct iovec *v, int count, size_t off, void *buf, size_t n, bool out)
{
    size_t done = 0;

    for (int i = 0; i < count && done < n; i++) {
        if (off >= v[i].iov_len) {
            off -= v[i].iov_len;
            continue;
        }
        size_t part = v[i].iov_len - off < n - done ? v[i].iov_len - off : n - done;
        char *guest = (char *)v[i].iov_base + off, *ours = (char *)buf + done;

        memcpy(out ? ours : guest, out ? guest : ours, part);
        done += part;
        off = 0;
    }
    return done;
}

size_t chain_read(const struct virtq_chain *c, size_t off, void *buf, size_t n)
{
    return copy(c->v, c->outs, off, buf, n, true);
}

size_t chain_write(const struct virtq_chain *c, size_t off, const void *buf, size_t n)
{
    return copy(c->v + c->outs, c->ins, off, (void *)buf, n, false);
}

/* ---- the device as a whole ---- */

void virtio_broken(struct virtio *d)
{
    if (virtio_is_broken(d) || d->resetting)
        return;
    d->s.status |= VIRTIO_NEEDS_RESET;
    if (d->s.status & VIRTIO_DRIVER_OK)
        d->interrupt(d->interrupt_to, VIRTIO_CONFIG_IRQ);
}

void virtio_config_changed(struct virtio *d)
{
    d->s.generation++;
    if (virtio_is_live(d))
        d->interrupt(d->interrupt_to, VIRTIO_CONFIG_IRQ);
}

/* Where the parts of an enabled queue are on the host; false when they are not in RAM. */
static bool find_parts(struct virtio *d, int q)
{
    const struct ram *ram = d->memory.ram;
    const struct virtq_state *s = &d->s.q[q];
    struct virtq *vq = &d->q[q];

    *vq = (struct virtq){
        .desc = ram_at(ram, s->desc, DESC_SIZE * s->size),
        .avail = ram_at(ram, s->avail, 6 + 2 * s->size),
        .used = ram_at(ram, s->used, 6 + 8 * s->size),
    };
    return vq->desc && vq->avail && vq->used;
}

static bool is_well_formed(const struct virtio *d, int q)
{
    const struct virtq_state *s = &d->s.q[q];

    return s->size && s->size <= d->size[q] && !(s->size & (s->size - 1)) &&
           !(s->desc % DESC_SIZE) && !(s->avail % 2) && !(s->used % 4);
}

void virtq_enable(struct virtio *d, int q)
{
    struct virtq_state *s = &d->s.q[q];

    if (s->enabled || virtio_is_broken(d))
        return;
    s->enabled = is_well_formed(d, q) && find_parts(d, q);
    if (!s->enabled) {
        d->q[q] = (struct virtq){0};
        virtio_broken(d);
    }
}

/* Is it served where the guest makes its requests? */
static bool is_in_line(const struct virtio *d)
{
    return !d->worker || d->worker->in_line;
}

void virtio_serve(struct virtio *d, int q)
{
    if (is_up(d, q))
        d->kind->kicked(d, q);
}

/* The driver may use the queues from now on, and may have done so already. */
static void begin(struct virtio *d)
{
    d->s.begun = true;
    /* One that mixes the interfaces can have come here with features that were not offered. */
    d->s.features &= d->offered | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
    if (d->kind->started)
        d->kind->started(d);
    for (int i = 0; i < d->queues && is_in_line(d); i++)
        virtio_serve(d, i);
}

void virtio_set_status(struct virtio *d, uint8_t status, bool legacy)
{
    uint64_t features = d->s.features;
    bool acceptable = !(features & ~d->offered) && features & VIRTIO_BIT(VIRTIO_F_VERSION_1);

    if (!status)
        virtio_reset(d);
    if (!status || d->resetting)
        return;
    if (!d->s.status)
        d->s.legacy = legacy;
    status &= ~VIRTIO_NEEDS_RESET;
    if (!acceptable || d->s.legacy)
        status &= ~VIRTIO_FEATURES_OK;
    d->s.status |= status & ~VIRTIO_DRIVER_OK;
    if (!d->s.legacy && !(d->s.status & VIRTIO_FEATURES_OK))
        return;
    d->s.status |= status;
    if (d->s.status & VIRTIO_DRIVER_OK && !d->s.begun)
        begin(d);
}

void virtio_set_features(struct virtio *d, uint64_t features, bool legacy)
{
    if (d->s.status & VIRTIO_FEATURES_OK || d->s.begun)
        return;
    if (legacy)
        features &= (d->offered & UINT32_MAX) | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
    d->s.features = features;
}

/* Legacy drivers kick before they say that they are ready, and mean it. */
void virtio_kick(struct virtio *d, int q)
{
    if (q >= d->queues || !d->q[q].desc || virtio_is_broken(d) || d->resetting)
        return;
    if (!d->s.begun && d->s.legacy)
        begin(d);
    else if (is_in_line(d))
        virtio_serve(d, q);
}

bool virtio_try_serve(struct virtio *d, int q)
{
    return d->kind->quick && q < d->queues && is_up(d, q) && d->kind->quick(d, q);
}

uint64_t virtio_config_read(const struct virtio *d, uint64_t off, int size)
{
    uint64_t val = 0;

    if (off < d->config_len) {
        uint64_t n = d->config_len - off;

        memcpy(&val, (const uint8_t *)d->config + off, n < (uint64_t)size ? n : (uint64_t)size);
    }
    return val;
}

void virtio_config_write(struct virtio *d, uint64_t off, int size, uint64_t val)
{
    if (size <= 4 && off < d->config_len && d->config_len - off >= (uint64_t)size &&
        d->kind->config_write)
        d->kind->config_write(d, off, size, val);
}

/* Nothing is under way any more. */
static void finish_reset(struct virtio *d)
{
    if (d->kind->reset)
        d->kind->reset(d);
    if (d->under_way)
        return;
    d->s = (struct virtio_state){.generation = d->s.generation};
    for (int i = 0; i < d->queues; i++) {
        d->s.q[i].size = d->size[i];
        d->q[i] = (struct virtq){0};
    }
    __atomic_store_n(&d->resetting, false, __ATOMIC_RELEASE);
}

void virtio_begin(struct virtio *d)
{
    if (d->under_way++ == 0)
        worker_keep(d->worker);
}

void virtio_end(struct virtio *d)
{
    assert(d->under_way > 0);
    if (--d->under_way)
        return;
    worker_let_go(d->worker);
    if (d->resetting)
        finish_reset(d);
}

void virtio_reset(struct virtio *d)
{
    if (d->resetting)
        return;
    __atomic_store_n(&d->resetting, true, __ATOMIC_RELEASE);
    d->s.begun = false;
    virtio_begin(d); /* so that what is forgotten does not finish it before the end of this */
    if (d->kind->cancel)
        d->kind->cancel(d);
    virtio_end(d);
}

static void reset(struct device *dev)
{
    struct virtio *d = container_of(dev, struct virtio, dev);

    virtio_reset(d);
    d->s.generation = 0;
}

static void restored(struct device *dev)
{
    struct virtio *d = container_of(dev, struct virtio, dev);

    for (int i = 0; i < d->queues; i++) {
        d->q[i] = (struct virtq){0};
        if (d->s.q[i].enabled)
            find_parts(d, i);
    }
}

void virtio_init(struct virtio *d, const struct virtio_kind *kind, uint64_t offered, int queues,
                 const struct virtio_memory *memory, struct worker *worker)
{
    assert(queues > 0 && queues <= VIRTIO_QUEUES);
    *d = (struct virtio){
        .dev = {.name = kind->name,
                .reset = reset,
                .state = &d->s,
                .state_size = sizeof(d->s),
                .restored = restored},
        .kind = kind,
        .memory = *memory,
        .worker = worker,
        .offered = offered | VIRTIO_FEATURES,
        .queues = queues,
    };
    for (int i = 0; i < queues; i++)
        d->s.q[i].size = d->size[i] = VIRTQ_SIZE;
}

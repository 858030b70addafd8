// SPDX-License-Identifier: MIT
/*
 * virtio-balloon.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Traditional Memory Balloon Device"; madvise(2),
 * MADV_DONTNEED. Queues are numbered as Linux and QEMU number them: those that are not offered take
 * no number.
 *
 * Left out: the statistics queue, which tells what free(1) does in the guest; free page hints, for
 * migration; page poison, without which a driver that poisons free pages does not report them.
 */
#include "hw/virtio-balloon.h"
#include "hw/device.h"
#include "hw/worker.h"

#include <sys/mman.h>
#include <unistd.h>

enum { /* features */
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 2,
    VIRTIO_BALLOON_F_REPORTING = 5,
};

enum {
    INFLATEQ,
    DEFLATEQ,
    REPORTING_VQ,
    QUEUES
};

enum {
    PAGE = 4096,
    ACTUAL = offsetof(struct virtio_balloon_state, actual),

    /* Pages of a list that are looked at: 256 MiB, and many times what drivers put into one. */
    MOST = 65536,
    /* Requests in a row, before others have their turn. */
    AT_ONCE = 32,
};

static struct virtio_balloon *balloon_of(struct virtio *d)
{
    return container_of(d, struct virtio_balloon, virtio);
}

/* The host takes back the whole pages of a part of RAM. */
static void drop(void *host, size_t len)
{
    uintptr_t begin = ((uintptr_t)host + PAGE - 1) & -(uintptr_t)PAGE;
    uintptr_t end = ((uintptr_t)host + len) & -(uintptr_t)PAGE;

    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* So many pages, from one on. */
static void *pages_at(const struct virtio *d, uint64_t page, uint32_t n)
{
    return ram_at(d->memory.ram, page * PAGE, (uint64_t)n * PAGE);
}

/* Give pages of the driver's to the host, if they are RAM. */
static void drop_pages(struct virtio *d, uint64_t page, uint32_t n)
{
    void *host = n ? pages_at(d, page, n) : NULL;

    if (!host)
        return;
    drop(host, (uint64_t)n * PAGE);
    if (d->memory.wrote)
        d->memory.wrote(d->memory.to, page * PAGE, (uint64_t)n * PAGE);
}

/* A list of pages' numbers: those that follow one another are dropped at once. */
static void inflate(struct virtio *d, const struct virtq_chain *c)
{
    uint32_t number[256];
    uint64_t first = 0;
    uint32_t run = 0;
    size_t got = sizeof(number);

    for (size_t at = 0; got == sizeof(number) && at < MOST * sizeof(*number); at += got) {
        got = chain_read(c, at, number, sizeof(number));
        for (size_t i = 0; i < got / sizeof(*number); i++) {
            if (!run || number[i] != first + run || !pages_at(d, first, run + 1)) {
                drop_pages(d, first, run);
                first = number[i];
                run = 0;
            }
            run++;
        }
    }
    drop_pages(d, first, run);
}

static void serve(struct virtio *d, int q, const struct virtq_chain *c)
{
    uint32_t zeroed = 0;

    if (q == INFLATEQ)
        inflate(d, c);
    if (q == REPORTING_VQ) {
        for (int i = c->outs; i < c->outs + c->ins; i++)
            drop(c->v[i].iov_base, c->v[i].iov_len);
        zeroed = c->in_len;
    }
    virtq_push(d, q, c, zeroed);
}

static void kicked(struct virtio *d, int q)
{
    struct virtq_chain c;

    for (int i = 0; i < AT_ONCE; i++) {
        if (!virtq_pop(d, q, &c))
            return;
        serve(d, q, &c);
    }
    event_ring(&balloon_of(d)->again);
}

static void again(struct watch *w)
{
    struct virtio_balloon *b = container_of(w, struct virtio_balloon, again);

    event_hush(w);
    for (int q = 0; q < QUEUES; q++)
        kicked(&b->virtio, q);
}

static void config_write(struct virtio *d, uint32_t off, int size, uint32_t val)
{
    if (off == ACTUAL && size == sizeof(val))
        balloon_of(d)->s.actual = val;
}

static void reset(struct virtio *d)
{
    balloon_of(d)->s.actual = 0;
}

static const struct virtio_kind kind = {
    .name = "virtio-balloon",
    .id = 5,
    .kicked = kicked,
    .reset = reset,
    .config_write = config_write,
};

void virtio_balloon_ask(struct virtio_balloon *b, uint32_t pages)
{
    b->s.num_pages = pages;
    virtio_config_changed(&b->virtio);
}

void virtio_balloon_init(struct virtio_balloon *b, const struct virtio_memory *memory,
                         struct worker *worker)
{
    *b = (struct virtio_balloon){
        .dev = {.name = "virtio-balloon", .state = &b->s, .state_size = sizeof(b->s)},
    };
    event_bell(&b->again, again);
    virtio_init(&b->virtio, &kind,
                VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
                    VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING),
                QUEUES, memory, worker);
    b->virtio.config = &b->s;
    b->virtio.config_len = sizeof(b->s);
    if (worker)
        worker_watch(worker, &b->again);
}

void virtio_balloon_free(struct virtio_balloon *b)
{
    close(b->again.fd);
}

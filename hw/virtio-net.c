// SPDX-License-Identifier: MIT
/*
 * A network card behind virtio rings.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Network Device" ("Device Operation", "Legacy
 * Interface: Device Operation").
 *
 * Left out: segmentation offloads, as passt's frames have no header that could ask for them, and
 * with its MTU there is nothing to cut; the control queue, as all that passt sends is for this
 * card; several pairs of queues, as there is one socket.
 */
#include "hw/virtio-net.h"
#include "hw/device.h"

#include <string.h>

enum { /* features */
    VIRTIO_NET_F_CSUM = 0,
    VIRTIO_NET_F_GUEST_CSUM = 1,
    VIRTIO_NET_F_MTU = 3,
    VIRTIO_NET_F_MAC = 5,
    VIRTIO_NET_F_MRG_RXBUF = 15,
    VIRTIO_NET_F_STATUS = 16,
};

enum {
    VIRTIO_NET_S_LINK_UP = 1,
    VIRTIO_NET_HDR_F_NEEDS_CSUM = 1,
    VIRTIO_NET_HDR_F_DATA_VALID = 2,
    VIRTIO_NET_HDR_GSO_NONE = 0,

    BATCH = 64 /* frames that are sent before others have their turn */
};

/* Before each frame. */
struct header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
    uint16_t num_buffers; /* not with legacy drivers that do not merge buffers */
};

static struct virtio_net *net_of(struct virtio *d)
{
    return container_of(d, struct virtio_net, virtio);
}

static size_t header_len(const struct virtio *d)
{
    return virtio_has(d, VIRTIO_F_VERSION_1) || virtio_has(d, VIRTIO_NET_F_MRG_RXBUF)
               ? sizeof(struct header)
               : offsetof(struct header, num_buffers);
}

/* ---- from the link to the driver ---- */

/* A frame fills buffers one after the other, and is shown to the driver with the last one. If there
 * are too few, those that it filled are taken back, as if nothing had been. */
static bool received(void *to, const uint8_t *frame, size_t len)
{
    struct virtio_net *n = to;
    struct virtio *d = &n->virtio;
    struct header h = {.num_buffers = 0};
    size_t head = header_len(d), done = 0;

    if (!virtio_is_live(d) || !d->q[VIRTIO_NET_RX].desc)
        return true;
    if (virtio_has(d, VIRTIO_NET_F_GUEST_CSUM))
        h.flags = VIRTIO_NET_HDR_F_DATA_VALID; /* nothing falsifies what goes over a socket */
    while (done < len) {
        struct virtq_chain *c = h.num_buffers ? &n->chain : &n->first;
        size_t skip = h.num_buffers ? 0 : head;

        if (h.num_buffers &&
            (!virtio_has(d, VIRTIO_NET_F_MRG_RXBUF) || h.num_buffers == d->s.q[VIRTIO_NET_RX].size))
            break;
        if (!virtq_pop(d, VIRTIO_NET_RX, c)) {
            virtq_unput(d, VIRTIO_NET_RX);
            return !virtio_is_live(d);
        }
        if (c->in_len <= skip) {
            virtio_broken(d);
            return true;
        }
        size_t part = c->in_len - skip < len - done ? c->in_len - skip : len - done;

        chain_write(c, skip, frame + done, part);
        done += part;
        virtq_put(d, VIRTIO_NET_RX, c, skip + part);
        h.num_buffers++;
    }
    if (done < len) { /* it does not fit: lost */
        virtq_unput(d, VIRTIO_NET_RX);
        return true;
    }
    chain_write(&n->first, 0, &h, head);
    virtq_publish(d, VIRTIO_NET_RX);
    return true;
}

/* ---- and from the driver to the link ---- */

/* What a checksum still has to be made from, in words of the host's byte order, which does not
 * matter to it. */
static uint16_t checksum(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;

    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word;

        memcpy(&word, p, 4);
        sum += word;
    }
    if (len) {
        uint32_t word = 0;

        memcpy(&word, p, len);
        sum += word;
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    /* Of the two zeros, UDP has the one mean that there is no checksum. */
    return sum == 0xffff ? sum : ~sum;
}

/* Copy a frame, and write the checksum that the driver left to us. False: it cannot be. */
static bool finish(struct virtio_net *n, const struct header *h, size_t head, size_t len)
{
    size_t at = (size_t)h->csum_start + h->csum_offset;

    if (len > sizeof(n->frame) || at + 2 > len)
        return false;
    chain_read(&n->chain, head, n->frame, len);
    uint16_t sum = checksum(n->frame + h->csum_start, len - h->csum_start);

    memcpy(n->frame + at, &sum, sizeof(sum));
    return true;
}

static void send_frame(struct virtio_net *n, size_t head)
{
    const struct virtq_chain *c = &n->chain;
    size_t len = c->out_len - head, skip = head;
    struct iovec v[VIRTQ_SEGMENTS];
    int count = 0;
    struct header h = {0};

    chain_read(c, 0, &h, head);
    if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        return;
    if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && virtio_has(&n->virtio, VIRTIO_NET_F_CSUM)) {
        if (finish(n, &h, head, len))
            passt_send(n->passt, &(struct iovec){n->frame, len}, 1, len);
        return;
    }
    for (int i = 0; i < c->outs; i++) {
        size_t off = skip < c->v[i].iov_len ? skip : c->v[i].iov_len;

        skip -= off;
        if (off < c->v[i].iov_len)
            v[count++] = (struct iovec){(char *)c->v[i].iov_base + off, c->v[i].iov_len - off};
    }
    passt_send(n->passt, v, count, len);
}

static void transmit(void *to)
{
    struct virtio_net *n = to;
    struct virtio *d = &n->virtio;
    size_t head = header_len(d);
    bool more = true;

    for (int i = 0; more && i < BATCH && passt_has_room(n->passt); i++) {
        more = virtq_pop(d, VIRTIO_NET_TX, &n->chain);
        if (more && n->chain.out_len < head) {
            virtio_broken(d);
            return;
        }
        if (more) {
            send_frame(n, head);
            virtq_put(d, VIRTIO_NET_TX, &n->chain, 0);
        }
    }
    virtq_publish(d, VIRTIO_NET_TX);
    if (more)
        passt_ask(n->passt);
}

static void kicked(struct virtio *d, int q)
{
    if (q == VIRTIO_NET_RX)
        passt_resume(net_of(d)->passt);
    else
        transmit(net_of(d));
}

static void down(void *to)
{
    struct virtio_net *n = to;

    n->config.status = 0;
    virtio_config_changed(&n->virtio);
}

static const struct virtio_kind virtio_net = {
    .name = "virtio-net",
    .id = 1,
    .kicked = kicked,
};

void virtio_net_init(struct virtio_net *n, struct passt *passt, const uint8_t mac[6], int mtu,
                     const struct virtio_memory *memory, struct worker *worker)
{
    const uint64_t offered = VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |
                             VIRTIO_BIT(VIRTIO_NET_F_MTU) | VIRTIO_BIT(VIRTIO_NET_F_MAC) |
                             VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_NET_F_STATUS);

    n->passt = passt;
    n->config = (struct virtio_net_config){
        .status = VIRTIO_NET_S_LINK_UP, .max_virtqueue_pairs = 1, .mtu = mtu};
    memcpy(n->config.mac, mac, sizeof(n->config.mac));
    virtio_init(&n->virtio, &virtio_net, offered, VIRTIO_NET_QUEUES, memory, worker);
    n->virtio.config = &n->config;
    n->virtio.config_len = sizeof(n->config);
    passt_attach(passt, &(struct passt_user){received, transmit, down, n});
    worker_watch(worker, &passt->watch);
}

void virtio_net_free(struct virtio_net *n)
{
    passt_close(n->passt);
}

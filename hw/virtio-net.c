// SPDX-License-Identifier: MIT
/*
 * A network card behind virtio rings.
 *
 * After: Virtual I/O Device (VIRTIO) Version 1.2, "Network Device" ("Device Operation", "Legacy
 * Interface: Device Operation").
 *
 * Left out: segmentation offloads and the control queue with a link that needs neither: passt has
 * no header before its frames that could ask for something, its MTU leaves nothing to cut, and all
 * that it sends is for this card; the filter of VLANs, and offloads that change while the driver
 * runs; the filter of addresses while the host's kernel serves the rings (vhost). There the driver
 * sees frames that it did not ask for, which the specification allows and its network stack drops.
 * The filter is offered all the same, as QEMU does, so that a card is the same under each engine.
 */
#include "hw/virtio-net.h"
#include "hw/device.h"

#include <assert.h>
#include <string.h>

enum { /* features */
    VIRTIO_NET_F_CSUM = 0,
    VIRTIO_NET_F_GUEST_CSUM = 1,
    VIRTIO_NET_F_MTU = 3,
    VIRTIO_NET_F_MAC = 5,
    VIRTIO_NET_F_GUEST_TSO4 = 7,
    VIRTIO_NET_F_GUEST_TSO6 = 8,
    VIRTIO_NET_F_GUEST_ECN = 9,
    VIRTIO_NET_F_HOST_TSO4 = 11,
    VIRTIO_NET_F_HOST_TSO6 = 12,
    VIRTIO_NET_F_HOST_ECN = 13,
    VIRTIO_NET_F_MRG_RXBUF = 15,
    VIRTIO_NET_F_STATUS = 16,
    VIRTIO_NET_F_CTRL_VQ = 17,
    VIRTIO_NET_F_CTRL_RX = 18,
    VIRTIO_NET_F_MQ = 22,
    VIRTIO_NET_F_CTRL_MAC_ADDR = 23,
};

/* What all cards offer, and what those whose links have offloads do. */
#define OFFERED                                                                                    \
    (VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |                         \
     VIRTIO_BIT(VIRTIO_NET_F_MTU) | VIRTIO_BIT(VIRTIO_NET_F_MAC) |                                 \
     VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_NET_F_STATUS))
#define OFFLOADS                                                                                   \
    (VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) |                   \
     VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) |                     \
     VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) |                      \
     VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |                         \
     VIRTIO_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR))

enum {
    VIRTIO_NET_S_LINK_UP = 1,

    BATCH = 64 /* frames that are sent before others have their turn */
};

enum { /* the control queue: classes, their commands, and the answers */
    CTRL_RX = 0,
    CTRL_RX_PROMISC = 0,
    CTRL_RX_ALLMULTI = 1,
    CTRL_MAC = 1,
    CTRL_MAC_TABLE_SET = 0,
    CTRL_MAC_ADDR_SET = 1,
    CTRL_MQ = 4,
    CTRL_MQ_VQ_PAIRS_SET = 0,

    CTRL_OK = 0,
    CTRL_ERR = 1,
};

/* Before each frame. */
struct header {
    struct link_header link;
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

static bool has_several(const struct virtio_net *n)
{
    return virtio_has(&n->virtio, VIRTIO_NET_F_MQ);
}

/* Which queue is the control queue? Drivers that know no pairs have it behind the first. */
static int control_queue(const struct virtio_net *n)
{
    return 2 * (has_several(n) ? n->pairs : 1);
}

/* ---- from the link to the driver ---- */

/* Can the driver take a frame in such a state? A link may still have frames from before a reset,
 * after which the driver agreed on less. */
static bool takes(const struct virtio *d, const struct link_header *h)
{
    int gso = h->gso_type & ~LINK_GSO_ECN;

    if (h->flags & LINK_NEEDS_CSUM && !virtio_has(d, VIRTIO_NET_F_GUEST_CSUM))
        return false;
    if (h->gso_type & LINK_GSO_ECN && !virtio_has(d, VIRTIO_NET_F_GUEST_ECN))
        return false;
    return gso == LINK_GSO_NONE ||
           (gso == LINK_GSO_TCPV4 && virtio_has(d, VIRTIO_NET_F_GUEST_TSO4)) ||
           (gso == LINK_GSO_TCPV6 && virtio_has(d, VIRTIO_NET_F_GUEST_TSO6));
}

/* Does the driver want a frame with this destination? */
static bool is_for_us(const struct virtio_net *n, const uint8_t to[6])
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct virtio_net_state *s = &n->s;

    if (s->promiscuous || (s->all_multicast && to[0] & 1) || !memcmp(to, s->mac, 6) ||
        !memcmp(to, broadcast, 6))
        return true;
    for (int i = 0; i < s->filters; i++)
        if (!memcmp(to, s->filter[i], 6))
            return true;
    return false;
}

/* A frame fills buffers one after the other, and is shown to the driver with the last one. If there
 * are too few, those that it filled are taken back, as if nothing had been. */
static bool received(void *to, const struct link_header *link, const uint8_t *frame, size_t len)
{
    const struct virtio_net_pair *p = to;
    struct virtio_net *n = p->net;
    struct virtio *d = &n->virtio;
    struct header h = {.link = *link};
    size_t head = header_len(d), done = 0;

    if (!virtio_is_live(d) || !d->q[p->rx].desc || !takes(d, link) || !is_for_us(n, frame))
        return true;
    if (!virtio_has(d, VIRTIO_NET_F_GUEST_CSUM))
        h.link.flags = 0;
    while (done < len) {
        struct virtq_chain *c = h.num_buffers ? &n->chain : &n->first;
        size_t skip = h.num_buffers ? 0 : head;

        if (h.num_buffers &&
            (!virtio_has(d, VIRTIO_NET_F_MRG_RXBUF) || h.num_buffers == d->s.q[p->rx].size))
            break;
        if (!virtq_pop(d, p->rx, c)) {
            virtq_unput(d, p->rx);
            return !virtio_is_live(d);
        }
        if (c->in_len <= skip) {
            virtio_broken(d);
            return true;
        }
        size_t part = c->in_len - skip < len - done ? c->in_len - skip : len - done;

        chain_write(c, skip, frame + done, part);
        done += part;
        virtq_put(d, p->rx, c, skip + part);
        h.num_buffers++;
    }
    if (done < len) { /* it does not fit: lost */
        virtq_unput(d, p->rx);
        return true;
    }
    chain_write(&n->first, 0, &h, head);
    virtq_publish(d, p->rx);
    return true;
}

/* ---- and from the driver to the link ---- */

/* The checksum of so many bytes. They are added up as the host's words: in another byte order the
 * sum has its bytes in another order, too, and so is right in memory. */
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

/* Copy a frame, and write the checksum that the driver left to us. False: its place is not in the
 * frame. */
static bool finish(struct virtio_net *n, const struct link_header *h, size_t head, size_t len)
{
    size_t at = (size_t)h->csum_start + h->csum_offset;

    if (len > sizeof(n->frame) || at + 2 > len)
        return false;
    chain_read(&n->chain, head, n->frame, len);
    uint16_t sum = checksum(n->frame + h->csum_start, len - h->csum_start);

    memcpy(n->frame + at, &sum, sizeof(sum));
    return true;
}

/* May the driver leave it to us to cut such a frame? */
static bool may_ask(const struct virtio *d, const struct link_header *h)
{
    int gso = h->gso_type & ~LINK_GSO_ECN;

    return gso == LINK_GSO_NONE ||
           (gso == LINK_GSO_TCPV4 && virtio_has(d, VIRTIO_NET_F_HOST_TSO4)) ||
           (gso == LINK_GSO_TCPV6 && virtio_has(d, VIRTIO_NET_F_HOST_TSO6));
}

static void send_frame(struct virtio_net_pair *p, size_t head)
{
    struct virtio_net *n = p->net;
    const struct virtq_chain *c = &n->chain;
    size_t len = c->out_len - head, skip = head;
    struct iovec v[VIRTQ_SEGMENTS];
    int count = 0;
    struct link_header h;

    chain_read(c, 0, &h, sizeof(h));
    h.flags &= virtio_has(&n->virtio, VIRTIO_NET_F_CSUM) ? LINK_NEEDS_CSUM : 0;
    if (!may_ask(&n->virtio, &h))
        return;
    if (h.flags && !p->link->kind->offload) {
        if (finish(n, &h, head, len))
            link_send(p->link, &h, &(struct iovec){n->frame, len}, 1, len);
        return;
    }
    for (int i = 0; i < c->outs; i++) {
        size_t off = skip < c->v[i].iov_len ? skip : c->v[i].iov_len;

        skip -= off;
        if (off < c->v[i].iov_len)
            v[count++] = (struct iovec){(char *)c->v[i].iov_base + off, c->v[i].iov_len - off};
    }
    link_send(p->link, &h, v, count, len);
}

static void transmit(void *to)
{
    struct virtio_net_pair *p = to;
    struct virtio_net *n = p->net;
    struct virtio *d = &n->virtio;
    size_t head = header_len(d);
    bool more = true;

    for (int i = 0; more && i < BATCH && !link_is_busy(p->link); i++) {
        more = virtq_pop(d, p->tx, &n->chain);
        if (more && n->chain.out_len < head) {
            virtio_broken(d);
            return;
        }
        if (more) {
            send_frame(p, head);
            virtq_put(d, p->tx, &n->chain, 0);
        }
    }
    virtq_publish(d, p->tx);
    if (more)
        link_ask(p->link);
}

/* ---- what the host's kernel does in our place ---- */

static void lend_pair(struct virtio_net_pair *p)
{
    struct virtio *d = &p->net->virtio;
    const struct virtio_lender *l = &d->lender;
    struct vhost_bells bells;

    if (p->link->fd < 0 || !d->q[p->rx].desc || !d->q[p->tx].desc || p->vhost.runs ||
        !l->lend(l->to, p->rx, &bells.kick[0], &bells.call[0]))
        return;
    if (l->lend(l->to, p->tx, &bells.kick[1], &bells.call[1])) {
        if (vhost_start(&p->vhost, d, p->rx, &bells, p->link->fd)) {
            link_lend(p->link, true);
            return;
        }
        l->take_back(l->to, p->tx);
    }
    l->take_back(l->to, p->rx);
}

/* Have the kernel serve all pairs that it can, unless the machine is to stand still. It knows only
 * the longer header, which legacy drivers need not have. */
static void lend(struct virtio_net *n)
{
    struct virtio *d = &n->virtio;

    if (!n->vhost || !d->lender.lend || !virtio_is_live(d) || worker_is_held(d->worker) ||
        header_len(d) < sizeof(struct header))
        return;
    for (int i = 0; i < n->pairs; i++)
        lend_pair(&n->pair[i]);
}

static void take_back(struct virtio_net *n)
{
    struct virtio *d = &n->virtio;

    for (int i = 0; i < n->pairs; i++) {
        struct virtio_net_pair *p = &n->pair[i];

        if (!p->vhost.runs)
            continue;
        vhost_stop(&p->vhost, d, p->rx);
        d->lender.take_back(d->lender.to, p->rx);
        d->lender.take_back(d->lender.to, p->tx);
        link_lend(p->link, false);
    }
}

static void paused(struct worker_pause *p, bool still)
{
    struct virtio_net *n = container_of(p, struct virtio_net, pause);

    if (still)
        take_back(n);
    else
        lend(n);
}

/* ---- what the driver says over the control queue ---- */

/* Frames come by the pairs that are in use. */
static void use_pairs(struct virtio_net *n, uint16_t pairs)
{
    n->s.pairs = pairs;
    for (int i = 0; i < n->pairs; i++)
        if (n->pair[i].link->kind->use && n->pair[i].link->fd >= 0)
            n->pair[i].link->kind->use(n->pair[i].link, i < pairs);
}

static void use_mac(struct virtio_net *n, const uint8_t mac[6])
{
    memcpy(n->s.mac, mac, 6);
    memcpy(n->config.mac, mac, 6);
}

/* Two tables of addresses, for frames to one and to several, each behind the number of its entries.
 * False when they are not there. Where there are too many, all frames are taken. */
static bool set_filter(struct virtio_net *n, const struct virtq_chain *c, size_t at)
{
    struct virtio_net_state *s = &n->s;
    uint32_t count = 0;

    s->filters = 0;
    for (int table = 0; table < 2; table++) {
        if (chain_read(c, at, &count, sizeof(count)) < sizeof(count) || count > c->out_len / 6)
            return false;
        at += sizeof(count);
        if (count > (uint32_t)(VIRTIO_NET_FILTER - s->filters))
            s->promiscuous = true;
        else if (chain_read(c, at, s->filter[s->filters], 6 * count) < 6 * count)
            return false;
        else
            s->filters += count;
        at += 6 * count;
    }
    return true;
}

/* Obey a command; false when there is none such. */
static bool obey(struct virtio_net *n, const struct virtq_chain *c)
{
    uint8_t command[2] = {0xff}, on = 0, mac[6];
    uint16_t pairs = 0;

    chain_read(c, 0, command, sizeof(command));
    switch (command[0] << 8 | command[1]) {
    case CTRL_RX << 8 | CTRL_RX_PROMISC:
        n->s.promiscuous = chain_read(c, 2, &on, 1) && on;
        return true;
    case CTRL_RX << 8 | CTRL_RX_ALLMULTI:
        n->s.all_multicast = chain_read(c, 2, &on, 1) && on;
        return true;
    case CTRL_MAC << 8 | CTRL_MAC_TABLE_SET:
        return set_filter(n, c, 2);
    case CTRL_MAC << 8 | CTRL_MAC_ADDR_SET:
        if (chain_read(c, 2, mac, sizeof(mac)) < sizeof(mac))
            return false;
        use_mac(n, mac);
        return true;
    case CTRL_MQ << 8 | CTRL_MQ_VQ_PAIRS_SET:
        chain_read(c, 2, &pairs, sizeof(pairs));
        if (!has_several(n) || pairs < 1 || pairs > n->pairs)
            return false;
        use_pairs(n, pairs);
        return true;
    default:
        return false;
    }
}

static void control(struct virtio_net *n)
{
    int q = control_queue(n);

    n->commands = true;
    for (int i = 0; n->commands && i < BATCH; i++) {
        n->commands = virtq_pop(&n->virtio, q, &n->chain);
        if (!n->commands)
            return;
        uint8_t answer = obey(n, &n->chain) ? CTRL_OK : CTRL_ERR;

        virtq_push(&n->virtio, q, &n->chain, chain_write(&n->chain, 0, &answer, 1));
    }
    link_ask(n->pair[0].link);
}

/* ---- the device ---- */

static void room(void *to)
{
    struct virtio_net_pair *p = to;

    if (p->net->commands)
        control(p->net);
    if (!p->vhost.runs)
        transmit(p);
}

static void kicked(struct virtio *d, int q)
{
    struct virtio_net *n = net_of(d);
    struct virtio_net_pair *p = &n->pair[q / 2];

    if (q == control_queue(n) && virtio_has(d, VIRTIO_NET_F_CTRL_VQ))
        control(n);
    else if (q / 2 >= n->pairs || p->vhost.runs)
        return;
    else if (q == p->rx)
        link_resume(p->link);
    else
        transmit(p);
}

/* Tell the links what the driver takes. */
static void offload(struct virtio_net *n)
{
    const struct virtio *d = &n->virtio;
    int can = 0;

    can |= virtio_has(d, VIRTIO_NET_F_GUEST_CSUM) ? LINK_TAKES_CSUM : 0;
    can |= virtio_has(d, VIRTIO_NET_F_GUEST_TSO4) ? LINK_TAKES_TSO4 : 0;
    can |= virtio_has(d, VIRTIO_NET_F_GUEST_TSO6) ? LINK_TAKES_TSO6 : 0;
    can |= virtio_has(d, VIRTIO_NET_F_GUEST_ECN) ? LINK_TAKES_ECN : 0;
    for (int i = 0; i < n->pairs; i++)
        if (n->pair[i].link->kind->offload && n->pair[i].link->fd >= 0)
            n->pair[i].link->kind->offload(n->pair[i].link, can);
}

static void started(struct virtio *d)
{
    offload(net_of(d));
    lend(net_of(d));
}

static void forget(struct virtio *d)
{
    struct virtio_net *n = net_of(d);

    take_back(n);
    n->s = (struct virtio_net_state){.promiscuous = true};
    n->commands = false;
    use_pairs(n, 1);
    use_mac(n, n->mac);
}

static void restored(struct device *dev)
{
    struct virtio_net *n = container_of(dev, struct virtio_net, dev);

    use_pairs(n, n->s.pairs);
    use_mac(n, n->s.mac);
    offload(n);
}

static void down(void *to)
{
    struct virtio_net *n = ((struct virtio_net_pair *)to)->net;

    if (!n->config.status)
        return;
    take_back(n);
    for (int i = 0; i < n->pairs; i++)
        link_ask(n->pair[i].link);
    n->config.status = 0;
    virtio_config_changed(&n->virtio);
}

static const struct virtio_kind virtio_net = {
    .name = "virtio-net",
    .id = 1,
    .kicked = kicked,
    .started = started,
    .reset = forget,
};

void virtio_net_init(struct virtio_net *n, const struct virtio_net_options *o,
                     const struct virtio_memory *memory, struct worker *worker)
{
    bool offloads = o->link[0]->kind->offload;
    uint64_t offered =
        OFFERED | (offloads ? OFFLOADS : 0) | (o->pairs > 1 ? VIRTIO_BIT(VIRTIO_NET_F_MQ) : 0);

    assert(o->pairs >= 1 && o->pairs <= VIRTIO_NET_PAIRS && (o->pairs == 1 || offloads));
    n->dev = (struct device){
        .name = "virtio-net", .state = &n->s, .state_size = sizeof(n->s), .restored = restored};
    n->pairs = o->pairs;
    n->vhost = o->vhost;
    n->pause = (struct worker_pause){.call = paused};
    if (n->vhost && !worker->in_line)
        worker_add_pause(worker, &n->pause);
    n->config = (struct virtio_net_config){
        .status = VIRTIO_NET_S_LINK_UP, .max_virtqueue_pairs = o->pairs, .mtu = o->mtu};
    memcpy(n->mac, o->mac, sizeof(n->mac));
    virtio_init(&n->virtio, &virtio_net, offered, 2 * o->pairs + offloads, memory, worker);
    n->virtio.config = &n->config;
    n->virtio.config_len = sizeof(n->config);
    for (int i = 0; i < o->pairs; i++) {
        struct virtio_net_pair *p = &n->pair[i];

        *p = (struct virtio_net_pair){
            .net = n, .rx = 2 * i + VIRTIO_NET_RX, .tx = 2 * i + VIRTIO_NET_TX, .link = o->link[i]};
        link_attach(p->link, &(struct link_user){received, room, down, p});
        worker_watch(worker, &p->link->watch);
    }
    forget(&n->virtio);
}

void virtio_net_free(struct virtio_net *n)
{
    for (int i = 0; i < n->pairs; i++) {
        vhost_close(&n->pair[i].vhost);
        link_close(n->pair[i].link);
    }
}

// SPDX-License-Identifier: MIT
/*
 * Tap devices.
 *
 * After: Linux, Documentation/networking/tuntap.rst, include/uapi/linux/if_tun.h; netdevice(7),
 * rtnetlink(7).
 *
 * Left out: making one, which takes root, who makes it for us; the kernel's filter of addresses,
 * which a device that stays would keep beyond our end.
 */
#define _GNU_SOURCE
#include "hw/tap.h"
#include "hw/device.h"
#include "hw/die.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64, /* frames that are received before others have their turn */

    /* Bits of an address's first byte. */
    LOCALLY_ADMINISTERED = 2,
    OURS = 4, /* the difference from the device's own address */
};

/* ---- opening one ---- */

static _Noreturn void die_denied(const char *name)
{
    die("--net tap=%s: you may not use it; have it made for you: ip link del %s; ip tuntap add %s "
        "mode tap user $USER",
        name, name, name);
}

static int open_tun(const char *name)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
        die("--net tap=%s: this host has no /dev/net/tun: load its module (modprobe tun), or in a "
            "container, pass the device",
            name);
    if (fd < 0)
        die("--net tap=%s: /dev/net/tun: %m%s", name,
            errno == EACCES ? "; as root, open it to all as it mostly is: chmod 666 /dev/net/tun"
                            : "");
    return fd;
}

/* Let fd be a queue of the device; errno when it cannot be. */
static int attach(int fd, const char *name, bool several)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

    if (several)
        r.ifr_flags |= IFF_MULTI_QUEUE;
    memcpy(r.ifr_name, name, strlen(name));
    return ioctl(fd, TUNSETIFF, &r) < 0 ? errno : 0;
}

/* The first queue, which shows whether there may be more. */
static int open_first(const char *name, bool *several)
{
    int fd = open_tun(name), error;

    *several = true;
    error = attach(fd, name, true);
    if (error == EINVAL) {
        *several = false;
        error = attach(fd, name, false);
    }
    switch (error) {
    case 0:
        return fd;
    case EPERM:
    case EACCES:
        die_denied(name);
    case EBUSY:
        die("--net tap=%s: it is in use by another program; each guest needs one of its own", name);
    case EINVAL:
        die("--net tap=%s: not a tap device; 'ip tuntap' lists those that there are", name);
    default:
        die("--net tap=%s: %s", name, strerror(error));
    }
}

static int open_another(const char *name, int n)
{
    int fd = open_tun(name), error = attach(fd, name, true);

    if (error)
        die("--net tap=%s: queue %d: %s", name, n, strerror(error));
    return fd;
}

/* What the host knows of the device. */
static void look(struct tap *t, const char *name)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {0};

    memcpy(r.ifr_name, name, strlen(name));
    if (s < 0 || ioctl(s, SIOCGIFHWADDR, &r) < 0)
        die("--net tap=%s: %m", name);
    memcpy(t->mac, r.ifr_hwaddr.sa_data, sizeof(t->mac));
    t->mac[0] = (t->mac[0] ^ OURS) | LOCALLY_ADMINISTERED;
    if (ioctl(s, SIOCGIFMTU, &r) < 0)
        die("--net tap=%s: %m", name);
    t->mtu = r.ifr_mtu < TAP_MTU_MAX ? r.ifr_mtu : TAP_MTU_MAX;
    t->is_up = ioctl(s, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_UP;
    close(s);
}

/* That a device is gone shows when it is read from. While nobody reads, because frames wait or the
 * host's kernel takes them, rtnetlink tells it. */
static void watch_devices(struct link *l)
{
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (s >= 0 && bind(s, (struct sockaddr *)&a, sizeof(a)) == 0)
        link_watch_news(l, s);
    else if (s >= 0)
        close(s);
}

/* ---- frames ---- */

static struct tap_queue *queue_of(struct link *l)
{
    return container_of(l, struct tap_queue, link);
}

/* Is the device gone? Other errors are about a frame, or the device is switched off for now. */
static bool is_gone(ssize_t n)
{
    return n < 0 && errno == EBADFD;
}

static void send_frame(struct link *l, const struct link_header *h, const struct iovec *v,
                       int count, size_t len)
{
    char header[TAP_HEADER] = {0};
    struct iovec all[1 + LINK_SEGMENTS] = {{header, sizeof(header)}};

    (void)len;
    memcpy(header, h, sizeof(*h));
    memcpy(all + 1, v, count * sizeof(*v));
    if (is_gone(writev(l->fd, all, 1 + count)))
        link_down(l);
}

static void receive(struct link *l)
{
    struct tap_queue *q = queue_of(l);
    struct link_header h;

    for (int i = 0; i < BATCH && l->fd >= 0; i++) {
        if (!q->in_len) {
            ssize_t n = read(l->fd, q->in, sizeof(q->in));

            if (is_gone(n))
                link_down(l);
            if (n <= 0)
                return;
            q->in_len = n;
        }
        memcpy(&h, q->in, sizeof(h));
        l->full = q->in_len >= TAP_HEADER + LINK_FRAME_MIN &&
                  !l->user.received(l->user.to, &h, q->in + TAP_HEADER, q->in_len - TAP_HEADER);
        if (l->full)
            return;
        q->in_len = 0;
    }
}

static void offload(struct link *l, int takes)
{
    unsigned long flags = 0;

    if (takes & LINK_TAKES_CSUM)
        flags = TUN_F_CSUM | (takes & LINK_TAKES_TSO4 ? TUN_F_TSO4 : 0) |
                (takes & LINK_TAKES_TSO6 ? TUN_F_TSO6 : 0) |
                (takes & LINK_TAKES_ECN ? TUN_F_TSO_ECN : 0);
    ioctl(l->fd, TUNSETOFFLOAD, flags);
}

/* The host distributes its frames over the queues that are attached. */
static void use(struct link *l, bool on)
{
    struct tap_queue *q = queue_of(l);
    struct ifreq r = {.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

    if (q->used == on)
        return;
    q->used = on;
    ioctl(l->fd, TUNSETQUEUE, &r);
}

static void close_queue(struct link *l)
{
    free(queue_of(l));
}

static const struct link_kind one = {
    .send = send_frame,
    .receive = receive,
    .resume = receive,
    .offload = offload,
    .close = close_queue,
};

static const struct link_kind one_of_several = {
    .send = send_frame,
    .receive = receive,
    .resume = receive,
    .offload = offload,
    .use = use,
    .close = close_queue,
};

void tap_open(struct tap *t, const char *name, int queues, int most)
{
    int header = TAP_HEADER;
    bool several;

    assert(strlen(name) <= TAP_NAME && queues <= TAP_QUEUES);
    /* The kernel would make one for root, which nobody has configured. */
    if (!if_nametoindex(name))
        die("--net tap=%s: there is no such device; make one: ip tuntap add %s mode tap user $USER",
            name, name);
    int fd = open_first(name, &several);

    if (queues > 1 && !several)
        die("--net tap=%s,queues=%d: it was made for one queue; make one for several: ip link del "
            "%s; ip tuntap add %s mode tap multi_queue user $USER",
            name, queues, name, name);
    if (!queues)
        queues = !several ? 1 : most < TAP_QUEUES ? most : TAP_QUEUES;
    t->queues = queues;
    for (int i = 0; i < queues; i++) {
        struct tap_queue *q = t->queue[i] = calloc(1, sizeof(*q));

        assert(q);
        if (i > 0)
            fd = open_another(name, i);
        if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
            die("--net tap=%s: TUNSETVNETHDRSZ: %m", name);
        link_init(&q->link, several ? &one_of_several : &one, fd);
        q->used = true;
    }
    watch_devices(&t->queue[0]->link);
    look(t, name);
}

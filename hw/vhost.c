// SPDX-License-Identifier: MIT
/*
 * vhost-net.
 *
 * After: Linux, include/uapi/linux/vhost.h, drivers/vhost/net.c.
 *
 * Left out: the log of pages that it has written, which only a migration needs; memory that is
 * written by it is told to nobody, so that only an engine may run beside it to which that is
 * nothing.
 */
#include "hw/vhost.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    MRG_RXBUF = 15 /* virtio-net's */
};

/* Features that change how the kernel has to serve the rings. */
#define RING_FEATURES (VIRTIO_FEATURES | VIRTIO_BIT(MRG_RXBUF))

static bool set_memory(const struct vhost *v, const struct ram *ram)
{
    struct {
        struct vhost_memory head;
        struct vhost_memory_region region[2];
    } m = {.head = {.nregions = ram_high(ram) ? 2 : 1}};

    m.region[0] = (struct vhost_memory_region){.memory_size = ram_low(ram),
                                               .userspace_addr = (uintptr_t)ram->host};
    m.region[1] =
        (struct vhost_memory_region){.guest_phys_addr = RAM_HIGH,
                                     .memory_size = ram_high(ram),
                                     .userspace_addr = (uintptr_t)ram->host + ram_low(ram)};
    return ioctl(v->fd, VHOST_SET_MEM_TABLE, &m) == 0;
}

/* Open it only when a driver is ready: many guests end before that. */
static bool open_vhost(struct vhost *v, const struct ram *ram)
{
    if (v->fd)
        return v->fd > 0;
    v->fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
    if (v->fd < 0)
        return false;
    if (ioctl(v->fd, VHOST_SET_OWNER, NULL) == 0 && set_memory(v, ram))
        return true;
    close(v->fd);
    v->fd = -1;
    return false;
}

static bool set_features(const struct vhost *v, const struct virtio *d)
{
    uint64_t has = 0, wanted = d->s.features & RING_FEATURES;

    return ioctl(v->fd, VHOST_GET_FEATURES, &has) == 0 && !(wanted & ~has) &&
           ioctl(v->fd, VHOST_SET_FEATURES, &wanted) == 0;
}

/* Queue n of the pair. */
static bool set_queue(const struct vhost *v, const struct virtio *d, int rx, int n,
                      const struct vhost_bells *bells)
{
    const struct virtq_state *s = &d->s.q[rx + n];
    const struct virtq *vq = &d->q[rx + n];
    struct vhost_vring_state size = {n, s->size}, base = {n, s->next};
    struct vhost_vring_file kick = {n, bells->kick[n]}, call = {n, bells->call[n]};
    struct vhost_vring_addr addr = {.index = n,
                                    .desc_user_addr = (uintptr_t)vq->desc,
                                    .avail_user_addr = (uintptr_t)vq->avail,
                                    .used_user_addr = (uintptr_t)vq->used};

    return ioctl(v->fd, VHOST_SET_VRING_NUM, &size) == 0 &&
           ioctl(v->fd, VHOST_SET_VRING_BASE, &base) == 0 &&
           ioctl(v->fd, VHOST_SET_VRING_ADDR, &addr) == 0 &&
           ioctl(v->fd, VHOST_SET_VRING_KICK, &kick) == 0 &&
           ioctl(v->fd, VHOST_SET_VRING_CALL, &call) == 0;
}

static bool set_backend(const struct vhost *v, int n, int fd)
{
    struct vhost_vring_file backend = {n, fd};

    return ioctl(v->fd, VHOST_NET_SET_BACKEND, &backend) == 0;
}

bool vhost_start(struct vhost *v, struct virtio *d, int rx, const struct vhost_bells *bells,
                 int tap)
{
    if (!open_vhost(v, d->memory.ram) || !set_features(v, d) || !set_queue(v, d, rx, 0, bells) ||
        !set_queue(v, d, rx, 1, bells))
        return false;
    v->runs = set_backend(v, 0, tap) && set_backend(v, 1, tap);
    if (!v->runs) {
        set_backend(v, 0, -1);
        return false;
    }
    /* The driver may have kicked before. */
    for (int n = 0; n < 2; n++) {
        uint64_t one = 1;

        (void)!write(bells->kick[n], &one, sizeof(one));
    }
    return true;
}

void vhost_stop(struct vhost *v, struct virtio *d, int rx)
{
    v->runs = false;
    for (int n = 0; n < 2; n++) {
        struct vhost_vring_state base = {.index = n};

        set_backend(v, n, -1);
        ioctl(v->fd, VHOST_GET_VRING_BASE, &base);
        virtq_go_on(d, rx + n, base.num);
    }
}

void vhost_close(struct vhost *v)
{
    if (v->fd > 0)
        close(v->fd);
    *v = (struct vhost){0};
}

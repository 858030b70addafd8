/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices: what they have in common, and the split ring by which a driver gives them
 * buffers. How the driver reaches the device's registers is the transport's business
 * (hw/virtio-pci).
 *
 * A device is a struct X with a struct virtio in it, and is served by a worker (hw/worker.h).
 * Everything here is called with the worker's lock held; where the worker is in line, that is the
 * machine's. What a device serves without the lock, as it may have to wait for the host, it counts
 * by virtio_begin() and virtio_end(): a reset is finished when nothing of it is left.
 *
 * Everything that the guest wrote is hostile. It is read once, checked, and what was checked is
 * used. Where a driver breaks the rules of the ring, the device stops, says so in its status
 * (NEEDS_RESET), and nothing else happens: from then on virtq_pop() finds nothing and nothing is
 * published, until the driver resets it.
 */
#ifndef HW_VIRTIO_H
#define HW_VIRTIO_H

#include "hw/device.h"
#include "hw/ram.h"

#include <sys/uio.h>

struct worker;

/* Feature bits that are no single device's. */
enum {
    VIRTIO_F_ANY_LAYOUT = 27, /* for legacy drivers: buffers may be cut as they like */
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_IN_ORDER = 35,
};
#define VIRTIO_BIT(n) (UINT64_C(1) << (n))

/* What every device offers. */
#define VIRTIO_FEATURES                                                                            \
    (VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) |                         \
     VIRTIO_BIT(VIRTIO_F_VERSION_1))

enum { /* device status */
    VIRTIO_ACKNOWLEDGE = 0x01,
    VIRTIO_DRIVER = 0x02,
    VIRTIO_DRIVER_OK = 0x04,
    VIRTIO_FEATURES_OK = 0x08,
    VIRTIO_NEEDS_RESET = 0x40,
    VIRTIO_FAILED = 0x80,
};

enum {
    VIRTIO_QUEUES = 32,    /* of one device, at most */
    VIRTQ_SIZE = 256,      /* of a queue, at most, and what it is unless the driver wants less */
    VIRTQ_SEGMENTS = 256,  /* of a chain of buffers, at most: drivers do not exceed the queue */
    VIRTIO_CONFIG_IRQ = -1 /* in place of a queue: the configuration or NEEDS_RESET changed */
};

struct virtio;

struct virtio_kind {
    const char *name; /* "virtio-blk" */
    uint16_t id;      /* of the device, in the specification's list */

    /* There may be new buffers in queue q. In the worker's thread. */
    void (*kicked)(struct virtio *d, int q);

    /* The driver is ready: features are agreed on. kicked() follows for each queue that is enabled.
     * May be NULL. */
    void (*started)(struct virtio *d);

    /* The driver resets the device, or the machine is reset. Of what virtio_begin() counted, forget
     * what has not really begun; the rest ends by itself, and nothing of it is published. May be
     * NULL. */
    void (*cancel)(struct virtio *d);

    /* Nothing is under way any more: be as after power-on. What takes long may be begun here as
     * something that is under way, after whose end this is called again. May be NULL. */
    void (*reset)(struct virtio *d);

    /* The driver writes size bytes (1, 2 or 4) at off of the configuration, within config_len. NULL
     * where nothing can be written. */
    void (*config_write)(struct virtio *d, uint32_t off, int size, uint32_t val);

    /* There may be new buffers in queue q: do in the kicking CPU's thread what can be done at once,
     * without waiting for the host. False: something is left for kicked(). NULL: all is. */
    bool (*quick)(struct virtio *d, int q);
};

/* A queue. */
PLAIN_BEGIN
struct virtq_state {
    uint64_t desc, avail, used; /* guest-physical: where its three parts are */
    uint16_t size;              /* entries, a power of two */
    uint16_t next;              /* the index in the available ring that is looked at next */
    uint16_t published;         /* what the device last wrote to the used ring's index, */
    uint16_t told;              /* and what it was when it last thought about an interrupt */
    bool enabled;
    bool unwanted; /* no kicks, please */
    uint8_t spare[6];
};

struct virtio_state {
    uint64_t features; /* that the driver took */
    struct virtq_state q[VIRTIO_QUEUES];
    uint8_t status;
    uint8_t generation; /* of the configuration */
    bool legacy;        /* the driver speaks the legacy interface */
    bool begun;         /* it may use the queues */
    uint8_t spare[4];
};
PLAIN_END

/* The guest's memory, and who wants to know what a device writes to it. */
struct virtio_memory {
    const struct ram *ram;
    void (*wrote)(void *to, uint64_t gpa, uint64_t len); /* may be NULL */
    void *to;
};

struct virtio {
    struct device dev; /* on no bus: it has the state, and restored() */
    const struct virtio_kind *kind;
    struct virtio_memory memory;
    struct worker *worker; /* who serves it; NULL in tests */
    uint64_t offered;      /* features */
    int queues;
    uint16_t size[VIRTIO_QUEUES]; /* of each, at most */
    const void *config;           /* what the driver reads as the device's configuration, */
    uint32_t config_len;          /* and its length in bytes */
    int under_way;                /* between virtio_begin() and virtio_end() */
    bool resetting;               /* atomic: the driver's reset is not finished */

    /* The transport: interrupt the driver for a queue, or VIRTIO_CONFIG_IRQ. */
    void (*interrupt)(void *to, int q);
    void *interrupt_to;

    /* The transport can leave queues to somebody else, such as the host's kernel. */
    struct virtio_lender {
        /* From now on kicks of queue q come at the eventfd *kick, which only the other one reads,
         * and who writes to *call interrupts the driver for it. False where that cannot be. Worker
         * locked. */
        bool (*lend)(void *to, int q, int *kick, int *call);
        void (*take_back)(void *to, int q);
        void *to;
    } lender; /* NULL where it never can */

    /* What follows from the state. */
    struct virtq {
        const uint64_t *desc; /* on the host; NULL while it is not enabled */
        const uint16_t *avail;
        uint32_t *used;
        uint16_t filled; /* entries of the used ring that are not published yet */
    } q[VIRTIO_QUEUES];

    struct virtio_state s;
};

/* A chain of buffers: a request. v[0] to v[outs-1] are the driver's data, of out_len bytes in all,
 * the following ins ones are for the device to fill, in_len bytes. */
struct virtq_chain {
    uint16_t head;
    int outs, ins;
    size_t out_len, in_len; /* below 4 GiB together */
    struct iovec v[VIRTQ_SEGMENTS];
};

/* ---- for devices ---- */

/* Make one with so many queues, of VIRTQ_SIZE each; offered is taken beside VIRTIO_FEATURES. The
 * config and other sizes are set after it. */
void virtio_init(struct virtio *d, const struct virtio_kind *kind, uint64_t offered, int queues,
                 const struct virtio_memory *memory, struct worker *worker);

/* Did the driver take the feature of that number? */
static inline bool virtio_has(const struct virtio *d, int feature)
{
    return d->s.features >> feature & 1;
}

/* Take the next request of the queue. False when there is none, and the driver will kick when there
 * is (unless kicks are unwanted), or when it broke the rules. No more of them are ever under way
 * than the queue has entries. */
bool virtq_pop(struct virtio *d, int q, struct virtq_chain *c);

/*
 * Give a request back, of which the device wrote the first `written` bytes of the part to be filled
 * (if it left out some on the way, all of the part), and interrupt the driver if it wants that.
 * Requests may come back in any order, unless IN_ORDER was agreed on.
 *
 * virtq_put() alone leaves it to virtq_publish() to show all of them to the driver at once, before
 * the lock is left.
 */
void virtq_push(struct virtio *d, int q, const struct virtq_chain *c, uint32_t written);
void virtq_put(struct virtio *d, int q, const struct virtq_chain *c, uint32_t written);
void virtq_publish(struct virtio *d, int q);

/* Take back what was put and is not published, as if it had not been popped. For queues of which
 * nothing else is under way. */
void virtq_unput(struct virtio *d, int q);

/* Somebody else has served the queue, took requests up to this index of the available ring, and
 * gave all of them back. */
void virtq_go_on(struct virtio *d, int q, uint16_t next);

/* Undo the last virtq_pop(), whose request was not put back. */
void virtq_unpop(struct virtio *d, int q);

/* The device does not want to be kicked for this queue, or it does again: then look whether
 * something came meanwhile. At first it does. */
void virtq_want(struct virtio *d, int q, bool want);

/* Copy n bytes at an offset of what the driver gave, or to what is to be filled. Tell how many
 * there were: fewer than n where the request ends before. */
size_t chain_read(const struct virtq_chain *c, size_t off, void *buf, size_t n);
size_t chain_write(const struct virtq_chain *c, size_t off, const void *buf, size_t n);

/* Something is under way, and has ended, that uses the guest's memory, or the device, while the
 * lock is not held. The worker does not stand still between the two. */
void virtio_begin(struct virtio *d);
void virtio_end(struct virtio *d);

/* What d->config shows has changed: tell the driver. */
void virtio_config_changed(struct virtio *d);

/* The driver broke the rules, or the device cannot go on: NEEDS_RESET. */
void virtio_broken(struct virtio *d);

static inline bool virtio_is_broken(const struct virtio *d)
{
    return d->s.status & VIRTIO_NEEDS_RESET;
}

/* Is a reset not finished? Any lock. */
static inline bool virtio_is_resetting(const struct virtio *d)
{
    return __atomic_load_n(&d->resetting, __ATOMIC_ACQUIRE);
}

/* May it take requests? */
static inline bool virtio_is_live(const struct virtio *d)
{
    return d->s.begun && !virtio_is_broken(d);
}

/* ---- for transports ---- */

/* Make it as after power-on: at once, or when what is under way has ended. Until then nothing that
 * the driver does has any effect. */
void virtio_reset(struct virtio *d);

/* The driver writes the device status; by the legacy interface, which knows no FEATURES_OK. 0
 * resets it: the status reads 0 when that is finished. */
void virtio_set_status(struct virtio *d, uint8_t status, bool legacy);

/* The driver takes features: those that were not offered are ignored by the legacy interface, and
 * refused at FEATURES_OK otherwise. */
void virtio_set_features(struct virtio *d, uint64_t features, bool legacy);

/* The driver enables a queue that d->s.q[q] describes. */
void virtq_enable(struct virtio *d, int q);

/* The driver kicks queue q, which need not exist. Where the worker has a thread, the transport lets
 * it serve the queue, then and also when the driver has begun. */
void virtio_kick(struct virtio *d, int q);

/* Serve a queue, in the worker's thread. */
void virtio_serve(struct virtio *d, int q);

/* The same in a CPU's, where the device is quick; false: virtio_serve() is to follow. */
bool virtio_try_serve(struct virtio *d, int q);

/* The device's configuration; size is 1, 2, 4 or 8. Beyond its end it is 0. */
uint64_t virtio_config_read(const struct virtio *d, uint64_t off, int size);
void virtio_config_write(struct virtio *d, uint64_t off, int size, uint64_t val);

#endif

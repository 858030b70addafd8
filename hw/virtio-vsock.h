/* SPDX-License-Identifier: MIT */
/*
 * virtio-vsock: stream sockets between the guest, which has a number (CID), and the host, which is
 * number 2; at the host's end they are Unix sockets.
 *
 * Its worker's lock is held around everything here.
 */
#ifndef HW_VIRTIO_VSOCK_H
#define HW_VIRTIO_VSOCK_H

#include "hw/virtio.h"
#include "hw/vsock-unix.h"
#include "hw/worker.h"

enum { /* queues */
    VIRTIO_VSOCK_RX = 0,
    VIRTIO_VSOCK_TX = 1,
    VIRTIO_VSOCK_EVENT = 2,
    VIRTIO_VSOCK_QUEUES
};

enum {
    VIRTIO_VSOCK_CID_HOST = 2,
    VIRTIO_VSOCK_CHAINS = 16, /* that are filled by what is received at once */
    VIRTIO_VSOCK_RESETS = 64  /* that wait for a place in RX, of packets for no connection */
};
#define VIRTIO_VSOCK_CID_MIN UINT32_C(3)
#define VIRTIO_VSOCK_CID_MAX UINT32_C(0xfffffffe)

/* As the driver reads it. */
struct virtio_vsock_config {
    uint64_t guest_cid;
};

/* Connections are no state that could be put back: who is at their other ends is not the machine's.
 * A driver whose device was restored is told that they are gone. */
PLAIN_BEGIN
struct virtio_vsock_state {
    bool interrupted; /* the driver is to be told so */
    uint8_t spare[7];
};
PLAIN_END

/* A connection has the number of its stream. */
struct virtio_vsock_connection {
    enum {
        VIRTIO_VSOCK_FREE,
        VIRTIO_VSOCK_ASKED,   /* a program asked the guest */
        VIRTIO_VSOCK_DIALING, /* the guest asked a program, which has no time yet */
        VIRTIO_VSOCK_OPEN,
        VIRTIO_VSOCK_CLOSING, /* the program is gone, and the guest is to agree */
        VIRTIO_VSOCK_GONE     /* as soon as the guest has been told */
    } state;
    uint32_t guest_port, host_port;
    uint8_t pending;               /* what the driver is to be told, a bit for each operation */
    uint8_t guest_shut, host_shut; /* what each side does not do any more */
    bool starved;                  /* the driver has no buffer for what there is to receive, */
    bool dry;                      /* or its program no place */
    int ticks;                     /* until this has taken too long */
    uint32_t sent, peer_alloc, peer_fwd; /* bytes to the guest; what it said last */
    uint32_t received, fwd, told;        /* bytes from it; gone to the program; as it was told */
};

struct virtio_vsock {
    struct virtio virtio;
    struct device dev; /* on no bus: it has the state */
    struct virtio_vsock_config config;
    struct vsock_unix *host;
    int top; /* no connection has this number, or a higher one */
    struct virtio_vsock_connection c[VSOCK_STREAMS];
    struct virtio_vsock_lost {
        uint64_t cid; /* which the guest meant */
        uint32_t guest_port, host_port;
        uint16_t type;
    } lost[VIRTIO_VSOCK_RESETS];
    int losts;
    bool more;          /* there may be packets in TX yet */
    bool held;          /* packets in TX wait until there is place for an answer */
    uint32_t next_port; /* the host's, of the next program that asks */
    struct virtq_chain chain[VIRTIO_VSOCK_CHAINS];
    struct virtio_vsock_state s;
};

/* Make one for a guest with that CID. The host's side is given to the worker. */
void virtio_vsock_init(struct virtio_vsock *v, struct vsock_unix *host, uint32_t cid,
                       const struct virtio_memory *memory, struct worker *worker);

/* End the host's side. The worker has ended. */
void virtio_vsock_free(struct virtio_vsock *v);

#endif

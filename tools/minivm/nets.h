/* SPDX-License-Identifier: MIT */
/*
 * The network cards of `minivm run`, and what their cables lead to.
 */
#ifndef TOOLS_MINIVM_NETS_H
#define TOOLS_MINIVM_NETS_H

#include "hw/passt.h"
#include "hw/pc.h"
#include "hw/tap.h"
#include "hw/virtio-net.h"

#include <stdio.h>

/* One --net. */
struct net_option {
    const char *tap; /* the device; NULL: passt */
    int queues;      /* of it; 0 when the user did not say */
    bool has_mac;    /* the user said passt.mac; */
    bool has_mtu;    /* passt.mtu */
    struct passt_options passt;
};

struct nets {
    const struct net_option *option;
    int n;
    struct virtio_net_options card[PC_MAX_NETS];
    struct tap tap[PC_MAX_NETS];
    struct passt passt[PC_MAX_NETS];
};

/* Open the links of n cards, for a guest with so many CPUs; nets_wait() sees whether all came up,
 * before a guest runs. Both die in words that begin with --net. */
void nets_open(struct nets *s, const struct net_option *option, int n, int cpus);
void nets_wait(struct nets *s);

/* End passt, which gives the host's ports back. The machine is about to end. */
void nets_part(struct nets *s);

/* Tell what taps there are, a line each. */
void nets_say(const struct nets *s, FILE *f);

#endif

// SPDX-License-Identifier: MIT
/*
 * The network cards of `minivm run`.
 */
#include "tools/minivm/nets.h"

#include <string.h>

static void open_tap(struct nets *s, int i, int cpus)
{
    const struct net_option *o = &s->option[i];
    struct virtio_net_options *card = &s->card[i];
    struct tap *t = &s->tap[i];

    tap_open(t, o->tap, o->queues, cpus);
    if (!t->is_up)
        fprintf(stderr, "minivm: --net tap=%s: the device is down: ip link set %s up\n", o->tap,
                o->tap);
    card->pairs = t->queues;
    card->vhost = true;
    for (int q = 0; q < t->queues; q++)
        card->link[q] = &t->queue[q]->link;
    if (!o->has_mac)
        memcpy(card->mac, t->mac, sizeof(card->mac));
    if (!o->has_mtu)
        card->mtu = t->mtu;
}

void nets_open(struct nets *s, const struct net_option *option, int n, int cpus)
{
    s->option = option;
    s->n = n;
    for (int i = 0; i < n; i++) {
        struct virtio_net_options *card = &s->card[i];

        *card = (struct virtio_net_options){.pairs = 1, .mtu = option[i].passt.mtu};
        memcpy(card->mac, option[i].passt.mac, sizeof(card->mac));
        if (option[i].tap) {
            open_tap(s, i, cpus);
            continue;
        }
        passt_open(&s->passt[i], &option[i].passt);
        card->link[0] = &s->passt[i].link;
    }
}

void nets_wait(struct nets *s)
{
    for (int i = 0; i < s->n; i++)
        if (!s->option[i].tap)
            passt_wait(&s->passt[i], &s->option[i].passt);
}

void nets_part(struct nets *s)
{
    for (int i = 0; i < s->n; i++)
        if (!s->option[i].tap)
            passt_end(&s->passt[i]);
}

void nets_say(const struct nets *s, FILE *f)
{
    for (int i = 0; i < s->n; i++)
        if (s->option[i].tap)
            fprintf(f, "network: %s, %d queue%s\n", s->option[i].tap, s->card[i].pairs,
                    s->card[i].pairs == 1 ? "" : "s");
}

// SPDX-License-Identifier: MIT
/*
 * The devices that move data: a parts list, as the board's.
 */
#include "x86/devices.h"
#include "x86/machine.h"

#include <assert.h>
#include <stdlib.h>

/* As many of them as config says. */
static void *make(int n, size_t size)
{
    void *array = calloc(n, size);

    assert(array || !n);
    return array;
}

void devices_init(struct devices *d, struct machine *m, struct pci *pci)
{
    const struct config *c = &m->config;
    struct virtio_memory memory = virtio_slot_memory(m);
    int queues = c->cpus < VIRTIO_BLK_QUEUES ? c->cpus : VIRTIO_BLK_QUEUES;

    d->machine = m;
    if (c->apic) {
        worker_init_in_line(&d->in_line, &m->loop);
        virtio_rng_init(&d->rng, &memory, &d->in_line, &m->clock, c->instruction_clock);
        virtio_slot_init(&d->rng_slot, m, pci, &d->rng.virtio);

        machine_add_worker(m, &d->balloon_worker);
        virtio_balloon_init(&d->balloon, &memory, &d->balloon_worker);
        virtio_slot_init(&d->balloon_slot, m, pci, &d->balloon.virtio);
    }

    d->share = make(c->shares, sizeof(*d->share));
    for (int i = 0; i < c->shares; i++) {
        struct share_device *s = &d->share[i];

        machine_add_worker(m, &s->worker);
        helpers_init(&s->helpers);
        fuse_init(&s->fuse, &c->share[i]);
        virtio_fs_init(&s->fs, c->share_tag[i], &s->fuse, &memory, &s->worker,
                       s->worker.in_line ? NULL : &s->helpers);
        virtio_slot_init(&s->slot, m, pci, &s->fs.virtio);
    }

    d->disk = make(c->disks, sizeof(*d->disk));
    for (int i = 0; i < c->disks; i++) {
        struct disk_device *k = &d->disk[i];

        machine_add_worker(m, &k->worker);
        virtio_blk_init(&k->blk, &c->disk[i], queues, &memory, &k->worker);
        virtio_slot_init(&k->slot, m, pci, &k->blk.virtio);
    }

    d->net = make(c->nets, sizeof(*d->net));
    for (int i = 0; i < c->nets; i++) {
        struct net_device *n = &d->net[i];

        machine_add_worker(m, &n->worker);
        virtio_net_init(&n->net, &c->net[i], &memory, &n->worker);
        virtio_slot_init(&n->slot, m, pci, &n->net.virtio);
    }

    if (c->vsock) {
        struct vsock_device *v = d->vsock = make(1, sizeof(*v));

        machine_add_worker(m, &v->worker);
        virtio_vsock_init(&v->vsock, c->vsock, c->vsock_cid, &memory, &v->worker);
        virtio_slot_init(&v->slot, m, pci, &v->vsock.virtio);
    }

    if (c->ports) {
        machine_add_worker(m, &d->console_worker);
        virtio_console_init(&d->console, c->port, c->ports, &memory, &d->console_worker);
        virtio_slot_init(&d->console_slot, m, pci, &d->console.virtio);
    }
}

void devices_reset(struct devices *d)
{
    if (d->machine->config.apic)
        d->rng.dev.reset(&d->rng.dev);
}

void devices_show(struct devices *d, struct parts *p)
{
    const struct config *c = &d->machine->config;

    if (c->apic) {
        virtio_slot_show(&d->rng_slot, "rng", -1, &d->rng.dev, p);
        virtio_slot_show(&d->balloon_slot, "balloon", -1, &d->balloon.dev, p);
    }
    for (int i = 0; i < c->shares; i++)
        virtio_slot_show(&d->share[i].slot, "share", i, NULL, p);
    for (int i = 0; i < c->disks; i++)
        virtio_slot_show(&d->disk[i].slot, "disk", i, NULL, p);
    for (int i = 0; i < c->nets; i++)
        virtio_slot_show(&d->net[i].slot, "net", i, &d->net[i].net.dev, p);
    if (c->vsock)
        virtio_slot_show(&d->vsock->slot, "vsock", -1, &d->vsock->vsock.dev, p);
    if (c->ports)
        virtio_slot_show(&d->console_slot, "console", -1, &d->console.dev, p);
}

void devices_part(struct devices *d, bool stuck, uint64_t deadline)
{
    const struct config *c = &d->machine->config;

    for (int i = 0; i < c->disks && !stuck; i++)
        disk_hang_up(&c->disk[i]);
    for (int i = 0; i < c->disks && !stuck; i++)
        d->disk[i].kept = !disk_wait(&c->disk[i], deadline);
    if (!d->vsock || stuck)
        return;
    worker_free(&d->vsock->worker);
    virtio_vsock_free(&d->vsock->vsock);
}

void devices_report(struct devices *d, FILE *f)
{
    const struct config *c = &d->machine->config;
    char words[CHILD_SAID];

    for (int i = 0; i < c->shares; i++)
        if (!worker_is_still(&d->share[i].worker))
            fprintf(f, "minivm: --share %s: the host's storage does not answer\n", c->share_tag[i]);
    for (int i = 0; i < c->disks; i++) {
        const struct disk *k = &c->disk[i];

        if (!worker_is_still(&d->disk[i].worker) || d->disk[i].kept)
            fprintf(f,
                    "minivm: %s: the host's storage does not answer: what the guest wrote last "
                    "may be lost\n",
                    k->name);
        else if (disk_left(k, words))
            fprintf(f, "minivm: %s: qemu-nbd had ended: %s\n", k->name, words);
    }
}

void devices_free(struct devices *d)
{
    const struct config *c = &d->machine->config;

    virtio_slot_free(&d->rng_slot);
    if (c->apic)
        virtio_balloon_free(&d->balloon);
    virtio_slot_free(&d->balloon_slot);
    for (int i = 0; i < c->shares; i++) {
        helpers_free(&d->share[i].helpers);
        virtio_fs_free(&d->share[i].fs);
        virtio_slot_free(&d->share[i].slot);
    }
    free(d->share);
    for (int i = 0; i < c->disks; i++) {
        virtio_blk_free(&d->disk[i].blk);
        virtio_slot_free(&d->disk[i].slot);
    }
    free(d->disk);
    for (int i = 0; i < c->nets; i++) {
        virtio_net_free(&d->net[i].net);
        virtio_slot_free(&d->net[i].slot);
    }
    free(d->net);
    if (d->vsock) {
        virtio_vsock_free(&d->vsock->vsock);
        virtio_slot_free(&d->vsock->slot);
    }
    free(d->vsock);
    if (c->ports)
        virtio_console_free(&d->console);
    virtio_slot_free(&d->console_slot);
}

/* SPDX-License-Identifier: MIT */
/*
 * The devices that move data: what config asks for, each in a slot of the PCI bus, with its worker.
 */
#ifndef X86_DEVICES_H
#define X86_DEVICES_H

#include "hw/virtio-balloon.h"
#include "hw/virtio-blk.h"
#include "hw/virtio-console.h"
#include "hw/virtio-fs.h"
#include "hw/virtio-net.h"
#include "hw/virtio-rng.h"
#include "hw/virtio-vsock.h"
#include "x86/virtio-slot.h"

#include <stdio.h>

struct devices {
    struct machine *machine;

    /* For guests with local APICs. */
    struct worker in_line;
    struct virtio_rng rng;
    struct virtio_slot rng_slot;
    struct worker balloon_worker;
    struct virtio_balloon balloon;
    struct virtio_slot balloon_slot;

    /* One for each of config.share. */
    struct share_device {
        struct worker worker;
        struct helpers helpers;
        struct fuse fuse;
        struct virtio_fs fs;
        struct virtio_slot slot;
    } * share;
    /* One for each of config.disk. */
    struct disk_device {
        struct worker worker;
        struct virtio_blk blk;
        struct virtio_slot slot;
        bool kept; /* devices_part() could not wait for the image */
    } * disk;
    /* One for each of config.net. */
    struct net_device {
        struct worker worker;
        struct virtio_net net;
        struct virtio_slot slot;
    } * net;
    /* For config.vsock, else NULL. */
    struct vsock_device {
        struct worker worker;
        struct virtio_vsock vsock;
        struct virtio_slot slot;
    } * vsock;

    /* Where there are any of config.port. */
    struct worker console_worker;
    struct virtio_console console;
    struct virtio_slot console_slot;
};

/* Make them, and put them on a board's PCI bus. The struct must stay where it is. */
void devices_init(struct devices *d, struct machine *m, struct pci *pci);

/* Reset what pci does not. Machine locked, or nothing runs. */
void devices_reset(struct devices *d);

/* Show every part that has a state. Workers stand still. */
void devices_show(struct devices *d, struct parts *p);

/* Let go of what is outside, as the machine is about to end: images are written out, until then on
 * CLOCK_MONOTONIC in ns, and what the guest sent is yet read by programs. stuck: the workers may
 * still be at something, so nothing is asked of them. Only devices_report() may follow. */
void devices_part(struct devices *d, bool stuck, uint64_t deadline);

/* Say which of them the host has failed, a line each. After devices_part(). */
void devices_report(struct devices *d, FILE *f);

/* Give everything back to the host. Their workers have ended. */
void devices_free(struct devices *d);

#endif

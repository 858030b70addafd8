// SPDX-License-Identifier: MIT
/*
 * CRT controller.
 *
 * After: IBM Personal System/2 Hardware Interface Technical Reference, "Video Subsystem", "CRT
 * Controller Registers", which read back as they are written, unlike those of the MC6845 before.
 *
 * There is no screen. But some kernels print to one without asking, and keep the cursor's place
 * here as an index: xv6 panics if it reads as all-ones.
 *
 * Left out: the picture and its timing; the bit that protects registers 0 to 7.
 */
#include "hw/crtc.h"

#define INDEX_MASK 0x1f

static uint64_t crtc_read(struct device *d, uint64_t off, int size)
{
    struct crtc *c = container_of(d, struct crtc, dev);

    (void)size;
    if (off == 0)
        return c->s.index;
    return c->s.index < CRTC_REGISTERS ? c->s.reg[c->s.index] : 0;
}

static void crtc_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct crtc *c = container_of(d, struct crtc, dev);

    (void)size;
    if (off == 0)
        c->s.index = val & INDEX_MASK;
    else if (c->s.index < CRTC_REGISTERS)
        c->s.reg[c->s.index] = val;
}

static void crtc_reset(struct device *d)
{
    struct crtc *c = container_of(d, struct crtc, dev);

    c->s = (struct crtc_state){0};
}

void crtc_init(struct crtc *c)
{
    *c = (struct crtc){.dev = {.name = "crtc",
                               .read = crtc_read,
                               .write = crtc_write,
                               .reset = crtc_reset,
                               .state = &c->s,
                               .state_size = sizeof(c->s)}};
}

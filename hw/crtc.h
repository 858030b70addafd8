/* SPDX-License-Identifier: MIT */
/*
 * The CRT controller of a VGA in colour text mode, without the rest of it: registers that hold what
 * was written, among them where the cursor is.
 */
#ifndef HW_CRTC_H
#define HW_CRTC_H

#include "hw/device.h"

#define CRTC_REGISTERS 0x19

PLAIN_BEGIN
struct crtc_state {
    uint8_t index;
    uint8_t reg[CRTC_REGISTERS];
};
PLAIN_END

struct crtc {
    struct device dev; /* offsets 0 and 1: index and data */
    struct crtc_state s;
};

void crtc_init(struct crtc *c);

#endif

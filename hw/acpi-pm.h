/* SPDX-License-Identifier: MIT */
/*
 * ACPI fixed hardware: the PM1 registers (power button, soft off) and the power management timer.
 */
#ifndef HW_ACPI_PM_H
#define HW_ACPI_PM_H

#include "hw/clock.h"
#include "hw/device.h"

/* The register blocks, as offsets from wherever the board put the chip. */
enum {
    ACPI_PM_EVT = 0, /* 4 bytes: PM1a status, PM1a enable */
    ACPI_PM_CNT = 4, /* 2 bytes: PM1a control */
    ACPI_PM_TMR = 8, /* 4 bytes: PM timer */
    ACPI_PM_LEN = 12,
};

/* SLP_TYP of soft off. 0, as on the PCs that QEMU models: guests that know those only write 0x2000
 * to the control register at port 0x604. */
#define ACPI_PM_S5 0

/* The PM timer's rate, a third of the PIT's crystal. */
#define ACPI_PM_HZ 3579545

PLAIN_BEGIN
struct acpi_pm_state {
    uint64_t deadline;
    uint64_t half;   /* half turn of the PM timer in which TMR_STS was last clear */
    uint16_t status; /* without TMR_STS */
    uint16_t enable;
    uint16_t control;
    uint16_t unused;
};
PLAIN_END

struct acpi_pm {
    struct device dev;
    struct clock *clock;
    struct timer timer;
    struct irq sci, off;
    struct acpi_pm_state s;
};

/*
 * sci is the level of the system control interrupt. off is set, never cleared, when the guest
 * turns the machine off.
 */
void acpi_pm_init(struct acpi_pm *p, struct clock *c, struct irq sci, struct irq off);

/* Press the power button: a guest that listens shuts down in an orderly way. */
void acpi_pm_power_button(struct acpi_pm *p);

#endif

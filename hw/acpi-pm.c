// SPDX-License-Identifier: MIT
/*
 * ACPI fixed hardware: PM1a event and control blocks, and the PM timer of 32 bits.
 *
 * After: Advanced Configuration and Power Interface Specification 5.0, "ACPI Hardware
 * Specification": "PM1 Event Grouping", "PM1 Control Grouping", "Power Management Timer".
 * Left out: SMI_CMD and the legacy mode (SCI_EN is always set, which the FADT says by an SMI_CMD of
 * 0), GBL_RLS (there is no firmware to signal), sleep states but S5 (the DSDT has no other), bus
 * master status and wake status (nothing sleeps).
 */
#include "hw/acpi-pm.h"

#include <string.h>

/* PM1 status and, the same bits, PM1 enable. */
enum {
    TMR = 1 << 0,
    GBL = 1 << 5,
    PWRBTN = 1 << 8,
    SLPBTN = 1 << 9,
    RTC = 1 << 10,

    EVENTS = TMR | GBL | PWRBTN | SLPBTN | RTC,
};

/* PM1 control. */
enum {
    SCI_EN = 1 << 0,
    BM_RLD = 1 << 1,
    SLP_TYP = 7 << 10,
    SLP_TYP_SHIFT = 10,
    SLP_EN = 1 << 13,
};

static uint64_t ticks(struct acpi_pm *p)
{
    return clock_cycles(clock_now(p->clock), ACPI_PM_HZ);
}

/* TMR_STS is set whenever the timer's most significant bit changes. */
static uint64_t half_turn(struct acpi_pm *p)
{
    return ticks(p) >> 31;
}

/* When half turn n begins. */
static uint64_t half_turn_start(uint64_t n)
{
    return clock_at_cycle(n << 31, ACPI_PM_HZ);
}

static uint16_t status(struct acpi_pm *p)
{
    return p->s.status | (half_turn(p) != p->s.half ? TMR : 0);
}

static void update(struct acpi_pm *p)
{
    uint16_t s = status(p);

    /* Only an interrupt needs to be on time; a guest that polls finds TMR_STS by reading. */
    clock_arm(p->clock, &p->timer,
              (p->s.enable & TMR) && !(s & TMR) ? half_turn_start(p->s.half + 1) : CLOCK_NEVER);
    irq_set(&p->sci, s & p->s.enable);
}

static void fire(struct timer *t)
{
    update(container_of(t, struct acpi_pm, timer));
}

static uint64_t acpi_pm_read(struct device *d, uint64_t off, int size)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);
    uint16_t s = status(p);
    uint32_t t = (uint32_t)ticks(p);
    uint16_t reg[ACPI_PM_LEN / 2] = {s, p->s.enable, p->s.control, 0, t, t >> 16};
    uint64_t val = 0;

    memcpy(&val, (uint8_t *)reg + off, size);
    return val;
}

static void write_byte(struct acpi_pm *p, uint64_t off, uint8_t val)
{
    uint16_t bits = (uint16_t)(val << 8 * (off & 1));
    uint16_t mask = (uint16_t)(0xff << 8 * (off & 1));

    switch (off & ~UINT64_C(1)) {
    case ACPI_PM_EVT: /* writing 1 clears */
        p->s.status &= ~bits;
        if (bits & TMR)
            p->s.half = half_turn(p);
        break;
    case ACPI_PM_EVT + 2:
        p->s.enable = (p->s.enable & ~mask) | (bits & EVENTS);
        break;
    case ACPI_PM_CNT:
        p->s.control = SCI_EN | (p->s.control & ~mask) | (bits & (BM_RLD | SLP_TYP));
        if ((bits & SLP_EN) && (bits & SLP_TYP) == ACPI_PM_S5 << SLP_TYP_SHIFT)
            irq_set(&p->off, true);
        break;
    }
}

static void acpi_pm_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);

    for (int i = 0; i < size; i++)
        write_byte(p, off + i, (uint8_t)(val >> 8 * i));
    update(p);
}

static void acpi_pm_reset(struct device *d)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);

    p->s.status = 0;
    p->s.enable = 0;
    p->s.control = SCI_EN;
    p->s.half = half_turn(p);
    update(p);
}

/* What has come due since the state was saved is left to the timer. */
static void acpi_pm_restored(struct device *d)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);

    irq_set(&p->sci, status(p) & p->s.enable);
    clock_changed(p->clock);
}

void acpi_pm_init(struct acpi_pm *p, struct clock *c, struct irq sci, struct irq off)
{
    *p = (struct acpi_pm){
        .dev = {.name = "acpi-pm",
                .max_size = 4,
                .read = acpi_pm_read,
                .write = acpi_pm_write,
                .reset = acpi_pm_reset,
                .state = &p->s,
                .state_size = sizeof(p->s),
                .restored = acpi_pm_restored},
        .clock = c,
        .sci = sci,
        .off = off,
    };
    clock_add_state(c, &p->timer, &p->s.deadline, fire);
    acpi_pm_reset(&p->dev);
}

void acpi_pm_power_button(struct acpi_pm *p)
{
    p->s.status |= PWRBTN;
    update(p);
}

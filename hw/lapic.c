// SPDX-License-Identifier: MIT
/*
 * Local APIC, as a Pentium 4 or later has it, with x2APIC mode and the TSC-deadline timer.
 *
 * After: Intel SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)": "Local APIC"
 * (the register map), "Local APIC State", "Handling Local Interrupts", "Issuing Interprocessor
 * Interrupts", "Handling Interrupts", "Spurious Interrupt", "Message Signalled Interrupts" and
 * "Extended XAPIC (x2APIC)".
 * Left out: another address than 0xfee00000, which is #GP, as no guest of ours moves the page; an
 * id that software can write; SMI, as there is no system management mode; ExtINT as a message, and
 * interrupts by the pins: LINT0 is the PIC's, which has a wire to the CPU that lapic_extint()
 * opens, and nothing on the board is wired to LINT1; the sources of thermal and performance
 * interrupts; CMCI, directed EOI, focus processors, bus arbitration, remote read; a delivery status
 * other than idle, since messages arrive at once.
 *
 * Where the SDM leaves it open, or hardware differs from it:
 * - A change between one-shot and periodic lets the count go on; the mode at zero decides. "A write
 *   to the
 *   LVT Timer Register that changes the timer mode disarms the timer", but processors do that to
 *   and from TSC-deadline mode only; there are guests that write the mode after the count.
 * - Interrupts that wait while software has the APIC disabled are held until it is enabled.
 * - By shorthand, INIT and start-up messages do not reach their sender; other modes do.
 * - A write of other than 32 bits, or beside a register's first byte, does nothing.
 */
#include "hw/lapic.h"

#include <assert.h>
#include <string.h>

enum { /* registers: an offset into the page / 16, an MSR - 0x800 */
    ID = 0x02,
    VERSION = 0x03,
    TPR = 0x08,
    APR = 0x09,
    PPR = 0x0a,
    EOI = 0x0b,
    RRD = 0x0c,
    LDR = 0x0d,
    DFR = 0x0e,
    SVR = 0x0f,
    ISR = 0x10,
    TMR = 0x18,
    IRR = 0x20,
    ESR = 0x28,
    ICR = 0x30,
    ICR_HIGH = 0x31,
    LVT_TIMER = 0x32,
    LVT_THERMAL = 0x33,
    LVT_PERFORMANCE = 0x34,
    LVT_LINT0 = 0x35,
    LVT_LINT1 = 0x36,
    LVT_ERROR = 0x37,
    INITIAL_COUNT = 0x38,
    CURRENT_COUNT = 0x39,
    DIVIDE = 0x3e,
    SELF_IPI = 0x3f,
    REGISTERS = 0x40,
};

enum { /* IA32_APIC_BASE, below the address */
    BASE_BSP = 1 << 8,
    BASE_EXTD = 1 << 10,
    BASE_EN = 1 << 11,
};
#define BASE_ADDRESS UINT64_C(0xfee00000)

enum {
    XAPIC_ID_SHIFT = 24, /* also of a logical destination */
    LAST_LVT = LVT_ERROR - LVT_TIMER,
    VERSION_VALUE = 0x14 | LAST_LVT << 16,
    VECTOR = 0xff,
    FIRST_VECTOR = 16,
    SVR_ENABLE = 1 << 8,
    SVR_RESET = 0xff,
    DFR_FLAT = 0xf,
    DFR_CLUSTER = 0x0,
    DFR_SHIFT = 28,
    XAPIC_BROADCAST = 0xff,
};

enum { /* an entry of the local vector table, and below EDGE_OR_LEVEL the ICR */
    MODE_SHIFT = 8,
    MODE = 7 << MODE_SHIFT,
    STATUS = 1 << 12,
    POLARITY = 1 << 13,
    REMOTE_IRR = 1 << 14,
    LEVEL = 1 << 15,
    MASK = 1 << 16,
    TIMER_MODE_SHIFT = 17,
    TIMER_MODE = 3 << TIMER_MODE_SHIFT,
};

enum timer_mode {
    ONE_SHOT,
    PERIODIC,
    DEADLINE,
    RESERVED,
};

enum { /* ESR */
    SEND_ILLEGAL_VECTOR = 1 << 5,
    RECEIVED_ILLEGAL_VECTOR = 1 << 6,
    ILLEGAL_REGISTER = 1 << 7,
};

enum { /* ICR */
    ICR_LOGICAL = 1 << 11,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    SHORTHAND = 3 << 18,
    SHORTHAND_NONE = 0 << 18,
    SHORTHAND_SELF = 1 << 18,
    SHORTHAND_OTHERS = 3 << 18,
    ICR_LOW = SHORTHAND | ICR_LEVEL | ICR_ASSERT | STATUS | ICR_LOGICAL | MODE | VECTOR,
};

/*
 * How a register can be accessed. X: it exists in xAPIC mode, where writing a read-only register,
 * or reading a write-only one, does nothing. R, W: it can be read, written in x2APIC mode, where
 * any other access is #GP, and so is a 1 written to a bit that the register does not have.
 */
enum {
    X = 1,
    R = 2,
    W = 4
};

static const struct {
    uint8_t access;
    uint64_t bits; /* that may be written, whether they do something or not */
} registers[REGISTERS] = {
    [ID] = {X | R, 0},
    [VERSION] = {X | R, 0},
    [TPR] = {X | R | W, 0xff},
    [APR] = {X, 0},
    [PPR] = {X | R, 0},
    [EOI] = {X | W, 0},
    [RRD] = {X, 0},
    [LDR] = {X | R, 0xff000000},
    [DFR] = {X, 0xf0000000},
    [SVR] = {X | R | W, 0x3ff},
    [ISR... ISR + 7] = {X | R, 0},
    [TMR... TMR + 7] = {X | R, 0},
    [IRR... IRR + 7] = {X | R, 0},
    [ESR] = {X | R | W, 0},
    [ICR] = {X | R | W, UINT64_C(0xffffffff00000000) | ICR_LOW},
    [ICR_HIGH] = {X, 0xff000000},
    [LVT_TIMER] = {X | R | W, TIMER_MODE | MASK | STATUS | VECTOR},
    [LVT_THERMAL] = {X | R | W, MASK | STATUS | MODE | VECTOR},
    [LVT_PERFORMANCE] = {X | R | W, MASK | STATUS | MODE | VECTOR},
    [LVT_LINT0] = {X | R | W, MASK | LEVEL | REMOTE_IRR | POLARITY | STATUS | MODE | VECTOR},
    [LVT_LINT1] = {X | R | W, MASK | LEVEL | REMOTE_IRR | POLARITY | STATUS | MODE | VECTOR},
    [LVT_ERROR] = {X | R | W, MASK | STATUS | VECTOR},
    [INITIAL_COUNT] = {X | R | W, 0xffffffff},
    [CURRENT_COUNT] = {X | R, 0},
    [DIVIDE] = {X | R | W, 0xb},
    [SELF_IPI] = {W, 0xff},
};

static bool enabled(const struct lapic *l)
{
    return l->s.base & BASE_EN;
}

static bool x2apic(const struct lapic *l)
{
    return l->s.base & BASE_EXTD;
}

static bool software_enabled(const struct lapic *l)
{
    return enabled(l) && l->s.svr & SVR_ENABLE;
}

static uint32_t *lvt(struct lapic *l, int reg)
{
    return &l->s.lvt[reg - LVT_TIMER];
}

static enum lapic_mode mode(uint32_t entry)
{
    return (entry & MODE) >> MODE_SHIFT;
}

/* Priorities. Vectors are bits of arrays of 32-bit words; the higher 4 bits are a priority. */

static void set_bit(uint32_t *bits, int n, bool val)
{
    uint32_t bit = UINT32_C(1) << n % 32;

    bits[n / 32] = val ? bits[n / 32] | bit : bits[n / 32] & ~bit;
}

static bool get_bit(const uint32_t *bits, int n)
{
    return bits[n / 32] >> n % 32 & 1;
}

/* The highest bit, or -1. */
static int highest(const uint32_t *bits)
{
    for (int i = 7; i >= 0; i--)
        if (bits[i])
            return 32 * i + 31 - __builtin_clz(bits[i]);
    return -1;
}

static int ppr(const struct lapic *l)
{
    int served = highest(l->s.isr), tpr = l->s.tpr;

    return tpr >> 4 >= served >> 4 ? tpr : served & 0xf0;
}

static int apr(const struct lapic *l)
{
    int served = highest(l->s.isr) >> 4, asks = highest(l->s.irr) >> 4, tpr = l->s.tpr >> 4;

    served = served < 0 ? 0 : served;
    asks = asks < 0 ? 0 : asks;
    if (tpr >= asks && tpr > served)
        return l->s.tpr;
    return ((tpr & served) > asks ? tpr & served : asks) << 4;
}

/* The vector that the CPU would be given, or -1. */
static int candidate(const struct lapic *l)
{
    int vector = highest(l->s.irr);

    return software_enabled(l) && vector >> 4 > ppr(l) >> 4 ? vector : -1;
}

/* Call this after every change that candidate() depends on. */
static void update(struct lapic *l)
{
    bool level = candidate(l) >= 0;

    if (level != l->intr) {
        __atomic_store_n(&l->intr, level, __ATOMIC_RELEASE); /* the CPU reads it at any time */
        l->out.intr(l->out.to, level);
    }
}

/* Interrupts that come in. */

static void local(struct lapic *l, int reg);

/* The first error since ESR was written raises an interrupt. */
static void error(struct lapic *l, uint32_t what)
{
    bool first = !l->s.errors;

    l->s.errors |= what;
    if (first)
        local(l, LVT_ERROR);
}

static void accept(struct lapic *l, int vector, bool level)
{
    if (vector < FIRST_VECTOR) {
        error(l, RECEIVED_ILLEGAL_VECTOR);
        return;
    }
    set_bit(l->s.irr, vector, true);
    set_bit(l->s.tmr, vector, level);
    update(l);
}

/* An interrupt of the local vector table: the timer's or an error's, neither of which has a mode.
 */
static void local(struct lapic *l, int reg)
{
    uint32_t entry = *lvt(l, reg);

    if (!(entry & MASK))
        accept(l, entry & VECTOR, false);
}

bool lapic_extint(const struct lapic *l)
{
    uint32_t entry = l->s.lvt[LVT_LINT0 - LVT_TIMER];

    return !enabled(l) || (!(entry & MASK) && mode(entry) == LAPIC_EXTINT);
}

void lapic_receive(struct lapic *l, const struct lapic_message *m)
{
    if (!enabled(l))
        return;
    switch (m->mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        if (software_enabled(l))
            accept(l, m->vector, m->level);
        break;
    case LAPIC_NMI:
        l->out.nmi(l->out.to);
        break;
    case LAPIC_INIT:
        l->out.init(l->out.to);
        break;
    case LAPIC_STARTUP:
        l->out.startup(l->out.to, m->vector);
        break;
    case LAPIC_SMI:
    case LAPIC_EXTINT:
        break;
    }
}

/* Interrupts that go to the CPU. */

int lapic_ack(struct lapic *l)
{
    int vector = candidate(l);

    if (vector < 0)
        return software_enabled(l) && highest(l->s.irr) >= 0 ? (int)(l->s.svr & VECTOR) : -1;
    set_bit(l->s.irr, vector, false);
    set_bit(l->s.isr, vector, true);
    update(l);
    return vector;
}

static void end_interrupt(struct lapic *l)
{
    int vector = highest(l->s.isr);

    if (vector < 0)
        return;
    set_bit(l->s.isr, vector, false);
    update(l);
    if (get_bit(l->s.tmr, vector))
        l->out.eoi(l->out.to, vector);
}

static void set_tpr(struct lapic *l, uint32_t val)
{
    l->s.tpr = val;
    update(l);
}

uint64_t lapic_cr8(const struct lapic *l)
{
    return l->s.tpr >> 4;
}

void lapic_set_cr8(struct lapic *l, uint64_t val)
{
    set_tpr(l, (val & 0xf) << 4);
}

/* Messages. */

static uint32_t x2apic_ldr(const struct lapic *l)
{
    return l->id >> 4 << 16 | UINT32_C(1) << l->id % 16;
}

static bool logically(const struct lapic *l, uint32_t dest)
{
    uint32_t xapic = l->s.ldr >> XAPIC_ID_SHIFT, x2 = x2apic_ldr(l);

    if (x2apic(l))
        return x2 >> 16 == dest >> 16 && x2 & dest & 0xffff;
    if (dest > XAPIC_BROADCAST)
        return false;
    switch (l->s.dfr >> DFR_SHIFT) {
    case DFR_FLAT:
        return xapic & dest;
    case DFR_CLUSTER:
        return xapic >> 4 == dest >> 4 && xapic & dest & 0xf;
    }
    return false;
}

static bool addressed(const struct lapic *l, const struct lapic_message *m)
{
    if (!enabled(l) || l == m->except)
        return false;
    if (m->dest == LAPIC_BROADCAST)
        return true;
    return m->logical ? logically(l, m->dest) : l->id == m->dest;
}

void lapic_bus_send(struct lapic *const *all, int n, const struct lapic_message *m)
{
    struct lapic *lowest = NULL;

    for (int i = 0; i < n; i++) {
        if (!addressed(all[i], m))
            continue;
        if (m->mode != LAPIC_LOWEST)
            lapic_receive(all[i], m);
        else if (software_enabled(all[i]) && (!lowest || ppr(all[i]) < ppr(lowest)))
            lowest = all[i];
    }
    if (lowest)
        lapic_receive(lowest, m);
}

bool lapic_message_from_msi(uint64_t addr, uint32_t data, struct lapic_message *m)
{
    bool logical = addr & 1 << 2, hint = addr & 1 << 3;
    bool assert_level = data & ICR_ASSERT, level = data & ICR_LEVEL;

    if (addr >> 20 != BASE_ADDRESS >> 20)
        return false;
    *m = (struct lapic_message){
        .dest = addr >> 12 & 0xff,
        .logical = logical,
        .mode = mode(data),
        .vector = data & VECTOR,
    };
    if (m->dest == XAPIC_BROADCAST)
        m->dest = LAPIC_BROADCAST;
    switch (m->mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        m->level = level;
        m->mode = hint ? LAPIC_LOWEST : m->mode;
        return assert_level || !level;
    case LAPIC_INIT:
        return assert_level || !level;
    case LAPIC_NMI:
        return true;
    default:
        return false;
    }
}

/* A message to oneself does not take the bus. */
static void send_self(struct lapic *l, const struct lapic_message *m)
{
    if (m->mode == LAPIC_FIXED || m->mode == LAPIC_LOWEST || m->mode == LAPIC_NMI)
        lapic_receive(l, m);
}

static void send(struct lapic *l, uint64_t icr)
{
    struct lapic_message m = {
        .dest = icr >> 32,
        .logical = icr & ICR_LOGICAL,
        .mode = mode(icr),
        .vector = icr & VECTOR,
    };
    bool vectored = m.mode == LAPIC_FIXED || m.mode == LAPIC_LOWEST;

    if (!x2apic(l))
        m.dest >>= XAPIC_ID_SHIFT;
    if ((icr & SHORTHAND) != SHORTHAND_NONE || (!x2apic(l) && m.dest == XAPIC_BROADCAST))
        m.dest = LAPIC_BROADCAST;
    if ((icr & SHORTHAND) == SHORTHAND_OTHERS)
        m.except = l;
    if (vectored && m.vector < FIRST_VECTOR)
        error(l, SEND_ILLEGAL_VECTOR);

    /* "INIT level de-assert" meant something to the arbitration of the APIC bus alone. */
    if (m.mode == LAPIC_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
        return;
    if ((icr & SHORTHAND) == SHORTHAND_SELF) {
        send_self(l, &m);
        return;
    }
    if ((icr & SHORTHAND) != SHORTHAND_NONE && !vectored && m.mode != LAPIC_NMI)
        m.except = l;
    l->out.ipi(l->out.to, &m);
}

/* The timer. */

static enum timer_mode timer_mode(const struct lapic *l)
{
    return (l->s.lvt[0] & TIMER_MODE) >> TIMER_MODE_SHIFT;
}

/* Nanoseconds of one count. */
static uint64_t tick(const struct lapic *l)
{
    int code = (l->s.divide & 3) | (l->s.divide & 8) >> 1;

    return UINT64_C(1) << ((code + 1) & 7);
}

static uint64_t period(const struct lapic *l)
{
    return l->s.initial * tick(l);
}

/* Nanoseconds until the count is zero; a periodic one begins again at that very moment. */
static uint64_t remaining(const struct lapic *l, uint64_t now)
{
    if (!l->s.counting)
        return 0;
    if (now < l->s.zero)
        return l->s.zero - now;
    return timer_mode(l) == PERIODIC ? period(l) - (now - l->s.zero) % period(l) : 0;
}

static uint32_t current_count(const struct lapic *l)
{
    return (remaining(l, clock_now(l->clock)) + tick(l) - 1) / tick(l);
}

/* When the timer should next fire. */
static uint64_t expiry(const struct lapic *l, uint64_t now)
{
    uint64_t tsc = clock_cycles(now, l->tsc_hz) + l->s.tsc_offset, at = l->s.zero;

    if (l->s.tsc_deadline)
        return l->s.tsc_deadline <= tsc
                   ? now
                   : clock_after(now, clock_at_cycle(l->s.tsc_deadline - tsc, l->tsc_hz));
    /* Nobody sees a periodic timer that is masked, and its count follows from where it began. */
    if (!l->s.counting || (timer_mode(l) == PERIODIC && l->s.lvt[0] & MASK))
        return CLOCK_NEVER;
    if (timer_mode(l) == PERIODIC && period(l) < LAPIC_MIN_PERIOD_NS &&
        at < clock_after(now, LAPIC_MIN_PERIOD_NS))
        at = clock_after(at,
                         (now - at + LAPIC_MIN_PERIOD_NS + period(l) - 1) / period(l) * period(l));
    return at;
}

static void arm(struct lapic *l)
{
    clock_arm(l->clock, &l->timer, expiry(l, clock_now(l->clock)));
}

/* Periods that were missed are lost, but a periodic timer keeps its phase. */
static void expire(struct lapic *l)
{
    uint64_t now = clock_now(l->clock);

    l->s.tsc_deadline = 0;
    if (timer_mode(l) == PERIODIC)
        l->s.zero = clock_after(now, remaining(l, now));
    else
        l->s.counting = false;
    arm(l);
    local(l, LVT_TIMER);
}

static void timer_fire(struct timer *t)
{
    expire(container_of(t, struct lapic, timer));
}

/* Call this before and after the guest programs the timer: what is due by then belongs to the old
 * programming. */
static void settle(struct lapic *l)
{
    if (*l->timer.deadline <= clock_now(l->clock))
        expire(l);
}

static void rearm(struct lapic *l)
{
    arm(l);
    settle(l);
}

static void set_initial_count(struct lapic *l, uint32_t val)
{
    if (timer_mode(l) == DEADLINE)
        return;
    settle(l);
    l->s.initial = val;
    l->s.counting = val && timer_mode(l) != RESERVED;
    l->s.zero = clock_after(clock_now(l->clock), period(l));
    rearm(l);
}

static void set_divide(struct lapic *l, uint32_t val)
{
    uint32_t count;

    settle(l);
    count = current_count(l);
    l->s.divide = val;
    l->s.zero = clock_after(clock_now(l->clock), count * tick(l));
    rearm(l);
}

static void set_tsc_deadline(struct lapic *l, uint64_t tsc)
{
    if (timer_mode(l) != DEADLINE)
        return;
    settle(l);
    l->s.tsc_deadline = tsc;
    rearm(l);
}

void lapic_set_tsc_offset(struct lapic *l, uint64_t offset)
{
    settle(l);
    l->s.tsc_offset = offset;
    rearm(l);
}

static void set_lvt_timer(struct lapic *l, uint32_t val)
{
    uint64_t now = clock_now(l->clock);
    enum timer_mode was = timer_mode(l);

    settle(l);
    l->s.zero = clock_after(now, remaining(l, now));
    *lvt(l, LVT_TIMER) = val;
    if (timer_mode(l) != was && (timer_mode(l) >= DEADLINE || was >= DEADLINE)) {
        l->s.counting = false;
        l->s.initial = 0;
        l->s.tsc_deadline = 0;
    }
    rearm(l);
}

/* Registers. */

static void set_lvt(struct lapic *l, int reg, uint32_t val)
{
    val &= ~(uint32_t)(STATUS | REMOTE_IRR);
    if (!(l->s.svr & SVR_ENABLE))
        val |= MASK;
    if (reg == LVT_TIMER)
        set_lvt_timer(l, val);
    else
        *lvt(l, reg) = val;
}

static void set_svr(struct lapic *l, uint32_t val)
{
    l->s.svr = val;
    if (!(val & SVR_ENABLE))
        for (int i = 0; i <= LAST_LVT; i++)
            l->s.lvt[i] |= MASK;
    update(l);
}

static uint64_t read_register(const struct lapic *l, unsigned reg)
{
    switch (reg) {
    case ID:
        return x2apic(l) ? l->id : l->id << XAPIC_ID_SHIFT;
    case VERSION:
        return VERSION_VALUE;
    case TPR:
        return l->s.tpr;
    case APR:
        return apr(l);
    case PPR:
        return ppr(l);
    case LDR:
        return x2apic(l) ? x2apic_ldr(l) : l->s.ldr;
    case DFR:
        return l->s.dfr;
    case SVR:
        return l->s.svr;
    case ISR ... ISR + 7:
        return l->s.isr[reg - ISR];
    case TMR ... TMR + 7:
        return l->s.tmr[reg - TMR];
    case IRR ... IRR + 7:
        return l->s.irr[reg - IRR];
    case ESR:
        return l->s.esr;
    case ICR:
        return l->s.icr;
    case ICR_HIGH:
        return l->s.icr >> 32;
    case LVT_TIMER ... LVT_ERROR:
        return l->s.lvt[reg - LVT_TIMER];
    case INITIAL_COUNT:
        return l->s.initial;
    case CURRENT_COUNT:
        return current_count(l);
    case DIVIDE:
        return l->s.divide;
    }
    return 0;
}

/* val has no bits but those of the register. */
static void write_register(struct lapic *l, unsigned reg, uint64_t val)
{
    switch (reg) {
    case TPR:
        set_tpr(l, val);
        break;
    case EOI:
        end_interrupt(l);
        break;
    case LDR:
        l->s.ldr = val;
        break;
    case DFR:
        l->s.dfr = val | UINT32_MAX >> (32 - DFR_SHIFT);
        break;
    case SVR:
        set_svr(l, val);
        break;
    case ESR:
        l->s.esr = l->s.errors;
        l->s.errors = 0;
        break;
    case ICR:
        l->s.icr = val & ~(uint64_t)STATUS;
        send(l, l->s.icr);
        break;
    case ICR_HIGH:
        l->s.icr = val << 32 | (uint32_t)l->s.icr;
        break;
    case LVT_TIMER ... LVT_ERROR:
        set_lvt(l, reg, val);
        break;
    case INITIAL_COUNT:
        set_initial_count(l, val);
        break;
    case DIVIDE:
        set_divide(l, val);
        break;
    case SELF_IPI:
        send(l, SHORTHAND_SELF | val);
        break;
    }
}

/* Is there such a register in the page? If not, the error is noted. */
static bool in_page(struct lapic *l, uint64_t off)
{
    if (off / 16 < REGISTERS && registers[off / 16].access & X)
        return true;
    error(l, ILLEGAL_REGISTER);
    return false;
}

/* A register is the first 4 of 16 bytes; the others read as zero. */
static uint64_t lapic_read(struct device *d, uint64_t off, int size)
{
    struct lapic *l = container_of(d, struct lapic, dev);

    (void)size;
    if (!lapic_mmio(l))
        return UINT64_MAX;
    if (!in_page(l, off) || off % 16 >= 4)
        return 0;
    return (uint32_t)read_register(l, off / 16) >> off % 16 * 8;
}

static void lapic_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct lapic *l = container_of(d, struct lapic, dev);
    unsigned reg = off / 16;

    if (!lapic_mmio(l) || !in_page(l, off) || off % 16 != 0 || size != 4)
        return;
    val = (uint32_t)val & registers[reg].bits;
    if (reg == ICR)
        val |= l->s.icr & UINT64_C(0xffffffff00000000);
    write_register(l, reg, val);
}

bool lapic_mmio(const struct lapic *l)
{
    return enabled(l) && !x2apic(l);
}

static void reset_registers(struct lapic *l)
{
    l->s.tpr = l->s.ldr = l->s.esr = l->s.errors = 0;
    l->s.dfr = UINT32_MAX;
    l->s.svr = SVR_RESET;
    l->s.icr = 0;
    for (int i = 0; i < 8; i++)
        l->s.irr[i] = l->s.isr[i] = l->s.tmr[i] = 0;
    for (int i = 0; i <= LAST_LVT; i++)
        l->s.lvt[i] = MASK;
    l->s.initial = l->s.divide = 0;
    l->s.counting = false;
    l->s.zero = l->s.tsc_deadline = 0;
    arm(l);
    update(l);
}

/* Not allowed: from disabled to x2APIC mode, from x2APIC to xAPIC mode, and EXTD without EN. */
static bool set_base(struct lapic *l, uint64_t val)
{
    uint64_t now = val & (BASE_EN | BASE_EXTD), was = l->s.base & (BASE_EN | BASE_EXTD);

    if ((val & ~(uint64_t)(BASE_BSP | BASE_EN | BASE_EXTD)) != BASE_ADDRESS)
        return false;
    if (now == BASE_EXTD || (now == (BASE_EN | BASE_EXTD) && was == 0) ||
        (now == BASE_EN && was == (BASE_EN | BASE_EXTD)))
        return false;
    l->s.base = BASE_ADDRESS | (l->s.base & BASE_BSP) | now;
    if (!enabled(l))
        reset_registers(l);
    return true;
}

bool lapic_rdmsr(struct lapic *l, uint32_t msr, uint64_t *val)
{
    uint32_t reg = msr - LAPIC_MSR_X2APIC;

    if (msr == LAPIC_MSR_BASE) {
        *val = l->s.base;
        return true;
    }
    if (msr == LAPIC_MSR_TSC_DEADLINE) {
        *val = l->s.tsc_deadline;
        return true;
    }
    if (!x2apic(l) || reg >= REGISTERS || !(registers[reg].access & R))
        return false;
    *val = read_register(l, reg);
    return true;
}

bool lapic_wrmsr(struct lapic *l, uint32_t msr, uint64_t val)
{
    uint32_t reg = msr - LAPIC_MSR_X2APIC;

    if (msr == LAPIC_MSR_BASE)
        return set_base(l, val);
    if (msr == LAPIC_MSR_TSC_DEADLINE) {
        set_tsc_deadline(l, val);
        return true;
    }
    if (!x2apic(l) || reg >= REGISTERS || !(registers[reg].access & W) ||
        val & ~registers[reg].bits)
        return false;
    write_register(l, reg, val);
    return true;
}

void lapic_reset(struct lapic *l)
{
    l->s.base = BASE_ADDRESS | (l->s.base & BASE_BSP) | BASE_EN;
    reset_registers(l);
}

void lapic_init_reset(struct lapic *l)
{
    reset_registers(l);
}

static void restored(struct device *d)
{
    struct lapic *l = container_of(d, struct lapic, dev);
    bool level = candidate(l) >= 0;

    __atomic_store_n(&l->intr, level, __ATOMIC_RELEASE);
    l->out.intr(l->out.to, level);
    clock_changed(l->clock);
}

static void reset_pin(struct device *d)
{
    lapic_reset(container_of(d, struct lapic, dev));
}

void lapic_init(struct lapic *l, uint32_t id, struct clock *c, bool bsp, struct lapic_out out)
{
    assert(id < XAPIC_BROADCAST);
    assert(out.intr && out.nmi && out.init && out.startup && out.eoi && out.ipi);
    *l = (struct lapic){
        .dev = {.name = "lapic",
                .max_size = 4,
                .read = lapic_read,
                .write = lapic_write,
                .reset = reset_pin,
                .state = &l->s,
                .state_size = sizeof(l->s),
                .restored = restored},
        .out = out,
        .clock = c,
        .id = id,
        .tsc_hz = NS_PER_SECOND,
        .s.base = bsp ? BASE_BSP : 0,
    };
    clock_add_state(c, &l->timer, &l->s.deadline, timer_fire);
    lapic_reset(l);
}

void lapic_save(struct lapic *l, struct lapic_page *p)
{
    settle(l);
    *p = (struct lapic_page){.base = l->s.base, .tsc_deadline = l->s.tsc_deadline};
    for (int reg = 0; reg < 64; reg++)
        p->reg[reg] = read_register(l, reg);
    p->reg[ID] = l->id << XAPIC_ID_SHIFT;
}

void lapic_load(struct lapic *l, const struct lapic_page *p)
{
    uint32_t count = p->reg[CURRENT_COUNT];

    l->s.base = p->base;
    l->s.tpr = p->reg[TPR];
    l->s.ldr = p->reg[LDR];
    l->s.dfr = p->reg[DFR];
    l->s.svr = p->reg[SVR];
    memcpy(l->s.isr, &p->reg[ISR], sizeof(l->s.isr));
    memcpy(l->s.tmr, &p->reg[TMR], sizeof(l->s.tmr));
    memcpy(l->s.irr, &p->reg[IRR], sizeof(l->s.irr));
    l->s.esr = p->reg[ESR];
    l->s.errors = 0;
    l->s.icr = (uint64_t)p->reg[ICR_HIGH] << 32 | p->reg[ICR];
    memcpy(l->s.lvt, &p->reg[LVT_TIMER], sizeof(l->s.lvt));
    l->s.initial = p->reg[INITIAL_COUNT];
    l->s.divide = p->reg[DIVIDE];
    l->s.counting = l->s.initial && (count || timer_mode(l) == PERIODIC);
    l->s.zero = clock_after(clock_now(l->clock), count * tick(l));
    l->s.tsc_deadline = p->tsc_deadline;
    arm(l);
    update(l);
}

void lapic_page_reset(struct lapic_page *p, uint32_t id, bool boots)
{
    *p = (struct lapic_page){.base = BASE_ADDRESS | BASE_EN | (boots ? BASE_BSP : 0)};
    p->reg[ID] = id << XAPIC_ID_SHIFT;
    p->reg[VERSION] = VERSION_VALUE;
    p->reg[DFR] = UINT32_MAX;
    p->reg[SVR] = SVR_RESET | (boots ? SVR_ENABLE : 0);
    for (int reg = LVT_TIMER; reg <= LVT_ERROR; reg++)
        p->reg[reg] = MASK;
    if (boots) {
        p->reg[LVT_LINT0] = LAPIC_EXTINT << MODE_SHIFT;
        p->reg[LVT_LINT1] = LAPIC_NMI << MODE_SHIFT;
    }
}

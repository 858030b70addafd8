// SPDX-License-Identifier: MIT
/*
 * The 16550A UART, as PC COM1.
 *
 * After: National Semiconductor PC16550D data sheet (1995), "Registers" and "FIFO Interrupt Mode
 * Operation".
 *
 * Left out: baud rates - a byte leaves as it is written, input comes as fast as the guest takes it,
 * and the character timeout as soon as the FIFO is not empty; the frame - both ends always agree on
 * speed, word length and parity, even if the guest never sets them, and PE never happens; the break
 * that LCR sends, as nobody listens, except in loopback; the DMA pins, which no PC connects; the
 * PC's gate between the interrupt and OUT2: small kernels are often written on machine monitors
 * that lack it, and never open it.
 *
 * Input. The console is a sender with endless patience, and bytes stay on the line until the guest
 * is there to read them. A driver that opens a port resets the FIFO and reads RBR to be rid of old
 * bytes, but what the user typed before that is not old. Nothing is lost by these rules, each of
 * which a slow sender could have caused on real hardware:
 *  - With ERBFI on, the line delivers at once, but pauses now and then for as long as a
 *    character takes: without the FIFOs after each byte, else after a burst. Meanwhile the
 *    receiver runs empty and the interrupt falls. A driver that reads as long as there are bytes
 *    would find no end otherwise. One that gives up, as Linux does after 128 KiB, or that reads
 *    one byte for each interrupt would never see another edge.
 *  - With ERBFI off, it delivers to a guest that polls: when the guest reads LSR, but not the
 *    first time after a reset of the receiver or a change of IER or LCR. So Linux, which opens a
 *    port with "LSR, RBR" after changes of FCR and of IER, finds nothing there, and a polling
 *    loop finds its byte the second time round.
 *  - Unread bytes go back onto the line at those same changes, and when loopback cuts the line.
 *  - Once the guest has raised RTS, the line waits while RTS is down.
 *
 * The console is asked for no more than the receiver has room for, so that nothing overruns. It is
 * not asked at all for a guest that uses only the transmitter without LSR, or only probes for the
 * chip, so that another chip can have the console's input.
 *
 * Hang-up. DCD falls when the console's input has ended, as a modem's carrier does, but not before
 * the guest has read all that came before. DSR and CTS, the modem's own, stay. RI rings when the
 * size of the console's window has changed, which has no other way to a driver that sleeps.
 */
#include "hw/serial8250.h"

#include <assert.h>
#include <string.h>

enum {
    RBR = 0, /* read */
    THR = 0, /* write */
    DLL = 0, /* with DLAB */
    IER = 1,
    DLM = 1, /* with DLAB */
    IIR = 2, /* read */
    FCR = 2, /* write */
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,
};

enum {
    IER_ERBFI = 0x01,
    IER_ETBEI = 0x02,
    IER_ELSI = 0x04,
    IER_EDSSI = 0x08,
    IER_BITS = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM_STATUS = 0x00,
    IIR_THRE = 0x02,
    IIR_RECEIVED_DATA = 0x04,
    IIR_LINE_STATUS = 0x06,
    IIR_CHARACTER_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_FIFO_ENABLE = 0x01,
    FCR_RCVR_FIFO_RESET = 0x02,
    FCR_TRIGGER_SHIFT = 6,

    LCR_SET_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_BITS = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_FE = 0x08,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,

    MSR_TERI = 0x04,
    MSR_DDCD = 0x08,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

/* Marks in rx[] what came from the transmitter and not from the line. */
#define LOOPED 0x200

static bool fifos(const struct serial8250 *u)
{
    return u->s.fcr & FCR_FIFO_ENABLE;
}

static int room(const struct serial8250 *u)
{
    return fifos(u) ? SERIAL8250_FIFO : 1;
}

/* Take the oldest entry of a queue. */
static uint16_t shift(uint16_t *queue, uint8_t *n)
{
    uint16_t oldest = queue[0];

    (*n)--;
    memmove(queue, queue + 1, *n * sizeof(*queue));
    return oldest;
}

/* Is there a byte on the line? */
static bool incoming(struct serial8250 *u)
{
    int in = u->s.nline ? CONSOLE_EMPTY : console_get(u->console);

    if (in != CONSOLE_EMPTY)
        u->s.line[u->s.nline++] = in;
    return u->s.nline;
}

static int burst(const struct serial8250 *u)
{
    return fifos(u) ? SERIAL8250_BURST : 1;
}

/* Let the line fill the receiver. It pauses only where there is a byte to keep waiting, and not
 * before the receiver has run empty. */
static void deliver(struct serial8250 *u)
{
    bool paced = u->s.ier & IER_ERBFI;

    if (u->s.mcr & MCR_LOOP || (u->s.handshakes && !(u->s.mcr & MCR_RTS)) ||
        (u->held && !(u->s.mcr & MCR_OUT1)) || (paced && clock_armed(&u->pause)))
        return;
    while (u->s.nrx < room(u)) {
        bool spent = paced && u->s.burst >= burst(u);

        if (spent && u->s.nrx)
            return;
        if (!incoming(u)) {
            u->s.burst = 0;
            return;
        }
        if (spent) {
            clock_arm(u->clock, &u->pause, clock_after(clock_now(u->clock), SERIAL8250_PAUSE_NS));
            return;
        }
        u->s.rx[u->s.nrx++] = shift(u->s.line, &u->s.nline);
        u->s.burst += paced;
    }
}

/* Put what the guest has not read back onto the line, and wait for it to look again. There is room:
 * the console is asked only when line[] is empty, so both arrays never hold more than one FIFO. */
static void give_back(struct serial8250 *u)
{
    uint16_t back[SERIAL8250_FIFO];
    int n = 0, kept = 0;

    for (int i = 0; i < u->s.nrx; i++)
        if (u->s.rx[i] & LOOPED)
            u->s.rx[kept++] = u->s.rx[i];
        else
            back[n++] = u->s.rx[i];
    assert(n + u->s.nline <= SERIAL8250_FIFO);
    memmove(u->s.line + n, u->s.line, u->s.nline * sizeof(*u->s.line));
    memcpy(u->s.line, back, n * sizeof(*back));
    u->s.nline += n;
    u->s.nrx = kept;
    u->s.watched = false;
}

/* IER or LCR is being written. A guest that changes either, and wants no interrupt for input, does
 * not wait for input now. */
static void configured(struct serial8250 *u, bool changed, bool wants_input)
{
    if (changed && !wants_input)
        give_back(u);
}

static void reset_receiver(struct serial8250 *u)
{
    give_back(u);
    u->s.nrx = 0;
}

/* A byte or a break arrives by the loop. Nothing holds this sender back, so it may overrun: a full
 * FIFO keeps what it has, the single buffer is overwritten. */
static void loop_back(struct serial8250 *u, uint16_t in)
{
    if (u->s.nrx < room(u))
        u->s.rx[u->s.nrx++] = in | LOOPED;
    else
        u->s.overrun = true;
    if (!fifos(u))
        u->s.rx[0] = in | LOOPED;
}

static bool break_on_top(const struct serial8250 *u)
{
    return u->s.nrx && u->s.rx[0] & CONSOLE_BREAK;
}

/* The interrupt of the highest priority, as IIR spells it. */
static uint8_t pending(const struct serial8250 *u)
{
    static const uint8_t trigger[] = {1, 4, 8, 14};

    if (u->s.ier & IER_ELSI && (u->s.overrun || break_on_top(u)))
        return IIR_LINE_STATUS;
    if (u->s.ier & IER_ERBFI && u->s.nrx)
        return u->s.nrx < trigger[u->s.fcr >> FCR_TRIGGER_SHIFT] ? IIR_CHARACTER_TIMEOUT
                                                                 : IIR_RECEIVED_DATA;
    if (u->s.ier & IER_ETBEI && u->s.thre)
        return IIR_THRE;
    if (u->s.ier & IER_EDSSI && u->s.deltas)
        return IIR_MODEM_STATUS;
    return IIR_NONE;
}

/* Has the sender hung up, and has the guest read all that was sent? Once that is so it stays so,
 * whatever loops back into the receiver. */
static bool hung_up(const struct serial8250 *u)
{
    return console_ended(u->console) && (u->s.hung_up || (!u->s.nrx && !u->s.nline));
}

/* Look at the line's carrier. In loopback nobody sees it change. */
static void look(struct serial8250 *u)
{
    bool was = u->s.hung_up;

    u->s.hung_up = hung_up(u);
    if (u->s.hung_up != was && !(u->s.mcr & MCR_LOOP))
        u->s.deltas |= MSR_DDCD;
}

/* Every access that may change the interrupt ends here. In loopback too: the data sheet keeps the
 * interrupts "fully operational" there. */
static void update(struct serial8250 *u)
{
    if (u->s.ier & IER_ERBFI)
        deliver(u);
    look(u);
    irq_set(&u->irq, pending(u) != IIR_NONE);
}

static void arrived(void *to)
{
    update(to);
}

static void pause_over(struct timer *t)
{
    struct serial8250 *u = container_of(t, struct serial8250, pause);

    u->s.burst = 0;
    update(u);
}

/* The bell rings once: MSR tells only when a ring has ended. */
static void resized(void *to)
{
    struct serial8250 *u = to;

    if (!(u->s.mcr & MCR_LOOP))
        u->s.deltas |= MSR_TERI;
    update(u);
}

/* The modem inputs: a modem that is always there, or in loopback the modem outputs. */
static uint8_t modem(const struct serial8250 *u)
{
    if (!(u->s.mcr & MCR_LOOP))
        return (u->s.hung_up ? 0 : MSR_DCD) | MSR_DSR | MSR_CTS;
    return (u->s.mcr & MCR_RTS ? MSR_CTS : 0) | (u->s.mcr & MCR_DTR ? MSR_DSR : 0) |
           (u->s.mcr & MCR_OUT1 ? MSR_RI : 0) | (u->s.mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* Does the transmitter send a break to its own receiver? */
static bool looped_break(const struct serial8250 *u)
{
    return u->s.lcr & LCR_SET_BREAK && u->s.mcr & MCR_LOOP;
}

static void set_control(struct serial8250 *u, uint8_t lcr, uint8_t mcr)
{
    uint8_t was = modem(u);
    bool breaking = looped_break(u);

    u->s.lcr = lcr;
    u->s.mcr = mcr;

    uint8_t changed = was ^ modem(u);

    /* The delta of each input lies four bits below it, but that of RI is of its end only. */
    if (changed & ~was & MSR_RI)
        changed &= ~MSR_RI;
    u->s.deltas |= changed >> 4;

    if (mcr & MCR_LOOP)
        give_back(u);
    else if (mcr & MCR_RTS)
        u->s.handshakes = true;
    if (!breaking && looped_break(u))
        loop_back(u, CONSOLE_BREAK);
}

static void write_fcr(struct serial8250 *u, uint8_t val)
{
    bool toggled = (u->s.fcr ^ val) & FCR_FIFO_ENABLE;

    /* Without FIFO Enable the other bits are not programmed. */
    if (toggled || (val & FCR_FIFO_ENABLE && val & FCR_RCVR_FIFO_RESET))
        reset_receiver(u);
    u->s.fcr = val & FCR_FIFO_ENABLE ? val : 0;
}

static uint8_t read_iir(struct serial8250 *u)
{
    uint8_t id = pending(u);

    if (id == IIR_THRE)
        u->s.thre = false;
    return id | (fifos(u) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct serial8250 *u)
{
    uint8_t lsr = LSR_THRE | LSR_TEMT;

    if (u->s.watched || u->s.ier & IER_ERBFI)
        deliver(u);
    u->s.watched = true;

    if (u->s.nrx)
        lsr |= LSR_DR;
    if (u->s.overrun)
        lsr |= LSR_OE;
    /* A break lacks the stop bit that FE misses. */
    if (break_on_top(u))
        lsr |= LSR_BI | LSR_FE;
    for (int i = 0; i < u->s.nrx; i++)
        if (fifos(u) && u->s.rx[i] & CONSOLE_BREAK)
            lsr |= LSR_FIFO_ERROR;

    /* A break is told once; then only its zero byte is left. */
    u->s.rx[0] &= ~CONSOLE_BREAK;
    u->s.overrun = false;
    return lsr;
}

static uint8_t read_msr(struct serial8250 *u)
{
    look(u);

    uint8_t msr = modem(u) | u->s.deltas;

    u->s.deltas = 0;
    return msr;
}

static uint64_t serial8250_read(struct device *d, uint64_t off, int size)
{
    struct serial8250 *u = container_of(d, struct serial8250, dev);
    bool dlab = u->s.lcr & LCR_DLAB;
    uint8_t val = 0;

    (void)size;
    switch (off) {
    case RBR:
        if (dlab)
            return u->s.dll;
        if (u->s.nrx)
            val = shift(u->s.rx, &u->s.nrx);
        break;
    case IER:
        return dlab ? u->s.dlm : u->s.ier;
    case IIR:
        val = read_iir(u);
        break;
    case LCR:
        return u->s.lcr;
    case MCR:
        return u->s.mcr;
    case LSR:
        val = read_lsr(u);
        break;
    case MSR:
        val = read_msr(u);
        break;
    case SCR:
        return u->s.scr;
    }
    update(u);
    return val;
}

/* The machine's hottest path is its start: a byte of output. */
static void serial8250_write(struct device *d, uint64_t off, int size, uint64_t value)
{
    struct serial8250 *u = container_of(d, struct serial8250, dev);
    bool dlab = u->s.lcr & LCR_DLAB;
    uint8_t val = value;

    (void)size;
    switch (off) {
    case THR:
        if (dlab) {
            u->s.dll = val;
            return;
        }
        if (!(u->s.mcr & MCR_LOOP)) {
            console_put(u->console, &val, 1);
            if (u->s.thre)
                return;
        } else if (!looped_break(u)) {
            loop_back(u, val);
        }
        u->s.thre = true;
        break;
    case IER:
        if (dlab) {
            u->s.dlm = val;
            return;
        }
        /* Enabling it while THR is empty, as it always is, raises the interrupt anew. */
        if (val & ~u->s.ier & IER_ETBEI)
            u->s.thre = true;
        configured(u, (val & IER_BITS) != u->s.ier, val & IER_ERBFI);
        u->s.ier = val & IER_BITS;
        break;
    case FCR:
        write_fcr(u, val);
        break;
    case LCR:
        configured(u, val != u->s.lcr, u->s.ier & IER_ERBFI);
        set_control(u, val, u->s.mcr);
        break;
    case MCR:
        set_control(u, u->s.lcr, val & MCR_BITS);
        break;
    case SCR:
        u->s.scr = val;
        return;
    }
    update(u);
}

/* The data sheet's "Master Reset", which does not reach SCR and the divisor. */
static void serial8250_reset(struct device *d)
{
    struct serial8250 *u = container_of(d, struct serial8250, dev);

    reset_receiver(u);
    u->s.ier = u->s.fcr = u->s.lcr = u->s.mcr = u->s.deltas = 0;
    u->s.thre = u->s.overrun = u->s.handshakes = false;
    u->s.burst = 0;
    clock_arm(u->clock, &u->pause, CLOCK_NEVER);
    u->s.hung_up = hung_up(u);
    update(u);
}

static void serial8250_restored(struct device *d)
{
    struct serial8250 *u = container_of(d, struct serial8250, dev);

    irq_set(&u->irq, pending(u) != IIR_NONE);
    clock_changed(u->clock);
}

void serial8250_init(struct serial8250 *u, struct console *c, struct clock *clock, struct irq irq)
{
    *u = (struct serial8250){
        .dev = {.name = "serial8250",
                .read = serial8250_read,
                .write = serial8250_write,
                .reset = serial8250_reset,
                .state = &u->s,
                .state_size = sizeof(u->s),
                .restored = serial8250_restored},
        .console = c,
        .clock = clock,
        .irq = irq,
        .s.dll = 1, /* 115200 baud, as firmware leaves it: a guest may divide by what it reads */
    };
    clock_add_state(clock, &u->pause, &u->s.deadline, pause_over);
    u->s.hung_up = hung_up(u);
    c->arrived = arrived;
    c->resized = resized;
    c->to = u;
}

void serial8250_hold(struct serial8250 *u)
{
    u->held = true;
}

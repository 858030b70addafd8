// SPDX-License-Identifier: MIT
/*
 * The 16550A UART, as PC COM1.
 *
 * After: National Semiconductor PC16550D data sheet (1995), "Registers" and "FIFO Interrupt Mode
 * Operation".
 *
 * Left out: baud rates - a byte leaves as it is written, input comes as fast as the guest takes it,
 * and the character timeout as soon as the FIFO is not empty; the frame - both ends always agree
 * on speed, word length and parity, so that a guest that never sets them is understood and PE never
 * happens; the break that LCR sends, as nobody listens, except in loopback; the DMA pins, which no
 * PC connects; the PC's gate between the interrupt and OUT2: small kernels are often written on
 * machine monitors that lack it, and never open it.
 *
 * Input. The console is a sender with endless patience, and bytes stay on the line until the guest
 * is there to read them. A driver that opens a port resets the FIFO and reads RBR to be rid of old
 * bytes, but what the user typed before that is not old. Nothing is lost by these rules, each of
 * which a slow sender could have caused on real hardware:
 *  - With ERBFI on, the line delivers at once.
 *  - With ERBFI off, it delivers to a guest that polls: when it reads LSR, but not the first time
 *    after it has reset the receiver or changed IER or LCR. So Linux, which opens a port with "LSR,
 *    RBR" after changes of FCR and of IER, finds nothing there, and a polling loop finds its byte
 *    the second time round.
 *  - Unread bytes go back onto the line at those same changes, and when loopback cuts the line.
 *  - Once the guest has raised RTS, the line waits while RTS is down.
 *  - With ERBFI on, the line pauses now and then, for as long as a character takes: after each byte
 *    where there is room for one, else after a burst. The receiver runs empty then and the
 * interrupt falls, as it does on a line of finite speed. A driver that reads as long as there are
 * bytes would find no end otherwise, and one that gives up, as Linux does after some 100,000, or
 * reads one byte for each interrupt would never see another edge. The console is asked for no more
 * than the receiver has room for, so it causes no overrun; and not at all for a guest that uses
 * only the transmitter without LSR, or only probes for the chip, so that another chip may have the
 * console's input.
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

static bool fifos(const struct serial8250 *s)
{
    return s->fcr & FCR_FIFO_ENABLE;
}

static int room(const struct serial8250 *s)
{
    return fifos(s) ? SERIAL8250_FIFO : 1;
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
static bool incoming(struct serial8250 *s)
{
    int in = s->nline ? CONSOLE_EMPTY : console_get(s->console);

    if (in != CONSOLE_EMPTY)
        s->line[s->nline++] = in;
    return s->nline;
}

static int burst(const struct serial8250 *s)
{
    return fifos(s) ? SERIAL8250_BURST : 1;
}

/* Let the line fill the receiver. It pauses only where there is a byte to keep waiting, and not
 * before the receiver has run empty. */
static void deliver(struct serial8250 *s)
{
    bool paced = s->ier & IER_ERBFI;

    if (s->mcr & MCR_LOOP || (s->handshakes && !(s->mcr & MCR_RTS)) ||
        (s->held && !(s->mcr & MCR_OUT1)) || (paced && clock_armed(&s->pause)))
        return;
    while (s->nrx < room(s)) {
        bool spent = paced && s->burst >= burst(s);

        if (spent && s->nrx)
            return;
        if (!incoming(s)) {
            s->burst = 0;
            return;
        }
        if (spent) {
            clock_arm(s->clock, &s->pause, clock_after(clock_now(s->clock), SERIAL8250_PAUSE_NS));
            return;
        }
        s->rx[s->nrx++] = shift(s->line, &s->nline);
        s->burst += paced;
    }
}

/* Put what the guest has not read back onto the line, and wait for it to look again. There is room:
 * the console is asked only when line[] is empty, so both arrays never hold more than one FIFO. */
static void give_back(struct serial8250 *s)
{
    uint16_t back[SERIAL8250_FIFO];
    int n = 0, kept = 0;

    for (int i = 0; i < s->nrx; i++)
        if (s->rx[i] & LOOPED)
            s->rx[kept++] = s->rx[i];
        else
            back[n++] = s->rx[i];
    assert(n + s->nline <= SERIAL8250_FIFO);
    memmove(s->line + n, s->line, s->nline * sizeof(*s->line));
    memcpy(s->line, back, n * sizeof(*back));
    s->nline += n;
    s->nrx = kept;
    s->watched = false;
}

/* IER or LCR is being written: a guest that gives either a new value and wants no interrupt for
 * input is not, or no longer, waiting for any. */
static void configured(struct serial8250 *s, bool changed, bool wants_input)
{
    if (changed && !wants_input)
        give_back(s);
}

static void reset_receiver(struct serial8250 *s)
{
    give_back(s);
    s->nrx = 0;
}

/* A byte or a break arrives by the loop. Nothing holds this sender back, so it may overrun: a full
 * FIFO keeps what it has, the single buffer is overwritten. */
static void loop_back(struct serial8250 *s, uint16_t in)
{
    if (s->nrx < room(s))
        s->rx[s->nrx++] = in | LOOPED;
    else
        s->overrun = true;
    if (!fifos(s))
        s->rx[0] = in | LOOPED;
}

static bool break_on_top(const struct serial8250 *s)
{
    return s->nrx && s->rx[0] & CONSOLE_BREAK;
}

/* The interrupt of the highest priority, as IIR spells it. */
static uint8_t pending(const struct serial8250 *s)
{
    static const uint8_t trigger[] = {1, 4, 8, 14};

    if (s->ier & IER_ELSI && (s->overrun || break_on_top(s)))
        return IIR_LINE_STATUS;
    if (s->ier & IER_ERBFI && s->nrx)
        return s->nrx < trigger[s->fcr >> FCR_TRIGGER_SHIFT] ? IIR_CHARACTER_TIMEOUT
                                                             : IIR_RECEIVED_DATA;
    if (s->ier & IER_ETBEI && s->thre)
        return IIR_THRE;
    if (s->ier & IER_EDSSI && s->deltas)
        return IIR_MODEM_STATUS;
    return IIR_NONE;
}

/* Has the sender hung up, and had the guest read all that was sent? What loops back does not count
 * any more then. */
static bool hung_up(const struct serial8250 *s)
{
    return console_ended(s->console) && (s->hung_up || (!s->nrx && !s->nline));
}

/* Look at the line's carrier. In loopback nobody sees it change. */
static void look(struct serial8250 *s)
{
    bool was = s->hung_up;

    s->hung_up = hung_up(s);
    if (s->hung_up != was && !(s->mcr & MCR_LOOP))
        s->deltas |= MSR_DDCD;
}

/* Every access that may change the interrupt ends here. In loopback too: the data sheet keeps the
 * interrupts "fully operational" there. */
static void update(struct serial8250 *s)
{
    if (s->ier & IER_ERBFI)
        deliver(s);
    look(s);
    irq_set(&s->irq, pending(s) != IIR_NONE);
}

static void arrived(void *to)
{
    update(to);
}

static void pause_over(struct timer *t)
{
    struct serial8250 *s = container_of(t, struct serial8250, pause);

    s->burst = 0;
    update(s);
}

/* The bell rings, once: what MSR tells of the ring indicator is that it has ended. */
static void resized(void *to)
{
    struct serial8250 *s = to;

    if (!(s->mcr & MCR_LOOP))
        s->deltas |= MSR_TERI;
    update(s);
}

/* The modem inputs: a modem that is always there, or in loopback the modem outputs. */
static uint8_t modem(const struct serial8250 *s)
{
    if (!(s->mcr & MCR_LOOP))
        return (s->hung_up ? 0 : MSR_DCD) | MSR_DSR | MSR_CTS;
    return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
           (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* Does the transmitter send a break to its own receiver? */
static bool looped_break(const struct serial8250 *s)
{
    return s->lcr & LCR_SET_BREAK && s->mcr & MCR_LOOP;
}

static void set_control(struct serial8250 *s, uint8_t lcr, uint8_t mcr)
{
    uint8_t was = modem(s);
    bool breaking = looped_break(s);

    s->lcr = lcr;
    s->mcr = mcr;

    uint8_t changed = was ^ modem(s);

    /* The delta of each input lies four bits below it, but that of RI is of its end only. */
    if (changed & ~was & MSR_RI)
        changed &= ~MSR_RI;
    s->deltas |= changed >> 4;

    if (mcr & MCR_LOOP)
        give_back(s);
    else if (mcr & MCR_RTS)
        s->handshakes = true;
    if (!breaking && looped_break(s))
        loop_back(s, CONSOLE_BREAK);
}

static void write_fcr(struct serial8250 *s, uint8_t val)
{
    bool toggled = (s->fcr ^ val) & FCR_FIFO_ENABLE;

    /* Without FIFO Enable the other bits are not programmed. */
    if (toggled || (val & FCR_FIFO_ENABLE && val & FCR_RCVR_FIFO_RESET))
        reset_receiver(s);
    s->fcr = val & FCR_FIFO_ENABLE ? val : 0;
}

static uint8_t read_iir(struct serial8250 *s)
{
    uint8_t id = pending(s);

    if (id == IIR_THRE)
        s->thre = false;
    return id | (fifos(s) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct serial8250 *s)
{
    uint8_t lsr = LSR_THRE | LSR_TEMT;

    if (s->watched || s->ier & IER_ERBFI)
        deliver(s);
    s->watched = true;

    if (s->nrx)
        lsr |= LSR_DR;
    if (s->overrun)
        lsr |= LSR_OE;
    /* A break lacks the stop bit that FE misses. */
    if (break_on_top(s))
        lsr |= LSR_BI | LSR_FE;
    for (int i = 0; i < s->nrx; i++)
        if (fifos(s) && s->rx[i] & CONSOLE_BREAK)
            lsr |= LSR_FIFO_ERROR;

    /* Having been told once, what is left of a break is its zero byte. */
    s->rx[0] &= ~CONSOLE_BREAK;
    s->overrun = false;
    return lsr;
}

static uint8_t read_msr(struct serial8250 *s)
{
    look(s);

    uint8_t msr = modem(s) | s->deltas;

    s->deltas = 0;
    return msr;
}

static uint64_t serial8250_read(struct device *d, uint64_t off, int size)
{
    struct serial8250 *s = container_of(d, struct serial8250, dev);
    bool dlab = s->lcr & LCR_DLAB;
    uint8_t val = 0;

    (void)size;
    switch (off) {
    case RBR:
        if (dlab)
            return s->dll;
        if (s->nrx)
            val = shift(s->rx, &s->nrx);
        break;
    case IER:
        return dlab ? s->dlm : s->ier;
    case IIR:
        val = read_iir(s);
        break;
    case LCR:
        return s->lcr;
    case MCR:
        return s->mcr;
    case LSR:
        val = read_lsr(s);
        break;
    case MSR:
        val = read_msr(s);
        break;
    case SCR:
        return s->scr;
    }
    update(s);
    return val;
}

/* The machine's hottest path is its start: a byte of output. */
static void serial8250_write(struct device *d, uint64_t off, int size, uint64_t value)
{
    struct serial8250 *s = container_of(d, struct serial8250, dev);
    bool dlab = s->lcr & LCR_DLAB;
    uint8_t val = value;

    (void)size;
    switch (off) {
    case THR:
        if (dlab) {
            s->dll = val;
            return;
        }
        if (!(s->mcr & MCR_LOOP)) {
            console_put(s->console, &val, 1);
            if (s->thre)
                return;
        } else if (!looped_break(s)) {
            loop_back(s, val);
        }
        s->thre = true;
        break;
    case IER:
        if (dlab) {
            s->dlm = val;
            return;
        }
        /* Enabling it while THR is empty, as it always is, raises the interrupt anew. */
        if (val & ~s->ier & IER_ETBEI)
            s->thre = true;
        configured(s, (val & IER_BITS) != s->ier, val & IER_ERBFI);
        s->ier = val & IER_BITS;
        break;
    case FCR:
        write_fcr(s, val);
        break;
    case LCR:
        configured(s, val != s->lcr, s->ier & IER_ERBFI);
        set_control(s, val, s->mcr);
        break;
    case MCR:
        set_control(s, s->lcr, val & MCR_BITS);
        break;
    case SCR:
        s->scr = val;
        return;
    }
    update(s);
}

/* The data sheet's "Master Reset", which does not reach SCR and the divisor. */
static void serial8250_reset(struct device *d)
{
    struct serial8250 *s = container_of(d, struct serial8250, dev);

    reset_receiver(s);
    s->ier = s->fcr = s->lcr = s->mcr = s->deltas = 0;
    s->thre = s->overrun = s->handshakes = false;
    s->burst = 0;
    clock_arm(s->clock, &s->pause, CLOCK_NEVER);
    s->hung_up = hung_up(s);
    update(s);
}

void serial8250_init(struct serial8250 *s, struct console *c, struct clock *clock, struct irq irq)
{
    *s = (struct serial8250){
        .dev =
            {
                .name = "serial8250",
                .read = serial8250_read,
                .write = serial8250_write,
                .reset = serial8250_reset,
            },
        .console = c,
        .clock = clock,
        .irq = irq,
        .dll = 1, /* 115200 baud, as firmware leaves it: a guest may divide by what it reads */
    };
    clock_add(clock, &s->pause, pause_over);
    s->hung_up = hung_up(s);
    c->arrived = arrived;
    c->resized = resized;
    c->to = s;
}

void serial8250_hold(struct serial8250 *s)
{
    s->held = true;
}

// SPDX-License-Identifier: MIT
/*
 * The UART, through its registers, as guests use it.
 */
#include "hw/serial8250.h"
#include "tests/unit/test.h"

#include <stdlib.h>

enum {
    RBR = 0,
    THR = 0,
    DLL = 0,
    IER = 1,
    DLM = 1,
    IIR = 2,
    FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,
};

enum {
    ERBFI = 1,
    ETBEI = 2,
    ELSI = 4,
    EDSSI = 8,
    DLAB = 0x80,
    SET_BREAK = 0x40,
    DTR = 1,
    RTS = 2,
    OUT1 = 4,
    OUT2 = 8,
    LOOP = 0x10,
    DR = 1,
    OE = 2,
    FE = 8,
    BI = 0x10,
    IDLE = 0x60, /* THRE and TEMT */
    FIFO_ERROR = 0x80,
    DDCD = 8,
    DCD = 0x80,
    MODEM = 0x30, /* CTS and DSR */
};

static struct serial8250 uart;
static struct test_console con;
static struct test_wire wire;
static struct test_clock clk;

/* What is typed when the access of this number is about to happen. */
static int typed_at, accesses;
static const int *typed;

/* How long the guest takes from one access to the next. */
static uint64_t access_ns;

static void setup(void)
{
    wire = (struct test_wire){0};
    test_console_init(&con);
    test_clock_init(&clk);
    serial8250_init(&uart, &con.console, &clk.clock, test_wire(&wire, 0));
    typed = NULL;
    access_ns = SERIAL8250_PAUSE_NS; /* no faster than the line */
}

static void type(const char *text)
{
    for (; *text; text++)
        test_console_type(&con, (uint8_t)*text);
}

static void count_access(void)
{
    test_clock_advance(&clk, access_ns);
    if (typed && accesses++ == typed_at)
        for (const int *t = typed; *t; t++)
            test_console_type(&con, *t);
}

static uint8_t in(int reg)
{
    count_access();
    return uart.dev.read(&uart.dev, reg, 1);
}

/* Of a register, those bits. */
static uint8_t bits(int reg, uint8_t mask)
{
    return mask & in(reg);
}

static void out(int reg, uint8_t val)
{
    count_access();
    uart.dev.write(&uart.dev, reg, 1, val);
}

/* Read as a polling guest does, n bytes at most. */
static const char *poll(int n)
{
    static char got[300];
    int i = 0, patience = 3;

    while (i < n && patience--)
        if (bits(LSR, DR)) {
            got[i++] = in(RBR);
            patience = 3;
        }
    got[i] = 0;
    return got;
}

static bool is(const char *a, const char *b)
{
    if (strcmp(a, b))
        printf("# \"%s\", not \"%s\"\n", a, b);
    return !strcmp(a, b);
}

static void reset_values(void)
{
    setup();
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(in(IER), 0);
        CHECK_EQ(in(IIR), 0x01);
        CHECK_EQ(in(LCR), 0);
        CHECK_EQ(in(MCR), 0);
        CHECK_EQ(in(LSR), IDLE);
        CHECK_EQ(in(MSR), 0xb0);
        CHECK(!wire.level);
        out(LCR, 0x03);
        out(FCR, 0x81);
        out(MCR, 0x1a);
        out(THR, 'x');
        out(IER, 0x0f);
        CHECK(wire.level);
        uart.dev.reset(&uart.dev);
    }
}

static void output(void)
{
    setup();
    for (const char *s = "Hello\n"; *s; s++) {
        CHECK_EQ(bits(LSR, IDLE), IDLE);
        out(THR, *s);
    }
    CHECK(is(con.out, "Hello\n"));
    out(LCR, DLAB);
    out(THR, 'x');
    out(LCR, 0);
    out(LCR, SET_BREAK);
    out(LCR, 0);
    CHECK_EQ(con.nout, 6);
}

static void plain_registers(void)
{
    setup();
    for (int i = 0; i < 256; i++) {
        out(SCR, i);
        CHECK_EQ(in(SCR), i);
        out(LCR, i);
        CHECK_EQ(in(LCR), i);
        out(LCR, 0);
        out(IER, i);
        CHECK_EQ(in(IER), i & 0x0f);
        out(MCR, i);
        CHECK_EQ(in(MCR), i & 0x1f);
    }
    setup();
    out(LCR, DLAB);
    CHECK(in(DLL) || in(DLM));
    out(DLL, 0x34);
    out(DLM, 0x12);
    CHECK_EQ(in(DLL), 0x34);
    CHECK_EQ(in(DLM), 0x12);
    out(LCR, 0x03);
    CHECK_EQ(in(IER), 0);
    CHECK_EQ(in(RBR), 0);
    out(LSR, 0xff);
    out(MSR, 0xff);
    CHECK_EQ(in(LSR), IDLE);
    CHECK_EQ(in(MSR), 0xb0);
    uart.dev.reset(&uart.dev);
    out(LCR, DLAB);
    CHECK_EQ(in(DLL), 0x34);
}

static void fifo_control(void)
{
    setup();
    CHECK_EQ(in(IIR), 0x01);
    out(FCR, 0xc6);
    CHECK_EQ(in(IIR), 0x01);
    out(FCR, 0x01);
    CHECK_EQ(in(IIR), 0xc1);
    out(LCR, 0xbf);
    CHECK_EQ(in(IIR), 0xc1);
    out(FCR, 0x00);
    CHECK_EQ(in(IIR), 0x01);
}

static void receive_without_fifo(void)
{
    setup();
    out(FCR, 0xc0);
    out(MCR, OUT2);
    out(IER, ERBFI);
    CHECK(!wire.level);
    type("abc");
    CHECK(wire.level);
    CHECK_EQ(con.next, 1);
    CHECK_EQ(in(IIR), 0x04);
    CHECK_EQ(in(LSR), IDLE | DR);
    CHECK_EQ(in(RBR), 'a');
    CHECK(!wire.level);
    CHECK_EQ(con.next, 2);
    CHECK_EQ(in(RBR), 'b');
    CHECK_EQ(in(RBR), 'c');
    CHECK_EQ(wire.rises, 3);
    CHECK(!wire.level);
    CHECK_EQ(in(IIR), 0x01);
    CHECK_EQ(in(LSR), IDLE);
    /* Input that waits raises the interrupt when it is enabled. */
    out(IER, 0);
    type("d");
    CHECK(!wire.level);
    out(IER, ERBFI);
    CHECK(wire.level);
    CHECK_EQ(in(RBR), 'd');
}

static void receive_with_fifo(void)
{
    static const int trigger[] = {1, 4, 8, 14};

    for (int t = 0; t < 4; t++) {
        setup();
        out(FCR, 0x01 | t << 6);
        out(MCR, OUT2);
        out(IER, ERBFI);
        for (int i = 1; i <= 20; i++) {
            test_console_type(&con, i);
            CHECK(wire.level);
            CHECK_EQ(in(IIR), i < trigger[t] ? 0xcc : 0xc4);
            CHECK_EQ(con.next, i < 16 ? i : 16);
        }
        CHECK_EQ(in(LSR), IDLE | DR);
        for (int i = 1; i <= 20; i++) {
            CHECK_EQ(in(RBR), i);
            CHECK_EQ(wire.level, i < 20);
            CHECK_EQ(con.next, i < 4 ? 16 + i : 20);
        }
        CHECK_EQ(in(IIR), 0xc1);
        CHECK_EQ(in(LSR), IDLE);
        CHECK_EQ(wire.rises, 1);
    }
}

/* An interrupt controller that sees edges only; serve is the guest's handler. */
static void serve_edges(void (*serve)(void))
{
    int served = 0;

    while (wire.rises > served && served < 2000) {
        served = wire.rises;
        serve();
        test_clock_advance(&clk, SERIAL8250_PAUSE_NS);
    }
    CHECK(served < 2000);
}

static int got;

static void read_one(void)
{
    CHECK_EQ(in(RBR), (uint8_t)got++);
}

/* Linux gives up after 512 times 256 bytes. */
static void read_all(void)
{
    for (int i = 0; in(LSR)&DR; i++) {
        CHECK(i < 4 * SERIAL8250_BURST);
        CHECK_EQ(in(RBR), (uint8_t)got++);
        if (test_failures)
            return;
    }
}

/* Much input, and a guest that is fast: the interrupt falls, and rises again. */
static void pauses(void)
{
    setup();
    access_ns = 0;
    out(IER, ERBFI);
    for (int i = 0; i < 1000; i++)
        test_console_type(&con, (uint8_t)i);
    got = 0;
    serve_edges(read_one);
    CHECK_EQ(got, 1000);

    for (int us = 0; us <= 200; us++) {
        setup();
        access_ns = 1000 * us;
        out(FCR, 0x01);
        out(IER, ERBFI);
        for (int i = 0; i < 1000; i++)
            test_console_type(&con, (uint8_t)i);
        got = 0;
        serve_edges(read_all);
        CHECK_EQ(got, 1000);
        CHECK_EQ(wire.rises, 4);
    }

    /* In a pause: neither LSR nor IIR tells of what is on its way. */
    setup();
    access_ns = 0;
    for (int i = 0; i < 2 * SERIAL8250_BURST; i++)
        test_console_type(&con, 1 + i % 100);
    out(FCR, 0x01);
    out(IER, ERBFI);
    for (int i = 0; i < SERIAL8250_BURST; i++) {
        CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
        CHECK_EQ(in(RBR), 1 + i % 100);
    }
    CHECK(!wire.level);
    CHECK_EQ(in(LSR), IDLE);
    CHECK_EQ(in(IIR), 0xc1);
    CHECK_EQ(in(RBR), 0);
    test_clock_advance(&clk, SERIAL8250_PAUSE_NS - 1);
    CHECK(!wire.level);
    test_clock_advance(&clk, 1);
    CHECK(wire.level);

    /* None where there is nothing to wait for, so that whoever types does not wait. */
    for (int i = SERIAL8250_BURST; i < 2 * SERIAL8250_BURST; i++)
        CHECK_EQ(in(RBR), 1 + i % 100);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    type("k");
    CHECK(wire.level);
    CHECK_EQ(in(RBR), 'k');

    /* A guest that changes its mind in a pause and polls has its input at once, and in order. */
    setup();
    access_ns = 0;
    out(IER, ERBFI);
    type("abc");
    CHECK_EQ(in(RBR), 'a');
    out(IER, 0);
    CHECK(is(poll(9), "bc"));
    test_clock_advance(&clk, SERIAL8250_PAUSE_NS);
    CHECK(!wire.level);

    /* And a reset ends it. */
    out(IER, ERBFI);
    type("abc");
    CHECK_EQ(in(RBR), 'a');
    CHECK(!wire.level);
    uart.dev.reset(&uart.dev);
    CHECK_EQ(clock_next(&clk.clock), CLOCK_NEVER);
    out(IER, ERBFI);
    CHECK(wire.level);
    CHECK_EQ(in(RBR), 'b');
}

static void transmitter_interrupt(void)
{
    setup();
    out(MCR, OUT2);
    out(IER, ETBEI);
    CHECK(wire.level);
    CHECK_EQ(in(IIR), 0x02);
    CHECK(!wire.level);
    CHECK_EQ(in(IIR), 0x01);
    out(IER, ETBEI);
    CHECK(!wire.level);
    out(THR, 'x');
    CHECK(wire.level);
    out(THR, 'y');
    CHECK_EQ(wire.rises, 2);
    CHECK_EQ(in(IIR), 0x02);
    CHECK(!wire.level);
    out(IER, 0);
    out(IER, ETBEI);
    CHECK(wire.level);
    out(IER, 0);
    CHECK(!wire.level);
    CHECK_EQ(in(IIR), 0x01);
    /* IIR clears THRE only when it says THRE. */
    out(IER, ETBEI | ERBFI);
    type("a");
    CHECK_EQ(in(IIR), 0x04);
    CHECK_EQ(in(RBR), 'a');
    CHECK_EQ(in(IIR), 0x02);
    CHECK_EQ(in(IIR), 0x01);
    /* In loopback as well. */
    out(MCR, LOOP | OUT2);
    out(IER, ETBEI);
    out(THR, 'z');
    CHECK_EQ(in(IIR), 0x02);
}

static void breaks(void)
{
    setup();
    out(FCR, 0x01);
    out(MCR, OUT2);
    out(IER, ERBFI | ELSI);
    type("a");
    test_console_type(&con, CONSOLE_BREAK);
    type("b");
    CHECK_EQ(in(IIR), 0xc4);
    CHECK_EQ(in(LSR), FIFO_ERROR | IDLE | DR);
    CHECK_EQ(in(LSR), FIFO_ERROR | IDLE | DR);
    CHECK_EQ(in(RBR), 'a');
    CHECK_EQ(in(IIR), 0xc6);
    CHECK_EQ(in(LSR), FIFO_ERROR | IDLE | BI | FE | DR);
    CHECK_EQ(in(IIR), 0xc4);
    CHECK_EQ(in(LSR), IDLE | DR);
    CHECK_EQ(in(RBR), 0);
    CHECK_EQ(in(RBR), 'b');
    CHECK_EQ(in(LSR), IDLE);
    CHECK(!wire.level);

    /* Told once is told, even when the byte goes back onto the line; untold is not. */
    test_console_type(&con, CONSOLE_BREAK);
    test_console_type(&con, CONSOLE_BREAK);
    CHECK_EQ(bits(LSR, BI), BI);
    out(FCR, 0x03);
    CHECK_EQ(in(LSR), FIFO_ERROR | IDLE | DR);
    CHECK_EQ(in(RBR), 0);
    CHECK_EQ(bits(LSR, BI), BI);
    CHECK_EQ(in(RBR), 0);

    /* Without FIFO, bit 7 is zero; ELSI alone suffices to interrupt on what a poll brought in. */
    setup();
    out(MCR, OUT2);
    out(IER, ELSI);
    test_console_type(&con, CONSOLE_BREAK);
    CHECK_EQ(in(LSR), IDLE);
    CHECK(!wire.level);
    CHECK_EQ(in(LSR), IDLE | BI | FE | DR);
    CHECK_EQ(in(RBR), 0);
}

static void priorities(void)
{
    setup();
    out(FCR, 0x41);
    out(MCR, OUT2 | LOOP);
    out(MCR, OUT2 | LOOP | RTS);
    out(IER, 0x0f);
    for (int i = 0; i < 17; i++)
        out(THR, i);
    CHECK_EQ(in(IIR), 0xc6);
    CHECK_EQ(in(LSR), IDLE | OE | DR);
    CHECK_EQ(in(IIR), 0xc4);
    for (int i = 0; i < 13; i++)
        CHECK_EQ(in(RBR), i);
    CHECK_EQ(in(IIR), 0xcc);
    for (int i = 13; i < 16; i++)
        CHECK_EQ(in(RBR), i);
    CHECK_EQ(in(IIR), 0xc2);
    CHECK_EQ(in(IIR), 0xc0);
    CHECK(wire.level);
    in(MSR);
    CHECK_EQ(in(IIR), 0xc1);
    CHECK(!wire.level);
    CHECK_EQ(wire.rises, 1);
}

static void loopback_data(void)
{
    setup();
    type("typed");
    out(MCR, LOOP);
    out(THR, 'a');
    CHECK_EQ(in(LSR), IDLE | DR);
    CHECK_EQ(in(LSR), IDLE | DR);
    out(THR, 'b');
    CHECK_EQ(in(LSR), IDLE | OE | DR);
    CHECK_EQ(in(LSR), IDLE | DR);
    CHECK_EQ(in(RBR), 'b');
    CHECK_EQ(in(LSR), IDLE);

    out(FCR, 0x01);
    for (int i = 0; i < 16; i++)
        out(THR, i);
    CHECK_EQ(in(LSR), IDLE | DR);
    out(THR, 16);
    CHECK_EQ(in(LSR), IDLE | OE | DR);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(in(RBR), i);
    CHECK_EQ(in(LSR), IDLE);

    /* A reset drops looped bytes, and so does the switching of the FIFOs. */
    out(THR, 'x');
    out(FCR, 0x03);
    CHECK_EQ(in(LSR), IDLE);
    out(THR, 'x');
    out(FCR, 0x00);
    CHECK_EQ(in(LSR), IDLE);
    out(THR, 'x');
    out(FCR, 0x06);
    CHECK_EQ(in(LSR), IDLE | DR);
    out(FCR, 0x01);
    CHECK_EQ(in(LSR), IDLE);

    CHECK_EQ(con.nout, 0);
    out(MCR, 0);
    CHECK(is(poll(9), "typed"));
}

static void loopback_break(void)
{
    setup();
    out(FCR, 0x01);
    out(MCR, LOOP);
    out(LCR, 0x03 | SET_BREAK);
    out(THR, 'x');
    out(LCR, 0x03);
    out(THR, 'y');
    CHECK_EQ(in(LSR), FIFO_ERROR | IDLE | BI | FE | DR);
    CHECK_EQ(in(RBR), 0);
    CHECK_EQ(in(LSR), IDLE | DR);
    CHECK_EQ(in(RBR), 'y');
    CHECK_EQ(in(LSR), IDLE);
    out(MCR, 0);
    out(LCR, 0x03 | SET_BREAK);
    CHECK_EQ(in(LSR), IDLE);
    out(MCR, LOOP);
    CHECK_EQ(bits(LSR, BI), BI);
    CHECK_EQ(in(RBR), 0);
    out(MCR, LOOP | RTS);
    out(LCR, SET_BREAK);
    CHECK_EQ(in(LSR), IDLE);
}

static void loopback_modem(void)
{
    setup();
    CHECK_EQ(in(MSR), 0xb0);
    for (int i = 0; i < 16; i++) {
        out(MCR, LOOP | i);
        CHECK_EQ(bits(MSR, 0xf0), (i & RTS ? 0x10 : 0) | (i & DTR ? 0x20 : 0) |
                                      (i & OUT1 ? 0x40 : 0) | (i & OUT2 ? 0x80 : 0));
    }
    out(MCR, LOOP);
    in(MSR);
    CHECK_EQ(in(MSR), 0x00);
    out(MCR, LOOP | RTS);
    CHECK_EQ(in(MSR), 0x11);
    CHECK_EQ(in(MSR), 0x10);
    out(MCR, LOOP | RTS | DTR);
    CHECK_EQ(in(MSR), 0x32);
    out(MCR, LOOP | RTS | DTR | OUT1);
    CHECK_EQ(in(MSR), 0x70);
    out(MCR, LOOP | RTS | DTR);
    CHECK_EQ(in(MSR), 0x34);
    out(MCR, LOOP | RTS | DTR | OUT2);
    CHECK_EQ(in(MSR), 0xb8);
    out(IER, EDSSI);
    CHECK(!wire.level);
    out(MCR, LOOP | OUT2);
    CHECK(wire.level);
    CHECK_EQ(in(IIR), 0x00);
    CHECK_EQ(in(MSR), 0x83);
    CHECK(!wire.level);
    out(MCR, OUT2);
    CHECK_EQ(in(MSR), 0xb3);
}

/* xv6 and its kin enable the receiver's interrupt and never touch MCR. */
static void interrupts_without_out2(void)
{
    setup();
    out(IER, ERBFI);
    CHECK_EQ(wire.changes, 0);
    type("x");
    CHECK(wire.level);
    CHECK_EQ(in(RBR), 'x');
    CHECK(!wire.level);
    out(IER, ERBFI | ETBEI);
    out(MCR, DTR | RTS | OUT1);
    CHECK(wire.level);
    out(MCR, LOOP);
    CHECK(wire.level);
    CHECK_EQ(in(IIR), 0x02);
    CHECK(!wire.level);
}

static void held_until_out1(void)
{
    setup();
    serial8250_hold(&uart);
    type("early");
    out(IER, ERBFI);
    out(MCR, DTR | RTS | OUT2);
    CHECK(!bits(LSR, DR));
    CHECK(!bits(LSR, DR));
    CHECK_EQ(con.next, 0);
    out(MCR, DTR | RTS | OUT2 | OUT1);
    CHECK(wire.level);
    CHECK(is(poll(99), "early"));
    uart.dev.reset(&uart.dev);
    type("x");
    CHECK(is(poll(1), ""));
    out(MCR, OUT1);
    CHECK(is(poll(1), "x"));
}

static void polling_guest(void)
{
    /* The smallest one: no set-up at all. */
    setup();
    type("early");
    CHECK(is(poll(3), "ear"));
    CHECK(is(poll(9), "ly"));
    type("late");
    CHECK(is(poll(9), "late"));

    /* It prints between polls. */
    for (int i = 0; i < 3; i++) {
        out(THR, '.');
        CHECK(!bits(LSR, DR));
    }
    type("k");
    out(THR, '.');
    CHECK(bits(LSR, DR));
    CHECK_EQ(in(RBR), 'k');

    /* It masks interrupts, again and again, before it looks. */
    type("m");
    out(IER, 0);
    in(LSR);
    out(IER, 0);
    CHECK(bits(LSR, DR));
    CHECK_EQ(in(RBR), 'm');

    /* Set-up like a boot loader's, with FIFO. */
    setup();
    type("0123456789abcdefghijklmn");
    out(IER, 0);
    out(LCR, DLAB);
    out(DLL, 1);
    out(DLM, 0);
    out(LCR, 0x03);
    out(FCR, 0xc7);
    out(MCR, DTR | RTS | OUT2);
    CHECK(!bits(LSR, DR));
    CHECK(bits(LSR, DR));
    CHECK_EQ(con.next, 16);
    CHECK(is(poll(99), "0123456789abcdefghijklmn"));

    /* One that waits for IIR, which ERBFI lets it. */
    setup();
    out(IER, ERBFI);
    type("iir");
    CHECK_EQ(in(IIR), 0x04);
    CHECK_EQ(in(RBR), 'i');
    CHECK_EQ(in(IIR), 0x04);
    CHECK_EQ(in(RBR), 'i');
    CHECK_EQ(in(LSR), IDLE | DR);
    out(IER, ERBFI | ELSI);
    out(LCR, 0x03);
    CHECK_EQ(in(RBR), 'r');
    CHECK_EQ(in(IIR), 0x01);
    CHECK(!wire.level);
}

static void leaves_input_alone(void)
{
    setup();
    type("x");
    out(LCR, 0x03);
    out(FCR, 0x07);
    out(MCR, DTR | RTS | OUT2);
    out(IER, ETBEI);
    in(IIR);
    in(MSR);
    in(SCR);
    in(RBR);
    out(THR, 'y');
    type("z");
    in(LSR);
    CHECK_EQ(con.next, 0);
    out(IER, 0);
    in(LSR);
    CHECK_EQ(con.next, 0);
    in(LSR);
    CHECK_EQ(con.next, 2);
}

static void rts_holds_the_line(void)
{
    setup();
    out(FCR, 0x01);
    out(MCR, OUT2 | LOOP | RTS);
    out(MCR, OUT2);
    out(IER, ERBFI);
    type("a");
    CHECK_EQ(in(RBR), 'a');
    out(MCR, OUT2 | RTS);
    type("b");
    CHECK_EQ(bits(LSR, DR), DR);
    out(MCR, OUT2);
    type("c");
    CHECK_EQ(in(RBR), 'b');
    CHECK_EQ(in(LSR), IDLE);
    CHECK_EQ(in(LSR), IDLE);
    CHECK(!wire.level);
    CHECK_EQ(con.next, 2);
    out(MCR, OUT2 | RTS);
    CHECK(wire.level);
    CHECK_EQ(in(RBR), 'c');
    out(MCR, OUT2);
    uart.dev.reset(&uart.dev);
    type("d");
    CHECK(is(poll(9), "d"));
}

static void nothing_read_nothing_lost(void)
{
    setup();
    out(FCR, 0x01);
    out(MCR, OUT2);
    out(IER, ERBFI);
    type("0123456789abcdefghij");
    CHECK_EQ(in(RBR), '0');
    out(FCR, 0x03);
    CHECK_EQ(in(RBR), '1');
    out(FCR, 0x00);
    CHECK_EQ(in(RBR), '2');
    out(FCR, 0x01);
    out(IER, 0);
    CHECK(!bits(LSR, DR));
    CHECK_EQ(in(RBR), 0);
    out(IER, ERBFI);
    CHECK_EQ(in(RBR), '3');
    out(MCR, LOOP | OUT2);
    CHECK_EQ(in(LSR), IDLE);
    out(THR, 'L');
    CHECK_EQ(in(RBR), 'L');
    out(THR, 'M');
    out(MCR, OUT2);
    CHECK_EQ(in(RBR), 'M');
    CHECK_EQ(in(RBR), '4');
    uart.dev.reset(&uart.dev);
    CHECK(is(poll(99), "56789abcdefghij"));
}

/*
 * Linux's driver, as a sequence of accesses: autoconfig(), autoconfig_16550a(), size_fifo(),
 * serial8250_do_startup(), serial8250_do_set_termios(), serial8250_console_write(),
 * serial8250_handle_irq() and serial8250_do_shutdown() of drivers/tty/serial/8250/8250_port.c.
 */
static struct {
    uint8_t ier, mcr;
    bool rx_first; /* as before Linux 3.x: ERBFI at the end of startup, FIFO on after it */
    int got[64], ngot;
} linux_;

static void linux_clear_fifos(void)
{
    out(FCR, 0x01);
    out(FCR, 0x07);
    out(FCR, 0x00);
}

static void linux_clear_interrupts(void)
{
    in(LSR);
    in(RBR);
    in(IIR);
    in(MSR);
}

static void linux_irq(void)
{
    for (int pass = 0; wire.level && pass < 256; pass++) {
        uint8_t iir = in(IIR), lsr = in(LSR);

        if (iir & 0x01)
            continue;
        if (iir & 0x04)
            while (lsr & (DR | BI) && linux_.ngot < 64) {
                linux_.got[linux_.ngot++] = in(RBR) | (lsr & BI ? CONSOLE_BREAK : 0);
                lsr = in(LSR);
            }
        in(MSR);
        if (lsr & 0x20 && linux_.ier & ETBEI) {
            for (const char *s = "0123456789abcdef"; *s; s++)
                out(THR, *s);
            linux_.ier &= ~ETBEI;
            out(IER, linux_.ier);
        }
    }
    CHECK(!wire.level);
}

static void linux_printk(const char *s)
{
    in(IER);
    out(IER, 0);
    for (; *s; s++) {
        in(LSR);
        out(THR, *s);
    }
    in(LSR);
    out(IER, linux_.ier);
}

static int linux_size_fifo(void)
{
    uint8_t lcr = in(LCR), fcr, mcr, dll, dlm;
    int n;

    out(LCR, 0);
    fcr = in(FCR);
    mcr = in(MCR);
    out(FCR, 0x07);
    out(MCR, LOOP);
    out(LCR, DLAB);
    dll = in(DLL);
    dlm = in(DLM);
    out(DLL, 1);
    out(DLM, 0);
    out(LCR, 0x03);
    for (int i = 0; i < 256; i++)
        out(THR, i);
    for (n = 0; bits(LSR, DR) && n < 256; n++)
        CHECK_EQ(in(RBR), n);
    out(FCR, fcr);
    out(MCR, mcr);
    out(LCR, DLAB);
    out(DLL, dll);
    out(DLM, dlm);
    out(LCR, lcr);
    return n;
}

static void linux_autoconfig(void)
{
    uint8_t ier = in(IER), mcr, lcr, status;

    out(IER, 0);
    CHECK_EQ(bits(IER, 0x0f), 0x00);
    out(IER, 0x0f);
    CHECK_EQ(bits(IER, 0x0f), 0x0f);
    out(IER, ier);
    mcr = in(MCR);
    lcr = in(LCR);
    out(MCR, LOOP | 0x0a);
    CHECK_EQ(bits(MSR, 0xf0), 0x90);
    out(MCR, mcr);
    out(LCR, 0xbf);
    out(2, 0);
    out(LCR, 0);
    out(FCR, 0x01);
    CHECK_EQ(in(IIR) >> 6, 3);

    /* Neither the EFR of a 16650 nor of its second version. */
    out(LCR, DLAB);
    CHECK(in(2) != 0);
    out(LCR, 0xbf);
    CHECK(in(2) != 0);
    /* No second bank as in National's SuperIO: EXCR1 does not follow MCR.LOOP. */
    out(LCR, 0);
    status = in(MCR);
    out(LCR, 0xe0);
    CHECK(!((in(2) ^ status) & LOOP));
    out(LCR, 0);
    out(MCR, status ^ LOOP);
    out(LCR, 0xe0);
    CHECK(!((in(2) ^ status) & LOOP));
    out(LCR, 0);
    out(MCR, status);
    /* No 64-byte FIFO as in a 16750. */
    out(FCR, 0x21);
    CHECK_EQ(in(IIR) >> 5, 6);
    out(FCR, 0x01);
    out(LCR, DLAB);
    out(FCR, 0x21);
    CHECK_EQ(in(IIR) >> 5, 6);
    out(FCR, 0x01);
    out(LCR, 0);
    /* Not an Xscale. */
    ier = in(IER);
    out(IER, ier & ~0x40);
    out(IER, ier | 0x40);
    CHECK(!bits(IER, 0x40));
    out(IER, ier);
    CHECK_EQ(linux_size_fifo(), 16);

    out(LCR, lcr);
    out(MCR, mcr);
    linux_clear_fifos();
    in(RBR);
    out(IER, 0);
}

static void linux_open(void)
{
    uint8_t iir;

    linux_.mcr = 0;
    linux_clear_fifos();
    linux_clear_interrupts();
    CHECK(in(LSR) != 0xff);
    in(LSR);
    for (int i = 0; i < 2; i++) {
        out(IER, ETBEI);
        CHECK_EQ(in(IIR), 0x02);
        out(IER, 0);
    }
    out(LCR, 0x03);
    out(MCR, linux_.mcr = OUT2);
    out(IER, ETBEI);
    CHECK(bits(LSR, 0x40));
    iir = in(IIR);
    CHECK_EQ(iir, 0x02);
    out(IER, 0);
    linux_clear_interrupts();
    linux_.ier = ERBFI | ELSI;
    if (linux_.rx_first) {
        out(IER, linux_.ier);
        linux_irq();
    }
    out(IER, linux_.ier);
    out(LCR, 0x93);
    out(DLL, 1);
    out(DLM, 0);
    out(LCR, 0x13);
    out(FCR, 0x01);
    out(FCR, 0x81);
    out(MCR, linux_.mcr);
    linux_irq();
    out(MCR, linux_.mcr |= DTR | RTS);
    linux_irq();
}

static void linux_close(void)
{
    linux_.ier = 0;
    out(IER, 0);
    out(MCR, linux_.mcr = DTR | RTS);
    out(LCR, bits(LCR, ~SET_BREAK));
    linux_clear_fifos();
    in(RBR);
    out(MCR, linux_.mcr = 0);
}

static void linux_session(void)
{
    linux_.ngot = linux_.ier = 0;
    linux_printk("early");
    linux_autoconfig();
    linux_printk("tty");
    linux_open();
    linux_printk("printk");
    linux_irq();
    linux_close();
    linux_printk("closed");
    linux_open();
    linux_.ier |= ETBEI;
    out(IER, linux_.ier);
    linux_irq();
    /* tty throttling by CRTSCTS */
    out(MCR, linux_.mcr &= ~RTS);
    linux_irq();
    out(MCR, linux_.mcr |= RTS);
    linux_irq();
}

static void linux_driver(void)
{
    static const int line[] = {'l', 's', CONSOLE_BREAK, 'h', '\n', '0', '1', '2', '3', '4', '5',
                               '6', '7', '8',           '9', 'a',  'b', 'c', 'd', 'e', 'f', 0};
    int n = sizeof(line) / sizeof(line[0]) - 1, total = 1;

    /* The same input, typed before every single access. */
    for (int late = 0; late < 2; late++)
        for (int at = 0; at < total; at++) {
            setup();
            linux_.rx_first = late;
            typed = line;
            typed_at = at;
            accesses = 0;
            linux_session();
            total = accesses;
            while (accesses <= at)
                in(SCR);
            linux_irq();
            CHECK_EQ(linux_.ngot, n);
            for (int i = 0; i < n; i++)
                CHECK_EQ(linux_.got[i], line[i]);
            CHECK(is(con.out, "earlyttyprintkclosed0123456789abcdef"));
            if (test_failures) {
                printf("# typed at access %d of %d\n", at, total);
                return;
            }
        }
    CHECK(total > 400);
}

static void probed_but_not_opened(void)
{
    setup();
    type("for another chip");
    linux_autoconfig();
    out(MCR, DTR);
    /* What it took when it tried IER is still to come. */
    CHECK(con.next <= 1);
    CHECK_EQ(uart.s.nline, con.next);
    CHECK_EQ(uart.s.nrx, 0);
}

/* The sender's end of the line. */
static bool gone;

static bool ended(struct console *c)
{
    struct test_console *t = container_of(c, struct test_console, console);

    return gone && t->next == t->nin;
}

static void hang_up(void)
{
    gone = true;
    con.console.arrived(con.console.to);
}

static void setup_line(void)
{
    setup();
    gone = false;
    con.console.ended = ended;
    CHECK_EQ(in(MSR), DCD | MODEM);
}

static void hang_up_polled(void)
{
    /* Whoever polls finds it after the last byte, told or not. */
    for (int told = 0; told < 2; told++) {
        setup_line();
        type("ab");
        gone = true;
        if (told)
            hang_up();
        CHECK_EQ(in(MSR), DCD | MODEM);
        CHECK(!bits(LSR, DR));
        CHECK(bits(LSR, DR));
        CHECK_EQ(in(RBR), 'a');
        CHECK_EQ(in(MSR), DCD | MODEM);
        CHECK(bits(LSR, DR));
        CHECK_EQ(in(MSR), DCD | MODEM);
        CHECK_EQ(in(RBR), 'b');
        CHECK_EQ(in(MSR), MODEM | DDCD);
        CHECK_EQ(in(MSR), MODEM);
        CHECK_EQ(in(LSR), IDLE);
        CHECK(!wire.level);
    }

    /* Without any input, and nobody told. */
    setup_line();
    gone = true;
    CHECK_EQ(in(MSR), MODEM | DDCD);
    CHECK_EQ(in(MSR), MODEM);

    /* A sender who comes back. */
    gone = false;
    CHECK_EQ(in(MSR), DCD | MODEM | DDCD);
    CHECK_EQ(in(MSR), DCD | MODEM);
}

static void hang_up_interrupts(void)
{
    setup_line();
    out(FCR, 0x01);
    out(IER, ERBFI | EDSSI);
    type("0123456789abcdefgh");
    hang_up();
    for (int i = 0; i < 18; i++) {
        CHECK_EQ(in(IIR), 0xc4);
        CHECK(!bits(MSR, DDCD));
        in(RBR);
        CHECK(wire.level);
    }
    CHECK_EQ(in(IIR), 0xc0);
    CHECK_EQ(in(IIR), 0xc0);
    CHECK_EQ(in(MSR), MODEM | DDCD);
    CHECK(!wire.level);
    CHECK_EQ(in(IIR), 0xc1);
    hang_up();
    CHECK(!wire.level);

    /* All was read before. */
    setup_line();
    out(IER, EDSSI);
    hang_up();
    CHECK(wire.level);
    CHECK_EQ(in(IIR), 0x00);
    CHECK_EQ(in(MSR), MODEM | DDCD);
    CHECK(!wire.level);

    /* The guest asks for the interrupt only afterwards. */
    setup_line();
    hang_up();
    CHECK(!wire.level);
    out(IER, EDSSI);
    CHECK(wire.level);
    CHECK_EQ(in(MSR), MODEM | DDCD);
}

/* The ring indicator has rung, once for each change of the window's size. */
static void resized_rings(void)
{
    enum {
        TERI = 4
    };

    setup();
    console_resized(&con.console);
    CHECK(!wire.level);
    CHECK_EQ(in(MSR), DCD | MODEM | TERI);
    CHECK_EQ(in(MSR), DCD | MODEM);

    out(IER, EDSSI);
    console_resized(&con.console);
    console_resized(&con.console);
    CHECK(wire.level);
    CHECK_EQ(in(IIR), 0x00);
    CHECK_EQ(in(MSR), DCD | MODEM | TERI);
    CHECK(!wire.level);

    out(MCR, LOOP);
    in(MSR);
    console_resized(&con.console);
    CHECK(!wire.level);
    CHECK(!bits(MSR, TERI));
}

static void hang_up_unread(void)
{
    /* What is back on the line has not been read. */
    setup_line();
    out(FCR, 0x01);
    out(IER, ERBFI | EDSSI);
    type("ab");
    CHECK_EQ(con.next, 2);
    hang_up();
    out(FCR, 0x00);
    out(IER, 0);
    CHECK_EQ(uart.s.nline, 2);
    CHECK_EQ(in(MSR), DCD | MODEM);
    uart.dev.reset(&uart.dev);
    CHECK_EQ(in(MSR), DCD | MODEM);
    CHECK(is(poll(9), "ab"));
    CHECK_EQ(in(MSR), MODEM | DDCD);

    /* A reset forgets the change, but not the line. */
    uart.dev.reset(&uart.dev);
    CHECK_EQ(in(MSR), MODEM);
    gone = false;
    uart.dev.reset(&uart.dev);
    CHECK_EQ(in(MSR), DCD | MODEM);
    hang_up();
    uart.dev.reset(&uart.dev);
    CHECK_EQ(in(MSR), MODEM);
    out(IER, EDSSI);
    CHECK(!wire.level);
}

static void hang_up_in_loopback(void)
{
    setup_line();
    out(MCR, LOOP | OUT2);
    in(MSR);
    out(IER, EDSSI);
    hang_up();
    CHECK(!wire.level);
    CHECK_EQ(in(MSR), DCD);
    out(THR, 'x');
    out(MCR, 0);
    CHECK(wire.level);
    CHECK_EQ(in(MSR), MODEM | DDCD | 3);

    /* Nor does what looped back lift the receiver again. */
    CHECK_EQ(in(RBR), 'x');
    CHECK_EQ(in(MSR), MODEM);
    CHECK(!wire.level);
}

/* Random accesses against what must always hold: nothing typed is lost or out of order, and the
 * wire's level is the one that IIR tells. */
static void random_accesses(void)
{
    struct test_console nothing;
    uint8_t sent = 0, seen = 0;

    setup();
    test_console_init(&nothing);
    srand(16550);
    for (int i = 0; i < 2000000; i++) {
        int reg = rand() % 8, val = rand() & rand() & 0xff;

        con.nout = 0;
        if (con.next == con.nin)
            con.next = con.nin = 0;
        if (con.nin < 250 && rand() % 4 == 0) {
            test_console_type(&con, 1 + sent);
            sent = (sent + 1) % 100;
        }
        if (rand() % 2) {
            /* What is looped back has bit 7 set, and what is typed has not. */
            if (reg == LCR && rand() % 2)
                val &= ~DLAB;
            out(reg, reg == THR ? val | 0x80 : val);
        } else {
            bool data = reg == RBR && !bits(LCR, DLAB);

            val = in(reg);
            if (data && val && !(val & 0x80)) {
                CHECK_EQ(val, 1 + seen);
                seen = (seen + 1) % 100;
            }
        }
        if (rand() % 5000 == 0)
            uart.dev.reset(&uart.dev);

        struct serial8250 copy = uart;

        copy.irq = (struct irq){0};
        copy.console = &nothing.console;
        copy.s.nline = 0;
        CHECK_EQ(wire.level, !(copy.dev.read(&copy.dev, IIR, 1) & 0x01));
        if (test_failures)
            return;
    }
    while (con.next < con.nin || uart.s.nline || uart.s.nrx) {
        out(LCR, 0);
        out(IER, 0);
        out(MCR, RTS);
        for (const char *s = poll(250); *s; s++)
            if (!(*s & 0x80)) {
                CHECK_EQ(*s, 1 + seen);
                seen = (seen + 1) % 100;
            }
    }
    CHECK_EQ(seen, sent);
}

int main(void)
{
    return test_main((struct test[]){
        {reset_values, "reset gives the data sheet's values"},
        {output, "THR reaches the console"},
        {plain_registers, "registers hold what they can hold"},
        {fifo_control, "IIR tells whether the FIFOs are on"},
        {receive_without_fifo, "one byte at a time without FIFO"},
        {receive_with_fifo, "sixteen bytes with FIFO, by trigger level and timeout"},
        {pauses, "the line pauses, so that the interrupt falls and rises"},
        {transmitter_interrupt, "THRE interrupt: raised by ETBEI and THR, cleared by IIR"},
        {breaks, "a break is told once, at its place in the FIFO"},
        {priorities, "interrupts come in the order of their priority"},
        {loopback_data, "loopback returns data and overruns"},
        {loopback_break, "loopback returns a break"},
        {loopback_modem, "loopback returns the modem lines, with deltas"},
        {interrupts_without_out2, "interrupts do not wait for OUT2"},
        {held_until_out1, "a held line waits for OUT1"},
        {polling_guest, "a polling guest gets its input"},
        {leaves_input_alone, "a guest that does not receive leaves input to others"},
        {rts_holds_the_line, "input waits while RTS is down"},
        {nothing_read_nothing_lost, "unread input survives FIFO resets, loopback and reset"},
        {linux_driver, "Linux finds a 16550A and loses no input"},
        {probed_but_not_opened, "Linux's probe loses no input"},
        {hang_up_polled, "a hang-up shows in MSR, after the last byte"},
        {hang_up_interrupts, "a hang-up interrupts, after the last byte"},
        {resized_rings, "a new size of the window rings"},
        {hang_up_unread, "a hang-up waits for what has not been read; reset looks at the line"},
        {hang_up_in_loopback, "a hang-up is not seen in loopback, and after it is"},
        {random_accesses, "random accesses lose nothing and keep the wire right"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Keyboard controller of a PS/2, and its keyboard.
 *
 * After: IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary
 * Device Controller"; IBM 101-/102-Key Keyboard, "Commands from the System".
 *
 * Every answer is there as soon as the question is asked, so that no driver ever waits for a
 * time-out. Nothing can be plugged into the auxiliary port: its interface test fails, a byte for it
 * comes back as a time-out, and the byte of command 0xd3 comes back as if from the keyboard,
 * whereupon Linux gives the port up.
 *
 * Left out: keys (the console is the serial port); the translation of scan codes, but for the
 * few bytes that a keyboard sends by itself; the parity of the serial lines, passwords and
 * the key lock. A machine may leave the a20 wire loose and have A20 always on: the pin reads as
 * written, and only 8086 programs relied on addresses that wrap at 1 MiB.
 */
#include "hw/i8042.h"

#include <string.h>

/* Status register. IBF is never seen set: the controller takes each byte at once. */
enum {
    OBF = 1 << 0, /* output buffer full */
    SYS = 1 << 2, /* system flag: the same bit of the command byte */
    CMD = 1 << 3, /* the last write was a command */
    INH = 1 << 4, /* clear: the key lock is on */
    AUX = 1 << 5, /* the output buffer's byte is the auxiliary device's */
    TO = 1 << 6,  /* the device did not answer */
};

/* Command byte. */
enum {
    INT = 1 << 0,     /* interrupt for the keyboard */
    AUX_INT = 1 << 1, /* interrupt for the auxiliary device */
    DIS = 1 << 4,     /* hold the keyboard's clock */
    AUX_DIS = 1 << 5,
    XLATE = 1 << 6, /* translate scan set 2 to set 1 */
};

/* Output port. */
enum {
    RESET = 1 << 0, /* active low */
    A20 = 1 << 1,
    IRQ1 = 1 << 4,
    IRQ12 = 1 << 5,
};

enum {
    INPUT_PORT = 0x80, /* the key lock is off */

    /* Answers. */
    TEST_PASSED = 0x55,
    INTERFACE_GOOD = 0x00,
    INTERFACE_CLOCK_LOW = 0x01,
    KBD_ACK = 0xfa,
    KBD_BAT_PASSED = 0xaa,
    KBD_ECHO = 0xee,
    KBD_RESEND = 0xfe,
};

static void update(struct i8042 *k)
{
    bool aux = k->s.status & AUX;

    irq_set(&k->irq1, (k->s.status & OBF) && !aux && (k->s.ram[0] & INT));
    irq_set(&k->irq12, (k->s.status & OBF) && aux && (k->s.ram[0] & AUX_INT));
}

/* Only the bytes that this keyboard sends and that the full table would change. */
static uint8_t translate(uint8_t byte)
{
    switch (byte) {
    case 0x01:
        return 0x43;
    case 0x02:
        return 0x41;
    case 0x03:
        return 0x3f;
    case 0x83:
        return 0x41;
    }
    return byte;
}

/* Put the next byte into the output buffer, if that is free and there is one. */
static void refill(struct i8042 *k)
{
    if (k->s.status & OBF)
        return;
    if (k->s.has_reply) {
        k->s.has_reply = false;
        k->s.output = k->s.reply;
        k->s.status |= OBF | k->s.reply_status;
    } else if (k->s.nanswer > 0 && !(k->s.ram[0] & DIS)) {
        k->s.sent = k->s.answer[0];
        k->s.output = k->s.ram[0] & XLATE ? translate(k->s.sent) : k->s.sent;
        k->s.status |= OBF;
        memmove(k->s.answer, k->s.answer + 1, (size_t)--k->s.nanswer);
    }
}

static void reply(struct i8042 *k, uint8_t byte, uint8_t status)
{
    k->s.has_reply = true;
    k->s.reply = byte;
    k->s.reply_status = status;
}

/* The keyboard's answer. The keyboard drops what it has not sent yet, as for every command. */
static void answer(struct i8042 *k, int n, uint8_t b0, uint8_t b1, uint8_t b2)
{
    k->s.answer[0] = b0;
    k->s.answer[1] = b1;
    k->s.answer[2] = b2;
    k->s.nanswer = n;
}

static void ack(struct i8042 *k)
{
    answer(k, 1, KBD_ACK, 0, 0);
}

/* The keyboard's byte that follows a command. */
static void kbd_parameter(struct i8042 *k, uint8_t command, uint8_t val)
{
    ack(k);
    if (command != 0xf0)
        return;
    if (val == 0)
        answer(k, 2, KBD_ACK, k->s.scan_set, 0);
    else if (val <= 3)
        k->s.scan_set = val;
    else
        answer(k, 1, KBD_RESEND, 0, 0);
}

static void kbd_command(struct i8042 *k, uint8_t val)
{
    switch (val) {
    case 0xed: /* set the indicators */
    case 0xf0: /* scan set */
    case 0xf3: /* typematic rate */
        k->s.kbd_expects = val;
        ack(k);
        break;
    case 0xee: /* echo */
        answer(k, 1, KBD_ECHO, 0, 0);
        break;
    case 0xf2: /* identify: a keyboard with 101 or 102 keys */
        answer(k, 3, KBD_ACK, 0xab, 0x83);
        break;
    case 0xf4:          /* enable, disable: there are no keys to tell the difference */
    case 0xf7 ... 0xfd: /* how the keys of scan set 3 repeat and break */
        ack(k);
        break;
    case 0xf5: /* set defaults and disable */
    case 0xf6: /* set defaults */
        k->s.scan_set = 2;
        ack(k);
        break;
    case 0xfe: /* resend */
        answer(k, 1, k->s.sent, 0, 0);
        break;
    case 0xff: /* reset */
        k->s.scan_set = 2;
        answer(k, 2, KBD_ACK, KBD_BAT_PASSED, 0);
        break;
    default:
        answer(k, 1, KBD_RESEND, 0, 0);
        break;
    }
}

static void kbd_write(struct i8042 *k, uint8_t val)
{
    uint8_t command = k->s.kbd_expects;

    k->s.ram[0] &= ~DIS; /* or the answer could not come */
    k->s.kbd_expects = 0;
    if (command)
        kbd_parameter(k, command, val);
    else
        kbd_command(k, val);
}

static void write_ram(struct i8042 *k, uint8_t n, uint8_t val)
{
    k->s.ram[n] = val;
    k->s.status = (k->s.status & ~SYS) | (k->s.ram[0] & SYS);
}

static void write_output_port(struct i8042 *k, uint8_t val)
{
    k->s.output_port = val & ~(IRQ1 | IRQ12);
    irq_set(&k->a20, val & A20);
    if (!(val & RESET))
        irq_set(&k->reset, true);
}

static uint8_t read_output_port(struct i8042 *k)
{
    uint8_t full = k->s.status & OBF ? (k->s.status & AUX ? IRQ12 : IRQ1) : 0;

    return k->s.output_port | full;
}

static void controller_command(struct i8042 *k, uint8_t val)
{
    switch (val) {
    case 0x20 ... 0x3f: /* read the RAM */
        reply(k, k->s.ram[val - 0x20], 0);
        break;
    case 0x60 ... 0x7f: /* write the RAM */
    case 0xd1:          /* write the output port */
    case 0xd2:          /* write the output buffer, as the keyboard */
    case 0xd3:          /* as the auxiliary device */
    case 0xd4:          /* write to the auxiliary device */
        k->s.expects = val;
        break;
    case 0xa7: /* disable, enable the auxiliary port */
        k->s.ram[0] |= AUX_DIS;
        break;
    case 0xa8:
        k->s.ram[0] &= ~AUX_DIS;
        break;
    case 0xa9: /* test the auxiliary interface */
        reply(k, INTERFACE_CLOCK_LOW, 0);
        break;
    case 0xaa: /* self test */
        write_ram(k, 0, k->s.ram[0] | SYS);
        reply(k, TEST_PASSED, 0);
        break;
    case 0xab: /* test the keyboard interface */
        reply(k, INTERFACE_GOOD, 0);
        break;
    case 0xad: /* disable, enable the keyboard */
        k->s.ram[0] |= DIS;
        break;
    case 0xae:
        k->s.ram[0] &= ~DIS;
        break;
    case 0xc0:
        reply(k, INPUT_PORT, 0);
        break;
    case 0xd0:
        reply(k, read_output_port(k), 0);
        break;
    case 0xf0 ... 0xff: /* pulse those of the output port's low pins whose bits are 0 */
        if (!(val & RESET))
            irq_set(&k->reset, true);
        break;
    }
}

/* The data byte that follows a controller command. */
static void controller_parameter(struct i8042 *k, uint8_t command, uint8_t val)
{
    switch (command) {
    case 0xd1:
        write_output_port(k, val);
        break;
    case 0xd2:
    case 0xd3:
        reply(k, val, 0);
        break;
    case 0xd4:
        reply(k, KBD_RESEND, AUX | TO);
        break;
    default:
        write_ram(k, command - 0x60, val);
        break;
    }
}

static uint64_t data_read(struct device *d, uint64_t off, int size)
{
    struct i8042 *k = container_of(d, struct i8042, data);
    uint8_t val = k->s.output;

    (void)off, (void)size;
    /* The wires fall before they rise for the next byte: the PIC wants an edge. */
    k->s.status &= ~(OBF | AUX | TO);
    update(k);
    refill(k);
    update(k);
    return val;
}

static void data_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct i8042 *k = container_of(d, struct i8042, data);
    uint8_t command = k->s.expects;

    (void)off, (void)size;
    k->s.status &= ~CMD;
    k->s.expects = 0;
    if (command)
        controller_parameter(k, command, (uint8_t)val);
    else
        kbd_write(k, (uint8_t)val);
    refill(k);
    update(k);
}

static uint64_t command_read(struct device *d, uint64_t off, int size)
{
    struct i8042 *k = container_of(d, struct i8042, command);

    (void)off, (void)size;
    return k->s.status;
}

static void command_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct i8042 *k = container_of(d, struct i8042, command);

    (void)off, (void)size;
    k->s.status |= CMD;
    k->s.expects = 0;
    controller_command(k, (uint8_t)val);
    refill(k);
    update(k);
}

/* To the state that firmware leaves: tested, translating, the keyboard ready to interrupt. */
static void i8042_reset(struct device *d)
{
    struct i8042 *k = container_of(d, struct i8042, data);

    memset(k->s.ram, 0, sizeof(k->s.ram));
    k->s.ram[0] = INT | SYS | AUX_DIS | XLATE;
    k->s.status = SYS | INH;
    k->s.output = 0;
    k->s.output_port = 0xcf; /* everything high, but the interrupts */
    k->s.expects = 0;
    k->s.has_reply = false;
    k->s.nanswer = 0;
    k->s.sent = 0;
    k->s.kbd_expects = 0;
    k->s.scan_set = 2;
    irq_set(&k->a20, true);
    update(k);
}

static void i8042_restored(struct device *d)
{
    struct i8042 *k = container_of(d, struct i8042, data);

    irq_set(&k->a20, k->s.output_port & A20);
    update(k);
}

void i8042_init(struct i8042 *k, struct irq irq1, struct irq irq12, struct irq a20,
                struct irq reset)
{
    *k = (struct i8042){
        .data = {.name = "i8042 data",
                 .read = data_read,
                 .write = data_write,
                 .reset = i8042_reset,
                 .state = &k->s,
                 .state_size = sizeof(k->s),
                 .restored = i8042_restored},
        .command = {.name = "i8042 command", .read = command_read, .write = command_write},
        .irq1 = irq1,
        .irq12 = irq12,
        .a20 = a20,
        .reset = reset,
    };
    i8042_reset(&k->data);
}

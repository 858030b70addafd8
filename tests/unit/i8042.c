// SPDX-License-Identifier: MIT
/* The keyboard controller, driven as drivers do: nothing may have to wait. */
#include "hw/i8042.h"

#include "tests/unit/test.h"

enum {
    OBF = 0x01,
    AUX = 0x20,
    TO = 0x40,
};

static struct i8042 k;
static struct test_wire irq1, irq12, a20, reset;

static void make(void)
{
    irq1 = irq12 = a20 = reset = (struct test_wire){0};
    i8042_init(&k, test_wire(&irq1, 0), test_wire(&irq12, 0), test_wire(&a20, 0),
               test_wire(&reset, 0));
}

static uint64_t status(void)
{
    return k.command.read(&k.command, 0, 1);
}

static uint64_t data(void)
{
    return k.data.read(&k.data, 0, 1);
}

static void command(uint8_t val)
{
    k.command.write(&k.command, 0, 1, val);
}

static void write_data(uint8_t val)
{
    k.data.write(&k.data, 0, 1, val);
}

/* What is there to be read: its value and, in the upper byte, AUX and TO; -1 for nothing. */
static int answer(void)
{
    int st = (int)status();

    if (!(st & OBF))
        return -1;
    return (st & (AUX | TO)) << 8 | (int)data();
}

static void set_command_byte(uint8_t val)
{
    command(0x60);
    write_data(val);
}

/* Send the keyboard a byte, and expect these. */
static void check_kbd(uint8_t val, int b0, int b1, int b2)
{
    write_data(val);
    CHECK_EQ(answer(), b0);
    CHECK_EQ(answer(), b1);
    CHECK_EQ(answer(), b2);
    CHECK_EQ(answer(), -1);
}

static void test_reset_state(void)
{
    make();
    CHECK_EQ(status(), 0x14); /* tested, not locked, nothing to read */
    CHECK_EQ(data(), 0);
    CHECK_EQ(irq1.changes + irq12.changes + reset.changes, 0);
    CHECK(a20.level);
    command(0x20);
    CHECK_EQ(answer(), 0x65);

    /* Reset in the middle of everything. */
    command(0x7f);
    write_data(0x5a);
    write_data(0xf0);
    write_data(0x03);
    write_data(0xf3);
    write_data(0xf2); /* the parameter */
    write_data(0xf2);
    write_data(0xed);
    command(0xaa);
    command(0xd1);
    CHECK(irq1.level);
    k.data.reset(&k.data);
    CHECK_EQ(status(), 0x14);
    CHECK(!irq1.level);
    CHECK_EQ(data(), 0);
    CHECK_EQ(answer(), -1);
    write_data(0xf0); /* the parameter of neither 0xd1 nor 0xed */
    CHECK_EQ(answer(), 0xfa);
    write_data(0x00);
    CHECK_EQ(answer(), 0xfa);
    CHECK_EQ(answer(), 0x41); /* set 2, translated */
    command(0x3f);
    CHECK_EQ(answer(), 0);
}

static void test_controller(void)
{
    make();
    command(0xaa);
    CHECK_EQ(status(), 0x1d); /* the last write was a command */
    CHECK_EQ(answer(), 0x55);
    CHECK_EQ(answer(), -1);
    command(0xab);
    CHECK_EQ(answer(), 0x00);
    command(0xc0);
    CHECK_EQ(answer(), 0x80);

    set_command_byte(0x30);
    CHECK_EQ(status(), 0x10); /* the system flag is the command byte's */
    command(0xaa);
    CHECK_EQ(status(), 0x1d);
    CHECK_EQ(answer(), 0x55);
    set_command_byte(0x30);
    command(0x20);
    CHECK_EQ(answer(), 0x30);
    command(0xae);
    command(0xa8);
    command(0x20);
    CHECK_EQ(answer(), 0x00);
    command(0xad);
    command(0xa7);
    command(0x20);
    CHECK_EQ(answer(), 0x30);
    command(0x7f);
    write_data(0x5a);
    command(0x3f);
    CHECK_EQ(answer(), 0x5a);
    command(0x20);
    CHECK_EQ(answer(), 0x30);

    command(0xd2);
    write_data(0x1e);
    CHECK_EQ(answer(), 0x1e);
    CHECK_EQ(answer(), -1);
    command(0x00); /* not a command */
    CHECK_EQ(answer(), -1);

    command(0x60); /* a command instead of the data byte */
    command(0xab);
    CHECK_EQ(answer(), 0x00);
    check_kbd(0xee, 0xee, -1, -1);
}

/* What Linux asks to find out whether there is an auxiliary port. */
static void test_aux_absent(void)
{
    make();
    set_command_byte(0x43); /* both interrupts */
    command(0xd3);
    write_data(0x5a);
    CHECK_EQ(answer(), 0x5a); /* without AUX: no loop */
    command(0xa9);
    CHECK_EQ(answer(), 0x01); /* neither 0, 0xfa nor 0xff */
    command(0xd4);
    write_data(0xff);
    CHECK(irq12.level);
    CHECK_EQ(answer(), (AUX | TO) << 8 | 0xfe);
    CHECK(!irq12.level);
    CHECK_EQ(status() & (AUX | TO), 0);
    CHECK_EQ(irq12.rises, 1);

    set_command_byte(0x45);
    command(0xd4);
    write_data(0xff);
    CHECK(!irq12.level);
    CHECK_EQ(status() & (OBF | AUX | TO), OBF | AUX | TO);
}

static void test_output_port(void)
{
    make();
    command(0xd0);
    CHECK_EQ(answer(), 0xcf);
    command(0xd1);
    write_data(0xdd);
    CHECK(!a20.level);
    command(0xd0);
    CHECK_EQ(answer(), 0xcd);
    command(0xd1);
    write_data(0xdf);
    CHECK(a20.level);
    command(0xff); /* pulse nothing, as the end of the A20 sequence */
    CHECK(!reset.level);
    CHECK_EQ(answer(), -1);
    write_data(0xee);
    command(0xd0); /* reads the buffer's pin, and waits behind the byte */
    CHECK_EQ(answer(), 0xee);
    CHECK_EQ(answer(), 0xdf);

    command(0xd1);
    write_data(0xfe);
    CHECK(reset.level);
    make();
    command(0xfe);
    CHECK(reset.level);
    make();
    command(0xf0);
    CHECK(reset.level);
    make();
    command(0xfd);
    CHECK(!reset.level);
}

static void test_keyboard(void)
{
    make();
    set_command_byte(0x05); /* no translation */
    check_kbd(0xff, 0xfa, 0xaa, -1);
    check_kbd(0xf2, 0xfa, 0xab, 0x83);
    check_kbd(0xfe, 0x83, -1, -1);
    check_kbd(0xee, 0xee, -1, -1);
    for (int c = 0xf4; c <= 0xfd; c++)
        check_kbd((uint8_t)c, 0xfa, -1, -1);
    check_kbd(0xf3, 0xfa, -1, -1);
    check_kbd(0xfe, 0xfa, -1, -1); /* a parameter, not a command */
    check_kbd(0xed, 0xfa, -1, -1);
    check_kbd(0xff, 0xfa, -1, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 2, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x03, 0xfa, -1, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 3, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x04, 0xfe, -1, -1);
    check_kbd(0xf6, 0xfa, -1, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 2, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x01, 0xfa, -1, -1);
    check_kbd(0xff, 0xfa, 0xaa, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 2, -1);
    check_kbd(0xea, 0xfe, -1, -1);
    check_kbd(0x00, 0xfe, -1, -1);

    set_command_byte(0x45); /* translation */
    check_kbd(0xf2, 0xfa, 0xab, 0x41);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 0x41, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x01, 0xfa, -1, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 0x43, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x03, 0xfa, -1, -1);
    check_kbd(0xf0, 0xfa, -1, -1);
    check_kbd(0x00, 0xfa, 0x3f, -1);

    write_data(
        0xf2); /* a new command silences the answer to the last, but for the byte on the way */
    CHECK_EQ(answer(), 0xfa);
    write_data(0xee);
    CHECK_EQ(answer(), 0xab);
    CHECK_EQ(answer(), 0xee);
    CHECK_EQ(answer(), -1);
}

static void test_disabled_keyboard(void)
{
    make();
    write_data(0xf2);
    CHECK_EQ(answer(), 0xfa);
    CHECK_EQ(answer(), 0xab);
    command(0xad); /* the last byte is already in the buffer */
    CHECK_EQ(answer(), 0x41);

    write_data(0xff); /* writing to the keyboard lets it answer */
    CHECK_EQ(status() & OBF, OBF);
    command(0xad);
    CHECK_EQ(answer(), 0xfa);
    CHECK_EQ(answer(), -1);
    command(0x20); /* the controller still answers */
    CHECK_EQ(answer(), 0x75);
    command(0xae);
    CHECK_EQ(answer(), 0xaa);
}

static void test_irq1(void)
{
    make();
    write_data(0xff);
    CHECK(irq1.level);
    CHECK_EQ(irq1.rises, 1);
    data();
    CHECK(irq1.level);
    CHECK_EQ(irq1.rises, 2); /* an edge for each byte */
    data();
    CHECK(!irq1.level);
    data();
    CHECK_EQ(irq1.rises, 2);

    write_data(0xee);
    CHECK(irq1.level);
    set_command_byte(0x44); /* no interrupts */
    CHECK(!irq1.level);
    CHECK_EQ(status() & OBF, OBF);
    set_command_byte(0x45);
    CHECK(irq1.level);
    data();
    CHECK(!irq1.level);

    command(0xaa); /* the controller's answers interrupt like the keyboard's */
    CHECK(irq1.level);
    data();
    CHECK(!irq1.level);
    CHECK_EQ(irq12.changes, 0);
}

/* Whatever a guest writes, the controller can still be talked to. */
static void test_noise(void)
{
    uint32_t x = 1;

    make();
    for (int i = 0; i < 1000000; i++) {
        x = x * 1664525 + 1013904223;
        switch (x >> 30) {
        case 0:
            command((uint8_t)(x >> 16));
            break;
        case 1:
            write_data((uint8_t)(x >> 16));
            break;
        case 2:
            data();
            break;
        case 3:
            CHECK(!(status() & 0x02));
            break;
        }
    }
    command(0xae);
    for (int i = 0; i < 16 && status() & OBF; i++)
        data();
    CHECK_EQ(status() & OBF, 0);
    command(0xaa);
    CHECK_EQ(answer(), 0x55);
}

int main(void)
{
    return test_main((struct test[]){
        {test_reset_state, "the state that firmware leaves"},
        {test_controller, "controller commands"},
        {test_aux_absent, "no auxiliary device, and no waiting for one"},
        {test_output_port, "output port: A20 and reset"},
        {test_keyboard, "keyboard commands"},
        {test_disabled_keyboard, "a disabled keyboard holds its bytes"},
        {test_irq1, "IRQ1 is the level of a full buffer"},
        {test_noise, "noise"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Unit tests of the consoles of several guests: who gets the input, and who is told of its end.
 */
#include "tools/minivm/mux.h"
#include "hw/serial8250.h"
#include "tests/unit/test.h"

enum {
    GUESTS = 4
};

static struct test_console terminal;
static struct mux mux;
static bool hung_up;
static int released, output_released;
static char story[256]; /* what became of the output */
static int told[GUESTS];

static bool ended(struct console *c)
{
    struct test_console *t = container_of(c, struct test_console, console);

    return hung_up && t->next == t->nin;
}

static void release(struct console *c, bool on)
{
    CHECK(c == &terminal.console);
    released += on ? 1 : 10;
}

static void add(const char *what, int n, const char *text, size_t len)
{
    size_t have = strlen(story);

    snprintf(story + have, sizeof(story) - have, "%s%s%d %.*s", have ? ", " : "", what, n, (int)len,
             text);
}

static void output_put(struct mux_output *o, int n, const void *buf, size_t len)
{
    CHECK(o == mux.output);
    add("put ", n, buf, len);
}

static void output_ended(struct mux_output *o, int n, const char *how)
{
    CHECK(o == mux.output);
    add("ended ", n, how, strlen(how));
}

static void output_focus(struct mux_output *o, int n)
{
    CHECK(o == mux.output);
    CHECK_EQ(mux.focus, n);
    add("focus ", n, "", 0);
}

static int waits;

static void output_wait(struct mux_output *o)
{
    CHECK(o == mux.output);
    waits++;
}

static struct mux_output output;

static void output_release(struct mux_output *o, bool on)
{
    CHECK(o == mux.output);
    output_released += on ? 1 : 10;
}

static void arrived(void *to)
{
    ++*(int *)to;
}

static void setup(int n)
{
    test_console_init(&terminal);
    terminal.console.ended = ended;
    terminal.console.release = release;
    output =
        (struct mux_output){output_put, output_ended, output_focus, output_wait, output_release};
    hung_up = false;
    released = output_released = waits = 0;
    story[0] = 0;
    mux_init(&mux, &terminal.console, &output, n);
    for (int i = 0; i < n && i < GUESTS; i++) {
        told[i] = 0;
        mux_console(&mux, i)->arrived = arrived;
        mux_console(&mux, i)->to = &told[i];
    }
}

static void hang_up(void)
{
    hung_up = true;
    terminal.console.arrived(terminal.console.to);
}

static int get(int n)
{
    return console_get(mux_console(&mux, n));
}

static bool has_ended(int n)
{
    return console_ended(mux_console(&mux, n));
}

static void check_story(const char *expected)
{
    if (strcmp(story, expected))
        printf("# \"%s\", not \"%s\"\n", story, expected);
    CHECK(!strcmp(story, expected));
    story[0] = 0;
}

static void test_output(void)
{
    setup(2);
    console_put(mux_console(&mux, 1), "one", 3);
    console_put(mux_console(&mux, 0), "zero", 4);
    check_story("put 1 one, put 0 zero");
    CHECK_EQ(terminal.nout, 0);
    console_wait(mux_console(&mux, 1));
    CHECK_EQ(waits, 1);
    console_release(mux_console(&mux, 1), true);
    console_release(mux_console(&mux, 0), false);
    CHECK_EQ(released, 11);
    CHECK_EQ(output_released, 11);

    /* What an output or a terminal need not have. */
    output.wait = NULL;
    output.release = NULL;
    output.focus = NULL;
    terminal.console.release = NULL;
    terminal.console.ended = NULL;
    console_wait(mux_console(&mux, 0));
    console_release(mux_console(&mux, 0), true);
    CHECK(!has_ended(0));
    mux_next(&mux);
    CHECK_EQ(mux.focus, 1);
}

static void test_input(void)
{
    setup(2);
    test_console_type(&terminal, 'a');
    CHECK_EQ(told[0], 1);
    CHECK_EQ(told[1], 0);
    CHECK_EQ(get(1), CONSOLE_EMPTY);
    CHECK_EQ(get(0), 'a');
    CHECK_EQ(get(0), CONSOLE_EMPTY);

    /* What waits goes with the focus. */
    test_console_type(&terminal, 'b');
    mux_next(&mux);
    check_story("focus 1 ");
    CHECK_EQ(told[1], 1);
    CHECK_EQ(get(0), CONSOLE_EMPTY);
    CHECK_EQ(get(1), 'b');
    test_console_type(&terminal, CONSOLE_BREAK);
    CHECK_EQ(told[1], 2);
    CHECK_EQ(told[0], 2);
    CHECK_EQ(get(1), CONSOLE_BREAK);
    mux_next(&mux);
    check_story("focus 0 ");
}

/* A guest need not have a chip that wants to be told. */
static void test_nobody_told(void)
{
    setup(2);
    mux_console(&mux, 0)->arrived = mux_console(&mux, 1)->arrived = NULL;
    test_console_type(&terminal, 'a');
    mux_next(&mux);
    hang_up();
    CHECK_EQ(get(1), 'a');
}

static void test_focus(void)
{
    setup(4);
    mux_ended(&mux, 1, "status 0");
    check_story("ended 1 status 0");
    mux_next(&mux);
    check_story("focus 2 ");
    mux_ended(&mux, 2, "crashed");
    check_story("ended 2 crashed, focus 3 ");
    mux_next(&mux);
    check_story("focus 0 ");
    mux_next(&mux);
    mux_ended(&mux, 0, "x");
    story[0] = 0;

    /* The last one keeps it, even when it ends. */
    told[3] = 0;
    mux_next(&mux);
    check_story("");
    mux_ended(&mux, 3, "y");
    check_story("ended 3 y");
    CHECK_EQ(mux.focus, 3);
    CHECK_EQ(told[3], 0);
    test_console_type(&terminal, 'a');

    setup(1);
    mux_next(&mux);
    check_story("");
    CHECK_EQ(mux.focus, 0);
    setup(MUX_MAX);
    mux_ended(&mux, 0, "");
    CHECK_EQ(mux.focus, 1);
    CHECK(mux_console(&mux, MUX_MAX - 1) == &mux.guest[MUX_MAX - 1].console);
}

static void test_hang_up(void)
{
    setup(2);
    test_console_type(&terminal, 'a');
    hang_up();
    CHECK_EQ(told[0], 2);
    CHECK(!has_ended(0));
    CHECK_EQ(get(0), 'a');
    CHECK(has_ended(0));
    CHECK(!has_ended(1));
    CHECK_EQ(told[1], 0);

    /* The next guest is told in its turn. */
    mux_ended(&mux, 0, "");
    CHECK_EQ(told[1], 1);
    CHECK(has_ended(1));

    /* What the first has not read, the next one gets before. */
    setup(2);
    test_console_type(&terminal, 'a');
    hang_up();
    mux_ended(&mux, 0, "");
    CHECK(!has_ended(1));
    CHECK_EQ(get(1), 'a');
    CHECK(has_ended(1));
}

/* With chips: their guests, asleep, are woken by the interrupt. */
static void test_chips(void)
{
    struct serial8250 uart[2];
    struct test_wire wire[2] = {{0}};
    struct test_clock clk;

    setup(2);
    test_clock_init(&clk);
    for (int i = 0; i < 2; i++) {
        serial8250_init(&uart[i], mux_console(&mux, i), &clk.clock, test_wire(wire, i));
        uart[i].dev.write(&uart[i].dev, 1, 1, 0x09); /* IER: ERBFI, EDSSI */
    }
    test_console_type(&terminal, 'a');
    CHECK(wire[0].level && !wire[1].level);
    CHECK_EQ(uart[0].dev.read(&uart[0].dev, 0, 1), 'a');
    CHECK(!wire[0].level);

    /* A focus that brings nothing disturbs nobody. */
    mux_next(&mux);
    mux_next(&mux);
    CHECK_EQ(wire[0].changes, 2);
    CHECK_EQ(wire[1].changes, 0);

    hang_up();
    CHECK(wire[0].level && !wire[1].level);
    CHECK_EQ(uart[0].dev.read(&uart[0].dev, 6, 1), 0x38);
    CHECK_EQ(uart[1].dev.read(&uart[1].dev, 6, 1), 0xb0);
    mux_ended(&mux, 0, "");
    CHECK(wire[1].level);
    CHECK_EQ(uart[1].dev.read(&uart[1].dev, 6, 1), 0x38);
    CHECK(!wire[1].level);
}

int main(void)
{
    return test_main((struct test[]){
        {test_output, "output says whose it is"},
        {test_input, "input goes to the guest in focus"},
        {test_nobody_told, "a guest without a chip to tell"},
        {test_focus, "the focus goes round those that have not ended"},
        {test_hang_up, "a hang-up is for each guest in its turn, after the last byte"},
        {test_chips, "serial ports see input and hang-up only in focus"},
        {0},
    });
}

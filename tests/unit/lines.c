// SPDX-License-Identifier: MIT
/*
 * Unit tests of the output of several guests, line by line: every byte for the terminal, and in
 * which pieces.
 */
#include "tools/minivm/lines.h"
#include "tests/unit/test.h"

#include <stdlib.h>

#define MS UINT64_C(1000000)

#define CYAN   "\033[36m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define BLUE   "\033[34m"
#define RESET  "\033[0m"

static const char *const names[MUX_MAX] = {"counter", "hello", "c", "d", "e", "f", "g", "h",
                                           "i",       "j",     "k", "l", "m", "n", "o", "p"};

/* A console that marks the end of each piece by a '|', unless a newline ends it. */
static struct console console;
static char out[1 << 20];
static size_t nout, pieces;
static int waits;

static void console_takes(struct console *c, const void *buf, size_t n)
{
    CHECK(c == &console);
    CHECK(n > 0 && nout + n + 1 < sizeof(out));
    memcpy(out + nout, buf, n);
    nout += n;
    pieces++;
    if (out[nout - 1] != '\n')
        out[nout++] = '|';
    out[nout] = 0;
}

static void console_waits(struct console *c)
{
    CHECK(c == &console);
    waits++;
}

static struct lines lines;
static struct test_clock host;

static void clear(void)
{
    nout = pieces = 0;
    out[0] = 0;
}

static void setup(bool colour, int n)
{
    console = (struct console){.put = console_takes, .wait = console_waits};
    test_clock_init(&host);
    clear();
    lines_init(&lines, &console, colour, n, names);
    lines_start(&lines, &host.clock);
}

/* On a terminal, with the legend out of the way. */
static void setup_terminal(void)
{
    setup(true, 2);
    clear();
}

static void put(int n, const char *text)
{
    lines.output.put(&lines.output, n, text, strlen(text));
}

static void end(int n)
{
    lines.output.ended(&lines.output, n, "status 0");
}

static void focus(int n)
{
    lines.output.focus(&lines.output, n);
}

static void pass(uint64_t ns)
{
    test_clock_advance(&host, ns);
}

static void print(const char *text)
{
    for (; *text; text++)
        printf(*text == '\n' ? "\\n" : *text == '\r' ? "\\r" : *text == '\033' ? "^" : "%c", *text);
}

/* Since the last check, this has been written. */
static void check_at(int at, const char *expected)
{
    if (strcmp(out, expected)) {
        printf("# %s:%d: \"", __FILE__, at);
        print(out);
        printf("\", not \"");
        print(expected);
        printf("\"\n");
        test_failures++;
    }
    clear();
}

#define CHECK_OUT(expected) check_at(__LINE__, expected)

static void test_pipe(void)
{
    setup(false, 2);
    CHECK_OUT("");
    put(0, "one\n");
    CHECK_EQ(pieces, 1);
    CHECK_OUT("[0:counter] one\n");
    put(0, "t");
    put(1, "Hel");
    put(0, "wo\nthr");
    CHECK_OUT("[0:counter] two\n");
    put(1, "lo\n\n");
    CHECK_EQ(pieces, 2);
    CHECK_OUT("[1:hello] Hello\n[1:hello] \n");

    /* Time changes nothing. */
    pass(NS_PER_SECOND);
    focus(0);
    CHECK_OUT("");
    put(0, "ee\nfour\n");
    CHECK_OUT("[0:counter] three\n[0:counter] four\n");
    CHECK_EQ(clock_next(&host.clock), CLOCK_NEVER);
}

static void test_ends(void)
{
    setup(false, 2);
    put(0, "a\r\nb\r");
    put(0, "\n\r\n1%\r2%\r\n\r\r\n");
    CHECK_OUT("[0:counter] a\n[0:counter] b\n[0:counter] \n[0:counter] 1%\r2%\n[0:counter] \r\n");
    lines.output.put(&lines.output, 1, "\0\033[1m\377\n", 7);
    CHECK(!memcmp(out, "[1:hello] \0\033[1m\377\n", 17));
    CHECK_EQ(nout, 17);
    clear();

    /* What is left when a guest ends, and at the very end. */
    put(0, "left");
    put(1, "over");
    end(0);
    CHECK_OUT("[0:counter] left\n");
    end(0);
    CHECK_OUT("");
    lines_finish(&lines);
    CHECK_OUT("[1:hello] over\n");
    lines_finish(&lines);
    CHECK_OUT("");
    lines.output.wait(&lines.output);
    CHECK_EQ(waits, 1);
    console.wait = NULL;
    lines.output.wait(&lines.output);
}

static void test_long(void)
{
    static char text[2 * LINES_LENGTH + 10], expected[3 * LINES_LENGTH];

    memset(text, 'x', sizeof(text) - 1);
    setup(false, 1);
    put(0, text);
    CHECK_EQ(pieces, 2);
    put(0, "y\n");
    CHECK_EQ(pieces, 3);
    sprintf(expected, "[0:counter] %.*s\n[0:counter] %.*s\n[0:counter] xxxxxxxxxy\n", LINES_LENGTH,
            text, LINES_LENGTH, text);
    CHECK_OUT(expected);

    /* One that just fits. */
    put(0, text + sizeof(text) - 1 - LINES_LENGTH);
    CHECK_OUT("");
    put(0, "\n");
    sprintf(expected, "[0:counter] %.*s\n", LINES_LENGTH, text);
    CHECK_OUT(expected);

    /* On the screen it is cut at the same place. */
    setup_terminal();
    put(0, "x");
    pass(50 * MS);
    CHECK_OUT(CYAN "x|");
    put(0, text + sizeof(text) - 1 - LINES_LENGTH);
    sprintf(expected, "%.*s" RESET "\n", LINES_LENGTH - 1, text);
    CHECK_OUT(expected);
    pass(50 * MS);
    CHECK_OUT(CYAN "x|");
}

static void test_names(void)
{
    char name[100];
    const char *const long_names[] = {name, name};
    static const char prefix[] = "[0:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn] \n";

    setup(false, MUX_MAX);
    put(15, "x\n");
    CHECK_OUT("[15:p] x\n");
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    lines_init(&lines, &console, true, 2, long_names);
    clear();
    lines_init(&lines, &console, false, 2, long_names);
    name[0] = 'm';
    put(0, "\n");
    CHECK_EQ(nout, LINES_NAME + 6);
    CHECK_OUT(prefix);
}

static void test_colours(void)
{
    setup(true, 2);
    CHECK_OUT(CYAN "0:counter" RESET "|  " GREEN "1:hello" RESET "|\n");
    setup(true, 6);
    clear();
    for (int i = 0; i < 6; i++)
        put(i, "x\n");
    CHECK_EQ(pieces, 6);
    CHECK_OUT(CYAN "x" RESET "\n" GREEN "x" RESET "\n" YELLOW "x" RESET "\n" BLUE "x" RESET
                   "\n" CYAN "x" RESET "\n" GREEN "x" RESET "\n");
    put(0, "\n\r\na\r\n");
    CHECK_OUT("\n\n" CYAN "a" RESET "\n");
}

static void test_prompt(void)
{
    setup_terminal();
    put(0, "ready\n> ");
    CHECK_OUT(CYAN "ready" RESET "\n");
    pass(50 * MS - 1);
    CHECK_OUT("");
    pass(1);
    CHECK_OUT(CYAN "> |");
    pass(NS_PER_SECOND);
    CHECK_EQ(clock_next(&host.clock), CLOCK_NEVER);

    /* The rest follows at once, byte for byte. */
    put(0, "\303");
    CHECK_OUT("\303|");
    put(0, "\244\r");
    put(0, "\n");
    CHECK_OUT("\244\r|" RESET "\n");
    put(0, "new\n");
    CHECK_OUT(CYAN "new" RESET "\n");
}

static void test_interrupted(void)
{
    setup_terminal();
    put(0, "> ");
    pass(50 * MS);
    CHECK_OUT(CYAN "> |");
    put(1, "tick\n");
    CHECK_EQ(pieces, 1);
    CHECK_OUT(RESET "\n" GREEN "tick" RESET "\n");

    /* It is not shown again for nothing, but when it goes on. */
    pass(NS_PER_SECOND);
    CHECK_OUT("");
    put(0, "l");
    pass(50 * MS);
    CHECK_OUT(CYAN "> l|");
    put(0, "s");
    CHECK_OUT("s|");
    put(1, "\n");
    CHECK_OUT(RESET "\n\n");
    put(0, "!\n");
    CHECK_OUT(CYAN "> ls!" RESET "\n");

    /* One that only needed its newline has got it. */
    put(0, "working");
    pass(50 * MS);
    put(1, "tick\n");
    clear();
    put(0, "\r");
    put(0, "\n");
    pass(50 * MS);
    CHECK_OUT("");
    put(0, "next\n");
    CHECK_OUT(CYAN "next" RESET "\n");

    /* Two of them. */
    put(0, "zero");
    pass(20 * MS);
    put(1, "one");
    pass(30 * MS);
    CHECK_OUT(CYAN "zero|");
    pass(20 * MS - 1);
    CHECK_OUT("");
    pass(1);
    CHECK_OUT(RESET "\n" GREEN "one|");
    end(0);
    CHECK_OUT("");
    end(1);
    CHECK_OUT(RESET "\n");
}

/* A fast guest's lines are never shown in part. */
static void test_fast(void)
{
    setup_terminal();
    for (int i = 0; i < 1000; i++) {
        put(0, "ab");
        pass(MS);
        put(0, "c\nde");
        put(1, "x\n");
        put(0, "f\n");
        pass(MS);
        CHECK_OUT(CYAN "abc" RESET "\n" GREEN "x" RESET "\n" CYAN "def" RESET "\n");
    }
    pass(50 * MS);
    CHECK_OUT("");
    CHECK_EQ(clock_next(&host.clock), CLOCK_NEVER);
}

static void test_focus(void)
{
    setup_terminal();
    put(0, "$ ");
    put(1, "# ");
    pass(50 * MS);
    CHECK_OUT(CYAN "$ |" RESET "\n" GREEN "# |");
    focus(1);
    CHECK_OUT("");
    focus(0);
    CHECK_OUT(RESET "\n" CYAN "$ |");
    put(0, "\n");
    clear();
    focus(0);
    CHECK_OUT("");

    /* At once, and not again after the moment. */
    put(0, "% ");
    focus(0);
    CHECK_OUT(CYAN "% |");
    pass(NS_PER_SECOND);
    CHECK_OUT("");
}

static void test_finish(void)
{
    setup_terminal();
    put(0, "seen");
    pass(50 * MS);
    put(1, "not");
    clear();
    lines_finish(&lines);
    CHECK_OUT(RESET "\n" GREEN "not" RESET "\n");
    CHECK_EQ(clock_next(&host.clock), CLOCK_NEVER);

    /* Without a clock, lines wait for their ends. */
    clear();
    lines_init(&lines, &console, true, 2, names);
    clear();
    put(0, "a");
    focus(0);
    CHECK_OUT("");
    put(0, "b\nc");
    CHECK_OUT(CYAN "ab" RESET "\n");
    lines_finish(&lines);
    CHECK_OUT(CYAN "c" RESET "\n");
}

/* Whatever comes in whatever pieces: by prefix, each guest's text is whole and in order. */
static void test_random(void)
{
    size_t sent[MUX_MAX] = {0}, seen[MUX_MAX] = {0};
    int lengths[] = {0, 1, 7, 80};

    setup(false, MUX_MAX);
    srand(4711);
    for (int i = 0; i < 20000; i++) {
        int n = rand() % MUX_MAX, len = lengths[rand() % 4];
        char text[80];

        for (int k = 0; k < len; k++, sent[n]++)
            text[k] = sent[n] % 13 == 12 ? '\n' : 'a' + sent[n] % 13;
        lines.output.put(&lines.output, n, text, len);
    }
    lines_finish(&lines);
    for (char *p = out; *p;) {
        int n = atoi(p + 1);

        CHECK(n >= 0 && n < MUX_MAX && strchr(p, ']'));
        for (p = strchr(p, ']') + 2; *p && *p != '\n'; p++, seen[n]++)
            CHECK_EQ(*p, 'a' + seen[n] % 13);
        p++;
        if (seen[n] < sent[n])
            CHECK_EQ(seen[n]++ % 13, 12);
        if (test_failures)
            return;
    }
    for (int n = 0; n < MUX_MAX; n++)
        CHECK_EQ(seen[n], sent[n]);
}

int main(void)
{
    return test_main((struct test[]){
        {test_pipe, "each line has its guest's prefix, and nobody else's text"},
        {test_ends, "ends of lines, and what has none"},
        {test_long, "long lines are cut"},
        {test_names, "sixteen guests, and long names"},
        {test_colours, "on a terminal: a legend, and a colour for each guest"},
        {test_prompt, "a prompt is shown after a moment, and goes on at once"},
        {test_interrupted, "a prompt that another guest interrupts is shown again, whole"},
        {test_fast, "a fast guest's lines are never shown in part"},
        {test_focus, "the focus shows the prompt again"},
        {test_finish, "what is left at the end; no clock"},
        {test_random, "random pieces stay whole and in order"},
        {0},
    });
}

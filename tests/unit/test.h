/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of chips: a table of functions, KTAP on stdout, and a chip's surroundings made of
 * plain values (a wire that records, a clock turned by hand, a console of two buffers).
 *
 * A test file defines its functions and ends with
 *     int main(void) { return test_main((struct test[]){{name, "what it shows"}, ..., {0}}); }
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include "hw/clock.h"
#include "hw/console.h"
#include "hw/device.h"

#include <stdio.h>
#include <string.h>

struct test {
    void (*run)(void);
    const char *name;
};

static int test_failures;

/* Go on after a failure: the rest of the function may show more. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                                    \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        unsigned long long a_ = (a), b_ = (b);                                                     \
        if (a_ != b_) {                                                                            \
            printf("# %s:%d: %s is %#llx, not %s = %#llx\n", __FILE__, __LINE__, #a, a_, #b, b_);  \
            test_failures++;                                                                       \
        }                                                                                          \
    } while (0)

static inline int test_main(const struct test *t)
{
    int n = 0, failed = 0;

    while (t[n].run)
        n++;
    printf("TAP version 13\n1..%d\n", n);
    for (int i = 0; i < n; i++) {
        test_failures = 0;
        t[i].run();
        failed += test_failures > 0;
        printf("%sok %d - %s\n", test_failures ? "not " : "", i + 1, t[i].name);
    }
    return failed > 0;
}

/* A wire's far end: its level, and how often it rose. */
struct test_wire {
    bool level;
    int rises, changes;
};

static inline void test_wire_set(void *to, int pin, bool level)
{
    struct test_wire *w = (struct test_wire *)to + pin;

    w->rises += level && !w->level;
    w->changes += level != w->level;
    w->level = level;
}

/* The wire to w[pin]. */
static inline struct irq test_wire(struct test_wire *w, int pin)
{
    return (struct irq){test_wire_set, w, pin};
}

/* A clock that stands still until the test turns it. */
struct test_clock {
    struct clock clock;
    uint64_t time; /* ns since the machine was made */
    int64_t epoch; /* seconds since 1970 when time was 0 */
};

static inline uint64_t test_clock_now(struct clock *c)
{
    return container_of(c, struct test_clock, clock)->time;
}

static inline int64_t test_clock_calendar(struct clock *c, uint32_t *ns)
{
    struct test_clock *t = container_of(c, struct test_clock, clock);

    *ns = t->time % NS_PER_SECOND;
    return t->epoch + (int64_t)(t->time / NS_PER_SECOND);
}

static inline void test_clock_init(struct test_clock *t)
{
    *t = (struct test_clock){.clock = {.now = test_clock_now, .calendar = test_clock_calendar}};
}

/* Let ns pass, firing every timer at its own time. */
static inline void test_clock_advance(struct test_clock *t, uint64_t ns)
{
    uint64_t end = clock_after(t->time, ns);

    while (clock_next(&t->clock) <= end) {
        if (clock_next(&t->clock) > t->time)
            t->time = clock_next(&t->clock);
        clock_run(&t->clock);
    }
    t->time = end;
}

/* Take the clock to just before its end, when timers may fall due at once, but not for ever. */
static inline void test_clock_end(struct test_clock *t, uint64_t before)
{
    t->time = CLOCK_NEVER - 1 - before;
    for (int i = 0; i < 100 && clock_next(&t->clock) <= t->time; i++)
        clock_run(&t->clock);
    CHECK(clock_next(&t->clock) > t->time);
}

/* A console: what the chip wrote, and what it will be given. */
struct test_console {
    struct console console;
    char out[4096];
    size_t nout;
    int in[1024];
    int nin, next;
};

static inline void test_console_put(struct console *c, const void *buf, size_t n)
{
    struct test_console *t = container_of(c, struct test_console, console);

    for (size_t i = 0; i < n && t->nout < sizeof(t->out) - 1; i++)
        t->out[t->nout++] = ((const char *)buf)[i];
    t->out[t->nout] = 0;
}

static inline int test_console_get(struct console *c)
{
    struct test_console *t = container_of(c, struct test_console, console);

    return t->next < t->nin ? t->in[t->next++] : CONSOLE_EMPTY;
}

static inline void test_console_init(struct test_console *t)
{
    *t = (struct test_console){.console = {.put = test_console_put, .get = test_console_get}};
}

/* Type a byte (or CONSOLE_BREAK) on the console. */
static inline void test_console_type(struct test_console *t, int byte)
{
    if (t->nin < (int)(sizeof(t->in) / sizeof(t->in[0])))
        t->in[t->nin++] = byte;
    if (t->console.arrived)
        t->console.arrived(t->console.to);
}

#endif

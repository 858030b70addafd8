// SPDX-License-Identifier: MIT
/*
 * The hypercall ports of three vCPUs, of which each has its console.
 */
#include "hw/port-hypercall.h"
#include "hw/port-hypercall-abi.h"
#include "hw/bus.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static struct vcpu {
    struct test_console con;
    struct port_hypercall port;
    struct bus bus;
    struct hypercall_regs regs;
    int status; /* of EXIT, or -1 */
    int asked;  /* how often the registers were fetched */
} vcpu[3], *me;

static uint8_t memory[0x2000];
static const struct ram ram = {.host = memory, .size = sizeof(memory)};

static void caller_regs(void *of, struct hypercall_regs *r)
{
    CHECK(of == me);
    me->asked++;
    *r = me->regs;
}

static void caller_exit(void *of, int status)
{
    CHECK(of == me);
    me->status = status;
}

static void setup(void)
{
    for (int i = 0; i < 3; i++) {
        struct vcpu *v = &vcpu[i];

        *v = (struct vcpu){.status = -1};
        test_console_init(&v->con);
        port_hypercall_init(&v->port, &ram, &v->con.console,
                            (struct hypercall_caller){caller_regs, caller_exit, v});
        bus_attach(&v->bus, HYPERCALL_PORT, 2, &v->port.dev);
    }
    me = &vcpu[0];
    memset(memory, 0, sizeof(memory));
}

static void call(int function)
{
    bus_write(&me->bus, HYPERCALL_PORT, 1, function);
}

static void call_with(int function, uint32_t ebx)
{
    me->regs.ebx = ebx;
    call(function);
}

static int in(void)
{
    return bus_read(&me->bus, HYPERCALL_PORT, 1);
}

static void abi(void)
{
    CHECK_EQ(HYPERCALL_PORT, 0x500);
    CHECK_EQ(HYPERCALL_EXIT, 0);
    CHECK_EQ(HYPERCALL_PUTCHAR, 1);
    CHECK_EQ(HYPERCALL_GETCHAR, 2);
    CHECK_EQ(HYPERCALL_PUTNUM, 3);
    CHECK_EQ(HYPERCALL_NEWLINE, 4);
    CHECK_EQ(HYPERCALL_WRITE, 5);
}

static void exits(void)
{
    setup();
    call_with(HYPERCALL_EXIT, 0xaabbcc07);
    CHECK_EQ(me->status, 7);
    CHECK_EQ(me->asked, 1);
    me = &vcpu[1];
    call_with(HYPERCALL_EXIT, 0xff);
    CHECK_EQ(me->status, 255);
    CHECK_EQ(vcpu[0].status, 7);
    CHECK_EQ(vcpu[2].status, (unsigned long long)-1);

    me = &vcpu[2];
    me->regs.ebx = 9;
    bus_write(&me->bus, HYPERCALL_PORT, 2, 0x2a00);
    CHECK_EQ(me->status, 0x2a);
    bus_write(&me->bus, HYPERCALL_PORT, 2, 0xff00);
    CHECK_EQ(me->status, 0xff);
    bus_write(&me->bus, HYPERCALL_PORT, 4, 0x12340300);
    CHECK_EQ(me->status, 3);
    CHECK_EQ(me->asked, 0);
}

static void puts_to_the_callers_console(void)
{
    setup();
    call_with(HYPERCALL_PUTCHAR, 0x11223300 | 'a');
    me = &vcpu[1];
    call_with(HYPERCALL_PUTCHAR, 'b');
    call(HYPERCALL_NEWLINE);
    CHECK_EQ(me->asked, 1);
    me = &vcpu[0];
    call_with(HYPERCALL_PUTCHAR, 0);
    call_with(HYPERCALL_PUTCHAR, 0xff);
    CHECK_EQ(vcpu[0].con.nout, 3);
    CHECK(!memcmp(vcpu[0].con.out, "a\0\377", 3));
    CHECK(!strcmp(vcpu[1].con.out, "b\n"));
    CHECK_EQ(vcpu[2].con.nout, 0);
    /* A word carries a function all the same. */
    bus_write(&me->bus, HYPERCALL_PORT, 2, 0x7700 | HYPERCALL_NEWLINE);
    CHECK(!strcmp(vcpu[0].con.out + 3, "\n"));
}

static void numbers(void)
{
    static const uint32_t n[] = {0, 7, 10, 32768, 65535, 0x10000, 0xdead0042};

    setup();
    for (int i = 0; i < 7; i++) {
        call_with(HYPERCALL_PUTNUM, n[i]);
        call(HYPERCALL_NEWLINE);
    }
    CHECK(!strcmp(me->con.out, "0\n7\n10\n32768\n65535\n0\n66\n"));
}

static void getchar_answers_once(void)
{
    setup();
    test_console_type(&me->con, 'x');
    CHECK_EQ(in(), 0xff);
    CHECK_EQ(me->con.next, 0);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(me->con.next, 0);
    CHECK_EQ(bus_read(&me->bus, HYPERCALL_PORT + 1, 1), 0xff);
    CHECK_EQ(in(), 'x');
    CHECK_EQ(in(), 0xff);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), 0xff);
    test_console_type(&me->con, 'y');
    CHECK_EQ(in(), 0xff);
    call(HYPERCALL_GETCHAR);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(bus_read(&me->bus, HYPERCALL_PORT, 2), 0xff00 | 'y');
    test_console_type(&me->con, CONSOLE_BREAK);
    test_console_type(&me->con, 0);
    test_console_type(&me->con, 0xfe);
    test_console_type(&me->con, CONSOLE_BREAK);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), 0);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), 0xfe);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), 0xff);
    CHECK_EQ(me->asked, 0);

    test_console_type(&me->con, 'z');
    call(HYPERCALL_GETCHAR);
    bus_reset(&me->bus);
    CHECK_EQ(in(), 0xff);
}

static void window(struct console *c, uint16_t *rows, uint16_t *columns)
{
    (void)c;
    *rows = 24;
    *columns = 300;
}

static void size(void)
{
    setup();
    for (int i = 0; i < 2; i++) {
        call(HYPERCALL_ROWS);
        CHECK_EQ(bus_read(&me->bus, HYPERCALL_PORT, 2), i ? 24 : 0);
        CHECK_EQ(bus_read(&me->bus, HYPERCALL_PORT, 2), 0xffff);
        call(HYPERCALL_COLUMNS);
        CHECK_EQ(bus_read(&me->bus, HYPERCALL_PORT, 2), i ? 300 : 0);
        me->con.console.size = window;
    }
    /* The last question is answered. */
    test_console_type(&me->con, 'x');
    call(HYPERCALL_ROWS);
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), 'x');
    call(HYPERCALL_COLUMNS);
    bus_reset(&me->bus);
    CHECK_EQ(in(), 0xff);
}

static void getchar_is_each_callers_own(void)
{
    setup();
    for (int i = 0; i < 3; i++)
        test_console_type(&vcpu[i].con, '0' + i);
    me = &vcpu[0];
    call(HYPERCALL_GETCHAR);
    me = &vcpu[2];
    call(HYPERCALL_GETCHAR);
    me = &vcpu[1];
    CHECK_EQ(in(), 0xff);
    me = &vcpu[0];
    CHECK_EQ(in(), '0');
    me = &vcpu[1];
    call(HYPERCALL_GETCHAR);
    CHECK_EQ(in(), '1');
    me = &vcpu[2];
    CHECK_EQ(in(), '2');
    CHECK_EQ(in(), 0xff);
}

static void call_write(uint32_t esi, uint32_t ecx)
{
    me->regs = (struct hypercall_regs){.ecx = ecx, .esi = esi};
    call(HYPERCALL_WRITE);
}

static void writes_memory(void)
{
    setup();
    memcpy(memory + 0x1ffb, "hello", 5);
    call_write(0x1ffb, 5);
    CHECK(!strcmp(me->con.out, "hello"));
    CHECK_EQ(me->asked, 1);
    call_write(0x1ffb, 6);
    call_write(0x1fff, 0xffffffff);
    call_write(0xffffffff, 1);
    call_write(0xffffffff, 0xffffffff);
    call_write(0x2000, 1);
    call_write(0xc0000000, 1);
    call_write(0x2000, 0);
    call_write(0x1000, 0);
    CHECK_EQ(me->con.nout, 5);
    call_write(0x1ffb, 4);
    CHECK(!strcmp(me->con.out, "hellohell"));
}

static void ignores_the_rest(void)
{
    setup();
    for (int f = HYPERCALL_COLUMNS + 1; f < 256; f++) {
        call_with(f, 'x');
        bus_write(&me->bus, HYPERCALL_PORT, 2, 0x4100 | f);
    }
    for (int f = 0; f < 256; f++)
        bus_write(&me->bus, HYPERCALL_PORT + 1, 1, f);
    CHECK_EQ(in(), 0xff);
    CHECK_EQ(me->con.nout, 0);
    CHECK_EQ(me->asked, 0);
    CHECK_EQ(me->status, (unsigned long long)-1);
}

static void random_accesses(void)
{
    setup();
    srand(0x500);
    for (int i = 0; i < 300000; i++) {
        me = &vcpu[rand() % 3];
        me->con.nout = 0;
        me->regs =
            (struct hypercall_regs){rand() * 2u, rand() >> rand() % 32, rand() >> rand() % 32};
        if (rand() % 2)
            bus_write(&me->bus, HYPERCALL_PORT + rand() % 2, 1 << rand() % 4, rand());
        else
            bus_read(&me->bus, HYPERCALL_PORT + rand() % 2, 1 << rand() % 4);
    }
}

static void test_describe(void)
{
    static const struct {
        uint8_t function;
        const char *text;
    } calls[] = {
        {HYPERCALL_EXIT, "EXIT 65"},    {HYPERCALL_PUTCHAR, "PUTCHAR 'A'"},
        {HYPERCALL_GETCHAR, "GETCHAR"}, {HYPERCALL_PUTNUM, "PUTNUM 321"},
        {HYPERCALL_NEWLINE, "NEWLINE"}, {HYPERCALL_WRITE, "WRITE 4294967295 bytes at 0xfffffffe"},
        {0x77, "0x77, unknown"},
    };
    struct hypercall_regs r = {.ebx = 0x10141, .ecx = 0xffffffff, .esi = 0xfffffffe};
    char text[64];

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        port_hypercall_describe(calls[i].function, &r, text, sizeof(text));
        CHECK(!strcmp(text, calls[i].text));
    }
    r.ebx = '\n';
    port_hypercall_describe(HYPERCALL_PUTCHAR, &r, text, sizeof(text));
    CHECK(!strcmp(text, "PUTCHAR 0xa"));
}

int main(void)
{
    return test_main((struct test[]){
        {abi, "the constants are those of the published table"},
        {exits, "EXIT carries BL, or AH in a word"},
        {puts_to_the_callers_console, "PUTCHAR and NEWLINE write to the caller's console"},
        {numbers, "PUTNUM writes BX in decimal"},
        {getchar_answers_once, "GETCHAR is answered by one read"},
        {size, "ROWS and COLUMNS tell the window's size"},
        {getchar_is_each_callers_own, "GETCHAR is each vCPU's own"},
        {writes_memory, "WRITE writes from RAM, and nothing from elsewhere"},
        {ignores_the_rest, "unknown functions do nothing"},
        {random_accesses, "random accesses do no harm"},
        {test_describe, "calls in words"},
        {0},
    });
}

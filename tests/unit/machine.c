// SPDX-License-Identifier: MIT
/*
 * The board with an engine, $MINIVM_ENGINE or soft, and guests of a few real-mode instructions,
 * which every KVM runs. Skipped where there is none.
 *
 * engines: kvm soft
 */
#include "hw/die.h"
#include "tests/unit/kvm.h"
#include "tests/unit/test.h"
#include "x86/machine.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    BASE = 0x10000, /* where the first guest is, and */
    NEXT = 0x10000, /* how far from it the next */
    COUNT = 0x100,  /* in a guest's place: where it counts */
    LIMIT_S = 60,
};

/* A guest: what stands between two labels, run at offset 0 of its segment. It exits by `exit`. */
#define GUEST(name, code)                                                                          \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n" #name ":\n" code "\n" #name  \
            "_end:\n.att_syntax\n.code64\n.popsection")

/* Ends the guest with the status in AH. */
#define EXIT "mov al, 0\nmov dx, 0x500\nout dx, ax\nhlt\n"

/* Lets vector v of the PIC, which serves IRQ v - 0x20, come to the label handler; masks all but
 * mask's zero bits. */
#define SERVE(name, v, mask)                                                                       \
    "xor ax, ax\nmov ds, ax\nmov word ptr [" #v " * 4], offset " #name "_handler - " #name "\n"    \
    "mov [" #v " * 4 + 2], cs\n"                                                                   \
    "mov al, 0x11\nout 0x20, al\nmov al, 0x20\nout 0x21, al\nmov al, 4\nout 0x21, al\n"            \
    "mov al, 1\nout 0x21, al\nmov al, " #mask "\nout 0x21, al\n"

GUEST(halt, "hlt");
GUEST(exit_7, "mov ah, 7\n" EXIT);
GUEST(sleep_for_ever, "sti\n1: hlt\njmp 1b");
GUEST(counter, "xor bx, bx\n1: inc bx\nmov cs:[0x100], bx\njmp 1b");
GUEST(spin, "jmp spin");
GUEST(doze_off, "1: cmp byte ptr cs:[0x100], 0\nje 1b\nsti\n2: hlt\njmp 2b");
GUEST(timer, SERVE(timer, 0x20, 0xfe) "mov al, 0x30\nout 0x43, al\nmov al, 0xff\nout 0x40, al\n"
                                      "mov al, 0x10\nout 0x40, al\nsti\n1: hlt\njmp 1b\n"
                                      "timer_handler: mov ah, 32\n" EXIT);
GUEST(busy, SERVE(busy, 0x20, 0xfe) "mov al, 0x30\nout 0x43, al\nmov al, 0xff\nout 0x40, al\n"
                                    "mov al, 0x10\nout 0x40, al\nsti\n1: jmp 1b\n"
                                    "busy_handler: mov ah, 33\n" EXIT);
GUEST(typist,
      SERVE(typist, 0x24, 0xef) "mov dx, 0x3f9\nmov al, 1\nout dx, al\nsti\n"
                                "1: hlt\njmp 1b\n"
                                "typist_handler: mov dx, 0x3f8\nin al, dx\nmov ah, al\n" EXIT);
GUEST(reset, "mov al, 0xfe\nout 0x64, al\n1: jmp 1b");
GUEST(speak, "mov si, offset 1f - speak\nmov cx, 5\nmov dx, 0x3f8\nrep outsb\nhlt\n"
             "1: .ascii \"hello\"");

/* To above RAM's end, where no instructions are, without an interrupt table. */
GUEST(nowhere, "lidt cs:[1f - nowhere]\njmp 0xffff:0x1000\n1: .space 6");

static const struct engine *engine = &soft_engine;
static struct machine *m;
static struct test_console console;
static struct timer limit;

static struct still last_look;

static void looked(struct still *s)
{
    CHECK(s->all);
    machine_release(m);
    machine_stop(m, STOP_TIMEOUT);
}

static void time_is_up(struct timer *t)
{
    (void)t;
    last_look.ready = looked;
    machine_hold(m, &last_look, 10000);
}

static void load(int cpu, const uint8_t *code, const uint8_t *end)
{
    struct cpu_state s;
    uint32_t base = BASE + cpu * NEXT;

    memcpy(ram_at(&m->ram, base, end - code), code, end - code);
    cpu_real_mode(&s, base);
    m->engine->set(&m->vcpu[cpu], &s);
}

static void build(int cpus)
{
    struct config config = {.engine = engine, .ram = 1 << 20, .cpus = cpus, .guests = cpus};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    struct console *consoles[PC_MAX_CPUS];

    for (int i = 0; i < cpus; i++)
        consoles[i] = &console.console;
    machine_build(m, &config, consoles);
    clock_add(&m->clock, &limit, time_is_up);
    clock_arm(&m->clock, &limit, LIMIT_S * NS_PER_SECOND);
}

static void teardown(void)
{
    machine_free(m);
    free(m);
}

/* Run one guest on one CPU. */
#define RUN(name) (build(1), load(0, name, name##_end), machine_run(m))

static void test_halt(void)
{
    CHECK_EQ(RUN(halt), STOP_EXIT);
    CHECK_EQ(m->status, 0);
    teardown();
}

static void test_exit(void)
{
    CHECK_EQ(RUN(exit_7), STOP_EXIT);
    CHECK_EQ(m->status, 7);
    teardown();
}

static void test_output(void)
{
    CHECK_EQ(RUN(speak), STOP_EXIT);
    CHECK(!strcmp(console.out, "hello"));
    teardown();
}

/* The PIC wakes a CPU that waits in HLT, and interrupts one that does not. */
static void test_interrupts(void)
{
    CHECK_EQ(RUN(timer), STOP_EXIT);
    CHECK_EQ(m->status, 32);
    teardown();
    CHECK_EQ(RUN(busy), STOP_EXIT);
    CHECK_EQ(m->status, 33);
    teardown();

    build(1);
    load(0, typist, typist_end);
    test_console_type(&console, 'A');
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 'A');
    teardown();
}

static void test_several(void)
{
    build(4);
    for (int i = 0; i < 4; i++)
        load(i, i == 2 ? exit_7 : halt, i == 2 ? exit_7_end : halt_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    for (int i = 0; i < 4; i++) {
        CHECK(m->vcpu[i].exited);
        CHECK_EQ(m->vcpu[i].status, i == 2 ? 7 : 0);
    }
    teardown();
}

/* Each CPU has its own chips: the second one's PIT and PIC serve it, and not the first. */
static void test_boards(void)
{
    build(2);
    load(0, exit_7, exit_7_end);
    load(1, timer, timer_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->vcpu[0].status, 7);
    CHECK_EQ(m->vcpu[1].status, 32);
    teardown();
}

/* The end of one guest is what another waits for. */
static void type_after(void *to, struct vcpu *v)
{
    (void)to;
    if (v->index == 0)
        test_console_type(&console, 'B');
}

static int ended[2];

static void note_end(void *to, struct vcpu *v)
{
    CHECK(to == ended && v->exited);
    ended[v->index]++;
}

/* One guest's crash, or reset, is not the others' end. */
static void test_containment(void)
{
    build(2);
    m->config.ended = note_end;
    m->config.ended_to = ended;
    load(0, nowhere, nowhere_end);
    load(1, timer, timer_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK(m->vcpu[0].crash != VCPU_KICKED);
    CHECK_EQ(m->vcpu[0].status, EXIT_CRASH);
    CHECK_EQ(m->vcpu[0].state.cs.selector, 0xffff);
    CHECK_EQ(m->vcpu[1].crash, VCPU_KICKED);
    CHECK_EQ(m->vcpu[1].status, 32);
    CHECK_EQ(ended[0], 1);
    CHECK_EQ(ended[1], 1);
    teardown();

    build(2);
    load(0, reset, reset_end);
    load(1, timer, timer_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->vcpu[0].status, 0);
    CHECK_EQ(m->vcpu[1].status, 32);
    teardown();
}

static void switch_off(struct timer *t)
{
    (void)t;
    irq_set(&m->board[0].power_port.off, true);
}

/* A board's wires lead to its own guest, whoever pulls them: here a timer. */
static void test_wires(void)
{
    struct timer off = {0};

    build(2);
    load(0, spin, spin_end);
    load(1, typist, typist_end);
    clock_add(&m->clock, &off, switch_off);
    clock_arm(&m->clock, &off, 0);
    m->config.ended = type_after;
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->vcpu[0].status, 0);
    CHECK_EQ(m->vcpu[0].crash, VCPU_KICKED);
    CHECK_EQ(m->vcpu[1].status, 'B');
    clock_remove(&m->clock, &off);
    teardown();
}

/* One guest, one board, no local APICs: its crash is the machine's end. */
static void test_one_guest(void)
{
    enum machine_stop why = RUN(nowhere);

    CHECK(why == STOP_SHUTDOWN || why == STOP_FAILED);
    CHECK(m->culprit == &m->vcpu[0]);
    CHECK_EQ(m->vcpu[0].state.cs.selector, 0xffff);
    teardown();
}

/* Stopped by the time limit, whatever it is doing, and inspected before. */
static void test_inspect(void)
{
    for (int i = 0; i < 2; i++) {
        build(1);
        load(0, i ? spin : sleep_for_ever, i ? spin_end : sleep_for_ever_end);
        clock_arm(&m->clock, &limit, 0);
        CHECK_EQ(machine_run(m), STOP_TIMEOUT);
        CHECK(m->vcpu[0].inspected);
        CHECK_EQ(m->vcpu[0].state.cs.base, BASE);
        if (i)
            CHECK(!m->vcpu[0].waiting);
        teardown();
    }
}

static void out(uint16_t port, uint8_t val)
{
    bus_write(&m->board[0].pio, port, 1, val);
}

/* The fastest timer costs the host nothing while its interrupt waits to be taken. */
static void test_unheard_timer(void)
{
    build(1);
    clock_arm(&m->clock, &limit, CLOCK_NEVER);
    out(0x43, 0x34); /* counter 0, mode 2 */
    out(0x40, 2);
    out(0x40, 0);
    CHECK(clock_next(&m->clock) != CLOCK_NEVER);
    while (clock_now(&m->clock) < NS_PER_SECOND && clock_next(&m->clock) != CLOCK_NEVER)
        clock_run(&m->clock);
    CHECK_EQ(clock_next(&m->clock), CLOCK_NEVER);
    out(0x20, 0x11); /* the PIC is initialised: what was before is forgotten */
    out(0x21, 0x20);
    out(0x21, 4);
    out(0x21, 1);
    CHECK(clock_next(&m->clock) != CLOCK_NEVER);
    while (!m->vcpu[0].intr)
        clock_run(&m->clock);
    while (clock_now(&m->clock) < 2 * NS_PER_SECOND && clock_next(&m->clock) != CLOCK_NEVER)
        clock_run(&m->clock);
    CHECK_EQ(clock_next(&m->clock), CLOCK_NEVER);
    CHECK_EQ(machine_ack(&m->vcpu[0]), 0x20);
    CHECK(clock_next(&m->clock) != CLOCK_NEVER);
    teardown();
}

/* A deadline that the host's clock does not reach is none for the host's timer. */
static void test_far_deadline(void)
{
    uint64_t count;

    build(1);
    clock_arm(&m->clock, &limit, CLOCK_NEVER - 1);
    CHECK(read(m->alarm.fd, &count, sizeof(count)) < 0);
    teardown();
}

/* A guest that counts in its RAM. */
static uint32_t counted(int cpu)
{
    return *(volatile uint32_t *)ram_at(&m->ram, BASE + cpu * NEXT + COUNT, 4);
}

static struct still hold;
static struct timer look;
static uint32_t before[2];
static int looks;

/* They stood still all the time; the second time they have moved on. */
static void look_again(struct timer *t)
{
    (void)t;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(counted(i), before[i]);
        CHECK_EQ(m->vcpu[i].state.cs.base, BASE + i * NEXT);
    }
    machine_release(m);
    if (++looks == 2)
        machine_stop(m, STOP_QUIT);
    else
        machine_hold(m, &hold, 10000);
}

static void stands_still(struct still *s)
{
    CHECK(s->all && s == &hold);
    for (int i = 0; i < 2; i++) {
        CHECK(m->vcpu[i].still && m->vcpu[i].inspected);
        before[i] = counted(i);
    }
    clock_arm(&m->clock, &look, clock_now(&m->clock) + NS_PER_SECOND / 100);
}

static void start_holding(struct timer *t)
{
    if (counted(0) && counted(1))
        machine_hold(m, &hold, 10000);
    else
        clock_arm(&m->clock, t, clock_now(&m->clock) + NS_PER_SECOND / 1000);
}

static void build_counters(void (*begin)(struct timer *t), struct timer *start)
{
    build(2);
    for (int i = 0; i < 2; i++)
        load(i, counter, counter_end);
    clock_add(&m->clock, start, begin);
    clock_arm(&m->clock, start, 0);
}

static void test_still(void)
{
    struct timer start;

    build_counters(start_holding, &start);
    clock_add(&m->clock, &look, look_again);
    hold.ready = stands_still;
    looks = 0;
    CHECK_EQ(machine_run(m), STOP_QUIT);
    CHECK_EQ(looks, 2);
    teardown();
}

/* One CPU goes step by step through `counter`, the other stands. */
static void stepped(struct still *s)
{
    static const uint64_t next[] = {[2] = 3, [3] = 8, [8] = 2}; /* of each instruction */
    static uint64_t rip;

    CHECK(s->all);
    if (!looks)
        before[0] = counted(0);
    else
        CHECK_EQ(m->vcpu[1].state.rip, next[rip]);
    CHECK_EQ(counted(0), before[0]);
    rip = m->vcpu[1].state.rip;
    if (looks++ < 6) {
        machine_step(&m->vcpu[1], s, 10000);
    } else {
        machine_release(m);
        machine_stop(m, STOP_QUIT);
    }
}

static void test_step(void)
{
    struct timer start;

    build_counters(start_holding, &start);
    hold.ready = stepped;
    looks = 0;
    CHECK_EQ(machine_run(m), STOP_QUIT);
    CHECK_EQ(looks, 7);
    teardown();
}

/* Step by step into HLT, which is the last one: the CPU stands still in it, too. */
static void stepped_to_sleep(struct still *s)
{
    struct vcpu *v = &m->vcpu[0];

    CHECK(s->all && v->inspected);
    *(volatile uint8_t *)ram_at(&m->ram, BASE + COUNT, 1) = 1;
    if (s->all && !v->waiting && looks++ < 10) {
        machine_step(v, s, 10000);
        return;
    }
    /* A KVM that interprets real mode may step over HLT. */
    CHECK(engine != &soft_engine || (v->waiting && v->state.rflags & EFLAGS_IF));
    machine_release(m);
    machine_stop(m, STOP_QUIT);
}

static void hold_now(struct timer *t)
{
    (void)t;
    machine_hold(m, &hold, 10000);
}

static void test_step_to_sleep(void)
{
    struct timer start;

    build(1);
    load(0, doze_off, doze_off_end);
    clock_add(&m->clock, &start, hold_now);
    clock_arm(&m->clock, &start, 0);
    hold.ready = stepped_to_sleep;
    looks = 0;
    CHECK_EQ(machine_run(m), STOP_QUIT);
    teardown();
}

/* ---- an engine that does not come back ---- */

static bool let_go, with_lock;

static enum vcpu_stop run_for_ever(struct vcpu *v)
{
    if (with_lock)
        pthread_mutex_lock(&v->machine->lock);
    machine_stop(v->machine, STOP_QUIT);
    while (!__atomic_load_n(&let_go, __ATOMIC_ACQUIRE))
        usleep(1000);
    if (with_lock)
        pthread_mutex_unlock(&v->machine->lock);
    return VCPU_KICKED;
}

static void test_stuck(void)
{
    const struct engine *real = engine;
    struct engine stuck = *engine;

    stuck.run = run_for_ever;
    for (int i = 0; i < 2; i++) {
        engine = &stuck;
        let_go = false;
        with_lock = i;
        CHECK_EQ(RUN(spin), STOP_QUIT);
        CHECK_EQ(m->stuck, 1);
        engine = real;

        /* Not so for ever, after all. */
        __atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
        m->stuck = 0;
        teardown();
    }
}

/* After a reset another guest runs in the same machine, in clean RAM. */
static void test_reset(void)
{
    CHECK_EQ(RUN(reset), STOP_RESET);
    machine_reset(m);
    CHECK_EQ(*(uint8_t *)ram_at(&m->ram, BASE, 1), 0);
    load(0, timer, timer_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 32);

    /* A CPU whose exit was overtaken by a reset has left before it begins anew. */
    m->stop = STOP_RESET;
    machine_reset(m);
    CHECK(!m->vcpu[0].joins);
    load(0, exit_7, exit_7_end);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 7);
    teardown();
}

static struct worker storage;
static struct watch user;
static bool over;

static void wants_out(struct watch *w)
{
    event_hush(w);
    machine_stop(m, STOP_QUIT);
}

/* The guest resets the machine while its storage does not answer; then the user wants out. */
static void *hang(void *unused)
{
    CHECK(worker_begin(&storage));
    machine_stop(m, STOP_RESET);
    while (!vcpu_is_still(&m->vcpu[0]))
        usleep(1000);
    usleep(200000);
    event_ring(&user);
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
        usleep(1000);
    worker_end(&storage);
    return unused;
}

/* A reset waits long for storage, but the user need not. */
static void test_way_out(void)
{
    pthread_t thread;

    build(1);
    machine_add_worker(m, &storage);
    event_bell(&user, wants_out);
    user.urgent = true;
    event_add(&m->loop, &user);
    load(0, spin, spin_end);
    over = false;
    CHECK(!pthread_create(&thread, NULL, hang, NULL));
    CHECK_EQ(machine_run(m), STOP_QUIT);
    CHECK_EQ(m->stuck, 1);
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    m->stuck = 0;
    event_remove(&m->loop, &user);
    close(user.fd);
    teardown();
}

/* The first reason for a stop stands, but the user's wish is above a reset. */
static void test_reasons(void)
{
    build(1);
    machine_stop(m, STOP_RESET);
    machine_stop(m, STOP_POWEROFF);
    CHECK_EQ(m->stop, STOP_RESET);
    machine_stop(m, STOP_QUIT);
    CHECK_EQ(m->stop, STOP_QUIT);
    machine_stop(m, STOP_TIMEOUT);
    CHECK_EQ(m->stop, STOP_QUIT);
    load(0, spin, spin_end);
    CHECK_EQ(machine_run(m), STOP_QUIT);
    teardown();

    build(1);
    machine_stop(m, STOP_RESET);
    machine_stop(m, STOP_SIGNAL);
    CHECK_EQ(m->stop, STOP_SIGNAL);
    load(0, spin, spin_end);
    CHECK_EQ(machine_run(m), STOP_SIGNAL);
    teardown();
}

int main(void)
{
    const struct test tests[] = {
        {test_halt, "HLT with interrupts off ends a CPU"},
        {test_exit, "EXIT ends it with a status"},
        {test_output, "string output arrives"},
        {test_interrupts, "the PIC wakes and interrupts"},
        {test_several, "the machine ends with the last of several guests"},
        {test_boards, "each of several guests has a board of its own"},
        {test_containment, "one guest's crash is not the others' end"},
        {test_wires, "a board's wires end its own guest, whoever pulls them"},
        {test_one_guest, "one guest without local APICs: its crash is the machine's"},
        {test_inspect, "a guest that sleeps or spins is inspected and stopped"},
        {test_unheard_timer, "a timer that nobody hears does not wake the host"},
        {test_far_deadline, "a deadline near 2^64 ns is not due at once"},
        {test_still, "the machine stands still, is looked at, and goes on"},
        {test_step, "one CPU steps while the other stands still"},
        {test_step_to_sleep, "a CPU steps into HLT, and stands still there"},
        {test_stuck, "a CPU that does not come back is left after two seconds"},
        {test_reset, "after a reset all is new"},
        {test_way_out, "a reset waits for storage, the user does not"},
        {test_reasons, "the first reason for a stop stands"},
        {0},
    };

    return test_main_engine(tests, &engine);
}

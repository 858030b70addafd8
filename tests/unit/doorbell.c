// SPDX-License-Identifier: MIT
/*
 * Workers and doorbells in a machine, with an engine, $MINIVM_ENGINE or soft, and guests of a few
 * real-mode instructions. Skipped where there is no such engine.
 *
 * engines: kvm soft
 */
#include "tests/unit/kvm.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/machine.h"

#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BASE = 0x10000, /* where the guest is */
    PORT = 0xc010,
    BEYOND = 0x100010, /* behind its RAM */
};

#define GUEST(name, code)                                                                          \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n" #name ":\n" code "\n" #name  \
            "_end:\n.att_syntax\n.code64\n.popsection")

GUEST(ports, "mov dx, 0xc010\nmov ax, 5\nout dx, ax\nmov ax, 6\nout dx, ax\nout dx, al\n"
             "mov dx, 0xc012\nout dx, ax\nhlt");
GUEST(memory, "mov ax, 0xffff\nmov ds, ax\nmov word ptr [0x20], 5\nmov word ptr [0x20], 6\n"
              "mov byte ptr [0x20], 7\nmov ax, [0x20]\nmov word ptr [0x22], 8\nhlt");

/* Kicks, and runs until somebody ends it. */
GUEST(patient, "mov dx, 0xc010\nout dx, ax\n1: jmp 1b\nhlt");

static const struct engine *engine = &soft_engine;
static struct machine *m;
static struct test_console console;

/* A chip where the doorbell is, and what comes to it. */
static int writes, bytes;

static uint64_t chip_read(struct device *d, uint64_t off, int size)
{
    (void)d, (void)off, (void)size;
    return 0;
}

static void chip_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    (void)d, (void)off, (void)val;
    writes++;
    bytes += size;
}

static struct device chip = {"chip", 4, chip_read, chip_write, .reset = NULL};

static struct doorbell bell(bool port, int match)
{
    return (struct doorbell){.port = port,
                             .addr = port ? PORT : BEYOND,
                             .match = match,
                             .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
}

/* How often did it ring? */
static uint64_t rung(const struct doorbell *b)
{
    uint64_t n = 0;

    return read(b->fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void build(FILE *trace)
{
    struct config config = {
        .engine = engine, .ram = 1 << 20, .cpus = 1, .guests = 1, .trace = trace};
    struct console *consoles[] = {&console.console};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    bus_attach(&m->board->pio, PORT, 4, &chip);
    bus_attach(&m->board->mmio, BEYOND, 4, &chip);
    writes = bytes = 0;
}

static void run(const uint8_t *code, const uint8_t *end)
{
    struct cpu_state s;

    memcpy(ram_at(&m->ram, BASE, end - code), code, end - code);
    cpu_real_mode(&s, BASE);
    m->engine->set(&m->vcpu[0], &s);
    CHECK_EQ(machine_run(m), STOP_EXIT);
}

static void teardown(void)
{
    machine_free(m);
    free(m);
}

static void doorbells(bool port, FILE *trace)
{
    const uint8_t *code = port ? ports : memory, *end = port ? ports_end : memory_end;

    for (int match = -1; match <= 6; match += 7) {
        struct doorbell b = bell(port, match);

        build(trace);
        machine_doorbell(m, &b, true);
        run(code, end);
        CHECK_EQ(rung(&b), match < 0 ? 2 : 1);
        CHECK_EQ(writes, match < 0 ? 2 : 3);
        CHECK_EQ(bytes, match < 0 ? 3 : 5);
        machine_doorbell(m, &b, false);
        teardown();
        close(b.fd);
    }
}

static void test_doorbells(void)
{
    doorbells(true, NULL);
    doorbells(false, NULL);
}

static void test_traced(void)
{
    char *text;
    size_t len;
    FILE *trace = open_memstream(&text, &len);

    doorbells(true, trace);
    fclose(trace);
    CHECK(strstr(text, "c010"));
    free(text);
}

/* One of two at a place is taken away, and then the other. */
static void test_taken_away(void)
{
    struct doorbell five = bell(true, 5), six = bell(true, 6);

    build(NULL);
    machine_doorbell(m, &five, true);
    machine_doorbell(m, &six, true);
    machine_doorbell(m, &five, false);
    run(ports, ports_end);
    CHECK_EQ(rung(&five), 0);
    CHECK_EQ(rung(&six), 1);
    CHECK_EQ(writes, 3);
    teardown();

    build(NULL);
    machine_doorbell(m, &six, true);
    machine_doorbell(m, &six, false);
    run(ports, ports_end);
    CHECK_EQ(rung(&six), 0);
    CHECK_EQ(writes, 4);
    teardown();
    close(five.fd);
    close(six.fd);
}

/* Doorbells are the machine's: another engine has them, too. */
static void test_other_engine(void)
{
    const struct engine *last = engine;
    struct doorbell b = bell(true, -1);

    engine = &soft_engine;
    build(NULL);
    machine_doorbell(m, &b, true);
    machine_use(m, last);
    engine = last;
    run(ports, ports_end);
    CHECK_EQ(rung(&b), 2);
    CHECK_EQ(writes, 2);
    machine_doorbell(m, &b, false);
    CHECK_EQ(m->doorbells.slot[0].key, 0);
    teardown();
    close(b.fd);
}

/* An engine that rings them itself, as it says. */
static bool takes(struct machine *machine, const struct doorbell *b, bool on)
{
    (void)machine, (void)b, (void)on;
    return true;
}

/* Who rings them changes with the engine. */
static void test_who_rings(void)
{
    const struct engine *other = engine;
    struct engine ringer = *engine;
    struct doorbell b = bell(true, -1);

    ringer.doorbell = takes;
    engine = &ringer;
    build(NULL);
    engine = other;
    machine_doorbell(m, &b, true);
    CHECK_EQ(m->doorbells.slot[0].key, 0);
    machine_use(m, &soft_engine);
    CHECK(m->doorbells.slot[0].key != 0);
    run(ports, ports_end);
    CHECK_EQ(rung(&b), 2);
    CHECK_EQ(writes, 2);
    machine_use(m, &ringer);
    CHECK_EQ(m->doorbells.slot[0].key, 0);
    machine_doorbell(m, &b, false);
    teardown();
    close(b.fd);
}

/* More than there is room for come to their chips. */
static void test_many(void)
{
    struct doorbell b = bell(true, -1);

    build(NULL);
    for (int i = 0; i <= DOORBELLS; i++) {
        b.addr = PORT + 2 * (DOORBELLS - i);
        machine_doorbell(m, &b, true);
    }
    run(ports, ports_end);
    CHECK_EQ(rung(&b), 1); /* the one behind it */
    CHECK_EQ(writes, 3);
    for (int i = 0; i <= DOORBELLS; i++) {
        b.addr = PORT + 2 * i;
        machine_doorbell(m, &b, false);
        CHECK(i > 0 || m->doorbells.slot[DOORBELLS - 1].there);
    }
    CHECK(!m->doorbells.slot[0].there && !m->doorbells.slot[DOORBELLS - 1].there);
    teardown();
    close(b.fd);
}

static struct worker worker;
static struct watch watch;
static sem_t go_on;

static void end_guest(struct watch *w)
{
    uint64_t n;
    const uint64_t gpa = BASE + (patient_end - patient) - 3;
    uint8_t *code = ram_at(&m->ram, gpa, 3);

    CHECK_EQ(read(w->fd, &n, sizeof(n)), sizeof(n));
    CHECK_EQ(code[0], 0xeb);
    __atomic_store_n(&code[1], 0, __ATOMIC_SEQ_CST); /* the jump leads on, to HLT */
    if (m->engine->wrote)
        m->engine->wrote(m, gpa, 2);
}

/* What a worker writes is what the guest runs. */
static void test_written(void)
{
    struct doorbell b = bell(true, -1);

    build(NULL);
    machine_add_worker(m, &worker);
    watch = (struct watch){.fd = b.fd, .ready = end_guest};
    worker_watch(&worker, &watch);
    machine_doorbell(m, &b, true);
    run(patient, patient_end);
    CHECK(worker_is_still(&worker));
    teardown();
    close(b.fd);
}

static void stop_and_wait(struct watch *w)
{
    uint64_t n;

    CHECK_EQ(read(w->fd, &n, sizeof(n)), sizeof(n));
    machine_stop(m, STOP_QUIT);
    sem_wait(&go_on);
}

/* A worker that does not come to an end is left after two seconds. */
static void test_stuck(void)
{
    struct doorbell b = bell(true, -1);
    struct cpu_state s;

    sem_init(&go_on, 0, 0);
    build(NULL);
    machine_add_worker(m, &worker);
    watch = (struct watch){.fd = b.fd, .ready = stop_and_wait};
    worker_watch(&worker, &watch);
    machine_doorbell(m, &b, true);
    memcpy(ram_at(&m->ram, BASE, patient_end - patient), patient, patient_end - patient);
    cpu_real_mode(&s, BASE);
    m->engine->set(&m->vcpu[0], &s);
    CHECK_EQ(machine_run(m), STOP_QUIT);
    CHECK_EQ(m->stuck, 1);
    CHECK(vcpu_is_still(&m->vcpu[0]));
    sem_post(&go_on); /* not so for ever, after all */
    while (!worker_is_still(&worker))
        usleep(1000);
    m->stuck = 0;
    teardown();
    close(b.fd);
}

int main(void)
{
    const struct test tests[] = {
        {test_doorbells, "doorbells ring for writes of two bytes, and of their value"},
        {test_traced, "and are told of in a trace"},
        {test_taken_away, "one that was taken away does not ring"},
        {test_other_engine, "another engine has the same ones"},
        {test_who_rings, "which rings them itself, or has them rung"},
        {test_many, "one too many comes to its chip"},
        {test_written, "the guest runs what a worker wrote"},
        {test_stuck, "a worker that does not end is left after two seconds"},
        {0},
    };

    return test_main_engine(tests, &engine);
}

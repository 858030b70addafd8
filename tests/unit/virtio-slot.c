// SPDX-License-Identifier: MIT
/*
 * A virtio device in a machine, with an engine, $MINIVM_ENGINE or soft, and a legacy driver of
 * forty lines. Skipped where there is no such engine.
 *
 * engines: kvm soft
 */
#include "x86/virtio-slot.h"
#include "tests/unit/kvm.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/machine.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    BASE = 0x10000, /* where the guest is */
    BUFFER = 0x30000,
    TAKEN = 0x23000,
    REQUESTS = 200,
};

#define GUEST(name, code)                                                                          \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n" #name ":\n" code "\n" #name  \
            "_end:\n.att_syntax\n.code64\n.popsection")

/*
 * The function has its ports at 0xc000, as it is the first. The queue is at 0x20000: descriptors,
 * at 0x1000 in it the available ring, whose entries are all 0, and at 0x2000 the used ring.
 */
#define SET_UP                                                                                     \
    "mov dx, 0xc012\nmov al, 3\nout dx, al\n"                                                      \
    "mov dx, 0xc00e\nxor ax, ax\nout dx, ax\n"                                                     \
    "mov dx, 0xc008\nmov eax, 0x20\nout dx, eax\n"                                                 \
    "mov dx, 0xc012\nmov al, 7\nout dx, al\n"                                                      \
    "mov ax, 0x2000\nmov es, ax\n"                                                                 \
    "mov dword ptr es:[0], 0x30000\nmov dword ptr es:[8], 1\n"                                     \
    "mov word ptr es:[12], 2\n"

/* Makes REQUESTS requests one after the other, waits for the interrupt, and ends with the cause in
 * AH. */
GUEST(driver, SET_UP "mov cx, 200\nmov dx, 0xc010\n"
                     "1: inc word ptr es:[0x1002]\n"
                     "xor ax, ax\nout dx, ax\n"
                     "2: mov ax, es:[0x1002]\ncmp ax, es:[0x2002]\njne 2b\n"
                     "loop 1b\n"
                     "mov dx, 0xc013\n"
                     "3: in al, dx\ntest al, al\njz 3b\n"
                     "mov ah, al\nmov al, 0\nmov dx, 0x500\nout dx, ax\nhlt\n");

/* Makes one, waits for a byte at 0x23000, resets the device, and ends with status 1. */
GUEST(resetter, SET_UP "inc word ptr es:[0x1002]\n"
                       "mov dx, 0xc010\nxor ax, ax\nout dx, ax\n"
                       "1: cmp byte ptr es:[0x3000], 0\nje 1b\n"
                       "mov dx, 0xc012\nmov al, 0\nout dx, al\n"
                       "mov ax, 0x100\nmov dx, 0x500\nout dx, ax\nhlt\n");

static const struct engine *engine = &soft_engine;
static struct machine *m;
static struct test_console console;
static struct worker worker;
static struct virtio device;
static struct virtio_slot slot;
static int echoes, in_worker, quicks;

static bool echo(struct virtio *d, int q)
{
    static struct virtq_chain c;
    uint8_t byte = echoes + 1;

    CHECK_EQ(q, 0);
    if (!virtq_pop(d, q, &c))
        return false;
    echoes++;
    virtq_push(d, q, &c, chain_write(&c, 0, &byte, 1));
    return true;
}

static void kicked(struct virtio *d, int q)
{
    while (echo(d, q))
        in_worker += !worker.in_line && pthread_equal(pthread_self(), worker.thread);
}

/* Of three requests it leaves one to the worker. */
static bool quick(struct virtio *d, int q)
{
    CHECK(pthread_equal(pthread_self(), m->vcpu[0].thread));
    if (echoes % 3 == 2)
        return false;
    quicks += echo(d, q);
    return true;
}

static const struct virtio_kind slow_kind = {.name = "virtio-test", .id = 2, .kicked = kicked};
static const struct virtio_kind quick_kind = {
    .name = "virtio-test", .id = 2, .kicked = kicked, .quick = quick};

static void build_with(bool instruction_clock, const struct virtio_kind *kind)
{
    struct config config = {.engine = engine,
                            .ram = 1 << 20,
                            .cpus = 1,
                            .guests = 1,
                            .instruction_clock = instruction_clock};
    struct console *consoles[] = {&console.console};
    struct cpu_state s;

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    machine_add_worker(m, &worker);

    struct virtio_memory memory = virtio_slot_memory(m);

    virtio_init(&device, kind, 0, 1, &memory, &worker);
    virtio_slot_init(&slot, m, &m->board->pci, &device);
    echoes = in_worker = quicks = 0;
    memcpy(ram_at(&m->ram, BASE, driver_end - driver), driver, driver_end - driver);
    cpu_real_mode(&s, BASE);
    m->engine->set(&m->vcpu[0], &s);
}

/* It keeps what it takes, and says so. */
static void keep(struct virtio *d, int q)
{
    static struct virtq_chain c;

    while (virtq_pop(d, q, &c)) {
        virtio_begin(d);
        *(volatile uint8_t *)ram_at(&m->ram, TAKEN, 1) = 1;
    }
}

static const struct virtio_kind keeping_kind = {.name = "virtio-test", .id = 2, .kicked = keep};

/* Give it back, but only when the driver has waited for a while. */
static void *give_back(void *arg)
{
    while (!virtio_is_resetting(&device))
        usleep(1000);
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&m->lock);
        CHECK(!machine_stopping(m));
        CHECK_EQ(bus_read(&m->vcpu[0].pio, 0xc012, 1), 7);
        pthread_mutex_unlock(&m->lock);
        usleep(1000);
    }
    worker_enter(&worker);
    virtio_end(&device);
    worker_leave(&worker);
    return arg;
}

/* By the legacy interface the CPU that resets a device waits until that is finished, and nobody
 * else does. */
static void test_reset(void)
{
    pthread_t thread;

    build_with(false, &keeping_kind);
    memcpy(ram_at(&m->ram, BASE, resetter_end - resetter), resetter, resetter_end - resetter);
    CHECK(!event_thread(&thread, give_back, NULL));
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 1);
    CHECK_EQ(device.s.status, 0);
    pthread_join(thread, NULL);
    machine_free(m);
    virtio_slot_free(&slot);
    free(m);
}

static void build(bool instruction_clock)
{
    build_with(instruction_clock, &slow_kind);
}

static void check_ran(void)
{
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 1);
    CHECK_EQ(echoes, REQUESTS);
    CHECK_EQ(*(uint8_t *)ram_at(&m->ram, BUFFER, 1), REQUESTS & 0xff);
}

static void teardown(void)
{
    machine_free(m);
    virtio_slot_free(&slot);
    free(m);
}

static void test_thread(void)
{
    build(false);
    check_ran();
    CHECK(in_worker > REQUESTS / 2); /* all but one that it may find as it starts */

    /* The reset takes the device to where it was. */
    m->stop = STOP_RESET;
    machine_reset(m);
    CHECK_EQ(device.s.status, 0);
    CHECK_EQ(slot.pci.bell[0].addr, PCI_NOWHERE);

    struct cpu_state s;

    echoes = 0;
    memcpy(ram_at(&m->ram, BASE, driver_end - driver), driver, driver_end - driver);
    cpu_real_mode(&s, BASE);
    m->engine->set(&m->vcpu[0], &s);
    check_ran();
    teardown();
}

/* Where a kick comes to minivm, the CPU's thread does what is done at once. The bell that KVM rings
 * does not. */
static void test_quick(void)
{
    build_with(false, &quick_kind);
    check_ran();
    CHECK(in_worker > 0);
    CHECK_EQ(quicks > 0, engine == &soft_engine);
    teardown();
}

/* A kick from before a reset finds the queue that the driver has set up for the next time. */
static void test_late_kick(void)
{
    build(false);
    virtio_set_status(&device, 3, true);
    device.s.q[0].desc = 0x20000;
    device.s.q[0].avail = 0x21000;
    device.s.q[0].used = 0x22000;
    virtq_enable(&device, 0);
    CHECK(device.s.q[0].enabled);
    slot.bell[0].watch.ready(&slot.bell[0].watch);
    CHECK(!device.s.begun);
    virtio_kick(&device, 0);
    CHECK(device.s.begun);
    teardown();
}

/* What the machine's own devices have beside their queues is reset, too. */
static void test_devices(void)
{
    struct config config = {.engine = engine, .ram = 1 << 20, .cpus = 1, .guests = 1, .apic = true};
    struct console *consoles[] = {&console.console};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    m->board->devices.rng.s.next = 5;
    m->stop = STOP_RESET;
    machine_reset(m);
    CHECK_EQ(m->board->devices.rng.s.next, 0);
    machine_free(m);
    free(m);
}

/* With the instruction clock each run is the same, to the last instruction. */
static void test_in_line(void)
{
    uint64_t first = 0;

    if (!engine->instructions)
        return;
    for (int i = 0; i < 3; i++) {
        build(true);
        CHECK(worker.in_line);
        check_ran();
        vcpu_join(&m->vcpu[0]); /* its EXIT was not quite its end */
        uint64_t count = m->engine->instructions(&m->vcpu[0]);

        CHECK(count > REQUESTS);
        CHECK(!first || count == first);
        first = count;
        teardown();
    }
}

int main(void)
{
    const struct test tests[] = {
        {test_thread, "a legacy driver's requests are served by a worker, also after a reset"},
        {test_quick, "what is done at once is done in the CPU's thread, on engine soft"},
        {test_late_kick, "a kick from before a reset does not begin the device"},
        {test_reset, "a legacy driver's CPU waits for the end of a reset, and nobody else does"},
        {test_devices, "the machine's reset reaches devices whole"},
        {test_in_line, "with the instruction clock they are served in line, the same each time"},
        {0},
    };

    return test_main_engine(tests, &engine);
}

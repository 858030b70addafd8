// SPDX-License-Identifier: MIT
/*
 * Calls: how a device with a worker interrupts a guest by MSI-X, with an engine, $MINIVM_ENGINE or
 * soft; and what KVM is told of them. A guest in real mode has a legacy driver of sixty lines.
 * Skipped where there is no such engine.
 *
 * engines: kvm soft
 */
#include "x86/call.h"
#include "tests/unit/kvm.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/machine.h"
#include "x86/virtio-slot.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BASE = 0x10000, /* where the guest is */
    BUFFER = 0x30000,
    REQUESTS = 500,
    MANY = 128, /* messages before the engine is told */

    CAPABILITY = 0x40, /* of MSI-X */
    ENABLE = 0x8000,
    MASK_ALL = 0x4000,
    PBA = 0x800,
    VECTOR = 0x40,
    NO_VECTOR = 0xffff,
};

#define APIC UINT64_C(0xfee00000)

#define GUEST(name, code)                                                                          \
    extern const uint8_t name[], name##_end[];                                                     \
    __asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n" #name ":\n" code "\n" #name  \
            "_end:\n.att_syntax\n.code64\n.popsection")

/*
 * Enables its local APIC as x2APIC, and begins with a device whose ports are at 0xc000: queue 0 has
 * vector 0, and is at 0x20000 as in tests/unit/virtio-slot. Makes REQUESTS requests, one after the
 * other, waits for the interrupt of each in HLT, and ends with status 7.
 */
GUEST(driver, "xor ax, ax\nmov ds, ax\n"
              "mov word ptr [4 * 0x40], offset 4f - driver\nmov [4 * 0x40 + 2], cs\n"
              "mov ecx, 0x1b\nrdmsr\nor ax, 0xc00\nwrmsr\n"
              "mov ecx, 0x80f\nmov eax, 0x1ff\nxor edx, edx\nwrmsr\n"
              "mov dx, 0xc012\nmov al, 3\nout dx, al\n"
              "mov dx, 0xc00e\nxor ax, ax\nout dx, ax\n"
              "mov dx, 0xc016\nout dx, ax\n"
              "mov dx, 0xc008\nmov eax, 0x20\nout dx, eax\n"
              "mov ax, 0x2000\nmov es, ax\n"
              "mov dword ptr es:[0], 0x30000\nmov dword ptr es:[8], 1\n"
              "mov word ptr es:[12], 2\n"
              "mov dx, 0xc012\nmov al, 7\nout dx, al\n"
              "mov bp, 500\n"
              "1: xor bx, bx\ninc word ptr es:[0x1002]\n"
              "xor ax, ax\nmov dx, 0xc010\nout dx, ax\n"
              "2: cli\ntest bx, bx\njnz 3f\nsti\nhlt\njmp 2b\n"
              "3: sti\ndec bp\njnz 1b\n"
              "mov ax, 0x700\nmov dx, 0x500\nout dx, ax\nhlt\n"
              "4: mov ax, es:[0x1002]\ncmp ax, es:[0x2002]\njne 5f\ninc bx\n"
              "5: push edx\nxor eax, eax\nxor edx, edx\nmov ecx, 0x80b\nwrmsr\npop edx\niret\n");

static const struct engine *engine = &soft_engine;
static struct machine *m;
static struct test_console console;
static struct worker worker;
static struct virtio device;
static struct virtio_slot slot;
static int echoes;

/* What KVM was asked for. */
static int tables, messages, taken, hung_up;
static unsigned long failing; /* the call that fails, 0 for none */
static bool pretend;          /* to have taken a call, and nobody reads it */

/* In the place of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
    const struct kvm_irqfd *irqfd;
    va_list ap;

    va_start(ap, request);
    void *arg = va_arg(ap, void *);

    va_end(ap);
    if (request == failing) {
        errno = EIO;
        return -1;
    }
    /* Threads of all kinds come here, but only with the machine locked for these. */
    if (request == KVM_SET_GSI_ROUTING)
        tables++;
    if (request == KVM_SIGNAL_MSI)
        messages++;
    if (request == KVM_IRQFD) {
        irqfd = arg;
        *(irqfd->flags & KVM_IRQFD_FLAG_DEASSIGN ? &hung_up : &taken) += 1;
        if (pretend)
            return 0;
    }
    return syscall(SYS_ioctl, fd, request, arg);
}

static void kicked(struct virtio *d, int q)
{
    static struct virtq_chain c;

    while (virtq_pop(d, q, &c)) {
        uint8_t byte = ++echoes;

        virtq_push(d, q, &c, chain_write(&c, 0, &byte, 1));
    }
}

static const struct virtio_kind kind = {.name = "virtio-test", .id = 2, .kicked = kicked};

static uint64_t table(void)
{
    return slot.pci.function.bar[1].at;
}

static void write_table(int off, uint32_t val)
{
    bus_write(&m->board->mmio, table() + off, 4, val);
}

static uint32_t pending(void)
{
    return bus_read(&m->board->mmio, table() + PBA, 4);
}

static void control(uint16_t val)
{
    uint64_t config = PC_PCI_ECAM + 0x8000 * slot.pci.function.slot;

    bus_write(&m->board->mmio, config + CAPABILITY + 2, 2, val);
}

/* A message of vector 0, not masked. */
static void set_message(uint32_t data)
{
    write_table(0, APIC);
    write_table(4, 0);
    write_table(8, data);
    write_table(12, 0);
}

static void build(void)
{
    struct config config = {.engine = engine, .ram = 1 << 20, .cpus = 1, .guests = 1, .apic = true};
    struct console *consoles[] = {&console.console};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    machine_add_worker(m, &worker);

    struct virtio_memory memory = virtio_slot_memory(m);

    virtio_init(&device, &kind, 0, 2, &memory, &worker);
    virtio_slot_init(&slot, m, &m->board->pci, &device);
    CHECK_EQ(slot.pci.function.bar[0].at, 0xc000);
    echoes = tables = messages = taken = hung_up = 0;
    control(ENABLE);
    set_message(VECTOR);
}

static void teardown(void)
{
    machine_free(m);
    virtio_slot_free(&slot);
    free(m);
}

static void run(void)
{
    struct cpu_state s;

    memcpy(ram_at(&m->ram, BASE, driver_end - driver), driver, driver_end - driver);
    cpu_real_mode(&s, BASE);
    machine_inspect(m);
    s.lapic = m->vcpu[0].state.lapic;
    machine_set(&m->vcpu[0], &s);
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 7);
    CHECK_EQ(echoes, REQUESTS);
    CHECK_EQ(*(uint8_t *)ram_at(&m->ram, BUFFER, 1), REQUESTS & 0xff);
}

/* Each request has its interrupt, whoever sends it. */
static void test_guest(void)
{
    build();
    run();
    CHECK_EQ(slot.bell[0].call.on, engine == &kvm_engine);
    if (engine == &kvm_engine) {
        CHECK_EQ(messages, MANY);
        CHECK_EQ(taken, 1);
        CHECK_EQ(tables, 1);
    }
    /* The reset takes it back. */
    m->stop = STOP_RESET;
    machine_reset(m);
    CHECK(!slot.bell[0].call.on);
    CHECK_EQ(hung_up, taken);
    control(ENABLE);
    set_message(VECTOR);
    echoes = 0;
    run();
    CHECK_EQ(tables, engine == &kvm_engine);
    teardown();
}

/* ---- what KVM is told, without a guest ---- */

/* As the guest's driver. */
static void begin(void)
{
    struct virtq_state *q = &device.s.q[0];

    virtio_set_status(&device, 3, true);
    q->desc = 0x20000;
    q->avail = 0x21000;
    q->used = 0x22000;
    virtq_enable(&device, 0);
    virtio_set_status(&device, 7, true);
    bus_write(&m->board->pio, 0xc00e, 2, 0);
    bus_write(&m->board->pio, 0xc016, 2, 0);
}

static void build_begun(void)
{
    build();
    begin();
}

/* The worker interrupts, n times. */
static void interrupt(int n)
{
    for (int i = 0; i < n; i++) {
        worker_lock(&worker);
        device.interrupt(device.interrupt_to, 0);
        worker_unlock(&worker);
        slot.after.call(&slot.after);
    }
}

static void test_once(void)
{
    build_begun();
    interrupt(MANY - 1);
    CHECK_EQ(taken, 0);
    interrupt(1);
    CHECK_EQ(taken, 1);
    CHECK_EQ(tables, 1);
    CHECK_EQ(messages, MANY);
    interrupt(1000);
    CHECK_EQ(messages, MANY);
    CHECK_EQ(taken, 1);
    teardown();
}

/* One table tells of all queues: of one that has not interrupted yet, too. */
static void test_all(void)
{
    struct virtq_state *q = &device.s.q[1];

    build_begun();
    q->desc = 0x24000;
    q->avail = 0x25000;
    q->used = 0x26000;
    virtq_enable(&device, 1);
    write_table(16, APIC);
    write_table(16 + 8, VECTOR + 1);
    write_table(16 + 12, 0);
    bus_write(&m->board->pio, 0xc00e, 2, 1);
    bus_write(&m->board->pio, 0xc016, 2, 1);
    interrupt(MANY);
    CHECK_EQ(taken, 2);
    CHECK_EQ(tables, 1);
    CHECK(slot.bell[0].call.route != slot.bell[1].call.route);
    CHECK(slot.bell[0].call.on && slot.bell[1].call.on);
    teardown();
}

/* A route that was made stays: it costs when the message changes. */
static void test_masks(void)
{
    build_begun();
    interrupt(MANY);
    write_table(12, 1);
    CHECK_EQ(hung_up, 1);
    interrupt(2);
    CHECK_EQ(messages, MANY);
    CHECK_EQ(pending(), 1);
    write_table(12, 0);
    CHECK_EQ(messages, MANY + 1);
    CHECK_EQ(pending(), 0);
    interrupt(MANY);
    CHECK_EQ(taken, 2);
    CHECK_EQ(tables, 1);

    write_table(12, 1);
    set_message(VECTOR + 1);
    interrupt(MANY);
    CHECK_EQ(taken, 3);
    CHECK_EQ(tables, 2);

    messages = 0;
    control(ENABLE | MASK_ALL);
    CHECK_EQ(hung_up, 3);
    interrupt(1);
    CHECK_EQ(pending(), 1);
    control(ENABLE);
    CHECK_EQ(messages, 1);
    interrupt(MANY);
    CHECK_EQ(taken, 4);
    control(0);
    CHECK_EQ(hung_up, 4);
    interrupt(1);
    CHECK_EQ(slot.pci.s.isr, 1);
    control(ENABLE);

    bus_write(&m->board->pio, 0xc016, 2, NO_VECTOR);
    messages = 0;
    interrupt(2 * MANY);
    CHECK_EQ(messages, 0);
    bus_write(&m->board->pio, 0xc016, 2, 0);
    interrupt(MANY);
    CHECK_EQ(taken, 5);
    bus_write(&m->board->pio, 0xc012, 1, 0); /* the driver's reset */
    CHECK_EQ(hung_up, 5);
    CHECK_EQ(tables, 2);
    teardown();
}

static void write_fd(int fd)
{
    uint64_t one = 1;

    CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

/* Somebody else has the queue, and does not know what the vector does. KVM only seems to listen, so
 * that what it would have sent is still there. */
static void test_lent(void)
{
    struct call *c = &slot.bell[0].call;
    int kick, call;

    pretend = true;
    build_begun();
    CHECK(device.lender.lend(device.lender.to, 0, &kick, &call));
    CHECK(c->watch.on && call == c->watch.fd);
    interrupt(MANY);
    CHECK(!c->watch.on);
    write_fd(call);
    write_table(12, 1);
    CHECK_EQ(pending(), 1);
    CHECK_EQ(messages, MANY);
    CHECK(c->watch.on);
    write_table(12, 0);
    CHECK_EQ(messages, MANY + 1);
    write_fd(call);
    c->watch.ready(&c->watch);
    slot.after.call(&slot.after);
    CHECK_EQ(messages, MANY + 2);
    device.lender.take_back(device.lender.to, 0);
    CHECK(!c->watch.on);

    /* Lent once more, with the engine at its end. */
    interrupt(MANY);
    CHECK(device.lender.lend(device.lender.to, 0, &kick, &call));
    CHECK(c->on && !c->watch.on);
    write_fd(call);
    bus_write(&m->board->pio, 0xc012, 1, 0); /* after a reset it is for nobody */
    CHECK_EQ(pending(), 0);
    CHECK_EQ(slot.pci.s.isr, 0);
    teardown();
    pretend = false;
}

/* What KVM does not take is sent as before, and it is not asked again. */
static void test_failing(void)
{
    static const unsigned long calls[] = {KVM_SET_GSI_ROUTING, KVM_IRQFD};

    for (int i = 0; i < 2; i++) {
        build();
        failing = calls[i];
        run();
        failing = 0;
        CHECK_EQ(messages, REQUESTS);
        CHECK_EQ(taken + tables, i);
        CHECK(!*m->failure);
        teardown();
    }
}

/* Before a state is read that is to be kept, nothing is on its way to it. */
static void test_rest(void)
{
    build_begun();
    interrupt(MANY);
    calls_rest(m);
    CHECK_EQ(hung_up, 1);
    CHECK(!slot.bell[0].call.on);
    interrupt(MANY);
    CHECK_EQ(messages, 2 * MANY);
    CHECK_EQ(taken, 2);
    machine_use(m, &soft_engine);
    CHECK_EQ(hung_up, 2);
    interrupt(2 * MANY);
    CHECK(!slot.bell[0].call.on);
    teardown();
}

/* KVM has so many routes, which are used again. */
static void test_full(void)
{
    static struct call c[300];
    int had = 0;

    pretend = true;
    build();
    for (int i = 0; i < 300; i++)
        c[i] = (struct call){
            .watch.fd = 1, .addr = APIC, .data = i, .next = i < 299 ? &c[i + 1] : NULL};
    engine->connect(m, c);
    for (int i = 0; i < 300; i++) {
        CHECK(c[i].state != CALL_WAITS);
        had += c[i].state == CALL_TAKEN;
        for (int j = 0; j < i && c[i].state == CALL_TAKEN; j++)
            CHECK(c[j].state == CALL_REFUSED || c[j].route != c[i].route);
    }
    CHECK_EQ(had, 208);
    CHECK_EQ(tables, 1);
    for (int i = 0; i < 300; i++)
        if (c[i].state == CALL_TAKEN)
            engine->hang_up(m, &c[i]);
    for (int i = 0; i < 300; i++)
        c[i].state = CALL_WAITS;
    engine->connect(m, c + 92);
    for (int i = 92; i < 300; i++)
        CHECK_EQ(c[i].state, CALL_TAKEN);
    CHECK_EQ(tables, 2);
    teardown();
    pretend = false;
}

int main(void)
{
    const char *name = getenv("MINIVM_ENGINE");
    const struct test both[] = {
        {test_guest, "each request of a guest has its interrupt, also after a reset"},
        {0},
    };
    const struct test kvm[] = {
        {test_guest, "each request of a guest has its interrupt, also after a reset"},
        {test_once, "KVM is told once messages are many, and sends them from then on"},
        {test_all, "of all queues at once"},
        {test_masks, "masked, disabled or without a vector it sends none, and none is lost"},
        {test_lent, "somebody else who has a queue interrupts likewise"},
        {test_failing, "where KVM fails they are sent one by one"},
        {test_rest, "before a state is read to be kept it has sent all"},
        {test_full, "one route too many is refused, and unused ones serve again"},
        {0},
    };

    alarm(TEST_LIMIT_S);
    if (!name || strcmp(name, "kvm"))
        return test_main(both);
    engine = &kvm_engine;
    return test_main_kvm(kvm);
}

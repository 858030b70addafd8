// SPDX-License-Identifier: MIT
/*
 * A guest is carried from one engine to the other and back, every few hundred microseconds, and
 * does not notice: it computes while the PIT interrupts it, and waits for that in HLT. Kernels and
 * the other states that there are: tests/soft/carry.
 * Skipped where there is no KVM; then soft takes over from itself.
 */
#include "tests/unit/test.h"
#include "x86/carry.h"
#include "x86/kvm.h"
#include "x86/soft/soft.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    BASE = 0x10000,
    ENOUGH = 0x201, /* in the guest's place: it may end */
    LIMIT_S = 60,
    MANY = 20, /* times to be carried */
};

/* Status 42 when 20,000 rounds always gave the right sums in EBX, ESI and EDI, until ENOUGH. x87
 * and SSE are left out, as a stand-in for KVM that interprets real mode may not have them. */
extern const uint8_t guest[], guest_end[];
__asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n"
        "guest:\n"
        "xor ax, ax\nmov ds, ax\n"
        "mov word ptr [0x20 * 4], offset tick - guest\nmov [0x20 * 4 + 2], cs\n"
        "mov al, 0x11\nout 0x20, al\nmov al, 0x20\nout 0x21, al\nmov al, 4\nout 0x21, al\n"
        "mov al, 1\nout 0x21, al\nmov al, 0xfe\nout 0x21, al\n"
        "mov al, 0x34\nout 0x43, al\nmov al, 0xff\nout 0x40, al\nmov al, 0x0f\nout 0x40, al\n"
        "6: xor ebx, ebx\nxor esi, esi\nxor edi, edi\n"
        "mov ecx, 20000\nsti\n"
        "1: inc ebx\nadd esi, ecx\nlea edi, [edi + ebx * 2]\n"
        "dec ecx\njnz 1b\n"
        "cmp ebx, 20000\njne 4f\n"
        "cmp esi, 200010000\njne 4f\ncmp edi, 400020000\njne 4f\n"
        "hlt\ncmp byte ptr cs:[0x201], 0\nje 6b\n"
        "mov bl, 42\njmp 5f\n"
        "4: mov bl, 1\n"
        "5: mov al, 0\nmov dx, 0x500\nout dx, al\nhlt\n"
        "tick: push ax\ninc byte ptr cs:[0x200]\nmov al, 0x20\nout 0x20, al\npop ax\niret\n"
        "guest_end:\n.att_syntax\n.code64\n.popsection");

static const struct engine *other = &kvm_engine;
static struct machine *m;
static struct timer limit, soon;
static struct still look;
static int carried;

static void time_is_up(struct timer *t)
{
    (void)t;
    machine_stop(m, STOP_TIMEOUT);
}

static void take_off_soon(void)
{
    clock_arm(&m->clock, &soon, clock_now(&m->clock) + NS_PER_SECOND / 5000);
}

static void looked(struct still *s)
{
    CHECK(s->all);
    if (!m->vcpu[0].exited) {
        CHECK(machine_carry(m, m->engine == &soft_engine ? other : &soft_engine));
        carried++;
    }
    *(uint8_t *)ram_at(&m->ram, BASE + ENOUGH, 1) = carried >= MANY;
    machine_release(m);
    take_off_soon();
}

static void take_off(struct timer *t)
{
    (void)t;
    if (!look.pending && !machine_stopping(m))
        machine_hold(m, &look, 10000);
}

static void build_cpus(const struct engine *engine, bool apic, int cpus)
{
    struct config config = {
        .engine = engine, .ram = 1 << 20, .cpus = cpus, .guests = 1, .apic = apic};
    static struct test_console console;
    struct cpu_state s;

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, (struct console *[]){&console.console});
    clock_add(&m->clock, &limit, time_is_up);
    clock_arm(&m->clock, &limit, LIMIT_S * NS_PER_SECOND);
    clock_add(&m->clock, &soon, take_off);
    memcpy(ram_at(&m->ram, BASE, guest_end - guest), guest, guest_end - guest);
    cpu_real_mode(&s, BASE);
    machine_set(&m->vcpu[0], &s);
    look = (struct still){.ready = looked};
}

static void build(const struct engine *engine, bool apic)
{
    build_cpus(engine, apic, 1);
}

static void teardown(void)
{
    machine_free(m);
    free(m);
}

static void test_carry(void)
{
    build(&soft_engine, false);
    carried = 0;
    take_off_soon();
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 42);
    if (*m->vcpu[0].failure)
        printf("# %s\n", m->vcpu[0].failure);
    CHECK(carried >= MANY);
    printf("# carried %d times\n", carried);
    teardown();
}

/* What is set is got, in all its parts. */
static void same(const struct engine *engine)
{
    struct cpu_state s, t;
    struct vcpu *v;
    uint32_t st = 0x3f8 << 16 | 0x1234;

    build(engine, false);
    v = &m->vcpu[0];
    cpu_real_mode(&s, BASE);
    for (int i = 0; i < 16; i++)
        s.gpr[i] = UINT64_C(0x0123456789abcdef) * (i + 1);
    s.rflags = EFLAGS_FIXED | EFLAGS_IF | EFLAGS_CF | EFLAGS_DF;
    s.cr2 = 0x12345;
    memcpy(s.xsave + 32, &st, sizeof(st));
    s.xsave[160] = 0x55; /* XMM0 */
    s.dr[0] = 0x1000;
    s.star = 0x1122334455667788;
    s.lstar = 0xffffffff81000000;
    s.kernel_gs_base = 0xffff888000000000;
    s.sysenter_eip = 0xffffffff82000000;
    s.pat = 0x0007010600070106;
    s.mtrr_fixed[0] = 0x0606060606060606;
    s.nmi_pending = true;
    s.nmi_masked = true;
    CHECK(m->engine->set(v, &s));
    CHECK(m->engine->get(v, &t));
    CHECK(!memcmp(s.gpr, t.gpr, sizeof(s.gpr)));
    CHECK_EQ(t.rip, s.rip);
    CHECK_EQ(t.rflags, s.rflags);
    CHECK_EQ(t.cr2, s.cr2);
    CHECK(!memcmp(s.dr, t.dr, sizeof(s.dr)));
    CHECK(!memcmp(s.xsave, t.xsave, 2));
    CHECK(!memcmp(s.xsave + 32, t.xsave + 32, XSAVE_LEGACY - 32));
    CHECK_EQ(t.star, s.star);
    CHECK_EQ(t.lstar, s.lstar);
    CHECK_EQ(t.kernel_gs_base, s.kernel_gs_base);
    CHECK_EQ(t.sysenter_eip, s.sysenter_eip);
    CHECK_EQ(t.pat, s.pat);
    CHECK_EQ(t.mtrr_fixed[0], s.mtrr_fixed[0]);
    CHECK(t.nmi_pending && t.nmi_masked);
    teardown();
}

static void test_same(void)
{
    same(&soft_engine);
    same(other);
}

/* Status 7, but 9 where an NMI comes. */
extern const uint8_t quick[], quick_end[];
__asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n"
        "quick:\n"
        "nop\nnop\nmov bl, 7\n"
        "1: mov al, 0\nmov dx, 0x500\nout dx, al\nhlt\n"
        "nmi: mov bl, 9\njmp 1b\n"
        "quick_end:\n.att_syntax\n.code64\n.popsection");
extern const uint8_t nmi[];

static void load_quick(struct cpu_state *s)
{
    memcpy(ram_at(&m->ram, BASE, quick_end - quick), quick, quick_end - quick);
    *(uint32_t *)ram_at(&m->ram, 2 * 4, 4) = BASE / 16 << 16 | (uint32_t)(nmi - quick);
    cpu_real_mode(s, BASE);
}

/* Without a local APIC, too, a CPU that was halted is so again. */
static void test_halted(void)
{
    const struct engine *engines[] = {&soft_engine, other};

    for (int i = 0; i < 2; i++) {
        struct cpu_state s;

        build(engines[i], false);
        load_quick(&s);
        s.rflags |= EFLAGS_IF;
        s.activity = CPU_HALTED;
        CHECK(m->engine->set(&m->vcpu[0], &s));
        CHECK_EQ(m->engine->run(&m->vcpu[0]), VCPU_HALTED);
        teardown();
    }
}

/* NMIs that wait, be it two, are of the state which another takes the place of. */
static void test_nmis(void)
{
    for (int nmis = 0; nmis < 3; nmis++) {
        struct cpu_state s;

        build(&soft_engine, true);
        for (int i = 0; i < nmis; i++)
            m->engine->message(m, 0xfee00000, 0x4400);
        load_quick(&s);
        CHECK(m->engine->set(&m->vcpu[0], &s));
        m->engine->run(&m->vcpu[0]);
        CHECK_EQ(m->vcpu[0].status, 7);
        teardown();
    }
}

/* The TSC goes on where it was, at the machine's rate. */
static void test_tsc(void)
{
    struct vcpu *v;
    struct cpu_state before, after, later;

    build(&soft_engine, true);
    v = &m->vcpu[0];
    CHECK_EQ(m->tsc_khz, 1000000);
    m->config.portable = true;
    CHECK(m->engine->get(v, &before));
    m->tsc_khz = 2300000;
    CHECK(machine_carry(m, &soft_engine));
    CHECK_EQ(m->tsc_khz, 2300000);
    CHECK(m->engine->get(v, &after));
    usleep(1000);
    CHECK(m->engine->get(v, &later));
    CHECK(after.tsc >= before.tsc && after.tsc - before.tsc < 3 * NS_PER_SECOND);
    CHECK_EQ(later.tsc - after.tsc, clock_cycles(later.tsc_at, UINT64_C(2300000000)) -
                                        clock_cycles(after.tsc_at, UINT64_C(2300000000)));
    teardown();
}

/* How far CPU 1's TSC is ahead of CPU 0's, after it was so much before. */
static int64_t ahead(int64_t tsc)
{
    struct cpu_state s[2];

    for (int i = 0; i < 2; i++) {
        CHECK(m->engine->get(&m->vcpu[i], &s[i]));
        s[i].tsc = s[i].tsc_at + i * tsc;
        CHECK(m->engine->set(&m->vcpu[i], &s[i]));
    }
    CHECK(machine_carry(m, &soft_engine));
    for (int i = 0; i < 2; i++)
        CHECK(m->engine->get(&m->vcpu[i], &s[i]));
    return (int64_t)(s[1].tsc - s[1].tsc_at - s[0].tsc + s[0].tsc_at);
}

static void test_tscs(void)
{
    build_cpus(&soft_engine, true, 2);
    CHECK_EQ(ahead(0), 0);
    CHECK_EQ(ahead(5000), 0);
    CHECK_EQ(ahead(-5000), 0);
    CHECK_EQ(ahead(2000000000), 2000000000);
    CHECK_EQ(ahead(-2000000000), -2000000000);
    teardown();
}

/* A message that comes while the CPU stands still is of its state. */
static void test_messages(void)
{
    struct lapic *lapic;
    struct cpu_state s;

    build_cpus(&soft_engine, true, 2);
    lapic = &((struct soft *)m->vcpu[1].engine)->lapic;
    CHECK(m->engine->get(&m->vcpu[1], &s));
    CHECK_EQ(s.activity, CPU_WAITING);
    lapic_receive(lapic, &(struct lapic_message){.dest = 1, .mode = LAPIC_STARTUP, .vector = 0x12});
    CHECK(machine_carry(m, &soft_engine));
    CHECK(m->engine->get(&m->vcpu[1], &s));
    CHECK_EQ(s.activity, CPU_ACTIVE);
    CHECK_EQ(s.cs.base, 0x12000);
    lapic = &((struct soft *)m->vcpu[1].engine)->lapic;
    lapic_receive(lapic, &(struct lapic_message){.dest = 1, .mode = LAPIC_INIT});
    CHECK(machine_carry(m, &soft_engine));
    CHECK(m->engine->get(&m->vcpu[1], &s));
    CHECK_EQ(s.activity, CPU_WAITING);
    teardown();
}

static uint64_t routed[IOAPIC_PINS];

static void note_route(struct machine *machine, int pin, uint64_t addr, uint32_t data, bool level)
{
    (void)machine, (void)addr;
    routed[pin] = level ? data : 0;
}

/* An engine that comes hears what the IOAPIC's pins send. */
static void test_routes(void)
{
    struct engine spy = soft_engine;

    spy.route = note_route;
    build(&soft_engine, true);
    bus_write(&m->board->mmio, PC_IOAPIC_BASE, 4, 0x10 + 2 * 9);
    bus_write(&m->board->mmio, PC_IOAPIC_BASE + 0x10, 4, 0x8031);
    CHECK(machine_carry(m, &spy));
    for (int i = 0; i < IOAPIC_PINS; i++)
        CHECK_EQ(routed[i], i == 9 ? 0xc031 : 0);
    teardown();
}

int main(void)
{
    char problem[512];
    int kvm = kvm_device(problem, sizeof(problem));

    if (kvm < 0)
        other = &soft_engine;
    else
        close(kvm);
    return test_main((struct test[]){
        {test_same, "what is set is got"},
        {test_halted, "a CPU that was halted is so again"},
        {test_nmis, "NMIs that waited are gone with the state"},
        {test_tsc, "a TSC goes on, at the machine's rate"},
        {test_tscs, "TSCs that are less than a second apart are the same"},
        {test_messages, "a start-up message in between is not lost"},
        {test_routes, "an engine that comes hears of the IOAPIC's routes"},
        {test_carry, "a guest does not notice that it is carried"},
        {0},
    });
}

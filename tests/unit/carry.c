// SPDX-License-Identifier: MIT
/*
 * A guest is carried from one engine to the other and back, every few hundred microseconds, and
 * does not notice: it computes while the PIT interrupts it, and waits for that in HLT.
 * Skipped where there is no KVM; then soft takes over from itself.
 */
#include "tests/unit/test.h"
#include "x86/kvm.h"
#include "x86/machine.h"

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
static struct cpu_state state;
static bool carry;
static int carried;

static void time_is_up(struct timer *t)
{
    (void)t;
    machine_stop(m, STOP_TIMEOUT);
}

static void looked(struct still *s)
{
    CHECK(s->all);
    carry = m->vcpu[0].inspected && !m->vcpu[0].exited;
    state = m->vcpu[0].state;
    machine_release(m);
    if (carry)
        machine_stop(m, STOP_QUIT);
}

static void take_off(struct timer *t)
{
    (void)t;
    if (!look.pending)
        machine_hold(m, &look, 10000);
}

static void build(const struct engine *engine, bool apic)
{
    struct config config = {.engine = engine, .ram = 1 << 20, .cpus = 1, .guests = 1, .apic = apic};
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

static void teardown(void)
{
    machine_free(m);
    free(m);
}

static void test_carry(void)
{
    const struct engine *engine = &soft_engine;

    build(engine, false);
    for (carried = 0;; carried++) {
        carry = false;
        clock_arm(&m->clock, &soon, clock_now(&m->clock) + NS_PER_SECOND / 5000);
        enum machine_stop stop = machine_run(m);

        if (stop != STOP_QUIT || !carry) {
            CHECK_EQ(stop, STOP_EXIT);
            CHECK_EQ(m->status, 42);
            if (stop == STOP_FAILED)
                printf("# %s\n", m->vcpu[0].failure);
            break;
        }
        engine = engine == &soft_engine ? other : &soft_engine;
        machine_use(m, engine);
        machine_set(&m->vcpu[0], &state);
        m->stop = STOP_NONE;
        *(uint8_t *)ram_at(&m->ram, BASE + ENOUGH, 1) = carried + 1 >= MANY;
    }
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
        {test_carry, "a guest does not notice that it is carried"},
        {0},
    });
}

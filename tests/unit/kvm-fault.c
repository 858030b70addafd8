// SPDX-License-Identifier: MIT
/*
 * Engine KVM on a host whose KVM fails: each ioctl that a running guest causes fails once, one in
 * each run. The guest never seems to have ended well, and the failed call is named. Skipped where
 * there is no KVM.
 */
#include "hw/die.h"
#include "tests/unit/kvm.h"
#include "x86/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BASE = 0x10000,
    CALLS = 200, /* that a run makes at most */
    LIMIT_S = 60,
};

/* Waits for a tick of the PIT in HLT, and exits with status 32. */
extern const uint8_t guest[], guest_end[];
__asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n"
        "guest:\n"
        "xor ax, ax\nmov ds, ax\n"
        "mov word ptr [0x20 * 4], offset tick - guest\nmov [0x20 * 4 + 2], cs\n"
        "mov al, 0x11\nout 0x20, al\nmov al, 0x20\nout 0x21, al\nmov al, 4\nout 0x21, al\n"
        "mov al, 1\nout 0x21, al\nmov al, 0xfe\nout 0x21, al\n"
        "mov al, 0x30\nout 0x43, al\nmov al, 0xff\nout 0x40, al\nmov al, 0x10\nout 0x40, al\n"
        "sti\n1: hlt\njmp 1b\n"
        "tick: mov bl, 32\nmov al, 0\nmov dx, 0x500\nout dx, al\nhlt\n"
        "guest_end:\n.att_syntax\n.code64\n.popsection");

static struct machine *m;
static struct timer limit;
static int calls, fail_at, error; /* the call that fails, 0 for none */

/* In the place of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;

    va_start(ap, request);
    void *arg = va_arg(ap, void *);

    va_end(ap);
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) ==
        __atomic_load_n(&fail_at, __ATOMIC_SEQ_CST)) {
        errno = error;
        return -1;
    }
    return syscall(SYS_ioctl, fd, request, arg);
}

static void time_is_up(struct timer *t)
{
    (void)t;
    machine_stop(m, STOP_TIMEOUT);
}

static void fail_call(int n, int with)
{
    fail_at = 0;
    error = with;
    __atomic_store_n(&calls, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&fail_at, n, __ATOMIC_SEQ_CST);
}

static enum machine_stop run(int guests, int n, int with)
{
    struct config config = {
        .engine = &kvm_engine, .ram = 1 << 20, .cpus = guests, .guests = guests};
    struct test_console console;
    struct console *consoles[] = {&console.console, &console.console};

    m = calloc(1, sizeof(*m));
    test_console_init(&console);
    machine_build(m, &config, consoles);
    clock_add(&m->clock, &limit, time_is_up);
    clock_arm(&m->clock, &limit, LIMIT_S * NS_PER_SECOND);
    for (int i = 0; i < guests; i++) {
        struct cpu_state s;
        uint32_t base = BASE + i * BASE;

        memcpy(ram_at(&m->ram, base, guest_end - guest), guest, guest_end - guest);
        cpu_real_mode(&s, base);
        machine_set(&m->vcpu[i], &s);
    }
    fail_call(n, with);
    enum machine_stop stop = machine_run(m);

    fail_call(0, 0);
    return stop;
}

static void end(void)
{
    machine_free(m);
    free(m);
}

static bool named(const struct vcpu *v)
{
    return !strncmp(v->failure, "KVM_", 4) && strstr(v->failure, strerror(EIO));
}

static void one_guest(void)
{
    int n;

    for (n = 1; n < CALLS; n++) {
        enum machine_stop stop = run(1, n, EIO);
        int made = calls;

        if (stop == STOP_EXIT && made < n) {
            CHECK_EQ(m->status, 32);
            end();
            break;
        }
        if (stop != STOP_FAILED || m->culprit != &m->vcpu[0] || !named(&m->vcpu[0])) {
            printf("# call %d of %d: stop %d, status %d, %s\n", n, made, stop, m->status,
                   m->vcpu[0].failure);
            test_failures++;
        }
        end();
    }
    CHECK(n > 10 && n < CALLS);
}

/* Only the guest whose call failed has failed. */
static void two_guests(void)
{
    for (int n = 1; n < 20; n++) {
        int failed = 0;

        CHECK_EQ(run(2, n, EIO), STOP_EXIT);
        for (int i = 0; i < 2; i++) {
            const struct vcpu *v = &m->vcpu[i];

            failed += v->crash == VCPU_FAILED && v->status == EXIT_CRASH && named(v);
            CHECK(v->crash == VCPU_FAILED || v->status == 32);
        }
        CHECK_EQ(failed, 1);
        end();
    }
}

/* A signal in between is no failure. */
static void interrupted(void)
{
    for (int n = 1; n < 20; n++) {
        CHECK_EQ(run(1, n, EINTR), STOP_EXIT);
        CHECK_EQ(m->status, 32);
        end();
    }
}

int main(void)
{
    return test_main_kvm((struct test[]){
        {one_guest, "a call that fails is the guest's end, and named"},
        {two_guests, "another guest does not notice"},
        {interrupted, "a call that is interrupted is made again"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Engine 1: Linux KVM. The only file that knows it.
 *
 * With local APICs the irqchip is split: KVM keeps the local APICs (timers, IPIs and messages stay
 * in the kernel), the PIC, PIT and IOAPIC are the board's. Without them KVM has no interrupt
 * controller at all and HLT comes back to us.
 *
 * After: Linux, Documentation/virt/kvm/api.rst and x86/cpuid.rst.
 *
 * Left out: nested virtualisation's state, and everything that only a migration needs.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "x86/call.h"
#include "x86/cpuid.h"
#include "x86/kvm.h"
#include "x86/machine.h"
#include "x86/paging.h"
#include "x86/trace.h"
#include "x86/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    KICK_SIGNAL = SIGUSR1,
    PIN_ROUTES = 2 * IOAPIC_PINS,
    ROUTES = 256,
    EXIT_REASONS = 64,

    LAPIC_INITIAL_COUNT = 0x38, /* registers in the page */
    LAPIC_CURRENT_COUNT = 0x39,
};

/* Three pages that Intel's processors need to run real mode, and the one below them: in the hole,
 * away from the firmware's place below 4 GiB. */
#define KVM_TSS          UINT64_C(0xfffbd000)
#define KVM_IDENTITY_MAP UINT64_C(0xfffbc000)

/* What a level-triggered pin of the IOAPIC sends, or a call. */
struct route {
    bool there; /* there is such a message */
    bool used;  /* by a call, now */
    uint64_t addr;
    uint32_t data;
};

struct kvm_vm {
    int kvm, fd;
    int run_size;
    struct cpuid cpuid; /* what KVM supports */
    bool tsc_deadline;
    /* By their numbers at KVM (GSI): of each pin its last one; above IOAPIC_PINS, the one before;
     * and from PIN_ROUTES on, those of calls. */
    struct route route[ROUTES];
};

struct kvm_vcpu {
    int fd;
    struct kvm_run *run;
    const struct cpu_msr *msr[CPU_MSRS]; /* those that there are */
    int msrs;
    bool incomplete; /* the last exit's instruction ends only at the next KVM_RUN */
    bool halted;     /* set() said so; KVM keeps it only where it has local APICs */
    uint64_t ns;     /* processor time in KVM_RUN, with config.stat */
    uint64_t exits[EXIT_REASONS + 1];
};

/* Those that minivm may meet; others it has not asked for. */
static const char *const exit_names[EXIT_REASONS] = {
    [KVM_EXIT_UNKNOWN] = "unknown",
    [KVM_EXIT_IO] = "io",
    [KVM_EXIT_DEBUG] = "debug",
    [KVM_EXIT_HLT] = "hlt",
    [KVM_EXIT_MMIO] = "mmio",
    [KVM_EXIT_IRQ_WINDOW_OPEN] = "irq-window",
    [KVM_EXIT_SHUTDOWN] = "shutdown",
    [KVM_EXIT_FAIL_ENTRY] = "fail-entry",
    [KVM_EXIT_INTR] = "interrupted",
    [KVM_EXIT_SET_TPR] = "set-tpr",
    [KVM_EXIT_INTERNAL_ERROR] = "internal-error",
    [KVM_EXIT_SYSTEM_EVENT] = "system-event",
    [KVM_EXIT_IOAPIC_EOI] = "ioapic-eoi",
};

static const char *exit_name(uint32_t reason)
{
    return reason < EXIT_REASONS && exit_names[reason] ? exit_names[reason] : "other";
}

/* An ioctl but KVM_RUN, again when a signal came in between; -1 with errno set. */
static int retry(int fd, unsigned long request, const void *arg)
{
    int result;

    do {
        result = ioctl(fd, request, arg);
    } while (result < 0 && errno == EINTR);
    return result;
}

static enum vcpu_stop fail(struct vcpu *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The first failure is the cause of others. */
static enum vcpu_stop fail(struct vcpu *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!*v->failure)
        vsnprintf(v->failure, sizeof(v->failure), fmt, ap);
    va_end(ap);
    return VCPU_FAILED;
}

/* An ioctl of a vCPU that always succeeds, unless something is wrong with the host. */
static bool vcpu_ioctl(struct vcpu *v, unsigned long request, const char *name, void *arg)
{
    if (retry(((struct kvm_vcpu *)v->engine)->fd, request, arg) >= 0)
        return true;
    fail(v, "%s: %s", name, strerror(errno));
    return false;
}
#define VCPU_IOCTL(v, request, arg) vcpu_ioctl(v, request, #request, arg)

int kvm_device(char *problem, size_t size)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        const char *cure = "";

        if (errno == ENOENT)
            cure = ": enable virtualisation in the firmware and load kvm_intel or kvm_amd (in a "
                   "virtual machine, its host must allow nesting; in a container, pass /dev/kvm)";
        else if (errno == EACCES || errno == EPERM)
            cure = ": add yourself to group kvm (sudo usermod -aG kvm $USER) and log in again";
        else if (errno == ENODEV || errno == ENXIO)
            cure = ": this processor, or its firmware settings, has no virtualisation";
        else if (errno == EBUSY)
            cure = ": another hypervisor uses the processor's virtualisation; stop it first";
        snprintf(problem, size, "/dev/kvm: %s%s", strerror(errno), cure);
        return -1;
    }

    int version = ioctl(fd, KVM_GET_API_VERSION, 0);

    if (version != KVM_API_VERSION) {
        snprintf(problem, size, "/dev/kvm: API version %d, where %d is needed; is it really KVM?",
                 version, KVM_API_VERSION);
        close(fd);
        return -1;
    }
    return fd;
}

const char *kvm_missing(int fd)
{
    static const struct {
        int cap;
        const char *name;
    } needed[] = {
        {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
        {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
        {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT (Linux 4.13)"},
        {KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP (Linux 4.5)"},
        {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
        {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
        {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
        {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
        {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    };

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
            return needed[i].name;
    return NULL;
}

/* The signal only has to interrupt KVM_RUN. */
static void kicked(int sig)
{
    (void)sig;
}

static void read_cpuid(struct kvm_vm *vm)
{
    struct kvm_cpuid2 *k = calloc(1, sizeof(*k) + CPUID_MAX * sizeof(k->entries[0]));

    assert(k);
    k->nent = CPUID_MAX;
    if (retry(vm->kvm, KVM_GET_SUPPORTED_CPUID, k) < 0)
        die("KVM_GET_SUPPORTED_CPUID: %m");
    for (uint32_t i = 0; i < k->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &k->entries[i];

        vm->cpuid.entry[vm->cpuid.n++] = (struct cpuid_entry){
            e->function, e->index, e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX, e->eax, e->ebx,
            e->ecx,      e->edx};
    }
    free(k);
}

static void add_ram(struct kvm_vm *vm, int slot, uint64_t gpa, uint64_t size, void *host)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uintptr_t)host,
    };

    if (size && retry(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        die("cannot give the guest %llu MiB of RAM at %#llx: %m", (unsigned long long)(size >> 20),
            (unsigned long long)gpa);
}

static void kvm_open(struct machine *m)
{
    struct kvm_vm *vm = calloc(1, sizeof(*vm));
    struct sigaction sa = {.sa_handler = kicked};
    uint64_t identity_map = KVM_IDENTITY_MAP;
    char problem[512];

    assert(vm);
    m->vm = vm;
    vm->kvm = kvm_device(problem, sizeof(problem));
    if (vm->kvm < 0)
        die("%s", problem);
    const char *missing = kvm_missing(vm->kvm);

    if (missing)
        die("/dev/kvm: this host's KVM lacks %s; use a newer kernel", missing);
    sigaction(KICK_SIGNAL, &sa, NULL);
    sigemptyset(&sa.sa_mask);
    sigaddset(&sa.sa_mask, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &sa.sa_mask, NULL); /* our parent may have blocked it */

    vm->fd = retry(vm->kvm, KVM_CREATE_VM, NULL);
    if (vm->fd < 0)
        die("KVM cannot create a machine: %m");
    vm->run_size = retry(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (vm->run_size < 0)
        die("KVM_GET_VCPU_MMAP_SIZE: %m");
    vm->tsc_deadline = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;

    /* Intel's processors need both before the first vCPU, AMD's KVM takes them and forgets. */
    if (retry(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
        retry(vm->fd, KVM_SET_TSS_ADDR, (void *)KVM_TSS) < 0)
        die("KVM cannot place its real-mode pages: %m");
    if (m->config.apic) {
        struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PIN_ROUTES}};

        if (retry(vm->fd, KVM_ENABLE_CAP, &split) < 0)
            die("KVM cannot make local APICs (split irqchip): %m");
    }
    add_ram(vm, 0, 0, ram_low(&m->ram), m->ram.host);
    add_ram(vm, 1, RAM_HIGH, ram_high(&m->ram), m->ram.host + ram_low(&m->ram));
    read_cpuid(vm);
    if (m->config.portable && (missing = cpuid_missing(&vm->cpuid)))
        die("/dev/kvm: this host's KVM offers no %s, which the portable CPU has; '--engine soft' "
            "does",
            missing);
}

static void kvm_close(struct machine *m)
{
    struct kvm_vm *vm = m->vm;

    for (int i = 0; i < m->config.cpus; i++) {
        struct kvm_vcpu *k = m->vcpu[i].engine;

        munmap(k->run, vm->run_size);
        close(k->fd);
        free(k);
        m->vcpu[i].engine = NULL;
    }
    close(vm->fd);
    close(vm->kvm);
    free(vm);
    m->vm = NULL;
}

static void set_cpuid(struct kvm_vm *vm, struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;
    const struct machine *m = v->machine;
    struct cpuid_config config = {.id = v->index,
                                  .cpus = m->config.cpus,
                                  .apic = m->config.apic,
                                  .portable = m->config.portable,
                                  .nested = m->config.nested,
                                  .tsc_deadline = vm->tsc_deadline,
                                  .tsc_khz = m->tsc_khz};
    struct cpuid c = vm->cpuid;
    struct kvm_cpuid2 *out = calloc(1, sizeof(*out) + CPUID_MAX * sizeof(out->entries[0]));

    assert(out);
    if (config.portable)
        cpuid_soft(&c, &config);
    else
        cpuid_filter(&c, &config);
    out->nent = c.n;
    for (int i = 0; i < c.n; i++) {
        const struct cpuid_entry *e = &c.entry[i];

        out->entries[i] = (struct kvm_cpuid_entry2){
            e->function, e->index, e->indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            e->eax,      e->ebx,   e->ecx,
            e->edx,      {0}};
    }
    if (retry(k->fd, KVM_SET_CPUID2, out) < 0)
        die("KVM does not take the CPUID of CPU %d: %m", v->index);
    free(out);
}

/* MSRs are read and written in one go. */
struct msr_list {
    struct kvm_msrs head;
    struct kvm_msr_entry entry[CPU_MSRS + 4];
};

static void add_msr(struct msr_list *list, uint32_t index, uint64_t data)
{
    list->entry[list->head.nmsrs++] = (struct kvm_msr_entry){.index = index, .data = data};
}

/* Find the MSRs that KVM knows and the guest's CPUID allows. KVM reads a list up to the first that
 * is missing. */
static void find_msrs(struct kvm_vcpu *k)
{
    for (int i = 0; i < CPU_MSRS; i++) {
        struct msr_list get = {0};

        for (int j = i; j < CPU_MSRS; j++)
            add_msr(&get, cpu_msrs[j].index, 0);
        int known = retry(k->fd, KVM_GET_MSRS, &get);

        if (known < 0)
            die("KVM_GET_MSRS: %m");
        for (int end = i + known; i < end; i++)
            k->msr[k->msrs++] = &cpu_msrs[i];
    }
}

/* That of the engine before or of a machine that is made again, or the processor's own. A portable
 * machine's is the one of engine soft, where the processor can scale its own. */
static void set_tsc_rate(struct vcpu *v)
{
    struct machine *m = v->machine;
    const struct kvm_vm *vm = m->vm;
    const struct kvm_vcpu *k = v->engine;
    int own = retry(k->fd, KVM_GET_TSC_KHZ, NULL);

    if (!m->config.portable)
        m->tsc_khz = m->config.tsc_khz;
    else if (!m->tsc_khz && retry(vm->kvm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_TSC_CONTROL) > 0)
        m->tsc_khz = SOFT_TSC_KHZ;
    if (!m->tsc_khz)
        m->tsc_khz = own > 0 ? own : 0;
    if (m->tsc_khz && (int)m->tsc_khz != own &&
        retry(k->fd, KVM_SET_TSC_KHZ, (void *)(uintptr_t)m->tsc_khz) < 0)
        die("this host's KVM cannot give the guest a TSC of %u kHz, as the machine has",
            m->tsc_khz);
}

static void kvm_vcpu_init(struct vcpu *v)
{
    struct kvm_vm *vm = v->machine->vm;
    struct kvm_vcpu *k = calloc(1, sizeof(*k));

    assert(k);
    v->engine = k;
    k->fd = retry(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)v->index);
    if (k->fd < 0)
        die("KVM cannot make CPU %d: %m%s", v->index,
            errno == EINVAL || errno == EEXIST ? "; try fewer --cpus" : "");
    k->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
    if (k->run == MAP_FAILED)
        die("cannot map the state of CPU %d: %m", v->index);
    set_tsc_rate(v);
    /* Linux has no use for the hypercalls that need registers, and all other exits are slower. */
    int sync = retry(vm->kvm, KVM_CHECK_EXTENSION, (void *)(uintptr_t)KVM_CAP_SYNC_REGS);

    if (!v->machine->config.apic && sync > 0 && sync & KVM_SYNC_X86_REGS)
        k->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
    set_cpuid(vm, v);
    if (v->index > 0) {
        const struct kvm_vcpu *first = v->machine->vcpu[0].engine;

        memcpy(k->msr, first->msr, sizeof(k->msr));
        k->msrs = first->msrs;
    } else {
        find_msrs(k);
    }
}

static struct segment from_kvm_segment(const struct kvm_segment *s)
{
    return (struct segment){.base = s->base,
                            .limit = s->limit,
                            .selector = s->selector,
                            .type = s->type,
                            .dpl = s->dpl,
                            .s = s->s,
                            .present = s->present,
                            .avl = s->avl,
                            .l = s->l,
                            .db = s->db,
                            .g = s->g};
}

static struct kvm_segment to_kvm_segment(const struct segment *s)
{
    return (struct kvm_segment){.base = s->base,
                                .limit = s->limit,
                                .selector = s->selector,
                                .type = s->type,
                                .present = s->present,
                                .dpl = s->dpl,
                                .db = s->db,
                                .s = s->s,
                                .l = s->l,
                                .g = s->g,
                                .avl = s->avl,
                                .unusable = !s->present};
}

/* Where the general registers are, in the order of their encoding. */
#define GPR(field) offsetof(struct kvm_regs, field)
static const size_t gpr_offsets[16] = {
    GPR(rax), GPR(rcx), GPR(rdx), GPR(rbx), GPR(rsp), GPR(rbp), GPR(rsi), GPR(rdi),
    GPR(r8),  GPR(r9),  GPR(r10), GPR(r11), GPR(r12), GPR(r13), GPR(r14), GPR(r15),
};

static void copy_gpr(uint64_t gpr[16], const struct kvm_regs *r)
{
    for (int i = 0; i < 16; i++)
        memcpy(&gpr[i], (const char *)r + gpr_offsets[i], sizeof(gpr[i]));
}

/* If KVM can, it leaves them in the shared page at each exit. */
static void kvm_gpr(struct vcpu *v, uint64_t gpr[16])
{
    struct kvm_vcpu *k = v->engine;
    struct kvm_regs r = {0};

    if (k->run->kvm_valid_regs & KVM_SYNC_X86_REGS) {
        copy_gpr(gpr, &k->run->s.regs.regs);
        return;
    }
    VCPU_IOCTL(v, KVM_GET_REGS, &r);
    copy_gpr(gpr, &r);
}

/* ---- the state: in the order that KVM needs, which is that of its dependences ---- */

static bool get_msrs(struct vcpu *v, struct cpu_state *s)
{
    const struct kvm_vcpu *k = v->engine;
    struct msr_list list = {0};

    for (int i = 0; i < k->msrs; i++)
        add_msr(&list, k->msr[i]->index, 0);
    add_msr(&list, MSR_TSC_ADJUST, 0);
    add_msr(&list, MSR_TSC, 0);
    s->tsc_at = clock_now(&v->machine->clock);
    if (!VCPU_IOCTL(v, KVM_GET_MSRS, &list))
        return false;
    for (int i = 0; i < k->msrs; i++)
        *cpu_msr(s, k->msr[i]) = list.entry[i].data;
    s->tsc_adjust = list.entry[k->msrs].data;
    s->tsc = list.entry[k->msrs + 1].data;
    if (!v->machine->config.apic)
        return true;
    list = (struct msr_list){0};
    add_msr(&list, LAPIC_MSR_TSC_DEADLINE, 0);
    if (!VCPU_IOCTL(v, KVM_GET_MSRS, &list))
        return false;
    s->lapic.tsc_deadline = list.entry[0].data;
    return true;
}

/* KVM takes a TSC that is less than a second from the VM's for the same, as it should be for CPUs
 * that were saved one after another. So the first CPU's goes far away before. */
static void add_tsc(struct vcpu *v, const struct cpu_state *s, struct msr_list *list)
{
    uint64_t hz = UINT64_C(1000) * v->machine->tsc_khz;
    uint64_t tsc = s->tsc + clock_cycles(clock_now(&v->machine->clock) - s->tsc_at, hz);

    if (!s->tsc && !s->tsc_at)
        return;
    if (v->index == 0)
        add_msr(list, MSR_TSC, ~tsc);
    add_msr(list, MSR_TSC, tsc);
}

/* Those that KVM refuses are of features that it does not offer. */
static bool set_msrs(struct vcpu *v, const struct cpu_state *s)
{
    const struct kvm_vcpu *k = v->engine;
    const struct kvm_vm *vm = v->machine->vm;
    struct msr_list list = {0};

    for (int i = 0; i < k->msrs; i++)
        add_msr(&list, k->msr[i]->index, *cpu_msr(s, k->msr[i]));
    add_msr(&list, MSR_TSC_ADJUST, s->tsc_adjust);
    add_tsc(v, s, &list);
    if (v->machine->config.apic && vm->tsc_deadline)
        add_msr(&list, LAPIC_MSR_TSC_DEADLINE, s->lapic.tsc_deadline);
    while (list.head.nmsrs) {
        int done = retry(k->fd, KVM_SET_MSRS, &list);

        if (done < 0) {
            fail(v, "KVM_SET_MSRS: %s", strerror(errno));
            return false;
        }
        if ((uint32_t)done >= list.head.nmsrs)
            break;
        list.head.nmsrs -= done + 1;
        memmove(list.entry, list.entry + done + 1, list.head.nmsrs * sizeof(list.entry[0]));
    }
    return true;
}

/* A one-shot timer that has expired fires once more, as after KVM's own restore: it cannot be seen
 * whether its interrupt was delivered. */
static bool get_lapic(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_lapic_state lapic;

    if (!VCPU_IOCTL(v, KVM_GET_LAPIC, &lapic))
        return false;
    for (int i = 0; i < 64; i++)
        memcpy(&s->lapic.reg[i], lapic.regs + 16 * i, 4);
    if (s->lapic.reg[LAPIC_INITIAL_COUNT] && !s->lapic.reg[LAPIC_CURRENT_COUNT])
        s->lapic.reg[LAPIC_CURRENT_COUNT] = 1;
    return true;
}

static bool set_lapic(struct vcpu *v, const struct cpu_state *s)
{
    struct kvm_lapic_state lapic = {0};

    for (int i = 0; i < 64; i++)
        memcpy(lapic.regs + 16 * i, &s->lapic.reg[i], 4);
    return VCPU_IOCTL(v, KVM_SET_LAPIC, &lapic);
}

static bool get_activity(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_mp_state mp = {0};

    if (!VCPU_IOCTL(v, KVM_GET_MP_STATE, &mp))
        return false;
    s->activity =
        mp.mp_state == KVM_MP_STATE_HALTED ? CPU_HALTED
        : mp.mp_state == KVM_MP_STATE_UNINITIALIZED || mp.mp_state == KVM_MP_STATE_INIT_RECEIVED
            ? CPU_WAITING
            : CPU_ACTIVE;
    return true;
}

static bool set_activity(struct vcpu *v, const struct cpu_state *s)
{
    static const uint32_t states[] = {
        [CPU_ACTIVE] = KVM_MP_STATE_RUNNABLE,
        [CPU_HALTED] = KVM_MP_STATE_HALTED,
        [CPU_WAITING] = KVM_MP_STATE_INIT_RECEIVED,
    };
    struct kvm_mp_state mp = {states[s->activity]};

    return VCPU_IOCTL(v, KVM_SET_MP_STATE, &mp);
}

/* An interrupted INT n begins again: RIP is still there. */
static bool get_events(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_vcpu_events e;

    if (!VCPU_IOCTL(v, KVM_GET_VCPU_EVENTS, &e))
        return false;
    s->shadow = (e.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? SHADOW_STI : 0) |
                (e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? SHADOW_MOV_SS : 0);
    s->nmi_pending = e.nmi.pending;
    s->nmi_masked = e.nmi.masked;
    if (e.exception.injected) {
        s->event = EVENT_EXCEPTION;
        s->event_vector = e.exception.nr;
        s->event_has_code = e.exception.has_error_code;
        s->event_code = e.exception.error_code;
    } else if (e.nmi.injected) {
        s->event = EVENT_NMI;
    } else if (e.interrupt.injected && !e.interrupt.soft) {
        s->event = EVENT_INTERRUPT;
        s->event_vector = e.interrupt.nr;
    }
    return true;
}

static bool set_events(struct vcpu *v, const struct cpu_state *s)
{
    struct kvm_vcpu_events e = {
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
        .interrupt.shadow = (s->shadow & SHADOW_STI ? KVM_X86_SHADOW_INT_STI : 0) |
                            (s->shadow & SHADOW_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0),
        .nmi = {.pending = s->nmi_pending,
                .masked = s->nmi_masked,
                .injected = s->event == EVENT_NMI},
    };

    if (s->event == EVENT_EXCEPTION) {
        e.exception.injected = 1;
        e.exception.nr = s->event_vector;
        e.exception.has_error_code = s->event_has_code;
        e.exception.error_code = s->event_code;
    } else if (s->event == EVENT_INTERRUPT) {
        e.interrupt.injected = 1;
        e.interrupt.nr = s->event_vector;
    }
    return VCPU_IOCTL(v, KVM_SET_VCPU_EVENTS, &e);
}

static bool get_registers(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_regs r;
    struct kvm_sregs sr;

    if (!VCPU_IOCTL(v, KVM_GET_REGS, &r) || !VCPU_IOCTL(v, KVM_GET_SREGS, &sr))
        return false;
    copy_gpr(s->gpr, &r);
    s->rip = r.rip;
    s->rflags = r.rflags;
    s->cs = from_kvm_segment(&sr.cs);
    s->ds = from_kvm_segment(&sr.ds);
    s->es = from_kvm_segment(&sr.es);
    s->fs = from_kvm_segment(&sr.fs);
    s->gs = from_kvm_segment(&sr.gs);
    s->ss = from_kvm_segment(&sr.ss);
    s->tr = from_kvm_segment(&sr.tr);
    s->ldt = from_kvm_segment(&sr.ldt);
    s->gdt = (struct descriptor_table){.base = sr.gdt.base, .limit = sr.gdt.limit};
    s->idt = (struct descriptor_table){.base = sr.idt.base, .limit = sr.idt.limit};
    s->cr0 = sr.cr0;
    s->cr2 = sr.cr2;
    s->cr3 = sr.cr3;
    s->cr4 = sr.cr4;
    s->efer = sr.efer;
    s->lapic.base = sr.apic_base;
    return true;
}

static bool set_registers(struct vcpu *v, const struct cpu_state *s)
{
    struct kvm_regs r = {.rip = s->rip, .rflags = s->rflags};
    struct kvm_sregs sr;

    if (!VCPU_IOCTL(v, KVM_GET_SREGS, &sr))
        return false;
    for (int i = 0; i < 16; i++)
        memcpy((char *)&r + gpr_offsets[i], &s->gpr[i], sizeof(s->gpr[i]));
    sr.cs = to_kvm_segment(&s->cs);
    sr.ds = to_kvm_segment(&s->ds);
    sr.es = to_kvm_segment(&s->es);
    sr.fs = to_kvm_segment(&s->fs);
    sr.gs = to_kvm_segment(&s->gs);
    sr.ss = to_kvm_segment(&s->ss);
    sr.tr = to_kvm_segment(&s->tr);
    sr.ldt = to_kvm_segment(&s->ldt);
    sr.gdt.base = s->gdt.base;
    sr.gdt.limit = s->gdt.limit;
    sr.idt.base = s->idt.base;
    sr.idt.limit = s->idt.limit;
    sr.cr0 = s->cr0;
    sr.cr2 = s->cr2;
    sr.cr3 = s->cr3;
    sr.cr4 = s->cr4;
    sr.efer = s->efer;
    if (v->machine->config.apic)
        sr.apic_base = s->lapic.base;
    memset(sr.interrupt_bitmap, 0, sizeof(sr.interrupt_bitmap));
    return VCPU_IOCTL(v, KVM_SET_REGS, &r) && VCPU_IOCTL(v, KVM_SET_SREGS, &sr);
}

static bool get_debug_registers(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_debugregs d;

    if (!VCPU_IOCTL(v, KVM_GET_DEBUGREGS, &d))
        return false;
    memcpy(s->dr, d.db, sizeof(d.db));
    s->dr[6] = d.dr6;
    s->dr[7] = d.dr7;
    return true;
}

static bool set_debug_registers(struct vcpu *v, const struct cpu_state *s)
{
    struct kvm_debugregs d = {.dr6 = s->dr[6], .dr7 = s->dr[7]};

    memcpy(d.db, s->dr, sizeof(d.db));
    return VCPU_IOCTL(v, KVM_SET_DEBUGREGS, &d);
}

static bool get_fpu(struct vcpu *v, struct cpu_state *s)
{
    struct kvm_xcrs x;

    _Static_assert(sizeof(struct kvm_xsave) == CPU_XSAVE_SIZE, "as KVM has it");
    if (!VCPU_IOCTL(v, KVM_GET_XSAVE, s->xsave) || !VCPU_IOCTL(v, KVM_GET_XCRS, &x))
        return false;
    for (uint32_t i = 0; i < x.nr_xcrs; i++)
        if (x.xcrs[i].xcr == 0)
            s->xcr0 = x.xcrs[i].value;
    return true;
}

static bool set_fpu(struct vcpu *v, const struct cpu_state *s)
{
    struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs = {{.value = s->xcr0}}};

    return VCPU_IOCTL(v, KVM_SET_XSAVE, (void *)s->xsave) && VCPU_IOCTL(v, KVM_SET_XCRS, &x);
}

static bool kvm_get(struct vcpu *v, struct cpu_state *s)
{
    bool apic = v->machine->config.apic;

    memset(s, 0, sizeof(*s));
    return (!apic || get_activity(v, s)) && get_registers(v, s) && get_fpu(v, s) &&
           get_debug_registers(v, s) && (!apic || get_lapic(v, s)) && get_msrs(v, s) &&
           get_events(v, s);
}

static bool kvm_set(struct vcpu *v, const struct cpu_state *s)
{
    bool apic = v->machine->config.apic;

    ((struct kvm_vcpu *)v->engine)->halted = !apic && s->activity == CPU_HALTED;
    return (!apic || set_activity(v, s)) && set_registers(v, s) && set_fpu(v, s) &&
           set_debug_registers(v, s) && (!apic || set_lapic(v, s)) && set_msrs(v, s) &&
           set_events(v, s);
}

static void kvm_kick(struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;

    __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_RELEASE);
    if (v->started)
        pthread_kill(v->thread, KICK_SIGNAL);
}

/* Give the vCPU the PIC's interrupt if it can take one now; else ask to be told when it can. False
 * when KVM failed. */
static bool offer_interrupt(struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;
    struct kvm_run *run = k->run;

    run->request_interrupt_window = 0;
    if (!__atomic_load_n(&v->intr, __ATOMIC_ACQUIRE))
        return true;
    if (run->ready_for_interrupt_injection) {
        int vector = machine_ack(v);

        if (vector >= 0) {
            if (!VCPU_IOCTL(v, KVM_INTERRUPT, &(struct kvm_interrupt){.irq = vector}))
                return false;
            run->ready_for_interrupt_injection = 0;
        }
    }
    run->request_interrupt_window = __atomic_load_n(&v->intr, __ATOMIC_ACQUIRE);
    return true;
}

/* KVM_RUN; -1 with errno set. */
static int enter_guest(struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;

    if (!v->machine->config.stat)
        return ioctl(k->fd, KVM_RUN, 0);

    uint64_t begin = clock_host(CLOCK_THREAD_CPUTIME_ID);
    int result = ioctl(k->fd, KVM_RUN, 0), error = errno;

    k->ns += clock_host(CLOCK_THREAD_CPUTIME_ID) - begin;
    errno = error;
    return result;
}

/* IN, OUT and their string forms: count items, one after another, at the same port. */
static void handle_io(struct vcpu *v)
{
    struct kvm_run *run = ((struct kvm_vcpu *)v->engine)->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    struct bus *b = &v->pio;
    int size = run->io.size;

    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        uint64_t val = 0;

        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&val, data, size);
            machine_write(v, b, run->io.port, size, val);
            console_wait(v->console);
        } else {
            val = machine_read(v, b, run->io.port, size);
            memcpy(data, &val, size);
        }
        trace_io(v, run->io.direction == KVM_EXIT_IO_OUT, run->io.port, size, val);
    }
}

/* An access beyond RAM. Where KVM split it oddly (it crossed a page) it goes byte by byte. */
static void handle_mmio(struct vcpu *v)
{
    struct kvm_run *run = ((struct kvm_vcpu *)v->engine)->run;
    struct bus *b = &v->board->mmio;
    int len = run->mmio.len, step = len == 2 || len == 4 || len == 8 ? len : 1;

    for (int i = 0; i + step <= len; i += step) {
        uint64_t val = 0;

        if (run->mmio.is_write) {
            memcpy(&val, run->mmio.data + i, step);
            machine_write(v, b, run->mmio.phys_addr + i, step, val);
            console_wait(v->console);
        } else {
            val = machine_read(v, b, run->mmio.phys_addr + i, step);
            memcpy(run->mmio.data + i, &val, step);
        }
        trace_mmio(v, run->mmio.is_write, run->mmio.phys_addr + i, step, val);
    }
}

static enum vcpu_stop internal_error(struct vcpu *v)
{
    static const char *const names[] = {
        [KVM_INTERNAL_ERROR_EMULATION] =
            "it cannot emulate the instruction at RIP (a jump into nowhere, or code in a device)",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once while delivering one",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit in the middle of delivering an event",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
            "an exit of the processor that it does not know",
    };
    const struct kvm_run *run = ((struct kvm_vcpu *)v->engine)->run;
    uint32_t suberror = run->internal.suberror;
    const char *name = suberror < sizeof(names) / sizeof(names[0]) ? names[suberror] : NULL;
    char data[128] = "";

    for (uint32_t i = 0, n = 0; i < run->internal.ndata && i < 4; i++)
        n += snprintf(data + n, sizeof(data) - n, " %#llx", run->internal.data[i]);
    return fail(v, "KVM internal error %u: %s%s%s", suberror, name ? name : "unknown",
                *data ? "; data" : "", data);
}

static enum vcpu_stop fail_entry(struct vcpu *v)
{
    uint64_t reason = ((struct kvm_vcpu *)v->engine)->run->fail_entry.hardware_entry_failure_reason;

    return fail(v, "the processor refused to enter the guest, reason %#llx%s",
                (unsigned long long)reason, reason == 0x80000021 ? " (invalid guest state)" : "");
}

static enum vcpu_stop system_event(struct vcpu *v)
{
    switch (((struct kvm_vcpu *)v->engine)->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        machine_stop(v->machine, STOP_POWEROFF);
        return VCPU_KICKED;
    case KVM_SYSTEM_EVENT_RESET:
        machine_stop(v->machine, STOP_RESET);
        return VCPU_KICKED;
    default:
        return fail(v, "the guest told KVM that it crashed");
    }
}

/* KVM_RUN returned an error. */
static enum vcpu_stop run_error(struct vcpu *v, int error)
{
    if (error == EFAULT)
        return fail(v, "KVM cannot reach the guest's memory (is the host out of memory?)");
    return fail(v, "KVM_RUN: %s", strerror(error));
}

static enum vcpu_stop kvm_run(struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;
    struct kvm_run *run = k->run;

    if (k->halted) {
        k->halted = false;
        return VCPU_HALTED;
    }
    for (;;) {
        /* A kick after this line makes KVM_RUN return at once; one before it shows below. */
        __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        bool leave = vcpu_wanted(v);

        if (leave && !k->incomplete)
            return VCPU_KICKED;
        /* KVM completes the last exit's instruction only when it is entered again. */
        if (leave)
            run->immediate_exit = 1;
        else if (!offer_interrupt(v))
            return VCPU_FAILED;
        if (*v->failure)
            return VCPU_FAILED;

        int result = enter_guest(v);

        k->incomplete = false;
        if (result < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            return run_error(v, errno);
        }
        k->exits[run->exit_reason < EXIT_REASONS ? run->exit_reason : EXIT_REASONS]++;
        if (run->exit_reason != KVM_EXIT_IO && run->exit_reason != KVM_EXIT_MMIO)
            trace_exit(v, exit_name(run->exit_reason));
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            handle_io(v);
            k->incomplete = true;
            break;
        case KVM_EXIT_MMIO:
            handle_mmio(v);
            k->incomplete = true;
            break;
        case KVM_EXIT_IOAPIC_EOI:
            machine_eoi(v->machine, run->eoi.vector);
            break;
        case KVM_EXIT_INTR:
        case KVM_EXIT_IRQ_WINDOW_OPEN:
        case KVM_EXIT_SET_TPR:
            break;
        case KVM_EXIT_DEBUG:
            return VCPU_STEPPED;
        case KVM_EXIT_HLT:
            return run->if_flag ? VCPU_HALTED : VCPU_ENDED;
        case KVM_EXIT_SHUTDOWN:
            return VCPU_SHUTDOWN;
        case KVM_EXIT_SYSTEM_EVENT:
            return system_event(v);
        case KVM_EXIT_INTERNAL_ERROR:
            return internal_error(v);
        case KVM_EXIT_FAIL_ENTRY:
            return fail_entry(v);
        case KVM_EXIT_UNKNOWN:
            return fail(v, "an exit of the processor that KVM does not know, reason %#llx",
                        (unsigned long long)run->hw.hardware_exit_reason);
        default:
            return fail(v, "KVM exit %u, which minivm never asked for", run->exit_reason);
        }
    }
}

/* KVM steps by the trap flag, which the guest sees where it stores EFLAGS. */
static enum vcpu_stop kvm_step(struct vcpu *v)
{
    struct kvm_guest_debug debug = {.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP};

    if (!VCPU_IOCTL(v, KVM_SET_GUEST_DEBUG, &debug))
        return VCPU_FAILED;
    enum vcpu_stop stop = kvm_run(v);

    debug.control = 0;
    return VCPU_IOCTL(v, KVM_SET_GUEST_DEBUG, &debug) ? stop : VCPU_FAILED;
}

static void kvm_message(struct machine *m, uint64_t addr, uint32_t data)
{
    struct kvm_vm *vm = m->vm;
    struct kvm_msi msi = {.address_lo = addr, .address_hi = addr >> 32, .data = data};

    if (!m->config.apic || retry(vm->fd, KVM_SIGNAL_MSI, &msi) >= 0)
        return;
    /* The guest may have named a CPU or an address that does not exist. */
    if (errno != EPERM && errno != EINVAL)
        machine_fail(m, "KVM_SIGNAL_MSI: %s", strerror(errno));
}

static bool is_route(const struct route *r, uint64_t addr, uint32_t data)
{
    return r->there && r->addr == addr && r->data == data;
}

/* Give KVM the table of all routes, which takes it about a millisecond. False with errno set. */
static bool set_routes(const struct kvm_vm *vm)
{
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry entry[ROUTES];
    } table = {0};

    for (int i = 0; i < ROUTES; i++)
        if (vm->route[i].there)
            table.entry[table.head.nr++] = (struct kvm_irq_routing_entry){
                .gsi = i,
                .type = KVM_IRQ_ROUTING_MSI,
                .u.msi = {.address_lo = vm->route[i].addr,
                          .address_hi = vm->route[i].addr >> 32,
                          .data = vm->route[i].data},
            };
    return retry(vm->fd, KVM_SET_GSI_ROUTING, &table) >= 0;
}

/*
 * KVM reports the end of an interrupt for the vectors of level-triggered routes. It needs no other
 * routes of pins, as their messages are sent one by one. A new table is costly, so an unused route
 * stays until another takes its place: then a pin that is masked and unmasked, as kernels do all
 * the time, costs nothing. A pin's last route but one stays, too, as the CPU that it led to may
 * have the interrupt in service.
 */
static void kvm_route(struct machine *m, int pin, uint64_t addr, uint32_t data, bool level)
{
    struct kvm_vm *vm = m->vm;
    struct route *now = &vm->route[pin], *before = now + IOAPIC_PINS;

    if (!m->config.apic || !level || is_route(now, addr, data))
        return;
    if (is_route(before, addr, data)) {
        struct route other = *now;

        *now = *before;
        *before = other;
        return;
    }
    *before = *now;
    *now = (struct route){.there = true, .addr = addr, .data = data};
    if (!set_routes(vm))
        machine_fail(m, "KVM_SET_GSI_ROUTING: %s", strerror(errno));
}

/* A route for the message of a call: one that KVM has already, else a new one, else one in the
 * place of another that is not used. -1 when all are. */
static int find_route(struct kvm_vm *vm, const struct call *c, bool *new)
{
    int unused = -1;

    for (int i = ROUTES - 1; i >= PIN_ROUTES; i--) {
        const struct route *r = &vm->route[i];

        if (!r->used && is_route(r, c->addr, c->data))
            return i;
        if (!r->used && (unused < 0 || !r->there || vm->route[unused].there))
            unused = i;
    }
    if (unused >= 0) {
        vm->route[unused] = (struct route){.there = true, .addr = c->addr, .data = c->data};
        *new = true;
    }
    return unused;
}

/* Have a write to the call's descriptor interrupt by its route, or no longer. */
static bool set_irqfd(const struct kvm_vm *vm, const struct call *c, bool on)
{
    struct kvm_irqfd irqfd = {
        .fd = c->watch.fd, .gsi = c->route, .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

    return retry(vm->fd, KVM_IRQFD, &irqfd) >= 0;
}

static bool is_wanted(const struct call *c)
{
    return c->state == CALL_WAITS && c->addr && c->watch.fd;
}

/* All new routes are in one table. Where KVM does not take that, or a call, messages are sent one
 * by one as before. */
static void kvm_connect(struct machine *m, struct call *first)
{
    struct kvm_vm *vm = m->vm;
    bool new = false;

    for (struct call *c = first; c; c = c->next) {
        if (!is_wanted(c))
            continue;
        c->route = m->config.apic ? find_route(vm, c, &new) : -1;
        if (c->route >= 0)
            vm->route[c->route].used = true;
    }
    bool known = !new || set_routes(vm);

    for (struct call *c = first; c; c = c->next) {
        if (!is_wanted(c))
            continue;
        bool taken = c->route >= 0 && known && set_irqfd(vm, c, true);

        c->state = taken ? CALL_TAKEN : CALL_REFUSED;
        if (!taken && c->route >= 0)
            vm->route[c->route] = (struct route){0};
    }
}

static void kvm_hang_up(struct machine *m, struct call *c)
{
    struct kvm_vm *vm = m->vm;

    if (!set_irqfd(vm, c, false))
        machine_fail(m, "KVM_IRQFD: %s", strerror(errno));
    vm->route[c->route].used = false;
}

/* KVM need not be able to: a write then comes to us as all others do. */
static bool kvm_doorbell(struct machine *m, const struct doorbell *b, bool on)
{
    struct kvm_vm *vm = m->vm;
    struct kvm_ioeventfd bell = {
        .datamatch = b->match,
        .addr = b->addr,
        .len = 2,
        .fd = b->fd,
        .flags = (b->port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (b->match >= 0 ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
                 (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };

    return retry(vm->fd, KVM_IOEVENTFD, &bell) >= 0;
}

static void kvm_clear_stat(struct vcpu *v)
{
    struct kvm_vcpu *k = v->engine;

    memset(k->exits, 0, sizeof(k->exits));
    k->ns = 0;
}

static void kvm_print_stat(struct vcpu *v, FILE *f)
{
    struct kvm_vcpu *k = v->engine;
    uint64_t total = 0;

    for (int i = 0; i <= EXIT_REASONS; i++)
        total += k->exits[i];
    fprintf(f, "%llu exit%s", (unsigned long long)total, total == 1 ? "" : "s");
    for (int i = 0; i <= EXIT_REASONS; i++)
        if (k->exits[i])
            fprintf(f, " %s=%llu", exit_name(i), (unsigned long long)k->exits[i]);
    if (v->machine->config.stat)
        fprintf(f, ", %.3f ms in the guest", k->ns / 1e6);
}

const struct engine kvm_engine = {
    .name = "kvm",
    .open = kvm_open,
    .close = kvm_close,
    .vcpu_init = kvm_vcpu_init,
    .run = kvm_run,
    .step = kvm_step,
    .kick = kvm_kick,
    .get = kvm_get,
    .registers = get_registers,
    .gpr = kvm_gpr,
    .set = kvm_set,
    .clear_stat = kvm_clear_stat,
    .message = kvm_message,
    .route = kvm_route,
    .doorbell = kvm_doorbell,
    .connect = kvm_connect,
    .hang_up = kvm_hang_up,
    .print_stat = kvm_print_stat,
};

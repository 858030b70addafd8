// SPDX-License-Identifier: MIT
/*
 * Engine 2 behind x86/vcpu.h: CPUs made of C, which need nothing of the host but threads.
 *
 * The vCPU's thread runs lines of operations until soft.stop_at is reached. Others leave a request
 * and set stop_at to 0; the thread then looks at the request.
 *
 * Left out: SMM, and so SMIs. Code that another CPU modifies within an instruction: no processor
 * synchronises that.
 */
#define _GNU_SOURCE
#include "x86/soft/engine.h"
#include "hw/die.h"
#include "hw/random.h"
#include "x86/machine.h"
#include "x86/soft/line.h"
#include "x86/trace.h"
#include "x86/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { /* bits of XCR0, and of an XSAVE area's header */
    COMPONENT_X87 = 1 << 0,
    COMPONENT_SSE = 1 << 1,
};

/* ---- requests ---- */

void soft_ask(struct soft *c, uint32_t request)
{
    uint64_t one = 1;

    __atomic_fetch_or(&c->request, request, __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->stop_at, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->sleeping, __ATOMIC_SEQ_CST))
        (void)!write(c->wake_fd, &one, sizeof(one));
}

void soft_ask_others(struct soft *c, uint32_t request)
{
    for (int i = 0; i < c->vm->cpus; i++)
        if (c->vm->cpu[i] && c->vm->cpu[i] != c)
            soft_ask(c->vm->cpu[i], request);
}

static void add_news(struct soft_news *news, size_t page)
{
    const int room = sizeof(news->page) / sizeof(news->page[0]);

    if (news->n < room)
        news->page[news->n] = page;
    if (news->n <= room)
        news->n++;
}

/* A device wrote to RAM: CPUs forget what they have decoded of it. Either they see what was written
 * when they decode, or are counted before this looks. */
static void soft_wrote(struct machine *m, uint64_t gpa, uint64_t len)
{
    struct soft_vm *vm = m->vm;
    size_t at = (uint8_t *)ram_at(vm->ram, gpa, len) - vm->ram->host;
    bool any = false;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (size_t page = at >> 12; len && page <= (at + len - 1) >> 12; page++) {
        if (!__atomic_load_n(&vm->coders[page], __ATOMIC_SEQ_CST))
            continue;
        any = true;
        pthread_mutex_lock(&vm->news);
        for (int i = 0; i < vm->cpus; i++)
            if (vm->cpu[i])
                add_news(&vm->cpu[i]->changed, page);
        pthread_mutex_unlock(&vm->news);
    }
    for (int i = 0; any && i < vm->cpus; i++)
        if (vm->cpu[i])
            soft_ask(vm->cpu[i], REQUEST_CODE_CHANGED);
}

uint64_t soft_tell_others(struct soft *c, uint32_t request, size_t page)
{
    bool noted = request == REQUEST_CODE_NOTED;

    pthread_mutex_lock(&c->vm->news);
    for (int i = 0; i < c->vm->cpus; i++) {
        struct soft *other = c->vm->cpu[i];

        if (other && other != c)
            add_news(noted ? &other->noted : &other->changed, page);
    }
    uint64_t count = __atomic_add_fetch(&c->vm->noted, noted, __ATOMIC_SEQ_CST);

    pthread_mutex_unlock(&c->vm->news);
    soft_ask_others(c, request);
    return count;
}

/* Take the page numbers that a CPU was told. False when there were too many to keep. *noted is the
 * count of pages noted until then. */
static bool take_news(struct soft *c, struct soft_news *from, struct soft_news *news,
                      uint64_t *noted)
{
    pthread_mutex_lock(&c->vm->news);
    *news = *from;
    from->n = 0;
    *noted = c->vm->noted;
    pthread_mutex_unlock(&c->vm->news);
    return news->n <= (int)(sizeof(news->page) / sizeof(news->page[0]));
}

/* Other CPUs have decoded code: take the right to write to its pages out of the TLB. */
static void hear_of_code(struct soft *c)
{
    struct soft_news news;
    uint64_t noted;

    if (!take_news(c, &c->noted, &news, &noted))
        soft_flush_tlb(c, true);
    else
        for (int i = 0; i < news.n; i++)
            soft_protect_page(c, news.page[i]);
    __atomic_store_n(&c->knows, noted, __ATOMIC_SEQ_CST);
}

/* Other CPUs have written to code: forget the lines of its pages. */
static void hear_of_changes(struct soft *c)
{
    struct soft_news news;
    uint64_t noted;

    if (!take_news(c, &c->changed, &news, &noted))
        soft_cache_flush(c);
    else
        for (int i = 0; i < news.n; i++)
            soft_cache_forget(c, news.page[i]);
}

bool soft_others_know(struct soft *c, uint64_t noted)
{
    for (int i = 0; i < c->vm->cpus; i++) {
        const struct soft *other = c->vm->cpu[i];

        if (other && other != c && !__atomic_load_n(&other->away, __ATOMIC_SEQ_CST) &&
            !__atomic_load_n(&other->sleeping, __ATOMIC_SEQ_CST) &&
            __atomic_load_n(&other->knows, __ATOMIC_SEQ_CST) < noted)
            return false;
    }
    return true;
}

static void withdraw(struct soft *c, uint32_t request)
{
    __atomic_fetch_and(&c->request, ~request, __ATOMIC_SEQ_CST);
}

static void soft_kick(struct vcpu *v)
{
    soft_ask(v->engine, REQUEST_LOOK);
}

/* After an access to a chip, look for interrupts: it may have raised one, or let the PIC's through.
 */
static void after_access(struct soft *c)
{
    if (__atomic_load_n(&c->vcpu->intr, __ATOMIC_ACQUIRE))
        soft_ask(c, REQUEST_INTERRUPT);
    else if (machine_stopping(c->vcpu->machine) || c->vcpu->exited)
        soft_attend(c);
}

/* ---- the local APIC ---- */

static void lapic_intr(void *to, bool level)
{
    if (level)
        soft_ask(to, REQUEST_INTERRUPT);
}

/* One NMI may wait behind another that waits or is in service; more are lost. */
static void lapic_nmi(void *to)
{
    struct soft *c = to;
    bool waits = __atomic_load_n(&c->request, __ATOMIC_SEQ_CST) & REQUEST_NMI;

    soft_ask(c, waits ? REQUEST_NEXT_NMI : REQUEST_NMI);
}

static void lapic_init_message(void *to)
{
    soft_ask(to, REQUEST_INIT);
}

static void lapic_startup(void *to, uint8_t vector)
{
    struct soft *c = to;

    c->startup = vector;
    soft_ask(c, REQUEST_STARTUP);
}

/* Called with the machine locked, as the CPU accesses its local APIC's registers. */
static void lapic_eoi(void *to, int vector)
{
    struct soft *c = to;

    ioapic_eoi(&c->vcpu->board->ioapic, vector);
}

static void send(struct soft_vm *vm, const struct lapic_message *m)
{
    struct lapic *all[PC_MAX_CPUS];

    for (int i = 0; i < vm->cpus; i++)
        all[i] = &vm->cpu[i]->lapic;
    lapic_bus_send(all, vm->cpus, m);
}

static void lapic_ipi(void *to, const struct lapic_message *m)
{
    send(((struct soft *)to)->vm, m);
}

static void soft_message(struct machine *m, uint64_t addr, uint32_t data)
{
    struct lapic_message message;

    if (m->config.apic && lapic_message_from_msi(addr, data, &message))
        send(m->vm, &message);
}

/* The local APICs report the end of all level-triggered interrupts, whatever pin they came from. */
static void soft_route(struct machine *m, int pin, uint64_t addr, uint32_t data, bool level)
{
    (void)m, (void)pin, (void)addr, (void)data, (void)level;
}

static bool has_apic(const struct soft *c)
{
    return c->vcpu->machine->config.apic;
}

bool soft_apic_rdmsr(struct soft *c, uint32_t msr, uint64_t *val)
{
    struct machine *m = c->vcpu->machine;

    if (!has_apic(c))
        return false;
    pthread_mutex_lock(&m->lock);
    bool ok = lapic_rdmsr(&c->lapic, msr, val);

    pthread_mutex_unlock(&m->lock);
    return ok;
}

bool soft_apic_wrmsr(struct soft *c, uint32_t msr, uint64_t val)
{
    struct machine *m = c->vcpu->machine;

    if (!has_apic(c))
        return false;
    pthread_mutex_lock(&m->lock);
    bool ok = lapic_wrmsr(&c->lapic, msr, val);

    pthread_mutex_unlock(&m->lock);
    after_access(c);
    return ok;
}

uint8_t soft_cr8(struct soft *c)
{
    return has_apic(c) ? lapic_cr8(&c->lapic) : 0;
}

void soft_set_cr8(struct soft *c, uint8_t val)
{
    struct machine *m = c->vcpu->machine;

    if (!has_apic(c))
        return;
    pthread_mutex_lock(&m->lock);
    lapic_set_cr8(&c->lapic, val);
    pthread_mutex_unlock(&m->lock);
}

void soft_set_tsc_offset(struct soft *c, uint64_t offset)
{
    struct machine *m = c->vcpu->machine;

    c->tsc_offset = offset;
    if (!has_apic(c))
        return;
    pthread_mutex_lock(&m->lock);
    lapic_set_tsc_offset(&c->lapic, offset);
    pthread_mutex_unlock(&m->lock);
}

/* ---- chips ---- */

uint64_t soft_in(struct soft *c, uint16_t port, int size)
{
    uint64_t val = machine_read(c->vcpu, &c->vcpu->pio, port, size);

    c->io++;
    trace_io(c->vcpu, false, port, size, val);
    soft_watch_ports(c, port, size);
    after_access(c);
    return val;
}

void soft_out(struct soft *c, uint16_t port, int size, uint64_t val)
{
    c->io++;
    machine_write(c->vcpu, &c->vcpu->pio, port, size, val);
    console_wait(c->vcpu->console);
    trace_io(c->vcpu, true, port, size, val);
    soft_watch_ports(c, port, size);
    after_access(c);
}

/* Whoever reads what is traced may be slow: CPUs that need vm->split do not wait for that. */
static void trace(struct soft *c, bool write, uint64_t gpa, int size, uint64_t val)
{
    const int room = sizeof(c->bounce.traced) / sizeof(c->bounce.traced[0]);

    if (c->bounce.left != BOUNCE_COPY) {
        trace_mmio(c->vcpu, write, gpa, size, val);
    } else if (c->vcpu->machine->config.trace) {
        assert(c->bounce.traceds < room);
        c->bounce.traced[c->bounce.traceds++] = (struct soft_traced){gpa, val, size, write};
    }
}

void soft_trace_bounce(struct soft *c)
{
    for (int i = 0; i < c->bounce.traceds; i++) {
        const struct soft_traced *t = &c->bounce.traced[i];

        trace_mmio(c->vcpu, t->write, t->gpa, t->size, t->val);
    }
    c->bounce.traceds = 0;
}

static bool is_lapic(const struct soft *c, uint64_t gpa)
{
    return (gpa & ~SOFT_PAGE) == PC_LAPIC_BASE && has_apic(c) && lapic_mmio(&c->lapic);
}

uint64_t soft_mmio_read(struct soft *c, uint64_t gpa, int size)
{
    struct machine *m = c->vcpu->machine;
    uint64_t val;

    if (is_lapic(c, gpa)) {
        pthread_mutex_lock(&m->lock);
        val = c->lapic.dev.read(&c->lapic.dev, gpa & SOFT_PAGE, size);
        pthread_mutex_unlock(&m->lock);
        return val;
    }
    val = machine_read(c->vcpu, &c->vcpu->board->mmio, gpa, size);
    c->mmio++;
    trace(c, false, gpa, size, val);
    after_access(c);
    return val;
}

void soft_mmio_write(struct soft *c, uint64_t gpa, int size, uint64_t val)
{
    struct machine *m = c->vcpu->machine;

    if (is_lapic(c, gpa)) {
        pthread_mutex_lock(&m->lock);
        c->lapic.dev.write(&c->lapic.dev, gpa & SOFT_PAGE, size, val);
        pthread_mutex_unlock(&m->lock);
        after_access(c);
        return;
    }
    c->mmio++;
    machine_write(c->vcpu, &c->vcpu->board->mmio, gpa, size, val);
    if (c->bounce.left != BOUNCE_COPY) /* else soft_rmw_commit() does so, without its lock */
        console_wait(c->vcpu->console);
    trace(c, true, gpa, size, val);
    after_access(c);
}

uint64_t soft_now(struct soft *c)
{
    return clock_now(&c->vcpu->machine->clock);
}

static bool counts_time(const struct soft *c)
{
    return c->vcpu->machine->config.instruction_clock;
}

/* The instructions before the one being executed. */
static uint64_t soft_instructions(struct vcpu *v)
{
    const struct soft *c = v->engine;

    return c ? soft_executed(c) : 0;
}

/* With the instruction clock: a fixed sequence. */
uint64_t soft_random(struct soft *c)
{
    uint64_t val;

    if (counts_time(c))
        return random_next(&c->random);
    while (getrandom(&val, sizeof(val), 0) != sizeof(val))
        ;
    return val;
}

/* ---- reset, and state from outside ---- */

/* What a CPU has at its very beginning, and after INIT. */
static void reset_state(struct soft *c, const struct cpu_state *s)
{
    memcpy(c->r, s->gpr, sizeof(s->gpr));
    c->r[NO_REG] = 0;
    c->r[RIP] = s->rip;
    soft_set_arith(c, s->rflags);
    c->eflags = s->rflags & ~(EFLAGS_ARITHMETIC | EFLAGS_FIXED);
    const struct segment *from[SEGMENTS] = {&s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs};

    for (int i = 0; i < SEGMENTS; i++)
        c->segment[i] = *from[i];
    c->tr = s->tr;
    c->ldt = s->ldt;
    c->gdt = s->gdt;
    c->idt = s->idt;
    c->cr0 = s->cr0;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer = s->efer;
    c->cpl = !(c->cr0 & CR0_PE) ? 0 : c->eflags & EFLAGS_VM ? 3 : c->segment[SS].dpl;
    c->shadow = c->quiet = c->halted = c->nmi_masked = c->stepped = false;
    c->hit = 0;
    c->delivering = -1;
    c->raised = c->chained = false;
    c->op = NULL;
    if (c->cr0 & CR0_PG && c->cr4 & CR4_PAE && !(c->efer & EFER_LMA))
        soft_load_pdptes(c, c->cr3);
    soft_flush_tlb(c, true);
    soft_mode(c);
    soft_attend(c);
}

/* Real mode as INIT and a start-up message leave it: all segments but CS begin at 0. */
static struct cpu_state real_mode(uint32_t base)
{
    struct cpu_state s;

    cpu_real_mode(&s, 0);
    s.cs.base = base;
    s.cs.selector = base >> 4;
    s.gpr[RSP] = 0;
    return s;
}

static void init_message(struct soft *c)
{
    struct cpu_state s = real_mode(0xf0000);

    s.rip = 0xfff0;
    memset(c->dr, 0, sizeof(c->dr));
    c->dr[6] = DR6_FIXED;
    c->dr[7] = DR7_FIXED;
    reset_state(c, &s);
    c->waiting_for_startup = c->vcpu->index > 0;
    lapic_init_reset(&c->lapic);
}

static void startup_message(struct soft *c)
{
    struct cpu_state s = real_mode(c->startup << 12);

    if (!c->waiting_for_startup)
        return;
    reset_state(c, &s);
    c->waiting_for_startup = false;
}

/* INIT and start-up messages that have come. Machine locked, unless no CPU runs. */
static void take_messages(struct soft *c)
{
    uint32_t request = __atomic_load_n(&c->request, __ATOMIC_SEQ_CST);

    withdraw(c, request & (REQUEST_INIT | REQUEST_STARTUP));
    if (request & REQUEST_INIT)
        init_message(c);
    if (request & REQUEST_STARTUP)
        startup_message(c);
}

static void get_fpu(const struct soft *c, struct cpu_state *s)
{
    static const uint64_t components = COMPONENT_X87 | COMPONENT_SSE;

    memcpy(s->xsave, &c->fpu, XSAVE_LEGACY);
    memcpy(s->xsave + XSAVE_HEADER, &components, sizeof(components));
    s->xcr0 = c->xcr0;
}

/* Components that the area does not have are in their initial configuration; MXCSR is always there.
 */
static void set_fpu(struct soft *c, const struct cpu_state *s)
{
    const struct soft_fpu *from = (const void *)s->xsave;
    uint64_t components;

    memcpy(&components, s->xsave + XSAVE_HEADER, sizeof(components));
    soft_fpu_reset(&c->fpu);
    if (components & COMPONENT_X87) {
        memcpy(&c->fpu, from, offsetof(struct soft_fpu, mxcsr));
        memcpy(c->fpu.st, from->st, sizeof(c->fpu.st));
    }
    if (components & COMPONENT_SSE)
        memcpy(c->fpu.xmm, from->xmm, sizeof(c->fpu.xmm));
    c->fpu.mxcsr = from->mxcsr;
    c->xcr0 = s->xcr0;
}

static bool soft_get_state(struct vcpu *v, struct cpu_state *s)
{
    struct soft *c = v->engine;

    take_messages(c); /* another CPU may have sent them while this one stood still */
    *s = (struct cpu_state){
        .rip = c->op ? soft_ip(c, c->op) : c->r[RIP],
        .rflags = soft_eflags(c),
        .es = c->segment[ES],
        .cs = c->segment[CS],
        .ss = c->segment[SS],
        .ds = c->segment[DS],
        .fs = c->segment[FS],
        .gs = c->segment[GS],
        .tr = c->tr,
        .ldt = c->ldt,
        .gdt = c->gdt,
        .idt = c->idt,
        .cr0 = c->cr0,
        .cr2 = c->cr2,
        .cr3 = c->cr3,
        .cr4 = c->cr4,
        .efer = c->efer,
        .tsc_at = soft_now(c),
        .random = c->random,
        .tsc_adjust = c->tsc_adjust,
        .activity = c->waiting_for_startup ? CPU_WAITING
                    : c->halted            ? CPU_HALTED
                                           : CPU_ACTIVE,
        .shadow = c->shadow ? c->quiet ? SHADOW_MOV_SS : SHADOW_STI : 0,
        .nmi_pending = c->request & REQUEST_NMIS,
        .nmi_masked = c->nmi_masked,
        .event = c->raised ? EVENT_EXCEPTION : c->event,
        .event_vector = c->raised ? c->vector : c->event_vector,
        .event_has_code = c->raised && c->has_error_code,
        .event_code = c->raised && c->has_error_code ? c->error_code : 0,
    };
    s->tsc = clock_cycles(s->tsc_at, c->tsc_hz) + c->tsc_offset;
    memcpy(s->gpr, c->r, sizeof(s->gpr));
    memcpy(s->dr, c->dr, sizeof(s->dr));
    for (int i = 0; i < CPU_MSRS; i++)
        soft_rdmsr(c, cpu_msrs[i].index, cpu_msr(s, &cpu_msrs[i]));
    get_fpu(c, s);
    if (has_apic(c))
        lapic_save(&c->lapic, &s->lapic);
    return true;
}

static bool soft_set_state(struct vcpu *v, const struct cpu_state *s)
{
    struct soft *c = v->engine;

    withdraw(c, REQUEST_NMIS | REQUEST_INIT | REQUEST_STARTUP);
    reset_state(c, s);
    memcpy(c->dr, s->dr, sizeof(c->dr));
    for (int i = 0; i < CPU_MSRS; i++)
        soft_wrmsr(c, cpu_msrs[i].index, *cpu_msr(s, &cpu_msrs[i]));
    set_fpu(c, s);
    c->tsc_offset = s->tsc - clock_cycles(s->tsc_at, c->tsc_hz);
    c->tsc_adjust = s->tsc_adjust;
    c->random = s->random;
    c->waiting_for_startup = s->activity == CPU_WAITING;
    c->halted = s->activity == CPU_HALTED;
    c->shadow = s->shadow;
    c->quiet = s->shadow & SHADOW_MOV_SS;
    c->nmi_masked = s->nmi_masked;
    c->raised = s->event == EVENT_EXCEPTION;
    if (c->raised) {
        c->vector = s->event_vector;
        c->has_error_code = s->event_has_code;
        c->error_code = s->event_code;
    }
    c->event = c->raised ? EVENT_NONE : s->event;
    c->event_vector = s->event_vector;
    if (has_apic(c)) {
        lapic_set_tsc_offset(&c->lapic, c->tsc_offset);
        lapic_load(&c->lapic, &s->lapic);
    }
    soft_mode(c);
    soft_cache_flush(c); /* RAM may have been put in its place, too */
    soft_ask(c, REQUEST_INTERRUPT | (s->nmi_pending ? REQUEST_NMI : 0));
    return true;
}

static void soft_clear_stat(struct vcpu *v)
{
    struct soft *c = v->engine;

    c->counted = c->count;
    c->io = c->halts = c->mmio = c->misses = c->interrupts = 0;
}

static void soft_get_gpr(struct vcpu *v, uint64_t gpr[16])
{
    memcpy(gpr, ((const struct soft *)v->engine)->r, 16 * sizeof(gpr[0]));
}

static void soft_vcpu_init(struct vcpu *v)
{
    struct machine *m = v->machine;
    struct soft_vm *vm = m->vm;
    /* All of its TLB is written at once: a fault for each page would take longer. */
    struct soft *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (c == MAP_FAILED)
        die("no memory for CPU %d: %m", v->index);
    v->engine = c;
    c->away = true;
    c->vm = vm;
    c->vcpu = v;
    c->tsc_hz = UINT64_C(1000) * m->tsc_khz;
    c->cache = soft_cache_new(vm);
    c->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (c->wake_fd < 0)
        die("cannot make CPU %d: %m", v->index);
    soft_empty_tlb(c);
    if (m->config.apic) {
        lapic_init(&c->lapic, v->index, &m->clock, v->index == 0,
                   (struct lapic_out){.intr = lapic_intr,
                                      .nmi = lapic_nmi,
                                      .init = lapic_init_message,
                                      .startup = lapic_startup,
                                      .eoi = lapic_eoi,
                                      .ipi = lapic_ipi,
                                      .to = c});
        c->lapic.tsc_hz = c->tsc_hz;
    }
    vm->cpu[v->index] = c;
}

static void soft_open(struct machine *m)
{
    struct soft_vm *vm = calloc(1, sizeof(*vm) + m->config.cpus * sizeof(vm->cpu[0]));

    assert(vm);
    m->vm = vm;
    vm->machine = m;
    vm->ram = &m->ram;
    vm->cpus = m->config.cpus;
    if (!m->config.portable || !m->tsc_khz)
        m->tsc_khz = SOFT_TSC_KHZ;
    pthread_mutex_init(&vm->split, NULL);
    pthread_mutex_init(&vm->news, NULL);
    vm->coders = calloc(m->ram.size >> 12, 1);
    if (!vm->coders)
        die("no memory for the engine");
}

static void soft_close(struct machine *m)
{
    struct soft_vm *vm = m->vm;

    for (int i = 0; i < vm->cpus; i++) {
        struct soft *c = vm->cpu[i];

        if (!c)
            continue;
        if (m->config.apic)
            clock_remove(&m->clock, &c->lapic.timer);
        soft_cache_free(c->cache);
        close(c->wake_fd);
        munmap(c, sizeof(*c));
        m->vcpu[i].engine = NULL;
    }
    pthread_mutex_destroy(&vm->split);
    pthread_mutex_destroy(&vm->news);
    free(vm->coders);
    free(vm);
    m->vm = NULL;
}

/* ---- the thread ---- */

static bool interrupted(struct soft *c)
{
    const struct vcpu *v = c->vcpu;

    if (has_apic(c) && __atomic_load_n(&c->lapic.intr, __ATOMIC_ACQUIRE))
        return true;
    return __atomic_load_n(&v->intr, __ATOMIC_ACQUIRE) && (!has_apic(c) || lapic_extint(&c->lapic));
}

/* The vector of the interrupt to take, or -1 when there is none after all. */
static int acknowledge(struct soft *c)
{
    struct machine *m = c->vcpu->machine;
    int vector = -1;

    if (has_apic(c)) {
        pthread_mutex_lock(&m->lock);
        if (c->lapic.intr)
            vector = lapic_ack(&c->lapic);
        pthread_mutex_unlock(&m->lock);
        if (vector >= 0 || !lapic_extint(&c->lapic))
            return vector;
    }
    return machine_ack(c->vcpu);
}

/* Take an interrupt or NMI, if there is one and the CPU lets it. May raise. */
static void take_interrupt(struct soft *c)
{
    if (c->shadow)
        return;
    uint32_t nmis = __atomic_load_n(&c->request, __ATOMIC_SEQ_CST) & REQUEST_NMIS;

    if (nmis && !c->nmi_masked) {
        withdraw(c, nmis & REQUEST_NMI ? REQUEST_NMI : REQUEST_NEXT_NMI);
        c->halted = false;
        c->interrupts++;
        c->nmi_masked = true;
        soft_interrupt(c, EXCEPTION_NMI, SOURCE_EXTERNAL, false, 0);
        return;
    }
    withdraw(c, REQUEST_INTERRUPT);
    if (!interrupted(c))
        return;
    int vector = c->eflags & EFLAGS_IF ? acknowledge(c) : -1;

    /* When IF is set next, this bit makes the loop look again; also if the delivery raises. */
    if (interrupted(c))
        __atomic_fetch_or(&c->request, REQUEST_INTERRUPT, __ATOMIC_SEQ_CST);
    if (c->eflags & EFLAGS_IF)
        soft_attend(c); /* for the next one */
    if (vector >= 0) {
        c->halted = false;
        c->interrupts++;
        soft_interrupt(c, vector, SOURCE_EXTERNAL, false, 0);
    }
}

/* An event that came with the state. May raise. */
static void deliver_event(struct soft *c)
{
    int vector = c->event == EVENT_NMI ? EXCEPTION_NMI : c->event_vector;

    c->nmi_masked |= c->event == EVENT_NMI;
    c->event = EVENT_NONE;
    c->interrupts++;
    soft_attend(c); /* for what waits behind it */
    soft_interrupt(c, vector, SOURCE_EXTERNAL, false, 0);
}

/* Do what was asked for. False to come back to the machine. May raise. */
static bool serve(struct soft *c)
{
    __atomic_store_n(&c->stop_at, UINT64_MAX, __ATOMIC_SEQ_CST);
    uint64_t stop_at = counts_time(c) ? machine_turn_clock(c->vcpu->machine) : UINT64_MAX;
    uint64_t none = UINT64_MAX;

    /* It may be 0 again meanwhile, and then stays so. */
    __atomic_compare_exchange_n(&c->stop_at, &none, stop_at, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    uint32_t request = __atomic_load_n(&c->request, __ATOMIC_SEQ_CST);

    if (request & REQUEST_LOOK)
        withdraw(c, REQUEST_LOOK);
    if (request & REQUEST_CODE_NOTED) {
        withdraw(c, REQUEST_CODE_NOTED);
        hear_of_code(c);
    }
    if (request & REQUEST_CODE_CHANGED) {
        withdraw(c, REQUEST_CODE_CHANGED);
        hear_of_changes(c);
    }
    if (request & (REQUEST_INIT | REQUEST_STARTUP)) {
        pthread_mutex_lock(&c->vcpu->machine->lock);
        take_messages(c);
        pthread_mutex_unlock(&c->vcpu->machine->lock);
    }
    if (vcpu_wanted(c->vcpu))
        return false;
    if (c->event)
        deliver_event(c);
    else if (!c->waiting_for_startup && !c->raised)
        take_interrupt(c);
    return true;
}

/* Without a local APIC it is an exit, as on other engines. */
void soft_halt(struct soft *c)
{
    c->halted = true;
    c->shadow = false; /* this was the instruction in it */
    soft_attend(c);
    if (has_apic(c))
        return;
    c->halts++;
    trace_exit(c->vcpu, "hlt");
}

/* Sleep until somebody asks for something. */
static void sleep_on(struct soft *c)
{
    uint64_t count;

    if (counts_time(c) && machine_leap(c->vcpu->machine)) {
        soft_attend(c);
        return;
    }

    __atomic_store_n(&c->sleeping, true, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&c->stop_at, __ATOMIC_SEQ_CST))
        (void)!read(c->wake_fd, &count, sizeof(count));
    __atomic_store_n(&c->sleeping, false, __ATOMIC_SEQ_CST);
}

/* Does each instruction have to be run by step()? */
static bool careful(const struct soft *c)
{
    return c->shadow || c->eflags & (EFLAGS_TF | EFLAGS_RF) || c->dr[7] & DR7_ENABLES;
}

/* Instruction breakpoints at RIP: bits of DR6. */
static uint32_t code_breakpoints(const struct soft *c)
{
    uint64_t linear = (c->window[CS].base + c->r[RIP]) & c->linear_mask;
    uint32_t hit = 0;

    for (int i = 0; i < 4; i++)
        if (c->dr[7] >> (2 * i) & 3 && !(c->dr[7] >> (16 + 4 * i) & 3) && c->dr[i] == linear)
            hit |= 1 << i;
    return hit;
}

/* Run one instruction with all that may happen around it. once: of a string instruction, one
 * repetition. */
static void step(struct soft *c, bool once)
{
    bool quiet = c->quiet, resume = c->eflags & EFLAGS_RF;

    c->shadow = c->quiet = false;
    c->eflags &= ~EFLAGS_RF;
    if (!resume && !quiet && c->dr[7] & DR7_ENABLES) {
        uint32_t hit = code_breakpoints(c);

        if (hit) {
            soft_note_debug(c, hit);
            soft_raise(c, EXCEPTION_DB);
        }
    }
    if (!quiet)
        c->hit = 0;
    bool stepped = c->eflags & EFLAGS_TF;

    c->stepped = stepped || once;
    soft_run_one(c);
    stepped &= c->stepped; /* INT n and SYSCALL have cleared TF: no trap */
    c->stepped = false;
    if (c->quiet || !(stepped || c->hit))
        return;
    soft_note_debug(c, c->hit | (stepped ? DR6_BS : 0));
    c->hit = 0;
    c->halted = false;
    soft_interrupt(c, EXCEPTION_DB, SOURCE_EXCEPTION, false, 0);
}

/* Does run() return when the CPU halts? Without a local APIC it does, and the machine waits. With
 * the instruction clock the machine cannot see how long that takes, so that run() returns only from
 * a HLT that lasts for ever. */
static bool comes_back(const struct soft *c)
{
    if (!counts_time(c))
        return !has_apic(c);
    return !(c->eflags & EFLAGS_IF) && !(has_apic(c) && board_wakes(c->vcpu->board));
}

static enum vcpu_stop run(struct soft *c, bool once)
{
    volatile bool delivered = false;

    soft_attend(c);
    if (_setjmp(c->fault)) {
        c->stepped = false;
        assert(c->bounce.left == BOUNCE_NOTHING);
        if (!soft_catch_fault(c)) {
            trace_exit(c->vcpu, "shutdown");
            c->vcpu->first = c->first;
            return VCPU_SHUTDOWN;
        }
    }
    for (;;) {
        c->op = NULL;
        if (once && delivered)
            return VCPU_STEPPED;
        uint64_t interrupts = c->interrupts;

        if (c->count >= __atomic_load_n(&c->stop_at, __ATOMIC_SEQ_CST) && !serve(c))
            return VCPU_KICKED;
        if (once && c->interrupts != interrupts)
            return VCPU_STEPPED;
        if (c->raised) {
            soft_deliver_fault(c);
            if (__atomic_load_n(&c->request, __ATOMIC_SEQ_CST))
                soft_attend(c); /* an interrupt had to wait for this */
            delivered = true;
            continue;
        }
        if (c->halted && comes_back(c))
            return c->eflags & EFLAGS_IF ? VCPU_HALTED : VCPU_ENDED;
        if (c->halted || c->waiting_for_startup)
            sleep_on(c);
        else if (once || careful(c))
            step(c, once);
        else if (!soft_run_lines(c))
            step(c, false);
        delivered = once && !c->halted;
    }
}

static enum vcpu_stop come_and_go(struct soft *c, bool once)
{
    __atomic_store_n(&c->away, false, __ATOMIC_SEQ_CST);
    enum vcpu_stop stop = run(c, once);

    __atomic_store_n(&c->away, true, __ATOMIC_SEQ_CST);
    return stop;
}

static enum vcpu_stop soft_run(struct vcpu *v)
{
    return come_and_go(v->engine, false);
}

static enum vcpu_stop soft_step(struct vcpu *v)
{
    return come_and_go(v->engine, true);
}

static void soft_print_stat(struct vcpu *v, FILE *f)
{
    const struct soft *c = v->engine;
    const struct {
        const char *name;
        uint64_t count;
    } exits[] = {{"io", c->io}, {"hlt", c->halts}, {"mmio", c->mmio}};
    uint64_t total = c->io + c->halts + c->mmio;

    fprintf(f, "%llu exit%s", (unsigned long long)total, total == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
        if (exits[i].count)
            fprintf(f, " %s=%llu", exits[i].name, (unsigned long long)exits[i].count);
    fprintf(f, ", %llu instructions, %llu lines decoded, %llu TLB misses, %llu interrupts",
            (unsigned long long)(c->count - c->counted), (unsigned long long)soft_cache_decoded(c),
            (unsigned long long)c->misses, (unsigned long long)c->interrupts);
}

const struct engine soft_engine = {
    .name = "soft",
    .open = soft_open,
    .close = soft_close,
    .vcpu_init = soft_vcpu_init,
    .run = soft_run,
    .step = soft_step,
    .kick = soft_kick,
    .get = soft_get_state,
    .registers = soft_get_state,
    .set = soft_set_state,
    .gpr = soft_get_gpr,
    .instructions = soft_instructions,
    .clear_stat = soft_clear_stat,
    .message = soft_message,
    .route = soft_route,
    .wrote = soft_wrote,
    .print_stat = soft_print_stat,
};

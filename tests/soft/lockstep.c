// SPDX-License-Identifier: MIT
/*
 * The soft CPU against KVM: two machines with the same RAM go through the same code, one
 * instruction after another, and must have the same state after each.
 *
 * usage: lockstep [-stv] [IMAGE...]
 *
 *     IMAGE   build/tests/soft/lockstep/NAME.bin, or a small guest, or the 1K OS; default: all
 *     -t      shows each instruction
 *     -s      the same without KVM, to write snippets by
 *     -v      names each case
 *
 * How KVM is stopped after one instruction: the soft CPU goes first. Where it arrives at CPL 0, a
 * HLT is put in the way of the other one, which then runs freely: so it does not matter whether the
 * instruction raised an exception, and nobody sees a trap flag. Where it arrives at CPL 3, KVM
 * steps by the trap flag. String instructions are one step, with all their repetitions.
 *
 * Timers do not run here: no interrupt ever comes. A guest ends at the first HLT.
 *
 * An image of snippets begins at 0x8000, in real mode, with CS = 0. It brings a list of records
 * (see lockstep/lockstep.h): the names of its cases, and the instructions where KVM, or the
 * emulator beneath it, is known to do something else, with the reason. After a difference of either
 * sort KVM is given the soft CPU's state, so that the rest can be compared.
 */
#include "boot/pmode-1k.h"
#include "boot/realmode.h"
#include "tests/unit/test.h"
#include "x86/kvm.h"
#include "x86/machine.h"
#include "x86/soft/engine.h"
#include "tests/soft/lockstep/lockstep.h"

#include <cpuid.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    SNIPPET_RAM = 2 << 20,
    STEPS_MAX = 20000,     /* of a guest that does not end by itself */
    REPETITIONS = 1 << 20, /* of one instruction */
    RUNAWAY_US = 3000000,  /* for one instruction; for one that is known to differ: */
    RUNAWAY_KNOWN_US = 150000,
    LOW_RAM = 0x24000,    /* compared after each step */
    TABLES_SIZE = 0x8000, /* of page tables, where HIGH_RAM begins */
    HIGH_RAM = 0x100000,  /* and so is this, where there are page tables */
    HIGH_RAM_SIZE = 0x92000,
    ALL_RAM_EACH = 32, /* steps */
    SHOWN = 24,        /* differences of an image that are shown in full */
    HLT = 0xf4,
};

/* What KVM runs on: bits, as in the kinds of records. */
static int ground;
static bool alone, verbose, tracing;

static struct machine *soft, *kvm;
static struct test_console soft_console, kvm_console;
static struct cpu_state before, after, other;
static int shown, known;
static bool aligned; /* KVM has been given a state once */
static bool trapped; /* the step was made by the trap flag */

/* ---- machines ---- */

static struct machine *build(const struct engine *engine, uint64_t ram,
                             struct test_console *console)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct config config = {.engine = engine, .ram = ram, .cpus = 1, .guests = 1};

    test_console_init(console);
    machine_build(m, &config, (struct console *[]){&console->console});
    return m;
}

static void tear_down(struct machine **m)
{
    if (*m)
        machine_free(*m);
    free(*m);
    *m = NULL;
}

static struct soft *soft_cpu(void)
{
    return soft->vcpu[0].engine;
}

static struct vcpu *kvm_cpu(void)
{
    return &kvm->vcpu[0];
}

/* The first member of the engine's part. */
static int kvm_fd(void)
{
    return *(const int *)kvm_cpu()->engine;
}

static void run_away(int sig)
{
    (void)sig;
    kvm->stop = STOP_TIMEOUT;
    kvm_engine.kick(kvm_cpu());
}

/* ---- where code is ---- */

struct code {
    uint64_t linear;
    uint8_t bytes[15];
};

static uint64_t code_linear(const struct cpu_state *s)
{
    return s->cs.l && s->efer & EFER_LMA ? s->rip : (uint32_t)(s->cs.base + s->rip);
}

static int cpl(const struct cpu_state *s)
{
    return !(s->cr0 & CR0_PE) ? 0 : s->rflags & EFLAGS_VM ? 3 : s->ss.dpl;
}

/* The soft CPU's code at a linear address: false where it cannot be fetched, or is not in RAM. */
static bool find_code(uint64_t linear, uint64_t *gpa)
{
    struct soft *c = soft_cpu();
    uint64_t cr2 = c->cr2;
    bool global;

    if (_setjmp(c->fault)) {
        c->cr2 = cr2;
        c->op = NULL;
        return false;
    }
    *gpa = soft_code_address(c, linear, &global);
    return *gpa < soft->ram.size;
}

static uint8_t *ram(struct machine *m, uint64_t gpa)
{
    return ram_at(&m->ram, gpa, 1);
}

/* ---- the records of an image ---- */

struct record {
    uint32_t linear;
    uint32_t kind;
    char text[];
};

static const uint8_t *records; /* a copy: snippets may write anywhere */
static uint64_t image_end;

static const struct record *next_record(const struct record *r)
{
    return (const void *)((const uint8_t *)r + ((sizeof(*r) + strlen(r->text) + 1 + 3) & ~3ul));
}

/* Snippets see their image again at 4 MiB, for CPL 3. */
static uint64_t in_image(uint64_t linear)
{
    return linear - USER_PLACE < image_end ? linear - USER_PLACE : linear;
}

/* The case that an address belongs to: what stands before the first one serves all. */
static const char *case_at(uint64_t linear)
{
    static const char *last;
    const char *name = NULL;

    linear = in_image(linear);
    if (linear >= image_end)
        return last ? last : "";
    for (const struct record *r = (const void *)records; r && r->linear; r = next_record(r))
        if (r->kind == RECORD_CASE && r->linear <= linear)
            name = r->text;
    return last = name ? name : last ? last : "start";
}

/* Why KVM may do something else with the instruction there; NULL when it may not. */
static const char *excuse_at(uint64_t linear)
{
    linear = in_image(linear);
    for (const struct record *r = (const void *)records; r && r->linear; r = next_record(r))
        if (r->kind & ground && r->linear == linear)
            return r->text;
    return NULL;
}

/* ---- comparison ---- */

static char differences[4096];

static void differ(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void differ(const char *fmt, ...)
{
    size_t n = strlen(differences);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(differences + n, sizeof(differences) - n, fmt, ap);
    va_end(ap);
}

static void compare_value(const char *name, uint64_t s, uint64_t k)
{
    if (s != k)
        differ("#     %s: soft %#llx, KVM %#llx\n", name, (unsigned long long)s,
               (unsigned long long)k);
}

/* The granularity is not compared: the limit is in bytes. Of a segment that cannot be used nothing
 * but the selector means anything; but the base of FS and GS does in 64-bit mode. */
static void compare_segment(const char *name, const struct segment *s, const struct segment *k,
                            bool base)
{
    if (s->selector == k->selector && (s->present == k->present || !(s->selector & ~3)) &&
        (!base || s->base == k->base) &&
        (!s->present ||
         (s->base == k->base && s->limit == k->limit && s->type == k->type && s->dpl == k->dpl &&
          s->s == k->s && s->l == k->l && s->db == k->db && s->avl == k->avl)))
        return;
    const struct segment *both[] = {s, k};

    for (int i = 0; i < 2; i++)
        differ("#     %s: %s %04x base %llx limit %x type %x dpl %d%s%s%s%s%s\n", name,
               i ? "KVM " : "soft", both[i]->selector, (unsigned long long)both[i]->base,
               both[i]->limit, both[i]->type, both[i]->dpl, both[i]->s ? "" : " system",
               both[i]->present ? " present" : "", both[i]->l ? " long" : "",
               both[i]->db ? " 32-bit" : "", both[i]->avl ? " avl" : "");
}

static void compare_state(const struct cpu_state *s, const struct cpu_state *k)
{
    static const char names[16][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    bool lma = s->efer & EFER_LMA;

    for (int i = 0; i < 16; i++) /* the upper halves are seen only in long mode */
        compare_value(names[i], lma ? s->gpr[i] : (uint32_t)s->gpr[i],
                      lma ? k->gpr[i] : (uint32_t)k->gpr[i]);
    compare_value("rip", s->rip, k->rip);
    compare_value("rflags", s->rflags & ~EFLAGS_RF, k->rflags & ~EFLAGS_RF);
    compare_segment("cs", &s->cs, &k->cs, false);
    compare_segment("ds", &s->ds, &k->ds, false);
    compare_segment("es", &s->es, &k->es, false);
    compare_segment("ss", &s->ss, &k->ss, false);
    compare_segment("fs", &s->fs, &k->fs, lma);
    compare_segment("gs", &s->gs, &k->gs, lma);
    compare_segment("tr", &s->tr, &k->tr, false);
    compare_segment("ldt", &s->ldt, &k->ldt, false);
    compare_value("gdt base", s->gdt.base, k->gdt.base);
    compare_value("gdt limit", s->gdt.limit, k->gdt.limit);
    compare_value("idt base", s->idt.base, k->idt.base);
    compare_value("idt limit", s->idt.limit, k->idt.limit);
    compare_value("cr0", s->cr0, k->cr0);
    compare_value("cr2", s->cr2, k->cr2);
    compare_value("cr3", s->cr3, k->cr3);
    compare_value("cr4", s->cr4, k->cr4);
    compare_value("efer", s->efer, k->efer);
}

/* What snippets use most is looked at after each step, all the rest now and then. The emulator
 * beneath a kvmhost is three times as fast at this loop as at the instructions of memcmp(). */
static bool same_ram(uint64_t from, uint64_t n)
{
    const uint64_t *s = (const void *)ram(soft, from), *k = (const void *)ram(kvm, from);
    uint64_t bits = 0;

#pragma GCC unroll 8
    for (uint64_t i = 0; i < n / sizeof(*s); i++)
        bits |= s[i] ^ k[i];
    return !bits;
}

/*
 * EFLAGS in memory. What PUSHF and task switches store while KVM steps by the trap flag has that
 * flag, too. QEMU's emulator does not set RF in what a fault pushes.
 */
static void forgive_flags(void)
{
    for (uint64_t i = 0; i < LOW_RAM; i++) {
        uint8_t s = *ram(soft, i), *k = ram(kvm, i);

        if (s == *k)
            continue;
        if ((trapped && *k == (s | EFLAGS_TF >> 8)) ||
            (ground & ON_TCG && i % 4 == 2 && s == (*k | EFLAGS_RF >> 16)))
            *k = s;
    }
}

/*
 * Accessed bits in page tables, which either side may set more often: KVM walks at any time, where
 * the soft CPU's TLB serves; the soft CPU fetches as many bytes as an instruction can have, from
 * the next page, too; and without nested paging KVM does not mark what a fault stopped at. There it
 * does not see either that align() took a dirty bit back, which it had set while it ran away.
 */
static void forgive_walks(void)
{
    uint8_t bits = aligned ? PTE_A | PTE_D : PTE_A;

    if (soft->ram.size < HIGH_RAM + HIGH_RAM_SIZE || same_ram(HIGH_RAM, TABLES_SIZE))
        return;
    for (uint64_t i = HIGH_RAM; i < HIGH_RAM + TABLES_SIZE; i++) {
        uint8_t *s = ram(soft, i), *k = ram(kvm, i);

        if (!((*s ^ *k) & ~bits))
            *s = *k |= *s;
    }
}

/* QEMU's emulator does not mark code segments as accessed on most ways to them. */
static void forgive_accessed(void)
{
    uint64_t at = after.gdt.base + (after.cs.selector & ~7) + 5, gpa;

    if (!(ground & ON_TCG) || after.cs.type == other.cs.type ||
        after.cs.type != (other.cs.type | 1))
        return;
    other.cs.type |= 1;
    if (!(after.cr0 & CR0_PE) || after.cs.selector & 4 || !find_code(at, &gpa))
        return;
    if (*ram(soft, gpa) == (*ram(kvm, gpa) | 1))
        *ram(kvm, gpa) |= 1;
}

/* All of it, or what snippets use most, of which what is below from is known to be the same. */
static void compare_ram(uint64_t from, bool all)
{
    const uint8_t *s = ram(soft, 0), *k = ram(kvm, 0);
    uint64_t end = soft->ram.size;
    int n = 0;

    if (same_ram(from, (all ? end : LOW_RAM) - from) &&
        (all || end < HIGH_RAM + HIGH_RAM_SIZE || same_ram(HIGH_RAM, HIGH_RAM_SIZE)))
        return;
    for (uint64_t i = from; i < end && n < 8; i++)
        if (s[i] != k[i]) {
            differ("#     byte at %llx: soft %02x, KVM %02x\n", (unsigned long long)i, s[i], k[i]);
            n++;
        }
}

/* ---- one instruction ---- */

static struct code code_of(const struct cpu_state *s)
{
    struct code code = {.linear = code_linear(s)};
    uint64_t gpa;

    if (find_code(code.linear, &gpa))
        memcpy(code.bytes, ram(soft, gpa), sizeof(code.bytes));
    return code;
}

static void print_code(const struct code *code)
{
    printf("%06llx", (unsigned long long)code->linear);
    for (int i = 0; i < 8; i++)
        printf(" %02x", code->bytes[i]);
}

/* The soft CPU's turn. */
static enum vcpu_stop step_soft(const struct code *code)
{
    struct vcpu *v = &soft->vcpu[0];
    enum vcpu_stop stop = VCPU_STEPPED;

    for (int i = 0; i < REPETITIONS && stop == VCPU_STEPPED; i++) {
        stop = soft_engine.step(v);
        soft_engine.get(v, &after);
        /* The trap flag does not stop KVM behind MOV SS and STI. */
        if (code_linear(&after) != code->linear && !(soft_cpu()->shadow && cpl(&after)))
            break;
    }
    return stop;
}

static void set_kvm_regs(void (*change)(struct kvm_regs *))
{
    struct kvm_regs r;

    ioctl(kvm_fd(), KVM_GET_REGS, &r);
    change(&r);
    ioctl(kvm_fd(), KVM_SET_REGS, &r);
}

static void back_to_hlt(struct kvm_regs *r)
{
    r->rip--;
}

static void set_trap_in_r11(struct kvm_regs *r)
{
    r->r11 |= EFLAGS_TF;
}

static void clear_trap(struct kvm_regs *r)
{
    r->r11 &= ~(uint64_t)EFLAGS_TF;
    r->rflags &= ~(uint64_t)EFLAGS_TF;
}

static enum vcpu_stop kvm_until_hlt(uint64_t gpa)
{
    uint8_t *at = ram(kvm, gpa), saved = *at;

    *at = HLT;
    enum vcpu_stop stop = kvm_engine.run(kvm_cpu());

    if (*at == HLT)
        *at = saved;
    kvm_engine.registers(kvm_cpu(), &other);
    if ((stop != VCPU_HALTED && stop != VCPU_ENDED) || other.rip != after.rip + 1)
        return stop;
    set_kvm_regs(back_to_hlt);
    other.rip--;
    return VCPU_STEPPED;
}

/* SYSRET takes the trap flag from R11, and traps at once. */
static bool is_sysret(const struct code *code)
{
    const uint8_t *b = code->bytes + (code->bytes[0] == 0x48);

    return b[0] == 0x0f && b[1] == 0x07;
}

static enum vcpu_stop kvm_by_trap(const struct code *code)
{
    enum vcpu_stop stop = VCPU_STEPPED;
    bool sysret = is_sysret(code);

    trapped = true;
    if (sysret)
        set_kvm_regs(set_trap_in_r11);
    for (int i = 0; i < REPETITIONS && stop == VCPU_STEPPED; i++) {
        stop = kvm_engine.step(kvm_cpu());
        if (sysret)
            set_kvm_regs(clear_trap);
        kvm_engine.registers(kvm_cpu(), &other);
        if (code_linear(&other) != code->linear)
            break;
    }
    return stop;
}

static void set_alarm(int us)
{
    struct itimerval t = {.it_value = {.tv_sec = us / 1000000, .tv_usec = us % 1000000}};

    setitimer(ITIMER_REAL, &t, NULL);
}

/* KVM's turn, to where the soft CPU is. */
static enum vcpu_stop step_kvm(const struct code *code, enum vcpu_stop soft_stop)
{
    uint64_t gpa;
    enum vcpu_stop stop;

    trapped = false;
    set_alarm(excuse_at(code->linear) ? RUNAWAY_KNOWN_US : RUNAWAY_US);
    if (soft_stop != VCPU_STEPPED) {
        stop = kvm_engine.run(kvm_cpu());
        kvm_engine.registers(kvm_cpu(), &other);
    } else if (!cpl(&after) && code_linear(&after) != code->linear &&
               find_code(code_linear(&after), &gpa)) {
        stop = kvm_until_hlt(gpa);
    } else {
        stop = kvm_by_trap(code);
    }
    set_alarm(0);
    kvm->stop = STOP_NONE;
    return stop;
}

static const char *stop_name(enum vcpu_stop stop)
{
    static const char *const names[] = {
        [VCPU_KICKED] = "ran away",        [VCPU_HALTED] = "halted elsewhere",
        [VCPU_ENDED] = "halted elsewhere", [VCPU_SHUTDOWN] = "shut down",
        [VCPU_FAILED] = "failed",          [VCPU_STEPPED] = "stepped"};

    return names[stop];
}

/* Both as the soft CPU is. In QEMU's emulator the task register is not busy, or it aborts. */
static void align(void)
{
    struct cpu_state s = after;

    if (ground & ON_TCG)
        s.tr.type &= ~2;
    aligned = true;
    memcpy(ram(kvm, 0), ram(soft, 0), soft->ram.size);
    kvm_engine.set(kvm_cpu(), &s);
}

static void report(const struct code *code, int step)
{
    const char *excuse = excuse_at(code->linear);

    if (excuse) {
        known++;
        if (verbose)
            printf("# known: %s: %s\n", case_at(code->linear), excuse);
    } else {
        test_failures++;
        if (shown++ < SHOWN) {
            printf("# %s: step %d, ", case_at(code->linear), step);
            print_code(code);
            printf("\n%s", differences);
        }
    }
}

/* ---- images ---- */

static void show_step(const struct code *code)
{
    print_code(code);
    printf("  %s\n", case_at(code->linear));
}

static int run_image(void)
{
    struct code code;
    enum vcpu_stop stop = VCPU_STEPPED;
    const char *name = NULL;
    int step = 0;

    soft_engine.get(&soft->vcpu[0], &before);
    for (; step < STEPS_MAX && stop == VCPU_STEPPED; step++) {
        code = code_of(&before);
        if (verbose && case_at(code.linear) != name) {
            name = case_at(code.linear);
            printf("# case: %s\n", name);
        }
        if (tracing)
            show_step(&code);
        stop = step_soft(&code);
        if (alone) {
            before = after;
            continue;
        }
        enum vcpu_stop kvm_stop = step_kvm(&code, stop);

        *differences = 0;
        if (kvm_stop != stop)
            differ("#     KVM %s%s%s\n", stop_name(kvm_stop), *kvm_cpu()->failure ? ": " : "",
                   kvm_cpu()->failure);
        *kvm_cpu()->failure = 0;
        bool low_same = same_ram(0, LOW_RAM);

        if (!low_same)
            forgive_flags();
        forgive_walks();
        forgive_accessed();
        if (!soft->vcpu[0].exited)
            compare_state(&after, &other);
        compare_ram(low_same ? LOW_RAM : 0, stop != VCPU_STEPPED || step % ALL_RAM_EACH == 0);
        if (*differences) {
            report(&code, step);
            align();
        }
        before = after;
    }
    if (alone) {
        cpu_print(&after, stdout);
        printf("%s\n", stop_name(stop));
    }
    return step;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

/* What the snippets ask for before they use it. */
static uint32_t features(void)
{
    uint32_t a, b, c, d, have = 0;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        have |= (b & bit_FSGSBASE ? HAVE_FSGSBASE : 0) | (b & 1 << 7 ? HAVE_SMEP : 0) |
                (b & 1 << 20 ? HAVE_SMAP : 0) | (c & 1 << 2 ? HAVE_UMIP : 0);
    if (ground & ON_AMD)
        have |= HAVE_AMD;
    return have;
}

static void load(struct machine *m, const struct image *img, const struct engine *engine)
{
    struct cpu_state s;

    if (strstr(img->name, "lockstep/")) {
        uint32_t have = features();

        image_read(img, 0, ram(m, IMAGE_BASE), img->size);
        memcpy(ram(m, FEATURES), &have, sizeof(have));
        cpu_real_mode(&s, 0);
        s.rip = IMAGE_BASE;
        s.gpr[RSP] = IMAGE_BASE - 0x100;
    } else if (ends_with(img->name, "kernel.bin")) {
        pmode_1k_load(img, &m->ram, &s);
    } else {
        realmode_load(img, 0, 1, &m->ram, &s);
    }
    engine->set(&m->vcpu[0], &s);
}

static void try_image(int number, const char *file)
{
    struct image img;
    bool snippets = strstr(file, "lockstep/");
    uint64_t size = snippets                        ? SNIPPET_RAM
                    : ends_with(file, "kernel.bin") ? PMODE_1K_RAM
                                                    : REALMODE_RAM;

    test_failures = shown = known = 0;
    aligned = false;
    image_open(&img, file, false);
    soft = build(&soft_engine, size, &soft_console);
    load(soft, &img, &soft_engine);
    if (!alone) {
        kvm = build(&kvm_engine, size, &kvm_console);
        load(kvm, &img, &kvm_engine);
    }
    if (snippets) {
        uint8_t *copy = malloc(img.size);
        uint32_t at;

        image_read(&img, 0, copy, img.size);
        memcpy(&at, copy + 4, sizeof(at));
        records = copy + at - IMAGE_BASE;
        image_end = IMAGE_BASE + img.size;
        int steps = run_image();

        printf("# %d instructions", steps);
        free(copy);
        records = NULL;
    } else {
        printf("# %d instructions", run_image());
    }
    printf(", %d differences, %d of them known\n", test_failures + known, known);
    if (!alone)
        CHECK(!strcmp(soft_console.out, kvm_console.out));
    printf("%sok %d - %s\n", test_failures ? "not " : "", number, file);
    fflush(stdout);
    image_close(&img);
    tear_down(&soft);
    tear_down(&kvm);
}

static int find_ground(void)
{
    uint32_t a, b, c, d;
    char name[13] = "";
    int bits = ON_KVM;

    __cpuid(0, a, b, c, d);
    if (b == signature_AMD_ebx)
        bits |= ON_AMD;
    __cpuid(1, a, b, c, d);
    if (c >> 31) {
        __cpuid(0x40000000, a, b, c, d);
        memcpy(name, &b, 4);
        memcpy(name + 4, &c, 4);
        memcpy(name + 8, &d, 4);
        if (!strcmp(name, "TCGTCGTCGTCG"))
            bits |= ON_TCG;
    }
    return bits;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {
        "build/tests/soft/lockstep/real.bin",
        "build/tests/soft/lockstep/protected.bin",
        "build/tests/soft/lockstep/tasks.bin",
        "build/tests/soft/lockstep/paging.bin",
        "build/tests/soft/lockstep/long.bin",
        "guest/minimal.bin",
        "guest/hello.bin",
        "guest/multiplication.bin",
        "guest/fibonacci.bin",
        "guest/counter.bin",
        "guest/matrix.bin",
        "guest/write.bin",
        "guest/pmode.bin",
        "os-1k/kernel.bin",
        NULL,
    };
    struct sigaction sa = {.sa_handler = run_away};
    int option, number = 0, failed = 0;

    while ((option = getopt(argc, argv, "stv")) >= 0) {
        alone |= option == 's';
        tracing |= option != 'v';
        verbose |= option == 'v';
    }
    sigaction(SIGALRM, &sa, NULL);
    ground = find_ground();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("TAP version 13\n");
    for (const char *const *name = optind < argc ? (const char *const *)argv + optind : all; *name;
         name++) {
        try_image(++number, *name);
        failed += test_failures > 0;
    }
    printf("1..%d\n", number);
    return failed > 0;
}

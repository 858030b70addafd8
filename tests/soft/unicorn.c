// SPDX-License-Identifier: MIT
/*
 * System instructions on the CPU made of C and on unicorn, which is QEMU's TCG without a machine:
 * random descriptors, selectors, frames, page tables and levels; always the same ones for a seed.
 *
 * usage: unicorn [CASES [SEED [CASE]]]   so many in all; of these CASE alone, and shown
 *
 * Both engines begin in the same state and execute one instruction. Where both complete, registers,
 * flags, segments with their hidden parts, system registers and all RAM are compared; where both
 * fault, the vector, the error code and CR2, and the CPU made of C must have changed nothing. So
 * that unicorn holds no state that no processor could be in, a prologue, run by it, loads segments
 * and goes to the level by IRET.
 *
 * Left out, with the reasons: see `differs` in system-known.c, and:
 *
 *     INT n, INT3, INTO, delivery   unicorn hands all events to its user; it has no IDT
 *     SYSCALL, SYSENTER, HLT        unicorn has hooks in their place
 *     CPUID, RDTSC, RDMSR at large  there is no one answer
 *     INVPCID, SMSW's upper half    TCG 5 has none, or another one
 *     IN, OUT                       hooks, too; permission alone is in tests/unit/soft-system.c
 *     limits and rights of data     TCG ignores limits and types of segments in accesses; all
 *                                   segments that are accessed are flat here
 *     #AC, #DB, breakpoints         TCG ignores alignment; unicorn delivers no #DB
 *     RDFSBASE and its kin          #UD: unicorn 2.0's CPUID offers nothing
 *     reserved bits of CR0, CR4     TCG takes any; only bits that exist are written
 *     task switches                 TCG writes no back link when the new task's LDT faults, checks
 *                                   in another order; the unit tests have them
 *
 * After: Intel SDM vol. 2, the instructions' own pages; vol. 3A, "Protection", "Paging".
 */
#include "tests/soft/system.h"

#include <stddef.h>
#include <unicorn/unicorn.h>

enum {
    TESTS = KINDS_OF_SAMPLES * WORLDS - (WORLDS - 3), /* page tables are for three worlds */
    NEVER = PROLOGUE + 0x400,                         /* where unicorn is to stop: it looks there */
};

static const char *const world_names[] = {
    "real mode",  "virtual-8086 mode", "protected mode",    "32-bit paging",
    "PAE paging", "64-bit mode",       "compatibility mode"};

static bool verbose;
static uint8_t *other; /* unicorn's RAM */
static uint8_t *soft_ram;

static void image32(uint64_t at, uint32_t val)
{
    memcpy(image + at, &val, 4);
}

static struct hidden hidden_segment(const struct segment *s)
{
    return (struct hidden){s->selector, s->base, s->limit,
                           s->type << 8 | s->s << 12 | s->dpl << 13 | s->present << 15 |
                               s->avl << 20 | s->l << 21 | s->db << 22 | (uint32_t)s->g << 23};
}

static struct segment segment_hidden(const struct hidden *h)
{
    return (struct segment){.selector = h->selector,
                            .base = h->base,
                            .limit = h->limit,
                            .type = h->flags >> 8 & 15,
                            .s = h->flags >> 12 & 1,
                            .dpl = h->flags >> 13 & 3,
                            .present = h->flags >> 15 & 1,
                            .avl = h->flags >> 20 & 1,
                            .l = h->flags >> 21 & 1,
                            .db = h->flags >> 22 & 1,
                            .g = h->flags >> 23 & 1};
}

/* ---- the CPU made of C ---- */

static void copy_ram(uint8_t *to)
{
    memcpy(to, image, LOW);
    memcpy(to + CPU_TABLES, image + CPU_TABLES, TABLES_END - CPU_TABLES);
    memcpy(to + AREA, image + AREA, AREA_SIZE);
}

/* How much of what is compared is the same; the first place where it is not. */
static bool same_ram(const uint8_t *a, const uint8_t *b, uint64_t *at)
{
    static const struct {
        uint64_t at, n;
    } parts[] = {{0, LOW}, {CPU_TABLES, TABLES_END - CPU_TABLES}, {AREA, AREA_SIZE}};

    for (int i = 0; i < 3; i++) {
        if (!memcmp(a + parts[i].at, b + parts[i].at, parts[i].n))
            continue;
        for (*at = parts[i].at; a[*at] == b[*at];)
            ++*at;
        return false;
    }
    return true;
}

static void soft_put(const struct state *s)
{
    copy_ram(soft_ram);
    memcpy(c->r, s->r, sizeof(s->r));
    c->r[NO_REG] = 0;
    c->r[RIP] = s->rip;
    for (int i = 0; i < SEGMENTS; i++)
        c->segment[i] = segment_hidden(&s->segment[i]);
    c->ldt = segment_hidden(&s->segment[6]);
    c->tr = segment_hidden(&s->segment[7]);
    c->gdt = s->gdt;
    c->idt = s->idt;
    c->cr0 = s->cr0;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer = s->efer;
    memcpy(c->dr, s->dr, sizeof(c->dr));
    c->cpl = t.cpl;
    soft_set_arith(c, s->eflags);
    c->eflags = s->eflags & ~(uint32_t)EFLAGS_ARITHMETIC;
    c->shadow = c->halted = c->stepped = c->nmi_masked = false;
    c->hit = 0;
    c->delivering = -1;
    c->op = NULL;
    c->error_code = 0;
    c->has_error_code = false;
    c->star = c->lstar = c->cstar = c->fmask = c->kernel_gs_base = 0;
    soft_mode(c);
    soft_flush_tlb(c, true);
    soft_cache_flush(c);
    if (t.world == PAE)
        soft_load_pdptes(c, c->cr3);
}

static void soft_take(struct state *s)
{
    memcpy(s->r, c->r, sizeof(s->r));
    s->rip = c->r[RIP];
    s->eflags = soft_eflags(c);
    for (int i = 0; i < SEGMENTS; i++)
        s->segment[i] = hidden_segment(&c->segment[i]);
    s->segment[6] = hidden_segment(&c->ldt);
    s->segment[7] = hidden_segment(&c->tr);
    s->gdt = c->gdt;
    s->idt = c->idt;
    s->cr0 = c->cr0;
    s->cr2 = c->cr2;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer;
    memcpy(s->dr, c->dr, sizeof(s->dr));
}

static struct state soft_run(void)
{
    struct state s;

    soft_put(&t.in);
    int vector = cpu_step();

    soft_take(&s);
    s.vector = vector;
    s.error = vector != CPU_OK && c->has_error_code ? c->error_code : 0;
    return s;
}

/* ---- unicorn ---- */

static struct peer {
    uc_engine *uc;
    uc_context *pristine, *now;
} engines[3], *e;

static int hooked_vector;
static size_t error_at, segments_at, efer_at; /* in unicorn's own state; 0: not found */

static void on_event(uc_engine *uc, uint32_t vector, void *arg)
{
    (void)arg;
    if (hooked_vector == CPU_OK)
        hooked_vector = vector;
    uc_emu_stop(uc);
}

static bool on_undefined(uc_engine *uc, void *arg)
{
    (void)uc;
    (void)arg;
    if (hooked_vector == CPU_OK)
        hooked_vector = EXCEPTION_UD;
    return false;
}

static void must(uc_err err, const char *what)
{
    if (err == UC_ERR_OK)
        return;
    printf("# unicorn: %s: %s\n", what, uc_strerror(err));
    exit(1);
}

static void engine_open(struct peer *en, uc_mode mode)
{
    uc_hook hook;

    must(uc_open(UC_ARCH_X86, mode, &en->uc), "uc_open");
    must(uc_ctl_set_cpu_model(en->uc, UC_CPU_X86_HASWELL), "uc_ctl_set_cpu_model");
    must(uc_mem_map_ptr(en->uc, 0, CPU_RAM, UC_PROT_ALL, other), "uc_mem_map_ptr");
    /* It walks page tables, and then accesses the linear address: what random page tables map has
     * to be where they map it. */
    for (int i = 0; i < 3; i++)
        must(uc_mem_map_ptr(en->uc, (const uint64_t[]){PSE_AT, PSE_AT + AREA, LONG_AT}[i],
                            AREA_SIZE, UC_PROT_ALL, other + AREA),
             "uc_mem_map_ptr");
    must(uc_hook_add(en->uc, &hook, UC_HOOK_INTR, on_event, NULL, 1, 0), "uc_hook_add");
    must(uc_hook_add(en->uc, &hook, UC_HOOK_INSN_INVALID, on_undefined, NULL, 1, 0), "uc_hook_add");
    must(uc_context_alloc(en->uc, &en->pristine), "uc_context_alloc");
    must(uc_context_alloc(en->uc, &en->now), "uc_context_alloc");
    must(uc_context_save(en->uc, en->pristine), "uc_context_save");
}

static void put_reg(int reg, uint64_t val)
{
    uc_reg_write(e->uc, reg, &val);
}

static uint64_t get_reg(int reg)
{
    uint64_t val = 0;

    uc_reg_read(e->uc, reg, &val);
    return val;
}

static void put_table(int reg, uint16_t selector, uint64_t base, uint32_t limit, uint32_t flags)
{
    uc_x86_mmr m = {.selector = selector, .base = base, .limit = limit, .flags = flags};

    uc_reg_write(e->uc, reg, &m);
}

static const int regs64[] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                             UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                             UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                             UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
static const int regs32[] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
                             UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};

static uint8_t *emit(uint8_t *p, const char *bytes, int n)
{
    memcpy(p, bytes, n);
    return p + n;
}

/* Code that loads the segments and goes to the level; the stack for it. Returns its instructions.
 */
static int make_prologue(const struct state *s)
{
    static const uint8_t data[] = {ES, DS, FS, GS};
    uint8_t *p = image + PROLOGUE;
    int size = is_long() ? 8 : t.world == REAL ? 2 : 4, n = 0, steps = 0;
    uint64_t frame[9];

    memset(p, 0x90, 128);
    if (is_paged()) { /* mov eax, cr3; mov cr3, eax: its interface empties no TLB */
        p = emit(p, "\x0f\x20\xd8\x0f\x22\xd8", 6);
        steps += 2;
    }
    if (t.world != V86)
        for (int i = 0; i < 4; i++, steps += 2) {
            p = emit(p, "\x66\xb8", t.world == REAL ? 0 : 2);
            if (t.world == REAL)
                *p++ = 0xb8;
            memcpy(p, &s->segment[data[i]].selector, 2);
            p += 2;
            *p++ = 0x8e;
            *p++ = 0xc0 | data[i] << 3;
        }
    if (t.world == REAL) {
        p = emit(p, "\xb8", 1);
        memcpy(p, &s->segment[SS].selector, 2);
        p = emit(p + 2, "\x8e\xd0\xea\x00\x00", 5);
        memcpy(p - 2, &(uint16_t){LANDING}, 2);
        memcpy(p, &s->segment[CS].selector, 2);
        return steps + 3;
    }
    if (!is_long() && t.world != V86 && t.cpl == 0) {
        p = emit(p, "\x66\xb8", 2);
        memcpy(p, &s->segment[SS].selector, 2);
        p = emit(p + 2, "\x8e\xd0", 2);
        steps += 2;
        p = emit(p, "\xbc", 1);
        image32(p - image, PROLOGUE_STACK);
        p += 4;
        steps++;
    }
    frame[n++] = LANDING;
    frame[n++] = s->segment[CS].selector;
    frame[n++] = s->eflags;
    frame[n++] = STACK;
    frame[n++] = s->segment[SS].selector;
    if (t.world == V86)
        for (int i = 0; i < 4; i++)
            frame[n++] = s->segment[data[i]].selector;
    for (int i = 0; i < n; i++)
        memcpy(image + PROLOGUE_STACK + i * size, &frame[i], size);
    p = emit(p, "\x48\xcf", is_long() ? 2 : 0);
    if (!is_long())
        *p++ = 0xcf;
    return steps + 1;
}

static void unicorn_flush(void)
{
    uint64_t cr4 = get_reg(UC_X86_REG_CR4);

    put_reg(UC_X86_REG_CR4, cr4 ^ CR4_PGE);
    put_reg(UC_X86_REG_CR4, cr4);
}

static struct hidden unicorn_segment(const uint8_t *p)
{
    struct hidden h;
    uint32_t selector;

    memcpy(&selector, p, 4);
    h.selector = selector;
    memcpy(&h.base, p + 8, 8);
    memcpy(&h.limit, p + 16, 4);
    memcpy(&h.flags, p + 20, 4);
    h.flags &= 0x00f0ff00;
    return h;
}

static void unicorn_take(struct state *s)
{
    static const int segments[] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,   UC_X86_REG_DS,
                                   UC_X86_REG_FS, UC_X86_REG_GS, UC_X86_REG_LDTR, UC_X86_REG_TR};
    uc_x86_mmr m = {0};

    *s = (struct state){.vector = CPU_OK};
    for (int i = 0; i < (is_long() ? 16 : 8); i++)
        s->r[i] = get_reg(is_long() ? regs64[i] : regs32[i]);
    s->rip = get_reg(is_long() ? UC_X86_REG_RIP : UC_X86_REG_EIP);
    s->eflags = get_reg(UC_X86_REG_EFLAGS);
    uc_context_save(e->uc, e->now);
    for (int i = 0; i < 8; i++) {
        if (segments_at) {
            s->segment[i] = unicorn_segment((uint8_t *)e->now + segments_at + 24 * i);
        } else if (i < 6) {
            s->segment[i].selector = get_reg(segments[i]);
        } else {
            uc_reg_read(e->uc, segments[i], &m);
            s->segment[i] = (struct hidden){m.selector, m.base, m.limit, m.flags & 0x00f0ff00};
        }
    }
    uc_reg_read(e->uc, UC_X86_REG_GDTR, &m);
    s->gdt = (struct descriptor_table){.base = m.base, .limit = m.limit};
    uc_reg_read(e->uc, UC_X86_REG_IDTR, &m);
    s->idt = (struct descriptor_table){.base = m.base, .limit = m.limit};
    s->cr0 = get_reg(UC_X86_REG_CR0);
    s->cr2 = get_reg(UC_X86_REG_CR2);
    s->cr3 = get_reg(UC_X86_REG_CR3);
    s->cr4 = get_reg(UC_X86_REG_CR4);
    uc_x86_msr msr = {.rid = 0xc0000080};

    uc_reg_read(e->uc, UC_X86_REG_MSR, &msr);
    s->efer = msr.value;
    for (int i = 0; i < 8; i++)
        s->dr[i] = get_reg(UC_X86_REG_DR0 + i);
    if (error_at)
        memcpy(&s->error, (uint8_t *)e->now + error_at, 4);
}

static void unicorn_put(const struct state *s)
{
    const uint64_t smxp = CR4_SMEP | CR4_SMAP | CR4_UMIP;
    int steps = make_prologue(s);

    e = &engines[t.world == REAL ? 0 : is_long() ? 2 : 1];
    uc_context_restore(e->uc, e->pristine);
    copy_ram(other);
    uc_ctl_remove_cache(e->uc, (uint64_t)PROLOGUE, (uint64_t)PROLOGUE + 256);
    uc_ctl_remove_cache(e->uc, t.begin & 0x3fffff, (t.begin & 0x3fffff) + 32);
    put_table(UC_X86_REG_GDTR, 0, GDT_AT, s->gdt.limit, 0);
    put_table(UC_X86_REG_IDTR, 0, s->idt.base, s->idt.limit, 0);
    put_table(UC_X86_REG_LDTR, LOCAL, s->segment[6].base, s->segment[6].limit, s->segment[6].flags);
    /* It expects the type that the descriptor had before it was busy. */
    put_table(UC_X86_REG_TR, TASK, s->segment[7].base, s->segment[7].limit,
              s->segment[7].flags & ~(uint32_t)(TYPE_BUSY << 8));
    if (efer_at) { /* it takes no NXE through its interface, or from WRMSR */
        uc_context_save(e->uc, e->now);
        memcpy((uint8_t *)e->now + efer_at, &s->efer, 8);
        uc_context_restore(e->uc, e->now);
    }
    put_reg(UC_X86_REG_CR4, s->cr4 & ~smxp);
    put_reg(UC_X86_REG_CR3, s->cr3);
    put_reg(UC_X86_REG_CR0, s->cr0);
    put_reg(is_long() ? UC_X86_REG_RSP : UC_X86_REG_ESP, PROLOGUE_STACK);
    hooked_vector = CPU_OK;
    uc_emu_start(e->uc, PROLOGUE, NEVER, 0, steps);
    copy_ram(other);
    put_table(UC_X86_REG_GDTR, 0, s->gdt.base, s->gdt.limit, 0);
    put_reg(UC_X86_REG_CR4, s->cr4);
    unicorn_flush();
    put_reg(UC_X86_REG_CR2, s->cr2);
    put_reg(UC_X86_REG_EFLAGS, s->eflags);
    for (int i = 0; i < (is_long() ? 16 : 8); i++)
        put_reg(is_long() ? regs64[i] : regs32[i], s->r[i]);
}

/* Unicorn's answer. False when the state could not be made. */
static bool unicorn_run(struct state *s)
{
    struct state was;

    unicorn_put(&t.in);
    if (hooked_vector != CPU_OK && verbose)
        printf("# prologue: vector %d\n", hooked_vector);
    unicorn_take(&was);
    for (int i = 0; i < SEGMENTS; i++)
        if (was.segment[i].selector != t.in.segment[i].selector ||
            (segments_at && was.segment[i].base != t.in.segment[i].base)) {
            if (verbose)
                printf("# segment %d: %x, not %x; rip %lx\n", i, was.segment[i].selector,
                       t.in.segment[i].selector, was.rip);
            return false;
        }
    hooked_vector = CPU_OK;
    uc_err err =
        uc_emu_start(e->uc, is_real() && t.world == REAL ? t.begin : t.in.rip, NEVER, 0, 1);

    unicorn_take(s);
    s->vector = hooked_vector;
    /* Where it stopped by itself, it takes the linear address for EIP. */
    if (s->vector == CPU_OK && err == UC_ERR_OK && t.world != LONG64)
        s->rip = (uint32_t)(s->rip - s->segment[CS].base);
    if (err != UC_ERR_OK && s->vector == CPU_OK)
        s->vector = err == UC_ERR_INSN_INVALID ? EXCEPTION_UD : 1000 + (int)err;
    /* A fault of what comes next. */
    if (s->vector != CPU_OK && s->rip != t.in.rip) {
        s->vector = CPU_OK;
        s->cr2 = t.in.cr2;
    }
    if (s->vector != EXCEPTION_PF && s->vector != EXCEPTION_GP && s->vector != EXCEPTION_SS &&
        s->vector != EXCEPTION_NP && s->vector != EXCEPTION_TS && s->vector != EXCEPTION_DF)
        s->error = 0;
    return true;
}

/* ---- comparing ---- */

static int failures, compared, faulted, skipped, known;

static void show(const char *name, const struct state *s)
{
    static const char names[] = "ES\0CS\0SS\0DS\0FS\0GS\0LD\0TR";

    printf("#   %s: ", name);
    if (s->vector == CPU_OK)
        printf("completes\n");
    else
        printf("vector %d, error code %x, cr2 %llx\n", s->vector, s->error,
               (unsigned long long)s->cr2);
    printf("#    ");
    for (int i = 0; i < 8; i++)
        printf(" %llx", (unsigned long long)s->r[i]);
    printf(" rip %llx eflags %x cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx\n#    ",
           (unsigned long long)s->rip, s->eflags, (unsigned long long)s->cr0,
           (unsigned long long)s->cr2, (unsigned long long)s->cr3, (unsigned long long)s->cr4,
           (unsigned long long)s->efer);
    for (int i = 0; i < 8; i++)
        printf(" %s %x:%llx:%x:%x", names + 3 * i, s->segment[i].selector,
               (unsigned long long)s->segment[i].base, s->segment[i].limit, s->segment[i].flags);
    printf("\n");
}

static bool present(const struct hidden *h)
{
    return h->flags & 0x8000;
}

/* What differs between two states that both completed, or NULL. */
static const char *difference(const struct state *a, const struct state *b)
{
    static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};
    static const char *const regs[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI"};
    uint64_t mask = t.world == LONG64 ? UINT64_MAX : UINT32_MAX;
    bool real = is_real() && !(a->cr0 & CR0_PG);

    if (t.kind == LOOKS && t.code[t.n - 2] == 2) /* LAR: bits 19:16 are undefined */
        mask &= ~UINT64_C(0xf0000);
    for (int i = 0; i < 16; i++)
        if ((a->r[i] ^ b->r[i]) & mask)
            return i < 8 ? regs[i] : "R8 to R15";
    if ((a->rip ^ b->rip) & mask)
        return "RIP";
    if ((a->eflags ^ b->eflags) & ~(uint32_t)EFLAGS_RF)
        return "EFLAGS";
    for (int i = 0; i < 8; i++) {
        const struct hidden *p = &a->segment[i], *q = &b->segment[i];

        if (p->selector != q->selector)
            return names[i];
        if (!segments_at || (i < 6 && !present(p) && !present(q)))
            continue;
        if (!real && p->selector < 4 && i != FS && i != GS)
            continue;
        if (p->base != q->base)
            return i == GS || i == FS ? "FS or GS base" : "a segment's base";
        if (real || (b->eflags & EFLAGS_VM))
            continue;
        if (p->limit != q->limit)
            return "a segment's limit";
        if (p->flags != q->flags)
            return "a segment's flags";
    }
    if (a->gdt.base != b->gdt.base || a->gdt.limit != b->gdt.limit)
        return "GDTR";
    if (a->idt.base != b->idt.base || a->idt.limit != b->idt.limit)
        return "IDTR";
    if (a->cr0 != b->cr0)
        return "CR0";
    if (a->cr2 != b->cr2)
        return "CR2";
    if (a->cr3 != b->cr3)
        return "CR3";
    if (a->cr4 != b->cr4)
        return "CR4";
    if (a->efer != b->efer)
        return "EFER";
    for (int i = 0; i < 8; i++)
        if (a->dr[i] != b->dr[i] && i != 4 && i != 5)
            return "a debug register";
    return NULL;
}

/* TCG loads CS and SS without marking their descriptors in transfers ("Segment Descriptors": the
 * processor sets the accessed bit whenever it loads a segment register), and its TR's hidden part
 * keeps the type that the descriptor had before it was busy. Forgive all that. */
static void forgive(const struct state *soft, struct state *uni)
{
    for (int i = CS; i <= SS && (t.kind == FAR || t.kind == RETURNS); i++) {
        uint16_t selector = uni->segment[i].selector;
        uint32_t at = (selector & 4 ? LDT_AT : t.gdt_at) + (selector & ~7) + 5;

        if (selector != soft->segment[i].selector || soft->eflags & EFLAGS_VM ||
            !(soft->cr0 & CR0_PE) || selector < 4)
            continue;
        uni->segment[i].flags |= TYPE_ACCESSED << 8;
        other[at] |= TYPE_ACCESSED;
    }
    uni->segment[7].flags |= soft->segment[7].flags & TYPE_BUSY << 8;
    if (t.gdt_at != GDT_AT && (t.kind == FAR || t.kind == RETURNS)) /* and its page is dirty */
        for (int i = CPU_TABLES; i < TABLES_END; i += 4)
            other[i] |= soft_ram[i] & 0x40;
}

static const char *compare(const struct state *soft, struct state *uni)
{
    static char where[64];
    uint64_t at;

    if (soft->vector != uni->vector)
        return "vector";
    if (soft->vector != CPU_OK) {
        struct state was = t.in;

        was.cr2 = soft->cr2;
        if (error_at && soft->error != uni->error)
            return "error code";
        if (soft->vector == EXCEPTION_PF && soft->cr2 != uni->cr2)
            return "CR2";
        const char *what = difference(&was, soft);

        return what ? "the soft CPU's state after a fault" : NULL;
    }
    forgive(soft, uni);
    const char *what = difference(soft, uni);

    if (what)
        return what;
    if (!same_ram(soft_ram, other, &at)) {
        snprintf(where, sizeof(where), "RAM at %llx: %02x, %02x", (unsigned long long)at,
                 soft_ram[at], other[at]);
        return where;
    }
    return NULL;
}

/* ---- cases ---- */

static const char *const kind_names[] = {
    "loads of segments",
    "LAR, LSL, VERR, VERW, ARPL",
    "descriptor tables, machine status word",
    "far jumps and calls",
    "far returns, IRET",
    "flags",
    "control and debug registers",
    "bases of FS and GS, INVLPG",
    "page tables",
};

static void one_case(enum world world, enum kind kind, uint64_t number)
{
    struct state soft, uni;

    make_sample(world, kind, number);
    if (is_left_out() || !unicorn_run(&uni)) {
        skipped++;
        return;
    }
    soft = soft_run();
    if (is_excluded(&soft, &uni)) {
        skipped++;
        return;
    }
    const char *what = compare(&soft, &uni);

    compared++;
    faulted += soft.vector != CPU_OK;
    if (what && is_known(&soft, &uni, what)) {
        known++;
        what = NULL;
    }
    if (!what && !verbose)
        return;
    failures += what != NULL;
    if (failures > 3 && !verbose)
        return;
    printf("# case %llu, %s, cpl %d, %d bits:", (unsigned long long)number, world_names[world],
           t.cpl, 8 << t.size);
    for (int i = 0; i < t.n; i++)
        printf(" %02x", t.code[i]);
    printf(": %s\n", what ? what : "the same");
    printf("#   CS %x: %llx, SS %x: %llx\n", t.selector, (unsigned long long)named(t.selector),
           t.stack, (unsigned long long)named(t.stack));
    show("before", &t.in);
    show("soft", &soft);
    show("unicorn", &uni);
}

/* Where unicorn keeps what its interface does not show: found by values that we chose. */
static void calibrate(void)
{
    static const uint32_t codes[] = {0x5a5c, 0x3b38, 0x7714, 0x1238, 0x6c44, 0x2fec};
    uint64_t d = descriptor(0xabc000, 0x12345, 0x13, 3, BIG);

    make_sample(PROTECTED, FLAGS, 1);
    memcpy(image + GDT_AT + FREE_DATA, &d, 8);
    unicorn_put(&t.in);
    uc_context_save(e->uc, e->now);
    size_t size = uc_context_size(e->uc);
    const uint8_t *now = (const uint8_t *)e->now;
    uint8_t *found = malloc(size);

    for (size_t i = 0; i + 24 * 8 < size && !segments_at; i++) {
        struct hidden h = unicorn_segment(now + i);

        if (h.selector == (FREE_DATA | 3) && h.base == 0xabc000 && h.limit == 0x12345)
            segments_at = i; /* ES, the first of them */
    }
    /* Faults whose error codes are chosen, in two worlds. */
    memset(found, 1, size);
    for (int round = 0; round < 6; round++) {
        make_sample(round < 3 ? PROTECTED : LONG64, FLAGS, 1);
        memcpy(image + t.begin, "\x8e\xd8", 2);
        t.in.r[RAX] = codes[round] | 3;
        unicorn_put(&t.in);
        uc_emu_start(e->uc, t.in.rip, NEVER, 0, 1);
        uc_context_save(e->uc, e->now);
        now = (const uint8_t *)e->now;
        for (size_t i = 0; i + 4 <= size; i += 4)
            found[i] &= !memcmp(now + i, &codes[round], 4);
    }
    for (size_t i = 24 * 8; i + 4 <= size; i += 4) /* behind the general registers */
        if (found[i])
            error_at = i;
    free(found);
}

/* EFER: what alone is 0x500 in long mode, and 0 in 32-bit mode. */
static void find_efer(void)
{
    int found = 0;

    for (size_t i = 24 * 8; i + 8 <= uc_context_size(engines[2].uc); i += 8) {
        uint64_t a, b;

        memcpy(&a, (uint8_t *)engines[2].pristine + i, 8);
        memcpy(&b, (uint8_t *)engines[1].pristine + i, 8);
        if (a != (EFER_LME | EFER_LMA) || b)
            continue;
        efer_at = i;
        found++;
    }
    if (found != 1)
        efer_at = 0;
}

int main(int argc, char **argv)
{
    uint64_t cases = (argc > 1 ? strtoull(argv[1], NULL, 0) : 100000) / TESTS;
    uint64_t start = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t only = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
    int number = 0, bad = 0;

    verbose = only != 0;
    cpu_start(CPU_FLAT32);
    soft_ram = cpu_at(0);
    image = calloc(1, CPU_RAM);
    other = aligned_alloc(4096, CPU_RAM);
    memset(other, 0, CPU_RAM);
    memset(image, 0xf4, LOW);
    memset(image + AREA, 0xf4, AREA_SIZE);
    engine_open(&engines[0], UC_MODE_16);
    engine_open(&engines[1], UC_MODE_32);
    engine_open(&engines[2], UC_MODE_64);
    calibrate();
    find_efer();
    printf("# unicorn %u.%u: segments %s, error codes %s, EFER.NXE %s\n",
           uc_version(NULL, NULL) >> 24, uc_version(NULL, NULL) >> 16 & 0xff,
           segments_at ? "with hidden parts" : "by selector",
           error_at ? "compared" : "not compared", efer_at ? "settable" : "not settable");
    printf("TAP version 13\n1..%d\n", TESTS);
    for (int kind = 0; kind < KINDS_OF_SAMPLES; kind++)
        for (int world = 0; world < WORLDS; world++) {
            if (kind == PAGE_TABLES && world != PSE && world != PAE && world != LONG64)
                continue;
            uint64_t begin = start * 1000000000 + ++number * UINT64_C(10000000);

            failures = compared = faulted = skipped = known = 0;
            for (uint64_t i = 0; i < cases; i++)
                if (!only || begin + i == only)
                    one_case(world, kind, begin + i);
            bad += failures != 0;
            printf("%sok %d - %s, %s: %d compared, of them %d faults; %d skipped, %d as known\n",
                   failures ? "not " : "", number, kind_names[kind], world_names[world], compared,
                   faulted, skipped, known);
            fflush(stdout);
        }
    show_known();
    return bad != 0;
}

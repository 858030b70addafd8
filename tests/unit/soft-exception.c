// SPDX-License-Identifier: MIT
/*
 * Events of the soft CPU: faults, interrupts, IRET, privileged flags, system calls, tasks.
 */
#include "tests/unit/soft-tables.h"

#include <unistd.h>

/* Did the CPU halt in the handler of a vector? */
static bool halted_in(int vector)
{
    return c->halted && c->r[RIP] == handler(vector) + 1u;
}

/* ---- protected mode ---- */

/* A fault in ring 3: the frame on ring 0's stack. */
static void test_fault_from_ring3(void)
{
    tables_start(CPU_FLAT32);
    to_ring3(EFLAGS_IF | EFLAGS_CF);
    c->r[RAX] = ABSENT;
    CHECK_EQ(UNTIL_HALT("\x90\x8e\xe0"), CPU_OK); /* mov fs, ax */
    CHECK(halted_in(EXCEPTION_GP));               /* for its DPL */
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->segment[SS].selector, DATA0);
    CHECK_EQ(c->r[RSP], STACK0 - 24);
    CHECK_EQ(get32(STACK0 - 4), DATA3 | 3);
    CHECK_EQ(get32(STACK0 - 8), STACK3);
    CHECK_EQ(get32(STACK0 - 12), EFLAGS_IF | EFLAGS_CF | EFLAGS_RF | EFLAGS_FIXED);
    CHECK_EQ(get32(STACK0 - 16), CODE3 | 3);
    CHECK_EQ(get32(STACK0 - 20), CPU_CODE + 1);
    CHECK_EQ(get32(STACK0 - 24), ABSENT);
    CHECK(!(c->eflags & EFLAGS_IF));
    CHECK_EQ(c->segment[CS].selector, CODE0);
}

/* Trap gate, same level, no error code. */
static void test_same_level(void)
{
    tables_start(CPU_FLAT32);
    set_gate(EXCEPTION_UD, gate(CODE0, handler(EXCEPTION_UD), TYPE_TRAP32, 0, 0));
    c->eflags |= EFLAGS_IF | EFLAGS_NT;
    CHECK_EQ(UNTIL_HALT("\x0f\x0b"), CPU_OK);
    CHECK(halted_in(EXCEPTION_UD));
    CHECK_EQ(c->r[RSP], CPU_STACK - 12);
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE);
    CHECK_EQ(get32(CPU_STACK - 4), EFLAGS_IF | EFLAGS_NT | EFLAGS_RF | EFLAGS_FIXED);
    CHECK_EQ(c->eflags, EFLAGS_IF); /* NT is cleared */
}

static void test_gate16(void)
{
    tables_start(CPU_FLAT32);
    set_gate(0x40, gate(CODE16, 0x3000, TYPE_INTERRUPT16, 0, 0));
    *cpu_at(0x3000) = 0xf4;
    c->r[RSP] = CPU_STACK;
    CHECK_EQ(UNTIL_HALT("\xcd\x40"), CPU_OK);
    CHECK_EQ(c->r[RIP], 0x3001);
    CHECK_EQ(c->code_size, 1);
    CHECK_EQ(c->r[RSP], CPU_STACK - 6);
    CHECK_EQ(get16(CPU_STACK - 6), (CPU_CODE + 2) & 0xffff);
    CHECK_EQ(get16(CPU_STACK - 4), CODE0);
}

/* INT n: privilege, error codes without EXT; and the gates' own faults. */
static void test_software(void)
{
    tables_start(CPU_FLAT32);
    to_ring3(0);
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0x40 * 8 + 2);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    set_gate(0x40, gate(CODE0, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(get32(STACK0 - 20), CPU_CODE + 2);
    CHECK_EQ(get32(STACK0 - 12), EFLAGS_FIXED); /* no RF */
    set_gate(0x40, absent(gate(CODE0, TARGET, TYPE_INTERRUPT32, 3, 0)));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_NP);
    CHECK_EQ(c->error_code, 0x40 * 8 + 2);
    set_gate(0x40, gate(ABSENT_CODE, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_NP);
    CHECK_EQ(c->error_code, ABSENT_CODE);
    set_gate(0x40, gate(0, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    set_gate(0x40, gate(CODE3, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP); /* outward */
    CHECK_EQ(c->error_code, CODE3);
    set_gate(0x40, gate(CODE0, TARGET, TYPE_CALL32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0x40 * 8 + 2);
    c->idt.limit = 0x40 * 8 + 6;
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0x40 * 8 + 2);
}

/* The same for events from outside: EXT. */
static void test_external(void)
{
    tables_start(CPU_FLAT32);
    set_gate(0x40, absent(gate(CODE0, TARGET, TYPE_INTERRUPT32, 0, 0)));
    c->r[RIP] = CPU_CODE;
    if (!_setjmp(c->fault)) {
        soft_interrupt(c, 0x40, SOURCE_EXTERNAL, false, 0);
        CHECK(!"reached");
    }
    CHECK_EQ(c->vector, EXCEPTION_NP);
    CHECK_EQ(c->error_code, 0x40 * 8 + 3);
    CHECK(soft_catch_fault(c));
    soft_deliver_fault(c);
    CHECK_EQ(c->r[RIP], handler(EXCEPTION_NP));
    CHECK_EQ(get32(CPU_STACK - 16), 0x40 * 8 + 3);
    CHECK_EQ(c->delivering, -1);
}

static void test_int3_into(void)
{
    tables_start(CPU_FLAT32);
    CHECK_EQ(UNTIL_HALT("\xcc"), CPU_OK);
    CHECK(halted_in(EXCEPTION_BP));
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 1);
    CHECK_EQ(UNTIL_HALT("\xce\xf4"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 2);
    soft_set_arith(c, EFLAGS_OF);
    CHECK_EQ(UNTIL_HALT("\xce\xf4"), CPU_OK);
    CHECK(halted_in(EXCEPTION_OF));
    to_ring3(0);
    CHECK_EQ(ONE("\xcc"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 3 * 8 + 2);
    CHECK_EQ(ONE("\xf1"), CPU_OK); /* INT1 asks for no privilege */
    CHECK_EQ(c->r[RIP], handler(EXCEPTION_DB));
    put32(CPU_DATA, 5);
    put32(CPU_DATA + 4, 10);
    c->r[RAX] = 10;
    CHECK_EQ(ONE("\x2e\x62\x05\x00\x00\x02\x00"), CPU_OK); /* bound eax, cs:[] */
    c->r[RAX] = 11;
    CHECK_EQ(ONE("\x2e\x62\x05\x00\x00\x02\x00"), EXCEPTION_BR);
    c->r[RAX] = UINT32_MAX;
    CHECK_EQ(ONE("\x2e\x62\x05\x00\x00\x02\x00"), EXCEPTION_BR);
}

/* ---- double faults ---- */

static void test_double_fault(void)
{
    tables_start(CPU_FLAT32);
    set_gate(EXCEPTION_GP, 0); /* #GP, then #GP for its gate */
    c->r[RAX] = CODE3 | 3;
    CHECK_EQ(UNTIL_HALT("\x8e\xd0"), CPU_OK); /* mov ss, ax */
    CHECK(halted_in(EXCEPTION_DF));
    CHECK_EQ(get32(CPU_STACK - 16), 0);
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE);
    CHECK_EQ(get32(CPU_STACK - 4), EFLAGS_FIXED);
    /* #UD is benign: the second takes its place. */
    set_gate(EXCEPTION_UD, absent(gate(CODE0, TARGET, TYPE_INTERRUPT32, 0, 0)));
    CHECK_EQ(UNTIL_HALT("\x0f\x0b"), CPU_OK);
    CHECK(halted_in(EXCEPTION_NP));
    CHECK_EQ(get32(c->r[RSP]), EXCEPTION_UD * 8 + 3);
    /* Three. */
    set_gate(EXCEPTION_DF, 0);
    CHECK_EQ(UNTIL_HALT("\x8e\xd0"), CPU_SHUTDOWN);
}

static void test_page_faults(void)
{
    tables_start(CPU_LONG64);
    put64(CPU_TABLES, get64(CPU_TABLES) & ~UINT64_C(4)); /* nothing for users */
    soft_flush_tlb(c, true);
    CHECK_EQ(UNTIL_HALT("\x8b\x04\x25\x00\x00\x00\x80"), CPU_OK);
    CHECK(halted_in(EXCEPTION_PF));
    CHECK_EQ(c->cr2, UINT64_C(0xffffffff80000000));
    CHECK_EQ(get64(c->r[RSP]), 0);
    /* A stack that is not there: #PF in #PF. */
    c->r[RSP] = UINT64_C(0x4000000000);
    CHECK_EQ(UNTIL_HALT("\x8b\x04\x25\x00\x00\x00\x80"), CPU_SHUTDOWN);
    /* With an IST for #DF it survives. */
    set_gate(EXCEPTION_DF, gate(CODE64, handler(EXCEPTION_DF), TYPE_INTERRUPT32, 0, 1));
    c->r[RSP] = UINT64_C(0x4000000008);
    CHECK_EQ(UNTIL_HALT("\x8b\x04\x25\x00\x00\x00\x80"), CPU_OK);
    CHECK(halted_in(EXCEPTION_DF));
    CHECK_EQ(c->cr2, UINT64_C(0x4000000000) - 8);
    CHECK_EQ(c->r[RSP], IST1 - 48);
    CHECK_EQ(get64(IST1 - 48), 0);
    CHECK_EQ(get64(IST1 - 40), CPU_CODE);
    CHECK_EQ(get64(IST1 - 16), UINT64_C(0x4000000008));
}

static void *stop_soon(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&c->count, __ATOMIC_RELAXED) < 1000)
        usleep(1000);
    machine_stop(cpu_machine, STOP_TIMEOUT);
    soft_engine.kick(&cpu_machine->vcpu[0]);
    return NULL;
}

/* Run until another thread has stopped the machine. */
static void run_for_ever(void)
{
    pthread_t thread;

    alarm(20);
    pthread_create(&thread, NULL, stop_soon, NULL);
    CHECK_EQ(soft_engine.run(&cpu_machine->vcpu[0]), VCPU_KICKED);
    pthread_join(thread, NULL);
    alarm(0);
}

/* Faults that are benign, or met with one that is, do not end in a double fault: their delivery may
 * go on for ever, as on a real processor, and be stopped all the same. */
static void test_endless(void)
{
    for (int way = 0; way < 2; way++) {
        tables_start(CPU_FLAT32);
        to_ring3(EFLAGS_AC);
        c->cr0 |= CR0_AM;
        soft_mode(c);
        c->r[RSP] = STACK3 + 1;
        /* #AC in ring 3, whose stack is misaligned; or in turn with #NP. */
        set_gate(EXCEPTION_AC, gate(CODE3, handler(EXCEPTION_AC), TYPE_INTERRUPT32, 0, 0));
        if (way)
            set_gate(EXCEPTION_NP, get64(IDT_AT + EXCEPTION_AC * 8));
        if (way)
            set_gate(EXCEPTION_AC, absent(get64(IDT_AT + EXCEPTION_AC * 8)));
        put_code("\x50", 1); /* push eax */
        run_for_ever();
        CHECK_EQ(c->r[RIP], CPU_CODE);
        CHECK_EQ(c->r[RSP], STACK3 + 1);
    }
}

/* ---- long mode ---- */

static void test_frame_long(void)
{
    tables_start(CPU_LONG64);
    c->r[RSP] = CPU_STACK - 3;
    CHECK_EQ(UNTIL_HALT("\xcd\x40"), CPU_OK);
    CHECK(halted_in(0x40));
    CHECK_EQ(c->r[RSP], CPU_STACK - 16 - 40);
    CHECK_EQ(get64(CPU_STACK - 24), DATA0);
    CHECK_EQ(get64(CPU_STACK - 32), CPU_STACK - 3);
    CHECK_EQ(get64(CPU_STACK - 48), CODE64);
    CHECK_EQ(get64(CPU_STACK - 56), CPU_CODE + 2);
    CHECK_EQ(c->segment[SS].selector, DATA0); /* no change of level */
    CHECK_EQ(ONE("\x48\xcf"), CPU_OK);
    CHECK_EQ(c->r[RSP], CPU_STACK - 3);
    CHECK_EQ(c->r[RIP], CPU_CODE + 2);
    to_ring3(EFLAGS_IF);
    CHECK_EQ(UNTIL_HALT("\x0f\x0b"), CPU_OK);
    CHECK(halted_in(EXCEPTION_UD));
    CHECK_EQ(c->segment[SS].selector, 0);
    CHECK_EQ(c->r[RSP], STACK0 - 40);
    CHECK_EQ(get64(STACK0 - 8), DATA3 | 3);
    CHECK_EQ(get64(STACK0 - 24), EFLAGS_IF | EFLAGS_RF | EFLAGS_FIXED);
    /* A stack that is not canonical. */
    put64(TSS_AT + 4, (UINT64_C(1) << 47) + 0x100);
    to_ring3(0);
    set_gate(0x40, gate(CODE64, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_SS);
    CHECK_EQ(c->error_code, 0);
    set_gate(0x40, gate(CODE0, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcd\x40"), EXCEPTION_GP); /* only 64-bit code */
    CHECK_EQ(c->error_code, CODE0);
}

/* An interrupt in compatibility mode, with a stack above 4 GiB that crosses pages. */
static void test_compatibility(void)
{
    const uint64_t high = UINT64_C(0xffff800000000000);

    tables_start(CPU_LONG64);
    put64(CPU_TABLES + 8 * 256, get64(CPU_TABLES));
    put64(TSS_AT + 4, high + 0x70010);
    to_ring3(0);
    put64(CPU_DATA, CPU_CODE);
    put32(CPU_DATA + 4, CODE3 | 3);
    CHECK_EQ(ONE("\xff\x2c\x25\x00\x00\x02\x00"), CPU_OK);
    CHECK_EQ(c->code_size, 2);
    CHECK_EQ(UNTIL_HALT("\x0f\x0b"), CPU_OK);
    CHECK(halted_in(EXCEPTION_UD));
    CHECK_EQ(c->code_size, 3);
    CHECK_EQ(c->r[RSP], high + 0x70010 - 40);
    CHECK_EQ(get64(0x70008), DATA3 | 3);
    CHECK_EQ(get64(0x70000), STACK3);
    CHECK_EQ(get64(0x70010 - 40), CPU_CODE);
}

static void test_syscall(void)
{
    tables_start(CPU_LONG64);
    c->star = UINT64_C(0x0053) << 48 | (uint64_t)CODE64 << 32;
    c->lstar = TARGET;
    c->fmask = EFLAGS_IF | EFLAGS_CF;
    to_ring3(EFLAGS_IF | EFLAGS_CF | EFLAGS_ZF);
    CHECK_EQ(ONE("\x0f\x05"), EXCEPTION_UD);
    c->efer |= EFER_SCE;
    CHECK_EQ(ONE("\x0f\x05"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->r[RCX], CPU_CODE + 2);
    CHECK_EQ(c->r[R11], EFLAGS_IF | EFLAGS_CF | EFLAGS_ZF | EFLAGS_FIXED);
    CHECK_EQ(soft_eflags(c), EFLAGS_ZF | EFLAGS_FIXED);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->segment[CS].selector, CODE64);
    CHECK_EQ(c->segment[SS].selector, CODE64 + 8);
    CHECK_EQ(ONE("\x48\x0f\x07"), CPU_OK); /* sysretq */
    CHECK_EQ(c->r[RIP], CPU_CODE + 2);
    CHECK_EQ(c->segment[CS].selector, 0x63);
    CHECK_EQ(c->segment[SS].selector, 0x5b);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(soft_eflags(c), EFLAGS_IF | EFLAGS_CF | EFLAGS_ZF | EFLAGS_FIXED);
    CHECK_EQ(ONE("\x48\x0f\x07"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x0f\x05"), CPU_OK);
    c->r[RCX] = UINT64_C(1) << 47;
    CHECK_EQ(ONE("\x48\x0f\x07"), EXCEPTION_GP);
    CHECK_EQ(c->cpl, 0);
    c->r[RCX] = TARGET;
    CHECK_EQ(ONE("\x0f\x07"), CPU_OK); /* sysretl */
    CHECK_EQ(c->code_size, 2);
    CHECK_EQ(c->segment[CS].selector, 0x53);
    CHECK_EQ(ONE("\x0f\x05"), EXCEPTION_UD); /* in compatibility mode */
}

static void test_sysenter(void)
{
    tables_start(CPU_FLAT32);
    CHECK_EQ(ONE("\x0f\x34"), EXCEPTION_GP);
    c->sysenter_cs = CODE0;
    c->sysenter_eip = TARGET;
    c->sysenter_esp = STACK0;
    to_ring3(EFLAGS_IF);
    CHECK_EQ(ONE("\x0f\x35"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x0f\x34"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->r[RSP], STACK0);
    CHECK_EQ(c->segment[CS].selector, CODE0);
    CHECK_EQ(c->segment[SS].selector, CODE0 + 8);
    CHECK(!(c->eflags & EFLAGS_IF));
    c->r[RDX] = CPU_CODE;
    c->r[RCX] = STACK3;
    CHECK_EQ(ONE("\x0f\x35"), CPU_OK);
    CHECK_EQ(c->segment[CS].selector, (CODE0 + 16) | 3);
    CHECK_EQ(c->segment[SS].selector, (CODE0 + 24) | 3);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->r[RIP], CPU_CODE);
    CHECK_EQ(c->r[RSP], STACK3);
    tables_start(CPU_LONG64);
    c->segment[GS].base = 1;
    c->kernel_gs_base = 2;
    CHECK_EQ(ONE("\x0f\x01\xf8"), CPU_OK);
    CHECK_EQ(c->segment[GS].base, 2);
    CHECK_EQ(c->kernel_gs_base, 1);
    to_ring3(0);
    CHECK_EQ(ONE("\x0f\x01\xf8"), EXCEPTION_GP);
}

/* ---- IRET ---- */

static void push_frame(const uint32_t *frame, int n)
{
    c->r[RSP] = CPU_STACK - n * 4;
    for (int i = 0; i < n; i++)
        put32(c->r[RSP] + i * 4, frame[i]);
}

static void test_iret(void)
{
    tables_start(CPU_FLAT32);
    push_frame((uint32_t[]){TARGET, CODE0, 0xffffffff & ~(uint32_t)(EFLAGS_VM | EFLAGS_NT)}, 3);
    CHECK_EQ(ONE("\xcf"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->r[RSP], CPU_STACK);
    CHECK_EQ(soft_eflags(c), 0x3d3fd7);
    c->eflags = 0;
    soft_mode(c);
    push_frame((uint32_t[]){TARGET, ABSENT_CODE, 0}, 3);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_NP);
    push_frame((uint32_t[]){TARGET, 0, 0}, 3);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    push_frame((uint32_t[]){TARGET, CODE3 | 3, 0, STACK3, DATA0}, 5);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, DATA0);
    CHECK_EQ(c->r[RSP], CPU_STACK - 20);
    CHECK_EQ(c->cpl, 0);
    /* Ring 3 cannot change IF nor IOPL. */
    to_ring3(0);
    c->r[RSP] = STACK3 - 12;
    put32(STACK3 - 12, TARGET);
    put32(STACK3 - 8, CODE3 | 3);
    put32(STACK3 - 4, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_CF);
    CHECK_EQ(ONE("\xcf"), CPU_OK);
    CHECK_EQ(soft_eflags(c), EFLAGS_CF | EFLAGS_FIXED);
    c->r[RSP] = STACK3 - 12;
    put32(STACK3 - 8, CODE0);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, CODE0);
}

/* What the outer level may not have becomes null, but for its base. */
static void test_dropped_segments(void)
{
    tables_start(CPU_LONG64);
    c->segment[GS] =
        (struct segment){.base = 0x12345, .selector = DATA0, .s = true, .present = true};
    soft_mode(c);
    to_ring3(0);
    CHECK_EQ(c->segment[GS].selector, 0);
    CHECK(!c->segment[GS].present);
    CHECK_EQ(c->window[GS].base, 0x12345);
}

/* An NMI comes whatever IF says, and no other while it is served. */
static void test_nmi(void)
{
    tables_start(CPU_FLAT32);
    memset(cpu_at(handler(EXCEPTION_NMI)), 0xf4, 1);
    soft_ask(c, REQUEST_NMI);
    CHECK_EQ(cpu_go(), CPU_OK);
    CHECK_EQ(c->interrupts, 1);
    CHECK_EQ(c->r[RIP], handler(EXCEPTION_NMI) + 1);
    soft_ask(c, REQUEST_NMI);
    CHECK_EQ(cpu_go(), CPU_OK);
    CHECK_EQ(c->interrupts, 1);
}

/* Of those that come meanwhile, one waits. */
static void test_nmi_waits(void)
{
    struct cpu_state s;

    cpu_build(1, true);
    cpu_real_mode(&s, CPU_CODE);
    soft_engine.set(&cpu_machine->vcpu[0], &s);
    memset(cpu_at(CPU_CODE), 0x90, 16);
    put32(4 * EXCEPTION_NMI, CPU_CODE >> 4 << 16 | 0x100); /* to a NOP, then IRET */
    memcpy(cpu_at(CPU_CODE + 0x100), "\x90\xcf", 2);
    for (int i = 0; i < 3; i++)
        c->lapic.out.nmi(c->lapic.out.to);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(soft_engine.step(&cpu_machine->vcpu[0]), VCPU_STEPPED);
        if (i == 1) /* in service, one waits: this is lost */
            c->lapic.out.nmi(c->lapic.out.to);
    }
    CHECK_EQ(c->interrupts, 2);
    CHECK(!c->nmi_masked);
}

/* Where a start-up message begins: only CS has a base. */
static void test_startup(void)
{
    cpu_build(2, true);
    c = cpu_machine->vcpu[1].engine;
    *cpu_at(CPU_CODE) = 0x90;
    c->lapic.out.startup(c->lapic.out.to, CPU_CODE >> 12);
    CHECK_EQ(soft_engine.step(&cpu_machine->vcpu[1]), VCPU_STEPPED);
    CHECK_EQ(c->r[RIP], 1);
    for (int seg = 0; seg < SEGMENTS; seg++) {
        CHECK_EQ(c->segment[seg].base, seg == CS ? CPU_CODE : 0);
        CHECK_EQ(c->segment[seg].selector, c->segment[seg].base >> 4);
    }
}

/* Whatever lets interrupts in looks whether one waits. */
static void test_interrupts_let_in(void)
{
    static const char popf[] = "\x68\x02\x02\x00\x00\x9d\xf4"; /* push 0x202; popf; hlt */
    static const char sti[] = "\xfb\xf4";                      /* sti; hlt */

    tables_start(CPU_FLAT32);
    for (int i = 0; i < 2; i++) {
        size_t n = i ? sizeof(sti) - 1 : sizeof(popf) - 1;

        put_code(i ? sti : popf, n);
        c->eflags &= ~EFLAGS_IF;
        c->request = REQUEST_INTERRUPT;
        c->stop_at = UINT64_MAX;
        CHECK(soft_run_lines(c));
        CHECK(!c->halted);
        CHECK_EQ(c->r[RIP], CPU_CODE + n - 1);
    }
}

/* NMIs come again after IRET, even one that faults. */
static void test_nmi_mask(void)
{
    tables_start(CPU_FLAT32);
    c->nmi_masked = true;
    push_frame((uint32_t[]){TARGET, 0, 0}, 3);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_GP);
    CHECK(!c->nmi_masked);
}

/* ---- virtual-8086 mode ---- */

static void to_v86(uint32_t eflags)
{
    push_frame((uint32_t[]){0, CPU_CODE >> 4, EFLAGS_VM | eflags, 0xfffe, 0x6000, 1, 2, 3, 4}, 9);
    CHECK_EQ(ONE("\xcf"), CPU_OK);
    CHECK(c->eflags & EFLAGS_VM);
}

static void test_v86(void)
{
    tables_start(CPU_FLAT32);
    to_v86(EFLAGS_IF);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->code_size, 1);
    CHECK_EQ(c->r[RIP], 0);
    CHECK_EQ(c->r[RSP], 0xfffe);
    CHECK_EQ(c->segment[SS].base, 0x60000);
    CHECK_EQ(c->segment[ES].selector, 1);
    CHECK_EQ(c->segment[GS].base, 0x40);
    CHECK_EQ(c->segment[GS].limit, 0xffff);
    /* With IOPL 0 all that touches IF is ring 0's. */
    CHECK_EQ(ONE("\xfa"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x9c"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x9d"), EXCEPTION_GP);
    CHECK_EQ(ONE("\xcd\x21"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(ONE("\xcf"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x0f\x00\xc0"), EXCEPTION_UD); /* sldt */
    /* Which is entered by a long frame, with null segments. */
    CHECK_EQ(UNTIL_HALT("\xcd\x21"), CPU_OK);
    CHECK(halted_in(EXCEPTION_GP));
    CHECK(!(c->eflags & EFLAGS_VM));
    CHECK_EQ(c->r[RSP], STACK0 - 40);
    CHECK_EQ(get32(STACK0 - 4), 4);       /* GS */
    CHECK_EQ(get32(STACK0 - 16), 1);      /* ES */
    CHECK_EQ(get32(STACK0 - 20), 0x6000); /* SS */
    CHECK_EQ(get32(STACK0 - 24), 0xfffe);
    CHECK_EQ(get32(STACK0 - 28), EFLAGS_VM | EFLAGS_IF | EFLAGS_RF | EFLAGS_FIXED);
    CHECK_EQ(get32(STACK0 - 32), CPU_CODE >> 4);
    CHECK_EQ(get32(STACK0 - 36), 0);
    CHECK_EQ(c->segment[DS].selector, 0);
    CHECK(!c->segment[DS].present);
    CHECK_EQ(c->segment[CS].selector, CODE0);
    /* And left by IRET as it was. */
    c->r[RSP] += 4;
    CHECK_EQ(ONE("\xcf"), CPU_OK);
    CHECK_EQ(c->eflags, EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    CHECK_EQ(c->segment[GS].selector, 4);
}

static void test_v86_iopl3(void)
{
    tables_start(CPU_FLAT32);
    set_gate(0x21, gate(CODE0, TARGET, TYPE_INTERRUPT32, 3, 0));
    to_v86(EFLAGS_IF | EFLAGS_IOPL);
    CHECK_EQ(ONE("\xfa"), CPU_OK);
    CHECK(!(c->eflags & EFLAGS_IF));
    CHECK_EQ(ONE("\x9c"), CPU_OK);
    CHECK_EQ(get16(0x6fffc), EFLAGS_IOPL | EFLAGS_FIXED);
    CHECK_EQ(ONE("\x9d"), CPU_OK);
    CHECK_EQ(ONE("\xcd\x21"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->r[RSP], STACK0 - 36);
    to_v86(EFLAGS_IF);
    set_gate(3, gate(CODE3, TARGET, TYPE_INTERRUPT32, 3, 0));
    CHECK_EQ(ONE("\xcc"), EXCEPTION_GP); /* only to ring 0 */
    CHECK_EQ(c->error_code, CODE3);
}

/* ---- flags ---- */

static void test_flags(void)
{
    tables_start(CPU_FLAT32);
    c->r[RAX] = 0xffffffff;
    CHECK_EQ(ONE("\x50"), CPU_OK);
    CHECK_EQ(ONE("\x9d"), CPU_OK);
    CHECK_EQ(soft_eflags(c), 0x247fd7); /* not RF, VM, VIF, VIP */
    CHECK_EQ(ONE("\x9c"), CPU_OK);
    CHECK_EQ(get32(CPU_STACK - 4), 0x247fd7);
    c->eflags = 0;
    c->r[RSP] = CPU_STACK;
    to_ring3(0);
    CHECK_EQ(ONE("\x50"), CPU_OK);
    CHECK_EQ(ONE("\x9d"), CPU_OK);
    CHECK_EQ(soft_eflags(c), 0x244dd7); /* nor IF and IOPL */
    CHECK_EQ(ONE("\xfb"), EXCEPTION_GP);
    CHECK_EQ(ONE("\xfa"), EXCEPTION_GP);
    CHECK_EQ(ONE("\xf4"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x0f\x01\xca"), EXCEPTION_UD); /* clac */
    c->eflags |= EFLAGS_IOPL;
    CHECK_EQ(ONE("\xfb"), CPU_OK);
    CHECK(c->eflags & EFLAGS_IF);
    CHECK(c->shadow);
}

static void test_smap_flag(void)
{
    tables_start(CPU_LONG64);
    CHECK(c->tlb == &c->tlbs[TLB_SMAP_OFF]);
    c->cr4 |= CR4_SMAP;
    soft_mode(c);
    CHECK(c->tlb == &c->tlbs[TLB_SUPERVISOR]);
    CHECK_EQ(ONE("\x8b\x04\x25\x00\x00\x02\x00"), EXCEPTION_PF); /* a user's page */
    CHECK_EQ(ONE("\x0f\x01\xcb"), CPU_OK);                       /* stac */
    CHECK(c->tlb == &c->tlbs[TLB_SMAP_OFF]);
    CHECK_EQ(ONE("\x8b\x04\x25\x00\x00\x02\x00"), CPU_OK);
    CHECK_EQ(ONE("\x0f\x01\xca"), CPU_OK); /* clac */
    CHECK(c->tlb == &c->tlbs[TLB_SUPERVISOR]);
    c->cr4 &= ~(uint64_t)CR4_SMAP;
    to_ring3(0);
    CHECK(c->tlb == &c->tlbs[TLB_USER]);
    c->cr0 |= CR0_AM;
    c->r[RAX] = CPU_DATA + 1;
    CHECK_EQ(ONE("\x8b\x00"), CPU_OK);
    CHECK_EQ(ONE("\x9c"), CPU_OK);
    put32(c->r[RSP], EFLAGS_AC);
    CHECK_EQ(ONE("\x9d"), CPU_OK); /* popf */
    CHECK(c->tlb == &c->tlbs[TLB_CAREFUL]);
    c->r[RAX] = CPU_DATA + 1;
    CHECK_EQ(ONE("\x8b\x00"), EXCEPTION_AC);
    CHECK_EQ(c->error_code, 0);
}

/* ---- real mode ---- */

static void test_real(void)
{
    cpu_start(CPU_REAL16);
    put32(0x21 * 4, 0x30001234);
    c->eflags = EFLAGS_IF;
    CHECK_EQ(ONE("\xcd\x21"), CPU_OK);
    CHECK_EQ(c->segment[CS].selector, 0x3000);
    CHECK_EQ(c->segment[CS].base, 0x30000);
    CHECK_EQ(c->r[RIP], 0x1234);
    CHECK_EQ(c->r[RSP], 0xfff8);
    CHECK_EQ(get16(CPU_CODE + 0xfff8), 2);
    CHECK_EQ(get16(CPU_CODE + 0xfffa), CPU_CODE >> 4);
    CHECK_EQ(get16(CPU_CODE + 0xfffc), EFLAGS_IF | EFLAGS_FIXED);
    CHECK(!(c->eflags & EFLAGS_IF));
    *cpu_at(0x31234) = 0xcf;
    soft_cache_flush(c);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->r[RIP], 2);
    CHECK_EQ(c->r[RSP], 0xfffe);
    CHECK(c->eflags & EFLAGS_IF);
    /* A frame at both ends of the segment. */
    c->r[RSP] = 2;
    CHECK_EQ(ONE("\xcd\x21"), CPU_OK);
    CHECK_EQ(c->r[RSP], 0xfffc);
    CHECK_EQ(get16(CPU_CODE + 0xfffc), 2);
    CHECK_EQ(get16(CPU_CODE), EFLAGS_IF | EFLAGS_FIXED);
    /* Past the table: #GP, of which there is none either, nor a #DF. */
    cpu_start(CPU_REAL16);
    c->idt.limit = 8 * 4 - 1;
    CHECK_EQ(UNTIL_HALT("\xcd\x21"), CPU_SHUTDOWN);
    cpu_start(CPU_REAL16);
    c->idt.limit = 13 * 4 - 1;
    put32(8 * 4, 0x20000000);
    *cpu_at(CPU_DATA) = 0xf4;
    CHECK_EQ(UNTIL_HALT("\xcd\x21"), CPU_OK); /* the double fault */
    CHECK_EQ(c->r[RIP], 1);
    CHECK_EQ(get16(CPU_CODE + 0xfff8), 0);
}

/* ---- tasks ---- */

/* The second task: it runs at ip in ring 0. */
static void make_task(uint32_t ip, uint16_t cs)
{
    memset(cpu_at(TSS2_AT), 0, 0x68);
    put32(TSS2_AT + 0x1c, 0);
    put32(TSS2_AT + 0x20, ip);
    put32(TSS2_AT + 0x24, EFLAGS_CF);
    put32(TSS2_AT + 0x28, 0x1111); /* EAX */
    put32(TSS2_AT + 0x38, IST1);   /* ESP */
    put32(TSS2_AT + 0x48, DATA0);
    put32(TSS2_AT + 0x4c, cs);
    put32(TSS2_AT + 0x50, DATA0);
    put32(TSS2_AT + 0x54, DATA3);
    put32(TSS2_AT + 0x60, LDT);
}

static int type_of(uint16_t selector)
{
    return get_descriptor(selector) >> 40 & 15;
}

static void test_task_jump(void)
{
    tables_start(CPU_FLAT32);
    make_task(TARGET, CODE0);
    c->r[RAX] = 0x2222;
    c->dr[7] |= 1;
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x88\x00"), CPU_OK);
    CHECK_EQ(c->r[RIP], TARGET);
    CHECK_EQ(c->r[RAX], 0x1111);
    CHECK_EQ(c->r[RSP], IST1);
    CHECK_EQ(soft_eflags(c), EFLAGS_CF | EFLAGS_FIXED);
    CHECK_EQ(c->segment[DS].selector, DATA3);
    CHECK_EQ(c->segment[FS].selector, 0);
    CHECK_EQ(c->ldt.base, LDT_AT);
    CHECK_EQ(c->tr.selector, TSS2);
    CHECK_EQ(type_of(TSS2), 0xb);
    CHECK_EQ(type_of(TSS), 9);
    CHECK(c->cr0 & CR0_TS);
    CHECK_EQ(c->dr[7] & 1, 0);
    CHECK_EQ(get32(TSS_AT + 0x20), CPU_CODE + 7);
    CHECK_EQ(get32(TSS_AT + 0x28), 0x2222);
    CHECK_EQ(get16(TSS_AT + 0x4c), CODE0);
    /* Back. */
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x30\x00"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 7);
    CHECK_EQ(c->r[RAX], 0x2222);
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x30\x00"), EXCEPTION_GP); /* busy */
    CHECK_EQ(c->error_code, TSS);
}

static void test_task_call(void)
{
    tables_start(CPU_FLAT32);
    make_task(TARGET, CODE3 | 3);
    put32(TSS2_AT + 0x50, DATA3 | 3);
    put32(TSS2_AT + 0x48, DATA3 | 3);
    *cpu_at(TARGET) = 0xcf; /* iret */
    set_descriptor(TASK_GATE, gate(TSS2, 0, TYPE_TASK, 0, 0));
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x80\x00"), CPU_OK);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(type_of(TSS), 0xb);
    CHECK_EQ(type_of(TSS2), 0xb);
    CHECK_EQ(get16(TSS2_AT), TSS);
    CHECK(c->eflags & EFLAGS_NT);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->r[RIP], CPU_CODE + 7);
    CHECK_EQ(type_of(TSS2), 9);
    CHECK_EQ(type_of(TSS), 0xb);
    CHECK_EQ(get32(TSS2_AT + 0x20), TARGET + 1);
    CHECK_EQ(get32(TSS2_AT + 0x24), EFLAGS_CF | EFLAGS_FIXED); /* NT is gone */
    CHECK(!(c->eflags & EFLAGS_NT));
}

static void test_task_faults(void)
{
    tables_start(CPU_FLAT32);
    make_task(TARGET, CODE0);
    set_descriptor(TSS2, descriptor(TSS2_AT, 0x66, 9, 0, SMALL));
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x88\x00"), EXCEPTION_TS);
    CHECK_EQ(c->error_code, TSS2);
    CHECK_EQ(c->tr.selector, TSS);
    set_descriptor(TSS2, absent(descriptor(TSS2_AT, 0x67, 9, 0, SMALL)));
    CHECK_EQ(ONE("\xea\x00\x00\x00\x00\x88\x00"), EXCEPTION_NP);
    /* A segment of the new task's is bad: the fault is the new task's. */
    set_descriptor(TSS2, descriptor(TSS2_AT, 0x67, 9, 0, SMALL));
    put32(TSS2_AT + 0x54, EXECUTE);
    CHECK_EQ(UNTIL_HALT("\xea\x00\x00\x00\x00\x88\x00"), CPU_OK);
    CHECK(halted_in(EXCEPTION_TS));
    CHECK_EQ(c->tr.selector, TSS2);
    CHECK_EQ(get32(IST1 - 16), EXECUTE);
    CHECK_EQ(get32(IST1 - 12), TARGET);
}

/* #UD through a task gate; then #GP, with its error code on the new task's stack. */
static void test_task_gate(void)
{
    tables_start(CPU_FLAT32);
    make_task(handler(EXCEPTION_GP), CODE0);
    set_gate(EXCEPTION_GP, gate(TSS2, 0, TYPE_TASK, 0, 0));
    to_ring3(0);
    CHECK_EQ(UNTIL_HALT("\xf4"), CPU_OK);
    CHECK(halted_in(EXCEPTION_GP));
    CHECK_EQ(c->r[RSP], IST1 - 4);
    CHECK_EQ(get32(IST1 - 4), 0);
    CHECK_EQ(get16(TSS2_AT), TSS);
    CHECK_EQ(get32(TSS_AT + 0x20), CPU_CODE);
    CHECK_EQ(get16(TSS_AT + 0x4c), CODE3 | 3);
    CHECK_EQ(get32(TSS_AT + 0x24), EFLAGS_RF | EFLAGS_FIXED);
    CHECK(c->eflags & EFLAGS_NT);
    /* With the debug trap bit. */
    tables_start(CPU_FLAT32);
    make_task(TARGET, CODE0);
    put32(TSS2_AT + 0x64, 1);
    CHECK_EQ(UNTIL_HALT("\xea\x00\x00\x00\x00\x88\x00"), CPU_OK);
    CHECK(halted_in(EXCEPTION_DB));
    CHECK(c->dr[6] & 1 << 15);
    CHECK_EQ(get32(IST1 - 12), TARGET);
}

static void test_task16(void)
{
    tables_start(CPU_FLAT32);
    set_descriptor(TSS2, descriptor(TSS2_AT, 0x2b, 1, 0, SMALL));
    memset(cpu_at(TSS2_AT), 0, 0x2c);
    put32(TSS2_AT + 0x0e, 0x3000); /* IP, FLAGS */
    put32(TSS2_AT + 0x12, 0x5678); /* AX */
    put32(TSS2_AT + 0x1a, 0x8000); /* SP */
    put32(TSS2_AT + 0x22, CODE16 << 16 | DATA0);
    put32(TSS2_AT + 0x26, DATA0 << 16 | DATA16);
    *cpu_at(0x3000) = 0xcf;
    CHECK_EQ(ONE("\x9a\x00\x00\x00\x00\x88\x00"), CPU_OK);
    CHECK_EQ(c->r[RIP], 0x3000);
    CHECK_EQ(c->r[RAX] & 0xffff, 0x5678);
    CHECK_EQ(c->code_size, 1);
    CHECK_EQ(c->segment[SS].selector, DATA16);
    CHECK_EQ(c->tr.type, 3);
    CHECK_EQ(cpu_step(), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 7);
    CHECK_EQ(get16(TSS2_AT + 0x0e), 0x3001);
}

static void test_io_permission(void)
{
    tables_start(CPU_FLAT32);
    put32(TSS_AT + 0x64, 0x70 << 16);
    memset(cpu_at(TSS_AT + 0x70), 0, 0x19);
    *cpu_at(TSS_AT + 0x70 + 0x81 / 8) = 1 << (0x81 & 7);
    to_ring3(0);
    CHECK_EQ(ONE("\xe4\x80"), CPU_OK);
    CHECK_EQ(ONE("\xe4\x81"), EXCEPTION_GP);
    CHECK_EQ(c->error_code, 0);
    CHECK_EQ(ONE("\x66\xe5\x80"), EXCEPTION_GP);
    CHECK_EQ(ONE("\x66\xe5\x82"), CPU_OK);
    c->r[RDX] = 0xb8;
    CHECK_EQ(ONE("\xec"), CPU_OK);
    c->r[RDX] = 0xc0; /* its second byte is past the limit */
    CHECK_EQ(ONE("\xec"), EXCEPTION_GP);
    c->eflags |= EFLAGS_IOPL;
    CHECK_EQ(ONE("\xec"), CPU_OK);
}

/* A single step, and MOV SS that puts it off, as STI does not. */
static void test_single_step(void)
{
    tables_start(CPU_FLAT32);
    c->eflags |= EFLAGS_TF;
    CHECK_EQ(UNTIL_HALT("\x90\x90"), CPU_OK);
    CHECK(halted_in(EXCEPTION_DB));
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 1);
    CHECK_EQ(get32(CPU_STACK - 4), EFLAGS_TF | EFLAGS_FIXED);
    CHECK(!(c->eflags & EFLAGS_TF));
    c->r[RSP] = CPU_STACK;
    c->r[RAX] = DATA0;
    c->eflags |= EFLAGS_TF;
    CHECK_EQ(UNTIL_HALT("\x8e\xd0\x90\x90"), CPU_OK);
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 3);
    c->r[RSP] = CPU_STACK;
    c->eflags |= EFLAGS_TF;
    CHECK_EQ(UNTIL_HALT("\xfb\x90\x90"), CPU_OK);
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 1);
    /* INT n is not followed by a trap. */
    c->r[RSP] = CPU_STACK;
    c->eflags |= EFLAGS_TF;
    CHECK_EQ(UNTIL_HALT("\xcd\x40"), CPU_OK);
    CHECK(halted_in(0x40));
    CHECK_EQ(c->r[RSP], CPU_STACK - 12);
    /* Nor is SYSCALL, but SYSRET at once. */
    tables_start(CPU_LONG64);
    c->efer |= EFER_SCE;
    c->star = UINT64_C(0x0053) << 48 | (uint64_t)CODE64 << 32;
    c->lstar = handler(0x41);
    c->fmask = EFLAGS_TF;
    to_ring3(EFLAGS_TF);
    CHECK_EQ(UNTIL_HALT("\x0f\x05"), CPU_OK);
    CHECK(halted_in(0x41));
    CHECK_EQ(c->r[R11], EFLAGS_TF | EFLAGS_FIXED);
    CHECK_EQ(UNTIL_HALT("\x48\x0f\x07"), CPU_OK);
    CHECK(halted_in(EXCEPTION_DB));
    CHECK_EQ(get64(STACK0 - 40), CPU_CODE + 2);
    CHECK(c->dr[6] & 1 << 14);
}

/* DR6 tells of breakpoints of this #DB only. */
static void test_dr6(void)
{
    tables_start(CPU_FLAT32);
    c->dr[6] |= 7 | DR6_BT;
    c->eflags |= EFLAGS_TF;
    CHECK_EQ(UNTIL_HALT("\x90"), CPU_OK);
    CHECK_EQ(c->dr[6], DR6_FIXED | DR6_BT | DR6_BS);
    c->dr[0] = CPU_CODE;
    c->dr[7] |= 1;
    c->dr[6] |= 6;
    CHECK_EQ(UNTIL_HALT("\x90"), CPU_OK);
    CHECK_EQ(c->dr[6], DR6_FIXED | DR6_BT | DR6_BS | 1);
}

/* A breakpoint that a load of SS puts off comes with the #DB of the next instruction. */
static void test_put_off(void)
{
    tables_start(CPU_FLAT32);
    put32(CPU_DATA, DATA0);
    c->dr[0] = CPU_DATA;
    c->dr[7] |= 1 | 3 << 16;
    CHECK_EQ(UNTIL_HALT("\x8e\x15\x00\x00\x02\x00\xf1"), CPU_OK); /* mov ss, [CPU_DATA]; int1 */
    CHECK(halted_in(EXCEPTION_DB));
    CHECK_EQ(c->r[RSP], CPU_STACK - 12);
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 7);
    CHECK_EQ(c->dr[6], DR6_FIXED | 1);
}

/* Breakpoints of ports, which CR4.DE allows. */
static void test_port_breakpoint(void)
{
    tables_start(CPU_FLAT32);
    c->dr[0] = 0x82;
    c->dr[7] |= 1 | 0xe0000; /* 4 bytes from 0x80 on */
    c->r[RDX] = 0x7f;
    CHECK_EQ(UNTIL_HALT("\xe6\x81\xf4"), CPU_OK);
    CHECK_EQ(c->r[RIP], CPU_CODE + 3);
    c->cr4 |= CR4_DE;
    CHECK_EQ(UNTIL_HALT("\xee\xe6\x84\xe4\x81\xf4"), CPU_OK);
    CHECK(halted_in(EXCEPTION_DB));
    CHECK_EQ(get32(CPU_STACK - 12), CPU_CODE + 5);
    CHECK_EQ(c->dr[6] & 15, 1);
}

int main(void)
{
    return test_main((struct test[]){
        {test_fault_from_ring3, "a fault from ring 3 switches the stack"},
        {test_same_level, "a trap gate at the same level"},
        {test_gate16, "a 16-bit gate"},
        {test_software, "INT n: privilege and broken gates"},
        {test_external, "faults of events from outside say so"},
        {test_int3_into, "INT3, INTO, INT1, BOUND"},
        {test_double_fault, "double and triple faults"},
        {test_endless, "faults without end can be stopped"},
        {test_page_faults, "page faults in page faults, and an IST"},
        {test_frame_long, "frames of long mode"},
        {test_compatibility, "an interrupt of compatibility mode"},
        {test_syscall, "SYSCALL, SYSRET"},
        {test_sysenter, "SYSENTER, SYSEXIT, SWAPGS"},
        {test_iret, "IRET to the same and an outer level"},
        {test_dropped_segments, "IRET drops segments, and leaves their bases"},
        {test_nmi, "an NMI keeps others out"},
        {test_interrupts_let_in, "POPF and STI look for interrupts that wait"},
        {test_nmi_waits, "one NMI waits for another to end"},
        {test_startup, "a start-up message"},
        {test_nmi_mask, "IRET lets NMIs in"},
        {test_v86, "virtual-8086 mode"},
        {test_v86_iopl3, "virtual-8086 mode with IOPL 3"},
        {test_flags, "who may change which flags"},
        {test_smap_flag, "AC and SMAP choose the TLB"},
        {test_real, "real mode's interrupts"},
        {test_task_jump, "a jump to another task"},
        {test_task_call, "a nested task"},
        {test_task_faults, "tasks that cannot be switched to"},
        {test_task_gate, "task gates, and the debug trap bit"},
        {test_task16, "a 16-bit task"},
        {test_io_permission, "the I/O permission bitmap"},
        {test_single_step, "single steps"},
        {test_dr6, "DR6 tells of one #DB"},
        {test_put_off, "a breakpoint put off by a load of SS"},
        {test_port_breakpoint, "breakpoints of ports"},
        {0},
    });
}

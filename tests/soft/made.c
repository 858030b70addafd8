// SPDX-License-Identifier: MIT
/*
 * Runs a sample on the CPU made of C: a machine whose page tables show its RAM at the addresses at
 * which the real processor has the same pages, at CPL 3, with the segments that Linux has.
 */
#include "tests/soft/sample.h"
#include "x86/machine.h"
#include "x86/soft/line.h"
#include "x86/soft/engine.h"

#include <stdlib.h>

enum {
    RAM = 1 << 20,
    TABLES = 0x1000, /* four of them */
    PAGES = 0x10000, /* those of the address space, one after the other */
    PTE = PTE_P | PTE_U | PTE_A | PTE_D,
    STEPS = 1 << 20,
};

static struct machine machine;
static struct soft *cpu;
static struct memory memory;

static uint64_t *table(int i)
{
    return (uint64_t *)ram_at(&machine.ram, TABLES + i * 4096, 4096);
}

static uint8_t *map(uint64_t at, size_t size, uint64_t bits)
{
    static uint64_t gpa = PAGES;
    uint8_t *p = ram_at(&machine.ram, gpa, size);

    for (; size; size -= 4096, at += 4096, gpa += 4096)
        table(3)[at >> 12 & 511] = gpa | PTE | bits;
    return p;
}

static struct segment flat(uint16_t selector, uint8_t type, bool l)
{
    return (struct segment){.limit = UINT32_MAX,
                            .selector = selector,
                            .type = type,
                            .dpl = 3,
                            .s = true,
                            .present = true,
                            .l = l,
                            .db = !l,
                            .g = true};
}

void made_open(struct memory *m)
{
    static struct console console;
    struct config config = {.engine = &soft_engine, .ram = RAM, .cpus = 1, .guests = 1};
    struct cpu_state s = {
        .rflags = EFLAGS_FIXED | EFLAGS_IF,
        .ds = flat(0x2b, SEGMENT_DATA, false),
        .es = flat(0x2b, SEGMENT_DATA, false),
        .ss = flat(0x2b, SEGMENT_DATA, false),
        .cs = flat(0x33, SEGMENT_CODE, true),
        /* Too short to have a map of ports. */
        .tr = {.selector = 0x40, .type = SEGMENT_TSS, .present = true, .limit = 99},
        .cr0 = CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE,
        .cr3 = TABLES,
        .cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP |
               CR4_SMAP | CR4_UMIP,
        .efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
    };

    machine_build(&machine, &config, (struct console *[]){&console});
    for (int i = 0; i < 3; i++)
        table(i)[i < 2 ? 0 : CODE >> 21] = (TABLES + (i + 1) * 4096) | PTE | PTE_W;
    memory.code = map(CODE, CODE_SIZE, 0);
    memory.data = map(DATA, DATA_SIZE, PTE_W | PTE_NX);
    memory.constant = map(CONST, CONST_SIZE, PTE_NX);
    machine.engine->set(&machine.vcpu[0], &s);
    cpu = machine.vcpu[0].engine;
    *m = memory;
}

static void enter(const struct sample *s)
{
    struct soft *c = cpu;

    memcpy(c->r, s->in.r, sizeof(s->in.r));
    c->r[RIP] = s->in.rip;
    c->fpu = s->in.fpu;
    soft_set_arith(c, s->in.flags);
    c->eflags = (s->in.flags & ~(EFLAGS_ARITHMETIC | EFLAGS_FIXED)) | EFLAGS_IF;
    c->segment[CS] = s->compat ? flat(0x23, SEGMENT_CODE, false) : flat(0x33, SEGMENT_CODE, true);
    c->segment[SS] = c->segment[DS] = c->segment[ES] = flat(0x2b, SEGMENT_DATA, false);
    c->segment[FS] = (struct segment){.base = s->in.fs};
    c->segment[GS] = (struct segment){.base = s->in.gs};
    c->cpl = 3;
    c->cr2 = 0;
    c->shadow = c->halted = c->stepped = false;
    soft_mode(c);
}

/* Is the next instruction an INT3 of ours? */
static bool at_end(const struct soft *c)
{
    uint64_t at = c->r[RIP] - CODE;

    return at < CODE_SIZE && memory.code[at] == INT3;
}

void made_run(const struct sample *s, struct state *out)
{
    struct soft *c = cpu;

    enter(s);
    out->vector = STUCK;
    out->error = 0;
    out->cr2 = 0;
    if (_setjmp(c->fault)) {
        soft_undo(c);
        out->vector = c->vector;
        out->error = c->has_error_code ? c->error_code : 0;
        out->cr2 = c->vector == EXCEPTION_PF ? c->cr2 : 0;
        /* Linux says of all addresses that are never a program's that they are present. */
        if (out->cr2 >= USER_END)
            out->error |= 1;
    } else {
        for (int i = 0; i < STEPS && out->vector == STUCK; i++) {
            if (at_end(c))
                out->vector = ENDED;
            else
                soft_run_one(c);
        }
    }
    memcpy(out->r, c->r, sizeof(out->r));
    out->rip = c->r[RIP];
    out->flags = soft_eflags(c);
    out->fs = c->segment[FS].base;
    out->gs = c->segment[GS].base;
    out->fpu = c->fpu;
}

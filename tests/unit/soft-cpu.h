/* SPDX-License-Identifier: MIT */
/*
 * A soft CPU to try instructions on: a machine of 4 MiB, in a mode of choice, whose state can be
 * looked at and changed at will.
 *
 *     cpu_start(CPU_LONG64);
 *     c->r[RAX] = 1;
 *     CHECK_EQ(cpu_run("\x48\xff\xc0", 3), CPU_OK);
 */
#ifndef TESTS_UNIT_SOFT_CPU_H
#define TESTS_UNIT_SOFT_CPU_H

#include "tests/unit/test.h"
#include "x86/machine.h"
#include "x86/paging.h"
#include "x86/soft/line.h"
#include "x86/soft/engine.h"

#include <stdlib.h>

enum cpu_mode {
    CPU_REAL16,
    CPU_FLAT32,
    CPU_LONG64,
};

enum {
    CPU_OK = -1,
    CPU_SHUTDOWN = -2,

    CPU_CODE = 0x10000,    /* where cpu_run() puts code; the base of CS in real mode */
    CPU_DATA = 0x20000,    /* free for data, up to */
    CPU_STACK = 0x80000,   /* where the stack begins, downwards; 0xfffe in real mode */
    CPU_TABLES = 0x100000, /* page tables */
    CPU_RAM = 4 << 20,
};

static struct machine *cpu_machine;
static struct soft *c;

__attribute__((unused)) static uint8_t *cpu_at(uint64_t gpa)
{
    return ram_at(&cpu_machine->ram, gpa, 1);
}

__attribute__((unused)) static void cpu_end(void)
{
    if (!cpu_machine)
        return;
    machine_free(cpu_machine);
    free(cpu_machine);
    cpu_machine = NULL;
}

/* A machine after power-on; c is the first of its CPUs. */
__attribute__((unused)) static void cpu_build(int cpus, bool apic)
{
    static struct test_console console;
    struct config config = {
        .engine = &soft_engine, .ram = CPU_RAM, .cpus = cpus, .guests = 1, .apic = apic};

    cpu_end();
    cpu_machine = calloc(1, sizeof(*cpu_machine));
    test_console_init(&console);
    machine_build(cpu_machine, &config, (struct console *[]){&console.console});
    machine_release(cpu_machine); /* the test is what runs it */
    c = cpu_machine->vcpu[0].engine;
}

/* A CPU as it is at the beginning of a program in that mode, at CPL 0, interrupts off. */
__attribute__((unused)) static void cpu_start(enum cpu_mode mode)
{
    struct cpu_state s;

    cpu_build(1, false);
    if (mode == CPU_REAL16) {
        cpu_real_mode(&s, CPU_CODE);
    } else if (mode == CPU_FLAT32) {
        cpu_flat32(&s);
    } else {
        paging_identity(&cpu_machine->ram, CPU_TABLES, 1);
        cpu_long_mode(&s, CPU_TABLES);
    }
    if (mode != CPU_REAL16) {
        s.rip = CPU_CODE;
        s.gpr[RSP] = CPU_STACK;
    }
    cpu_machine->engine->set(&cpu_machine->vcpu[0], &s);
    c->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    soft_mode(c);
}

/* Run the instruction at RIP: CPU_OK, or the vector of the exception that it raised, which is not
 * delivered; its error code is in c->error_code. */
__attribute__((unused)) static int cpu_step(void)
{
    if (_setjmp(c->fault)) {
        soft_undo(c);
        return c->vector;
    }
    soft_run_one(c);
    return CPU_OK;
}

/* Put code at CPU_CODE, and run it until RIP stands after it, or an exception is raised. */
__attribute__((unused)) static int cpu_run(const void *code, size_t n)
{
    uint64_t begin = c->code_size == 1 ? 0 : CPU_CODE;
    int result = CPU_OK;

    memcpy(cpu_at(CPU_CODE), code, n);
    soft_cache_flush(c);
    c->r[RIP] = begin;
    for (int i = 0; i < 100000 && result == CPU_OK && c->r[RIP] != begin + n; i++)
        result = cpu_step();
    return result;
}

/* Run from RIP as the machine does, exceptions and all, until HLT: CPU_OK, or CPU_SHUTDOWN. */
__attribute__((unused)) static int cpu_go(void)
{
    enum vcpu_stop stop = cpu_machine->engine->run(&cpu_machine->vcpu[0]);

    return stop == VCPU_HALTED || stop == VCPU_ENDED ? CPU_OK
           : stop == VCPU_SHUTDOWN                   ? CPU_SHUTDOWN
                                                     : (int)stop;
}

#endif

// SPDX-License-Identifier: MIT
/*
 * Exceptions, interrupts and system calls: how they come in, and who is asked to handle them.
 *
 * After: Intel SDM vol. 3A, "Interrupt and Exception Handling", "Task Management".
 * Left out: hardware task switching; of the TSS only the stack for traps from user mode is used.
 * Its I/O permission map is empty, so user programs reach no port.
 */
#include "os-1k/kernel/kernel.h"

enum {
    KERNEL_CODE = 0x08,
    KERNEL_DATA = 0x10,
    TSS_SELECTOR = 0x28,

    GATE_KERNEL = 0x8e, /* present, 32-bit interrupt gate; user mode may not call it, */
    GATE_USER = 0xee,   /* and may */

    EXCEPTIONS = 32,
    IRQ_TIMER = 32,
    IRQ_CONSOLE = 36,
    IRQ_END = 48,

    PAGE_FAULT = 14,
    VECTOR_SIZE = 16, /* of an entry in entry.S */

    PAGE_FAULT_WRITE = 1 << 1, /* error code */
};

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

static struct tss {
    uint32_t link, esp0, ss0, unused[22];
    uint16_t trap, io_map;
} tss = {.ss0 = KERNEL_DATA, .io_map = sizeof(tss)};

/* The monitor's, flat 4 GiB each, and the TSS. */
static uint64_t gdt[] = {
    0,
    0x00cf9b000000ffff, /* 08: kernel code */
    0x00cf93000000ffff, /* 10: kernel data */
    0x00cffb000000ffff, /* 18: user code */
    0x00cff3000000ffff, /* 20: user data */
    0x0000890000000000, /* 28: TSS; its base and limit follow */
};

static uint64_t idt[SYSCALL_VECTOR + 1];

/* Those that can happen here. */
static const char *const exception_names[EXCEPTIONS] = {
    [0] = "divide error",         [1] = "debug exception",      [5] = "bound range exceeded",
    [6] = "invalid opcode",       [7] = "device not available", [8] = "double fault",
    [11] = "segment not present", [12] = "stack fault",         [13] = "general protection fault",
    [PAGE_FAULT] = "page fault",
};

static void set_gate(int vector, int entry, uint8_t type)
{
    uint32_t address = (uint32_t)vectors + entry * VECTOR_SIZE;

    idt[vector] = (uint64_t)(address >> 16) << 48 | (uint64_t)type << 40 | KERNEL_CODE << 16 |
                  (address & 0xffff);
}

void trap_init(void)
{
    struct table to_gdt = {sizeof(gdt) - 1, (uint32_t)gdt};
    struct table to_idt = {sizeof(idt) - 1, (uint32_t)idt};
    uint64_t base = (uint32_t)&tss;

    gdt[TSS_SELECTOR / 8] |=
        (base & 0xffffff) << 16 | (base & 0xff000000) << 32 | (sizeof(tss) - 1);
    for (int i = 0; i < IRQ_END; i++)
        set_gate(i, i, GATE_KERNEL);
    set_gate(SYSCALL_VECTOR, IRQ_END, GATE_USER);

    /* The segment registers stay as they are: what they hold means the same in both tables. */
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2"
                     :
                     : "m"(to_gdt), "m"(to_idt), "r"(TSS_SELECTOR)
                     : "memory");
}

void trap_set_stack(const char *top)
{
    tss.esp0 = (uint32_t)top;
}

static bool from_user(const struct trap_frame *f)
{
    return (f->cs & 3) == 3;
}

/* A program's mistake ends the program; the kernel's ends everything. */
static void exception(const struct trap_frame *f)
{
    const char *name = exception_names[f->vector];
    uint32_t address;

    print("%s: %s at EIP 0x%x", from_user(f) ? current->info.name : "kernel",
          name ? name : "unknown exception", f->eip);
    if (f->vector == PAGE_FAULT) {
        __asm__ volatile("mov %0, cr2" : "=r"(address));
        print(", %s address 0x%x", f->error & PAGE_FAULT_WRITE ? "writing" : "reading", address);
    }
    print("\n");
    if (!from_user(f))
        machine_exit(1);
    process_exit(1);
}

void trap(struct trap_frame *f)
{
    if (f->vector < EXCEPTIONS)
        exception(f);
    else if (f->vector == SYSCALL_VECTOR)
        f->eax = syscall(f);
    else if (f->vector == IRQ_TIMER)
        timer_interrupt();
    else if (f->vector == IRQ_CONSOLE)
        console_interrupt();

    /* What it interrupted in the kernel is the idle process, which calls schedule() itself. */
    if (!from_user(f))
        return;
    if (f->vector == IRQ_TIMER)
        schedule();
    if (current->killed)
        process_exit(1);
}

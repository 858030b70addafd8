// SPDX-License-Identifier: MIT
/*
 * Does what a program must not do, and ends by that. The shell goes on.
 */
#include "os-1k/user/user.h"

static void page(void)
{
    *(volatile int *)0 = 1;
}

static void kernel(void)
{
    (void)*(volatile int *)0x80001000;
}

static void code(void)
{
    *(volatile char *)main = 0;
}

static void stack(void)
{
    __asm__ volatile("1: push eax; jmp 1b");
}

static void divide(void)
{
    __asm__ volatile("xor edx, edx; xor ecx, ecx; div ecx" : : "a"(1) : "ecx", "edx");
}

static void opcode(void)
{
    __asm__ volatile("ud2");
}

static void io(void)
{
    __asm__ volatile("out dx, al" : : "d"(0x3f8), "a"('!'));
}

static void halt(void)
{
    __asm__ volatile("cli; hlt");
}

static void fpu(void)
{
    __asm__ volatile("fninit");
}

static const struct {
    const char *name;
    void (*crash)(void);
    const char *what;
} ways[] = {
    {"page", page, "write to address 0; this is what happens when you do not say"},
    {"kernel", kernel, "read the kernel's memory"},
    {"code", code, "write to its own instructions"},
    {"stack", stack, "use up the stack"},
    {"divide", divide, "divide by zero"},
    {"opcode", opcode, "execute what is no instruction"},
    {"io", io, "access a port"},
    {"halt", halt, "switch interrupts off and halt"},
    {"fpu", fpu, "use the floating-point unit"},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

int main(const char *arguments)
{
    if (!*arguments)
        page();
    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(arguments, ways[i].name) == 0)
            ways[i].crash();
    for (size_t i = 0; i < WAYS; i++)
        printf("  crash %-7s %s\n", ways[i].name, ways[i].what);
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * Does what a program must not do, and ends by that. The shell goes on.
 */
#include "os-1k/user/user.h"

static const char *how;

static bool asked_for(const char *name)
{
    return strcmp(how, name) == 0;
}

int main(const char *arguments)
{
    how = arguments;
    if (asked_for("") || asked_for("page"))
        *(volatile int *)0 = 1;
    if (asked_for("kernel"))
        (void)*(volatile int *)0x80001000;
    if (asked_for("code"))
        *(volatile char *)main = 0;
    if (asked_for("stack"))
        __asm__ volatile("1: push eax; jmp 1b");
    if (asked_for("divide"))
        __asm__ volatile("xor edx, edx; xor ecx, ecx; div ecx" : : : "ecx", "edx");
    if (asked_for("opcode"))
        __asm__ volatile("ud2");
    if (asked_for("io"))
        __asm__ volatile("out dx, al" : : "d"(0x3f8), "a"('!'));
    if (asked_for("halt"))
        __asm__ volatile("cli; hlt");
    if (asked_for("fpu"))
        __asm__ volatile("fninit");
    printf("crash page, kernel, code, stack, divide, opcode, io, halt or fpu\n");
    return 0;
}

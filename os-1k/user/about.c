// SPDX-License-Identifier: MIT
/*
 * What the 1K OS is.
 */
#include "os-1k/user/user.h"

static const char text[] =
    "1K OS: a small 32-bit operating system, after \"Operating System in 1,000 "
    "Lines\"\n\n"
    "  - kernel in the upper half of memory, paging, page allocator\n"
    "  - processes in ring 3, each in an address space of its own\n"
    "  - pre-emptive round-robin scheduling, 100 ticks a second\n"
    "  - system calls by int 0x80, with checked pointers\n"
    "  - console input by interrupts; the idle processor halts\n"
    "  - exceptions end the program that caused them\n"
    "  - files in a tar archive, to read and to write\n"
    "  - a C library and a shell in user mode\n";

int main(const char *arguments)
{
    write(text, sizeof(text) - 1);
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * The 1K OS: a small operating system for a small machine, to be read in an hour.
 *
 * It has what makes an operating system, once and in its simplest form: processes with memory of
 * their own, which a timer takes turns with; system calls; files; a console that may be waited
 * for; and a shell in user mode. Read it in this order:
 *
 *     abi.h               what programs can ask the kernel for
 *     kernel/kernel.h     the map of memory, and the parts of the kernel
 *     kernel/entry.S      the first instruction, and the ways in and out
 *     kernel/memory.c     pages and address spaces
 *     kernel/process.c    processes and who runs next; program.c loads what they run
 *     kernel/trap.c       exceptions, interrupts, system calls arrive
 *     kernel/timer.c      100 times a second
 *     kernel/console.c    the serial port
 *     kernel/fs.c         files, in a tar archive
 *     kernel/syscall.c    what programs asked for
 *     lib.c               strings and formatted text, for both sides
 *     user/start.S, user/user.h, user/libc.c    a C library
 *     user/shell.c        the menu; the other files there are a program each
 *
 * After: the idea of "Operating System in 1,000 Lines" by Seiya Nuta (RISC-V); Intel SDM vol. 3A.
 * Left out: more than one CPU, memory beyond 4 MiB, a FPU, directories, pipes, signals, fork.
 */
#include "os-1k/kernel/kernel.h"

void kernel_main(void);

void kernel_main(void)
{
    memory_init();
    trap_init();
    timer_init();
    console_init();
    if (process_spawn("shell", "") < 0) {
        print("1K OS: cannot start the shell\n");
        machine_exit(1);
    }

    /* From here on this is the idle process. STI takes effect after the next instruction, so no
     * interrupt can slip in before HLT, and be slept through. */
    for (;;) {
        schedule();
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

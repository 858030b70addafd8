/* SPDX-License-Identifier: MIT */
/*
 * What user programs and the kernel agree on: `int 0x80` with a number in EAX and arguments in EBX,
 * ECX, EDX and ESI. The result comes back in EAX; below zero it is one of the errors.
 */
#ifndef OS_1K_ABI_H
#define OS_1K_ABI_H

#define SYSCALL_VECTOR 0x80

#define SYS_EXIT      0  /* (status): does not return */
#define SYS_WRITE     1  /* (buffer, n) to the console, in one piece */
#define SYS_GETCHAR   2  /* (): waits for a byte; END_OF_INPUT when there will be none */
#define SYS_SPAWN     3  /* (program, arguments): start a process; its pid */
#define SYS_WAIT      4  /* (pid): wait until a younger process has ended */
#define SYS_GETPID    5  /* () */
#define SYS_READFILE  6  /* (name, offset, buffer, n): bytes read, 0 at the end of the file */
#define SYS_WRITEFILE 7  /* (name, buffer, n): make the file, or replace what is in it */
#define SYS_LIST      8  /* (index, struct file_info *): the index-th file */
#define SYS_PROCESS   9  /* (index, struct process_info *): the index-th process */
#define SYS_TICKS     10 /* (): timer interrupts since the start */
#define SYS_PAGES     11 /* (): pages of memory that are free */
#define SYS_SLEEP     12 /* (n): wait for the n-th timer interrupt from now on */

#ifndef __ASSEMBLER__

enum error {
    END_OF_INPUT = -1,
    NOT_FOUND = -2,
    NOT_A_PROGRAM = -3,
    FULL = -4,         /* no memory, no process or no room on the disk is left */
    BAD_ARGUMENT = -5, /* such as a pointer to what is not the caller's */
};

enum {
    TICKS_PER_SECOND = 100,
    NAME_SIZE = 100,      /* of a file, with the zero at its end */
    ARGUMENTS_SIZE = 128, /* of a program, with the zero at their end */
    PROCESS_NAME_SIZE = 16,
};

struct file_info {
    char name[NAME_SIZE];
    int size;
};

enum process_state {
    PROCESS_FREE, /* an unused place in the table */
    PROCESS_READY,
    PROCESS_RUNNING,
    PROCESS_WAITING,
};

struct process_info {
    int pid;
    enum process_state state;
    int ticks; /* in which it was the one running */
    char name[PROCESS_NAME_SIZE];
};

#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * What user programs and the kernel agree on: `int 0x80` with a number in EAX and arguments in EBX,
 * ECX, EDX and ESI. The result comes back in EAX; below zero it is one of the errors.
 */
#ifndef OS_1K_ABI_H
#define OS_1K_ABI_H

#define SYSCALL_VECTOR 0x80

#ifndef __ASSEMBLER__

enum syscall_number {
    SYS_EXIT,      /* (status): does not return */
    SYS_WRITE,     /* (buffer, n) to the console, in one piece */
    SYS_GETCHAR,   /* (): waits for a byte; END_OF_INPUT when there will be none */
    SYS_SPAWN,     /* (program, arguments): start a process; its pid */
    SYS_WAIT,      /* (pid): wait until a younger process has ended */
    SYS_GETPID,    /* () */
    SYS_READFILE,  /* (name, offset, buffer, n): bytes read, 0 at the end of the file */
    SYS_WRITEFILE, /* (name, buffer, n): make the file, or replace what is in it */
    SYS_LIST,      /* (index, struct file_info *): the index-th file */
    SYS_PROCESS,   /* (index, struct process_info *): the index-th process */
    SYS_TICKS,     /* (): timer interrupts since the start */
    SYS_PAGES,     /* (): pages of memory that are free */
};

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

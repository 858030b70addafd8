// SPDX-License-Identifier: MIT
/*
 * System calls, as abi.h lists them. The kernel shares the caller's address space, so it can use
 * its pointers as they are, once it has seen that they lead only to what the caller itself may use.
 */
#include "os-1k/kernel/kernel.h"

/* Copy a string of the caller; false when it is not the caller's or too long. */
static bool copy_in(char *to, uint32_t from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!user_may(from + i, 1, false))
            return false;
        to[i] = *(const char *)(from + i);
        if (!to[i])
            return true;
    }
    return false;
}

/* The pieces may be anywhere in physical memory, but come out one after the other, as nobody else
 * runs meanwhile. */
static int sys_write(uint32_t from, uint32_t n)
{
    uint32_t piece;

    if (!user_may(from, n, false))
        return BAD_ARGUMENT;
    for (uint32_t left = n; left; left -= piece, from += piece) {
        piece = PAGE_SIZE - from % PAGE_SIZE;
        if (piece > left)
            piece = left;
        console_write(user_byte(from, false), piece);
    }
    return n;
}

static int sys_spawn(uint32_t program, uint32_t arguments)
{
    char name[NAME_SIZE], copy[ARGUMENTS_SIZE];

    if (!copy_in(name, program, sizeof(name)) || !copy_in(copy, arguments, sizeof(copy)))
        return BAD_ARGUMENT;
    return process_spawn(name, copy);
}

static int sys_readfile(uint32_t from, uint32_t offset, uint32_t to, uint32_t n)
{
    char name[NAME_SIZE];
    uint32_t size;
    const char *data;

    if (!copy_in(name, from, sizeof(name)) || !user_may(to, n, true))
        return BAD_ARGUMENT;
    data = fs_find(name, &size);
    if (!data)
        return NOT_FOUND;
    if (offset > size)
        offset = size;
    if (n > size - offset)
        n = size - offset;
    memcpy((void *)to, data + offset, n);
    return n;
}

static int sys_writefile(uint32_t to, uint32_t from, uint32_t n)
{
    char name[NAME_SIZE];

    if (!copy_in(name, to, sizeof(name)) || !user_may(from, n, false))
        return BAD_ARGUMENT;
    return fs_write(name, from, n);
}

int syscall(const struct trap_frame *f)
{
    switch (f->eax) {
    case SYS_EXIT:
        process_exit(f->ebx);
    case SYS_WRITE:
        return sys_write(f->ebx, f->ecx);
    case SYS_GETCHAR:
        return console_getchar();
    case SYS_SPAWN:
        return sys_spawn(f->ebx, f->ecx);
    case SYS_WAIT:
        return process_wait(f->ebx);
    case SYS_GETPID:
        return current->info.pid;
    case SYS_READFILE:
        return sys_readfile(f->ebx, f->ecx, f->edx, f->esi);
    case SYS_WRITEFILE:
        return sys_writefile(f->ebx, f->ecx, f->edx);
    case SYS_LIST:
        if (!user_may(f->ecx, sizeof(struct file_info), true))
            return BAD_ARGUMENT;
        return fs_list(f->ebx, (struct file_info *)f->ecx);
    case SYS_PROCESS:
        if (!user_may(f->ecx, sizeof(struct process_info), true))
            return BAD_ARGUMENT;
        return process_list(f->ebx, (struct process_info *)f->ecx);
    case SYS_TICKS:
        return ticks;
    case SYS_PAGES:
        return pages_free;
    case SYS_SLEEP:
        return timer_sleep(f->ebx);
    }
    return BAD_ARGUMENT;
}

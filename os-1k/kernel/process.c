// SPDX-License-Identifier: MIT
/*
 * Processes, and which of them runs.
 *
 * A process is a page directory, a stack in the kernel and a place in the table. It runs until it
 * has to wait, or until the timer finds it in user mode: then the next one that is ready, in the
 * order of the table, runs. Place 0 is the idle process, which runs when no other can.
 *
 * Left out: what remains of a process that has ended. Nobody learns its status, and a pid is never
 * used again, so waiting for it is waiting until it is gone.
 */
#include "os-1k/kernel/kernel.h"

enum {
    PROCESSES = 32,
    SHELL_PID = 1,

    USER_CODE = 0x1b,
    USER_DATA = 0x23,
    EFLAGS_IF = 1 << 9,
};

/* What a process that never ran has on its stack, as if it had trapped and been switched away from
 * at the end of that. */
struct first_frame {
    uint32_t edi, esi, ebx, ebp; /* for switch_stacks() */
    void (*return_to)(void);
    struct trap_frame trap;
};

static struct process processes[PROCESSES];
static struct process *const idle = &processes[0];
static int last_pid;
struct process *current = &processes[0];

void process_init(void)
{
    idle->state = PROCESS_RUNNING;
    copy_string(idle->name, "idle", sizeof(idle->name));
}

static struct process *find(int pid)
{
    for (struct process *p = idle + 1; p < processes + PROCESSES; p++)
        if (p->state != PROCESS_FREE && p->pid == pid)
            return p;
    return NULL;
}

/* The user's stack: the arguments at its top, below them a pointer to them. */
static uint32_t make_user_stack(uint32_t *directory, const char *arguments)
{
    char *page;

    for (uint32_t at = USER_STACK_LOW; at < USER_STACK_TOP; at += PAGE_SIZE) {
        page = user_map(directory, at, true);
        if (!page)
            return 0;
    }
    copy_string(page + PAGE_SIZE - ARGUMENTS_SIZE, arguments, ARGUMENTS_SIZE);
    *(uint32_t *)(page + PAGE_SIZE - ARGUMENTS_SIZE - 16) = USER_STACK_TOP - ARGUMENTS_SIZE;
    return USER_STACK_TOP - ARGUMENTS_SIZE - 16;
}

/* Give a process the memory it starts with. Whatever it has got when this fails is freed then. */
static int build(struct process *p, const char *program, const char *arguments)
{
    uint32_t size, entry, esp;
    const char *image = fs_find(program, &size);
    struct first_frame *frame;
    int loaded;

    if (!image)
        return NOT_FOUND;
    p->stack = page_alloc();
    p->directory = directory_new();
    if (!p->stack || !p->directory)
        return FULL;
    loaded = program_load(p->directory, image, size, &entry);
    if (loaded < 0)
        return loaded;
    esp = make_user_stack(p->directory, arguments);
    if (!esp)
        return FULL;

    frame = (struct first_frame *)(p->stack + PAGE_SIZE) - 1;
    frame->return_to = trap_return;
    frame->trap.eip = entry;
    frame->trap.cs = USER_CODE;
    frame->trap.eflags = EFLAGS_IF;
    frame->trap.esp = esp;
    frame->trap.ss = USER_DATA;
    p->esp = (uint32_t)frame;
    return 0;
}

static void release(struct process *p)
{
    if (p->directory)
        directory_free(p->directory);
    if (p->stack)
        page_free(p->stack);
    p->state = PROCESS_FREE;
}

int process_spawn(const char *program, const char *arguments)
{
    struct process *p = idle + 1;
    int built;

    while (p < processes + PROCESSES && p->state != PROCESS_FREE)
        p++;
    if (p == processes + PROCESSES)
        return FULL;
    memset(p, 0, sizeof(*p));
    built = build(p, program, arguments);
    if (built < 0) {
        release(p);
        return built;
    }
    copy_string(p->name, program, sizeof(p->name));
    p->pid = ++last_pid;
    p->state = PROCESS_READY;
    return p->pid;
}

void process_exit(int status)
{
    if (current->pid == SHELL_PID)
        machine_exit(status);
    /* The stack is freed while we stand on it. It stays as it is until somebody gets that page,
     * and nobody runs before we have left it for good. */
    directory_load(NULL);
    release(current);
    wake(current);
    schedule();
    __builtin_unreachable();
}

/* Only younger ones may be waited for: so there are no circles of processes that wait for ever. */
int process_wait(int pid)
{
    struct process *p;

    if (pid <= current->pid)
        return BAD_ARGUMENT;
    current->waits_for = pid;
    console_wake();
    while (!current->killed && (p = find(pid)))
        sleep(p);
    current->waits_for = 0;
    return 0;
}

bool process_info(int index, struct process_info *info)
{
    for (struct process *p = idle; p < processes + PROCESSES; p++)
        if (p->state != PROCESS_FREE && index-- == 0) {
            *info = (struct process_info){.pid = p->pid, .state = p->state, .ticks = p->ticks};
            copy_string(info->name, p->name, sizeof(info->name));
            return true;
        }
    return false;
}

/* The input is the shell's, or who it waits for, or who that one waits for. */
static struct process *foreground(void)
{
    struct process *p = find(SHELL_PID), *next;

    while (p && (next = find(p->waits_for)))
        p = next;
    return p;
}

bool process_is_foreground(void)
{
    return current == foreground();
}

/* It ends in its own time: what it is doing in the kernel, it does to the end. */
bool process_kill_foreground(void)
{
    struct process *p = foreground();

    if (!p || p->pid == SHELL_PID)
        return false;
    p->killed = true;
    if (p->state == PROCESS_WAITING)
        p->state = PROCESS_READY;
    return true;
}

static struct process *next_ready(void)
{
    int here = current - processes;

    for (int i = 1; i <= PROCESSES; i++) {
        struct process *p = &processes[(here + i) % PROCESSES];

        if (p != idle && p->state == PROCESS_READY)
            return p;
    }
    return idle;
}

void schedule(void)
{
    struct process *previous = current;

    if (previous->state == PROCESS_RUNNING)
        previous->state = PROCESS_READY;
    current = next_ready();
    current->state = PROCESS_RUNNING;
    if (current == previous)
        return;
    directory_load(current->directory);
    trap_set_stack(current->stack + PAGE_SIZE);
    switch_stacks(&previous->esp, current->esp);
}

void sleep(const void *what)
{
    current->sleeps_on = what;
    current->state = PROCESS_WAITING;
    schedule();
}

void wake(const void *what)
{
    for (struct process *p = processes; p < processes + PROCESSES; p++)
        if (p->state == PROCESS_WAITING && p->sleeps_on == what)
            p->state = PROCESS_READY;
}

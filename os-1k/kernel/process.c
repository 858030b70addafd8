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

static struct process processes[PROCESSES] = {{.info = {0, PROCESS_RUNNING, 0, "idle"}}};
static struct process *const idle = &processes[0], *const end = &processes[PROCESSES];
static int last_pid, foreground = SHELL_PID;
struct process *current = &processes[0];

static struct process *find(int pid)
{
    for (struct process *p = idle; p < end; p++)
        if (p->info.state != PROCESS_FREE && p->info.pid == pid)
            return p;
    return NULL;
}

/* The user's stack: the arguments at its top, below them a pointer to them. */
static uint32_t make_user_stack(uint32_t *directory, const char *arguments)
{
    const int text = PAGE_SIZE - ARGUMENTS_SIZE, pointer = text - 16;
    char *page = user_map(directory, USER_STACK, true);

    if (!page)
        return 0;
    copy_string(page + text, arguments, ARGUMENTS_SIZE);
    *(uint32_t *)(page + pointer) = USER_STACK + text;
    return USER_STACK + pointer;
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
    p->info.state = PROCESS_FREE;
}

int process_spawn(const char *program, const char *arguments)
{
    struct process *p = idle;
    int built;

    while (p < end && p->info.state != PROCESS_FREE)
        p++;
    if (p == end)
        return FULL;
    memset(p, 0, sizeof(*p));
    built = build(p, program, arguments);
    if (built < 0) {
        release(p);
        return built;
    }
    copy_string(p->info.name, program, sizeof(p->info.name));
    p->info.state = PROCESS_READY;
    return p->info.pid = ++last_pid;
}

void process_exit(int status)
{
    if (current->info.pid == SHELL_PID)
        machine_exit(status);
    /* The stack is freed while we stand on it. It stays as it is until somebody gets that page,
     * and nobody runs before we have left it for good. */
    directory_load(NULL);
    release(current);
    wake();
    schedule();
    __builtin_unreachable();
}

/* A process may wait only for younger ones, so no circle of processes waits for ever. Meanwhile the
 * input is for the one that is waited for. */
int process_wait(int pid)
{
    bool has_input = process_has_input();

    if (pid <= current->info.pid)
        return BAD_ARGUMENT;
    if (has_input)
        foreground = pid;
    wake();
    while (find(pid) && !current->killed)
        sleep();
    if (has_input)
        foreground = current->info.pid;
    return 0;
}

int process_list(int index, struct process_info *info)
{
    for (struct process *p = idle; p < end; p++)
        if (p->info.state != PROCESS_FREE && index-- == 0) {
            *info = p->info;
            return 0;
        }
    return NOT_FOUND;
}

bool process_has_input(void)
{
    return current->info.pid == foreground;
}

/* It ends in its own time: what it is doing in the kernel, it does to the end. */
bool process_kill_foreground(void)
{
    struct process *p = find(foreground);

    if (!p || p->info.pid == SHELL_PID || p->killed)
        return false;
    p->killed = true;
    wake();
    return true;
}

void schedule(void)
{
    struct process *previous = current, *p = previous;

    if (previous->info.state == PROCESS_RUNNING)
        previous->info.state = PROCESS_READY;
    current = idle;
    for (int i = 0; i < PROCESSES && current == idle; i++) {
        p = p + 1 < end ? p + 1 : idle;
        if (p->info.state == PROCESS_READY)
            current = p;
    }
    current->info.state = PROCESS_RUNNING;
    if (current == previous)
        return;
    directory_load(current->directory);
    trap_set_stack(current->stack + PAGE_SIZE);
    switch_stacks(&previous->esp, current->esp);
}

void sleep(void)
{
    current->info.state = PROCESS_WAITING;
    schedule();
}

void wake(void)
{
    for (struct process *p = processes; p < end; p++)
        if (p->info.state == PROCESS_WAITING)
            p->info.state = PROCESS_READY;
}

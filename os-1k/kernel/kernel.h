/* SPDX-License-Identifier: MIT */
/*
 * The kernel's parts, each with the file it is in.
 *
 *  virtual memory                                  physical memory
 *    0000_0000  nobody, so that NULL is a fault      0000_0000  what the monitor left
 *    0040_0000  program                              0000_1000  kernel
 *    7fff_f000  its stack                            000f_f000    stack of the idle process
 *    8000_0000  all physical memory, the kernel's    0010_0000  page directory, tables
 *    8040_0000  nobody                               0010_3000  pages to give away, up to 4 MiB
 *
 * The upper half is the same in every process. The kernel runs with interrupts off; only the idle
 * process has them on, while it halts. So nothing in here needs a lock.
 */
#ifndef OS_1K_KERNEL_H
#define OS_1K_KERNEL_H

#include "os-1k/abi.h"
#include "os-1k/lib.h"

#define KERNEL_BASE 0x80000000u
#define PAGE_SIZE   4096u
#define USER_START  0x400000u
#define USER_STACK  (KERNEL_BASE - PAGE_SIZE)

/* What a trap leaves on the kernel stack: the first part by entry.S, the rest by the CPU. */
struct trap_frame {
    uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss; /* only when it came from a user program */
};

struct process {
    struct process_info info;
    uint32_t *directory;
    char *stack;  /* the page it has in the kernel */
    uint32_t esp; /* where that stack stood when it was last switched away from */
    bool killed;  /* it ends when it would next return to user mode */
};

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("out dx, al" : : "d"(port), "a"(value));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("in al, dx" : "=a"(value) : "d"(port));
    return value;
}

/* entry.S */
extern char vectors[];
void switch_stacks(uint32_t *save_esp, uint32_t load_esp);
void trap_return(void);

/* memory.c: pages, and address spaces made of them */
extern int pages_free;
void memory_init(void);
void *page_alloc(void); /* zeroed; NULL when none is left */
void page_free(void *page);
uint32_t *directory_new(void); /* NULL when no page is left */
void directory_free(uint32_t *directory);
void directory_load(const uint32_t *directory); /* NULL for the kernel's own */

/* The kernel's address of the user page at an address, made when it is not there yet; NULL when no
 * page is left. */
void *user_map(uint32_t *directory, uint32_t address, bool writable);

/* The kernel's address of a byte that the running process may read, or write; NULL if it may not.
 */
void *user_byte(uint32_t address, bool write);

/* May the running process read, or write, all of that? */
bool user_may(uint32_t address, uint32_t n, bool write);

/* process.c */
extern struct process *current;
int process_spawn(const char *program, const char *arguments); /* its pid, or an error */
__attribute__((noreturn)) void process_exit(int status);
int process_wait(int pid);
int process_list(int index, struct process_info *info);
bool process_has_input(void); /* is the console's input meant for the running process? */
bool process_kill_foreground(
    void);           /* the one it is meant for; false when there is none but the shell */
void schedule(void); /* let another process run that is ready */
void sleep(void);    /* let others run until something has happened */
void wake(void);     /* it has: all who sleep look whether they waited for that */

/* program.c: 0, or an error */
int program_load(uint32_t *directory, const char *image, uint32_t size, uint32_t *entry);

/* trap.c */
void trap_init(void);
void trap_set_stack(const char *top); /* where the next trap from user mode begins */
void trap(struct trap_frame *f);

/* timer.c: the clock that drives the scheduler, and the interrupt controller */
extern int ticks;
void timer_init(void);
void timer_interrupt(void);
int timer_sleep(int n); /* 0 when n more ticks have come, or the process is to end */

/* console.c */
void console_init(void);
void console_interrupt(void);
void console_write(const char *text, size_t n);
int console_getchar(void);
__attribute__((format(printf, 1, 2))) void print(const char *text, ...);
__attribute__((noreturn)) void machine_exit(int status);

/* fs.c */
const char *fs_find(const char *name, uint32_t *size); /* the contents of a file, or NULL */
int fs_write(const char *name, uint32_t data, uint32_t size);
int fs_list(int index, struct file_info *info);

/* syscall.c */
int syscall(const struct trap_frame *f);

#endif

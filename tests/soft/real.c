// SPDX-License-Identifier: MIT
/*
 * Runs a sample on the real processor: all registers are loaded, IRET enters the code, and whatever
 * ends it is a signal, whose handler finds the registers in its context.
 *
 * In between nothing is as C expects it: the FS base is the sample's, so the handler's first steps
 * are in assembly.
 */
#define _GNU_SOURCE
#include "tests/soft/sample.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

enum {
    HWCAP2_FSGSBASE = 1 << 1,
    CS64 = 0x33,
    CS32 = 0x23,
    SS_USER = 0x2b,
    ALTERNATE_STACK = 256 << 10,
};

/* Shared with the assembly below. */
struct entry {
    uint64_t r[16];
    uint64_t rip, cs, flags, rsp, ss; /* as IRET takes them */
    uint64_t fs, gs, host_fs, host_rsp;
    struct soft_fpu fpu;
} real_entry;
_Static_assert(offsetof(struct entry, fs) == 168 && offsetof(struct entry, fpu) == 256, "assembly");

void real_enter(void);
_Noreturn void real_leave(void);
void real_handler(int sig, siginfo_t *info, void *context);
void real_signal(int sig, siginfo_t *info, ucontext_t *context, uint64_t fs);

asm(".intel_syntax noprefix\n"
    ".text\n"
    "real_enter:\n"
    "    push rbx; push rbp; push r12; push r13; push r14; push r15\n"
    "    lea rdi, [rip + real_entry]\n"
    "    rdfsbase rax\n"
    "    mov [rdi + 184], rax\n"
    "    mov [rdi + 192], rsp\n"
    "    fxrstor64 [rdi + 256]\n"
    "    mov rax, [rdi + 168]\n"
    "    wrfsbase rax\n"
    "    mov rax, [rdi + 176]\n"
    "    wrgsbase rax\n"
    "    lea rsp, [rdi + 128]\n"
    "    mov rax, [rdi]; mov rcx, [rdi + 8]; mov rdx, [rdi + 16]; mov rbx, [rdi + 24]\n"
    "    mov rbp, [rdi + 40]; mov rsi, [rdi + 48]\n"
    "    mov r8, [rdi + 64]; mov r9, [rdi + 72]; mov r10, [rdi + 80]; mov r11, [rdi + 88]\n"
    "    mov r12, [rdi + 96]; mov r13, [rdi + 104]; mov r14, [rdi + 112]; mov r15, [rdi + 120]\n"
    "    mov rdi, [rdi + 56]\n"
    "    iretq\n"
    "real_leave:\n"
    "    mov rsp, [rip + real_entry + 192]\n"
    "    pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx\n"
    "    ret\n"
    /* A handler: FS is restored while it runs, and set again should it return. */
    "real_handler:\n"
    "    cld\n"
    "    pushfq\n"
    "    and dword ptr [rsp], 0xfffbbfff\n" /* AC makes our own accesses fault, NT our IRET */
    "    popfq\n"
    "    push rbx\n"
    "    rdfsbase rbx\n"
    "    mov rax, [rip + real_entry + 184]\n"
    "    wrfsbase rax\n"
    "    mov rcx, rbx\n"
    "    call real_signal\n"
    "    wrfsbase rbx\n"
    "    pop rbx\n"
    "    ret\n"
    ".att_syntax\n");

static struct state *result;
static volatile sig_atomic_t inside, ticks;

/* fs is the base that the sample left. */
__attribute__((used)) void real_signal(int sig, siginfo_t *info, ucontext_t *context, uint64_t fs)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *g = context->uc_mcontext.gregs;
    struct state *out = result;

    (void)info;
    if (sig == SIGVTALRM && (!inside || ++ticks < 3))
        return;
    if (!inside) { /* a fault of our own */
        signal(sig, SIG_DFL);
        return;
    }
    inside = 0;
    for (int i = 0; i < 16; i++)
        out->r[i] = g[order[i]];
    out->rip = g[REG_RIP];
    out->flags = g[REG_EFL];
    out->vector = sig == SIGVTALRM ? STUCK : (int)g[REG_TRAPNO];
    out->error = g[REG_ERR];
    out->cr2 = out->vector == EXCEPTION_PF ? g[REG_CR2] : 0;
    if (out->vector == EXCEPTION_BP) {
        out->vector = ENDED;
        out->rip--;
        out->error = 0;
    }
    memcpy(&out->fpu, context->uc_mcontext.fpregs, sizeof(out->fpu));
    out->fs = fs;
    asm volatile("rdgsbase %0" : "=r"(out->gs));
    real_leave();
}

/* Pages that are executable or constant there are written by another address. */
static uint8_t *map_twice(uint64_t at, size_t size, int prot)
{
    int fd = memfd_create("code", 0);

    if (fd < 0 || ftruncate(fd, size) ||
        mmap((void *)at, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, 0) !=
            (void *)at)
        return NULL;
    uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

const char *real_open(struct memory *m)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM};
    struct itimerval timer = {{0, 50000}, {0, 50000}};
    stack_t stack = {.ss_sp = malloc(ALTERNATE_STACK), .ss_size = ALTERNATE_STACK};

    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
        return "FS and GS bases cannot be set by this host's programs";
    m->code = map_twice(CODE, CODE_SIZE, PROT_READ | PROT_EXEC);
    m->constant = map_twice(CONST, CONST_SIZE, PROT_READ);
    m->data = mmap((void *)(uintptr_t)DATA, DATA_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (!m->code || !m->constant || m->data != (void *)(uintptr_t)DATA)
        return "the samples' addresses are taken";
    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action = {.sa_sigaction = real_handler,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

        sigaction(signals[i], &action, NULL);
    }
    /* Of its own time, so that a busy host stops nothing. */
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    asm volatile("mov %0, %%ds; mov %0, %%es" ::"r"(SS_USER));
    return NULL;
}

void real_run(const struct sample *s, struct state *out)
{
    struct entry *e = &real_entry;

    memcpy(e->r, s->in.r, sizeof(e->r));
    e->rip = s->in.rip;
    e->cs = s->compat ? CS32 : CS64;
    e->flags = s->in.flags;
    e->rsp = s->in.r[RSP];
    e->ss = SS_USER;
    e->fs = s->in.fs;
    e->gs = s->in.gs;
    e->fpu = s->in.fpu;
    result = out;
    ticks = 0;
    inside = 1;
    real_enter();
}

/* SPDX-License-Identifier: MIT */
/*
 * One instruction, run by the host's own processor: registers go in and come out, and a signal is
 * an exception. And the same one run by a soft CPU, quickly: decoded once, its handler called.
 */
#ifndef TESTS_UNIT_SOFT_NATIVE_H
#define TESTS_UNIT_SOFT_NATIVE_H

#include "tests/unit/random.h"
#include "tests/unit/soft-cpu.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <ucontext.h>

/* All of it but RSP and R15 is loaded. The offsets are the assembly's. */
struct native {
    uint8_t xmm[16][16];
    uint64_t gpr[16];
    uint64_t flags;
    uint64_t mxcsr;
    void *code;
};

_Static_assert(offsetof(struct native, gpr) == 256 && offsetof(struct native, code) == 400,
               "as the assembly has it");

void native_call(struct native *n);

/* clang-format off */
__asm__(".intel_syntax noprefix\n"
        "native_call:\n"
        "push rbx\n push rbp\n push r12\n push r13\n push r14\n push r15\n"
        "mov r15, rdi\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups xmm\\i, [r15 + 16 * \\i]\n .endr\n"
        "ldmxcsr [r15 + 392]\n"
        "push [r15 + 384]\n popfq\n"
        "mov rax, [r15 + 256]\n mov rcx, [r15 + 264]\n mov rdx, [r15 + 272]\n"
        "mov rbx, [r15 + 280]\n mov rbp, [r15 + 296]\n mov rsi, [r15 + 304]\n"
        "mov rdi, [r15 + 312]\n mov r8, [r15 + 320]\n mov r9, [r15 + 328]\n"
        "mov r10, [r15 + 336]\n mov r11, [r15 + 344]\n mov r12, [r15 + 352]\n"
        "mov r13, [r15 + 360]\n mov r14, [r15 + 368]\n"
        "call [r15 + 400]\n"
        "pushfq\n pop [r15 + 384]\n cld\n"
        "mov [r15 + 256], rax\n mov [r15 + 264], rcx\n mov [r15 + 272], rdx\n"
        "mov [r15 + 280], rbx\n mov [r15 + 296], rbp\n mov [r15 + 304], rsi\n"
        "mov [r15 + 312], rdi\n mov [r15 + 320], r8\n mov [r15 + 328], r9\n"
        "mov [r15 + 336], r10\n mov [r15 + 344], r11\n mov [r15 + 352], r12\n"
        "mov [r15 + 360], r13\n mov [r15 + 368], r14\n"
        ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups [r15 + 16 * \\i], xmm\\i\n .endr\n"
        "stmxcsr [r15 + 392]\n"
        "push 0x1f80\n ldmxcsr [rsp]\n add rsp, 8\n"
        "pop r15\n pop r14\n pop r13\n pop r12\n pop rbp\n pop rbx\n"
        "ret\n"
        ".att_syntax\n");
/* clang-format on */

static sigjmp_buf native_fault;
static uint32_t native_fault_mxcsr;

static void native_signal(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;

    (void)info;
    native_fault_mxcsr = u->uc_mcontext.fpregs->mxcsr;
    siglongjmp(native_fault, signal);
}

/* Run n->code: CPU_OK, or an exception's vector; then only MXCSR of *n has changed. */
__attribute__((unused)) static int native_run(struct native *n)
{
    static bool ready;
    int signal;

    if (!ready) {
        struct sigaction a = {.sa_sigaction = native_signal, .sa_flags = SA_SIGINFO};

        sigaction(SIGFPE, &a, NULL);
        sigaction(SIGILL, &a, NULL);
        sigaction(SIGSEGV, &a, NULL);
        ready = true;
    }
    signal = sigsetjmp(native_fault, 1);
    if (signal) {
        n->mxcsr = native_fault_mxcsr;
        return signal == SIGFPE ? EXCEPTION_XM : signal == SIGILL ? EXCEPTION_UD : EXCEPTION_GP;
    }
    native_call(n);
    return CPU_OK;
}

/* Two pages, for code or data. */
__attribute__((unused)) static uint8_t *native_page(void)
{
    return mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void soft_stop_here(struct soft *cpu, const struct soft_op *op)
{
    (void)cpu, (void)op;
}

/* Run an instruction, decoded into ops[0] of two, on the soft CPU. */
__attribute__((unused)) static int soft_run_op(struct soft_op *ops)
{
    ops[1] = (struct soft_op){.run = soft_stop_here};
    if (_setjmp(c->fault))
        return c->vector;
    ops[0].run(c, ops);
    return CPU_OK;
}

#endif

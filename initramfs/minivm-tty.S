// SPDX-License-Identifier: MIT
// minivm-tty PROGRAM [ARGUMENT]...: runs PROGRAM in a new session whose controlling terminal is stdin,
// so that job control works in it, and exits with its status (128 + N when signal N killed it).
//
// setsid(1) would do, were it not for three things. A shell starts its background jobs with SIGINT
// and SIGQUIT ignored, and only a program that is not a shell can undo that: without it no Ctrl-C
// would ever work. When a session's leader ends, the kernel hangs the terminal up and throws away
// what it has not sent yet: so the leader stays, and lets the terminal drain. And modem line OUT1 of
// the serial port tells minivm that the terminal's modes are set and that input may come: what came
// earlier would be echoed and translated.
//
// The terminal also gets the size of the user's window, which the hypercall port tells. Where there is
// one, a further process sleeps until the serial port's ring indicator says that it has changed.
// After: Linux system call ABI, arch/x86/entry/syscalls/syscall_64.tbl; ioctl_tty(2);
// include/uapi/linux/serial.h for struct serial_icounter_struct.

#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix

.set SYS_rt_sigaction, 13
.set SYS_ioctl, 16
.set SYS_fork, 57
.set SYS_execve, 59
.set SYS_exit, 60
.set SYS_wait4, 61
.set SYS_setsid, 112
.set SYS_ioperm, 173
.set TCSBRK, 0x5409                     // with an argument that is not 0: tcdrain()
.set TIOCSCTTY, 0x540e
.set TIOCSWINSZ, 0x5414
.set TIOCMBIS, 0x5416
.set TIOCMIWAIT, 0x545c
.set TIOCGICOUNT, 0x545d
.set TIOCM_RNG, 0x80
.set ICOUNTER_RNG, 8                    // in struct serial_icounter_struct, whose size is 80
.set SIGINT, 2
.set SIGQUIT, 3
.set SIGTSTP, 20
.set SIGTTOU, 22

.global _start
_start:
    mov eax, SYS_setsid
    syscall
    mov esi, TIOCSCTTY
    mov edx, 1                          // take it from whoever has it
    call tty_ioctl
    mov edx, 1
    call permit
    js opened                           // not root
    call set_size
    jz closed
    mov eax, SYS_fork
    syscall
    test eax, eax
    jz watch
closed:
    xor edx, edx                        // PROGRAM gets no right to the port by itself
    call permit
opened:
    mov esi, TIOCMBIS
    lea rdx, [rip + tiocm_out1]
    call tty_ioctl

    mov eax, SYS_fork
    syscall
    test eax, eax
    jnz leader

    lea rsi, [rip + default]
    call set_signals
    mov rcx, [rsp]                      // argc, argv[0] ... NULL, then the environment
    lea rdx, [rsp + rcx * 8 + 16]
    lea rsi, [rsp + 16]
    mov rdi, [rsi]
    mov eax, SYS_execve
    syscall
    mov edi, 127                        // as a shell says that there is no such command
    mov eax, SYS_exit
    syscall

leader:
    mov ebx, eax
    lea rsi, [rip + ignore]             // what the terminal sends is for PROGRAM
    call set_signals
again:
    mov edi, ebx
    lea rsi, [rsp - 8]
    xor edx, edx
    xor r10d, r10d
    mov eax, SYS_wait4
    syscall
    cmp eax, ebx
    jne again
    mov ebx, [rsp - 8]
    mov esi, TCSBRK
    mov edx, 1
    call tty_ioctl

    mov edi, ebx                        // wait status: exit status in bits 15:8, or signal in 6:0
    shr edi, 8
    and edi, 0xff
    and ebx, 0x7f
    jz exit
    lea edi, [rbx + 128]
exit:
    mov eax, SYS_exit
    syscall

// Set the size, and again when the bell has rung meanwhile, until it does not; then sleep until it
// rings. (A ring between two system calls in a row, the last count and the wait, goes unheard until
// the next.)
watch:
    lea rsi, [rip + ignore]
    call set_signals
    sub rsp, 80
count:
    call rings
    mov ebx, eax
    call set_size
    call rings
    cmp eax, ebx
    jne count
    mov esi, TIOCMIWAIT
    mov edx, TIOCM_RNG
    call tty_ioctl
    test eax, eax
    jns count
    xor edi, edi                        // no serial port, or it hung up
    jmp exit

rings:                                  // eax: how often the bell has rung; the buffer is the caller's
    mov esi, TIOCGICOUNT
    lea rdx, [rsp + 8]
    call tty_ioctl
    mov eax, [rsp + 8 + ICOUNTER_RNG]
    ret

permit:                                 // edx: may this process use the hypercall port? SF: it may not
    mov edi, HYPERCALL_PORT
    mov esi, 2
    mov eax, SYS_ioperm
    syscall
    test eax, eax
    ret

set_size:                               // ZF: there is no window, or no port
    push 0                              // struct winsize: rows, columns, and pixels
    mov cl, HYPERCALL_ROWS
    call ask
    mov [rsp], ax
    inc eax                             // 0 and -1 become 1 and 0
    cmp ax, 1
    jbe no_window
    mov cl, HYPERCALL_COLUMNS
    call ask
    mov [rsp + 2], ax
    mov esi, TIOCSWINSZ
    mov rdx, rsp
    call tty_ioctl
    or ecx, 1                           // not zero
    pop rax
    ret
no_window:
    pop rax
    xor eax, eax
    ret

ask:                                    // cl: a function of the hypercall port; ax: its answer
    mov edx, HYPERCALL_PORT
    mov al, cl
    out dx, al
    in ax, dx
    ret

tty_ioctl:                              // rsi: request, rdx: argument
    xor edi, edi
    mov eax, SYS_ioctl
    syscall
    ret

set_signals:                            // rsi: struct sigaction
    mov edi, SIGINT
    call set_signal
    mov edi, SIGQUIT
    call set_signal
    mov edi, SIGTSTP
    call set_signal
    mov edi, SIGTTOU
set_signal:
    xor edx, edx
    mov r10d, 8                         // sizeof(sigset_t)
    mov eax, SYS_rt_sigaction
    syscall
    ret

default:                                // struct sigaction: handler, flags, restorer, mask
    .quad 0, 0, 0, 0
ignore:
    .quad 1, 0, 0, 0
tiocm_out1:
    .long 0x2000

.section .note.GNU-stack, "", @progbits

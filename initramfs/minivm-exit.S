// SPDX-License-Identifier: MIT
// minivm-exit [STATUS]: ends the machine, and minivm with STATUS (0 to 255; 0 when not given).
//
// A 16-bit `out` to the hypercall port carries the function in AL and the status in AH. First the
// disks are synced and the terminal is drained: what a tty still holds would be lost. Where the
// port is not permitted (lockdown=) minivm-ports has another way. Where nothing answers at that port
// (another monitor), the machine is powered off and the status is lost.
// After: Linux system call ABI, arch/x86/entry/syscalls/syscall_64.tbl.

#include "hw/port-hypercall-abi.h"

.intel_syntax noprefix

.set SYS_write, 1
.set SYS_ioctl, 16
.set SYS_execve, 59
.set SYS_sync, 162
.set SYS_reboot, 169
.set SYS_ioperm, 173
.set TCSBRK, 0x5409                     // with an argument that is not 0: tcdrain()
.set RB_POWER_OFF, 0x4321fedc

.global _start
_start:
    xor r12d, r12d                      // the status
    cmp qword ptr [rsp], 2              // argc
    jb ready
    mov rsi, [rsp + 16]                 // argv[1]
digit:
    movzx eax, byte ptr [rsi]
    inc rsi
    sub eax, '0'
    cmp eax, 9
    ja ready
    imul r12d, r12d, 10
    add r12d, eax
    jmp digit

ready:
    mov eax, SYS_sync
    syscall
    mov ebx, 2                          // stderr, stdout, stdin: whichever are terminals
drain:
    mov edi, ebx
    mov esi, TCSBRK
    mov edx, 1
    mov eax, SYS_ioctl
    syscall
    dec ebx
    jns drain

    mov edi, HYPERCALL_PORT
    mov esi, 2                          // a 16-bit access needs both ports
    mov edx, 1
    mov eax, SYS_ioperm
    syscall
    test eax, eax
    jnz no_port
    mov eax, r12d
    shl eax, 8
    mov al, HYPERCALL_EXIT
    mov edx, HYPERCALL_PORT
    out dx, ax
    jmp power_off

no_port:
    push 0
    push [rsp + 24]                     // argv[1]; the end of argv, when there is none
    lea rax, [rip + end]
    push rax
    lea rdi, [rip + ports]
    push rdi
    mov rsi, rsp
    xor edx, edx
    mov eax, SYS_execve
    syscall
    mov edi, 2
    lea rsi, [rip + message]
    mov edx, offset message_end - message
    mov eax, SYS_write
    syscall
power_off:
    mov edi, 0xfee1dead
    mov esi, 672274793
    mov edx, RB_POWER_OFF
    mov eax, SYS_reboot
    syscall
    mov edi, 1                          // not root: stay a process that failed
    mov eax, 60
    syscall

ports:
    .asciz "/bin/minivm-ports"
end:
    .asciz "end"
message:
    .ascii "minivm-exit: no access to the hypercall port (not root?)\n"
message_end:

.section .note.GNU-stack, "", @progbits

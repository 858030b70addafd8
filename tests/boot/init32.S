// SPDX-License-Identifier: MIT
// An init for 32-bit Linux: writes the kernel's release and machine to the console, and ends the
// machine by the exit port with 5.
//
// After: Linux system call ABI, arch/x86/entry/syscalls/syscall_32.tbl.

.intel_syntax noprefix

.set SYS_write, 4
.set SYS_ioctl, 54
.set SYS_ioperm, 101
.set SYS_uname, 122
.set TCSBRK, 0x5409                     # with an argument that is not 0: tcdrain()
.set FIELD, 65                          # of struct new_utsname
.set EXIT_PORT, 0xf4

.global _start
_start:
    mov ebx, offset names
    mov eax, SYS_uname
    int 0x80
    mov esi, offset names + 2 * FIELD
    mov al, ' '
    call write
    mov esi, offset names + 4 * FIELD
    mov al, '\n'
    call write

    mov ebx, 1
    mov ecx, TCSBRK
    mov edx, 1
    mov eax, SYS_ioctl
    int 0x80
    mov ebx, EXIT_PORT
    mov ecx, 1
    mov edx, 1
    mov eax, SYS_ioperm
    int 0x80
    mov al, 2
    out EXIT_PORT, al
    ud2                                 # nobody was there: the kernel panics

// Writes the text at ESI with AL behind it.
write:
    mov edx, -1
length:
    inc edx
    cmp byte ptr [esi + edx], 0
    jne length
    mov [esi + edx], al
    inc edx
    mov ecx, esi
    mov ebx, 1
    mov eax, SYS_write
    int 0x80
    ret

.bss
names:
    .skip 6 * FIELD + 1

.section .note.GNU-stack, "", @progbits

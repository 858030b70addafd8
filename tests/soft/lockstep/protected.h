/* SPDX-License-Identifier: MIT */
/*
 * For snippets in 32-bit protected mode: descriptors, a GDT to start from, a handler for every
 * exception, and ways to try an instruction at CPL 0 and 3.
 *
 * PROTECTED, behind BEGIN, goes to CPL 0, flat segments, interrupts off. EAX and ECX belong to the
 * macros.
 */
#include "tests/soft/lockstep/lockstep.h"

#define CODE      0x08
#define DATA      0x10
#define USER_CODE 0x1b
#define USER_DATA 0x23
#define CODE16    0x28
#define DATA16    0x30
#define TSS       0x38
#define GDT_FREE  0x40 /* from here on for the file's own: behind the label gdt_free */

#define STACK      0x7000
#define USER_STACK 0x6000
#define IDT        0x3000
#define TSS_AT     0x3800 /* with an I/O bitmap of 8 KiB: up to 0x5870 */

#define RETURN_VECTOR 0x30 /* for CPL 3 to come back */

/* Bases and offsets are labels or numbers, below 64 KiB. */
.macro DESCRIPTOR base, limit, access, flags=0
        .word (\limit) & 0xffff, \base
        .byte 0, \access, ((\flags) << 4) | (((\limit) >> 16) & 15), 0
.endm

.macro GATE selector, offset, access, parameters=0
        .word \offset, \selector
        .byte \parameters, \access
        .word 0
.endm

/* Vector v of the IDT. */
.macro IDT_GATE v, selector, offset, access
        mov dword ptr ds:[IDT + \v * 8], \selector << 16
        mov word ptr ds:[IDT + \v * 8], offset \offset
        mov dword ptr ds:[IDT + \v * 8 + 4], \access << 8
.endm

/* An instruction at CPL 0 that may raise an exception; then goes on after it. */
.macro TRY insn:vararg
        mov dword ptr ds:[resume], offset .Ltry\@
        \insn
.Ltry\@:
.endm

.macro TRY_UNLESS kinds, reason, insn:vararg
        mov dword ptr ds:[resume], offset .Ltry\@
        DIFFERS "\kinds", "\reason"
        \insn
.Ltry\@:
.endm

/* Go on at CPL 3, with DS and ES for it. */
.macro TO_USER flags=2
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        push USER_DATA
        push USER_STACK
        push \flags
        push USER_CODE
        push offset .Luser\@
        iretd
.Luser\@:
.endm

/* And back, to the label behind. */
.macro FROM_USER
        int RETURN_VECTOR
.endm

/* An instruction at CPL 3. */
.macro USER insn:vararg
        mov dword ptr ds:[resume], offset .Lback\@
        TO_USER
        \insn
        FROM_USER
.Lback\@:
.endm

.macro USER_UNLESS kinds, reason, insn:vararg
        mov dword ptr ds:[resume], offset .Lback\@
        TO_USER
        DIFFERS "\kinds", "\reason"
        \insn
        FROM_USER
.Lback\@:
.endm

/* The same with IOPL 3. */
.macro USER_IOPL insn:vararg
        mov dword ptr ds:[resume], offset .Lback\@
        TO_USER 0x3002
        \insn
        FROM_USER
.Lback\@:
.endm

.macro PROTECTED
        lgdt ds:[gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp CODE:start32
        .balign 8
gdt:    .quad 0
        DESCRIPTOR 0, 0xfffff, 0x9b, 0xc
        DESCRIPTOR 0, 0xfffff, 0x93, 0xc
        DESCRIPTOR 0, 0xfffff, 0xfb, 0xc
        DESCRIPTOR 0, 0xfffff, 0xf3, 0xc
        DESCRIPTOR 0, 0xffff, 0x9b
        DESCRIPTOR 0, 0xffff, 0x93
        DESCRIPTOR TSS_AT, 0x2068, 0x89
gdt_free:
.endm

/* After the file's own descriptors. */
.macro PROTECTED_GO
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt
idt_pointer:
        .word 0x40 * 8 - 1
        .long IDT
resume: .long 0

        .code32
        .balign 8
stubs:
        .set vector, 0
        .rept 0x40
        push vector
        jmp handler
        .balign 8
        .set vector, vector + 1
        .endr

/* Any exception: nothing of it is needed any more. */
handler:
        mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        push 2
        popfd
        jmp dword ptr ds:[resume]

start32:
        mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        xor eax, eax
        mov fs, eax
        mov gs, eax
        mov edi, IDT
        mov edx, offset stubs
        mov ecx, 0x40
1:      mov ax, CODE
        shl eax, 16
        mov ax, dx
        stosd
        mov eax, 0x8e00
        stosd
        add edx, 8
        dec ecx
        jnz 1b
        mov byte ptr ds:[IDT + RETURN_VECTOR * 8 + 5], 0xee
        lidt [idt_pointer]
        mov edi, TSS_AT
        xor eax, eax
        mov ecx, 0x68 / 4
        rep stosd
        mov dword ptr ds:[TSS_AT + 4], STACK
        mov dword ptr ds:[TSS_AT + 8], DATA
        mov word ptr ds:[TSS_AT + 0x66], 0x68
        mov edi, TSS_AT + 0x68
        or eax, -1
        mov ecx, 0x800
        rep stosd
        stosb
        mov ecx, TSS
        ltr cx
.endm

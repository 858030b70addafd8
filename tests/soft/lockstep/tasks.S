/* SPDX-License-Identifier: MIT */
/*
 * Hardware tasks, a double fault that a task takes, virtual-8086 mode, the I/O permission bitmap.
 */
#include "tests/soft/lockstep/protected.inc"

#define TSS2      0x40
#define GATE_TSS2 0x48
#define TSS16     0x50
#define TSS_DF    0x58
#define TSS_BAD   0x60
#define ABSENT    0x68
#define LDT       0x70
#define ABSENT_TSS 0x78
#define SHORT_TSS 0x80
#define ABSENT_DATA 0x88

#define TSS2_AT   0x20000
#define TSS16_AT  0x20100
#define TSS_DF_AT 0x20200
#define TSS_BAD_AT 0x20300
#define TASK_STACK 0x22000

/* In a TSS. */
#define T_LINK 0x00
#define T_CR3  0x1c
#define T_EIP  0x20
#define T_FLAGS 0x24
#define T_EAX  0x28
#define T_ESP  0x38
#define T_ES   0x48
#define T_CS   0x4c
#define T_SS   0x50
#define T_DS   0x54
#define T_FS   0x58
#define T_GS   0x5c
#define T_LDT  0x60
#define T_TRAP 0x64
#define T_MAP  0x66

/* A task that would begin at label, at CPL 0. */
.macro MAKE_TASK at, label
        mov dword ptr [\at + T_EIP], offset \label
        mov dword ptr [\at + T_FLAGS], 2
        mov dword ptr [\at + T_ESP], TASK_STACK
        mov dword ptr [\at + T_CS], CODE
        mov dword ptr [\at + T_SS], DATA
        mov dword ptr [\at + T_DS], DATA
        mov dword ptr [\at + T_ES], DATA
        mov dword ptr [\at + T_FS], 0
        mov dword ptr [\at + T_GS], 0
        mov dword ptr [\at + T_LDT], 0
        mov dword ptr [\at + T_TRAP], 0x680000
.endm

/* Back to the first task, whatever has happened. */
.macro SETTLE
        xor eax, eax
        lldt ax
        mov byte ptr [gdt + TSS + 5], 0x89
        mov byte ptr [gdt + TSS2 + 5], 0x89
        mov byte ptr [gdt + TSS16 + 5], 0x81
        mov byte ptr [gdt + TSS_DF + 5], 0x89
        mov byte ptr [gdt + TSS_BAD + 5], 0x89
        mov eax, TSS
        ltr ax
        clts
.endm

/* A call of the bad task, which has something wrong with it. The fault is taken in either task. */
.macro BAD_TASK field, value
        MAKE_TASK TSS_BAD_AT, bad_task
        MAKE_TASK TSS_DF_AT, fault_task
        mov dword ptr [TSS_BAD_AT + \field], \value
        TRY_UNLESS ON_TCG, "what faults is the old task still", call TSS_BAD:0
        SETTLE
.endm

BEGIN
PROTECTED
        DESCRIPTOR 0, 0x67, 0x89                # 40
        GATE TSS2, 0, 0xe5                      # 48
        DESCRIPTOR 0, 0x2b, 0x81                # 50
        DESCRIPTOR 0, 0x67, 0x89                # 58
        DESCRIPTOR 0, 0x67, 0x89                # 60
        DESCRIPTOR 0, 0xfffff, 0x1b, 0xc        # 68
        DESCRIPTOR ldt, 0x1f, 0x82              # 70
        DESCRIPTOR 0, 0x67, 0x09                # 78
        DESCRIPTOR 0, 0x66, 0x89                # 80
        DESCRIPTOR 0, 0xfffff, 0x13, 0xc        # 88
PROTECTED_GO
        mov dword ptr [gdt + TSS2 + 2], 0x89000000 | TSS2_AT
        mov dword ptr [gdt + TSS16 + 2], 0x81000000 | TSS16_AT
        mov dword ptr [gdt + TSS_DF + 2], 0x89000000 | TSS_DF_AT
        mov dword ptr [gdt + TSS_BAD + 2], 0x89000000 | TSS_BAD_AT
        mov dword ptr [gdt + SHORT_TSS + 2], 0x89000000 | TSS_BAD_AT
        jmp cases
        .balign 8
ldt:    .quad 0
        DESCRIPTOR 0, 0xfffff, 0x93, 0xc        # c

jumped_to:
        mov eax, cr0
        clts
        str ebx
        pushfd
        jmp TSS:0
called:
        str ebx
        pushfd
        pop ecx
        iretd
        inc esi                                 # called once more
        iretd
called16:
        .code16
        str bx
        pushf
        pop cx
        iret
        .code32
faulted:
        pop edx
        str ebx
        mov ecx, [esp]
        iretd
        jmp faulted
fault_task:
        pop ebx
        str ecx
        mov edx, [TSS_DF_AT]
        mov esp, STACK
        push 2
        popfd
        jmp dword ptr [resume]
bad_task:
        str ebx
        iretd

cases:
CASE "JMP to a task and back"
        mov ebx, 0x12345678
        mov ebp, 0x87654321
        MAKE_TASK TSS2_AT, jumped_to
        jmp TSS2:0
1:      mov edx, cr0
        str ecx
        pushfd
        pop ecx
        SETTLE

CASE "CALL of a task and IRET"
        MAKE_TASK TSS2_AT, called
        mov dword ptr [TSS2_AT + T_LDT], LDT
        mov dword ptr [TSS2_AT + T_FS], 0xc
        call TSS2:0
        mov edx, cr0
        call TSS2:0
        pushfd
        pop ecx
        SETTLE

CASE "through a task gate"
        MAKE_TASK TSS2_AT, called
        call GATE_TSS2:0
        SETTLE
        MAKE_TASK TSS2_AT, called
        mov dword ptr [resume], offset 1f
        TO_USER
        call GATE_TSS2:0
        mov ebx, esp
        FROM_USER
1:      SETTLE
        MAKE_TASK TSS2_AT, jumped_to
        jmp GATE_TSS2:0
        SETTLE

CASE "through the IDT"
        MAKE_TASK TSS2_AT, called
        mov dword ptr [IDT + 0x31 * 8], TSS2 << 16
        mov dword ptr [IDT + 0x31 * 8 + 4], 0xe500
        int 0x31
        int 0x31
        SETTLE
        MAKE_TASK TSS2_AT, called
        mov dword ptr [resume], offset 1f
        TO_USER 0x8d7
        int 0x31
        mov ebx, esp
        FROM_USER
1:      SETTLE
        MAKE_TASK TSS2_AT, called
        mov byte ptr [IDT + 0x31 * 8 + 5], 0x85
        USER int 0x31
        mov byte ptr [IDT + 0x31 * 8 + 5], 0x65
        TRY int 0x31
        mov dword ptr [IDT + 0x31 * 8], DATA << 16
        mov byte ptr [IDT + 0x31 * 8 + 5], 0xe5
        TRY int 0x31
        mov dword ptr [IDT + 0x31 * 8], TSS << 16
        TRY int 0x31                    # busy
        mov dword ptr [IDT + 0x31 * 8], 0x440000
        TRY_UNLESS ON_TCG, "#TS in place of #GP", int 0x31
        mov dword ptr [IDT + 0x31 * 8], ABSENT_TSS << 16
        TRY int 0x31

CASE "an exception with an error code, to a task"
        MAKE_TASK TSS2_AT, faulted
        mov dword ptr [IDT + 13 * 8], TSS2 << 16
        mov dword ptr [IDT + 13 * 8 + 4], 0x8500
        mov ebx, CODE
        mov dword ptr [TSS_AT + T_EIP], 0
        push 0x77
        push 0x88
        mov edi, TASK_STACK
        mov esi, offset 1f
        mov dword ptr [TSS2_AT + T_EIP], offset fix
        mov ebx, 0x1238
        mov es, ebx
1:      mov ebx, 0x1244
        mov es, ebx
2:      mov eax, cr0
        SETTLE
        mov dword ptr [IDT + 13 * 8], CODE << 16
        mov word ptr [IDT + 13 * 8], offset stubs + 13 * 8
        mov dword ptr [IDT + 13 * 8 + 4], 0x8e00
        jmp 3f
fix:    pop edx                         # the error code
        mov dword ptr [TSS_AT + T_EIP], offset 1b
        iretd
        pop edx
        mov dword ptr [TSS_AT + T_EIP], offset 2b
        iretd
3:      mov esp, STACK

CASE "16-bit tasks"
        mov word ptr [TSS16_AT + 0x0e], offset called16
        mov word ptr [TSS16_AT + 0x10], 2
        mov word ptr [TSS16_AT + 0x1a], 0x7800
        mov word ptr [TSS16_AT + 0x22], DATA16
        mov word ptr [TSS16_AT + 0x24], CODE16
        mov word ptr [TSS16_AT + 0x26], DATA16
        mov word ptr [TSS16_AT + 0x28], DATA16
        mov eax, 0x11112222
        mov ebp, 0x33334444
        DIFFERS ON_KVM, "upper halves of registers are undefined"
        call TSS16:0
        mov edx, eax
        SETTLE

CASE "tasks that cannot be"
        .irp vector, 10, 11, 12, 13
        mov dword ptr [IDT + \vector * 8], TSS_DF << 16
        mov byte ptr [IDT + \vector * 8 + 5], 0x85
        .endr
        BAD_TASK T_CS, 0
        BAD_TASK T_CS, DATA
        BAD_TASK T_CS, ABSENT
        BAD_TASK T_CS, 0x18
        BAD_TASK T_CS, 0x200
        BAD_TASK T_SS, 0
        BAD_TASK T_SS, USER_DATA
        BAD_TASK T_SS, CODE
        BAD_TASK T_SS, ABSENT_DATA
        BAD_TASK T_DS, ABSENT_DATA
        BAD_TASK T_ES, TSS
        BAD_TASK T_GS, 0x200
        BAD_TASK T_LDT, DATA
        BAD_TASK T_LDT, 0x200
        BAD_TASK T_FLAGS, 0x4002
        .irp vector, 10, 11, 12, 13
        mov dword ptr [IDT + \vector * 8], CODE << 16
        mov word ptr [IDT + \vector * 8], offset stubs + \vector * 8
        mov byte ptr [IDT + \vector * 8 + 5], 0x8e
        .endr
        TRY call TSS:0                  # busy
        TRY call ABSENT_TSS:0
        TRY call SHORT_TSS:0
        SETTLE
        USER call TSS2:0
        SETTLE

CASE "IRET with NT"
        mov dword ptr [TSS_AT], DATA
        push 0x4002
        popfd
        TRY iretd
        mov dword ptr [TSS_AT], TSS2    # not busy
        push 0x4002
        popfd
        TRY iretd
        mov dword ptr [TSS_AT], 0x200
        push 0x4002
        popfd
        TRY iretd
        mov dword ptr [TSS_AT], 0
        push 0x4002
        popfd
        TRY iretd
        push 2
        popfd
        SETTLE

CASE "a double fault, to a task"
        MAKE_TASK TSS_DF_AT, double_fault
        mov dword ptr [IDT + 8 * 8], TSS_DF << 16
        mov dword ptr [IDT + 8 * 8 + 4], 0x8500
        mov byte ptr [IDT + 6 * 8 + 5], 0x0e
        mov byte ptr [IDT + 11 * 8 + 5], 0x0e
        DIFFERS ON_KVM, "RF in a double fault's image"
        ud2
double_fault:
        pop ebx
        str ecx
        mov eax, [TSS_AT + T_EIP]
        pushfd
        pop edx
        push 2
        popfd
        mov esp, STACK
        SETTLE
        mov dword ptr [IDT + 8 * 8], CODE << 16
        mov word ptr [IDT + 8 * 8], offset stubs + 8 * 8
        mov dword ptr [IDT + 8 * 8 + 4], 0x8e00
        mov byte ptr [IDT + 6 * 8 + 5], 0x8e
        mov byte ptr [IDT + 11 * 8 + 5], 0x8e

CASE "the I/O permission bitmap"
        and byte ptr [TSS_AT + 0x68 + 0x80 / 8], 0xfe
        and byte ptr [TSS_AT + 0x68 + 0x21 / 8], 0xfd
        USER in al, 0x80
        USER in al, 0x81
        USER in al, 0x21
        USER in ax, 0x80
        USER in ax, 0x7f
        and word ptr [TSS_AT + 0x68 + 0x80 / 8], 0xff00
        and byte ptr [TSS_AT + 0x68 + 0x80 / 8 - 1], 0x7f
        USER in ax, 0x80
        USER in eax, 0x84
        USER in eax, 0x85
        USER in ax, 0x7f
        mov edx, 0xffff
        USER in al, dx
        mov byte ptr [TSS_AT + 0x68 + 0x1fff], 0
        USER in al, dx
        USER in ax, dx
        mov word ptr [TSS_AT + T_MAP], 0x2060
        mov edx, 0x40
        USER in al, dx
        mov word ptr [TSS_AT + T_MAP], 0xffff
        USER in al, 0x80
        mov word ptr [TSS_AT + T_MAP], 0x68

CASE "virtual-8086 mode"
        mov dword ptr [0x31 * 4], offset v86_handler
        mov dword ptr [resume], offset 2f
        push 0x1111
        push 0x2222
        push 0x3333
        push 0x4444
        push 0
        push 0x5000
        push 0x23002                    # IOPL 3
        push 0x700
        push offset v86 - 0x7000
        iretd
        .code16
v86:    mov ax, cs
        mov ax, ss
        mov bx, gs
        mov ax, 0x800
        mov ds, ax
        mov bx, ds:[2]
        mov es, ax
        push es
        pop fs
        pushf
        pop ax
        cli
        sti
        push 0x3203
        popf
        pushfd
        pop ecx
        jmp 0:1f
1:      call 0:v86_far
        call v86_near
        push 0x3002
        push 0
        push offset 1f
        iret
1:      smsw ax
        in al, 0x80
        lea bx, [si + 0x10]
        mov al, ds:[bx]
        movzx eax, word ptr cs:[0x8000]
        xor si, si
        mov di, 0xfffe
        mov cx, 4
        rep movsb
        int RETURN_VECTOR
v86_far:
        retf
v86_near:
        ret
v86_handler:
        iret
        .code32
2:      mov eax, DATA

.macro V86_UNLESS kinds, reason, flags, insn:vararg
        mov dword ptr [resume], offset .Lback\@
        push 0
        push 0
        push 0
        push 0
        push 0
        push 0x5000
        push 0x20002 | \flags
        push 0
        push offset .Lv86\@
        iretd
        .code16
.Lv86\@:
        DIFFERS "\kinds", "\reason"
        \insn
        hlt
        .code32
.Lback\@:
.endm

.macro V86 flags, insn:vararg
        mov dword ptr [resume], offset .Lback\@
        push 0
        push 0
        push 0
        push 0
        push 0
        push 0x5000
        push 0x20002 | \flags
        push 0
        push offset .Lv86\@
        iretd
        .code16
.Lv86\@:
        \insn
        hlt
        .code32
.Lback\@:
.endm

CASE "what virtual-8086 mode may not"
        V86 0, cli
        V86 0, sti
        V86 0, pushf
        V86 0, popf
        V86 0, int 0x31
        V86 0, iret
        V86 0, int3
        V86 0x3000, hlt
        V86 0x3000, mov eax, cr0
        V86 0x3000, lgdt ds:[0]
        V86 0x3000, lldt ax
        V86 0x3000, sldt ax
        V86 0x3000, str ax
        V86 0x3000, verr ax
        V86 0x3000, lar ax, bx
        V86 0x3000, arpl ax, bx
        V86 0x3000, in al, 0x80
        V86 0x3000, in al, 0x90
        V86 0x3000, clts
        V86 0x3000, ud2
        V86 0x3000, sysexit
        V86_UNLESS ON_TCG, "limits are not looked at", 0x3000, mov ax, ds:[0xffff]
        V86 0x3000, int 0x34            # DPL 0: #GP
        V86 0x3000, int RETURN_VECTOR
        IDT_GATE 0x35, 0x68, handler, 0xee
        V86 0x3000, int 0x35            # code not present
        IDT_GATE 0x36, USER_CODE, handler, 0xee
        V86 0x3000, int 0x36            # not to CPL 0

CASE "the end"
        hlt

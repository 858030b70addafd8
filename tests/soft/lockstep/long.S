/* SPDX-License-Identifier: MIT */
/*
 * Long mode: 64-bit and compatibility mode, gates and stacks, system calls, canonical addresses.
 */
#define ENTRY 8
#include "tests/soft/lockstep/paging.inc"

#define PML4    0x107000
#define TSS64_AT 0x5900
#define IDT64   0x20000
#define IST1    0x7400
#define IST2    0x7600

#undef CODE
#undef DATA
#undef USER_CODE
#undef USER_DATA
#undef TSS
#define CODE        0x08
#define DATA        0x10
#define USER_CODE32 0x1b
#define USER_DATA   0x23
#define USER_CODE   0x2b
#define CODE32      0x30
#define TSS         0x38
#define CALL_GATE   0x48
#define CONFORMING  0x58
#define ABSENT_CODE 0x60
#define BOTH        0x68
#define LDT         0x70
#define GATE_TO32   0x80
#define FRESH_CODE  0x90
#define ABSENT_DATA 0x98
#define ABSENT_GATE 0xa0
#define GATE_CONFORMING 0xb0
#define OUTSIDE     0x1f8

.macro GATE64 selector, offset, access, ist=0
        .word \offset, \selector
        .byte \ist, \access
        .word 0
        .long 0, 0
.endm

.macro IDT64_GATE v, selector, offset, access, ist=0
        mov dword ptr [IDT64 + \v * 16], \selector << 16
        mov word ptr [IDT64 + \v * 16], offset \offset
        mov dword ptr [IDT64 + \v * 16 + 4], (\access << 8) + \ist
        mov qword ptr [IDT64 + \v * 16 + 8], 0
.endm

/* The assembler has an opinion on their operands' size. */
.macro retf_d
        .byte 0xcb
.endm
.macro retf_q
        .byte 0x48, 0xcb
.endm
.macro sysret_d
        .byte 0x0f, 0x07
.endm
.macro sysret_q
        .byte 0x48, 0x0f, 0x07
.endm
.macro sysexit_q
        .byte 0x48, 0x0f, 0x35
.endm

.macro TRY64 insn:vararg
        mov dword ptr [resume64], offset .Ltry\@
        \insn
.Ltry\@:
.endm

.macro TRY64_UNLESS kinds, reason, insn:vararg
        mov dword ptr [resume64], offset .Ltry\@
        DIFFERS "\kinds", "\reason"
        \insn
.Ltry\@:
.endm

/* To CPL 3; data segments do not matter. */
.macro TO_USER64 flags=2, cs=USER_CODE
        push USER_DATA
        push USER_STACK
        push \flags
        push \cs
        push offset .Luser\@ + USER_PLACE
        iretq
.Luser\@:
.endm

.macro USER64 insn:vararg
        mov dword ptr [resume64], offset .Lback\@
        TO_USER64
        \insn
        FROM_USER
.Lback\@:
.endm

.macro USER64_UNLESS kinds, reason, insn:vararg
        mov dword ptr [resume64], offset .Lback\@
        TO_USER64
        DIFFERS "\kinds", "\reason"
        \insn
        FROM_USER
.Lback\@:
.endm

.macro WRITE_MSR msr, low, high=0
        mov ecx, \msr
        mov eax, \low
        mov edx, \high
        wrmsr
.endm

.macro WRITE_MSR_LABEL msr, label
        mov ecx, \msr
        mov eax, offset \label
        xor edx, edx
        wrmsr
.endm

BEGIN
PROTECTED
PROTECTED_GO
PAGING
CASE "to long mode"
        mov dword ptr [PDPT], DIRECTORY + P + W + U
        mov dword ptr [PML4], PDPT + P + W + U
        mov eax, PML4
        mov cr3, eax
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x901                   # NXE, LME, SCE
        wrmsr
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov ecx, 0xc0000080
        rdmsr
        lgdt [gdt64_pointer]
        jmp CODE:start64

        .balign 8
gdt64:  .quad 0
        DESCRIPTOR 0, 0xfffff, 0x9b, 0xa        # 08
        DESCRIPTOR 0, 0xfffff, 0x93, 0xc        # 10
        DESCRIPTOR 0, 0xfffff, 0xfb, 0xc        # 18
        DESCRIPTOR 0, 0xfffff, 0xf3, 0xc        # 20
        DESCRIPTOR 0, 0xfffff, 0xfb, 0xa        # 28
        DESCRIPTOR 0, 0xfffff, 0x9b, 0xc        # 30
        DESCRIPTOR TSS64_AT, 0x67, 0x89         # 38
        .quad 0
        GATE64 CODE, inner64, 0xec              # 48
        DESCRIPTOR 0, 0xfffff, 0x9f, 0xa        # 58
        DESCRIPTOR 0, 0xfffff, 0x1b, 0xa        # 60
        DESCRIPTOR 0, 0xfffff, 0x9b, 0xe        # 68
        DESCRIPTOR ldt64, 0xf, 0x82             # 70
        .quad 0
        GATE64 CODE32, inner64, 0xec            # 80
        DESCRIPTOR 0, 0xfffff, 0x9a, 0xb        # 90
        DESCRIPTOR 0, 0xfffff, 0x13, 0xc        # 98
        GATE64 CODE, inner64, 0x6c              # a0
        GATE64 CONFORMING, inner64, 0xec        # b0
gdt64_end:
gdt64_pointer:
        .word gdt64_end - gdt64 - 1
        .quad gdt64
idt64_pointer:
        .word 0x40 * 16 - 1
        .quad IDT64
resume64:
        .quad 0
ldt64:  .quad 0
        DESCRIPTOR 0x1000, 0xfffff, 0xf3, 0xc   # f
        .code64
        .balign 8
stubs64:
        .set vector, 0
        .rept 0x40
        push vector
        jmp handler64
        .balign 8
        .set vector, vector + 1
        .endr
handler64:
        mov esp, STACK
        push 2
        popfq
        mov eax, DATA
        mov ss, eax
        mov ds, eax
        mov es, eax
        jmp qword ptr [resume64]
inner64:
        mov rdx, rsp
        mov ebx, ss
        mov ecx, cs
        retf_q
sub64:  mov ecx, cs
        retf_q
sub32:  mov ecx, cs
        retf_d
interrupt64:
        mov rdx, rsp
        mov ebx, ss
        pushfq
        pop rcx
        iretq
start64:
        mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        mov edi, IDT64
        mov edx, offset stubs64
        mov ecx, 0x40
1:      mov eax, CODE << 16
        mov ax, dx
        stosd
        mov eax, 0x8e00
        stosd
        xor eax, eax
        stosq
        add edx, 8
        dec ecx
        jnz 1b
        mov byte ptr [IDT64 + RETURN_VECTOR * 16 + 5], 0xee
        lidt [idt64_pointer]
        mov edi, TSS64_AT
        xor eax, eax
        mov ecx, 0x68 / 8
        rep stosq
        mov qword ptr [TSS64_AT + 4], STACK
        mov qword ptr [TSS64_AT + 0x24], IST1
        mov qword ptr [TSS64_AT + 0x2c], IST2 + 8
        mov word ptr [TSS64_AT + 0x66], 0x68
        mov ecx, TSS
        ltr cx
        str ebx

        jmp cases
cases:
CASE "far transfers in 64-bit mode"
        push CODE
        push offset 1f
        retf_q
1:      push CODE
        push offset 1f
        mov ecx, [rsp]
        mov rax, rsp
        sub rsp, 16
        mov dword ptr [rsp], offset 1f
        mov dword ptr [rsp + 4], FRESH_CODE
        retf_d
1:      mov esp, STACK
        sub rsp, 16
        mov qword ptr [rsp], offset sub64
        mov qword ptr [rsp + 8], CODE
        DIFFERS ON_AMD, "no 64-bit offsets"
        rex.w
        call fword ptr [rsp]
        mov dword ptr [rsp], offset sub32
        mov dword ptr [rsp + 4], CODE
        call fword ptr [rsp]
        mov dword ptr [rsp + 4], CONFORMING
        mov dword ptr [rsp], offset 1f
        jmp fword ptr [rsp]
1:      mov ecx, cs
        mov dword ptr [rsp + 4], CODE
        mov dword ptr [rsp], offset 1f
        jmp fword ptr [rsp]
1:      mov dword ptr [rsp + 4], ABSENT_CODE
        TRY64 jmp fword ptr [rsp]
        mov dword ptr [rsp], offset 2f
        mov dword ptr [rsp + 4], BOTH
        TRY64_UNLESS ON_TCG, "L and D at once are no fault", call fword ptr [rsp]
        .irp selector, DATA, TSS, OUTSIDE, 0, LDT, GATE_TO32, ABSENT_GATE, USER_CODE, 0x40, CODE32 + 3
        sub rsp, 16
        mov dword ptr [rsp], offset 2f
        mov dword ptr [rsp + 4], \selector
        TRY64 call fword ptr [rsp]
        .endr
2:      mov esp, STACK

CASE "call gates in 64-bit mode"
        sub rsp, 16
        mov dword ptr [rsp + 4], CALL_GATE
        call fword ptr [rsp]
        mov dword ptr [rsp + 4], GATE_CONFORMING
        call fword ptr [rsp]
        mov esp, STACK
        mov dword ptr [resume64], offset 1f
        TO_USER64
        push 0
        mov dword ptr [rsp + 4], CALL_GATE
        call fword ptr [rsp]
        mov rbx, rsp
        mov dword ptr [rsp + 4], CODE
        call fword ptr [rsp]
        FROM_USER
1:      mov dword ptr [resume64], offset 1f
        TO_USER64
        push 0
        mov dword ptr [rsp + 4], ABSENT_GATE
        call fword ptr [rsp]
        FROM_USER
1:      mov dword ptr [resume64], offset 1f
        TO_USER64
        push 0
        mov dword ptr [rsp + 4], GATE_TO32
        call fword ptr [rsp]
        FROM_USER
1:      nop

CASE "interrupts in 64-bit mode"
        IDT64_GATE 0x31, CODE, interrupt64, 0xee
        IDT64_GATE 0x32, CODE, interrupt64, 0xef, 1
        IDT64_GATE 0x33, CODE, interrupt64, 0xee, 2
        IDT64_GATE 0x34, CODE, interrupt64, 0xe5
        IDT64_GATE 0x35, CODE32, interrupt64, 0xee
        IDT64_GATE 0x36, ABSENT_CODE, interrupt64, 0xee
        IDT64_GATE 0x37, CODE, interrupt64, 0x6e
        IDT64_GATE 0x38, CODE, interrupt64, 0xe6
        IDT64_GATE 0x39, CODE, interrupt64, 0xee, 3
        IDT64_GATE 0x3a, CONFORMING, interrupt64, 0xee
        IDT64_GATE 0x3b, 0, interrupt64, 0xee
        mov dword ptr [IDT64 + 0x3c * 16 + 8], 0x8000
        mov byte ptr [IDT64 + 0x3c * 16 + 5], 0xee
        sti
        stc
        int 0x31
        push rax
        int 0x31
        DIFFERS ON_TCG, "SS becomes null whenever the stack is switched"
        int 0x32
        push rax
        push rax
        DIFFERS ON_TCG, "SS becomes null whenever the stack is switched"
        int 0x33
        cli
        lea rsp, [rsp - 5]
        int 0x31
        TRY64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x34
        TRY64 int 0x35
        TRY64 int 0x36
        TRY64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x37
        TRY64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x38
        TRY64 int 0x3a
        TRY64 int 0x3b
        TRY64_UNLESS ON_AMD, "an address that is not canonical faults when it is reached", int 0x3c
        TRY64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x40
        TRY64 int3
        TRY64 ud2
        mov dword ptr [resume64], offset 1f
        TO_USER64 0x202
        int 0x31
        int 0x32
        push rax
        int 0x33
        FROM_USER
1:      USER64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x34
        USER64 int 0x35
        USER64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x3f
        USER64_UNLESS ON_TCG, "error codes of the IDT count in 16 bytes", int 0x40
        USER64 ud2
        USER64 hlt

CASE "IRETQ"
        push 0
        push STACK
        push 0x3246
        push CODE
        push offset 1f
        iretq                           # SS may be null here
1:      mov ecx, ss
        push USER_DATA
        push USER_STACK
        push 2
        push USER_CODE
        movabs rax, 0x800000000000
        push rax
        TRY64_UNLESS ON_AMD, "an address that is not canonical faults when it is reached", iretq
        push DATA
        push STACK
        push 2
        push BOTH
        push offset 1b
        TRY64_UNLESS ON_TCG, "L and D at once are no fault", iretq
        .irp selector, DATA, 0, 0x200, ABSENT_CODE, TSS
        push DATA
        push STACK
        push 2
        push \selector
        push offset 1b
        TRY64 iretq
        .endr
        .irp selector, 0, DATA, 0x200, CODE, ABSENT_DATA + 3, 3
        push \selector
        push USER_STACK
        push 2
        push USER_CODE
        push offset 1b
        mov dword ptr [resume64], offset 3f
        push 0
        pop rax
        iretq
3:      nop
        .endr
        push 0x4002
        popfq
        TRY64 iretq
        sub rsp, 16
        mov dword ptr [rsp], offset 1f
        mov dword ptr [rsp + 4], CODE
        mov dword ptr [rsp + 8], 0x46
        mov dword ptr [rsp + 12], STACK
        mov qword ptr [rsp + 16], DATA
        iretd
1:      mov rbx, rsp
        mov esp, STACK

CASE "SYSCALL"
        TRY64 .byte 0x0f, 0x07
        WRITE_MSR 0xc0000081, 0, 0x00180008
        WRITE_MSR_LABEL 0xc0000082, 1f
        WRITE_MSR_LABEL 0xc0000083, 4f
        WRITE_MSR 0xc0000084, 0x47700
        rdmsr
        stc
        std
        mov edx, 0
        DIFFERS ON_TCG, "the arithmetic flags are lost"
        syscall
        ud2
1:      cld
        mov rbx, r11
        cmp edx, 1
        je 1f
        mov ecx, offset 2f + USER_PLACE
        mov r11d, 0x8d7
        mov rbx, rsp
        mov esp, USER_STACK
        sysret_q
2:      mov ecx, cs
        mov ecx, ss
        mov edx, 1
        DIFFERS ON_TCG, "the arithmetic flags are lost"
        syscall
        ud2
1:      mov dword ptr [resume64], offset 4f
        mov ecx, offset 3f + USER_PLACE
        mov r11d, 0x202
        sysret_d                          # to compatibility mode
        .code32
3:      mov ecx, cs
        mov ecx, ss
        push ecx
        mov dword ptr ds:[USER_STACK - 0x100], 0x1234
        DIFFERS ON_AMD, "AMD has SYSCALL there, and no SYSENTER"
        syscall
        ud2
        .code64
CASE "SYSCALL, the rest"
        .balign 4
4:      nop
        cld
        mov dword ptr [resume64], offset 5f
        USER64 .byte 0x0f, 0x07
5:      mov ecx, 0xc0000080
        rdmsr
        and eax, ~1
        wrmsr
        TRY64 syscall
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1
        wrmsr
        mov dword ptr [resume64], offset 6f
        mov ecx, 0xc0000082
        xor eax, eax
        mov edx, 0x8000                 # not canonical
        DIFFERS ON_TCG, "what is written is not looked at"
        wrmsr
6:      nop

CASE "SYSENTER in 64-bit mode"
        WRITE_MSR 0x174, CODE
        WRITE_MSR 0x175, STACK
        WRITE_MSR_LABEL 0x176, 1f
        test dword ptr [FEATURES], HAVE_AMD
        jnz 9f
        TO_USER64
        sysenter
1:      mov ecx, cs
        mov ecx, ss
        mov edx, offset 2f + USER_PLACE
        mov ecx, USER_STACK
        mov dword ptr [resume64], offset 9f
        sysexit_q
2:      mov ecx, cs
        FROM_USER
9:      nop

CASE "SWAPGS, FS and GS"
        WRITE_MSR 0xc0000100, 0x11111000, 0x1111
        WRITE_MSR 0xc0000101, 0x7000
        WRITE_MSR 0xc0000102, 0x22222000, 0x2222
        swapgs
        rdmsr
        mov ecx, 0xc0000101
        rdmsr
        swapgs
        mov rax, gs:[0]
        mov gs:[8], rax
        USER64 swapgs
        mov dword ptr [resume64], offset 1f
        mov ecx, 0xc0000100
        xor eax, eax
        mov edx, 0x8000                 # not canonical
        DIFFERS ON_TCG, "what is written is not looked at"
        wrmsr
1:      mov ecx, USER_DATA
        mov fs, ecx
        WRITE_MSR 0xc0000100, 0x7000
        mov rbx, fs:[0]
        xor ecx, ecx
        DIFFERS ON_AMD, "AMD leaves the base"
        mov fs, ecx
        DIFFERS ON_AMD, "AMD leaves the base"
        mov gs, ecx
        mov ecx, DATA
        mov fs, ecx
        mov gs, ecx
        push fs
        push gs
        pop fs
        pop gs
        mov ecx, LDT
        lldt cx
        sldt rbx
        mov ecx, 0xf
        mov fs, ecx
        mov rbx, fs:[0x6000]
        mov ecx, 0x200
        TRY64 mov fs, ecx
        mov ecx, ABSENT_DATA
        TRY64 mov fs, ecx
        TRY64 mov ss, ecx
        mov ecx, 0
        mov ss, ecx
        mov rbx, [rsp - 8]
        push rbx
        pop rbx
        int 0x31
        mov ecx, 3
        TRY64_UNLESS ON_TCG, "the null selector's RPL is not looked at", mov ss, ecx
        USER64 mov ss, r15d
        mov ecx, DATA
        mov ss, ecx
        xor ecx, ecx
        lldt cx
        mov ecx, OUTSIDE
        TRY64 lldt cx
        mov ecx, DATA
        TRY64 lldt cx
        TRY64 ltr cx
        mov ecx, TSS
        TRY64 ltr cx
        test dword ptr [FEATURES], HAVE_FSGSBASE
        jz 2f
        TRY64 rdfsbase rbx
        mov rax, cr4
        or eax, 0x10000
        mov cr4, rax
        mov rbx, 0x7000
        wrfsbase rbx
        rdfsbase rcx
        rdgsbase ecx
        wrgsbase ebx
        movabs rbx, 0x800000000000
        TRY64_UNLESS ON_TCG, "what is written is not looked at", wrgsbase rbx
        USER64 rdfsbase rbx
        mov rax, cr4
        and eax, ~0x10000
        mov cr4, rax
2:      nop

CASE "canonical addresses"
        movabs rbx, 0x800000000000
        TRY64 mov rax, [rbx]
        TRY64 mov [rbx], rax
        TRY64_UNLESS ON_TCG, "only the first byte's address is looked at", mov rax, [rbx - 1]
        TRY64 mov rax, [rbx - 8]
        TRY64_UNLESS ON_AMD, "an address that is not canonical faults when it is reached", jmp rbx
        TRY64_UNLESS ON_AMD, "an address that is not canonical faults when it is reached", call rbx
        TRY64 lgdt [rbx]
        TRY64 invlpg [rbx]
        TRY64 mov rax, gs:[rbx]
        TRY64 add [rbx], rax
        TRY64 bt [rbx], rax
        TRY64 push qword ptr [rbx]
        mov rdi, rbx
        mov ecx, 1
        TRY64 rep stosb
        xor ecx, ecx
        rep stosb
        mov dword ptr [resume64], offset 1f
        TO_USER64
        mov rsp, rbx
        DIFFERS ON_TCG, "#GP in place of #SS"
        mov rax, [rsp]
        FROM_USER
1:      mov dword ptr [resume64], offset 1f
        TO_USER64
        mov rbp, rbx
        DIFFERS ON_TCG, "#GP in place of #SS"
        mov rax, [rbp + 8]
        FROM_USER
1:      mov dword ptr [resume64], offset 1f
        TO_USER64
        mov rsp, rbx
        push rax
        FROM_USER
1:      mov dword ptr [resume64], offset 1f
        TO_USER64
        lea rsp, [rbx + 8]
        DIFFERS ON_TCG, "#GP in place of #SS"
        push rax
        FROM_USER
1:      push rbx
        TRY64_UNLESS ON_AMD, "an address that is not canonical faults when it is reached", ret
        mov esp, STACK
        lea rbx, [rbx - 1]
        mov rax, rsp

CASE "control registers in long mode"
        mov rbx, cr0
        mov rax, rbx
        and eax, 0x7fffffff
        mov rdx, rax
        TRY64 mov cr0, rdx              # in 64-bit mode
        mov rdx, rbx
        bts rdx, 40
        TRY64_UNLESS ON_TCG, "KVM's emulator drops the upper half", mov cr0, rdx
        mov rdx, cr4
        btr edx, 5
        TRY64 mov cr4, rdx
        mov rdx, cr4
        bts rdx, 33
        TRY64_UNLESS ON_TCG, "KVM's emulator drops the upper half", mov cr4, rdx
        mov rdx, cr3
        bts rdx, 60
        TRY64_UNLESS ON_TCG, "reserved bits are not looked at", mov cr3, rdx
        movabs rdx, 0x1234567890
        mov cr2, rdx
        mov rsi, cr2
        mov ecx, 0xc0000080
        rdmsr
        btr eax, 8
        mov dword ptr [resume64], offset 1f
        wrmsr                           # LME, with paging on
1:      mov dword ptr [resume64], offset 1f
        mov ecx, 0xc0000080
        rdmsr
        or eax, 2
        wrmsr
1:      mov rdx, 0xffffffffff
        TRY64 mov dr7, rdx
        TRY64 mov dr6, rdx
        mov dr0, rdx
        mov rsi, dr0
        mov rsi, cr8
        mov edx, 16
        TRY64 mov cr8, rdx

CASE "no such instructions in 64-bit mode"
        TRY64 .byte 0x06
        TRY64 .byte 0x07
        TRY64 .byte 0x0e
        TRY64 .byte 0x16
        TRY64 .byte 0x1e
        TRY64 .byte 0x27
        TRY64 .byte 0x2f
        TRY64 .byte 0x37
        TRY64 .byte 0x3f
        TRY64 .byte 0x60
        TRY64 .byte 0x61
        TRY64 .byte 0x82, 0xc0, 0x00
        TRY64 .byte 0x9a, 0, 0, 0, 0, 0, 0
        TRY64 .byte 0xce
        TRY64 .byte 0xd4, 0x0a
        TRY64 .byte 0xd5, 0x0a
        TRY64 .byte 0xd6
        TRY64 .byte 0xea, 0, 0, 0, 0, 0, 0
        TRY64 .byte 0x62, 0x00
        TRY64 .byte 0xf0, 0x48, 0x90
        TRY64_UNLESS ON_TCG, "POP does not look at ModRM.reg", .byte 0x48, 0x8f, 0xc8

CASE "stacks in 64-bit mode"
        xor eax, eax
        pushfq
        popfq
        pushw 0x1234
        popw cx
        push -1
        pop rbx
        enter 16, 0
        leave
        mov ebp, STACK - 0x100
        enter 16, 2
        leave
        mov esp, STACK
        mov ebx, 0x7000
        pushf
        pop rcx
        .byte 0x66, 0x9c
        .byte 0x66, 0x9d
        push rsp
        pop rsp
        mov fs, eax
        .byte 0x66, 0x0f, 0xa0          # push fs, 16 bits
        .byte 0x66, 0x0f, 0xa1
        mov esp, STACK

CASE "rights in 64-bit mode"
        mov rbx, PLACE
        mov rax, [rbx]
        USER64 mov rax, [rbx]
        mov dword ptr [PTE(0) + 4], 0x80000000
        invlpg [rbx]
        lea rdx, [rbx + 0x10]
        TRY64 call rdx
        USER64 call rdx
        mov dword ptr [PTE(0) + 4], 0x00000000
        mov dword ptr [PTE(0)], PHYSICAL + P + U
        invlpg [rbx]
        mov [rbx], rax
        USER64 mov [rbx], rax
        mov dword ptr [PML4], PDPT + P + U
        mov rax, cr3
        mov cr3, rax
        USER64 mov [rbx], rax
        mov dword ptr [PML4], PDPT + P + W
        mov rax, cr3
        mov cr3, rax
        mov rcx, [rbx]
        mov dword ptr [PML4], PDPT + P + W + U
        mov dword ptr [PTE(0)], PHYSICAL + P + W + U
        mov rax, cr3
        mov cr3, rax
        movabs rcx, 0x8000000000
        TRY64 mov rax, [rcx]
        mov ecx, 0x40000000
        TRY64 mov rax, [rcx]
        mov dword ptr [PTE(0) + 4], 0x40000000
        invlpg [rbx]
        TRY64_UNLESS ON_TCG, "the error code has RSVD without P", mov rax, [rbx]
        mov dword ptr [PTE(0) + 4], 0
        invlpg [rbx]
        mov dword ptr [PDPT + 8], 0x80 + P + W
        mov ecx, 0x40009000

CASE "strings in 64-bit mode"
        mov esi, 0x9000
        mov rdi, PLACE + 0xff0
        mov ecx, 0x20
        rep movsq
        mov dword ptr [PTE(1)], 0
        invlpg [PLACE + 0x1000]
        mov rdi, PLACE + 0xff3
        mov ecx, 0x20
        TRY64 rep stosq
        mov rcx, 0x100000005
        mov rdi, PLACE + 0x100
        mov rsi, 0x9000
        addr32 rep movsd
        mov edi, PLACE + 0x100
        std
        mov ecx, 8
        repne scasw
        cld
        mov dword ptr [PTE(1)], PHYSICAL + 0x1000 + P + W + U
        lodsq

CASE "LAR and LSL in long mode"
        mov ebx, 0
1:      mov rcx, -1
        DIFFERS ON_TCG, "bits 16 to 19 are undefined"
        lar rcx, rbx
        lsl ecx, ebx
        verr bx
        verw bx
        add ebx, 8
        cmp ebx, 0xc8
        jb 1b

CASE "compatibility mode"
        push CODE32
        push offset 1f
        retf_q
        .code32
1:      mov ecx, cs
        mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        push 0x1234
        pop eax
        mov ecx, [esp - 4]
        call 2f
2:      pop eax
        int 0x31
        aam
        inc ecx
        mov ebx, cr0
        pushfd
        mov esp, STACK - 4
        int 0x31
        mov esp, STACK
        mov dword ptr [resume64], offset 3f
        ud2
        .code64
3:      mov dword ptr [resume64], offset 5f
        TO_USER64 2, USER_CODE32
        .code32
        mov ecx, cs
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        push eax
        pop edx
        int 0x31
        dec eax
        mov dword ptr [esp - 6], 0
        push 0
        push 0
        mov dword ptr [esp], 0
        mov word ptr [esp + 4], CALL_GATE
        mov eax, 5
        call fword ptr [esp]
        pushfd
        popfd
        jmp 0x2b:4f + USER_PLACE
        .code64
4:      mov rcx, cs
        FROM_USER
5:      nop

CASE "out of long mode"
        push CODE32
        push offset 1f
        retf_q
        .code32
1:      mov eax, DATA
        mov ds, eax
        mov ss, eax
        mov es, eax
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov ecx, 0xc0000080
        rdmsr
        and eax, ~0x100
        wrmsr
        mov eax, cr4
        and eax, ~0x20
        mov cr4, eax
        lgdt [gdt_pointer]
        lidt [idt_pointer]
        jmp 0x08:1f
1:      mov eax, 0x10
        mov ds, eax
        mov ss, eax
        mov es, eax
        TRY ud2

CASE "the end"
        hlt
TABLES

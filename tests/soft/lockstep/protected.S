/* SPDX-License-Identifier: MIT */
/*
 * Protected mode without paging: segments and their faults, gates of all types, privilege levels.
 */
#include "tests/soft/lockstep/protected.inc"

#define CONFORMING      0x40
#define LDT             0x48
#define GATE32          0x50
#define GATE16          0x58
#define GATE_INNER_ONLY 0x60
#define ABSENT_DATA     0x68
#define ABSENT_CODE     0x70
#define EXPAND_DOWN     0x78
#define READ_ONLY       0x80
#define EXECUTE_ONLY    0x88
#define SMALL           0x90
#define GATE_TO_ABSENT  0x98
#define ABSENT_GATE     0xa0
#define GATE_CONFORMING 0xa8
#define GATE_USER       0xb0
#define GATE_DATA       0xb8
#define USER_CONFORMING 0xc0
#define FRESH_DATA      0xc8
#define FRESH_CODE      0xd0
#define GATE_NULL       0xd8
#define ABSENT_LDT      0xe0
#define ABSENT_TSS      0xe8
#define USER_SMALL      0xf0
#define USER_STACK16    0xf8
#define EXPAND_DOWN16   0x100
#define CODE1           0x118
#define GATE1           0x120
#define DATA1           0x128
#define OUTSIDE         0x1f8
#define TSS_SMALL       0x108
#define TSS_OTHER       0x110

BEGIN
PROTECTED
        DESCRIPTOR 0, 0xfffff, 0x9f, 0xc        # 40
        DESCRIPTOR ldt, 0x1f, 0x82              # 48
        GATE CODE, inner, 0xec, 2               # 50
        GATE CODE, inner16, 0xe4, 3             # 58
        GATE CODE, inner, 0x8c, 0               # 60
        DESCRIPTOR 0, 0xfffff, 0x13, 0xc        # 68
        DESCRIPTOR 0, 0xfffff, 0x1b, 0xc        # 70
        DESCRIPTOR 0, 0x1, 0x97, 0xc            # 78: 2000 up
        DESCRIPTOR 0, 0xfffff, 0x91, 0xc        # 80
        DESCRIPTOR 0, 0xfffff, 0x99, 0xc        # 88
        DESCRIPTOR 0x7800, 0xff, 0x93, 0x4      # 90
        GATE ABSENT_CODE, inner, 0xec           # 98
        GATE CODE, inner, 0x6c                  # a0
        GATE CONFORMING, inner0, 0xec           # a8
        GATE USER_CODE, inner0, 0xec            # b0
        GATE DATA, inner, 0xec                  # b8
        DESCRIPTOR 0, 0xfffff, 0xff, 0xc        # c0
        DESCRIPTOR 0, 0xfffff, 0x92, 0xd        # c8
        DESCRIPTOR 0, 0xfffff, 0x9a, 0xd        # d0
        GATE 0, inner, 0xec                     # d8
        DESCRIPTOR ldt, 0x1f, 0x02              # e0
        DESCRIPTOR TSS_AT, 0x67, 0x09           # e8
        DESCRIPTOR 0x7800, 0xff, 0xf3, 0x4      # f0
        DESCRIPTOR 0, 0xffff, 0xf3              # f8
        DESCRIPTOR 0, 0xfff, 0x97, 0x0          # 100
        DESCRIPTOR TSS_AT, 0x05, 0x89           # 108
        DESCRIPTOR TSS_AT, 0x67, 0x89           # 110
        DESCRIPTOR 0, 0xfffff, 0xbb, 0xc        # 118
        GATE CODE1, inner1, 0xec, 1             # 120
        DESCRIPTOR 0, 0xfffff, 0xb3, 0xc        # 128
PROTECTED_GO

        jmp cases
        .balign 8
ldt:    DESCRIPTOR 0, 0xfffff, 0x93, 0xc        # 4
        DESCRIPTOR 0, 0xfffff, 0xfb, 0xc        # c
        DESCRIPTOR 0, 0xfffff, 0xf2, 0xc        # 14
        GATE CODE, inner0, 0xec                 # 1c

inner:  mov edx, esp
        mov ebx, [esp + 8]
        retf 8
inner1: mov edx, esp
        mov ecx, cs
        mov ecx, ss
        int RETURN_VECTOR
inner0: mov edx, esp
        retf
inner16:
        mov edx, esp
        data16 retf 6
far_sub:
        mov ebx, cs
        retf
far_sub8:
        retf 8
trap_gate:
interrupt_gate:
        pushfd
        pop edx
        mov ebx, ss
        mov ecx, cs
        iretd
gate_16:
        mov edx, esp
        data16 iret

cases:
CASE "data segments"
        mov ebx, ABSENT_DATA
        TRY mov es, ebx
        TRY mov ss, ebx
        mov ebx, ABSENT_CODE
        TRY mov ds, ebx
        mov ebx, CODE
        TRY mov es, ebx
        TRY mov ss, ebx
        mov ebx, EXECUTE_ONLY
        TRY mov es, ebx
        mov ebx, CONFORMING
        TRY mov gs, ebx
        mov ebx, TSS
        TRY mov fs, ebx
        mov ebx, LDT
        TRY mov es, ebx
        mov ebx, GATE32
        TRY mov es, ebx
        mov ebx, OUTSIDE
        TRY mov es, ebx
        TRY mov ss, ebx
        mov ebx, 4
        TRY mov es, ebx                 # no LDT yet
        mov ebx, DATA + 3
        TRY mov es, ebx
        TRY mov ss, ebx
        mov ebx, USER_DATA
        TRY mov gs, ebx
        TRY mov ss, ebx
        xor ebx, ebx
        TRY mov ss, ebx
        mov ebx, 3
        TRY mov ss, ebx
        mov gs, ebx
        TRY_UNLESS ON_TCG, "null segments are not looked at", mov eax, gs:[0]
        TRY_UNLESS ON_TCG, "null segments are not looked at", mov gs:[0], eax
        mov ebx, READ_ONLY
        TRY mov ss, ebx
        mov es, ebx
        mov eax, es:[0x7000]
        TRY_UNLESS ON_TCG, "rights are not looked at", mov es:[0x7000], eax
        TRY_UNLESS ON_TCG, "rights are not looked at", add es:[0x7000], eax
        TRY_UNLESS ON_TCG, "rights are not looked at", mov cs:[0x7000], eax
        mov ebx, EXECUTE_ONLY
        TRY mov ds, ebx
        mov ebx, FRESH_DATA
        mov es, ebx
        mov ebx, FRESH_DATA
        mov ss, ebx
        mov esp, STACK
        mov ebx, DATA
        mov ss, ebx
        mov es, ebx

CASE "limits"
        mov ebx, SMALL
        mov es, ebx
        mov eax, es:[0xfc]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov eax, es:[0xfd]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov al, es:[0x100]
        mov al, es:[0xff]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov al, es:[0xffffffff]
        mov ebx, EXPAND_DOWN
        mov es, ebx
        mov eax, es:[0x2000]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov al, es:[0x1fff]
        mov ebx, EXPAND_DOWN16
        mov es, ebx
        mov al, es:[0xffff]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov ax, es:[0xffff]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov ax, es:[0xfff]
        mov ebx, SMALL
        mov ss, ebx
        mov esp, 0x100
        push eax
        mov eax, DATA
        mov ss, eax
        mov es, eax
        mov esp, STACK

CASE "far jumps"
        TRY jmp ABSENT_CODE:1f
        TRY jmp DATA:1f
        TRY jmp USER_CODE:1f
        TRY jmp OUTSIDE:1f
        TRY jmp 0:1f
        TRY jmp 3:1f
        TRY jmp 0x0b:1f
        TRY jmp LDT:1f
        TRY jmp USER_CONFORMING:1f
        jmp FRESH_CODE:1f
1:      mov eax, cs
        jmp CONFORMING:1f
1:      mov eax, cs
        jmp 0x43:1f
1:      mov eax, cs
        jmp EXECUTE_ONLY:1f
1:      TRY_UNLESS ON_TCG, "rights are not looked at", mov eax, cs:[0]
        jmp CODE:1f
1:      TRY jmp CODE16:0x10000
        TRY jmp GATE_INNER_ONLY:0
CASE "16-bit code"
        mov dword ptr [resume], offset 3f
        jmp CODE16:1f
        .code16
1:      push 0x1234
        call 2f
2:      pop ax
        mov eax, 0x12345678
        mov edx, [esp]
        push edx
        pop edx
        mov word ptr [bx + si], 0x1111
        pushf
        popf
        add esp, 2
        int RETURN_VECTOR
        .code32
3:      mov esp, STACK

CASE "far calls"
        call CODE:far_sub
        call CONFORMING:far_sub
        TRY call 0x0b:far_sub
        push 1
        push 2
        call CODE:far_sub8
        TRY call ABSENT_CODE:far_sub
        TRY call USER_CODE:far_sub
        TRY call DATA:far_sub
        TRY call 0:far_sub
        call fword ptr [far_pointer]
        push CODE
        push offset 2f
        retf
        jmp 2f
far_pointer:
        .long far_sub
        .word CODE
2:      push ABSENT_CODE
        push offset 2b
        TRY retf
        push DATA
        push offset 2b
        TRY retf
        push 0
        push offset 2b
        TRY retf
        mov esp, STACK
        call near ptr 3f
3:      pop eax

CASE "call gates at CPL 0"
        mov dword ptr [resume], offset 2f
        push 0x11
        push 0x22
        call GATE32:0
2:      mov esp, STACK
        TRY call GATE_INNER_ONLY:0
        mov esp, STACK
        mov dword ptr [resume], offset 3f
        call GATE_CONFORMING:0
3:      TRY call GATE_TO_ABSENT:0
        TRY call ABSENT_GATE:0
        TRY call GATE_USER:0
        TRY call GATE_DATA:0
        TRY call GATE_NULL:0
        TRY call 0x53:0
        mov esp, STACK
        TRY_UNLESS ON_TCG, "#GP in place of #NP", jmp GATE_TO_ABSENT:0
        TRY jmp ABSENT_GATE:0
        mov esp, STACK

CASE "call gates from CPL 3"
        mov dword ptr [resume], offset 1f
        TO_USER
        push 0x1111
        push 0x2222
        push 0x3333
        call GATE32:0
        mov ebx, esp
        mov ecx, ss
        FROM_USER
1:      mov dword ptr [resume], offset 1f
        TO_USER
        push 0x11112222
        push 0x33334444
        call GATE16:0
        mov ebx, esp
        FROM_USER
1:      mov dword ptr [resume], offset 1f
        TO_USER
        call GATE_USER:0
        FROM_USER
1:      USER call GATE_INNER_ONLY:0
        USER call GATE_TO_ABSENT:0
        USER call ABSENT_GATE:0
        USER call GATE_DATA:0
        USER call GATE_NULL:0
        USER call CODE:0
        USER call TSS:0
        USER call LDT:0
        USER call OUTSIDE:0
        USER jmp GATE32:0
        USER jmp CODE:0
        USER jmp CONFORMING:1f
1:      nop
        mov dword ptr [resume], offset 2f
        TO_USER
        jmp CONFORMING:1f
1:      mov ebx, cs
        call CONFORMING:far_sub
        call USER_CODE:3f
3:      jmp USER_CONFORMING:1f
1:      mov ebx, cs
        push ebx
        push offset 1f
        retf
1:      nop
        FROM_USER
2:      nop

CASE "no good stack at CPL 1"
        mov dword ptr [TSS_AT + 0xc], 0x5800
        IDT_GATE 0x2f, CODE1, inner1, 0xee
        mov dword ptr [TSS_AT + 0x10], 0
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], 1
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], DATA
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], DATA + 1
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], DATA1
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], DATA1 + 3
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], USER_DATA
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], ABSENT_DATA
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], READ_ONLY + 1
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], CODE1 + 1
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], OUTSIDE
        USER call GATE1:0
        USER int 0x2f
        mov dword ptr [TSS_AT + 0x10], DATA1 + 1
        USER call GATE1:0

CASE "returns to CPL 3"
        TRY retf
        push 0
        push USER_STACK
        push USER_CODE
        push offset 1f
        TRY retf
        push DATA + 3
        push USER_STACK
        push USER_CODE
        push offset 1f
        TRY retf
        push DATA
        push USER_STACK
        push USER_CODE
        push offset 1f
        TRY retf
        push ABSENT_DATA + 3
        push USER_STACK
        push USER_CODE
        push offset 1f
        TRY retf
        push READ_ONLY + 3
        push USER_STACK
        push USER_CODE
        push offset 1f
        TRY iretd
        push USER_DATA
        push USER_STACK
        push CODE + 3
        push offset 1f
        TRY retf
        push USER_DATA
        push USER_STACK
        push CONFORMING + 3
        push offset 2f
        mov dword ptr [resume], offset 3f
        retf
2:      mov ecx, 0x55
        mov ebx, cs
        FROM_USER
3:      mov ebx, USER_DATA
        mov fs, ebx
        mov ebx, CONFORMING
        mov gs, ebx
        push USER_STACK16 + 3
        push 0x12345000
        push USER_CODE
        push offset 1f
        mov dword ptr [resume], offset 3f
        retf
1:      mov ecx, esp
        push 1
        pop ebx
        FROM_USER
3:      push USER_DATA
        push USER_STACK
        push USER_CODE
        push offset 1f
        mov dword ptr [resume], offset 3f
        retf 0
1:      FROM_USER
3:      push USER_DATA
        push USER_STACK
        push 0
        push 0
        push USER_CODE
        push offset 1f
        mov dword ptr [resume], offset 3f
        retf 8
1:      mov ecx, esp
        FROM_USER
3:      nop

CASE "interrupt and trap gates"
        IDT_GATE 0x31, CODE, interrupt_gate, 0xee
        IDT_GATE 0x32, CODE, trap_gate, 0xef
        IDT_GATE 0x33, CODE, gate_16, 0xe6
        IDT_GATE 0x34, CODE, gate_16, 0xe7
        IDT_GATE 0x35, CODE, trap_gate, 0x8f
        IDT_GATE 0x36, ABSENT_CODE, trap_gate, 0xef
        IDT_GATE 0x37, DATA, trap_gate, 0xef
        IDT_GATE 0x38, 0, trap_gate, 0xef
        IDT_GATE 0x39, CODE, trap_gate, 0x6f
        IDT_GATE 0x3a, CODE, trap_gate, 0xec
        IDT_GATE 0x3b, USER_CODE, trap_gate, 0xef
        IDT_GATE 0x3c, CONFORMING, trap_gate, 0xef
        IDT_GATE 0x3d, OUTSIDE, trap_gate, 0xef
        sti
        stc
        int 0x31
        int 0x32
        int 0x33
        int 0x34
        int 0x35
        int 0x3c
        std
        int 0x32
        cld
        cli
        TRY int 0x36
        TRY int 0x37
        TRY int 0x38
        TRY int 0x39
        TRY int 0x3a
        TRY int 0x3b
        TRY int 0x3d
        TRY int 0x40
        TRY int 0xff
        TRY int3
        mov al, 0x7f
        add al, 1
        TRY into
        USER int 0x31
        mov dword ptr [resume], offset 1f
        TO_USER 0x202
        int 0x31
        int 0x32
        stc
        int 0x33
        int 0x34
        FROM_USER
1:      USER int 0x35
        USER int 0x36
        USER int 0x37
        USER int 0x38
        USER int 0x39
        USER int 0x3a
        /* KVM cannot be stopped behind INT n above CPL 0: no USER int 0x3b. */
        USER int 0x3d
        USER int 0x3f
        USER int 0x40
        USER int3
        USER ud2
        /* INT1 stops QEMU itself. */
        USER hlt

CASE "an exception in delivering another"
        mov byte ptr [IDT + 6 * 8 + 5], 0x0e
        TRY_UNLESS ON_TCG, "EXT is never set", ud2 # #NP
        mov byte ptr [IDT + 11 * 8 + 5], 0x0e
        TRY_UNLESS ON_KVM, "RF in a double fault's image", ud2 # #NP in #NP
        mov byte ptr [IDT + 11 * 8 + 5], 0x8e
        mov byte ptr [IDT + 6 * 8 + 5], 0x8c
        TRY_UNLESS ON_TCG, "EXT is never set", ud2 # #GP
        mov byte ptr [IDT + 13 * 8 + 5], 0x0e
        TRY_UNLESS ON_KVM, "RF in a double fault's image", ud2
        mov byte ptr [IDT + 13 * 8 + 5], 0x8e
        mov byte ptr [IDT + 6 * 8 + 5], 0x8e
        mov byte ptr [IDT + 0 * 8 + 5], 0x0e
        xor ecx, ecx
        TRY div ecx                     # #DF: #DE and #NP
        mov byte ptr [IDT + 0 * 8 + 5], 0x8e

CASE "IRET"
        pushfd
        push CODE
        push offset 1f
        iretd
1:      push 0x180002                   # VIF and VIP
        push CODE
        push offset 1f
        DIFFERS ON_TCG, "IRET leaves VIF and VIP alone"
        iretd
1:      push 2
        push CODE
        push offset 1f
        DIFFERS ON_TCG, "IRET leaves VIF and VIP alone"
        iretd
1:      push ~0x1a0100
        push CODE
        push offset 1f
        iretd
1:      mov ecx, 2
        pushfd
        and dword ptr [esp], ~0x4000
        popfd
        push 2
        popfd
        pushw 0x8d5
        pushw CODE
        pushw offset 1f
        data16 iret
1:      push 2
        push DATA
        push offset 1b
        TRY iretd
        push 2
        push ABSENT_CODE
        push offset 1b
        TRY iretd
        push 2
        push 0
        push offset 1b
        TRY iretd
        mov esp, STACK
        push 2
        popfd
        mov dword ptr [resume], offset 1f
        TO_USER
        pushfd
        mov ecx, [esp]
        or ecx, 0x3200
        push ecx
        popfd
        pushfd
        mov ecx, ~0x24100
        push ecx
        popfd
        pushfd
        push 0x7202 ^ 0x4000
        push USER_CODE
        push offset 2f
        iretd
2:      pushfd
        pop ecx
        push ecx
        push CODE
        push offset 2b
        iretd                           # #GP
        FROM_USER
1:      nop

CASE "what CPL 3 may not"
        USER cli
        USER sti
        USER hlt
        USER clts
        USER lgdt [gdt_pointer]
        USER lidt [idt_pointer]
        USER lldt cx
        USER ltr cx
        USER lmsw cx
        USER mov ecx, cr0
        USER mov cr0, ecx
        USER mov ecx, dr0
        USER invd
        USER wbinvd
        USER invlpg [0]
        USER rdmsr
        USER wrmsr
        USER in al, 0x80
        USER out 0x80, al
        USER sgdt [USER_STACK - 0x100]
        USER sidt [USER_STACK - 0x100]
        USER sldt ecx
        USER str ecx
        USER smsw ecx
        USER_IOPL in al, 0x21
        USER_IOPL sti
        USER_IOPL cli
        mov ebx, DATA
        USER mov es, ebx
        USER mov ss, ebx
        mov ebx, USER_DATA
        USER mov ss, ebx
        mov ebx, 0
        USER mov ss, ebx
        mov ebx, USER_SMALL + 3
        USER mov es, ebx
        mov ebx, USER_SMALL
        USER mov ss, ebx

CASE "LDT"
        mov ebx, LDT
        lldt bx
        sldt ecx
        mov ebx, 4
        mov es, ebx
        mov eax, es:[0x7000]
        mov ebx, 0xf
        TRY mov ss, ebx
        mov ebx, 0x17
        mov fs, ebx
        mov ebx, 0x24
        TRY mov es, ebx
        mov dword ptr [resume], offset 2f
        TO_USER
        jmp 0xf:1f
1:      mov ebx, cs
        call 0x1f:0
        push 0x17
        pop gs
        FROM_USER
2:      xor ebx, ebx
        mov es, ebx
        mov fs, ebx
        mov gs, ebx
        lldt bx
        mov ebx, ABSENT_LDT
        TRY lldt bx
        mov ebx, DATA
        TRY lldt bx
        mov ebx, OUTSIDE
        TRY lldt bx
        mov ebx, 4
        TRY lldt bx
        mov ebx, ABSENT_TSS
        TRY ltr bx
        mov ebx, TSS                    # busy
        TRY ltr bx
        mov ebx, DATA
        TRY ltr bx
        mov ebx, 0
        TRY_UNLESS ON_TCG, "LTR takes a null selector", ltr bx
        mov ebx, 0x14
        TRY ltr bx
        mov ebx, TSS_OTHER
        TRY ltr bx
        mov byte ptr [gdt + TSS + 5], 0x89
        mov ebx, TSS
        ltr bx
        str ecx
        mov eax, DATA
        mov es, eax

CASE "LAR LSL VERR VERW"
        mov ebx, 0
1:      mov ecx, 0x55555555
        DIFFERS ON_TCG, "bits 16 to 19 are undefined"
        lar ecx, ebx
        mov ecx, 0x55555555
        lsl ecx, ebx
        verr bx
        verw bx
        add ebx, 8
        cmp ebx, 0x120
        jbe 1b
        mov ebx, DATA + 3
        DIFFERS ON_TCG, "bits 16 to 19 are undefined"
        lar ecx, ebx
        lsl ecx, ebx
        verr bx
        verw bx
        mov ebx, CONFORMING + 3
        lar cx, bx
        lsl cx, bx
        verr bx
        mov ebx, 4
        DIFFERS ON_TCG, "bits 16 to 19 are undefined"
        lar ecx, ebx
        verr bx
        mov dword ptr [resume], offset 2f
        TO_USER
        mov ebx, 0
1:      mov ecx, 0x55555555
        DIFFERS ON_TCG, "bits 16 to 19 are undefined"
        lar ecx, ebx
        lsl ecx, ebx
        verr bx
        verw bx
        add ebx, 8
        cmp ebx, 0x118
        jbe 1b
        FROM_USER
2:      mov ebx, 0x10
        mov ecx, 0x23
        arpl bx, cx
        arpl cx, bx
        arpl [gdt_end], cx

CASE "BOUND"
        mov ecx, 5
        TRY bound ecx, [bounds]
        mov ecx, 6
        TRY bound ecx, [bounds]
        mov ecx, -6
        TRY bound ecx, [bounds]
        TRY bound cx, [bounds]
        TRY .byte 0x62, 0xc0
        jmp 1f
bounds: .long -5, 5
1:

CASE "SYSENTER"
        TRY sysenter                    # CS is 0
        mov ecx, 0x174
        mov eax, CODE
        xor edx, edx
        wrmsr
        mov ecx, 0x175
        mov eax, STACK
        wrmsr
        mov ecx, 0x176
        mov eax, offset 1f
        wrmsr
        rdmsr
        TO_USER 0x8d7
        sysenter
1:      mov ebx, cs
        mov ebx, ss
        mov edx, offset 1f
        mov ecx, USER_STACK
        mov eax, DATA
        mov ds, eax
        mov dword ptr [resume], offset 2f
        sysexit
1:      mov ebx, cs
        mov ebx, ss
        sysexit                         # #GP
2:      mov ecx, 0x174
        xor eax, eax
        xor edx, edx
        wrmsr
        TRY sysenter
        TRY sysexit
        USER sysenter

CASE "SYSCALL is not for legacy mode"
        TRY_UNLESS ON_AMD, "AMD has it there, too, once EFER.SCE is set", syscall
        TRY_UNLESS ON_AMD, "likewise", sysret

CASE "control registers"
        mov eax, cr0
        mov esi, eax
        mov ebx, eax
        or ebx, 0x20000000
        TRY mov cr0, ebx                # NW without CD
        mov cr0, esi
        or ebx, 0x60000000
        mov cr0, ebx
        mov cr0, esi
        mov eax, cr0
        mov ebx, 0x20
        mov cr4, ebx
        mov ecx, cr4
        mov ebx, 0x90
        mov cr4, ebx
        mov ebx, 0x8000
        TRY mov cr4, ebx
        mov ebx, 0x20000
        TRY mov cr4, ebx                # PCIDE outside long mode
        xor ebx, ebx
        mov cr4, ebx
        /* No EFER.LME without CR4.PAE: that hangs the host in tools/kvmhost. */
        mov eax, 0x12345678
        mov dr0, eax
        mov ebx, dr0
        mov ebx, dr6
        mov ebx, dr7
        mov ebx, 0x400
        mov dr7, ebx
        mov ebx, dr4                    # DR6
        mov ebx, 8
        mov cr4, ebx
        TRY mov ebx, dr4
        xor ebx, ebx
        mov cr4, ebx

CASE "EM, TS, MP"
        mov ebx, cr0
        mov eax, ebx
        or eax, 8
        mov cr0, eax
        TRY fnop
        TRY movaps xmm0, xmm1
        TRY fwait
        or eax, 2
        mov cr0, eax
        TRY fwait
        mov eax, ebx
        or eax, 4
        mov cr0, eax
        TRY fnop
        TRY fwait
        mov cr0, ebx
        TRY movaps xmm0, xmm1           # no OSFXSR
        clts

CASE "strings that go both ways"
        mov esi, 0x9000
        mov edi, 0x30000
        mov ecx, 0x100
        rep movsd
        std
        mov esi, 0x90ff
        mov edi, 0x301ff
        mov ecx, 0x40
        rep movsb
        cld
        mov edi, 0x30000
        mov esi, 0x9000
        mov ecx, 0x1000
        repe cmpsb
        mov edi, 0x30000
        mov eax, 0
        mov ecx, 0x1000
        repne scasd
        mov edi, 0x30001
        mov esi, 0x30000
        mov ecx, 0x50
        rep movsb                       # overlapping
        mov edi, 0x1ffff0
        mov ecx, 4
        rep stosd

CASE "user strings with ports"
        mov edi, 0x5000
        mov edx, 0x21
        mov ecx, 2
        USER rep insb
        USER_IOPL rep insb

CASE "alignment checks"
        mov eax, cr0
        or eax, 0x40000
        mov cr0, eax
        mov ebx, [0x7001]
        mov dword ptr [resume], offset 1f
        TO_USER 0x40002
        mov ebx, [0x5000]
        DIFFERS ON_TCG, "alignment is not looked at"
        mov ebx, [0x5001]
        FROM_USER
1:      mov dword ptr [resume], offset 1f
        TO_USER 0x40002
        DIFFERS ON_TCG, "alignment is not looked at"
        mov bx, [0x5003]
        FROM_USER
1:      USER mov ebx, [0x5001]
        mov eax, cr0
        and eax, ~0x40000
        mov cr0, eax

CASE "the end"
        cli
        hlt

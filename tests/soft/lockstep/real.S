/* SPDX-License-Identifier: MIT */
/*
 * Real mode: far transfers, interrupts and exceptions, wrapping segments, unreal mode.
 */
#include "tests/soft/lockstep/lockstep.inc"

BEGIN

/* Vector v leads to label; CS = DS = 0. */
.macro VECTOR v, label
        mov word ptr ds:[\v * 4], offset \label
        mov word ptr ds:[\v * 4 + 2], 0
.endm

/* An instruction that may raise an exception; go on after it. Needs DS = 0. */
.macro TRY insn:vararg
        mov word ptr ds:[resume], offset .Ltry\@
        \insn
.Ltry\@:
.endm

/* The same, where KVM may not raise it. */
.macro TRY_UNLESS kinds, reason, insn:vararg
        mov word ptr ds:[resume], offset .Ltry\@
        DIFFERS "\kinds", "\reason"
        \insn
.Ltry\@:
.endm

        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        VECTOR 0, fault
        VECTOR 1, fault
        VECTOR 3, returns
        VECTOR 4, returns
        VECTOR 5, fault
        VECTOR 6, fault
        VECTOR 7, fault
        VECTOR 8, fault
        VECTOR 12, fault
        VECTOR 13, fault
        VECTOR 16, fault
        VECTOR 0x40, returns
        VECTOR 0x41, returns32
        VECTOR 0xff, returns
        jmp cases

resume: .word 0

/* Any fault. */
fault:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        push 2
        popf
        jmp word ptr ds:[resume]

returns:
        pushf
        pop ax
        iret

/* Was entered with 6 bytes; makes 12 of it. */
returns32:
        mov bp, sp
        movzx eax, word ptr [bp]
        movzx ebx, word ptr [bp + 2]
        pushfd
        pop ecx
        or ecx, 0x40000
        add sp, 6
        push ecx
        push ebx
        push eax
        iretd

cases:
CASE "far jumps"
        jmp 0:1f
1:      jmp 0x700:2f - 0x7000
2:      mov ax, cs
        .byte 0x66, 0xea
        .long 3f
        .word 0
3:      mov ax, cs
        jmp far ptr ds:[pointer16]
4:      mov ax, cs
        .byte 0x66, 0xff, 0x2e
        .word pointer32
5:      mov ax, cs
        TRY_UNLESS ON_TCG, "limits are not looked at", .byte 0x66, 0xea, 0, 0, 1, 0, 0, 0

CASE "far calls"
        call 0:far_sub
        call 0x6f0:far_sub - 0x6f00
        call far ptr ds:[pointer_sub]
        .byte 0x66, 0x9a
        .long far_sub32
        .word 0
        push 0x1234
        push 0x5678
        call 0:far_sub4
        mov bx, sp
        jmp after_far
pointer16:
        .word 4b, 0
pointer32:
        .long 5b
        .word 0x0
pointer_sub:
        .word far_sub, 0
far_sub:
        mov dx, cs
        retf
far_sub4:
        retf 4
far_sub32:
        .byte 0x66
        retf
near_sub:
        ret
near_sub2:
        ret 2
after_far:

CASE "near calls"
        call near_sub
        push ax
        call near_sub2
        mov bx, offset near_sub
        call bx
        .byte 0x66, 0xe8
        .long near_sub32 - 1f
1:      jmp 2f
near_sub32:
        .byte 0x66
        ret
2:      mov bx, sp

CASE "interrupts"
        int 0x40
        sti
        int 0x40
        cli
        int 0x41
        int3
        int 0xff
        xor ax, ax
        into
        mov al, 0x7f
        add al, 1
        into
        int 0x40
        cld
        std
        stc
        int 0x40
        cld

CASE "exceptions"
        xor cx, cx
        TRY div cx
        TRY div cl
        mov ax, 0x8000
        mov dx, 0xffff
        mov cx, -1
        TRY idiv cx
        TRY aam 0
        TRY ud2
        TRY .byte 0xf0, 0x90
        TRY .byte 0xf0, 0x03, 0x07
        TRY .byte 0x0f, 0x0b
        TRY .byte 0x0f, 0xff, 0xc0
        TRY .byte 0x8c, 0xf8
        TRY .byte 0x8e, 0xc8
        TRY .byte 0xc5, 0xc0
        TRY .byte 0xfe, 0xf8
        TRY .byte 0xff, 0xf8
        TRY_UNLESS ON_TCG, "POP does not look at ModRM.reg", .byte 0x8f, 0xc9
        mov ax, 5
        TRY bound ax, [limits]
        mov ax, 11
        TRY bound ax, [limits]
        mov ax, -11
        TRY bound ax, [limits]
        TRY .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        TRY .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
        jmp 1f
limits: .word -10, 10
1:

CASE "instructions of protected mode only"
        TRY sldt ax
        TRY str ax
        TRY lldt ax
        TRY ltr ax
        TRY lar ax, bx
        TRY lsl ax, bx
        TRY verr ax
        TRY verw ax
        TRY arpl ax, bx
        TRY sysexit

CASE "limits of segments"
        TRY_UNLESS ON_TCG, "limits are not looked at", mov ax, ds:[0xffff]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov word ptr ds:[0xffff], 1
        TRY_UNLESS ON_TCG, "limits are not looked at", mov eax, ds:[0xfffd]
        mov al, ds:[0xffff]
        mov ebx, 0x10000
        TRY_UNLESS ON_TCG, "limits are not looked at", mov al, ds:[ebx]
        mov ebx, 0xffffffff
        TRY_UNLESS ON_TCG, "limits are not looked at", mov al, ds:[ebx + 0x21000]
        mov bx, 0xffff
        mov al, ds:[bx + 0x100]
        TRY_UNLESS ON_TCG, "limits are not looked at", mov ax, ss:[0xffff]
        mov sp, 0
        push ax
        pop bx
        mov sp, 0x7000
        TRY_UNLESS ON_TCG, "limits are not looked at", .byte 0x66, 0xe9, 0x00, 0x00, 0x01, 0x00

CASE "above 1 MiB"
        mov ax, 0xffff
        mov es, ax
        mov byte ptr es:[0x10], 0x5a
        mov al, es:[0x10]
        mov word ptr es:[0xfffe], 0x1234
        xor ax, ax
        mov es, ax

CASE "strings that wrap"
        mov ax, 0x3000
        mov es, ax
        mov di, 0xfffc
        mov cx, 8
        mov al, 0x77
        rep stosb
        mov di, 0xfffc
        mov cx, 4
        rep stosw
        std
        mov di, 4
        mov si, 0x8010
        mov cx, 6
        rep movsw
        cld
        mov edi, 0x100
        mov esi, 0x8000
        mov ecx, 0x30
        addr32 rep movsd
        xor ax, ax
        mov es, ax
        mov di, 0x8000
        mov cx, 100
        mov al, 0xee
        repne scasb
        mov si, 0x8000
        mov di, 0x8000
        mov cx, 5
        repe cmpsb
        mov si, 0x8000
        lodsb
        lodsw
        lodsd
        xor cx, cx
        rep movsb
        rep movsd
        mov ax, 0x2000
        mov ds, ax
        mov cx, 4
        xor si, si
        mov di, 0xffff
        cs lodsb
        mov di, 0xa000
        cs rep movsb
        xor ax, ax
        mov ds, ax

CASE "segment registers"
        les bx, ds:[pointer16]
        lds si, cs:[far_pointer]
        xor ax, ax
        mov ds, ax
        lfs si, ds:[far_pointer]
        lgs si, ds:[far_pointer]
        mov ax, fs:[0]
        mov word ptr gs:[2], 0x4321
        lss sp, ds:[stack_pointer]
        push ds
        pop fs
        push gs
        pop es
        DIFFERS ON_AMD, "Intel's processors leave the upper half of the stack's item alone"
        .byte 0x66
        push fs
        .byte 0x66
        pop gs
        mov ebx, 0xffffffff
        .byte 0x66, 0x8c, 0xdb          # mov ebx, ds
        mov bx, ds
        xor ax, ax
        mov es, ax
        jmp 1f
far_pointer:
        .word 0x1000, 0x2345
stack_pointer:
        .word 0x7000, 0
1:      mov ss, ax
        mov sp, 0x7000

CASE "flags"
        pushf
        pop ax
        mov ax, 0xffff
        and ax, ~0x0300
        push ax
        popf
        pushf
        pop bx
        push 0
        popf
        mov eax, ~0x32300
        push eax
        popfd
        pushfd
        pop ebx
        push 0
        .byte 0x66, 0x6a, 0
        popfd
        pop ax
        mov ah, 0xff
        sahf
        lahf

CASE "stacks"
        pusha
        popa
        pushad
        popad
        enter 8, 0
        leave
        mov bp, sp
        enter 8, 3
        leave
        mov bp, 0x6ff0
        push 0x1111
        push dword ptr 0x22222222
        pop ecx
        pop cx
        push sp
        pop bx
        pop word ptr ds:[0x6000]
        mov sp, 0x7000
        push 0x5555
        mov bp, sp
        pop word ptr [esp]
        mov sp, 0x7000

CASE "decimals"
        mov ax, 0x1299
        add al, 0x38
        daa
        sub al, 0x79
        das
        mov ax, 0x0f0b
        aaa
        mov ax, 0x0f0b
        DIFFERS ON_KVM, "PF is undefined"
        aas
        mov ax, 77
        aam
        aad
        mov bx, 0x8000
        xlat

CASE "control registers"
        smsw ax
        smsw eax
        mov eax, cr0
        mov eax, cr2
        mov eax, cr3
        mov eax, cr4
        mov ebx, 0x123000
        mov cr3, ebx
        mov eax, cr3
        mov eax, 0x12345678
        mov cr2, eax
        mov eax, cr0
        or eax, 8
        mov cr0, eax
        clts
        mov eax, cr0
        or eax, 0x80000000
        TRY mov cr0, eax                # PG without PE
        mov eax, cr0
        mov ebx, 0x80000000
        TRY mov cr4, ebx
        TRY .byte 0x0f, 0x20, 0xc8      # mov eax, cr1
        TRY .byte 0x0f, 0x20, 0xe8      # mov eax, cr5
        TRY .byte 0x0f, 0x22, 0xf8      # mov cr7, eax
        mov eax, cr0
        or eax, 4
        mov cr0, eax
        TRY fnop                        # #NM: EM
        mov eax, cr0
        and eax, ~4
        mov cr0, eax
        mov ecx, 0x12345
        TRY rdmsr
        TRY wrmsr
        mov ecx, 0x174
        mov eax, 0x1234
        xor edx, edx
        wrmsr
        rdmsr
        sgdt ds:[0x6000]
        sidt ds:[0x6010]

CASE "the interrupt table's limit"
        lidt ds:[short_idt]
        TRY int 0x40
        int3
        lidt ds:[long_idt]
        int 0x40
        jmp 1f
short_idt:
        .word 0x3f * 4 + 3, 0, 0
long_idt:
        .word 0x3ff, 0, 0
1:

CASE "an interrupt table elsewhere"
        mov si, 0
        mov di, 0x6000
        mov cx, 0x100
        rep movsw
        lidt ds:[other_idt]
        int 0x40
        TRY ud2
        lidt ds:[long_idt]
        jmp 1f
other_idt:
        .word 0x1ff, 0x6000, 0
1:

CASE "ports"
        mov dx, 0x3fd
        in al, dx
        in ax, dx
        mov dx, 0x80
        mov eax, 0x12345678
        out dx, al
        out dx, ax
        out dx, eax
        in al, 0x21
        mov dx, 0x3ff
        mov al, 0x3c
        out dx, al
        mov eax, -1
        in al, dx
        mov di, 0x6100
        mov cx, 5
        rep insb
        mov si, 0x6100
        mov cx, 5
        rep outsb

CASE "branches"
        mov cx, 3
1:      loop 1b
        mov ecx, 2
2:      nop
        addr32 loop 2b
        xor cx, cx
        jcxz 3f
        ud2
3:      mov ecx, 0x10000
        jecxz 4f
        jcxz 5f
4:      ud2
5:      cmp cx, 1
        jb 6f
        ud2
6:      jmp bx_target
        ud2
bx_target:
        mov bx, offset 7f
        jmp bx
        ud2
7:      mov word ptr ds:[0x6000], offset 8f
        jmp word ptr ds:[0x6000]
        ud2
8:

CASE "unreal mode"
        lgdt ds:[gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, 8
        mov ds, bx
        mov es, bx
        mov fs, bx
        dec ax
        mov cr0, eax
        mov ebx, 0x123456
        mov dword ptr ds:[ebx], 0xdeadbeef
        mov ecx, ds:[ebx]
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov byte ptr ds:[ebx + 4], 0x42 # the limit stays
        mov al, fs:[ebx + 4]
        mov eax, 0x1000
        mov ds, ax
        mov byte ptr ds:[ebx], 0x43
        mov edi, 0x150000
        mov ecx, 16
        mov eax, 0x01020304
        addr32 rep stosd
        mov es, ax
        xor ax, ax
        mov es, ax
        mov ds, ax
        mov fs, ax

CASE "to 16-bit protected mode and back"
        smsw ax
        or al, 1
        lmsw ax
        jmp 0x10:1f
1:      mov ax, 0x18
        mov ds, ax
        mov ss, ax
        mov es, ax
        sldt bx
        str cx
        and al, 0xfe
        lmsw ax                         # cannot leave
        smsw dx
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        mov bx, cs
        jmp 0:2f
2:      xor ax, ax
        mov ds, ax
        mov ss, ax
        mov es, ax
        int 0x40

CASE "to 32-bit protected mode and back"
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 0x20:1f
        .code32
1:      mov eax, 8
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, 0x7000
        push eax
        pop ebx
        call 2f
2:      pop eax
        mov [0x180000], eax
        jmp 0x10:3f
        .code16
3:      mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:4f
4:      mov ebx, 0x7000                 # SS is a 32-bit segment still
        push ax
        mov ax, 0
        mov ss, ax
        mov ds, ax
        mov es, ax
        pop ax
        mov esp, 0x7000
        int 0x40

CASE "the end"
        hlt

        .balign 8
gdt:    .quad 0
        .quad 0x00cf92000000ffff        # 08: data, 4 GiB
        .quad 0x00009b000000ffff        # 10: code, 16 bits
        .quad 0x000092000000ffff        # 18: data, 64 KiB
        .quad 0x00cf9a000000ffff        # 20: code, 32 bits
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

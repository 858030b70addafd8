/* SPDX-License-Identifier: MIT */
/*
 * Paging of 32-bit mode, all that both sorts of tables have in common: rights, faults in the middle
 * of instructions, SMEP, SMAP, UMIP. ENTRY is the size of a table's entry, 4 or 8.
 *
 *     linear      physical   rights
 *     0           0          supervisor's, 2 MiB; but the page of CPL 3's stack is a user's
 *     40_0000     0          user's: CPL 3 runs there
 *     80_0000     18_0000    to try: 16 pages
 */
#include "tests/soft/lockstep/protected.h"

#define PDPT       0x106000
#define DIRECTORY  0x100000
#define TABLE0     0x101000
#define TABLE_USER 0x102000
#define TABLE      0x103000
#define PLACE      0x800000
#define PHYSICAL   0x180000

#if ENTRY == 4
#define PDE(linear) (DIRECTORY + (linear) / 0x400000 * 4)
#else
#define PDE(linear) (DIRECTORY + (linear) / 0x200000 * 8)
#endif
#define PTE(n) (TABLE + (n) * ENTRY)

#define P 1
#define W 2
#define U 4

/* As USER, but where CPL 3 has pages of its own. */
.macro AS_USER insn:vararg
        AS_USER_UNLESS 0, "", \insn
.endm

.macro AS_USER_UNLESS kinds, reason, insn:vararg
        mov dword ptr ds:[resume], offset .Lback\@
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        push USER_DATA
        push USER_STACK
        push 2
        push USER_CODE
        push offset .Luser\@ + USER_PLACE
        iretd
.Luser\@:
        DIFFERS "\kinds", "\reason"
        \insn
        FROM_USER
.Lback\@:
.endm

/* The same with a stack elsewhere. */
.macro WITH_ESP esp, insn:vararg
        WITH_ESP_UNLESS 0, "", \esp, \insn
.endm

.macro WITH_ESP_UNLESS kinds, reason, esp, insn:vararg
        mov dword ptr ds:[resume], offset .Lback\@
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        push USER_DATA
        push \esp
        push 2
        push USER_CODE
        push offset .Luser\@ + USER_PLACE
        iretd
.Luser\@:
        DIFFERS "\kinds", "\reason"
        \insn
        FROM_USER
.Lback\@:
.endm

.macro SET_PTE n, flags, page=0
        mov dword ptr [PTE(\n)], PHYSICAL + \n * 0x1000 + \flags
        invlpg [PLACE + \n * 0x1000]
.endm

/* The six accesses to page 0, whose rights are those of ebp's low and high half. */
.macro RIGHTS
        movzx ebx, bp
        or ebx, TABLE
        mov [PDE(PLACE)], ebx
        mov ebx, ebp
        shr ebx, 16
        or ebx, PHYSICAL
        mov [PTE(0)], ebx
        invlpg [PLACE]
        mov ecx, PLACE + 0x10
        TRY mov ebx, [PLACE + 0x123]
        TRY call ecx
        TRY mov [PLACE + 0x123], ebx
        AS_USER mov ebx, [PLACE + 0x123]
        AS_USER call ecx
        AS_USER mov [PLACE + 0x123], ebx
.endm

/* TABLE0 and TABLE_USER. */
.macro TABLES
        .balign 8
tables:
        .set flags, P + W
        .rept 2
        .set page, 0
        .rept 512
        .long page + flags
        .if ENTRY == 8
        .long 0
        .endif
        .set page, page + 0x1000
        .endr
        .set flags, P + W + U
        .endr
.endm

.macro PAGING
CASE "tables"
        mov edi, 0x100000
        xor eax, eax
        mov ecx, 0x8000 / 4
        rep stosd
        mov dword ptr [PDE(0)], TABLE0 + P + W + U
        mov dword ptr [PDE(USER_PLACE)], TABLE_USER + P + W + U
        mov dword ptr [PDE(PLACE)], TABLE + P + W + U
        mov esi, offset tables
        mov edi, TABLE0
        mov ecx, 512 * ENTRY / 4
        rep movsd
        mov edi, TABLE_USER
        mov ecx, 512 * ENTRY / 4
        rep movsd
        or dword ptr [TABLE0 + 5 * ENTRY], U
        mov byte ptr [PHYSICAL + 0x10], 0xc3
        mov edi, TABLE
        mov ecx, 16
        mov eax, PHYSICAL + P + W + U
1:      mov [edi], eax
        add eax, 0x1000
        add edi, ENTRY
        loop 1b
.endm

.macro PAGING_CASES
CASE "rights"
        mov esi, offset combinations
1:      mov ebp, [esi]
        RIGHTS
        add esi, 4
        cmp esi, offset combinations_end
        jb 1b
CASE "rights, with CR0.WP"
        mov eax, cr0
        or eax, 0x10000
        mov cr0, eax
        mov esi, offset combinations
1:      mov ebp, [esi]
        RIGHTS
        add esi, 4
        cmp esi, offset combinations_end
        jb 1b
        jmp 2f
combinations:
        .word P+W+U, P+W+U, P+U, P+W+U, P+W, P+W+U, P, P+W+U, W+U, P+W+U
        .word P+W+U, P+U, P+U, P+U, P+W, P+U
        .word P+W+U, P+W, P+W+U, P, P, P, P+W, P+W
        .word P+W+U, W+U, P+W+U, 0, P, 0
combinations_end:
2:      mov dword ptr [PDE(PLACE)], TABLE + P + W + U
        mov eax, cr3
        mov cr3, eax

CASE "accesses across pages"
        SET_PTE 0, P+W+U
        SET_PTE 1, 0
        mov ebx, 0x11223344
        TRY mov [PLACE + 0xffe], ebx
        TRY mov ecx, [PLACE + 0xffd]
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", add [PLACE + 0xfff], ebx
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", add [PLACE + 0xfff], bx
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", xchg [PLACE + 0xffd], ebx
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", cmpxchg [PLACE + 0xffd], ebx
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", cmpxchg8b [PLACE + 0xffc]
        WITH_ESP PLACE+0x1002, push ebx
        WITH_ESP_UNLESS ON_TCG, "another order", PLACE+0x1010, pushad
        WITH_ESP_UNLESS ON_TCG, "registers change before the fault", PLACE+0xff0, popad
        WITH_ESP PLACE+0x1004, call 0f
0:      WITH_ESP PLACE+0x1002, pop dword ptr [esp]
        WITH_ESP PLACE+0xffe, ret
        WITH_ESP_UNLESS ON_TCG, "reads the stack as a supervisor", PLACE+0xff8, iretd
        WITH_ESP_UNLESS ON_TCG, "does not try the new top of the stack", PLACE+0xffc, enter 0x1000, 0
        WITH_ESP PLACE+0xffc, pop dword ptr [PLACE + 0x1000]
        SET_PTE 1, P+U
        TRY mov [PLACE + 0xffe], ebx
        TRY_UNLESS ON_TCG, "reads first, and marks the page as accessed", add [PLACE + 0xfff], ebx
        AS_USER mov [PLACE + 0xffe], ebx
        AS_USER mov ecx, [PLACE + 0xffe]
        SET_PTE 1, P+W
        mov [PLACE + 0xffe], ebx
        mov ecx, [PLACE + 0xffe]
        AS_USER mov [PLACE + 0xffe], ebx
        AS_USER mov ecx, [PLACE + 0xffe]
        AS_USER_UNLESS ON_TCG, "reads first, and faults as a read", bts [PLACE + 0xffe], ebx
        SET_PTE 1, P+W+U
        mov [PLACE + 0xffe], ebx
        mov ecx, [PLACE + 0xffd]
        add [PLACE + 0xfff], ecx
        SET_PTE 0, 0
        TRY mov ecx, [PLACE + 0xfff]
        TRY mov [PLACE + 0xfff], ecx
        WITH_ESP PLACE+0x1000, push ebx
        mov ebx, 4096 * 8 + 5
        bt [PLACE], ebx
        btc [PLACE], ebx
        mov ebx, -1
        bts [PLACE + 0x1000 + 4], ebx
        TRY_UNLESS ON_TCG, "reads first, and faults as a read", bts [PLACE + 0x1000], ebx
        SET_PTE 0, P+W+U

CASE "strings with faults in the middle"
        SET_PTE 2, 0
        mov esi, 0x9000
        mov edi, PLACE + 0x1ff0
        mov ecx, 20
        TRY rep movsd
        mov esi, 0x9000
        mov edi, PLACE + 0x1ff1
        mov ecx, 20
        TRY rep movsd
        mov edi, PLACE + 0x1ff3
        mov ecx, 20
        TRY rep stosd
        mov esi, PLACE + 0x1ff0
        mov edi, 0x1f0000
        mov ecx, 0x20
        TRY rep movsb
        mov esi, PLACE + 0x1ffa
        mov ecx, 10
        TRY rep lodsw
        mov edi, PLACE + 0x1ffa
        mov ecx, 10
        mov ebx, 0x20
        TRY repne scasb
        mov esi, PLACE + 0x1ffa
        mov edi, PLACE + 0x1ffa
        mov ecx, 10
        TRY repe cmpsb
        std
        SET_PTE 2, P+W+U
        SET_PTE 1, P+U
        mov esi, 0x9010
        mov edi, PLACE + 0x2010
        mov ecx, 20
        TRY rep movsb
        SET_PTE 1, P+W
        std
        mov edi, PLACE + 0x2006
        mov ecx, 20
        AS_USER rep stosw
        SET_PTE 1, P+W+U
        cld
        mov esi, PLACE + 0x1f00
        mov edi, PLACE + 0x2f01
        mov ecx, 0x200
        rep movsb
        mov edi, PLACE + 0x2ff3
        mov edx, 0x21
        mov ecx, 20
        SET_PTE 3, 0
        TRY rep insb
        SET_PTE 3, P+W+U

CASE "code across pages"
        mov dword ptr [PLACE + 0x3ffd], 0x332211b8
        mov dword ptr [PLACE + 0x4001], 0x9090c344
        SET_PTE 4, 0
        mov ebx, PLACE + 0x3ffd
        TRY call ebx
        SET_PTE 4, P+W
        TRY call ebx
        AS_USER call ebx
        SET_PTE 4, P+W+U
        AS_USER call ebx
        mov byte ptr [PLACE + 0x3fff], 0x90
        mov ebx, PLACE + 0x3fff
        SET_PTE 4, 0
        TRY call ebx
        SET_PTE 4, P+W+U

CASE "code that is written to"
        mov dword ptr [PLACE + 0x5000], 0xc34040
        mov ebx, PLACE + 0x5000
        xor ecx, ecx
        call ebx
        mov byte ptr [PLACE + 0x5001], 0x48
        call ebx
        mov byte ptr [PHYSICAL + 0x5000], 0x90  # by another address
        call ebx
        mov byte ptr [PLACE + 0x6000], 0xc3
        mov dword ptr [PTE(5)], PHYSICAL + 0x6000 + P + W + U
        invlpg [PLACE + 0x5000]
        call ebx
        SET_PTE 5, P+W+U

CASE "descriptors on missing pages"
        mov esi, offset gdt
        mov edi, PLACE + 0x6fc8
        mov ecx, 0x40 / 4
        rep movsd
        SET_PTE 7, 0
        lgdt [far_gdt]
        mov ebx, TSS
        TRY lar ecx, ebx
        mov ebx, DATA
        mov es, ebx
        TRY ltr bx
        mov ebx, TSS
        TRY mov es, ebx
        SET_PTE 6, P
        mov ebx, DATA
        mov fs, ebx
        xor ebx, ebx
        mov fs, ebx
        SET_PTE 6, P+W
        mov ebx, USER_DATA
        AS_USER mov fs, ebx
        lgdt [gdt_pointer]
        SET_PTE 6, P+W+U
        SET_PTE 7, P+W+U
        mov esi, IDT
        mov edi, PLACE + 0x7f00
        mov ecx, 0x200 / 4
        rep movsd
        SET_PTE 8, 0
        lidt [far_idt]
        TRY int 0x31
        TRY ud2
        TRY int3
        lidt [idt_pointer]
        SET_PTE 8, P+W+U
        TRY lgdt [PLACE + 0x10000]
        TRY sidt [PLACE + 0x10000]
        TRY_UNLESS ON_TCG, "writes up to the fault", sgdt [PLACE + 0xfffd]
        TRY_UNLESS ON_TCG, "writes up to the fault", fxsave [PLACE + 0xff80]
        TRY bound ecx, [PLACE + 0xfffc]
        jmp 1f
far_gdt:
        .word 0x4f
        .long PLACE + 0x6fc8
far_idt:
        .word 0x1ff
        .long PLACE + 0x7f00
1:

CASE "INVLPG and CR3"
        invlpg [PLACE + 0x123000]
        AS_USER invlpg [PLACE]
        TRY .byte 0x0f, 0x01, 0xf8
        mov ebx, [PLACE]
        mov dword ptr [PTE(0)], PHYSICAL + 0x1000 + P + W + U
        invlpg [PLACE]
        mov ebx, [PLACE]
        SET_PTE 0, P+W+U
        mov eax, cr3
        or eax, 0x18
        mov cr3, eax
        mov ebx, cr3

CASE "global pages"
        mov eax, cr4
        or eax, 0x80
        mov cr4, eax
        SET_PTE 9, 0x100 + P+W+U
        mov ebx, [PLACE + 0x9000]
        mov dword ptr [PTE(9)], 0
        invlpg [PLACE + 0x9000]
        TRY mov ebx, [PLACE + 0x9000]
        SET_PTE 9, 0x100 + P+W+U
        mov ebx, [PLACE + 0x9000]
        mov dword ptr [PTE(9)], 0
        mov eax, cr4
        and eax, ~0x80
        mov cr4, eax
        TRY mov ebx, [PLACE + 0x9000]
        SET_PTE 9, P+W+U

CASE "SMEP"
        test dword ptr [FEATURES], HAVE_SMEP
        jz 1f
        mov eax, cr4
        or eax, 0x100000
        mov cr4, eax
        mov ebx, PLACE + 0x10
        TRY call ebx
        AS_USER call ebx
        SET_PTE 0, P+W
        call ebx
        SET_PTE 0, P+W+U
        mov eax, cr4
        and eax, ~0x100000
        mov cr4, eax
        call ebx
1:
CASE "SMAP"
        test dword ptr [FEATURES], HAVE_SMAP
        jz 1f
        mov eax, cr4
        or eax, 0x200000
        mov cr4, eax
        TRY mov ebx, [PLACE]
        TRY mov [PLACE], ebx
        stac
        mov ebx, [PLACE]
        mov [PLACE], ebx
        pushfd
        pop esi
        clac
        TRY mov ebx, [PLACE]
        push esi
        popfd
        mov ebx, [PLACE]
        TRY int 0x3e
        TRY mov ebx, [PLACE]
        stac
        sub esp, 8
        mov edi, PLACE
        rep stosb
        clac
        mov ecx, 4
        TRY rep stosb
        AS_USER mov ebx, [PLACE]
        AS_USER stac
        AS_USER clac
        mov ebx, PLACE + 0x10
        TRY call ebx                    # code may be fetched
        SET_PTE 6, P+W+U
        stac
        lgdt [far_gdt]
        mov ebx, DATA
        TRY mov fs, ebx                 # whatever AC says
        lgdt [gdt_pointer]
        mov eax, cr4
        and eax, ~0x200000
        mov cr4, eax
        clac
        mov ebx, [PLACE]
1:
CASE "UMIP"
        test dword ptr [FEATURES], HAVE_UMIP
        jz 1f
        mov eax, cr4
        or eax, 0x800
        mov cr4, eax
        sgdt [0x7f00]
        AS_USER sgdt [USER_STACK - 0x100]
        AS_USER sidt [USER_STACK - 0x100]
        AS_USER sldt ecx
        AS_USER str ecx
        AS_USER smsw ecx
        mov eax, cr4
        and eax, ~0x800
        mov cr4, eax
1:
CASE "paging off and on"
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov ebx, [PHYSICAL]
        or eax, 0x80000000
        mov cr0, eax
        mov ebx, [PLACE]
.endm

/* SPDX-License-Identifier: MIT */
/*
 * Paging with entries of 64 bits: NX, reserved bits, pages of 2 MiB, the four pointers.
 */
#define ENTRY 8
#include "tests/soft/lockstep/paging.inc"

BEGIN
PROTECTED
PROTECTED_GO
PAGING
        mov dword ptr [PDPT], DIRECTORY + P
        mov eax, PDPT
        mov cr3, eax
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
PAGING_CASES

CASE "NX"
        SET_PTE 0, P+W+U
        mov dword ptr [PTE(0) + 4], 0x80000000
        invlpg [PLACE]
        /* Reserved as yet. */
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov ebx, [PLACE]
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x800
        wrmsr
        mov ebx, [PLACE]
        mov ebx, PLACE + 0x10
        TRY call ebx
        AS_USER call ebx
        mov dword ptr [PTE(0) + 4], 0
        mov dword ptr [PDE(PLACE) + 4], 0x80000000
        mov eax, cr3
        mov cr3, eax
        TRY call ebx
        AS_USER call ebx
        mov ebx, [PLACE]
        mov dword ptr [PDE(PLACE) + 4], 0
        mov eax, cr3
        mov cr3, eax
        mov ebx, PLACE + 0x10
        call ebx

CASE "reserved bits"
        mov dword ptr [PTE(0) + 4], 0x40000000
        invlpg [PLACE]
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov ebx, [PLACE]
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov [PLACE], ebx
        mov dword ptr [PTE(0) + 4], 0

CASE "pages of 2 MiB"
        mov dword ptr [PDE(0xc00000)], 0x80 + P+W+U
        mov ebx, [0xc08000]
        mov [0xd8a000], ebx
        AS_USER mov [0xd8a004], ebx
        mov dword ptr [PDE(0xc00000)], 0x2080 + P+W+U
        mov eax, cr3
        mov cr3, eax
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov ebx, [0xc08000]
        mov dword ptr [PDE(0xc00000)], 0

CASE "the four pointers"
        TRY mov ebx, [0x40000000]
        mov dword ptr [PDPT + 8], DIRECTORY + P
        mov eax, cr3
        mov cr3, eax
        mov ebx, [0x40008000]
        mov dword ptr [PDPT + 16], 0x107000 + P + W
        mov eax, cr3
        TRY mov cr3, eax                # a reserved bit
        mov dword ptr [PDPT + 16], 0
        mov ebx, cr4
        and ebx, ~0x20
        mov ecx, cr0
        and ecx, 0x7fffffff
        mov cr0, ecx
        mov cr4, ebx

CASE "the end"
        hlt
TABLES

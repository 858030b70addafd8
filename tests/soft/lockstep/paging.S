/* SPDX-License-Identifier: MIT */
/*
 * Paging with entries of 32 bits, and pages of 4 MiB.
 */
#define ENTRY 4
#include "tests/soft/lockstep/paging.inc"

BEGIN
PROTECTED
PROTECTED_GO
PAGING
        mov eax, DIRECTORY
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
PAGING_CASES

CASE "pages of 4 MiB"
        mov dword ptr [PDE(0xc00000)], 0x80 + P+W+U
        TRY mov ebx, [0xc08000]         # no such pages yet: a table at 0
        mov eax, cr4
        or eax, 0x10
        mov cr4, eax
        mov ebx, [0xc08000]
        mov [0xd8a000], ebx
        AS_USER mov [0xd8a004], ebx
CASE "INVLPG of a page of 4 MiB ends all of it"
        mov dword ptr [PDE(0xc00000)], 0x80 + P
        invlpg [0xc08000]
        AS_USER mov ebx, [0xc08000]
        TRY mov [0xd8a000], ebx
        mov dword ptr [PDE(0xc00000)], 0x80 + P+W
        invlpg [0xc08000]
        mov ebx, 0xc80000 + 0x100010
        mov byte ptr [ebx], 0xc3
        call ebx
        AS_USER call ebx
        mov dword ptr [PDE(0xc00000)], 0x200080 + P+W+U
        mov eax, cr3
        mov cr3, eax
        /* A reserved bit. */
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov ebx, [0xc08000]
        TRY_UNLESS ON_TCG, "the error code has RSVD without P", mov [0xc08000], ebx
        mov eax, cr4
        and eax, ~0x10
        mov cr4, eax

CASE "the end"
        hlt
TABLES

/* SPDX-License-Identifier: MIT */
/*
 * What snippets and the program that runs them agree on.
 *
 * A snippet's file begins with BEGIN, in real mode at IMAGE_BASE, and ends with END after its code.
 * CASE "name" names what follows. DIFFERS kinds, "reason" says about the one instruction behind it
 * that KVM on such ground may do something else, and why.
 */
#ifndef TESTS_SOFT_LOCKSTEP_H
#define TESTS_SOFT_LOCKSTEP_H

#define IMAGE_BASE 0x8000
#define USER_PLACE 0x400000 /* the image's second place, where there is paging */
#define FEATURES   0x7f80 /* 32 bits, of the machine that KVM runs on */

#define HAVE_SMEP     1
#define HAVE_SMAP     2
#define HAVE_UMIP     4
#define HAVE_FSGSBASE 8
#define HAVE_AMD      16

/* Kinds of records. */
#define RECORD_CASE 1
#define ON_KVM      2 /* any */
#define ON_AMD      4
#define ON_TCG      8 /* QEMU's emulator, as in tools/kvmhost */

#ifdef __ASSEMBLER__

.macro RECORD kind, text
        .pushsection .text, 1
        .balign 4
        .long 9999b
        .long \kind
        .asciz "\text"
        .balign 4
        .popsection
.endm

.macro CASE text
9999:
        RECORD RECORD_CASE, "\text"
.endm

.macro DIFFERS kinds, text
9999:
        RECORD "\kinds", "\text"
.endm

.macro BEGIN
        .intel_syntax noprefix
        .text
        .code16
        .globl begin
begin:  jmp start16
        .org 4
        .long records
        .pushsection .text, 1
        .balign 4
records:
        .popsection
        .pushsection .text, 2
        .balign 4
        .long 0, 0
        .popsection
start16:
.endm

#endif
#endif

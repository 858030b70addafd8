/* SPDX-License-Identifier: MIT */
/*
 * What the snippets and the program that runs them agree on.
 *
 * An image begins at IMAGE_BASE with a jump; at its offset 4 stands the address of its records,
 * each an address, a kind, and a text: the name of the case that begins there, or why KVM on such
 * ground may do something else with the one instruction there.
 */
#ifndef TESTS_SOFT_LOCKSTEP_H
#define TESTS_SOFT_LOCKSTEP_H

#define IMAGE_BASE 0x8000
#define USER_PLACE 0x400000 /* the image's second place, where there is paging */
#define FEATURES   0x7f80   /* 32 bits, of the machine that KVM runs on */

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

#endif

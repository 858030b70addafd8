/* SPDX-License-Identifier: MIT */
/*
 * One byte. A CPU that halts with interrupts off can never go on, so HLT is a program's shortest
 * way to end: the one exit that this guest causes.
 */
.intel_syntax noprefix
.code16

        hlt

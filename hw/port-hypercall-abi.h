/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of the hypercall port: constants only, fit for .S and .c.
 *
 *     mov al, HYPERCALL_PUTCHAR
 *     mov bl, 'x'
 *     mov dx, HYPERCALL_PORT
 *     out dx, al
 */
#ifndef HW_PORT_HYPERCALL_ABI_H
#define HW_PORT_HYPERCALL_ABI_H

#define HYPERCALL_PORT 0x500

/* Functions, in AL. */
#define HYPERCALL_EXIT    0 /* end with status BL; by out dx, ax with status AH */
#define HYPERCALL_PUTCHAR 1 /* write the byte BL */
#define HYPERCALL_GETCHAR 2 /* the next in al, dx gives an input byte, or HYPERCALL_NO_INPUT */
#define HYPERCALL_PUTNUM  3 /* write BX as unsigned decimal */
#define HYPERCALL_NEWLINE 4 /* write a newline */
#define HYPERCALL_WRITE   5 /* write ECX bytes at guest-physical ESI, if all of them are RAM */

/*
 * The next in ax, dx gives the number of lines of the user's window, or of characters in a line: 0
 * when there is no window. COM1's ring indicator rings when they have changed (MSR.TERI).
 */
#define HYPERCALL_ROWS    6
#define HYPERCALL_COLUMNS 7

#define HYPERCALL_NO_INPUT 0xff

/* More bytes than this in one WRITE are cut off. */
#define HYPERCALL_WRITE_MAX 0x100000

#endif

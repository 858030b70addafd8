/* SPDX-License-Identifier: MIT */
/*
 * From bytes to text, for reports on a guest that went wrong.
 */
#ifndef X86_SOFT_DISASM_H
#define X86_SOFT_DISASM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Write the instruction in the first of n bytes (1 to 15) as one line of Intel syntax into text,
 * cut to size. mode is soft.mode, ip the instruction's offset in CS. Returns its length in bytes, 0
 * when n bytes are not all of it. What is no instruction reads "(bad)". Any thread.
 */
int soft_disassemble(uint32_t mode, const uint8_t *bytes, int n, uint64_t ip, char *text,
                     size_t size);

#endif

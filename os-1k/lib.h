/* SPDX-License-Identifier: MIT */
/*
 * What the kernel and user programs both need of a C library.
 */
#ifndef OS_1K_LIB_H
#define OS_1K_LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
char *strchr(const char *s, int c);

/* Copy as much of a string as there is room for, with the zero at its end. */
void copy_string(char *to, const char *from, size_t size);

/* Write text to buf as printf does, cut off to fit, with a zero at its end; the length it has.
 * Knows %d %s %c %%, each with a width and a - before it, and %x, which has always eight digits. */
int format(char *buf, size_t size, const char *text, va_list args);

#endif

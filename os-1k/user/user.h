/* SPDX-License-Identifier: MIT */
/*
 * The C library of user programs: system calls (abi.h says what they do), and text in and out.
 */
#ifndef OS_1K_USER_H
#define OS_1K_USER_H

#include "os-1k/abi.h"
#include "os-1k/lib.h"

int main(const char *arguments);

__attribute__((noreturn)) void exit(int status);
int write(const void *buf, size_t n);
int getchar(void);
int spawn(const char *program, const char *arguments);
int wait(int pid);
int getpid(void);
int readfile(const char *name, unsigned offset, void *buf, size_t n);
int writefile(const char *name, const void *buf, size_t n);
int list(int index, struct file_info *info);
int process(int index, struct process_info *info);
int ticks(void);
int pages(void);
int sleep(int n);

/* At most 255 bytes. They come out in one piece, whatever other processes write. */
__attribute__((format(printf, 1, 2))) int printf(const char *text, ...);

/* Ask for a line of fewer than size bytes, and show it as it is typed. Its length, or END_OF_INPUT.
 * What is typed is shown by the program and not by a terminal, so it is also when it comes from a
 * pipe. Enter is \r or \n; Backspace or DEL takes a character back; what does not fit is refused
 * with a bell; Ctrl-C drops the line, and Ctrl-D in an empty one is the end of the input. */
int readline(const char *prompt, char *buf, int size);

const char *skip_spaces(const char *text);

/* Read a number, with a sign or without, as far as it goes; where it ends, or NULL when there is
 * none or it does not fit. */
const char *parse_int(const char *text, int *value);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Linux as a guest, whatever its image: its command line, a command for it to run, and whether it
 * rebooted or panicked at its end.
 */
#ifndef BOOT_LINUX_H
#define BOOT_LINUX_H

#include "boot/cpio.h"
#include "boot/elf.h"
#include "boot/image.h"
#include "hw/ram.h"

#include <stdbool.h>
#include <stddef.h>

/* The longest command line that Linux/x86 takes where its image does not say: COMMAND_LINE_SIZE,
 * but for the 0 at the end. */
#define LINUX_CMDLINE_MAX 2047

/* Do the notes of an ELF file say that it is Linux? All from 4.19 on say so themselves; before that
 * the notes for Xen, which a kernel with a PVH entry has, name the system. */
bool linux_notes(const struct elf *e);

/* Is a kernel Linux, as a bzImage or vmlinux? */
bool linux_is(const struct image *img);

/* Can it run 64-bit programs, as far as its image tells? */
bool linux_is_64(const struct image *img);

/* What the kernel says of its version, as far as size bytes take it; false when it says nothing. */
bool linux_version(const struct image *img, char *version, size_t size);

/*
 * The command line: the defaults that make COM1 the console and let a panic end the machine, words
 * on what the terminal is like or "", and the user's, which come last and so win. The caller frees
 * it.
 */
char *linux_cmdline(const char *terminal, const char *user);

/*
 * Add to an archive what makes the initramfs of tools/mkinitramfs run a command instead of a shell:
 * argv up to its NULL. raw: the command's bytes pass unchanged, as its output is no terminal.
 * ports: what /minivm/ports says (see initramfs/init), or NULL.
 */
void linux_command(struct cpio *c, char **argv, bool raw, const char *ports);

/* Why Linux asked for a reset or caused a triple fault. */
enum linux_end {
    LINUX_CRASHED,  /* by accident */
    LINUX_REBOOTED, /* on purpose */
    LINUX_PANICKED, /* it gave up, see its console */
};

/* Before it starts: leave a mark in RAM, which Linux overwrites when it resets the machine. */
void linux_mark(const struct ram *ram);

/* After it ended with a reset or a triple fault. cmdline is the one that it was given. */
enum linux_end linux_verdict(const struct ram *ram, const char *cmdline);

#endif

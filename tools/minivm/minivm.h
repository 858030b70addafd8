/* SPDX-License-Identifier: MIT */
/*
 * The minivm command: its subcommands and what they share.
 */
#ifndef TOOLS_MINIVM_MINIVM_H
#define TOOLS_MINIVM_MINIVM_H

#include "boot/kernel.h"
#include "boot/realmode.h"
#include "hw/pc.h"
#include "tools/minivm/dump.h"
#include "tools/minivm/nets.h"
#include "tools/minivm/root.h"

#include <stdbool.h>
#include <stdint.h>

#define MINIVM_VERSION "0.1"

/* Subcommands: argv[0] is their name; they return the exit status. */
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* The most ranges of memory to dump. */
#define DUMPS_MAX 16

/* At least the number of options. */
#define OPTIONS_MAX 64

/* What `minivm run` was asked to do. */
struct options {
    const char *kernel, *cmdline, *symbols;
    const char *from;       /* a snapshot's directory, in place of a guest */
    const char *name;       /* that the machine is spoken to by; NULL for none */
    const char *engine;     /* auto, kvm or soft */
    const char *cpu;        /* host or portable */
    const char *soft_clock; /* host or instructions */
    const char *boot;       /* the name of the way to boot it; NULL for the best */
    struct {
        const char *file;
        bool initrd; /* given by --initrd: the name has no arguments behind it */
    } module[KERNEL_MODULES];
    int modules;
    const char *root_said;               /* a directory or a disk; NULL without --root */
    struct root root;                    /* which it is */
    const char *module_dir;              /* where the kernel's modules are; NULL to look for them */
    const char *pmode, *longmode;        /* a 32-bit kernel, a 64-bit program: flat binaries */
    const char *guest[1 + REALMODE_MAX]; /* flat programs: pmode or longmode, if given; the files
                                          * without an option */
    int guests;                          /* how many of them; 0 with kernel */
    uint64_t mem;                        /* bytes, 0 for what suits the guest */
    int cpus;
    int entry;       /* 0, 32 or 64 */
    int64_t timeout; /* ns, 0 for none */
    bool real;       /* the files without an option are 16-bit programs, whatever they look like */
    bool no_cache, no_reboot, stat, verbose, split, nested;
    bool debugcon;
    const char *debugcon_file; /* NULL for stderr */
    int exit_port;             /* 0 for none */
    char **command;            /* what follows --, or NULL */
    struct {
        const char *dir, *tag;
        bool read_only;
    } share[PC_MAX_SHARES];
    int shares;
    struct {
        const char *file;
        bool read_only, snapshot;
    } disk[PC_MAX_DISKS];
    int disks;
    struct net_option net[PC_MAX_NETS];
    int nets;
    const char *vsock; /* the path of its socket; NULL for none */
    uint32_t vsock_cid;
    struct dump dump[DUMPS_MAX];
    int dumps;

    /* How each option of the table was given, "-k" or "--kernel"; NULL when it was not. */
    const char *said[OPTIONS_MAX];
};

/* Fill o, which is all zeros, from the arguments of `minivm run`. Dies on a bad one. */
void options_parse(struct options *o, int argc, char **argv);

/* How an option was given, for a message about it; NULL when it was not. */
const char *options_said(const struct options *o, const char *name);

/* The same for the first option given that makes sense for kernels only; NULL when there is none.
 */
const char *options_for_kernels(const struct options *o);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The ports of virtio-console that a command in the guest has in place of stdin, stdout and stderr:
 * one for each of these that is no terminal on the host, and one for its status. What is a terminal
 * here is one there, by COM1. The guest's init takes them where the kernel has the driver; where it
 * has not, everything goes by COM1.
 *
 * So an end of file is one, bytes pass as they are, and stderr stays stderr. Where stdout and
 * stderr are the same file they have one port, which keeps their order.
 */
#ifndef TOOLS_MINIVM_PORTS_H
#define TOOLS_MINIVM_PORTS_H

#include "hw/virtio-console.h"
#include "tools/minivm/terminal.h"
#include "x86/machine.h"

enum {
    PORTS_MAX = 4,
};

struct ports {
    struct terminal *terminal;
    struct machine *machine;
    struct virtio_console_end end[PORTS_MAX]; /* for config.port */
    int ends;

    /* stdin: worker's lock. */
    struct port_input {
        struct console console;
        struct watch watch;
        struct worker *worker;
        bool lent, ended;
    } in;

    /* stdout, stderr. */
    struct port_output {
        struct console console;
        struct ports *ports;
        struct writer *writer; /* NULL: there is none */
        struct watch drained;  /* a bell: little is unwritten again */
    } out[2];

    struct console told;
    int status;  /* of the command, once its port has told it; -1 before */
    int telling; /* what has been told so far, in digits; -1 for nothing */
};

/* How many ports a command is to have on the descriptors of this process. 0: all are terminals. */
int ports_wanted(void);

/* Make them on a terminal that is made, and not started. in_line: the guest waits for readers by
 * the terminal's console.wait. */
void ports_init(struct ports *p, struct terminal *t, bool in_line);

/* The machine has been built with them, and does not run yet. */
void ports_start(struct ports *p, struct machine *m);

/* The machine stands still: pass on what is in the rings, but none that a reader would have to be
 * waited for. Main thread. */
void ports_flush(struct ports *p);

/* The same, and wait for readers until the deadline, as in writer_patience(). */
void ports_finish(struct ports *p, uint64_t deadline);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A running machine can be spoken to: by a socket that has its name (minivm run --name), in
 * $XDG_RUNTIME_DIR/minivm or, where that is not set, in /run/user/UID/minivm or /tmp/minivm-UID.
 * Only its user may.
 *
 * Who connects writes lines of JSON, each an object, of 64 KiB at most, and gets a line for each,
 * in order: {"ok": true}, or {"error": "why"}. After a longer line nothing is heard. A request says
 * what to do:
 *
 *     {"do": "snapshot", "dir": "/an/absolute/path", "stop": false}
 *         save the machine in that directory, which is made, or replaced if it has a snapshot;
 *         it goes on, or with "stop", which may be left out, ends.
 */
#ifndef TOOLS_MINIVM_CONTROL_H
#define TOOLS_MINIVM_CONTROL_H

#include "tools/minivm/steer.h"

enum {
    CONTROL_CLIENTS = 8, /* at once; others wait */
    CONTROL_LINE = 64 * 1024,
};

struct load;

struct control {
    char *path; /* of the socket; NULL: there is none */
    struct watch listener;
    struct steer *steer;
    const struct load *load;
    struct control_client {
        struct watch watch; /* fd 0: it is free */
        struct control *control;
        char *line;
        size_t len;
        bool waits; /* for the answer to a request */
        bool deaf;  /* it said too much, and is not heard any more */
    } client[CONTROL_CLIENTS];

    /* A snapshot that is being taken. */
    struct still still;
    struct control_client *asked; /* NULL: who asked is gone */
    char *dir;                    /* NULL: none is */
    bool stop;
};

/* Take a name. Dies when another machine has it, or it is none. */
void control_open(struct control *c, const char *name);

/* Serve the socket in the machine's loop. */
void control_start(struct control *c, struct steer *s, const struct load *l);

/* Give the name back. Main thread, which serves nothing any more. */
void control_close(struct control *c);

/* Connect to the machine of a name. Dies when there is none. */
int control_connect(const char *name);

#endif

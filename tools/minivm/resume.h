/* SPDX-License-Identifier: MIT */
/*
 * A machine that goes on from a snapshot, in place of guests that are loaded: what minivm has to
 * know of them beside the machine's state.
 */
#ifndef TOOLS_MINIVM_RESUME_H
#define TOOLS_MINIVM_RESUME_H

#include "tools/minivm/load.h"
#include "x86/snapshot.h"

struct resume {
    struct snapshot snapshot;
    struct config config; /* what the machine was made of */
    const char *name[PC_MAX_CPUS];
    bool is_linux;
    const char *cmdline;
    enum probe_mode mode;  /* as load_mode() */
    uint64_t start, moved; /* as load_place() */
};

/* Open a snapshot. Dies when there is none that can be used. */
struct resume *resume_open(const char *dir);

/* The engine that it needs, or NULL: any will do. */
const struct engine *resume_engine(const struct resume *r);

/* What it was made of, but for the engine. */
void resume_config(struct resume *r, struct config *c);

/* The machine goes on; with the engine that it has. Dies when it cannot. */
void resume_load(struct resume *r, struct machine *m);

/* Save a machine of those guests: snapshot_save(), and this. NULL, or why that cannot be, in words
 * that follow the directory's name; static. */
const char *resume_save(const struct load *l, struct machine *m, const char *dir);

#endif

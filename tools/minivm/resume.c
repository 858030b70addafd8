// SPDX-License-Identifier: MIT
/*
 * Snapshots, as `minivm run` takes and gives them.
 *
 * The section "guests" is text: lines of a word, a space and a value, in which newlines and
 * backslashes are quoted by a backslash.
 *
 * Left out: machines with disks, networks, shared directories, sockets or a command's ports, as
 * what is outside of them is not saved. Kernels under KVM: the clock that KVM gives them is not
 * carried over, and Linux does not survive that.
 */
#include "tools/minivm/resume.h"
#include "hw/die.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1
};

/* ---- the section ---- */

static void tell(FILE *f, const char *word, const char *value)
{
    fprintf(f, "%s ", word);
    for (; *value; value++)
        if (*value == '\n' || *value == '\\')
            fprintf(f, "\\%c", *value == '\n' ? 'n' : '\\');
        else
            fputc(*value, f);
    fputc('\n', f);
}

/* In place. */
static char *unquote(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1])
            *to++ = *++from == 'n' ? '\n' : *from;
        else
            *to++ = *from;
    }
    *to = 0;
    return text;
}

static void hear(struct resume *r, int *names, const char *word, char *value)
{
    if (!strcmp(word, "name") && *names < PC_MAX_CPUS)
        r->name[(*names)++] = unquote(value);
    else if (!strcmp(word, "cmdline"))
        r->cmdline = unquote(value);
    else if (!strcmp(word, "linux"))
        r->is_linux = *value == '1';
    else if (!strcmp(word, "mode"))
        r->mode = strtoul(value, NULL, 10);
    else if (!strcmp(word, "start"))
        r->start = strtoull(value, NULL, 16);
    else if (!strcmp(word, "moved"))
        r->moved = strtoull(value, NULL, 16);
}

static void read_guests(struct resume *r, const char *dir)
{
    uint32_t version;
    size_t len;
    const void *data = state_file_find(&r->snapshot.state, "guests", &version, &len);
    int names = 0;

    if (!data || version != VERSION)
        die("%s: made by another minivm: it does not say what its guests are", dir);
    char *text = strndup(data, len), *line;

    assert(text);
    while ((line = strsep(&text, "\n"))) {
        char *space = strchr(line, ' ');

        if (!space)
            continue;
        *space = 0;
        hear(r, &names, line, space + 1);
    }
    if (r->mode >= PROBE_MODES)
        die("%s: damaged: its guests are of no mode", dir);
    if (names != r->config.guests)
        die("%s: damaged: it names %d of %d guests", dir, names, r->config.guests);
}

/* ---- going on ---- */

struct resume *resume_open(const char *dir)
{
    struct resume *r = calloc(1, sizeof(*r));

    assert(r);
    r->cmdline = "";
    if (!snapshot_open(&r->snapshot, dir) || !snapshot_config(&r->snapshot, &r->config))
        die("%s: %s", dir, r->snapshot.problem);
    read_guests(r, dir);
    return r;
}

const struct engine *resume_engine(const struct resume *r)
{
    if (r->config.apic)
        return &soft_engine;
    return r->config.portable ? NULL : r->config.engine;
}

void resume_config(struct resume *r, struct config *c)
{
    const struct engine *engine = c->engine;

    if (!snapshot_config(&r->snapshot, c))
        die("%s: %s", r->snapshot.dir, r->snapshot.problem);
    c->engine = engine;
}

void resume_load(struct resume *r, struct machine *m)
{
    if (!snapshot_restore(&r->snapshot, m))
        die("%s: %s", r->snapshot.dir, r->snapshot.problem);
    snapshot_close(&r->snapshot);
}

/* ---- saving ---- */

static const char *outside(const struct config *c)
{
    return c->disks    ? "a disk"
           : c->nets   ? "a network"
           : c->shares ? "a shared directory"
           : c->vsock  ? "vsock"
           : c->ports  ? "a command's ports"
                       : NULL;
}

static void add_guests(struct state_file *state, const struct load *l, const struct machine *m)
{
    char *text, number[32];
    uint64_t start, moved;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    load_place(l, &start, &moved);
    for (int i = 0; i < m->config.guests; i++)
        tell(f, "name", load_name(l, i));
    tell(f, "linux", l->is_linux ? "1" : "0");
    tell(f, "cmdline", l->cmdline ? l->cmdline : "");
    snprintf(number, sizeof(number), "%d", load_mode(l));
    tell(f, "mode", number);
    snprintf(number, sizeof(number), "%" PRIx64, start);
    tell(f, "start", number);
    snprintf(number, sizeof(number), "%" PRIx64, moved);
    tell(f, "moved", number);
    fclose(f);
    state_file_add(state, "guests", VERSION, text, size);
    free(text);
}

const char *resume_save(const struct load *l, struct machine *m, const char *dir)
{
    static struct snapshot s;
    const char *what = outside(&m->config);

    s = (struct snapshot){0};
    if (m->config.apic && m->engine != &soft_engine) {
        snprintf(s.problem, sizeof(s.problem),
                 "a kernel's machine cannot be saved under KVM, only with --engine soft");
        return s.problem;
    }
    if (what) {
        snprintf(s.problem, sizeof(s.problem), "a machine with %s cannot be saved", what);
        return s.problem;
    }
    add_guests(&s.state, l, m);
    bool saved = snapshot_save(&s, m, dir);

    state_file_free(&s.state);
    return saved ? NULL : s.problem;
}

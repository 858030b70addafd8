// SPDX-License-Identifier: MIT
/*
 * Which engine a guest gets.
 */
#include "tools/minivm/choose.h"
#include "hw/die.h"
#include "tools/minivm/resume.h"
#include "x86/kvm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Is KVM there at all? NULL, or why not; static. */
static const char *kvm_problem(void)
{
    static char problem[512];
    int fd = kvm_device(problem, sizeof(problem));

    if (fd < 0)
        return problem;
    const char *missing = kvm_missing(fd);

    close(fd);
    if (!missing)
        return NULL;
    snprintf(problem, sizeof(problem), "/dev/kvm lacks %s", missing);
    return problem;
}

/* The machine cannot go on with any other engine. */
static void choose_saved(struct choice *c, const struct options *o, const struct engine *saved)
{
    const char *problem = saved == &kvm_engine ? kvm_problem() : NULL;

    if (strcmp(o->engine, "auto") && strcmp(o->engine, saved->name))
        die("--engine %s: the machine in %s can go on with engine %s only", o->engine, o->from,
            saved->name);
    if (problem)
        die("%s: it ran on engine kvm, and was not made with --cpu portable: %s", o->from, problem);
    c->engine = saved;
}

void choose_engine(struct choice *c, const struct load *l)
{
    const struct options *o = l->options;
    const struct engine *saved = l->resume ? resume_engine(l->resume) : NULL;

    if (saved) {
        choose_saved(c, o, saved);
        return;
    }
    c->engine = &kvm_engine;
    if (!strcmp(o->engine, "soft") || !strcmp(o->soft_clock, "instructions"))
        c->engine = &soft_engine;
    else if (!strcmp(o->engine, "auto") && (c->no_kvm = kvm_problem()))
        c->engine = &soft_engine;
}

void choose_again(struct choice *c, struct load *l, struct machine *m)
{
    bool any = !strcmp(l->options->engine, "auto") && !(l->resume && resume_engine(l->resume));

    if (c->engine != &kvm_engine)
        return;
    const char *problem = load_probe(l, m, any);

    if (!problem)
        return;
    snprintf(c->why, sizeof(c->why), "this host's /dev/kvm %s", problem);
    if (!any) {
        load_guests(l, m); /* which may know of a better reason */
        die("%s; --engine soft can ('minivm check' says more)", c->why);
    }
    c->no_kvm = c->why;
    c->engine = &soft_engine;
    machine_use(m, c->engine);
}

void choose_say(const struct choice *c, const struct machine *m)
{
    FILE *f = m->config.trace;

    if (f)
        fprintf(f, "engine: %s%s%s%s\n", c->engine->name, c->no_kvm ? " (" : "",
                c->no_kvm ? c->no_kvm : "", c->no_kvm ? ")" : "");
}

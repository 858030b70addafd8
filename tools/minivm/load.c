// SPDX-License-Identifier: MIT
/*
 * Loading what the user named.
 */
#define _GNU_SOURCE
#include "tools/minivm/load.h"
#include "boot/acpi.h"
#include "boot/linux.h"
#include "boot/longmode.h"
#include "boot/mptable.h"
#include "boot/pmode-1k.h"
#include "hw/die.h"
#include "x86/probe.h"

#include <stdio.h>
#include <unistd.h>

#define LINUX_RAM (UINT64_C(512) << 20)

static void open_linux(struct load *l)
{
    const struct options *o = l->options;

    image_open(&l->kernel.kernel, o->kernel, true);
    if (o->initrd) {
        image_open(&l->initrd, o->initrd, false);
        l->kernel.initrd = &l->initrd;
    }
    if (o->command) {
        linux_command(&l->extra, o->command, !isatty(STDOUT_FILENO));
        l->kernel.extra = l->extra.buf;
        l->kernel.extra_size = l->extra.size;
    }
    l->cmdline = linux_cmdline(o->cmdline, isatty(STDIN_FILENO));
    l->kernel.cmdline = l->cmdline;
    l->kernel.entry = o->entry;
}

/* Open a program; its name may lack the .bin. */
static void open_program(struct image *img, const char *name)
{
    char *longer;

    if (access(name, F_OK) < 0 && asprintf(&longer, "%s.bin", name) > 0 &&
        access(longer, F_OK) == 0)
        name = longer;
    image_open(img, name, false);
}

void load_open(struct load *l, const struct options *o)
{
    l->options = o;
    if (o->kernel)
        open_linux(l);
    else if (o->pmode || o->longmode)
        open_program(&l->image[0], o->pmode ? o->pmode : o->longmode);
    for (int i = 0; i < o->guests; i++)
        open_program(&l->image[i], o->guest[i]);
}

void load_config(const struct load *l, struct config *c)
{
    const struct options *o = l->options;

    c->apic = o->kernel;
    c->cpus = o->guests ? o->guests : o->cpus;
    if (o->mem)
        c->ram = o->mem;
    else if (o->kernel)
        c->ram = LINUX_RAM;
    else if (o->pmode)
        c->ram = PMODE_1K_RAM;
    else if (o->longmode)
        c->ram = LONGMODE_RAM;
    else
        c->ram = REALMODE_RAM;
}

#define CURE                                                                                       \
    "; put 'tools/kvmhost' before the command, or use another host ('minivm check' says more)"

const char *load_probe(const struct load *l, struct machine *m)
{
    const struct options *o = l->options;

    if (o->kernel && !probe_run(m, PROBE_PAGED32))
        return "this host's /dev/kvm cannot run Linux (32-bit paging fails)" CURE;
    if (o->pmode && !probe_run(m, PROBE_PAGED32))
        return "this host's /dev/kvm cannot run 32-bit code with paging" CURE;
    if (o->longmode && !probe_run(m, PROBE_LONG))
        return "this host's /dev/kvm cannot run 64-bit code" CURE;
    return NULL;
}

static void load_linux(struct load *l, struct machine *m, struct cpu_state *s)
{
    struct acpi_config acpi = {.cpus = m->config.cpus};

    l->kernel.rsdp = acpi_build(&m->ram, &acpi);
    mptable_build(&m->ram, m->config.cpus);
    linux_mark(&m->ram);
    bzimage_load(&l->kernel, &m->ram, s);
}

void load_guests(struct load *l, struct machine *m)
{
    const struct options *o = l->options;
    int n = o->guests ? o->guests : 1;

    for (int i = 0; i < n; i++) {
        struct cpu_state s;

        if (o->kernel)
            load_linux(l, m, &s);
        else if (o->pmode)
            pmode_1k_load(&l->image[0], &m->ram, &s);
        else if (o->longmode)
            longmode_load(&l->image[0], &m->ram, &s);
        else
            realmode_load(&l->image[i], i, n, &m->ram, &s);
        m->engine->set(&m->vcpu[i], &s);
    }
}

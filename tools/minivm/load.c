// SPDX-License-Identifier: MIT
/*
 * Loading what the user named. A file's bytes tell what it is, not its name.
 */
#define _GNU_SOURCE
#include "tools/minivm/load.h"
#include "boot/acpi.h"
#include "boot/bios.h"
#include "boot/guess.h"
#include "boot/identify.h"
#include "boot/initramfs.h"
#include "boot/linux.h"
#include "boot/longmode.h"
#include "boot/modules.h"
#include "boot/mptable.h"
#include "boot/pmode-1k.h"
#include "hw/die.h"
#include "hw/units.h"
#include "tools/minivm/ports.h"
#include "tools/minivm/resume.h"
#include "tools/minivm/terminal.h"
#include "x86/probe.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL_RAM (512 * MIB)

/* Open a program; its name may lack the .bin. */
static void open_program(struct image *img, const char *name)
{
    char *longer;

    if (access(name, F_OK) < 0 && asprintf(&longer, "%s.bin", name) > 0 &&
        access(longer, F_OK) == 0)
        name = longer;
    image_open(img, name, true);
}

static _Noreturn void die_no_kernel(const struct image *img, const char *said)
{
    char what[256];

    if (identify(img, what, sizeof(what)))
        die("%s: %s", img->name, what);
    die("%s: no kernel that minivm knows (bzImage, PVH, Multiboot, 64-bit vmlinux); a 16-bit "
        "program goes without %s",
        img->name, said);
}

/* A file that is to run as a 16-bit program must not look like another kind of file; nor, unless
 * the user insists, like code of more bits. */
static void refuse_stranger(const struct image *img, bool real)
{
    char what[256];

    if (!identify_program(img) && identify(img, what, sizeof(what)))
        die("%s: %s", img->name, what);
    int bits = real ? 0 : guess_bits(img);

    if (bits)
        die("%s: its code looks like that of a %d-bit program: say --%s %s (or --real, if it is a "
            "16-bit one)",
            img->name, bits, bits == 64 ? "long" : "pmode", img->name);
}

/* --module FILE[,ARGS], --initrd FILE */
static void open_modules(struct load *l)
{
    const struct options *o = l->options;

    for (int i = 0; i < o->modules; i++) {
        struct module *m = &l->kernel.module[l->kernel.modules++];
        char *file = strdup(o->module[i].file), *comma = strchr(file, ',');

        m->args = "";
        /* A comma may be part of the name. */
        if (comma && !o->module[i].initrd && access(file, F_OK) < 0) {
            *comma = 0;
            m->args = comma + 1;
        }
        if (!*file)
            die("--module: the file's name is missing");
        if (l->is_linux && !o->module[i].initrd)
            die("--module %s: Linux takes an initramfs; say --initrd", file);
        image_open(&m->image, file, false);
    }
}

/* Are there devices that the user asked for? */
static bool needs_drivers(const struct options *o)
{
    return o->disks || o->shares || o->nets || o->vsock || o->module_dir;
}

/* The modules that disks, shares, networks, vsock and ports need go into the last archive, and so
 * to init, also where that is of the user's initramfs. What is not found may be built into the
 * kernel; the guest says so if not. */
static void add_drivers(struct load *l)
{
    const struct options *o = l->options;
    const char *const wanted[] = {"virtio_pci",
                                  o->shares ? "virtiofs" : NULL,
                                  o->root.dir && !o->root.write ? "overlay" : NULL,
                                  o->disks ? "virtio_blk" : NULL,
                                  o->disks ? "crc32c_generic" : NULL,
                                  o->disks ? "ext4" : NULL,
                                  o->nets ? "virtio_net" : NULL,
                                  o->vsock ? "vmw_vsock_virtio_transport" : NULL,
                                  l->ports ? "virtio_console" : NULL};
    struct modules m = {.lenient = !needs_drivers(o)};
    char version[256] = "";

    linux_version(&l->kernel.image, version, sizeof(version));
    if (!modules_find(&m, l->kernel.image.name, version, o->module_dir))
        return;
    cpio_add(&l->extra, "minivm", S_IFDIR | 0755, "", 0);
    cpio_add(&l->extra, "minivm/modules", S_IFDIR | 0755, "", 0);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (wanted[i])
            modules_add(&m, &l->extra, wanted[i]);
    /* Nobody asked for this one: no command waits for it. */
    m.later = true;
    cpio_add(&l->extra, "minivm/later", S_IFDIR | 0755, "", 0);
    modules_add(&m, &l->extra, "virtio_balloon");
    modules_close(&m);
}

static void open_linux(struct load *l)
{
    const struct options *o = l->options;
    bool raw = !isatty(STDOUT_FILENO);
    char words[TERMINAL_WORDS], ports[32];

    if (o->root_said && o->modules)
        die("--root brings an initramfs of its own; with %s, say --disk, or --share, in its place",
            options_said(o, "initrd"));
    if (o->root_said && !linux_is_64(&l->kernel.image))
        die("--root needs a 64-bit kernel, and %s is one of 32 bits", l->kernel.image.name);
    if (o->command && !o->modules && !o->root_said)
        die("-- %s: a command needs --root DIR, or an initramfs made by tools/mkinitramfs: "
            "--initrd FILE",
            o->command[0]);
    if (o->command && !linux_is_64(&l->kernel.image))
        die("-- %s: a command needs a 64-bit kernel, as what runs it in the guest is of 64 bits, "
            "and %s is one of 32",
            o->command[0], l->kernel.image.name);
    l->ports = o->command ? ports_wanted() : 0;
    snprintf(ports, sizeof(ports), "%d%s\n", l->ports,
             raw && !isatty(STDERR_FILENO) ? " silent" : "");
    if (o->root_said)
        root_initramfs(&l->extra, &o->root, o->command, raw, l->ports ? ports : NULL);
    else if (o->command)
        linux_command(&l->extra, o->command, raw, l->ports ? ports : NULL);
    if (o->module_dir && !o->modules && !o->root_said)
        die("--modules %s: there is no initramfs that could load them: say --root DIR, or --initrd "
            "FILE",
            o->module_dir);
    if ((needs_drivers(o) || l->ports) && (o->modules || o->root_said))
        add_drivers(l);
    if (l->extra.size)
        cpio_end(&l->extra);
    l->kernel.extra = l->extra.buf;
    l->kernel.extra_size = l->extra.size;
    terminal_words(STDIN_FILENO, words, sizeof(words));
    l->cmdline = linux_cmdline(words, o->cmdline);
    l->kernel.cmdline = l->cmdline;
}

/* The kernel does not offer the way that was asked for; perhaps the vmlinux inside does. */
static void open_inside(struct load *l)
{
    struct image *img = &l->kernel.image, inside;

    if (!way_bzimage.offered(img))
        die("%s: cannot be booted by %s; 'minivm inspect %s' says how it can", img->name,
            l->way->name, img->name);

    const char *problem = bzimage_unpack(img, !l->options->no_cache, &inside);

    if (problem)
        die("%s: %s, so it cannot be booted by %s", img->name, problem, l->way->name);
    if (!l->way->offered(&inside))
        die("%s: neither it nor the vmlinux inside can be booted by %s; 'minivm inspect %s' says "
            "how they can",
            img->name, l->way->name, img->name);
    image_close(img);
    *img = inside;
}

/* The kernel is to be unpacked before it boots. Unless that was said it may also do so itself. */
static void open_unpacked(struct load *l)
{
    const struct options *o = l->options;

    if (o->entry && !o->boot)
        l->way = &way_bzimage;
    else if ((l->packed = bzimage_open(&l->kernel.image, !o->no_cache, &l->inside)) && o->boot)
        die("%s: %s, so it cannot be booted by %s", l->kernel.image.name, l->packed, l->way->name);
    else if (l->packed)
        l->way = &way_bzimage;
    else
        l->kernel.inside = &l->inside;
    if (!strcmp(o->soft_clock, "instructions"))
        l->kernel.sequence = &l->sequence;
}

/* The image is a kernel; l->way is the best way to boot it. */
static void open_kernel(struct load *l)
{
    const struct options *o = l->options;

    if (o->boot) {
        l->way = way_named(o->boot);
        if (!l->way->offered(&l->kernel.image))
            open_inside(l);
    }
    if (l->way == &way_unpacked)
        open_unpacked(l);
    l->is_linux = linux_is(&l->kernel.image);
    open_modules(l);
    if (o->entry && l->way != &way_bzimage)
        die("--entry: a bzImage has two entry points; booted by %s, a kernel has one",
            l->way->name);
    l->kernel.entry = o->entry;
    l->kernel.cmdline = o->cmdline;
    if (l->is_linux)
        open_linux(l);
    else if (o->root_said)
        die("--root: only Linux can use it, and %s is another kernel", l->kernel.image.name);
    else if (o->command)
        die("-- %s: only Linux can run a command, and %s is another kernel", o->command[0],
            l->kernel.image.name);
}

/* Which of the programs is the first 16-bit one? */
static int first_real(const struct options *o)
{
    return o->pmode || o->longmode;
}

/* The guests are flat programs. */
static void check_options(const struct load *l)
{
    const struct options *o = l->options;
    const char *said = options_for_kernels(o);

    if (o->cpus > 1)
        die(first_real(o) ? "%s: such a program has one CPU"
                          : "%s: each 16-bit program has one CPU; name several programs",
            options_said(o, "cpus"));
    if (said)
        die("%s is for kernels, and %s is a flat program", said, l->program[0].name);
}

static bool is_cpio(const struct image *img)
{
    char magic[6];

    return image_peek(img, 0, magic, sizeof(magic)) == sizeof(magic) &&
           (!memcmp(magic, "070701", 6) || !memcmp(magic, "070702", 6));
}

/* Several programs, and one of them is a kernel. Perhaps another is its initramfs. */
static _Noreturn void die_not_alone(const struct load *l, const struct image *kernel)
{
    for (int i = 0; i < l->programs; i++)
        if (is_cpio(&l->program[i]))
            die("%s: an initramfs; did you mean: minivm run %s --initrd %s", l->program[i].name,
                kernel->name, l->program[i].name);
    die("%s: a kernel, which runs alone", kernel->name);
}

static void open_programs(struct load *l)
{
    const struct options *o = l->options;

    for (int i = 0; i < o->guests; i++)
        open_program(&l->program[l->programs++], o->guest[i]);
    for (int i = first_real(o); i < o->guests && o->guests > 1; i++)
        if (way_of(&l->program[i]))
            die_not_alone(l, &l->program[i]);
}

void load_open(struct load *l, const struct options *o)
{
    l->options = o;
    if (o->from) {
        l->resume = resume_open(o->from);
        l->is_linux = l->resume->is_linux;
        l->cmdline = l->resume->cmdline;
        return;
    }
    if (o->kernel)
        image_open(&l->kernel.image, o->kernel, true);
    else
        open_programs(l);
    if (o->guests == 1 && !first_real(o))
        l->kernel.image = l->program[0];
    if (l->kernel.image.name)
        l->way = way_of(&l->kernel.image);
    if (l->way)
        open_kernel(l);
    else if (o->kernel)
        die_no_kernel(&l->kernel.image, options_said(o, "kernel"));
    else
        for (int i = first_real(o); i < o->guests; i++)
            refuse_stranger(&l->program[i], o->real);
    if (!l->way)
        check_options(l);
}

const char *load_name(const struct load *l, int n)
{
    if (l->resume)
        return l->resume->name[l->resume->config.guests > 1 ? n : 0];
    return l->way ? l->kernel.image.name : l->program[n].name;
}

void load_config(const struct load *l, struct config *c)
{
    const struct options *o = l->options;

    if (l->resume) {
        resume_config(l->resume, c);
        return;
    }
    c->apic = l->way;
    c->guests = l->way ? 1 : l->programs;
    c->cpus = l->way ? o->cpus : c->guests;
    if (o->mem)
        c->ram = o->mem;
    else if (l->way)
        c->ram = KERNEL_RAM;
    else if (o->pmode)
        c->ram = PMODE_1K_RAM;
    else if (o->longmode)
        c->ram = LONGMODE_RAM;
    else
        c->ram = REALMODE_RAM;
}

enum probe_mode load_mode(const struct load *l)
{
    const struct options *o = l->options;

    if (l->resume)
        return l->resume->mode;
    return l->way || o->pmode ? PROBE_PAGED32 : o->longmode ? PROBE_LONG : PROBE_REAL;
}

const char *load_probe(const struct load *l, struct machine *m, bool truly)
{
    enum probe_mode mode = load_mode(l);

    switch (probe_run(m, mode)) {
    case PROBE_FAILED:
        return l->is_linux             ? "cannot run Linux (32-bit paging fails)"
               : mode == PROBE_PAGED32 ? "cannot run 32-bit code with paging"
               : mode == PROBE_LONG    ? "cannot run 64-bit code"
                                       : "cannot run 16-bit code";
    case PROBE_SLOW:
        return truly ? "only interprets guests, and slowly" : NULL;
    default:
        return NULL;
    }
}

static void load_kernel(struct load *l, struct machine *m, struct cpu_state *s)
{
    bios_build(&m->ram, &m->board->pio);
    mptable_build(&m->ram, m->config.cpus, &m->board->pci);
    l->kernel.rsdp = acpi_build(&m->ram, m->config.cpus, &m->board->pci);
    if (l->is_linux)
        linux_mark(&m->ram);
    l->way->load(&l->kernel, &m->ram, s);
}

void load_place(const struct load *l, uint64_t *start, uint64_t *moved)
{
    const struct vmlinux *v = l->kernel.inside;

    if (l->resume) {
        *start = l->resume->start;
        *moved = l->resume->moved;
        return;
    }
    *start = v ? VMLINUX_VA + v->link + v->offset : 0;
    *moved = v ? v->offset : 0;
}

void load_say(const struct load *l, FILE *f)
{
    const struct vmlinux *v = l->kernel.inside;

    if (!l->way)
        return;
    fprintf(f, "kernel: %s", l->way->name);
    if (v)
        fprintf(f, ", at %#llx, %#llx above where it was linked", (unsigned long long)v->gpa,
                (unsigned long long)v->offset);
    if (l->packed)
        fprintf(f, " (%s)", l->packed);
    fputc('\n', f);
}

void load_warn(const struct load *l)
{
    char text[512];

    /* A kernel that does not call itself Linux only uses its header. */
    if (l->is_linux && !l->resume && !l->options->root_said &&
        linux_version(&l->kernel.image, text, sizeof(text)) &&
        initramfs_problem(&l->kernel, text, sizeof(text)))
        fprintf(stderr, "minivm: %s\n", text);
}

static void load_program(const struct load *l, int i, const struct ram *ram, struct cpu_state *s)
{
    const struct options *o = l->options;
    const struct image *img = &l->program[i];
    int others = first_real(o);

    if (!others)
        realmode_load(img, i, l->programs, ram, s);
    else if (i)
        realmode_load_beside(img, i - others, l->program[0].name,
                             o->pmode ? pmode_1k_end(&l->program[0]) : LONGMODE_LOW_END, ram, s);
    else if (o->pmode)
        pmode_1k_load(img, ram, s);
    else
        longmode_load(img, ram, s);
}

void load_guests(struct load *l, struct machine *m)
{
    int n = l->way ? 1 : l->programs;

    if (l->resume)
        resume_load(l->resume, m);
    for (int i = 0; i < n; i++) {
        struct cpu_state s;

        if (l->way)
            load_kernel(l, m, &s);
        else
            load_program(l, i, &m->ram, &s);
        machine_set(&m->vcpu[i], &s);
    }
}

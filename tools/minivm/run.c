// SPDX-License-Identifier: MIT
/*
 * minivm run: build a machine, boot a guest in it, and pass on what it says.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "hw/disk.h"
#include "hw/share.h"
#include "hw/vsock-unix.h"
#include "tools/minivm/choose.h"
#include "tools/minivm/control.h"
#include "tools/minivm/debugcon.h"
#include "tools/minivm/ending.h"
#include "tools/minivm/load.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/outlet.h"
#include "tools/minivm/ports.h"
#include "tools/minivm/report.h"
#include "tools/minivm/resume.h"
#include "tools/minivm/steer.h"
#include "tools/minivm/symbols.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much longer than stdout stderr may take, so that a stalled stdout does not lose the report.
 */
#define REPORT_NS (NS_PER_SECOND / 5)

/* One `minivm run`. */
struct run {
    struct options options;
    struct choice choice;
    struct machine machine;
    struct outlet outlet;
    struct ports ports; /* of a command in a Linux guest */
    struct symbols symbols;
    struct load load;
    struct debugcon debugcon;
    struct steer steer;
    struct control control;
    struct ending ending;
    struct share share[PC_MAX_SHARES];
    const char *share_tag[PC_MAX_SHARES];
    struct disk disk[PC_MAX_DISKS];
    struct nets nets;
    struct vsock_unix vsock;
};

/* A descriptor that the shell closed would be given to the next file that is opened. */
static void ensure_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* Did the vCPU's guest crash, and not reset itself by a triple fault? */
static bool crashed(const struct run *r, const struct vcpu *v)
{
    if (r->machine.config.guests > 1)
        return v->crash != VCPU_KICKED;
    return v == r->machine.culprit && r->ending.why == ENDING_CRASHED;
}

static void report_crashes(struct run *r, FILE *f)
{
    bool any = false;

    for (int i = 0; i < r->machine.config.cpus; i++) {
        const struct vcpu *v = &r->machine.vcpu[i];

        if (!crashed(r, v))
            continue;
        report_crash(v, load_name(&r->load, i), r->steer.symbols, f);
        any = true;
    }
    if (any && r->options.guests < 2)
        report_last_line(&r->outlet.terminal, f);
}

static void print_stat(struct machine *m, FILE *f)
{
    for (int i = 0; i < m->config.cpus; i++) {
        const struct vcpu *v = &m->vcpu[i];

        fprintf(f, "%s: ", v->name);
        m->engine->print_stat(&m->vcpu[i], f);
        if (v->crash != VCPU_KICKED)
            fputs(", crashed", f);
        else if (v->exited)
            fprintf(f, ", status %d", v->status);
        fputc('\n', f);
    }
}

/* Print the report at the end. */
static void report(struct run *r, FILE *f)
{
    const struct ending *e = &r->ending;
    struct terminal *t = &r->outlet.terminal;

    /* The guest may have left the cursor in the middle of a line. */
    if (e->why == ENDING_QUIT && !r->options.split && isatty(t->err.fd))
        fputc('\n', f);
    fputs(e->text, f);
    if (e->why == ENDING_HALTED)
        report_where(&r->machine, t, r->steer.symbols, f);
    if (e->why == ENDING_TIMEOUT)
        fputs(r->steer.where       ? r->steer.where
              : !terminal_ready(t) ? "minivm: the guest has not begun: stdin has not ended, which "
                                     "--soft-clock instructions waits for\n"
                                   : "minivm: it did not stand still to be looked at\n",
              f);
    report_crashes(r, f);
    if (r->machine.stuck && r->ending.why != ENDING_CRASHED)
        report_stuck(&r->machine, f);
    devices_report(&r->machine.board[0].devices, f);
    if (r->options.stat)
        print_stat(&r->machine, f);
    for (int i = 0; i < r->options.dumps; i++)
        dump_print(&r->options.dump[i], &r->machine.ram, f);
    if (t->err.lost)
        fprintf(f, "minivm: stderr: nobody read %llu bytes in time\n",
                (unsigned long long)t->err.lost);
}

/* Give the terminal back and print the report. */
static void finish(struct run *r)
{
    struct terminal *t = &r->outlet.terminal;
    bool forced = ending_is_forced(&r->ending);

    if (!forced)
        outlet_linger(&r->outlet);
    outlet_close(&r->outlet);
    uint64_t deadline = forced ? steer_soon() : steer_deadline(&r->steer);

    if (!forced) {
        terminal_give_keys();
        steer_free_signals();
    }
    ports_finish(&r->ports, deadline);
    terminal_finish(t, deadline);
    steer_free_signals();
    ending_output(&r->ending, "stdout", t->out.error);
    if (r->options.debugcon)
        debugcon_finish(&r->debugcon, deadline, &r->ending);

    /* Who waits for us to end finds images complete and not locked, and ports free. */
    nets_part(&r->nets);
    devices_part(&r->machine.board[0].devices, r->machine.stuck,
                 forced ? steer_soon() : steer_storage(&r->steer));
    writer_patience(&t->err, deadline == WRITER_PATIENT ? deadline : deadline + REPORT_NS);
    writer_release(&t->err, false);
    FILE *f = writer_stream(&t->err);

    report(r, f);
    fclose(f);
    writer_finish(&t->err);
    ending_output(&r->ending, "stderr", t->err.error);
}

static void build(struct run *r)
{
    const struct options *o = &r->options;
    struct terminal *t = &r->outlet.terminal;
    struct console *consoles[PC_MAX_CPUS];
    struct config config = {
        .engine = r->choice.engine,
        .debug = o->debugcon ? debugcon_put : NULL,
        .debug_to = &r->debugcon,
        .exit_port = o->exit_port,
        .stat = o->stat,
        .nested = o->nested,
        .portable = !strcmp(o->cpu, "portable"),
        .instruction_clock = !strcmp(o->soft_clock, "instructions"),
        .ended = outlet_ended,
        .ended_to = &r->outlet,
    };

    config.share = r->share;
    config.share_tag = r->share_tag;
    config.shares = o->shares;
    config.disk = r->disk;
    config.disks = o->disks;
    config.net = r->nets.card;
    config.nets = o->nets;
    config.vsock = o->vsock ? &r->vsock : NULL;
    config.vsock_cid = o->vsock_cid;
    load_config(&r->load, &config);
    outlet_init(&r->outlet, o, r->load.is_linux, steer_command, steer_closed, &r->steer);
    t->at_once = steer_at_once;
    t->whole = config.instruction_clock;
    if (r->load.ports) {
        ports_init(&r->ports, t, config.instruction_clock);
        config.port = r->ports.end;
        config.ports = r->ports.ends;
        t->err.failed = steer_closed;
    }
    if (o->verbose) {
        t->err.failed = steer_closed;
        config.trace = writer_stream(&t->err);
    }
    if (o->debugcon)
        debugcon_open(&r->debugcon, o->debugcon_file, &t->err);
    for (int i = 0; i < config.guests; i++)
        consoles[i] = outlet_console(&r->outlet, i);
    machine_build(&r->machine, &config, consoles);
    if (r->load.ports)
        ports_start(&r->ports, &r->machine);
    outlet_name(&r->outlet, &r->machine);
    for (int i = 0; i < o->dumps; i++)
        dump_check(&o->dump[i], &r->machine.ram);
    r->steer.options = o;
    r->steer.symbols = &r->symbols;
    r->steer.machine = &r->machine;
    r->steer.outlet = &r->outlet;
}

/* Put the guests into the machine, and remember where they are. */
static void load(struct run *r)
{
    load_guests(&r->load, &r->machine);
    load_place(&r->load, &r->symbols.start, &r->symbols.moved);
}

/* Run the guest, again and again if it reboots. */
static void run(struct run *r)
{
    struct machine *m = &r->machine;

    outlet_start(&r->outlet, m);
    /* Of guests that go on some had ended. */
    for (int i = 0; i < m->config.cpus && r->load.resume; i++)
        if (m->vcpu[i].exited)
            outlet_ended(&r->outlet, &m->vcpu[i]);
    /* With the instruction clock all input of a pipe is read before the guest begins. */
    while (!terminal_ready(&r->outlet.terminal) && !machine_stopping(m))
        event_run(&m->loop);
    for (;;) {
        machine_run(m);
        ports_flush(&r->ports);
        r->ending = ending_of(m, &r->load, &r->options, r->load.ports ? r->ports.status : -1);
        if (m->stuck || !ending_goes_on(&r->ending, &r->options))
            return;
        machine_reset(m);
        load(r);
    }
}

/* The guests of a machine that goes on have their names. */
static void name_guests(struct run *r)
{
    const struct resume *resume = r->load.resume;
    struct options *o = &r->options;

    if (!resume)
        return;
    if (o->split && resume->config.guests < 2)
        die("--split is for several programs, and in %s there is one", o->from);
    for (int i = 0; i < resume->config.guests && resume->config.guests > 1; i++)
        o->guest[o->guests++] = resume->name[i];
}

int cmd_run(int argc, char **argv)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct options *o = &r->options;

    assert(r);
    ensure_standard_fds();
    options_parse(&r->options, argc, argv);
    load_open(&r->load, o);
    name_guests(r);
    if (o->name)
        control_open(&r->control, o->name);
    nets_open(&r->nets, o->net, o->nets, o->cpus);
    if (o->symbols)
        symbols_read(&r->symbols, o->symbols);
    for (int i = 0; i < o->shares; i++) {
        share_init(&r->share[i], o->share[i].dir, o->share[i].read_only);
        r->share_tag[i] = o->share[i].tag;
    }
    for (int i = 0; i < o->disks; i++)
        disk_open(&r->disk[i], o->disk[i].file, o->disk[i].read_only, o->disk[i].snapshot);
    if (o->vsock)
        vsock_unix_open(&r->vsock, o->vsock);
    choose_engine(&r->choice, &r->load);
    build(r);
    /* Before a guest runs, if only to try the engine: then what passt says is read elsewhere. */
    nets_wait(&r->nets);
    choose_again(&r->choice, &r->load, &r->machine);
    load(r);
    if (o->vsock)
        vsock_unix_listen(&r->vsock);
    load_warn(&r->load);
    choose_say(&r->choice, &r->machine);
    if (o->verbose)
        load_say(&r->load, r->machine.config.trace);
    if (o->verbose)
        nets_say(&r->nets, r->machine.config.trace);
    steer_start(&r->steer);
    if (o->name)
        control_start(&r->control, &r->steer, &r->load);
    if (o->command)
        serial8250_hold(&r->machine.board[0].com1);
    run(r);
    finish(r);
    if (o->vsock)
        vsock_unix_remove(&r->vsock);
    control_close(&r->control);
    int status = ending_exit(&r->ending);

    /* A CPU that is stuck may hold a lock that exit() takes. Nothing else is freed: to close a file
     * of a share may take its storage for ever. */
    if (r->machine.stuck)
        _exit(status);
    return status;
}

// SPDX-License-Identifier: MIT
/*
 * minivm run: build a machine, boot a guest in it, and pass on what it says.
 */
#define _GNU_SOURCE
#include "boot/linux.h"
#include "hw/die.h"
#include "tools/minivm/debugcon.h"
#include "tools/minivm/load.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/option.h"
#include "tools/minivm/outlet.h"
#include "tools/minivm/report.h"
#include "tools/minivm/symbols.h"
#include "x86/kvm.h"
#include "x86/machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* How long a reader may keep us from ending, where the end is not the guest's wish. */
#define PATIENCE_MS 1000

/* How long a guest may take to stand still, to be looked at. */
#define LOOK_MS 1000

/* One `minivm run`. */
struct run {
    struct options options;
    const struct engine *engine;
    const char *no_kvm; /* why it is not KVM, when that was not the user's wish */
    char why[256];
    struct machine machine;
    struct outlet outlet;
    struct symbols symbols;
    struct load load;
    struct debugcon debugcon;
    bool debug_failed;
    struct watch timeout; /* a timerfd: the user's time, whatever the guest's is */
    struct timespec began;
    struct watch signals;
    int output_error;             /* errno of a write to stdout, but EPIPE */
    const char *where;            /* the guest was, when its time was up */
    struct still look, last_look; /* where it is: for the user, and then */
};

static const struct symbols *symbols(const struct run *r)
{
    return r->options.symbols ? &r->symbols : NULL;
}

/* Where the guest is, in words; the caller frees them. The machine stands still. */
static char *where(struct run *r)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    report_where(&r->machine, r->options.split ? NULL : &r->outlet.terminal, symbols(r), f);
    fclose(f);
    return text;
}

static void looked(struct still *s)
{
    struct run *r = container_of(s, struct run, look);
    char *text = where(r);

    machine_release(&r->machine);
    outlet_say(&r->outlet, text);
    free(text);
}

static void looked_last(struct still *s)
{
    struct run *r = container_of(s, struct run, last_look);

    r->where = where(r);
    machine_release(&r->machine);
    machine_stop(&r->machine, STOP_TIMEOUT);
    outlet_dismiss(&r->outlet);
}

static void say_help(struct run *r)
{
    const struct outlet *u = &r->outlet;
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert(f);
    fputc('\n', f);
    print_keys(f, "Ctrl-A %s  %s\n", u->guests > 1, u->split);
    fclose(f);
    outlet_say(&r->outlet, text);
    free(text);
}

/* With the instruction clock all input of a pipe is read before the guest begins. */
static void await_input(struct run *r)
{
    while (!terminal_ready(&r->outlet.terminal) && !machine_stopping(&r->machine))
        event_run(&r->machine.loop);
}

static void timed_out(struct watch *w)
{
    struct run *r = container_of(w, struct run, timeout);
    uint64_t count;

    (void)!read(w->fd, &count, sizeof(count));
    if (terminal_ready(&r->outlet.terminal)) {
        machine_hold(&r->machine, &r->last_look, LOOK_MS);
        return;
    }
    r->where = "minivm: the guest has not begun: stdin has not ended, which --soft-clock "
               "instructions waits for\n";
    machine_stop(&r->machine, STOP_TIMEOUT);
    outlet_dismiss(&r->outlet);
}

static void set_timeout(struct run *r)
{
    int64_t ns = r->options.timeout;
    struct itimerspec t = {.it_value = {ns / 1000000000, ns % 1000000000}};

    clock_gettime(CLOCK_MONOTONIC, &r->began);
    if (!ns)
        return;
    r->timeout =
        (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .ready = timed_out};
    if (r->timeout.fd < 0 || timerfd_settime(r->timeout.fd, 0, &t, NULL) < 0)
        die("cannot make a timer: %m");
    event_add(&r->machine.loop, &r->timeout);
}

/* The key after Ctrl-A. */
static void command(void *to, int key)
{
    struct run *r = to;

    if (outlet_key(&r->outlet, key))
        return;
    switch (key) {
    case 'x':
        machine_stop(&r->machine, STOP_QUIT);
        outlet_dismiss(&r->outlet);
        break;
    case 'b':
        terminal_type(&r->outlet.terminal, CONSOLE_BREAK);
        break;
    case 'd':
        if (!r->look.pending)
            machine_hold(&r->machine, &r->look, LOOK_MS);
        break;
    case 'h':
    case '?':
        say_help(r);
        break;
    }
}

static void stop_by_signal(struct run *r, int sig)
{
    __atomic_store_n(&r->machine.signal, sig, __ATOMIC_RELEASE);
    machine_stop(&r->machine, STOP_SIGNAL);
    outlet_dismiss(&r->outlet);
}

/* The console's output cannot be written any more: end, where nobody reads it as any program of a
 * pipeline does. */
static void closed(void *to, int error)
{
    struct run *r = to;

    if (error != EPIPE)
        r->output_error = error;
    stop_by_signal(r, SIGPIPE);
}

static void signalled(struct watch *w)
{
    struct run *r = container_of(w, struct run, signals);
    struct signalfd_siginfo info;

    while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTSTP:
            outlet_suspend(&r->outlet);
            raise(SIGSTOP);
            outlet_resume(&r->outlet);
            break;
        case SIGCONT:
            outlet_resume(&r->outlet);
            break;
        case SIGWINCH:
            outlet_resize(&r->outlet);
            break;
        default:
            stop_by_signal(r, info.ssi_signo);
        }
    }
}

/* The signals that the main thread takes as events; ignored ones (nohup) stay ignored. */
static sigset_t handled_signals(void)
{
    static const int all[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct sigaction sa;

        sigaction(all[i], NULL, &sa);
        if (sa.sa_handler != SIG_IGN)
            sigaddset(&set, all[i]);
    }
    return set;
}

static void watch_signals(struct run *r)
{
    sigset_t set = handled_signals();

    pthread_sigmask(SIG_BLOCK, &set, NULL);
    r->signals = (struct watch){
        .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
        .ready = signalled,
    };
    if (r->signals.fd < 0)
        die("cannot watch for signals: %m");
    event_add(&r->machine.loop, &r->signals);
}

/* A descriptor that the shell closed would be given to the next file that is opened. */
static void ensure_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

static void print_stat(struct machine *m)
{
    for (int i = 0; i < m->config.cpus; i++) {
        const struct vcpu *v = &m->vcpu[i];

        fprintf(stderr, "%s: ", v->name);
        m->engine->print_stat(&m->vcpu[i], stderr);
        if (v->crash != VCPU_KICKED)
            fputs(", crashed", stderr);
        else if (v->exited)
            fprintf(stderr, ", status %d", v->status);
        fputc('\n', stderr);
    }
}

/* How long a reader of the guest's last words may sleep, in ms: what --timeout leaves, or for ever.
 */
static int time_left(struct run *r)
{
    struct timespec now;

    if (!r->options.timeout)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = r->options.timeout / 1000000 - (now.tv_sec - r->began.tv_sec) * 1000 -
                   (now.tv_nsec - r->began.tv_nsec) / 1000000;

    return left < PATIENCE_MS ? PATIENCE_MS : left > INT_MAX ? INT_MAX : (int)left;
}

/* How Linux meant its reset or triple fault. */
static enum linux_end verdict(const struct run *r)
{
    if (!r->load.is_linux)
        return r->machine.stop == STOP_RESET ? LINUX_REBOOTED : LINUX_CRASHED;
    return linux_verdict(&r->machine.ram, r->load.cmdline);
}

/* Did the vCPU's guest crash, and not reset itself by a triple fault? */
static bool crashed(const struct run *r, const struct vcpu *v)
{
    const struct machine *m = &r->machine;

    if (m->config.guests > 1)
        return v->crash != VCPU_KICKED;
    return v == m->culprit &&
           (m->stop == STOP_FAILED || (m->stop == STOP_SHUTDOWN && verdict(r) == LINUX_CRASHED));
}

static void report_crashes(struct run *r)
{
    const struct options *o = &r->options;
    bool any = false;

    for (int i = 0; i < r->machine.config.cpus; i++) {
        const struct vcpu *v = &r->machine.vcpu[i];

        if (crashed(r, v)) {
            report_crash(v, load_name(&r->load, i), symbols(r), stderr);
            any = true;
        }
    }
    if (any && o->guests < 2)
        report_last_line(&r->outlet.terminal, stderr);
}

/* The guest left the cursor anywhere. Where nobody reads the terminal, that does not matter. */
static void end_line(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (isatty(STDERR_FILENO) && poll(&p, 1, 0) == 1)
        fputc('\n', stderr);
}

/* Give the terminal back and say what is to be said. */
static void finish(struct run *r)
{
    bool forced = r->machine.stop == STOP_QUIT || r->machine.stop == STOP_SIGNAL ||
                  r->machine.stop == STOP_TIMEOUT;
    sigset_t set = handled_signals();

    if (!forced)
        outlet_linger(&r->outlet);
    outlet_close(&r->outlet);
    /* From here on a signal ends us in its own way. */
    if (!forced) {
        terminal_cook();
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    outlet_finish(&r->outlet, forced ? PATIENCE_MS : time_left(r));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (r->options.debugcon)
        r->debug_failed = !debugcon_finish(&r->debugcon, PATIENCE_MS);
    if (r->machine.stop == STOP_QUIT && !r->options.split)
        end_line();
    if (r->machine.stop == STOP_HALTED) {
        fputs("minivm: the guest sleeps for ever: every CPU is halted with interrupts off\n",
              stderr);
        report_where(&r->machine, &r->outlet.terminal, symbols(r), stderr);
    }
    if (r->machine.stop == STOP_TIMEOUT)
        fprintf(stderr, "minivm: time is up after %g s (--timeout)\n%s", r->options.timeout / 1e9,
                r->where);
    report_crashes(r);
    if (*r->machine.failure)
        fprintf(stderr, "minivm: %s\n", r->machine.failure);
    if (r->options.stat)
        print_stat(&r->machine);
}

/* The guest ended without a status of its own. */
static int end_of_guest(const struct run *r, const char *how)
{
    if (!r->options.command)
        return 0;
    fprintf(stderr, "minivm: the guest %s before '%s' ended\n", how, r->options.command[0]);
    return EXIT_CRASH;
}

/* Did the guest ask for a reset that is to be followed? */
static bool reboots(struct run *r)
{
    enum linux_end end = verdict(r);
    bool asked = r->machine.stop == STOP_RESET ||
                 (r->machine.stop == STOP_SHUTDOWN && end == LINUX_REBOOTED);

    return asked && end != LINUX_PANICKED && !r->options.no_reboot && !r->options.command;
}

/* The guests' status: that of the first one that is not 0, but a crash is above all. */
static int guests_status(const struct machine *m)
{
    int status = 0;

    if (m->config.guests == 1)
        return m->status;
    for (int i = 0; i < m->config.cpus; i++) {
        if (m->vcpu[i].crash != VCPU_KICKED)
            return EXIT_CRASH;
        if (!status)
            status = m->vcpu[i].status;
    }
    return status;
}

static int exit_status(struct run *r)
{
    struct machine *m = &r->machine;
    sigset_t set;

    if (r->output_error && !(m->stop == STOP_SIGNAL && m->signal != SIGPIPE)) {
        fprintf(stderr, "minivm: stdout: %s\n", strerror(r->output_error));
        return EXIT_USAGE;
    }
    if (r->debug_failed && m->stop != STOP_SIGNAL)
        return EXIT_USAGE;
    switch (m->stop) {
    case STOP_EXIT:
        return guests_status(m);
    case STOP_POWEROFF:
        return end_of_guest(r, "switched off");
    case STOP_SHUTDOWN:
        if (verdict(r) == LINUX_CRASHED)
            return EXIT_CRASH;
        /* fall through */
    case STOP_RESET:
        if (verdict(r) == LINUX_PANICKED) {
            fputs("minivm: the guest's kernel panicked\n", stderr);
            return EXIT_CRASH;
        }
        return end_of_guest(r, "rebooted");
    case STOP_FAILED:
        return EXIT_CRASH;
    case STOP_HALTED:
        return EXIT_CRASH;
    case STOP_TIMEOUT:
        return EXIT_TIMEOUT;
    case STOP_QUIT:
        return r->options.command ? 128 + SIGINT : 0;
    case STOP_SIGNAL:
        signal(m->signal, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, m->signal);
        raise(m->signal);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        return 128 + m->signal;
    case STOP_NONE:
        break;
    }
    assert(!"a machine stops for a reason");
    return EXIT_CRASH;
}

/* Where --verbose tells of exits: a line at a time, of whichever CPU. */
static FILE *open_trace(void)
{
    int fd = dup(STDERR_FILENO);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (!f)
        die("cannot write to stderr: %m");
    setvbuf(f, NULL, _IOLBF, BUFSIZ);
    return f;
}

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

static bool counts_instructions(const struct options *o)
{
    return !strcmp(o->soft_clock, "instructions");
}

/* The engine to begin with: of `auto` it is KVM where there is one. */
static void choose_engine(struct run *r)
{
    const char *name = r->options.engine;

    r->engine = &kvm_engine;
    if (!strcmp(name, "soft") || counts_instructions(&r->options))
        r->engine = &soft_engine;
    else if (!strcmp(name, "auto") && (r->no_kvm = kvm_problem()))
        r->engine = &soft_engine;
}

/* Is it the right one for these guests, when tried? */
static void try_engine(struct run *r)
{
    bool any = !strcmp(r->options.engine, "auto");

    if (r->engine != &kvm_engine)
        return;
    const char *problem = load_probe(&r->load, &r->machine, any);

    if (!problem)
        return;
    snprintf(r->why, sizeof(r->why), "this host's /dev/kvm %s", problem);
    if (!any) {
        load_guests(&r->load, &r->machine); /* which may know of a better reason */
        die("%s; --engine soft can ('minivm check' says more)", r->why);
    }
    r->no_kvm = r->why;
    r->engine = &soft_engine;
    machine_use(&r->machine, r->engine);
}

static void say_engine(const struct run *r)
{
    FILE *f = r->machine.config.trace;

    if (f)
        fprintf(f, "engine: %s%s%s%s\n", r->engine->name, r->no_kvm ? " (" : "",
                r->no_kvm ? r->no_kvm : "", r->no_kvm ? ")" : "");
}

static void build(struct run *r)
{
    const struct options *o = &r->options;
    struct console *consoles[PC_MAX_CPUS];
    struct config config = {
        .engine = r->engine,
        .debug = o->debugcon ? debugcon_put : NULL,
        .debug_to = &r->debugcon,
        .exit_port = o->exit_port,
        .trace = o->verbose ? open_trace() : NULL,
        .stat = o->stat,
        .nested = o->nested,
        .instruction_clock = counts_instructions(o),
        .ended = outlet_ended,
        .ended_to = &r->outlet,
    };

    if (o->debugcon)
        debugcon_open(&r->debugcon, o->debugcon_file);
    load_config(&r->load, &config);
    outlet_init(&r->outlet, o, r->load.is_linux, command, closed, r);
    r->outlet.terminal.whole = config.instruction_clock;
    for (int i = 0; i < config.guests; i++)
        consoles[i] = outlet_console(&r->outlet, i);
    machine_build(&r->machine, &config, consoles);
    outlet_name(&r->outlet, &r->machine);
}

int cmd_run(int argc, char **argv)
{
    struct run *r = calloc(1, sizeof(*r));
    const struct options *o = &r->options;

    assert(r);
    ensure_standard_fds();
    options_parse(&r->options, argc, argv);
    load_open(&r->load, o);
    if (o->symbols)
        symbols_read(&r->symbols, o->symbols);
    choose_engine(r);
    build(r);
    try_engine(r);
    say_engine(r);
    load_guests(&r->load, &r->machine);
    load_warn(&r->load);
    r->look.ready = looked;
    r->last_look.ready = looked_last;
    watch_signals(r);
    set_timeout(r);
    if (o->command)
        serial8250_hold(&r->machine.board[0].com1);
    outlet_start(&r->outlet, &r->machine);
    await_input(r);

    while (machine_run(&r->machine), !r->machine.stuck && reboots(r)) {
        machine_reset(&r->machine);
        load_guests(&r->load, &r->machine);
    }
    finish(r);
    int status = exit_status(r);

    /* A CPU that does not come back may hold whatever exit() wants. */
    if (r->machine.stuck) {
        fflush(stderr);
        _exit(status);
    }
    return status;
}

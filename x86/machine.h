/* SPDX-License-Identifier: MIT */
/*
 * The machine: RAM, CPUs, and the boards with their chips.
 *
 * It has one board, whose CPUs run one guest. Or each CPU has a board and runs a guest of its own:
 * the guests share only RAM, in which each has its place.
 */
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include "hw/clock.h"
#include "hw/event.h"
#include "hw/pc.h"
#include "hw/ram.h"
#include "hw/worker.h"
#include "x86/board.h"
#include "x86/call.h"
#include "x86/doorbell.h"
#include "x86/doze.h"
#include "x86/vcpu.h"

#include <stdio.h>

struct config {
    const struct engine *engine;
    uint64_t ram; /* bytes, a multiple of 4 KiB */
    int cpus;     /* 1 to PC_MAX_CPUS, in all */
    int guests;   /* 1; or as many as cpus, each on a board of its own */

    /* With local APICs and an IOAPIC, for one guest; several CPUs need them. Without, the engine
     * returns at HLT, and HLT with interrupts off ends the CPU. */
    bool apic;

    void (*debug)(void *to, uint8_t byte); /* ports 0xe9, 0x402; NULL for nobody */
    void *debug_to;
    uint16_t exit_port; /* where hw/exit-port is; 0 for nowhere */
    void (*ended)(void *to,
                  struct vcpu *v); /* v->exited became true; machine locked, in v's thread */
    void *ended_to;
    const struct virtio_console_end
        *port; /* of the one guest's virtio-console; none: it has none */
    int ports;
    struct disk *disk; /* those of the one guest, open; they stay where they are */
    int disks;
    const struct virtio_net_options *net; /* network cards, whose links are open likewise */
    int nets;
    struct vsock_unix *vsock; /* that of a guest with local APICs, likewise; or NULL */
    uint32_t vsock_cid;
    FILE *trace;      /* where each exit to minivm is told in a line of text; NULL for nowhere */
    bool stat;        /* measure the time in the guest, too */
    bool portable;    /* CPUID and the TSC are such that both engines have them: see x86/carry.h */
    uint32_t tsc_khz; /* of a portable machine, or one that is made again; 0: the engine chooses */
    bool nested;      /* CPUID offers the processor's own virtualisation, where the engine has it */

    /* The clock counts instructions, a nanosecond for each, and not the host's time; while the CPU
     * is halted it leaps to the next deadline. So the same guest with the same input does the same
     * again. Needs one CPU, and an engine that counts. */
    bool instruction_clock;

    /* Directories for guests with local APICs, each with the tag by which it is mounted. */
    struct share *share;
    const char *const *share_tag;
    int shares;
};

/* Why the machine stopped. The first reason wins, but the user's wishes win over a reset. */
enum machine_stop {
    STOP_NONE,
    STOP_EXIT,     /* the guest, or the last of several, ended with machine.status */
    STOP_POWEROFF, /* the guest switched the machine off */
    STOP_RESET,    /* the guest asked for a reset */
    STOP_SHUTDOWN, /* triple fault on machine.culprit, one of the CPUs of one guest */
    STOP_FAILED,   /* the engine failed on machine.culprit, likewise */
    STOP_HALTED,  /* all CPUs of one guest are halted with interrupts off, and nothing can wake them
                   */
    STOP_TIMEOUT, /* the user's time limit */
    STOP_QUIT,    /* the user wants out */
    STOP_SIGNAL,  /* a signal to minivm: machine.signal */
};

/* Does it start the guest again? By a triple fault some ask for that. */
static inline bool stop_is_reset(enum machine_stop why)
{
    return why == STOP_RESET || why == STOP_SHUTDOWN;
}

static inline bool stop_is_users(enum machine_stop why)
{
    return why == STOP_TIMEOUT || why == STOP_QUIT || why == STOP_SIGNAL;
}

struct machine {
    struct config config;
    const struct engine *engine;
    void *vm;         /* the engine's part */
    uint32_t tsc_khz; /* the TSC's rate, which the engine chose; 0 when it does not know */
    struct ram ram;
    struct board *board; /* config.guests of them */

    pthread_mutex_t lock; /* the board: all chips, wires and buses */
    struct event_loop loop;
    struct clock clock;
    struct watch alarm;   /* the timer behind the clock */
    uint64_t epoch;       /* host's monotonic ns when the clock read 0 */
    uint64_t leapt;       /* ns that the instruction clock is ahead of the CPU's count */
    int holds;            /* requests to stand still; atomic to read without lock */
    struct still *stills; /* those that wait for it */
    struct watch calm;    /* a timer: it may stand still, or their time may be up */
    pthread_cond_t came;  /* a CPU came out of the guest, or a worker finished its work */
    bool ended;           /* no CPU goes in any more; machine lock */
    int stuck;            /* CPUs and workers that did not come in time when it stopped */
    struct worker *workers;
    struct virtio *resetting; /* by the access that is being made, whose CPU is to wait for that */
    struct doorbells doorbells;
    struct calls calls;
    struct doze doze;

    struct vcpu *vcpu; /* config.cpus of them */
    int running;       /* vCPUs that have not exited; machine lock */

    bool began;             /* machine_run() was called: no more die() */
    enum machine_stop stop; /* atomic */
    struct vcpu *culprit;
    int status, signal;
    char failure[256]; /* of the engine, but not of a CPU: culprit is NULL */
};

/*
 * Build a machine as it is after power-on. consoles has one console for each guest. Dies with the
 * cause when the host cannot hold it. The struct must stay where it is.
 */
void machine_build(struct machine *m, const struct config *c, struct console *const *consoles);

/* Give a machine that has not started yet another engine; its CPUs are then as after power-on. */
void machine_use(struct machine *m, const struct engine *engine);

/* Make the engine's part of a machine that has none; the CPUs have no state yet. */
void machine_start_engine(struct machine *m, const struct engine *engine);

/* Press the reset button: RAM is cleared, chips and vCPUs are as after power-on. The machine is not
 * running, and no CPU is stuck. */
void machine_reset(struct machine *m);

/* Free everything. Likewise. */
void machine_free(struct machine *m);

/*
 * Let the vCPUs run, and serve events until the machine stops; all vCPUs stand still then. Those
 * that do not come out of the guest within MACHINE_PATIENCE_S are given up: m->stuck counts them.
 * Then the machine can only be reported about, and the process ends by _exit().
 */
#define MACHINE_PATIENCE_S 2
enum machine_stop machine_run(struct machine *m);

/*
 * Ask the machine to stand still. s->ready is called when it does, or after ms milliseconds; only
 * from the main thread's events, so not before machine_run(). It stands still until
 * machine_release(), once for each hold. s must not be pending. Machine locked.
 */
void machine_hold(struct machine *m, struct still *s, int ms);
void machine_release(struct machine *m);

/* Let one vCPU of a machine that stands still run one instruction, or take one interrupt. s->ready
 * is called when it stands still again. Machine locked. */
void machine_step(struct vcpu *v, struct still *s, int ms);

/* Make a worker for devices, before the machine runs: with a thread of its own, or with the
 * instruction clock in line, as all is then to happen in order. */
void machine_add_worker(struct machine *m, struct worker *w);

/* Find out whatever may be known of the vCPUs that stand still, as for still.ready. Machine locked.
 */
void machine_inspect(struct machine *m);

/* A vCPU has come out of the guest. Machine locked. */
void machine_note_still(struct machine *m);

/* Stop the machine. Any thread, any lock state. */
void machine_stop(struct machine *m, enum machine_stop why);

/* The engine failed, but no CPU of it: stop the machine with STOP_FAILED. Machine lock held. */
void machine_fail(struct machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Give a vCPU that does not run the state to begin with. Dies when the engine does not take it, or
 * once the machine has run, stops it with STOP_FAILED. */
void machine_set(struct vcpu *v, const struct cpu_state *s);

static inline bool machine_stopping(struct machine *m)
{
    return __atomic_load_n(&m->stop, __ATOMIC_ACQUIRE) != STOP_NONE;
}

/* Must the vCPU come back from its engine? Any thread. A vCPU without a thread of its own is run by
 * whoever calls run() or step(). */
static inline bool vcpu_wanted(struct vcpu *v)
{
    return machine_stopping(v->machine) || __atomic_load_n(&v->exited, __ATOMIC_ACQUIRE) ||
           (__atomic_load_n(&v->machine->holds, __ATOMIC_ACQUIRE) && v->started && !v->stepping);
}

/* Bus accesses of a vCPU, from its engine. Machine not locked. After a write the engine calls
 * console_wait(), once it holds no lock, so that a chatty guest waits for its reader. */
uint64_t machine_read(struct vcpu *v, struct bus *b, uint64_t addr, int size);
void machine_write(struct vcpu *v, struct bus *b, uint64_t addr, int size, uint64_t val);

/*
 * The instruction clock, in the vCPU's thread, not locked: run the timers that are due, and tell
 * the count of instructions at which the next one is, UINT64_MAX for none.
 */
uint64_t machine_turn_clock(struct machine *m);

/* The CPU is halted: leap to the next deadline. False when there is none. Likewise. */
bool machine_leap(struct machine *m);

/* The interrupt acknowledge cycle: a vector, or -1 when INTR has fallen. Not locked. */
int machine_ack(struct vcpu *v);

/* A level-triggered interrupt of the IOAPIC ended. Not locked. */
void machine_eoi(struct machine *m, int vector);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A virtual CPU, and the engine that turns its crank.
 *
 * An engine runs guest instructions and calls the machine's buses itself; it comes back only to be
 * steered. Exits, decoders and TLBs are the engine's own: nothing above it knows them.
 */
#ifndef X86_VCPU_H
#define X86_VCPU_H

#include "hw/bus.h"
#include "hw/console.h"
#include "hw/exit-port.h"
#include "hw/port-hypercall.h"
#include "x86/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct board;
struct machine;
struct vcpu;
struct call;
struct doorbell;

/* Why a vCPU came back from run(). */
enum vcpu_stop {
    VCPU_KICKED,   /* a reason to stop may have come */
    VCPU_HALTED,   /* HLT without a local APIC: until INTR */
    VCPU_ENDED,    /* HLT that nothing will end */
    VCPU_SHUTDOWN, /* triple fault */
    VCPU_FAILED,   /* the engine cannot go on; v->failure says why */
    VCPU_STEPPED,  /* step() did what it should */
};

/* The event whose delivery led to a triple fault, where the engine can tell. */
struct vcpu_event {
    bool known;
    bool exception; /* or an interrupt, by whatever vector */
    uint8_t vector;
    bool has_error_code;
    uint32_t error_code;
    uint64_t cr2, rip; /* as of then */
};

struct vcpu {
    struct machine *machine;
    int index;     /* also its APIC id */
    char name[64]; /* for people: "CPU 2", and the guest's name where there are several */
    pthread_t thread;
    bool started; /* its thread runs */
    bool joins;   /* its thread is to be joined */
    struct board *board;
    struct console *console;

    /* Its ports: two of its own, and behind them the board's. */
    struct bus pio;
    struct port_hypercall hypercall;
    struct exit_port exit_port;

    /* Machine lock. */
    bool intr;              /* the INTR pin, driven by the board's PIC */
    pthread_cond_t wake;    /* whatever it waits for may have come */
    bool exited;            /* it called EXIT, or halted for ever; atomic to read without lock */
    int status;             /* its exit status then */
    enum vcpu_stop crash;   /* VCPU_SHUTDOWN or VCPU_FAILED when that was its end */
    bool still;             /* it is out of the guest, and waits to go in again */
    bool step;              /* let it in for one instruction */
    bool asleep;            /* by HLT, without a local APIC: until INTR */
    struct cpu_state state; /* as of when it last stood still, or crashed */
    bool waiting;           /* and whether it was halted then */
    bool inspected;         /* both are there */

    /* Its own thread. */
    bool stepping;
    struct vcpu_event first; /* of VCPU_SHUTDOWN */
    char failure[256];       /* of the engine, in words; empty when there was none */

    void *engine; /* the engine's part */
};

struct engine {
    const char *name;

    /* Make what the machine as a whole needs, RAM included; dies when the host cannot. close()
     * gives it all back, vCPUs included. */
    void (*open)(struct machine *m);
    void (*close)(struct machine *m);

    /* Make a vCPU; set() follows. Before any vCPU runs. */
    void (*vcpu_init)(struct vcpu *v);

    /* Run the vCPU until there is something to steer. In its own thread, no lock held. */
    enum vcpu_stop (*run)(struct vcpu *v);

    /* The same for one instruction, or one interrupt to be taken; of a string instruction with a
     * repeat prefix, one repetition. NULL where the engine cannot. */
    enum vcpu_stop (*step)(struct vcpu *v);

    /* Make run() return VCPU_KICKED soon, even if it has not been called yet. Any thread but the
     * vCPU's own, any lock. */
    void (*kick)(struct vcpu *v);

    /* Read and write the state, all of it, and nothing else: what get() gave, set() makes again, on
     * either engine. In the vCPU's thread, outside of run(), or while it does not run; machine
     * locked or not. False when the engine cannot; v->failure says why. */
    bool (*get)(struct vcpu *v, struct cpu_state *s);
    bool (*set)(struct vcpu *v, const struct cpu_state *s);

    /* As get(), but of s only what reports print and debuggers show, up to EFER: less costly. */
    bool (*registers)(struct vcpu *v, struct cpu_state *s);

    /* Read the general registers alone, from within a bus access: less costly than get(). When it
     * cannot, they are 0, and run() will fail. */
    void (*gpr)(struct vcpu *v, uint64_t gpr[16]);

    /* Instructions that it has executed since it was made. Any thread. NULL where nobody counts. */
    uint64_t (*instructions)(struct vcpu *v);

    /* Deliver an interrupt message to local APICs. Machine lock held, any thread. */
    void (*message)(struct machine *m, uint64_t addr, uint32_t data);

    /* An IOAPIC pin sends this message from now on; when it is level-triggered the engine reports
     * the end of the interrupt to the machine. Machine lock held, any thread. */
    void (*route)(struct machine *m, int pin, uint64_t addr, uint32_t data, bool level);

    /* A doorbell is there from now on, or no more. False where the engine leaves it to
     * machine_write(), as does one that has NULL. Machine lock held, any thread. */
    bool (*doorbell)(struct machine *m, const struct doorbell *b, bool on);

    /* Of the calls in this list take those that wait, have a message and a descriptor: whenever
     * that is written to, the message is sent. Each is CALL_TAKEN then, or CALL_REFUSED. Then one
     * of them no more: what was written before was sent, and what is written later is not. Machine
     * lock held, any thread. NULL both where the engine takes none. */
    void (*connect)(struct machine *m, struct call *first);
    void (*hang_up)(struct machine *m, struct call *c);

    /* A device has written to RAM. Before the guest is told so. Any thread, any lock. NULL where
     * that is nothing to the engine. */
    void (*wrote)(struct machine *m, uint64_t gpa, uint64_t len);

    /* Count from here what print_stat() tells. As set(). */
    void (*clear_stat)(struct vcpu *v);

    /* Print what the vCPU cost, without a newline: exits by reason, and the time in the guest where
     * config.stat asked for it. After it ended. */
    void (*print_stat)(struct vcpu *v, FILE *f);
};

extern const struct engine kvm_engine, soft_engine;

/* Start the vCPU's thread where there is none. Returns an errno, 0 for success. Machine lock held.
 */
int vcpu_start(struct vcpu *v);

/* Wait for its end, where there was one. Machine not locked. */
void vcpu_join(struct vcpu *v);

/* Make it see what is wanted of it, wherever it is. Machine lock held. */
void vcpu_rouse(struct vcpu *v);

/* Is it out of the guest, for now or for good? Machine lock held. */
static inline bool vcpu_is_still(const struct vcpu *v)
{
    return v->still || v->exited || !v->started;
}

/* The far end of the INTR wire. Machine lock held. */
void vcpu_intr(void *to, int pin, bool level);

/* End this vCPU, and the machine when no other guest runs in it. Machine lock held, any thread. */
void vcpu_exit(struct vcpu *v, int status);

#endif

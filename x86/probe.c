// SPDX-License-Identifier: MIT
/*
 * Tiny guests that show what an engine can run.
 *
 * A host may have a /dev/kvm that opens, answers every question well and yet cannot run ordinary
 * guests: software stand-ins for KVM where the processor's virtualisation is missing. Only trying
 * tells.
 *
 * After: Intel SDM vol. 3A, "Paging".
 */
#include "x86/probe.h"
#include "hw/die.h"
#include "x86/paging.h"

#include <assert.h>
#include <string.h>

enum {
    CODE = 0x1000,
    TABLES = 0x2000,
    DATA = 0x5000, /* holds PROBE_STATUS */
    LONG_TABLES = 0x6000,
    TRIES = 4,
    LIMIT_S = 20, /* for one of them */
};

/* The loops have two instructions; their count stands in the code, least byte first. */
#define BYTE(count, n) (((count) / 2 >> (8 * (n))) & 0xff)
#define LOOP32(count)                                                                              \
    0xb9, BYTE(count, 0), BYTE(count, 1), BYTE(count, 2), BYTE(count, 3), /* mov ecx, count / 2 */ \
        0xff, 0xc9,                                                       /* dec ecx */            \
        0x75, 0xfc                                                        /* jnz the dec */

/* Ends the guest with the status in BL: mov al, EXIT; mov dx, 0x500 in 16 or 32 bits; out; hlt. */
#define EXIT16 0xb0, 0, 0xba, 0x00, 0x05, 0xee, 0xf4
#define EXIT32 0xb0, 0, 0x66, 0xba, 0x00, 0x05, 0xee, 0xf4

/* clang-format off */
static const uint8_t real_code[] = {
    0xb9, BYTE(PROBE_SHORT_INSTRUCTIONS, 0), BYTE(PROBE_SHORT_INSTRUCTIONS, 1), /* mov cx, ... */
    0x49,                                 /* dec cx */
    0x75, 0xfd,                           /* jnz the dec */
    0xb3, PROBE_STATUS,                   /* mov bl, 42 */
    EXIT16,
};

static const uint8_t flat_code[] = {
    LOOP32(PROBE_SHORT_INSTRUCTIONS),
    0xb3, PROBE_STATUS,                   /* mov bl, 42 */
    EXIT32,
};

static const uint8_t paged_code[] = {
    LOOP32(PROBE_SHORT_INSTRUCTIONS),
    0x8a, 0x1d, 0x00, 0x50, 0x00, 0x80,   /* mov bl, [PAGING_HIGHER_HALF + DATA] */
    EXIT32,
};

static const uint8_t speed_code[] = {
    LOOP32(PROBE_INSTRUCTIONS),
    0xb3, PROBE_STATUS,                   /* mov bl, 42 */
    EXIT32,
};
/* clang-format on */

static const struct {
    const char *name;
    const uint8_t *code;
    size_t size;
} guests[PROBE_MODES] = {
    [PROBE_REAL] = {"16-bit real mode", real_code, sizeof(real_code)},
    [PROBE_FLAT32] = {"32-bit protected mode", flat_code, sizeof(flat_code)},
    [PROBE_PAGED32] = {"32-bit protected mode with paging", paged_code, sizeof(paged_code)},
    [PROBE_LONG] = {"64-bit mode", flat_code, sizeof(flat_code)},
    [PROBE_SPEED] = {"64-bit loop", speed_code, sizeof(speed_code)},
};

const char *probe_name(enum probe_mode mode)
{
    return guests[mode].name;
}

void probe_load(const struct ram *ram, enum probe_mode mode, struct cpu_state *s)
{
    uint8_t *low = ram_at(ram, 0, PROBE_END);

    assert(low);
    memset(low, 0, PROBE_END);
    memcpy(low + CODE, guests[mode].code, guests[mode].size);
    low[DATA] = PROBE_STATUS;
    switch (mode) {
    case PROBE_REAL:
        cpu_real_mode(s, CODE);
        return;
    case PROBE_FLAT32:
        cpu_flat32(s);
        break;
    case PROBE_PAGED32:
        paging_higher_half(ram, TABLES);
        cpu_flat32(s);
        s->cr3 = TABLES;
        s->cr0 |= CR0_PG;
        break;
    default:
        paging_identity(ram, LONG_TABLES, 1);
        cpu_long_mode(s, LONG_TABLES);
        break;
    }
    s->rip = CODE;
    s->gpr[RSP] = CODE;
}

/* A guest that is being tried. */
struct probe {
    struct machine *machine;
    struct timer limit;
    uint64_t ns;
};

/* The processor time that the guest took, in its vCPU's thread. */
static void ended(void *to, struct vcpu *v)
{
    (void)v;
    *(uint64_t *)to = clock_host(CLOCK_THREAD_CPUTIME_ID);
}

static void time_is_up(struct timer *t)
{
    machine_stop(container_of(t, struct probe, limit)->machine, STOP_TIMEOUT);
}

/* Run it once: the ns that it took, or UINT64_MAX when it did not do what it should. */
static uint64_t try(struct probe *p, enum probe_mode mode)
{
    struct machine *m = p->machine;
    struct vcpu *v = &m->vcpu[0];
    struct cpu_state s;

    probe_load(&m->ram, mode, &s);
    if (!m->engine->set(v, &s)) {
        *v->failure = 0;
        return UINT64_MAX;
    }
    clock_arm(&m->clock, &p->limit, clock_now(&m->clock) + LIMIT_S * NS_PER_SECOND);
    bool ok = machine_run(m) == STOP_EXIT && v->exited && v->status == PROBE_STATUS;

    if (m->stuck)
        die("engine %s does not come back from %s", m->engine->name, probe_name(mode));
    clock_arm(&m->clock, &p->limit, CLOCK_NEVER);
    if (v->exited)
        vcpu_join(v);
    v->exited = false;
    v->crash = VCPU_KICKED;
    *v->failure = 0;
    m->culprit = NULL;
    m->running = 1;
    m->stop = STOP_NONE;
    m->began = false;
    return ok ? p->ns : UINT64_MAX;
}

enum probe_outcome probe_run(struct machine *m, enum probe_mode mode)
{
    struct config config = m->config;
    struct probe p = {.machine = m};
    uint64_t ns = 0;

    /* The probe must not be noticed. */
    m->config.ended = ended;
    m->config.ended_to = &p.ns;
    m->config.trace = NULL;
    /* The other CPUs have no guest yet. */
    for (int i = 1; i < m->config.cpus; i++)
        m->vcpu[i].exited = true;
    m->running = 1;
    clock_add(&m->clock, &p.limit, time_is_up);
    /* The first run may be slow for other reasons, for example on an emulated host. */
    for (int i = 0; i < TRIES; i++) {
        ns = try(&p, mode);
        if (ns <= PROBE_SLOW_NS || ns == UINT64_MAX)
            break;
    }
    memset(ram_at(&m->ram, 0, PROBE_END), 0, PROBE_END);
    clock_remove(&m->clock, &p.limit);
    m->engine->clear_stat(&m->vcpu[0]);
    for (int i = 1; i < m->config.cpus; i++)
        m->vcpu[i].exited = false;
    m->running = m->config.cpus;
    m->config = config;
    return ns == UINT64_MAX ? PROBE_FAILED : ns > PROBE_SLOW_NS ? PROBE_SLOW : PROBE_RAN;
}

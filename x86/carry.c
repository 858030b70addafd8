// SPDX-License-Identifier: MIT
/*
 * A guest moves to another engine: RAM, boards and clock stay, the CPUs' states are handed over.
 */
#include "x86/carry.h"
#include "x86/call.h"

#include <assert.h>

void machine_level_tscs(struct machine *m)
{
    uint64_t hz = UINT64_C(1000) * m->tsc_khz;
    const struct cpu_state *first = &m->vcpu[0].state;

    for (int i = 1; i < m->config.cpus; i++) {
        struct cpu_state *s = &m->vcpu[i].state;
        uint64_t same = first->tsc + clock_cycles(s->tsc_at, hz) - clock_cycles(first->tsc_at, hz);

        if (s->tsc - same + hz < 2 * hz)
            s->tsc = same;
    }
}

bool machine_carry(struct machine *m, const struct engine *engine)
{
    assert(!m->config.instruction_clock);
    calls_rest(m);
    machine_inspect(m);
    for (int i = 0; i < m->config.cpus; i++) {
        assert(vcpu_is_still(&m->vcpu[i]));
        if (!m->vcpu[i].exited && !m->vcpu[i].inspected)
            return false;
    }
    machine_level_tscs(m);
    m->engine->close(m);
    machine_start_engine(m, engine);
    for (int i = 0; i < m->config.guests; i++) {
        struct device *ioapic = &m->board[i].ioapic.dev;

        ioapic->restored(ioapic); /* tells its routes again */
    }
    for (int i = 0; i < m->config.cpus; i++)
        if (!m->vcpu[i].exited)
            machine_set(&m->vcpu[i], &m->vcpu[i].state);
    return true;
}

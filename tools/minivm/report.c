// SPDX-License-Identifier: MIT
/*
 * Reports on a guest in trouble.
 */
#include "tools/minivm/report.h"
#include "hw/text.h"
#include "x86/paging.h"
#include "x86/soft/decode.h"
#include "x86/soft/disasm.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_AT_RIP 16

static uint64_t linear_rip(const struct cpu_state *s)
{
    return s->efer & EFER_LMA && s->cs.l ? s->rip : s->cs.base + s->rip;
}

static void print_place(const struct vcpu *v, const struct symbols *symbols, FILE *f)
{
    char name[128] = "";

    if (symbols)
        symbols_describe(symbols, &v->machine->ram, &v->state, linear_rip(&v->state), name,
                         sizeof(name));
    fprintf(f, "%s, RIP %#llx%s%s%s", cpu_mode(&v->state), (unsigned long long)v->state.rip,
            *name ? " (" : "", name, *name ? ")" : "");
}

static void print_move(const struct symbols *symbols, FILE *f)
{
    if (symbols && symbols->moved)
        fprintf(f, "minivm: the kernel runs %#llx above where it was linked (KASLR)\n",
                (unsigned long long)symbols->moved);
}

void report_last_line(struct terminal *t, FILE *f)
{
    char line[TERMINAL_TAIL];

    terminal_last_line(t, line, sizeof(line));
    if (*line)
        fprintf(f, "minivm: the console's last line: %s\n", line);
    else
        fprintf(f, "minivm: the console has printed nothing\n");
}

/* Why there is nothing to say about where a CPU is, or NULL when there is. */
static const char *unknown(struct machine *m, const struct vcpu *v)
{
    if (v->inspected)
        return NULL;
    return machine_stopping(m) ? "is being reset" : "does not answer";
}

static void print_registers(const struct vcpu *v, FILE *f)
{
    fprintf(f, "minivm: %s: registers\n", v->name);
    cpu_print(&v->state, f);
}

void report_where(struct machine *m, struct terminal *t, const struct symbols *symbols, FILE *f)
{
    const struct vcpu *suspect = NULL;

    for (int i = 0; i < m->config.cpus; i++) {
        const struct vcpu *v = &m->vcpu[i];

        fprintf(f, "minivm: %s: ", v->name);
        if (v->exited) {
            fprintf(f, "ended with status %d\n", v->status);
        } else if (unknown(m, v)) {
            fprintf(f, "%s\n", unknown(m, v));
        } else {
            print_place(v, symbols, f);
            fprintf(f, ", %s, interrupts %s\n", v->waiting ? "halted" : "running",
                    v->state.rflags & EFLAGS_IF ? "on" : "off");
            if (!suspect || (suspect->waiting && !v->waiting))
                suspect = v;
        }
    }
    print_move(symbols, f);
    if (t)
        report_last_line(t, f);
    if (suspect)
        print_registers(suspect, f);
}

void report_stuck(const struct machine *m, FILE *f)
{
    for (int i = 0; i < m->config.cpus; i++)
        if (!vcpu_is_still(&m->vcpu[i]))
            fprintf(f,
                    "minivm: %s does not come back from the guest, or from a device that waits "
                    "for the host\n",
                    m->vcpu[i].name);
}

void report_registers(struct machine *m, FILE *f)
{
    for (int i = 0; i < m->config.cpus; i++) {
        const struct vcpu *v = &m->vcpu[i];

        if (v->exited)
            continue;
        if (unknown(m, v))
            fprintf(f, "minivm: %s: %s\n", v->name, unknown(m, v));
        else
            print_registers(v, f);
    }
}

/* The mode, as the disassembler wants it. */
static uint32_t code_mode(const struct cpu_state *s)
{
    uint32_t size = s->efer & EFER_LMA && s->cs.l ? 3 : s->cs.db ? 2 : 1;
    bool protected = s->cr0 & CR0_PE && !(s->rflags & EFLAGS_VM);

    return size | (protected ? MODE_PROTECTED : 0);
}

static void print_code(const struct vcpu *v, FILE *f)
{
    uint8_t code[BYTES_AT_RIP];
    char text[96];
    int n = paging_peek(&v->machine->ram, &v->state, linear_rip(&v->state), code, sizeof(code));

    fprintf(f, "code at RIP:");
    for (int i = 0; i < n; i++)
        fprintf(f, " %02x", code[i]);
    fprintf(f, "%s\n", n ? "" : " not mapped to RAM");
    if (n && soft_disassemble(code_mode(&v->state), code, n < SOFT_MAX_LEN ? n : SOFT_MAX_LEN,
                              v->state.rip, text, sizeof(text)) > 0)
        fprintf(f, "that is: %s\n", text);
}

/* The state after reset is what AMD's processors leave of a triple fault. */
static bool is_reset_state(const struct cpu_state *s)
{
    return s->rip == 0xfff0 && s->cs.base == 0xffff0000;
}

/* Exceptions by their vectors. */
static const char *exception_name(int vector)
{
    static const char *const names[] = {"divide error (#DE)",
                                        "debug exception (#DB)",
                                        "NMI",
                                        "breakpoint (#BP)",
                                        "overflow (#OF)",
                                        "bound range exceeded (#BR)",
                                        "invalid opcode (#UD)",
                                        "no x87 (#NM)",
                                        "double fault (#DF)",
                                        NULL,
                                        "invalid TSS (#TS)",
                                        "segment not present (#NP)",
                                        "stack fault (#SS)",
                                        "general protection fault (#GP)",
                                        "page fault (#PF)",
                                        NULL,
                                        "x87 error (#MF)",
                                        "alignment check (#AC)",
                                        "machine check (#MC)",
                                        "SIMD error (#XM)"};

    return vector < (int)(sizeof(names) / sizeof(names[0])) ? names[vector] : NULL;
}

/* What a page fault's error code says. */
static void print_page_fault(uint32_t error, uint64_t address, FILE *f)
{
    fprintf(f, ": %s %#llx by %s, %s",
            error & 16  ? "code at"
            : error & 2 ? "write to"
                        : "read from",
            (unsigned long long)address, error & 4 ? "user" : "supervisor",
            error & 8   ? "a reserved bit is set"
            : error & 1 ? "not allowed"
                        : "page not present");
}

static void print_event(const struct vcpu_event *e, FILE *f)
{
    const char *name = e->exception ? exception_name(e->vector) : NULL;

    fprintf(f, "minivm: it began with %s", name ? name : "interrupt");
    if (!name)
        fprintf(f, " %#x", e->vector);
    if (e->has_error_code)
        fprintf(f, ", error code %#x", e->error_code);
    if (e->exception && e->vector == EXCEPTION_PF)
        print_page_fault(e->error_code, e->cr2, f);
    fprintf(f, ", at RIP %#llx\n", (unsigned long long)e->rip);
}

/* The same from the instruction at RIP, where the engine cannot tell. */
static const char *probable_cause(const struct vcpu *v)
{
    static const struct {
        const char *begin;
        int vector;
    } causes[] = {{"ud2", EXCEPTION_UD},  {"(bad)", EXCEPTION_UD}, {"int3", EXCEPTION_BP},
                  {"into", EXCEPTION_OF}, {"div ", EXCEPTION_DE},  {"idiv ", EXCEPTION_DE}};
    uint8_t code[SOFT_MAX_LEN], byte;
    char text[96];
    const struct cpu_state *s = &v->state;
    int n = paging_peek(&v->machine->ram, s, linear_rip(s), code, sizeof(code));

    if (!n)
        return s->cr0 & CR0_PG ? exception_name(EXCEPTION_PF) : NULL;
    if (soft_disassemble(code_mode(s), code, n, s->rip, text, sizeof(text)) > 0)
        for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
            if (!strncmp(text, causes[i].begin, strlen(causes[i].begin)))
                return exception_name(causes[i].vector);
    if (s->cr0 & CR0_PG && s->cr2 && !paging_peek(&v->machine->ram, s, s->cr2, &byte, 1))
        return exception_name(EXCEPTION_PF);
    return NULL;
}

static void print_cause(const struct vcpu *v, FILE *f)
{
    const struct cpu_state *s = &v->state;
    bool wide = s->efer & EFER_LMA, real = !(s->cr0 & CR0_PE);
    int needed = (wide ? 16 : real ? 4 : 8) * (EXCEPTION_PF + 1) - 1;
    const char *cause = v->first.known ? NULL : probable_cause(v);

    if (v->first.known)
        print_event(&v->first, f);
    else if (cause)
        fprintf(f, "minivm: it probably began with %s\n", cause);
    if (s->idt.limit < needed)
        fprintf(f, "minivm: its interrupt table (IDT) is too short for exceptions: limit %#x\n",
                s->idt.limit);
}

void report_crash(const struct vcpu *v, const char *name, const struct symbols *symbols, FILE *f)
{
    bool shutdown = v->crash == VCPU_SHUTDOWN;
    char *plain = text_make_plain(strdup(name));

    fprintf(f, "minivm: %s crashed: CPU %d: %s\n", plain, v->index,
            shutdown ? "triple fault: an exception while delivering a double fault" : v->failure);
    free(plain);
    if (shutdown && !v->first.known && is_reset_state(&v->state)) {
        fprintf(f, "minivm: where it was is lost: this processor forgets its state at a triple "
                   "fault\n");
    } else if (v->inspected) {
        fprintf(f, "minivm: in ");
        print_place(v, symbols, f);
        fprintf(f, "\n");
        print_move(symbols, f);
        if (shutdown)
            print_cause(v, f);
        cpu_print(&v->state, f);
        print_code(v, f);
    }
}

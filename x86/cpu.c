// SPDX-License-Identifier: MIT
/*
 * Processor states to start from, and processor states in words.
 *
 * After: Intel SDM vol. 3A, "Processor State After Reset", "Segment Descriptors", "Switching to
 * Protected Mode", "Initializing IA-32e Mode".
 *
 * Left out: the x87 and vector registers. An engine resets them itself; no loader sets them.
 */
#include "x86/cpu.h"

static struct segment real_segment(uint32_t base, uint8_t type)
{
    return (struct segment){.base = base,
                            .limit = 0xffff,
                            .selector = base >> 4,
                            .type = type,
                            .s = true,
                            .present = true};
}

static struct segment flat_segment(uint16_t selector, uint8_t type)
{
    return (struct segment){.limit = 0xffffffff,
                            .selector = selector,
                            .type = type,
                            .s = true,
                            .present = true,
                            .db = true,
                            .g = true};
}

/* What all three starting states have in common. */
static void reset(struct cpu_state *s, uint64_t cr0)
{
    *s = (struct cpu_state){
        .rflags = EFLAGS_FIXED,
        .tr = {.limit = 0xffff, .type = SEGMENT_TSS, .present = true},
        .ldt = {.limit = 0xffff, .type = SEGMENT_LDT, .present = true},
        .idt = {.limit = 0xffff},
        .gdt = {.limit = 0xffff},
        .cr0 = cr0 | CR0_ET | CR0_NE,
    };
}

static void set_data_segments(struct cpu_state *s, struct segment data)
{
    s->ds = s->es = s->fs = s->gs = s->ss = data;
}

void cpu_real_mode(struct cpu_state *s, uint32_t base)
{
    reset(s, 0);
    s->idt.limit = 0x3ff;
    s->cs = real_segment(base, SEGMENT_CODE);
    set_data_segments(s, real_segment(base, SEGMENT_DATA));
    s->gpr[RSP] = 0xfffe;
}

void cpu_flat32(struct cpu_state *s)
{
    reset(s, CR0_PE);
    s->cs = flat_segment(0x10, SEGMENT_CODE);
    set_data_segments(s, flat_segment(0x18, SEGMENT_DATA));
}

void cpu_long_mode(struct cpu_state *s, uint64_t cr3)
{
    cpu_flat32(s);
    s->cs.l = true;
    s->cs.db = false;
    s->cr0 |= CR0_PG;
    s->cr3 = cr3;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LME | EFER_LMA;
}

const char *cpu_mode(const struct cpu_state *s)
{
    if (!(s->cr0 & CR0_PE))
        return "real mode";
    if (s->efer & EFER_LMA)
        return s->cs.l ? "64-bit mode" : "compatibility mode";
    if (s->rflags & EFLAGS_VM)
        return "virtual-8086 mode";
    if (!s->cs.db)
        return "16-bit protected mode";
    return s->cr0 & CR0_PG ? "32-bit protected mode with paging" : "32-bit protected mode";
}

static void print_segment(FILE *f, const char *name, const struct segment *s)
{
    fprintf(f, "%s %04x base %016llx limit %08x type %x dpl %d%s%s%s%s\n", name, s->selector,
            (unsigned long long)s->base, s->limit, s->type, s->dpl, s->present ? " present" : "",
            s->l ? " long" : "", s->db ? " 32-bit" : "", s->g ? " pages" : "");
}

void cpu_print(const struct cpu_state *s, FILE *f)
{
    static const char names[16][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};

    for (int i = 0; i < 16; i++)
        fprintf(f, "%s %016llx%s", names[i], (unsigned long long)s->gpr[i],
                i % 4 == 3 ? "\n" : "  ");
    fprintf(f, "rip %016llx  rflags %08llx\n", (unsigned long long)s->rip,
            (unsigned long long)s->rflags);
    fprintf(f, "cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  efer %04llx\n",
            (unsigned long long)s->cr0, (unsigned long long)s->cr2, (unsigned long long)s->cr3,
            (unsigned long long)s->cr4, (unsigned long long)s->efer);
    print_segment(f, "cs ", &s->cs);
    print_segment(f, "ds ", &s->ds);
    print_segment(f, "es ", &s->es);
    print_segment(f, "ss ", &s->ss);
    print_segment(f, "fs ", &s->fs);
    print_segment(f, "gs ", &s->gs);
    print_segment(f, "tr ", &s->tr);
    fprintf(f, "gdt %016llx limit %04x  idt %016llx limit %04x\n", (unsigned long long)s->gdt.base,
            s->gdt.limit, (unsigned long long)s->idt.base, s->idt.limit);
}

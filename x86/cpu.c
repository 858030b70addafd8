// SPDX-License-Identifier: MIT
/*
 * Processor states to start from, and processor states in words.
 *
 * After: Intel SDM vol. 3A, "Processor State After Reset", "Segment Descriptors", "Switching to
 * Protected Mode", "Initializing IA-32e Mode".
 *
 * Left out: the PDPTEs of PAE paging, which are read again from where CR3 points: no kernel lets
 * them differ; CR8 without a local APIC; the bits of AMX, SMM and nested guests.
 */
#include "x86/cpu.h"

#include <stddef.h>
#include <string.h>

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

#define AT(field) offsetof(struct cpu_state, field)

const struct cpu_msr cpu_msrs[CPU_MSRS] = {
    {MSR_SYSENTER_CS, AT(sysenter_cs)},
    {MSR_SYSENTER_ESP, AT(sysenter_esp)},
    {MSR_SYSENTER_EIP, AT(sysenter_eip)},
    {MSR_STAR, AT(star)},
    {MSR_LSTAR, AT(lstar)},
    {MSR_CSTAR, AT(cstar)},
    {MSR_FMASK, AT(fmask)},
    {MSR_KERNEL_GS_BASE, AT(kernel_gs_base)},
    {MSR_TSC_AUX, AT(tsc_aux)},
    {MSR_MISC_ENABLE, AT(misc_enable)},
    {MSR_PAT, AT(pat)},
    {MSR_MTRR_DEF_TYPE, AT(mtrr_def_type)},
    {MSR_SPEC_CTRL, AT(spec_ctrl)},
    {MSR_XSS, AT(xss)},
    {MSR_KVM_WALL_CLOCK, AT(kvm_wall_clock)},
    {MSR_KVM_SYSTEM_TIME, AT(kvm_system_time)},
    {MSR_KVM_ASYNC_PF_EN, AT(kvm_async_pf_en)},
    {MSR_KVM_ASYNC_PF_INT, AT(kvm_async_pf_int)},
    {MSR_KVM_STEAL_TIME, AT(kvm_steal_time)},
    {MSR_KVM_EOI_EN, AT(kvm_eoi_en)},
    {MSR_KVM_POLL_CONTROL, AT(kvm_poll_control)},
    {MSR_MTRR_FIX_64K, AT(mtrr_fixed[0])},
    {MSR_MTRR_FIX_16K, AT(mtrr_fixed[1])},
    {MSR_MTRR_FIX_16K + 1, AT(mtrr_fixed[2])},
    {MSR_MTRR_FIX_4K, AT(mtrr_fixed[3])},
    {MSR_MTRR_FIX_4K + 1, AT(mtrr_fixed[4])},
    {MSR_MTRR_FIX_4K + 2, AT(mtrr_fixed[5])},
    {MSR_MTRR_FIX_4K + 3, AT(mtrr_fixed[6])},
    {MSR_MTRR_FIX_4K + 4, AT(mtrr_fixed[7])},
    {MSR_MTRR_FIX_4K + 5, AT(mtrr_fixed[8])},
    {MSR_MTRR_FIX_4K + 6, AT(mtrr_fixed[9])},
    {MSR_MTRR_FIX_4K + 7, AT(mtrr_fixed[10])},
    {MSR_MTRR_PHYS_BASE0, AT(mtrr_variable[0])},
    {MSR_MTRR_PHYS_BASE0 + 1, AT(mtrr_variable[1])},
    {MSR_MTRR_PHYS_BASE0 + 2, AT(mtrr_variable[2])},
    {MSR_MTRR_PHYS_BASE0 + 3, AT(mtrr_variable[3])},
    {MSR_MTRR_PHYS_BASE0 + 4, AT(mtrr_variable[4])},
    {MSR_MTRR_PHYS_BASE0 + 5, AT(mtrr_variable[5])},
    {MSR_MTRR_PHYS_BASE0 + 6, AT(mtrr_variable[6])},
    {MSR_MTRR_PHYS_BASE0 + 7, AT(mtrr_variable[7])},
    {MSR_MTRR_PHYS_BASE0 + 8, AT(mtrr_variable[8])},
    {MSR_MTRR_PHYS_BASE0 + 9, AT(mtrr_variable[9])},
    {MSR_MTRR_PHYS_BASE0 + 10, AT(mtrr_variable[10])},
    {MSR_MTRR_PHYS_BASE0 + 11, AT(mtrr_variable[11])},
    {MSR_MTRR_PHYS_BASE0 + 12, AT(mtrr_variable[12])},
    {MSR_MTRR_PHYS_BASE0 + 13, AT(mtrr_variable[13])},
    {MSR_MTRR_PHYS_BASE0 + 14, AT(mtrr_variable[14])},
    {MSR_MTRR_PHYS_BASE0 + 15, AT(mtrr_variable[15])},
};

/* What all starting states share. */
static void reset(struct cpu_state *s, uint64_t cr0)
{
    static const uint16_t fcw = 0x37f;
    static const uint32_t mxcsr = 0x1f80;
    static const uint64_t components = 3; /* x87 and SSE registers are there */

    *s = (struct cpu_state){
        .xcr0 = 1,
        .dr = {[6] = DR6_FIXED, [7] = DR7_FIXED},
        .misc_enable = MISC_ENABLE_FAST_STRING,
        .pat = PAT_RESET,
        .mtrr_def_type = MTRR_DEF_ENABLE | MEMORY_WRITE_BACK,
        .kvm_poll_control = 1,
        .rflags = EFLAGS_FIXED,
        .tr = {.limit = 0xffff, .type = SEGMENT_TSS, .present = true},
        .ldt = {.limit = 0xffff, .type = SEGMENT_LDT, .present = true},
        .idt = {.limit = 0xffff},
        .gdt = {.limit = 0xffff},
        .cr0 = cr0 | CR0_ET | CR0_NE,
    };
    memcpy(s->xsave, &fcw, sizeof(fcw));
    memcpy(s->xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(s->xsave + XSAVE_HEADER, &components, sizeof(components));
    lapic_page_reset(&s->lapic, 0, true);
}

static void set_data_segments(struct cpu_state *s, struct segment data)
{
    s->ds = s->es = s->fs = s->gs = s->ss = data;
}

void cpu_power_on(struct cpu_state *s, int index)
{
    cpu_real_mode(s, 0xf0000);
    s->rip = 0xfff0;
    s->gpr[RSP] = 0;
    s->activity = index > 0 ? CPU_WAITING : CPU_ACTIVE;
    lapic_page_reset(&s->lapic, index, index == 0);
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

// SPDX-License-Identifier: MIT
/*
 * Where unicorn, that is QEMU 5's TCG, does something else than the SDM says, or cannot answer.
 *
 * After: Intel SDM vol. 2, the page of the instruction that a line of the table names; vol. 3A,
 * "Page-Fault Exceptions", "Call Gates".
 */
#include "tests/soft/system.h"

/* What a selector names, or 0. */
uint64_t named(uint16_t selector)
{
    uint64_t d = 0;

    if (!is_real() && selector > 3)
        memcpy(&d, image + (selector & 4 ? LDT_AT : GDT_AT) + (selector & ~7), 8);
    return d;
}

/* Does the selector name a task? */
static bool names_task(uint16_t selector)
{
    uint64_t d = named(selector);

    if (!d || is_long())
        return false;
    return !(d >> 44 & 1) && ((d >> 40 & 15) == TYPE_TASK || (d >> 40 & 5) == 1);
}

bool is_left_out(void)
{
    return t.kind == FAR && names_task(t.selector);
}

/* What unicorn cannot answer: it has an error of its own, or a task was switched. */
bool is_excluded(const struct state *soft, const struct state *uni)
{
    bool transfer = t.kind == FAR || t.kind == RETURNS;

    /* TCG has the stack pointer by SS's size in far transfers of 64-bit mode,
     * but for returns with REX.W. */
    if (transfer && t.world == LONG64 && t.in.r[RSP] >= LONG_AT &&
        ((t.code[0] != 0x48 && t.code[1] != 0x48) || t.kind == FAR))
        return true;
    return uni->vector >= 1000 ||
           (t.kind == FAR && soft->segment[7].selector != t.in.segment[7].selector) ||
           (t.kind == FAR && uni->segment[7].selector != t.in.segment[7].selector);
}

/* Prefixes skipped. */
static const uint8_t *opcode(void)
{
    const uint8_t *p = t.code;

    while (*p == 0x66 || *p == 0x67 || (t.world == LONG64 && *p == 0x48))
        p++;
    return p;
}

static bool pushes_segment(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    (void)uni;
    return t.kind == LOADS && !strncmp(what, "RAM", 3) && opcode()[0] != 0x8c;
}

static bool past_limit(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    const struct hidden *cs = &uni->segment[CS];

    return (t.kind == FAR || t.kind == RETURNS) && soft->vector == EXCEPTION_GP &&
           soft->error == 0 && uni->vector == CPU_OK &&
           (uni->eflags & EFLAGS_VM || uni->rip > cs->limit ||
            (uint32_t)(uni->rip + cs->base) > cs->limit);
}

static bool null_task(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return opcode()[0] == 0x0f && opcode()[1] == 0 && (opcode()[2] & 0x38) == 0x18 &&
           soft->vector == EXCEPTION_GP && soft->error == 0 && uni->vector == CPU_OK &&
           uni->segment[7].selector < 4;
}

static bool to_v86_from_outside(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    (void)what;
    return (t.cpl || is_long()) && opcode()[0] == 0xcf && uni->eflags & EFLAGS_VM;
}

static bool loads_virtual_flags(const struct state *soft, const struct state *uni, const char *what)
{
    return opcode()[0] == 0xcf && !strcmp(what, "EFLAGS") &&
           !((soft->eflags ^ uni->eflags) & ~(uint32_t)(EFLAGS_VIF | EFLAGS_VIP));
}

static bool long_look(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return is_long() && t.kind == LOOKS && !(soft->eflags & EFLAGS_ZF) && uni->eflags & EFLAGS_ZF;
}

static bool long_and_big(const struct state *soft, const struct state *uni, const char *what)
{
    (void)uni;
    (void)what;
    return is_long() && soft->vector == EXCEPTION_GP && soft->error == (t.selector & 0xfffc) &&
           (named(t.selector) >> 53 & 3) == 3;
}

static bool upper_type(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return is_long() && t.kind == FAR && soft->vector == EXCEPTION_GP &&
           uni->vector != soft->vector && soft->error == (t.selector & 0xfffc) &&
           (named((t.selector | 7) + 1) >> 40 & 31 || t.selector >> 3 == (LDT_ENTRIES - 1) ||
            t.selector >> 3 == GDT_ENTRIES - 1);
}

static bool conforming_gate(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == FAR && soft->vector == CPU_OK && uni->vector == CPU_OK &&
           !(named(t.selector) >> 44 & 1) && (soft->segment[CS].flags & 0x1c00) == 0x1c00 &&
           (soft->segment[CS].selector & 3) == t.cpl;
}

static bool absent_stack(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == RETURNS && soft->vector == EXCEPTION_SS && uni->vector == EXCEPTION_NP &&
           soft->error == uni->error;
}

static bool null_stack_outside(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == RETURNS && is_long() && soft->vector == EXCEPTION_GP && soft->error == 0 &&
           uni->vector == CPU_OK && t.stack < 4 && !(named(t.selector) >> 53 & 1);
}

static bool gate_absent(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == FAR && soft->vector == EXCEPTION_NP && uni->vector == EXCEPTION_GP &&
           soft->error == uni->error && opcode()[0] != 0x9a;
}

static bool limit_code(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == FAR && soft->vector == EXCEPTION_GP && soft->error == 0 &&
           ((uni->vector == EXCEPTION_GP && uni->error == (t.selector & 0xfffc)) ||
            (uni->vector == EXCEPTION_PF && uni->error & 2));
}

static bool long_target(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == FAR && is_long() && soft->vector == CPU_OK &&
           soft->segment[CS].flags & 1 << 21 && uni->vector == EXCEPTION_GP;
}

static bool pushes_vm(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    (void)uni;
    return t.world == V86 && !strncmp(what, "RAM", 3) && opcode()[0] == 0x9c;
}

static bool small_table(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    (void)uni;
    return t.world == LONG64 && t.kind == TABLES && t.code[0] == 0x66 && what[1] == 'D';
}

static bool far_pointer64(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    (void)uni;
    (void)what;
    const uint8_t *p = opcode();

    return t.world == LONG64 && t.kind == LOADS && p[-1] == 0x48 && p[0] == 0x0f && p[1] >= 0xb2 &&
           p[1] <= 0xb5;
}

static bool null_stack(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == LOADS && soft->vector == EXCEPTION_GP && uni->vector == CPU_OK &&
           soft->error == 0 && uni->segment[SS].selector < 4 && uni->segment[SS].selector != t.cpl;
}

static bool system_base(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    if (is_long() && t.kind == TABLES && soft->vector == EXCEPTION_GP &&
        named((soft->error | 7) + 1) >> 40 & 31)
        return true;
    return is_long() && t.kind == TABLES && soft->vector == EXCEPTION_GP && soft->error &&
           uni->vector == CPU_OK &&
           !(soft_canonical(uni->segment[6].base) && soft_canonical(uni->segment[7].base));
}

static bool undefined_control(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return t.kind == CONTROL && soft->vector == EXCEPTION_UD && uni->vector == EXCEPTION_GP;
}

/* Does a PDPTE have a bit that is reserved? */
static bool bad_pdpte(uint64_t cr3)
{
    for (int i = 0; i < 4; i++) {
        uint64_t entry;

        memcpy(&entry, image + (cr3 & 0xffffffe0) + 8 * i, 8);
        if (entry & 1 && entry & ~UINT64_C(0xfffffffe19))
            return true;
    }
    return false;
}

static bool control_checks(const struct state *soft, const struct state *uni, const char *what)
{
    bool pae = uni->cr0 & CR0_PG && uni->cr4 & CR4_PAE && !is_long();

    (void)what;
    return t.kind == CONTROL && soft->vector == EXCEPTION_GP && uni->vector == CPU_OK &&
           ((uni->cr4 ^ t.in.cr4) & CR4_PCIDE || (uni->cr0 & CR0_NW && !(uni->cr0 & CR0_CD)) ||
            (uni->cr0 & CR0_PG && !(uni->cr0 & CR0_PE)) || (is_long() && !(uni->cr4 & CR4_PAE)) ||
            (t.world == LONG64 && !(uni->cr0 & CR0_PG)) || (pae && bad_pdpte(uni->cr3)));
}

static bool reads_first(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    bool crosses = (t.at & 0xfff) > 0xff8 && uni->cr2 == (t.at | 0xfff) + 1;

    return (opcode()[0] == 0x01 || opcode()[0] == 0x87) && soft->vector == EXCEPTION_PF &&
           uni->vector == EXCEPTION_PF &&
           ((soft->error == (uni->error | 2) && soft->cr2 == uni->cr2) ||
            (soft->error & 2 && soft->cr2 == t.at && crosses));
}

/* It reads the next instruction with the new paging. */
static bool next_walk(const struct state *soft, const struct state *uni, const char *what)
{
    (void)soft;
    return (t.kind == CONTROL || uni->segment[CS].base) && !strncmp(what, "RAM at 10", 9);
}

static bool reads_upper(const struct state *soft, const struct state *uni, const char *what)
{
    (void)what;
    return is_long() && t.gdt_at != GDT_AT && soft->vector == EXCEPTION_PF &&
           uni->vector != EXCEPTION_PF && !(soft->cr2 & 0xfff) &&
           soft->cr2 == t.in.gdt.base + (t.selector & ~7) + 8;
}

static bool marks_byte(const struct state *soft, const struct state *uni, const char *what)
{
    return !strcmp(what, "CR2") && t.gdt_at != GDT_AT && (soft->cr2 & 7) == 5 &&
           uni->cr2 + 1 == soft->cr2;
}

static bool marks_code(const struct state *soft, const struct state *uni, const char *what)
{
    (void)uni;
    (void)what;
    return (t.kind == FAR || t.kind == RETURNS) && t.gdt_at != GDT_AT &&
           soft->vector == EXCEPTION_PF && soft->error & 2 &&
           soft->cr2 - t.in.gdt.base < GDT_ENTRIES * 8;
}

static const struct {
    const char *what; /* what the SDM says where TCG does something else */
    bool (*is)(const struct state *soft, const struct state *uni, const char *what);
} differs[] = {
    {"PUSH: of a segment register, recent processors write 16 bits", pushes_segment},
    {"JMP, CALL, RET, IRET: #GP(0) past CS's limit, in real mode, too", past_limit},
    {"LTR: #GP(0) for a null selector", null_task},
    {"IRET: only ring 0 returns to virtual-8086 mode", to_v86_from_outside},
    {"IRET: ring 0 loads VIF and VIP", loads_virtual_flags},
    {"LAR, LSL: types that long mode does not have", long_look},
    {"JMP, CALL, RET, IRET: #GP for code with L and D in long mode", long_and_big},
    {"PUSHF: VM is pushed as 0", pushes_vm},
    {"LSS, LFS, LGS: REX.W makes the offset one of 64 bits", far_pointer64},
    {"MOV, POP, LSS: #GP(0) for a null SS whose RPL is not CPL", null_stack},
    {"LLDT, LTR: #GP for an upper half with a type, a base that is not canonical", system_base},
    {"LGDT, LIDT: 66 means nothing in 64-bit mode", small_table},
    {"MOV CR: #UD, or #GP for the level: either may be first", undefined_control},
    {"MOV CR: #GP for NW without CD, PG without PE, PCIDE, no PAE or no PG by mode, PDPTEs",
     control_checks},
    {"#PF: what reads, then writes, is a write (so a real processor says)", reads_first},
    {"(the accessed bit may be set by a write of a byte, or more)", marks_byte},
    {"(a system segment of long mode may be read as 16 bytes at once)", reads_upper},
    {"far transfers mark descriptors as accessed, and so write to the GDT", marks_code},
    {"(unicorn walks for the next instruction)", next_walk},
    {"JMP, CALL: #GP for a gate whose upper half has a type", upper_type},
    {"CALL: a conforming segment keeps CPL, through a gate, too", conforming_gate},
    {"RET, IRET: #SS for an SS that is absent", absent_stack},
    {"IRET: #GP(0) for a null SS on the way to compatibility mode", null_stack_outside},
    {"JMP: #NP for a call gate's code segment that is absent", gate_absent},
    {"JMP, CALL: #GP(0), not #GP(selector), past CS's limit, and before the stack is written",
     limit_code},
    {"JMP, CALL: 64-bit code has no limit", long_target},
    {0},
};
static int known_count[sizeof(differs) / sizeof(differs[0])];

bool is_known(const struct state *soft, const struct state *uni, const char *what)
{
    for (int i = 0; differs[i].what; i++)
        if (differs[i].is(soft, uni, what)) {
            known_count[i]++;
            return true;
        }
    return false;
}

void show_known(void)
{
    for (int i = 0; differs[i].what; i++)
        if (known_count[i])
            printf("# %6d times unicorn differs: %s\n", known_count[i], differs[i].what);
}

// SPDX-License-Identifier: MIT
/*
 * What is not compared with the real processor, and why.
 */
#include "tests/soft/sample.h"

#include <cpuid.h>
#include <string.h>

/* Is text's mnemonic one of those in list, separated by spaces? */
static bool listed(const char *list, const char *text)
{
    size_t n = strcspn(text, " ");

    while (*list) {
        size_t m = strcspn(list, " ");

        if (m == n && !memcmp(list, text, n))
            return true;
        list += m + strspn(list + m, " ");
    }
    return false;
}

static const struct {
    const char *names, *why;
} excluded[] = {
    {"syscall sysenter int int1 int3 into", "the host's kernel answers"},
    {"rdtsc rdtscp rdpmc rdrand rdseed", "never the same twice"},
    {"cpuid xgetbv", "the host has other features"},
    {"sgdt sidt sldt str smsw", "UMIP: the host's kernel plays some of them"},
    {"xsave xsaveopt xsavec xsaves xrstor xrstors xsave64 xsaveopt64 xsavec64 xsaves64 xrstor64 "
     "xrstors64",
     "the host has other state to save"},
    {"lds les lss lfs lgs lar lsl verr verw jmpf callf retf iret iretd iretq",
     "descriptors of the host's kernel"},
    {"arpl", "as lar"},
    {"sysexit sysret", "what the vendors do at CPL 3 differs"},
    {"vmcall", "the host's hypervisor answers"},
};

/* Features that a host may lack: the instruction would be another, or none. */
static const struct {
    const char *names;
    uint32_t leaf;
    int reg, bit; /* reg: EAX EBX ECX EDX from 0 */
} features[] = {
    {"popcnt", 1, 2, 23},
    {"movbe", 1, 2, 22},
    {"cmpxchg16b", 1, 2, 13},
    {"crc32 pcmpestri pcmpestrm pcmpistri pcmpistrm pcmpgtq", 1, 2, 20},
    {"lzcnt", 0x80000001, 2, 5},
    {"andn blsi blsr blsmsk bextr tzcnt", 7, 1, 3},
    {"bzhi mulx pdep pext rorx sarx shlx shrx", 7, 1, 8},
    {"rdfsbase rdgsbase wrfsbase wrgsbase", 7, 1, 0},
    {"clflushopt", 7, 1, 23},
};

static bool host_has(uint32_t leaf, int reg, int bit)
{
    uint32_t r[4];

    return __get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) && r[reg] >> bit & 1;
}

const char *row_excluded(const struct soft_row *row)
{
    for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
        if (listed(excluded[i].names, row->text))
            return excluded[i].why;
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (listed(features[i].names, row->text) &&
            !host_has(features[i].leaf, features[i].reg, features[i].bit))
            return "the host lacks it";
    /* Loads of segment registers, and far branches. */
    if (!strncmp(row->text, "mov S", 5) || !strncmp(row->text, "pop ds", 6) ||
        !strncmp(row->text, "pop es", 6) || !strncmp(row->text, "pop ss", 6) ||
        !strncmp(row->text, "pop fs", 6) || !strncmp(row->text, "pop gs", 6))
        return "descriptors of the host's kernel";
    size_t n = strlen(row->text);

    if (n > 2 && (!strcmp(row->text + n - 2, "Ap") || !strcmp(row->text + n - 2, "Mp")))
        return "descriptors of the host's kernel";
    return NULL;
}

/* CPUID is slow where a hypervisor answers. */
static bool is_intel(void)
{
    static int answer = -1;
    uint32_t r[4] = {0};

    if (answer < 0) {
        __get_cpuid(0, &r[0], &r[1], &r[2], &r[3]);
        answer = r[1] == signature_INTEL_ebx;
    }
    return answer;
}

static bool in_data(uint64_t at, bool compat)
{
    if (compat)
        at = (uint32_t)at;
    return at - DATA <= DATA_SIZE - 16;
}

const char *sample_excluded(const struct sample *s)
{
    const char *text = s->row->text;
    bool data = s->op.prefix & SOFT_DATA;

    if (listed("fxsave fxrstor fxsave64 fxrstor64", text) && s->in.flags & EFLAGS_AC)
        return "implementation dependent: whether #AC or #GP";
    if (!strncmp(text, "maskmov", 7) &&
        (s->in.flags & EFLAGS_AC || s->op.segment >= FS || s->op.asize != 3 - s->compat ||
         !in_data(s->in.r[RDI], s->compat)))
        return "implementation dependent: faults of bytes that the mask leaves out";
    if (is_intel())
        return NULL;
    if (s->op.opcode >> 2 == 0x0f20 >> 2 && memchr(s->bytes, 0xf0, 4))
        return "mov of a control register with LOCK: Intel: #UD; AMD: CR8";
    if (listed("ins outs insb insw insd outsb outsw outsd", text) &&
        s->op.prefix & (SOFT_REP | SOFT_REPNE))
        return "with rCX = 0: Intel: nothing; AMD: permission is checked";
    if (listed("loopne loope", text) && s->op.prefix & (SOFT_REP | SOFT_REPNE))
        return "with REP, which the manual reserves: AMD: the prefix replaces the condition";
    if (s->compat && s->op.osize == 2 && !strncmp(text, "push ", 5) && text[6] == 's')
        return "Intel: writes the selector's 16 bits; AMD: 32";
    if (s->op.opcode == 0x0f0d && !s->op.mem)
        return "Intel: NOP; AMD: #UD";
    if (listed("movsxd", text) && data)
        return "Intel: reads 16 bits; AMD: 32";
    if (!s->compat && data && s->row->attributes & ROW_FORCE64)
        return "near branches with 66: Intel ignores it; AMD cuts RIP to 16 bits";
    return NULL;
}

enum {
    CF = EFLAGS_CF,
    PF = EFLAGS_PF,
    AF = EFLAGS_AF,
    ZF = EFLAGS_ZF,
    SF = EFLAGS_SF,
    OF = EFLAGS_OF,
};

/* Flags that SDM vol. 2 leaves undefined, in each instruction's "Flags Affected". */
static const struct {
    const char *names;
    uint32_t flags;
} undefined[] = {
    {"and or xor test andn blsi blsr blsmsk", AF},
    {"blsi blsr blsmsk andn bzhi", PF},
    {"bextr", AF | SF | PF},
    {"bzhi", AF},
    {"mul imul", SF | ZF | AF | PF},
    {"div idiv", CF | OF | SF | ZF | AF | PF},
    {"shl sal shr sar shld shrd", AF | OF}, /* OF but for a count of 1 */
    {"rol ror rcl rcr", OF},                /* likewise */
    {"bt bts btr btc", OF | SF | AF | PF},
    {"bsf bsr", CF | OF | SF | AF | PF},
    {"lzcnt tzcnt", OF | SF | PF | AF},
    {"aaa aas", OF | SF | ZF | PF},
    {"aad aam", OF | AF | CF},
    {"daa das", OF},
};

uint32_t undefined_flags(const struct sample *s, bool ended)
{
    uint32_t flags = 0;

    /* "The EFLAGS value is restored to the state prior to the execution of the instruction": vol.
     * 2, "REP"; AMD's processors leave those of the last iteration. */
    if (!ended)
        return listed("cmps scas cmpsb scasb", s->row->text) && !is_intel() ? EFLAGS_ARITHMETIC : 0;
    for (size_t i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++)
        if (listed(undefined[i].names, s->row->text))
            flags |= undefined[i].flags;
    return flags;
}

/* The address of the memory operand. */
static uint64_t address(const struct sample *s)
{
    const struct soft_op *op = &s->op;
    uint64_t base = op->base / 8 < 16 ? s->in.r[op->base / 8] : 0;
    uint64_t index = op->index / 8 < 16 ? s->in.r[op->index / 8] : 0;

    if (op->base / 8 == RIP)
        base = s->in.rip;
    uint64_t offset = soft_cut(op->asize, base + (index << op->scale) + op->disp);

    return s->compat || op->segment < FS ? offset
                                         : offset + (op->segment == FS ? s->in.fs : s->in.gs);
}

void blur_memory(const struct sample *s, bool faulted, struct memory *a, struct memory *b)
{
    /* MXCSR_MASK: AMD's processors have another bit. */
    uint64_t at = address(s) - DATA + offsetof(struct soft_fpu, mxcsr_mask);

    if (listed("fxsave fxsave64", s->row->text) && at < DATA_SIZE - 4)
        memcpy(a->data + at, b->data + at, 4);
    /* A fault in the middle: what was stored below the stack until then is nobody's. */
    if (faulted && listed("pusha pushad", s->row->text))
        memcpy(a->data, b->data, DATA_SIZE);
}

uint16_t undefined_fsw(const struct sample *s)
{
    /* Intel: C1 is cleared; AMD leaves it. */
    return listed("fcomi fcomip fucomi fucomip", s->row->text) && !is_intel() ? 0x200 : 0;
}

bool ends_excused(const struct sample *s, const struct state *want, const struct state *got)
{
    uint64_t base = s->op.segment == FS ? s->in.fs : s->op.segment == GS ? s->in.gs : 0;

    /* The manual does not say which is first of a wrong alignment and an offset beyond SS. */
    if (s->op.segment == SS && want->vector + got->vector == EXCEPTION_GP + EXCEPTION_SS &&
        want->vector != got->vector)
        return true;
    /* Nor in which order the parts of a large operand are accessed. */
    if (cr2_is_free(s) && want->vector >= EXCEPTION_SS && got->vector >= EXCEPTION_SS &&
        (want->vector == EXCEPTION_PF || got->vector == EXCEPTION_PF))
        return true;
    if (is_intel())
        return false;
    /* Intel: the linear address must be canonical; AMD: the offset in its segment, too. */
    if (base && !s->compat && want->vector == EXCEPTION_GP)
        return true;
    /* A call to an address that is not canonical. Intel: the target is looked at first; AMD: the
     * return address is pushed first. */
    return listed("call", s->row->text) && got->vector == EXCEPTION_GP &&
           (want->vector == EXCEPTION_PF || want->vector == EXCEPTION_AC ||
            want->vector == EXCEPTION_SS);
}

bool mmx_free(const struct sample *s, bool faulted)
{
    /* Whether x87 has become MMX when the instruction that begins it faults. */
    return faulted && !is_intel() &&
           listed("cvtps2pi cvttps2pi cvtpd2pi cvttpd2pi cvtpi2ps cvtpi2pd maskmovq", s->row->text);
}

bool registers_free(const struct sample *s, bool faulted)
{
    /* A fault in the middle: ESP is as it was, and the instruction can be repeated. */
    return faulted && listed("popa popad", s->row->text);
}

bool cr2_is_free(const struct sample *s)
{
    /* The manual does not say in which order the parts of these are accessed. */
    return listed("fxsave fxrstor fxsave64 fxrstor64 fnsave frstor fnstenv fldenv", s->row->text);
}

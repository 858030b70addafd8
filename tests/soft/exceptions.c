// SPDX-License-Identifier: MIT
/*
 * What is not compared with the real processor, and why.
 */
#include "tests/soft/sample.h"

#include <cpuid.h>
#include <string.h>

bool is_one_of(const char *list, const char *text)
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
        if (is_one_of(excluded[i].names, row->text))
            return excluded[i].why;
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (is_one_of(features[i].names, row->text) &&
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
bool host_is_intel(void)
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

    if (!strncmp(text, "maskmov", 7) &&
        (s->in.flags & EFLAGS_AC || s->op.segment >= FS || s->op.asize != 3 - s->compat ||
         !in_data(s->in.r[RDI], s->compat)))
        return "implementation dependent: faults of bytes that the mask leaves out";
    if (host_is_intel())
        return NULL;
    if (!strncmp(s->row->encoding, "0f 2", 4) && memchr(s->bytes, 0xf0, 4))
        return "mov of a control register with LOCK: Intel: #UD; AMD: CR8";
    if (is_one_of("ins outs insb insw insd outsb outsw outsd", text) &&
        s->op.prefix & (SOFT_REP | SOFT_REPNE))
        return "with rCX = 0: Intel: nothing; AMD: permission is checked";
    if (is_one_of("loopne loope", text) && s->op.prefix & (SOFT_REP | SOFT_REPNE))
        return "with REP, which the manual reserves: AMD: the prefix replaces the condition";
    if (s->compat && s->op.osize == 2 && !strncmp(text, "push ", 5) && text[6] == 's')
        return "Intel: writes the selector's 16 bits; AMD: 32";
    if (!strncmp(s->row->encoding, "0f 0d", 5) && !s->op.mem)
        return "Intel: NOP; AMD: #UD";
    if (is_one_of("movsxd", text) && data)
        return "Intel: reads 16 bits; AMD: 32";
    if (!s->compat && data && s->row->attributes & ROW_FORCE64)
        return "near branches with 66: Intel ignores it; AMD cuts RIP to 16 bits";
    return NULL;
}

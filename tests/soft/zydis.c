// SPDX-License-Identifier: MIT
/*
 * A second opinion on the decoder: Zydis. Random bytes in 16, 32 and 64-bit code must have the same
 * length for both, or be an instruction for neither; and the same name.
 *
 * usage: zydis [ROUNDS [SEED]]
 *
 * Zydis knows instructions of all processors. Those that CPUID does not offer are none here; they
 * are recognised by the extension that Zydis says they belong to.
 */
#include "tests/unit/random.h"
#include "x86/soft/decode.h"

#include <Zydis/Zydis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rounds = 1000000;

/* Extensions that are not in CPUID: #UD. */
static bool is_hidden(const ZydisDecodedInstruction *z)
{
    static const char *const hidden[] = {
        "AMD3DNOW", "ADOX_ADCX", "AES",     "AMD_INVLPGB", "AMX",         "AVX",
        "CET",      "CLDEMOTE",  "CLWB",    "CLZERO",      "ENQCMD",      "F16C",
        "FMA",      "GFNI",      "HRESET",  "INVLPGB",     "KEYLOCKER",   "KNC",
        "LWP",      "MCOMMIT",   "MONITOR", "MONITORX",    "MOVDIR",      "MPX",
        "PADLOCK",  "PCLMULQDQ", "PCONFIG", "PKU",         "PREFETCHWT1", "PT",
        "RDPID",    "RDPRU",     "RTM",     "SERIALIZE",   "SGX",         "SMX",
        "SHA",      "SNP",       "SSE4A",   "SVM",         "TBM",         "TDX",
        "TSX",      "UINTR",     "VAES",    "VMFUNC",      "VPCLMULQDQ",  "VTX",
        "WAITPKG",  "WBNOINVD",  "XOP",     "XSAVES",
    };
    const char *set = ZydisISAExtGetString(z->meta.isa_ext);
    const char *category = ZydisCategoryGetString(z->meta.category);

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (!strncmp(set, hidden[i], strlen(hidden[i])) ||
            !strncmp(category, hidden[i], strlen(hidden[i])))
            return true;
    return false;
}

/*
 * Where both are right. zydis: the name that it gives, or "" where it sees no instruction; row: the
 * beginning of our row's text, or "" where there is none.
 */
static const struct {
    const char *zydis, *row, *why;
} reasons[] = {
    {"ud0", "", "#UD is what it is for"},
    {"ud1", "", "#UD is what it is for"},
    {"ud2", "", "#UD is what it is for"},
    {"rsm", "", "#UD outside of SMM"},
    {"", "mov Sw,Ew", "of registers that are none: the handler raises #UD"},
    {"", "mov Sw,Ev", "of registers that are none: the handler raises #UD"},
    {"", "mov Ev,Sw", "of registers that are none: the handler raises #UD"},
    {"", "mov Cv,Rv", "of registers that are none: the handler raises #UD"},
    {"", "mov Rv,Cv", "of registers that are none: the handler raises #UD"},
    {"", "mov Dv,Rv", "of registers that are none: the handler raises #UD"},
    {"", "mov Rv,Dv", "of registers that are none: the handler raises #UD"},
    {"", "movbe Gv,Mv", "with F3: the handler raises #UD"},
    {"", "movbe Mv,Gv", "with F3: the handler raises #UD"},
    {"", "rorx Gy,Ey,Ib", "VEX.vvvv that is not 0: the handler raises #UD"},
    {"", "rdrand Rv", "with F2 or F3: the handler raises #UD"},
    {"", "rdseed Rv", "with F2 or F3: the handler raises #UD"},
    {"syscall", "", "outside of 64-bit mode it is AMD's"},
    {"sysret", "", "outside of 64-bit mode it is AMD's"},
    {"nop", "", "0f 0d of a register: Intel: NOP, AMD: #UD; both are allowed to be there"},
    {"", "nop Ev", "without MPX and CET these are NOPs, whatever their operands"},
};

static const char *explained(const ZydisDecodedInstruction *z, bool valid,
                             const struct soft_decoded *d)
{
    const char *name = valid ? ZydisMnemonicGetString(z->mnemonic) : "";
    const char *row = d->row ? d->row->text : "";

    if (valid && !d->row && is_hidden(z))
        return "CPUID does not offer it";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (!strcmp(reasons[i].zydis, name) && !strcmp(reasons[i].row, row))
            return reasons[i].why;
    return NULL;
}

/* Other names of the same instruction; in the first part, of the same condition. */
static const struct {
    const char *zydis, *ours;
} aliases[] = {
    {"z", "e"},
    {"nz", "ne"},
    {"nb", "ae"},
    {"nbe", "a"},
    {"nl", "ge"},
    {"nle", "g"},
    /* One row for all sizes: */
    {"cdq", "cwd"},
    {"cqo", "cwd"},
    {"cwde", "cbw"},
    {"cdqe", "cbw"},
    {"jecxz", "jcxz"},
    {"jrcxz", "jcxz"},
    {"movq", "movd"},
    {"cmpxchg16b", "cmpxchg8b"},
    {"ret", "retf"},
    {"nop", "xchg"}, /* of rAX with itself */
    /* Encodings that the manual does not have: */
    {"fstp", "fstp1"},
    {"fstp", "fstp8"},
    {"fstp", "fstp9"},
    {"fxch", "fxch4"},
    {"fxch", "fxch7"},
    {"fcom", "fcom2"},
    {"fcomp", "fcomp3"},
    {"fcomp", "fcomp5"},
    {"feni8087_nop", "feni"},
    {"fdisi8087_nop", "fdisi"},
    {"fsetpm287_nop", "fsetpm"},
    /* Hints: */
    {"prefetch", "prefetchw"},
    {"nop", "prefetch"},
    {"prefetcht0", "prefetch"},
    {"prefetcht1", "prefetch"},
    {"prefetcht2", "prefetch"},
    {"prefetchnta", "prefetch"},
    {"prefetchwt1", "prefetchw"},
    {"pause", "xchg"},
    {"endbr32", "nop"},
    {"endbr64", "nop"},
    {"rdsspd", "nop"},
    {"rdsspq", "nop"},
    {"bndcn", "nop"},
    {"bndcl", "nop"},
    {"bndcu", "nop"},
    {"bndmk", "nop"},
    {"bndmov", "nop"},
    {"bndldx", "nop"},
    {"bndstx", "nop"},
    {"cldemote", "nop"},
    /* Where F3 makes another one, which CPUID does not offer, the handler raises #UD: */
    {"senduipi", "rdrand"},
    {"rdpid", "rdseed"},
};

static bool is_alias(const char *zydis, const char *ours)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (!strcmp(aliases[i].zydis, zydis) && !strcmp(aliases[i].ours, ours))
            return true;
    return false;
}

/* Do they mean the same instruction? */
static bool same_name(const char *zydis, const struct soft_row *row)
{
    static const char *const conditional[] = {"j", "set", "cmov"};
    static const char *const sizes[] = {"", "b", "w", "d", "q", "64"};
    char ours[24];
    size_t n = strcspn(row->text, " ");

    snprintf(ours, sizeof(ours), "%.*s", (int)n, row->text);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (!strncmp(zydis, ours, n) && !strcmp(zydis + n, sizes[i]))
            return true;
    for (size_t i = 0; i < sizeof(conditional) / sizeof(conditional[0]); i++) {
        n = strlen(conditional[i]);
        if (!strncmp(zydis, conditional[i], n) && !strncmp(ours, conditional[i], n) &&
            is_alias(zydis + n, ours + n))
            return true;
    }
    return is_alias(zydis, ours);
}

int main(int argc, char **argv)
{
    static const struct {
        ZydisMachineMode machine;
        ZydisStackWidth stack;
        uint32_t mode;
    } modes[] = {
        {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16,
         1 | MODE_PROTECTED | ANYHOW << MODE_STACK_SHIFT},
        {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32,
         2 | MODE_PROTECTED | FLAT32 << MODE_STACK_SHIFT},
        {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64,
         3 | MODE_PROTECTED | FLAT64 << MODE_STACK_SHIFT},
    };
    ZydisDecoder decoder[3];
    int differ = 0, both = 0;

    if (argc > 1)
        rounds = atoi(argv[1]);
    if (argc > 2)
        seed ^= strtoull(argv[2], NULL, 0) << 8;
    for (int m = 0; m < 3; m++)
        ZydisDecoderInit(&decoder[m], modes[m].machine, modes[m].stack);
    for (int i = 0; i < rounds && differ < 200; i++) {
        static const uint8_t odd[] = {0x66, 0x67, 0xf2, 0xf3, 0x0f, 0x48, 0xc4, 0x38, 0x3a, 0xf0};
        uint8_t bytes[SOFT_MAX_LEN];
        int m = below(3);
        ZydisDecodedInstruction z;
        struct soft_op op;

        for (int k = 0; k < SOFT_MAX_LEN; k++)
            bytes[k] = k < 3 && below(2) ? PICK(odd) : (uint8_t)random64();
        bool valid = ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder[m], NULL, bytes, sizeof(bytes), &z));
        struct soft_decoded d = soft_decode(modes[m].mode, bytes, SOFT_MAX_LEN, 0, &op);

        both += valid && d.row;
        if (valid == !!d.row &&
            (!valid || (z.length == d.len && same_name(ZydisMnemonicGetString(z.mnemonic), d.row))))
            continue;
        if (explained(&z, valid, &d))
            continue;
        /* Each row or name once. */
        static const void *seen[200];
        const void *what = d.row ? (const void *)d.row : ZydisMnemonicGetString(z.mnemonic);
        int k = 0;

        while (k < differ && seen[k] != what)
            k++;
        if (k < differ)
            continue;
        seen[differ++] = what;
        printf("# %d-bit", 16 << m);
        for (k = 0; k < SOFT_MAX_LEN; k++)
            printf(" %02x", bytes[k]);
        if (valid)
            printf(": zydis %d %s (%s, %s)", z.length, ZydisMnemonicGetString(z.mnemonic),
                   ZydisISAExtGetString(z.meta.isa_ext), ZydisCategoryGetString(z.meta.category));
        else
            printf(": zydis none");
        if (d.row)
            printf("; here %d \"%s\" %s\n", d.len, d.row->encoding, d.row->text);
        else
            printf("; here none\n");
    }
    printf("# %d of %d are instructions for both; %d differ\n", both, rounds, differ);
    return differ > 0;
}

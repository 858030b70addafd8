// SPDX-License-Identifier: MIT
/*
 * The soft CPU's integer instructions: against the host's processor, and by the manual where the
 * host's has none of it in 64-bit mode.
 */
#include "tests/unit/random.h"
#include "tests/unit/soft-cpu.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define ARITHMETIC 0x8d5

enum {
    OPERAND = 64, /* bytes of memory that RSI points to the middle of */
    ROUNDS = 60,  /* with each instruction */
};

/* What an instruction has for input and output. RSP and RSI are not compared. */
struct state {
    uint64_t r[16], flags;
    uint8_t memory[OPERAND];
};

static uint8_t *page
    __attribute__((used)); /* below 4 GiB: host code; the operand in its second half */
static uint64_t native_r[16] __attribute__((used)), native_flags, saved_sp __attribute__((used));
static sigjmp_buf trap;

static void on_signal(int number)
{
    siglongjmp(trap, number);
}

/* Load all registers but RSP from r, jump to the page, and store them back. */
static __attribute__((noinline)) void enter_page(void)
{
    asm volatile("push rbx\n\tpush rbp\n\tpush r12\n\tpush r13\n\tpush r14\n\tpush r15\n\t"
                 "mov [rip + saved_sp], rsp\n\t"
                 "push qword ptr [rip + native_flags]\n\t"
                 "popfq\n\t"
                 "mov rax, [rip + native_r]\n\t"
                 "mov rcx, [rip + native_r + 8]\n\t"
                 "mov rdx, [rip + native_r + 16]\n\t"
                 "mov rbx, [rip + native_r + 24]\n\t"
                 "mov rbp, [rip + native_r + 40]\n\t"
                 "mov rsi, [rip + native_r + 48]\n\t"
                 "mov rdi, [rip + native_r + 56]\n\t"
                 "mov r8, [rip + native_r + 64]\n\t"
                 "mov r9, [rip + native_r + 72]\n\t"
                 "mov r10, [rip + native_r + 80]\n\t"
                 "mov r11, [rip + native_r + 88]\n\t"
                 "mov r12, [rip + native_r + 96]\n\t"
                 "mov r13, [rip + native_r + 104]\n\t"
                 "mov r14, [rip + native_r + 112]\n\t"
                 "mov r15, [rip + native_r + 120]\n\t"
                 "call qword ptr [rip + page]\n\t"
                 "mov [rip + native_r], rax\n\t"
                 "mov [rip + native_r + 8], rcx\n\t"
                 "mov [rip + native_r + 16], rdx\n\t"
                 "mov [rip + native_r + 24], rbx\n\t"
                 "mov [rip + native_r + 40], rbp\n\t"
                 "mov [rip + native_r + 48], rsi\n\t"
                 "mov [rip + native_r + 56], rdi\n\t"
                 "mov [rip + native_r + 64], r8\n\t"
                 "mov [rip + native_r + 72], r9\n\t"
                 "mov [rip + native_r + 80], r10\n\t"
                 "mov [rip + native_r + 88], r11\n\t"
                 "mov [rip + native_r + 96], r12\n\t"
                 "mov [rip + native_r + 104], r13\n\t"
                 "mov [rip + native_r + 112], r14\n\t"
                 "mov [rip + native_r + 120], r15\n\t"
                 "pushfq\n\t"
                 "pop qword ptr [rip + native_flags]\n\t"
                 "cld\n\t"
                 "mov rsp, [rip + saved_sp]\n\t"
                 "pop r15\n\tpop r14\n\tpop r13\n\tpop r12\n\tpop rbp\n\tpop rbx"
                 :
                 :
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

/* The host's signal, or 0. */
static int run_native(struct state *s, const uint8_t *code, int n)
{
    uint8_t *operand = page + 2048;
    int number;

    memcpy(page, code, n);
    page[n] = 0xc3;
    memcpy(operand, s->memory, OPERAND);
    memcpy(native_r, s->r, sizeof(native_r));
    native_r[RSI] = (uintptr_t)operand + OPERAND / 2;
    native_flags = s->flags | 0x202;
    number = sigsetjmp(trap, 1);
    if (!number)
        enter_page();
    memcpy(s->r, native_r, sizeof(native_r));
    s->flags = native_flags;
    memcpy(s->memory, operand, OPERAND);
    return number;
}

static int run_soft(struct state *s, const uint8_t *code, int n)
{
    int vector;

    memcpy(cpu_at(CPU_DATA), s->memory, OPERAND);
    memcpy(c->r, s->r, sizeof(s->r));
    c->r[RSI] = CPU_DATA + OPERAND / 2;
    c->r[RSP] = CPU_STACK;
    c->eflags = s->flags & EFLAGS_DF;
    soft_set_arith(c, s->flags);
    vector = cpu_run(code, n);
    memcpy(s->r, c->r, sizeof(s->r));
    s->flags = soft_eflags(c);
    memcpy(s->memory, cpu_at(CPU_DATA), OPERAND);
    return vector;
}

static int signal_of(int vector)
{
    return vector == CPU_OK         ? 0
           : vector == EXCEPTION_DE ? SIGFPE
           : vector == EXCEPTION_UD ? SIGILL
                                    : SIGSEGV;
}

static uint64_t interesting(void)
{
    static const uint64_t some[] = {
        0,      1,          2,          0x7f,       0x80,       0xff,      0x7fff,           0x8000,
        0xffff, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63};

    switch (below(4)) {
    case 0:
        return PICK(some);
    case 1:
        return below(70);
    case 2:
        return (int64_t)random64() >> below(64);
    default:
        return random64();
    }
}

/* One instruction on both, with the same random input; defined: of the arithmetic flags. */
static void compare(const char *name, const uint8_t *code, int n, uint32_t defined)
{
    struct state in, host, soft;
    int number, vector;

    for (int i = 0; i < 16; i++)
        in.r[i] = interesting();
    in.flags = random64() & (ARITHMETIC | EFLAGS_DF);
    for (int i = 0; i < OPERAND; i += 8) {
        uint64_t val = interesting();

        memcpy(in.memory + i, &val, 8);
    }
    /* So that exchanges happen to be equal. */
    if (below(2))
        memcpy(in.memory + OPERAND / 2, &in.r[below(2) ? RAX : RBX], 8);
    if (below(4) == 0)
        in.r[RBX] = in.r[RAX];
    host = soft = in;
    number = run_native(&host, code, n);
    vector = run_soft(&soft, code, n);
    host.r[RSP] = soft.r[RSP] = host.r[RSI] = soft.r[RSI] = 0;
    host.flags &= defined | EFLAGS_DF;
    soft.flags &= defined | EFLAGS_DF;
    if (number && number == signal_of(vector))
        return;
    if (number == signal_of(vector) && !memcmp(&host, &soft, sizeof(host)))
        return;
    test_failures++;
    if (test_failures > 20)
        return;
    printf("# %s:", name);
    for (int i = 0; i < n; i++)
        printf(" %02x", code[i]);
    printf(" signal %d, vector %d, flags %#llx: %#llx, not %#llx\n", number, vector,
           (unsigned long long)in.flags, (unsigned long long)soft.flags,
           (unsigned long long)host.flags);
    for (int i = 0; i < 16; i++)
        if (host.r[i] != soft.r[i])
            printf("#     r%d %#llx: %#llx, not %#llx (rax %#llx rbx %#llx rcx %#llx rdx %#llx)\n",
                   i, (unsigned long long)in.r[i], (unsigned long long)soft.r[i],
                   (unsigned long long)host.r[i], (unsigned long long)in.r[RAX],
                   (unsigned long long)in.r[RBX], (unsigned long long)in.r[RCX],
                   (unsigned long long)in.r[RDX]);
    for (int i = 0; i < OPERAND; i++)
        if (host.memory[i] != soft.memory[i])
            printf("#     memory[%d] %02x: %02x, not %02x\n", i - OPERAND / 2, in.memory[i],
                   soft.memory[i], host.memory[i]);
}

enum {
    FLAGS_SHIFT = ARITHMETIC & ~(EFLAGS_AF | EFLAGS_OF), /* but for counts of 1 and 0 */
    FLAGS_LOGIC = ARITHMETIC & ~EFLAGS_AF,
    FLAGS_PRODUCT = EFLAGS_CF | EFLAGS_OF,
    FLAGS_COUNT = EFLAGS_CF | EFLAGS_ZF,

    BYTES = 1,  /* operands of 8 bits: no 66, no REX.W */
    MEMORY = 2, /* not with registers */
    ONLY_REGISTERS = 4,
    LOCKED = 8, /* may have LOCK, with memory */
    PLAIN = 16, /* no ModRM */
    NO_16 = 32,
    LOW = 64, /* opcode + register */
};

/* Instructions: opcode bytes (in front of them, a mandatory prefix), ModRM.reg or -1, bytes of the
 * immediate (4: or 2, by the operand's size). */
struct instruction {
    const char *name, *opcode;
    int n, digit, immediate, how;
    uint32_t defined;
};

#define OP(name, opcode, ...)                                                                      \
    {                                                                                              \
        name, opcode, sizeof(opcode) - 1, __VA_ARGS__                                              \
    }
#define ALU(name, o0, o1, o2, o3, o4, o5, digit, lock)                                             \
    OP(name, o0, -1, 0, BYTES | (lock), ARITHMETIC), OP(name, o1, -1, 0, lock, ARITHMETIC),        \
        OP(name, o2, -1, 0, BYTES, ARITHMETIC), OP(name, o3, -1, 0, 0, ARITHMETIC),                \
        OP(name, o4, -1, 1, BYTES | PLAIN, ARITHMETIC), OP(name, o5, -1, 4, PLAIN, ARITHMETIC),    \
        OP(name, "\x80", digit, 1, BYTES | (lock), ARITHMETIC),                                    \
        OP(name, "\x81", digit, 4, lock, ARITHMETIC), OP(name, "\x83", digit, 1, lock, ARITHMETIC)
#define LOGIC(name, o0, o1, o2, o3, o4, o5, digit)                                                 \
    OP(name, o0, -1, 0, BYTES | LOCKED, FLAGS_LOGIC), OP(name, o1, -1, 0, LOCKED, FLAGS_LOGIC),    \
        OP(name, o2, -1, 0, BYTES, FLAGS_LOGIC), OP(name, o3, -1, 0, 0, FLAGS_LOGIC),              \
        OP(name, o4, -1, 1, BYTES | PLAIN, FLAGS_LOGIC), OP(name, o5, -1, 4, PLAIN, FLAGS_LOGIC),  \
        OP(name, "\x80", digit, 1, BYTES | LOCKED, FLAGS_LOGIC),                                   \
        OP(name, "\x81", digit, 4, LOCKED, FLAGS_LOGIC),                                           \
        OP(name, "\x83", digit, 1, LOCKED, FLAGS_LOGIC)
#define SHIFT(name, digit, defined)                                                                \
    OP(name, "\xc0", digit, 1, BYTES, defined), OP(name, "\xc1", digit, 1, 0, defined),            \
        OP(name, "\xd0", digit, 0, BYTES, (defined) | EFLAGS_OF),                                  \
        OP(name, "\xd1", digit, 0, 0, (defined) | EFLAGS_OF),                                      \
        OP(name, "\xd2", digit, 0, BYTES, defined), OP(name, "\xd3", digit, 0, 0, defined)
#define BIT(name, opcode, digit, lock)                                                             \
    OP(name, opcode, -1, 0, ONLY_REGISTERS, EFLAGS_CF | EFLAGS_ZF),                                \
        OP(name, "\x0f\xba", digit, 1, lock, EFLAGS_CF | EFLAGS_ZF)
#define CC(cmov, set)                                                                              \
    OP("cmov", "\x0f" cmov, -1, 0, 0, ARITHMETIC), OP("set", "\x0f" set, 0, 0, BYTES, ARITHMETIC)

static void try_all(const struct instruction *list)
{
    cpu_start(CPU_LONG64);
    for (const struct instruction *i = list; i->name; i++)
        for (int round = 0; round < ROUNDS; round++) {
            uint8_t code[32], *p = code;
            bool bytes = i->how & BYTES, memory, lock;
            int size = bytes ? 0 : below(3) + 1, reg, rm, prefix = 0;
            static const uint8_t registers[] = {0, 1, 2, 3, 5, 7};

            if (i->how & NO_16 && size == 1)
                size = 2;
            memory = !(i->how & (ONLY_REGISTERS | PLAIN | LOW)) && (i->how & MEMORY || below(2));
            lock = memory && i->how & LOCKED && below(2);
            if (size == 1)
                *p++ = 0x66;
            if (memory && below(4) == 0)
                *p++ = 0x67;
            if (lock)
                *p++ = 0xf0;
            if ((uint8_t)i->opcode[0] == 0xf3 || (uint8_t)i->opcode[0] == 0xf2)
                *p++ = i->opcode[prefix++];
            reg = i->digit >= 0 ? i->digit : PICK(registers);
            rm = PICK(registers);
            /* REX: of a byte operand without one it is AH or CH that is named by 4 or 5. */
            bool rex_r = i->digit < 0 && below(3) == 0, rex_b = !memory && below(3) == 0;

            /* SDM 2, PAUSE and XCHG: with REX.B, F3 90 is PAUSE to some and XCHG R8, RAX to others.
             */
            if (i->how & LOW && prefix && rm == 0)
                rex_b = false;
            if (bytes && below(3) == 0 && !(i->how & PLAIN)) {
                rex_r = rex_b = false;
                if (i->digit < 0 && prefix == 0) /* crc32's is not of 8 bits */
                    reg = below(6);
                if (!memory)
                    rm = below(6);
            } else {
                *p++ = 0x40 | (size == 3 ? 8 : 0) | (rex_r ? 4 : 0) | (rex_b ? 1 : 0);
            }
            memcpy(p, i->opcode + prefix, i->n - prefix);
            p += i->n - prefix;
            if (i->how & LOW)
                p[-1] |= rm;
            else if (!(i->how & PLAIN))
                *p++ = memory ? 0x46 | reg << 3 : 0xc0 | reg << 3 | rm;
            if (memory)
                *p++ = below(16); /* [rsi + disp8] */
            for (int b = 0; b < (i->immediate == 4 && size == 1   ? 2
                                 : i->immediate == 8 && size == 1 ? 2
                                 : i->immediate == 8 && size == 2 ? 4
                                                                  : i->immediate);
                 b++)
                *p++ = random64();
            compare(i->name, code, p - code, i->defined);
        }
    cpu_end();
}

static void arithmetic(void)
{
    static const struct instruction list[] = {
        ALU("add", "\x00", "\x01", "\x02", "\x03", "\x04", "\x05", 0, LOCKED),
        ALU("adc", "\x10", "\x11", "\x12", "\x13", "\x14", "\x15", 2, LOCKED),
        ALU("sbb", "\x18", "\x19", "\x1a", "\x1b", "\x1c", "\x1d", 3, LOCKED),
        ALU("sub", "\x28", "\x29", "\x2a", "\x2b", "\x2c", "\x2d", 5, LOCKED),
        ALU("cmp", "\x38", "\x39", "\x3a", "\x3b", "\x3c", "\x3d", 7, 0),
        LOGIC("or", "\x08", "\x09", "\x0a", "\x0b", "\x0c", "\x0d", 1),
        LOGIC("and", "\x20", "\x21", "\x22", "\x23", "\x24", "\x25", 4),
        LOGIC("xor", "\x30", "\x31", "\x32", "\x33", "\x34", "\x35", 6),
        OP("test", "\x84", -1, 0, BYTES, FLAGS_LOGIC),
        OP("test", "\x85", -1, 0, 0, FLAGS_LOGIC),
        OP("test", "\xa8", -1, 1, BYTES | PLAIN, FLAGS_LOGIC),
        OP("test", "\xa9", -1, 4, PLAIN, FLAGS_LOGIC),
        OP("test", "\xf6", 0, 1, BYTES, FLAGS_LOGIC),
        OP("test", "\xf7", 0, 4, 0, FLAGS_LOGIC),
        OP("test", "\xf6", 1, 1, BYTES, FLAGS_LOGIC),
        OP("test", "\xf7", 1, 4, 0, FLAGS_LOGIC),
        OP("inc", "\xfe", 0, 0, BYTES | LOCKED, ARITHMETIC),
        OP("inc", "\xff", 0, 0, LOCKED, ARITHMETIC),
        OP("dec", "\xfe", 1, 0, BYTES | LOCKED, ARITHMETIC),
        OP("dec", "\xff", 1, 0, LOCKED, ARITHMETIC),
        OP("not", "\xf6", 2, 0, BYTES | LOCKED, ARITHMETIC),
        OP("not", "\xf7", 2, 0, LOCKED, ARITHMETIC),
        OP("neg", "\xf6", 3, 0, BYTES | LOCKED, ARITHMETIC),
        OP("neg", "\xf7", 3, 0, LOCKED, ARITHMETIC),
        OP("xadd", "\x0f\xc0", -1, 0, BYTES | LOCKED, ARITHMETIC),
        OP("xadd", "\x0f\xc1", -1, 0, LOCKED, ARITHMETIC),
        OP("cmpxchg", "\x0f\xb0", -1, 0, BYTES | LOCKED, ARITHMETIC),
        OP("cmpxchg", "\x0f\xb1", -1, 0, LOCKED, ARITHMETIC),
        OP("cmpxchg8b", "\x0f\xc7", 1, 0, MEMORY | LOCKED, ARITHMETIC),
        {0},
    };

    try_all(list);
}

static void moves(void)
{
    static const struct instruction list[] = {
        OP("mov", "\x88", -1, 0, BYTES, ARITHMETIC),
        OP("mov", "\x89", -1, 0, 0, ARITHMETIC),
        OP("mov", "\x8a", -1, 0, BYTES, ARITHMETIC),
        OP("mov", "\x8b", -1, 0, 0, ARITHMETIC),
        OP("mov", "\xc6", 0, 1, BYTES, ARITHMETIC),
        OP("mov", "\xc7", 0, 4, 0, ARITHMETIC),
        OP("mov", "\xb0", -1, 1, BYTES | LOW, ARITHMETIC),
        OP("mov", "\xb8", -1, 8, LOW, ARITHMETIC),
        OP("movzx", "\x0f\xb6", -1, 0, 0, ARITHMETIC),
        OP("movzx", "\x0f\xb7", -1, 0, 0, ARITHMETIC),
        OP("movsx", "\x0f\xbe", -1, 0, 0, ARITHMETIC),
        OP("movsx", "\x0f\xbf", -1, 0, 0, ARITHMETIC),
        OP("movsxd", "\x63", -1, 0, 0, ARITHMETIC),
        OP("movnti", "\x0f\xc3", -1, 0, MEMORY | NO_16, ARITHMETIC),
        OP("bswap", "\x0f\xc8", -1, 0, LOW, ARITHMETIC),
        OP("xchg", "\x86", -1, 0, BYTES | LOCKED, ARITHMETIC),
        OP("xchg", "\x87", -1, 0, LOCKED, ARITHMETIC),
        OP("xchg", "\x90", -1, 0, LOW, ARITHMETIC),
        OP("pause", "\xf3\x90", -1, 0, LOW, ARITHMETIC),
        OP("cbw", "\x98", -1, 0, PLAIN, ARITHMETIC),
        OP("cwd", "\x99", -1, 0, PLAIN, ARITHMETIC),
        OP("sahf", "\x9e", -1, 0, PLAIN, ARITHMETIC),
        OP("lahf", "\x9f", -1, 0, PLAIN, ARITHMETIC),
        OP("cmc", "\xf5", -1, 0, PLAIN, ARITHMETIC),
        OP("clc", "\xf8", -1, 0, PLAIN, ARITHMETIC),
        OP("stc", "\xf9", -1, 0, PLAIN, ARITHMETIC),
        OP("cld", "\xfc", -1, 0, PLAIN, ARITHMETIC),
        OP("std", "\xfd", -1, 0, PLAIN, ARITHMETIC),
        OP("lea", "\x8d", -1, 0, ONLY_REGISTERS, ARITHMETIC),
        OP("nop", "\x0f\x1f", 0, 0, 0, ARITHMETIC),
        OP("endbr", "\xf3\x0f\x1e", 7, 0, ONLY_REGISTERS, ARITHMETIC),
        OP("prefetch", "\x0f\x18", 1, 0, MEMORY, ARITHMETIC),
        OP("prefetchw", "\x0f\x0d", 1, 0, MEMORY, ARITHMETIC),
        CC("\x40", "\x90"),
        CC("\x41", "\x91"),
        CC("\x42", "\x92"),
        CC("\x43", "\x93"),
        CC("\x44", "\x94"),
        CC("\x45", "\x95"),
        CC("\x46", "\x96"),
        CC("\x47", "\x97"),
        CC("\x48", "\x98"),
        CC("\x49", "\x99"),
        CC("\x4a", "\x9a"),
        CC("\x4b", "\x9b"),
        CC("\x4c", "\x9c"),
        CC("\x4d", "\x9d"),
        CC("\x4e", "\x9e"),
        CC("\x4f", "\x9f"),
        {0},
    };

    try_all(list);
}

static void products(void)
{
    static const struct instruction list[] = {
        OP("mul", "\xf6", 4, 0, BYTES, FLAGS_PRODUCT),
        OP("mul", "\xf7", 4, 0, 0, FLAGS_PRODUCT),
        OP("imul", "\xf6", 5, 0, BYTES, FLAGS_PRODUCT),
        OP("imul", "\xf7", 5, 0, 0, FLAGS_PRODUCT),
        OP("imul", "\x0f\xaf", -1, 0, 0, FLAGS_PRODUCT),
        OP("imul", "\x69", -1, 4, 0, FLAGS_PRODUCT),
        OP("imul", "\x6b", -1, 1, 0, FLAGS_PRODUCT),
        {0},
    };
    static const struct instruction quotients[] = {
        OP("div", "\xf6", 6, 0, BYTES, 0),
        OP("div", "\xf7", 6, 0, 0, 0),
        OP("idiv", "\xf6", 7, 0, BYTES, 0),
        OP("idiv", "\xf7", 7, 0, 0, 0),
        {0},
    };

    try_all(list);
    for (int i = 0; i < 20; i++)
        try_all(quotients);
}

static void shifts(void)
{
    static const struct instruction list[] = {
        SHIFT("rol", 0, ARITHMETIC & ~EFLAGS_OF),
        SHIFT("ror", 1, ARITHMETIC & ~EFLAGS_OF),
        SHIFT("rcl", 2, ARITHMETIC & ~EFLAGS_OF),
        SHIFT("rcr", 3, ARITHMETIC & ~EFLAGS_OF),
        SHIFT("shl", 4, FLAGS_SHIFT),
        SHIFT("shr", 5, FLAGS_SHIFT),
        SHIFT("sal", 6, FLAGS_SHIFT),
        SHIFT("sar", 7, FLAGS_SHIFT),
        OP("shld", "\x0f\xa4", -1, 1, NO_16, FLAGS_SHIFT),
        OP("shld", "\x0f\xa5", -1, 0, NO_16, FLAGS_SHIFT),
        OP("shrd", "\x0f\xac", -1, 1, NO_16, FLAGS_SHIFT),
        OP("shrd", "\x0f\xad", -1, 0, NO_16, FLAGS_SHIFT),
        {0},
    };

    try_all(list);
}

static void bits(void)
{
    static const struct instruction list[] = {
        BIT("bt", "\x0f\xa3", 4, 0),
        BIT("bts", "\x0f\xab", 5, LOCKED),
        BIT("btr", "\x0f\xb3", 6, LOCKED),
        BIT("btc", "\x0f\xbb", 7, LOCKED),
        OP("bsf", "\x0f\xbc", -1, 0, 0, EFLAGS_ZF),
        OP("bsr", "\x0f\xbd", -1, 0, 0, EFLAGS_ZF),
        {0},
    };

    try_all(list);
}

/* A bit's number in a register names bytes around the operand. */
static void bit_strings(void)
{
    static const uint8_t opcodes[] = {0xa3, 0xab, 0xb3, 0xbb};

    cpu_start(CPU_LONG64);
    for (int i = 0; i < 2000; i++) {
        /* movsx rcx, cl; the instruction itself with [rsi], rcx */
        uint8_t code[16] = {0x48, 0x0f, 0xbe, 0xc9}, *p = code + 4;
        int op = below(4), size = below(3) + 1;

        if (size == 1)
            *p++ = 0x66;
        if (op && below(2))
            *p++ = 0xf0;
        *p++ = size == 3 ? 0x48 : 0x40;
        *p++ = 0x0f;
        *p++ = opcodes[op];
        *p++ = 0x0e;
        compare("bit string", code, p - code, EFLAGS_CF | EFLAGS_ZF);
    }
    cpu_end();
}

/* VEX: three bytes, whose vvvv is RBX. */
struct vex {
    const char *name;
    uint8_t map, pp, opcode;
    int digit, immediate;
    uint32_t defined;
};

static void bit_fields(void)
{
    static const struct instruction list[] = {
        OP("movbe", "\x0f\x38\xf0", -1, 0, MEMORY, ARITHMETIC),
        OP("movbe", "\x0f\x38\xf1", -1, 0, MEMORY, ARITHMETIC),
        OP("movbe", "\xf3\x0f\x38\xf1", -1, 0, MEMORY, ARITHMETIC),
        OP("popcnt", "\xf3\x0f\xb8", -1, 0, 0, ARITHMETIC),
        OP("tzcnt", "\xf3\x0f\xbc", -1, 0, 0, FLAGS_COUNT),
        OP("lzcnt", "\xf3\x0f\xbd", -1, 0, 0, FLAGS_COUNT),
        OP("crc32", "\xf2\x0f\x38\xf0", -1, 0, BYTES, ARITHMETIC),
        OP("crc32", "\xf2\x0f\x38\xf1", -1, 0, 0, ARITHMETIC),
        {0},
    };
    static const struct vex vex[] = {
        {"andn", 2, 0, 0xf2, -1, 0, ARITHMETIC & ~(EFLAGS_AF | EFLAGS_PF)},
        {"blsr", 2, 0, 0xf3, 1, 0, ARITHMETIC & ~(EFLAGS_AF | EFLAGS_PF)},
        {"blsmsk", 2, 0, 0xf3, 2, 0, ARITHMETIC & ~(EFLAGS_AF | EFLAGS_PF)},
        {"blsi", 2, 0, 0xf3, 3, 0, ARITHMETIC & ~(EFLAGS_AF | EFLAGS_PF)},
        {"bzhi", 2, 0, 0xf5, -1, 0, ARITHMETIC & ~(EFLAGS_AF | EFLAGS_PF)},
        {"pext", 2, 2, 0xf5, -1, 0, ARITHMETIC},
        {"pdep", 2, 3, 0xf5, -1, 0, ARITHMETIC},
        {"mulx", 2, 3, 0xf6, -1, 0, ARITHMETIC},
        {"bextr", 2, 0, 0xf7, -1, 0, EFLAGS_ZF | EFLAGS_CF | EFLAGS_OF},
        {"shlx", 2, 1, 0xf7, -1, 0, ARITHMETIC},
        {"sarx", 2, 2, 0xf7, -1, 0, ARITHMETIC},
        {"shrx", 2, 3, 0xf7, -1, 0, ARITHMETIC},
        {"rorx", 3, 3, 0xf0, -1, 1, ARITHMETIC},
    };

    /* They are computed without the host's help, but compared with it. */
    if (!__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("lzcnt") ||
        !__builtin_cpu_supports("movbe"))
        return;
    try_all(list);
    cpu_start(CPU_LONG64);
    for (size_t v = 0; v < sizeof(vex) / sizeof(vex[0]); v++)
        for (int round = 0; round < ROUNDS * 4; round++) {
            bool wide = below(2), memory = below(2);
            int reg = vex[v].digit >= 0 ? vex[v].digit : (int)below(4), rm = below(4);
            int vvvv = vex[v].opcode == 0xf0 ? 0 : (int)below(4);
            uint8_t code[8] = {0xc4,
                               0xe0 | vex[v].map,
                               wide << 7 | (~vvvv & 15) << 3 | vex[v].pp,
                               vex[v].opcode,
                               memory ? 0x06 | reg << 3 : 0xc0 | reg << 3 | rm,
                               random64()};

            compare(vex[v].name, code, 5 + vex[v].immediate, vex[v].defined);
        }
    cpu_end();
}

static void stack(void)
{
    static const struct {
        const char *name, *code;
        int n;
    } list[] = {
#define CODE(name, code) {name, code, sizeof(code) - 1}
        CODE("push, pop", "\x50\x53\x59\x5a"),
        CODE("of r8, r15", "\x41\x50\x41\x57\x59\x5a"),
        CODE("of 16 bits",
             "\x66\x50\x66\x53\x66\x51\x66\x52\x5b\x51\x66\x5a\x66\x59\x66\x58\x66\x5f"),
        CODE("push imm, pop", "\x68\x78\x56\x34\x92\x6a\xfe\x59\x5a"),
        CODE("push, pop memory", "\xff\x36\x8f\x46\x08"),
        CODE("pop at rsp", "\x50\x53\x51\x8f\x44\x24\x08\x5a\x59"),
        CODE("push rsp", "\x48\x89\xe3\x54\x58\x48\x29\xd8\x31\xdb"),
        CODE("pop rsp", "\x48\x89\xe3\x53\x5c\x48\x29\xe3"),
        CODE("pop sp", "\x48\x89\xe3\x66\x53\x66\x5c\x48\x89\xe0\x48\x29\xd8\x48\x89\xdc\x31\xdb"),
        CODE("enter, leave", "\xc8\x20\x00\x00\x89\xe0\x29\xe8\x48\x8b\x4d\x00\xc9"),
        CODE(
            "enter with levels",
            "\x48\x89\xe3\x50\x51\x52\x48\x89\xe5\x48\x83\xc5\x18\xc8\x20\x00\x03\x48\x8b\x4d\xf8"
            "\x48\x8b\x45\xf0\x48\x89\xea\x48\x29\xda\x48\x2b\x5d\xe8\xc9\x48\x83\xc4\x18\x31\xed"),
    };

    cpu_start(CPU_LONG64);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        for (int round = 0; round < 4; round++)
            compare(list[i].name, (const uint8_t *)list[i].code, list[i].n, i < 6 ? ARITHMETIC : 0);
    cpu_end();
}

/* What the host has not got in 64-bit mode. */
static void digits(void)
{
    static const struct {
        const char *code;
        int n;
        uint16_t ax;
        uint32_t flags;
        uint16_t result;
        uint32_t after, defined;
    } list[] = {
        /* Intel SDM vol. 2A, the examples of DAA and DAS. */
        {"\x27", 1, 0x00ae, EFLAGS_SF | EFLAGS_PF, 0x0014, EFLAGS_PF | EFLAGS_AF | EFLAGS_CF,
         FLAGS_LOGIC | EFLAGS_AF},
        {"\x27", 1, 0x002e, 0, 0x0034, EFLAGS_AF, ARITHMETIC & ~EFLAGS_OF},
        {"\x2f", 1, 0x00ee, EFLAGS_SF | EFLAGS_CF | EFLAGS_AF, 0x0088,
         EFLAGS_SF | EFLAGS_PF | EFLAGS_AF | EFLAGS_CF, ARITHMETIC & ~EFLAGS_OF},
        {"\x27", 1, 0x0099, 0, 0x0099, EFLAGS_SF | EFLAGS_PF, ARITHMETIC & ~EFLAGS_OF},
        {"\x27", 1, 0x009a, 0, 0x0000, EFLAGS_ZF | EFLAGS_PF | EFLAGS_AF | EFLAGS_CF,
         ARITHMETIC & ~EFLAGS_OF},
        {"\x2f", 1, 0x0002, EFLAGS_AF, 0x00fc, EFLAGS_SF | EFLAGS_PF | EFLAGS_AF | EFLAGS_CF,
         ARITHMETIC & ~EFLAGS_OF},
        {"\x37", 1, 0x01fb, 0, 0x0301, EFLAGS_AF | EFLAGS_CF, EFLAGS_AF | EFLAGS_CF},
        {"\x37", 1, 0x0105, EFLAGS_CF, 0x0105, 0, EFLAGS_AF | EFLAGS_CF},
        {"\x3f", 1, 0x0205, EFLAGS_AF, 0x000f, EFLAGS_AF | EFLAGS_CF, EFLAGS_AF | EFLAGS_CF},
        {"\xd4\x0a", 2, 0x1237, 0, 0x0505, EFLAGS_PF, EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF},
        {"\xd4\x10", 2, 0x12f0, 0, 0x0f00, EFLAGS_PF | EFLAGS_ZF,
         EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF},
        {"\xd5\x0a", 2, 0x0907, 0, 0x0061, 0, EFLAGS_SF | EFLAGS_ZF | EFLAGS_PF},
        {"\xd6", 1, 0x1200, EFLAGS_CF, 0x12ff, EFLAGS_CF, ARITHMETIC},
        {"\xd6", 1, 0x12ff, 0, 0x1200, 0, ARITHMETIC},
    };

    cpu_start(CPU_FLAT32);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        c->r[RAX] = 0x12340000 | list[i].ax;
        soft_set_arith(c, list[i].flags);
        CHECK_EQ(cpu_run(list[i].code, list[i].n), CPU_OK);
        CHECK_EQ(c->r[RAX], 0x12340000 | list[i].result);
        CHECK_EQ(soft_arith(c) & list[i].defined, list[i].after & list[i].defined);
    }
    CHECK_EQ(cpu_run("\xd4\x00", 2), EXCEPTION_DE);
    cpu_start(CPU_LONG64);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        CHECK_EQ(cpu_run(list[i].code, list[i].n), EXCEPTION_UD);
    cpu_end();
}

static void real_mode(void)
{
    cpu_start(CPU_REAL16);
    /* inc cx; dec dx; 32-bit operands by 66 */
    c->r[RCX] = 0xffff;
    c->r[RDX] = 0x10000;
    CHECK_EQ(cpu_run("\x41\x66\x4a", 3), CPU_OK);
    CHECK_EQ(c->r[RCX] & 0xffff, 0);
    CHECK_EQ(c->r[RDX], 0xffff);
    /* mov al, [si+0x2001]; mov [0x1234], ax; mov bx, [0x1234] */
    c->r[RSI] = 0xffff;
    cpu_at(c->window[DS].base)[0x2000] = 0x5a;
    CHECK_EQ(cpu_run("\x8a\x84\x01\x20\xa3\x34\x12\x8b\x1e\x34\x12", 11), CPU_OK);
    CHECK_EQ(c->r[RAX] & 0xff, 0x5a);
    CHECK_EQ(c->r[RBX] & 0xff, 0x5a);
    /* lea ax, [bx+si]; lea eax, [si] zero-extends */
    c->r[RBX] = 0x8001;
    c->r[RSI] = 0xffff8002;
    CHECK_EQ(cpu_run("\x66\x8d\x00", 3), CPU_OK);
    CHECK_EQ(c->r[RAX], 3);
    CHECK_EQ(cpu_run("\x8d\xc0", 2), EXCEPTION_UD);
    /* xlat; push, pop of 32 bits; enter, leave */
    cpu_at(c->window[DS].base)[0x8003] = 0x77;
    c->r[RAX] = 2;
    CHECK_EQ(cpu_run("\xd7\x66\x50\x66\x59", 5), CPU_OK);
    CHECK_EQ(c->r[RCX], 0x77);
    c->r[RSP] = 0xffff0100;
    c->r[RBP] = 0xeeee4321;
    CHECK_EQ(cpu_run("\xc8\x10\x00\x00", 4), CPU_OK);
    CHECK_EQ(c->r[RSP] & 0xffff, 0xee);
    CHECK_EQ(c->r[RBP] & 0xffff, 0xfe);
    CHECK_EQ(cpu_run("\xc9", 1), CPU_OK);
    CHECK_EQ(c->r[RSP] & 0xffff, 0x100);
    CHECK_EQ(c->r[RBP] & 0xffff, 0x4321);
    cpu_end();
}

static void flat_mode(void)
{
    cpu_start(CPU_FLAT32);
    c->r[RSI] = CPU_DATA - 0x100;
    c->r[RDI] = 0x80;
    c->r[RAX] = 0x12345678;
    c->r[RCX] = 0xffffffff;
    c->r[RBP] = 0xabcd;
    /* mov [esi+edi*2], eax; inc [same]; add ecx, [same] */
    CHECK_EQ(cpu_run("\x89\x04\x7e\xff\x04\x7e\x03\x0c\x7e", 9), CPU_OK);
    CHECK_EQ(soft_peek(cpu_at(CPU_DATA), 2), 0x12345679);
    CHECK_EQ(c->r[RCX], 0x12345678);
    /* mov edx, [bx+si] */
    c->r[RBX] = 0xffff2345;
    c->r[RSI] = 0xffff1111;
    soft_poke(cpu_at(0x3456), 2, 0x11223344);
    CHECK_EQ(cpu_run("\x67\x8b\x10", 3), CPU_OK);
    CHECK_EQ(c->r[RDX], 0x11223344);
    /* push eax; push word 5; push byte -1; enter 8, 1; leave; pop ebx; pop cx; pop edi */
    CHECK_EQ(cpu_run("\x50\x66\x68\x05\x00\x6a\xff\xc8\x08\x00\x01\xc9\x5b\x66\x59\x5f", 16),
             CPU_OK);
    CHECK_EQ(c->r[RBX], 0xffffffff);
    CHECK_EQ(c->r[RCX], 0x12340005);
    CHECK_EQ(c->r[RDI], 0x12345678);
    CHECK_EQ(c->r[RBP], 0xabcd);
    CHECK_EQ(c->r[RSP], CPU_STACK);
    /* mov al, [CPU_DATA]; add al, 1 by 82 */
    CHECK_EQ(cpu_run("\xa0\x00\x00\x02\x00\x82\xc0\x01", 8), CPU_OK);
    CHECK_EQ(c->r[RAX], 0x1234567a);
    /* What is REX in 64-bit code. */
    CHECK_EQ(cpu_run("\x41", 1), CPU_OK);
    CHECK_EQ(c->r[RCX], 0x12340006);
    cpu_end();
}

/* A fault leaves everything as it was. */
static void precise(void)
{
    cpu_start(CPU_LONG64);
    c->r[RSI] = UINT64_C(0x8000000000000000);
    c->r[RAX] = 1;
    c->r[RSP] = CPU_STACK;
    soft_set_arith(c, EFLAGS_ZF);
    CHECK_EQ(cpu_run("\x48\x01\x06", 3), EXCEPTION_GP);     /* add [rsi], rax */
    CHECK_EQ(cpu_run("\x48\x03\x06", 3), EXCEPTION_GP);     /* add rax, [rsi] */
    CHECK_EQ(cpu_run("\x48\x87\x06", 3), EXCEPTION_GP);     /* xchg [rsi], rax */
    CHECK_EQ(cpu_run("\x48\x0f\x44\x06", 4), EXCEPTION_GP); /* cmove rax, [rsi] */
    CHECK_EQ(cpu_run("\x8f\x06", 2), EXCEPTION_GP);         /* pop [rsi] */
    CHECK_EQ(cpu_run("\xff\x36", 2), EXCEPTION_GP);         /* push [rsi] */
    CHECK_EQ(cpu_run("\xf0\x0f\xb1\x0e", 4), EXCEPTION_GP); /* lock cmpxchg [rsi], ecx */
    CHECK_EQ(c->r[RAX], 1);
    CHECK_EQ(c->r[RSP], CPU_STACK);
    CHECK_EQ(soft_arith(c), EFLAGS_ZF);
    c->r[RSI] = CPU_DATA + 8;
    CHECK_EQ(cpu_run("\x48\x0f\xc7\x0e", 4), EXCEPTION_GP); /* cmpxchg16b, not aligned */
    c->r[RSI] = CPU_DATA;
    CHECK_EQ(cpu_run("\xf0\x48\x0f\xc7\x0e", 5), CPU_OK);
    CHECK_EQ(cpu_run("\xf0\x01\xc0", 3), EXCEPTION_UD); /* LOCK without memory */
    CHECK_EQ(cpu_run("\xf0\x03\x06", 3), EXCEPTION_UD); /* nor where it is not written */
    CHECK_EQ(cpu_run("\xf0\x39\x06", 3), EXCEPTION_UD);
    CHECK_EQ(cpu_run("\xf0\x0f\xa3\x06", 4), EXCEPTION_UD); /* bt */
    c->r[RSP] = UINT64_C(0x8000000000000000);
    CHECK_EQ(cpu_run("\x58", 1), EXCEPTION_SS);
    CHECK_EQ(cpu_run("\x50", 1), EXCEPTION_SS);
    CHECK_EQ(c->r[RSP], UINT64_C(0x8000000000000000));
    cpu_end();
}

/* Operands that lie across two pages. */
static void across_pages(void)
{
    cpu_start(CPU_LONG64);
    c->r[RSI] = CPU_DATA + 0x1ffd;
    c->r[RAX] = UINT64_C(0x1122334455667788);
    CHECK_EQ(cpu_run("\x48\x89\x06", 3), CPU_OK);
    CHECK_EQ(soft_peek(cpu_at(CPU_DATA + 0x1ffd), 3), UINT64_C(0x1122334455667788));
    CHECK_EQ(cpu_run("\x48\x01\x06", 3), CPU_OK);
    CHECK_EQ(soft_peek(cpu_at(CPU_DATA + 0x1ffd), 3), UINT64_C(0x22446688aaccef10));
    CHECK_EQ(cpu_run("\xf0\x48\xff\x06", 4), CPU_OK);
    CHECK_EQ(soft_peek(cpu_at(CPU_DATA + 0x1ffd), 3), UINT64_C(0x22446688aaccef11));
    CHECK_EQ(cpu_run("\x48\x8b\x0e", 3), CPU_OK);
    CHECK_EQ(c->r[RCX], UINT64_C(0x22446688aaccef11));
    c->r[RSP] = CPU_DATA + 0x1ffd + 8;
    CHECK_EQ(cpu_run("\x50\x5b", 2), CPU_OK);
    CHECK_EQ(c->r[RBX], UINT64_C(0x1122334455667788));
    cpu_end();
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return test_main((struct test[]){
        {arithmetic, "arithmetic and logic as the host's"},
        {moves, "moves, conditions and flags as the host's"},
        {products, "products and quotients as the host's, #DE included"},
        {shifts, "shifts and rotations as the host's"},
        {bits, "bits as the host's"},
        {bit_strings, "bits beyond the operand as the host's"},
        {bit_fields, "counts, CRC32 and BMI as the host's"},
        {stack, "the stack as the host's"},
        {digits, "decimal digits by the manual"},
        {real_mode, "16-bit code"},
        {flat_mode, "32-bit code"},
        {precise, "faults change nothing; LOCK only where it may be"},
        {across_pages, "operands across two pages"},
        {0},
    });
}

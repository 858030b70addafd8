// SPDX-License-Identifier: MIT
/*
 * Random user-mode instructions on the CPU made of C and on the real processor: registers, flags,
 * memory and faults must be the same.
 *
 * usage: native [ITERATIONS [SEED [FIRST]]]    FIRST: the number of the iteration to begin with
 *        native -l ...                         the same, and list what was not compared
 *        native -c CASE...                     one line of tests/soft/regressions, without its name
 *
 * What differs is shown with the least state that still shows it, as a line for that file. All
 * happens in a child process: the samples can do to it what they like.
 */
#include "hw/units.h"
#include "tests/soft/sample.h"
#include "x86/soft/disasm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define VSYSCALL UINT64_C(0xffffffffff600000)

enum {
    ROWS = 4096, /* at most */
    TRIES = 4,   /* of what differed, until it counts */
};

static struct memory real, made;
static uint8_t plain_data[DATA_SIZE], data_before[DATA_SIZE];

/* Shared with the parent. */
static struct progress {
    uint64_t seed, iteration, compared, faults;
    int failed;
    bool done;
    char why[200];
    uint32_t by_row[ROWS]; /* how often a row was compared */
    bool differs[ROWS];
} * progress;

static uint64_t iterations = 200000, first;

/* ---- memory ---- */

static void fill_plain(void)
{
    uint64_t x = 1;

    for (int i = 0; i < DATA_SIZE; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        plain_data[i] = x >> 56;
    }
    memcpy(real.constant, plain_data, CONST_SIZE);
    memcpy(made.constant, plain_data, CONST_SIZE);
    memset(real.code, INT3, CODE_SIZE);
    memset(made.code, INT3, CODE_SIZE);
}

/* Put the sample's code and data into m; or, with no sample, take the code back. */
static void load(const struct memory *m, const struct sample *s, bool back)
{
    uint64_t at = s->in.rip - CODE;
    size_t n = at >= CODE_SIZE ? 0 : at + s->n > CODE_SIZE ? CODE_SIZE - at : (size_t)s->n;

    if (back) {
        memset(m->code + at, INT3, n);
        return;
    }
    memcpy(m->code + at, s->bytes, n);
    memcpy(m->data, plain_data, DATA_SIZE);
    for (int i = 0; i < s->patches; i++)
        memcpy(m->data + s->patch[i].at, s->patch[i].bytes, s->patch[i].n);
}

/* ---- comparing ---- */

static bool quiet;
static int differences;

#define DIFFERS(...)                                                                               \
    do {                                                                                           \
        differences++;                                                                             \
        if (!quiet)                                                                                \
            printf("#     " __VA_ARGS__);                                                          \
    } while (0)

static void compare_number(const char *name, uint64_t want, uint64_t got)
{
    if (want != got)
        DIFFERS("%s: real %#llx, made %#llx\n", name, (unsigned long long)want,
                (unsigned long long)got);
}

static void compare_bytes(const char *name, int i, const uint8_t *want, const uint8_t *got, int n)
{
    if (!memcmp(want, got, n))
        return;
    DIFFERS("%s%d: real ", name, i);
    if (quiet)
        return;
    for (int k = 0; k < n; k++)
        printf("%02x", want[k]);
    printf(", made ");
    for (int k = 0; k < n; k++)
        printf("%02x", got[k]);
    printf("\n");
}

/* How it ended, for people. */
static void print_end(const struct state *s)
{
    if (s->vector >= 0)
        printf("exception %d, error code %#x, cr2 %#llx", s->vector, s->error,
               (unsigned long long)s->cr2);
    else
        printf("%s", s->vector == ENDED ? "ended" : "stuck");
}

static void compare_ends(const struct state *want, const struct state *got)
{
    if (want->vector == got->vector && want->error == got->error && want->cr2 == got->cr2)
        return;
    DIFFERS("real: ");
    if (quiet)
        return;
    print_end(want);
    printf("; made: ");
    print_end(got);
    printf("\n");
}

static void compare_x87(const struct soft_fpu *want, const struct soft_fpu *got)
{
    compare_number("fcw", want->fcw, got->fcw);
    compare_number("fsw", want->fsw, got->fsw);
    compare_number("ftw", want->ftw, got->ftw);
    compare_number("fop", want->fop, got->fop);
    compare_number("fip", want->fip, got->fip);
    compare_number("fdp", want->fdp, got->fdp);
    for (int i = 0; i < 8; i++)
        compare_bytes("st", i, want->st[i], got->st[i], 10);
}

static void compare(const struct sample *s, const struct state *want, const struct state *got)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    uint32_t flags = EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL |
                     EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;
    uint64_t mask = s->compat ? UINT32_MAX : UINT64_MAX;

    compare_ends(want, got);
    for (int i = 0; i < (s->compat ? 8 : 16); i++)
        compare_number(names[i], want->r[i] & mask, got->r[i] & mask);
    compare_number("rip", want->rip & mask, got->rip & mask);
    compare_number("flags", want->flags & flags, got->flags & flags);
    compare_number("fs", want->fs, got->fs);
    compare_number("gs", want->gs, got->gs);
    compare_x87(&want->fpu, &got->fpu);
    compare_number("mxcsr", want->fpu.mxcsr, got->fpu.mxcsr);
    for (int i = 0; i < 16; i++)
        compare_bytes("xmm", i, want->fpu.xmm[i], got->fpu.xmm[i], 16);
    if (!memcmp(real.data, made.data, DATA_SIZE))
        return;
    for (int i = 0; i < DATA_SIZE; i += 8)
        if (memcmp(real.data + i, made.data + i, 8)) {
            if (!quiet)
                printf("#     data+%x:\n", i);
            compare_bytes("data", 0, real.data + i, made.data + i, 8);
        }
}

/* Did it come to where only the host has something: the page that Linux keeps for old programs, or
 * addresses of 57 bits? */
static bool host_only(const struct state *s)
{
    int64_t cr2 = s->cr2;

    return s->rip - VSYSCALL < 4096 || cr2 << 16 >> 16 != cr2;
}

/* Did it come to where this process has memory of its own, such as its stack? The real one may not
 * go there. */
static bool is_host_memory(const struct state *s)
{
    unsigned char there;

    return s->vector == EXCEPTION_PF && s->cr2 >> 32 &&
           !mincore((void *)(s->cr2 & -PAGE_SIZE), PAGE_SIZE, &there);
}

/* Run a sample on both. True when all is the same. */
static bool same(const struct sample *s, bool silent)
{
    struct state want = {0}, got = {0};

    load(&real, s, false);
    load(&made, s, false);
    memcpy(data_before, made.data, DATA_SIZE);
    quiet = silent;
    differences = 0;
    made_run(s, &got);
    if (is_host_memory(&got)) {
        load(&real, s, true);
        load(&made, s, true);
        return true;
    }
    real_run(s, &want);
    follow(s, &want, &got, &real, &made, data_before);
    if (!host_only(&want) && !host_only(&got))
        compare(s, &want, &got);
    load(&real, s, true);
    load(&made, s, true);
    progress->faults += want.vector >= 0;
    return differences == 0;
}

/* ---- reporting ---- */

/* Try a change of the sample: keep it if the difference stays. */
#define TRY(change)                                                                                \
    do {                                                                                           \
        struct sample old_ = *s;                                                                   \
        change;                                                                                    \
        if (sample_excluded(s) || same(s, true))                                                   \
            *s = old_;                                                                             \
    } while (0)

/* Take away what the difference does not need. */
static void reduce(struct sample *s)
{
    struct state plain;

    plain_state(&plain);
    TRY(s->in.fpu = plain.fpu);
    TRY(memset(s->in.fpu.xmm, 0, sizeof(s->in.fpu.xmm)));
    TRY(memset(s->in.fpu.st, 0, sizeof(s->in.fpu.st)));
    for (int i = 0; i < 16; i++)
        TRY(memset(s->in.fpu.xmm[i], 0, 16));
    for (int i = 0; i < 8; i++)
        TRY(memset(s->in.fpu.st[i], 0, 16));
    TRY(s->in.fpu.mxcsr = plain.fpu.mxcsr);
    TRY(s->in.fpu.fcw = plain.fpu.fcw);
    TRY(s->in.fpu.fsw = plain.fpu.fsw);
    TRY(s->in.fpu.ftw = plain.fpu.ftw);
    for (int i = 0; i < s->patches; i++)
        TRY(s->patch[i].n = 0);
    for (int i = 0; i < 16; i++)
        TRY(s->in.r[i] = plain.r[i]);
    TRY(s->in.rip = plain.rip);
    TRY(s->in.fs = 0);
    TRY(s->in.gs = 0);
    for (uint32_t bit = 1; bit <= EFLAGS_ID; bit <<= 1)
        if (s->in.flags & bit & ~plain.flags)
            TRY(s->in.flags &= ~bit);
}

static void report(struct sample *s, const char *name)
{
    char text[100];

    soft_disassemble(s->compat ? MODE_COMPAT : MODE_64, s->bytes, s->n, s->in.rip, text,
                     sizeof(text));
    printf("# %s: %s (row \"%s\" %s)\n#     ", name, text, s->row ? s->row->encoding : "-",
           s->row ? s->row->text : "-");
    sample_print(s);
    same(s, false);
}

/* ---- the runs ---- */

static const struct soft_row *rows[ROWS];
static int row_count;

static void list_rows(void)
{
    while (row_count < ROWS && (rows[row_count] = soft_row(row_count + 1)))
        row_count++;
}

static int row_number(const struct soft_row *row)
{
    int n = 0;

    while (rows[n] != row)
        n++;
    return n;
}

static void try_random(uint64_t i)
{
    struct sample s;
    uint64_t number = progress->seed + i * UINT64_C(0x9e3779b97f4a7c15);
    const struct soft_row *row;

    progress->iteration = i;
    generate_seed(number);
    row = rows[(number >> 20) % row_count];
    if (!generate(&s, row, i % 4 == 3))
        return;
    int n = row_number(s.row);

    progress->compared++;
    progress->by_row[n]++;
    if (progress->differs[n] || same(&s, true))
        return;
    char name[80];

    snprintf(name, sizeof(name), "seed %#llx, iteration %llu", (unsigned long long)progress->seed,
             (unsigned long long)i);
    /* What the host's kernel does in between, such as to end what hangs, is no difference. Where
     * much else runs it may do so more than once. */
    for (int again = 0; again < TRIES; again++)
        if (same(&s, true)) {
            printf("# %s: differed, but not in try %d\n", name, again + 2);
            return;
        }
    progress->differs[n] = true;
    progress->failed++;
    reduce(&s);
    report(&s, name);
}

static bool try_case(char *line, const char *name)
{
    static const struct soft_row none = {.encoding = "-", .text = "-"};
    struct sample s;

    sample_parse(&s, line);
    if (!identify(&s))
        s.row = &none;
    if (same(&s, true))
        return true;
    report(&s, name);
    return false;
}

/* Lines "NAME: CASE"; others are for readers. */
static void try_regressions(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;

    if (!f)
        return;
    while (getline(&line, &size, f) > 0) {
        char *colon = strchr(line, ':');

        if (line[0] == '#' || !colon)
            continue;
        *colon = 0;
        progress->failed += !try_case(colon + 1, line);
    }
    free(line);
    fclose(f);
}

static void child(int argc, char **argv)
{
    const char *why = real_open(&real);

    if (why) {
        snprintf(progress->why, sizeof(progress->why), "%s", why);
        return;
    }
    made_open(&made);
    fill_plain();
    list_rows();
    if (argc > 2 && !strcmp(argv[1], "-c")) {
        char line[4096] = "";

        for (int i = 2; i < argc; i++) {
            strncat(line, argv[i], sizeof(line) - strlen(line) - 2);
            strcat(line, " ");
        }
        progress->failed += !try_case(line, "the case");
    } else {
        if (!first)
            try_regressions("tests/soft/regressions");
        for (uint64_t i = first; i < first + iterations; i++)
            try_random(i);
    }
    progress->done = true;
}

/* Rows that nothing was compared of. */
static void print_left_out(void)
{
    const struct soft_row *row;

    for (int i = 0; (row = soft_row(i + 1)); i++)
        if (!progress->by_row[i]) {
            const char *why = row_excluded(row);

            printf("# not compared: %s, %s: %s\n", row->encoding, row->text,
                   why ? why : "never met");
        }
}

int main(int argc, char **argv)
{
    bool list = false;
    int status;

    progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    progress->seed = 1;
    if (argc > 1 && !strcmp(argv[1], "-l")) {
        list = true;
        argc--, argv++;
    }
    if (argc > 1 && argv[1][0] != '-') {
        iterations = strtoull(argv[1], NULL, 0);
        progress->seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
        first = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
    }
    fflush(stdout);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pid_t pid = fork();

    if (pid == 0) {
        child(argc, argv);
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (progress->why[0]) {
        printf("# %s\n", progress->why);
        return 4;
    }
    if (!progress->done) {
        printf("# the samples ended their process (wait status %#x): seed %#llx, iteration %llu\n",
               status, (unsigned long long)progress->seed, (unsigned long long)progress->iteration);
        progress->failed++;
    }
    if (list)
        print_left_out();
    printf("# %llu compared, %llu of them with faults; %d differ\n",
           (unsigned long long)progress->compared, (unsigned long long)progress->faults,
           progress->failed);
    return progress->failed > 0;
}

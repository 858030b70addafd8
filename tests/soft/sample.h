/* SPDX-License-Identifier: MIT */
/*
 * An instruction and all that it may depend on: run once by the real processor and once by the CPU
 * made of C, it must come to the same.
 *
 *     generate   makes random ones from the tables of opcodes
 *     exceptions what is not compared, and why
 *     freedoms   what the manuals leave to the processor
 *     cases      reads and writes them as text
 *     real       runs them natively
 *     made       runs them on x86/soft
 *     native     compares, and has main()
 */
#ifndef TESTS_SOFT_SAMPLE_H
#define TESTS_SOFT_SAMPLE_H

#include "x86/soft/decode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The address space both have, page by page. Around it is nothing. */
enum {
    CODE = 0x10000000, /* two pages, execute and read; INT3 where nothing else stands */
    CODE_SIZE = 0x2000,
    DATA = 0x10010000, /* two pages, read and write */
    DATA_SIZE = 0x2000,
    CONST = 0x10013000, /* a page, read only */
    CONST_SIZE = 0x1000,
    INT3 = 0xcc,
};
#define USER_END UINT64_C(0x7ffffffff000)

enum {
    ENDED = -1, /* went on to an INT3 */
    STUCK = -2, /* did not come to an end */
};

/* soft.mode of both kinds of code. */
#define MODE_64     (3 | MODE_PROTECTED | MODE_USER | FLAT64 << MODE_STACK_SHIFT)
#define MODE_COMPAT (2 | MODE_PROTECTED | MODE_USER | FLAT32 << MODE_STACK_SHIFT)

/* User-mode state, and how it came to its end. */
struct state {
    uint64_t r[16], rip, flags, fs, gs; /* fs, gs: the segments' bases */
    int vector;                         /* of the exception, or ENDED, or STUCK */
    uint32_t error;
    uint64_t cr2;
    struct soft_fpu fpu;
};

enum {
    PATCHES = 6,
};

struct sample {
    uint8_t bytes[SOFT_MAX_LEN];
    int n;
    bool compat; /* 32-bit code */
    struct state in;
    /* What DATA has that is not there always. */
    struct patch {
        uint16_t at, n;
        uint8_t bytes[16];
    } patch[PATCHES];
    int patches;
    const struct soft_row *row; /* what it was found to be */
    struct soft_op op;
};

/* The memory of one of them: writable here, wherever it is there. */
struct memory {
    uint8_t *code, *data, *constant;
};

/* ---- exceptions.c ---- */

/* Why a row is not compared, or NULL. */
const char *row_excluded(const struct soft_row *row);

/* The same of a sample of a row that is. */
const char *sample_excluded(const struct sample *s);

/* Is the first word of text one of those in list, separated by spaces? */
bool is_one_of(const char *list, const char *text);

bool host_is_intel(void);

/* ---- freedoms.c ---- */

/*
 * Both have run s: the real processor came to want, the CPU made of C to got. Where the manuals
 * leave it open which of several things is done, and what the real processor did is one of them,
 * got and made become that. before: what DATA had.
 */
void follow(const struct sample *s, const struct state *want, struct state *got,
            const struct memory *real, const struct memory *made, const uint8_t *before);

/* ---- generate.c ---- */

/* What follows depends on nothing but this number. */
void generate_seed(uint64_t number);

/* Make a sample of that row. False when what came out is not to be compared. */
bool generate(struct sample *s, const struct soft_row *row, bool compat);

/* Find out what the bytes of s are, and cut them to the instruction. */
bool identify(struct sample *s);

/* The state everything begins with. */
void plain_state(struct state *s);

/* ---- cases.c ---- */

/* A sample as a line of text: bytes, then what is not plain. */
void sample_print(const struct sample *s);

/* From such a line. Dies when it is none. */
void sample_parse(struct sample *s, char *line);

/* ---- real.c, made.c ---- */

/* NULL or why it cannot. */
const char *real_open(struct memory *m);
void real_run(const struct sample *s, struct state *out);

void made_open(struct memory *m);
void made_run(const struct sample *s, struct state *out);

#endif

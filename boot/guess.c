// SPDX-License-Identifier: MIT
/*
 * A guess at the mode that a flat program is written for.
 *
 * Two zeros are an instruction of 16-bit code, which adds AL to memory at [BX+SI], and of 32-bit
 * and 64-bit code the upper half of a small number. So a program is taken for one of more bits when
 * it is defined code with so many, and with 16 bits surely executes such zeros. One such place is
 * not enough, since a 16-bit program may mean it, but two are. So is one in an instruction that
 * begins where no 16-bit instruction does, or in code with REX prefixes. A program that executes an
 * undefined instruction is left to end by that.
 *
 * After: Intel SDM vol. 2, "Instruction Format"; x86/soft/disasm.h, which this reads.
 *
 * Left out: what may depend on data, such as the branch behind a comparison.
 */
#include "boot/guess.h"
#include "x86/soft/disasm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK = 64, /* instructions that are looked at */
    LONGEST = 15,

    /* log2 of the default size in bytes */
    CODE_16 = 1,
    CODE_32 = 2,
    CODE_64 = 3,
};

/* The instructions that a CPU executes one after the other from the start. */
struct walk {
    int n;
    uint64_t at[LOOK];
    int len[LOOK];
    bool zeros[LOOK];
    bool unsound; /* the last one is undefined, not all in the file or, beyond 16 bits, zeros */
    bool rex;     /* one has a prefix that only 64-bit code has */
};

static bool begins(const char *text, const char *word)
{
    return !strncmp(text, word, strlen(word));
}

/* Where execution goes on after a jump or call to a known place; UINT64_MAX for any other. */
static uint64_t target(const char *text)
{
    const char *number = strchr(text, ' ');
    char *end;
    uint64_t to;

    if ((!begins(text, "jmp 0x") && !begins(text, "call 0x")) || !number)
        return UINT64_MAX;
    to = strtoull(number, &end, 16);
    return *end ? UINT64_MAX : to;
}

/* It cannot be told whether the next instruction follows: this one may jump, end the guest or
 * change what its code means. */
static bool parts(const char *text)
{
    static const char *const words[] = {"j",   "loop", "call", "ret",  "iret", "int",   "hlt",
                                        "out", "sys",  "into", "lmsw", "lgdt", "mov cr"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (begins(text, words[i]))
            return true;
    return false;
}

static bool has_rex(const uint8_t *code, int len)
{
    int i = 0;

    while (i < len && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf2\xf3", code[i], 10))
        i++;
    return i < len && (code[i] & 0xf0) == 0x40;
}

static bool seen(const struct walk *w, uint64_t at)
{
    for (int i = 0; i < w->n; i++)
        if (w->at[i] == at)
            return true;
    return false;
}

/* Follow the code as far as it is certain. all: also past what may end or branch, as a compiler's
 * code goes on behind that, up to an end. */
static void walk(struct walk *w, const struct image *img, int size, bool all)
{
    uint64_t at = 0, to;

    *w = (struct walk){0};
    while (w->n < LOOK && !seen(w, at)) {
        uint8_t code[LONGEST];
        char text[64];
        int there = image_peek(img, at, code, sizeof(code)), len;

        len = there ? soft_disassemble(size, code, there, at, text, sizeof(text)) : 0;
        bool zeros = len && !memcmp(code, "\0\0", 2);

        w->at[w->n] = at;
        w->len[w->n] = len;
        w->zeros[w->n++] = zeros;
        w->unsound = !len || begins(text, "(bad)") || (zeros && size != CODE_16);
        if (w->unsound)
            return;
        w->rex |= size == CODE_64 && has_rex(code, len);
        to = target(text);
        if (to != UINT64_MAX)
            at = to;
        else if (!parts(text) || (all && text[0] == 'j' && !begins(text, "jmp")) ||
                 (all && begins(text, "out")))
            at += len;
        else
            return;
    }
}

/* Does it look as if the program was written for the wide code, and not for 16 bits? */
static bool is_wide(const struct walk *wide, const struct walk *narrow)
{
    int places = wide->rex;

    for (int i = 0; i < narrow->n && !wide->unsound; i++)
        for (int j = 0; j < wide->n && narrow->zeros[i]; j++)
            if (narrow->at[i] > wide->at[j] && narrow->at[i] < wide->at[j] + wide->len[j])
                places += seen(narrow, wide->at[j]) ? 1 : 2;
    return places > 1;
}

int guess_bits(const struct image *img)
{
    struct walk narrow, wide;

    walk(&narrow, img, CODE_16, false);
    walk(&wide, img, CODE_64, true);
    bool is_64 = is_wide(&wide, &narrow);

    if (is_64 && wide.rex)
        return 64;
    walk(&wide, img, CODE_32, true);
    return is_wide(&wide, &narrow) ? 32 : is_64 ? 64 : 0;
}

// SPDX-License-Identifier: MIT
/*
 * Samples as text: one line, bytes first, then what is not plain.
 *
 *     48 01 d8 mode=64 rax=1 rbx=ffffffffffffffff rip=... data+10=0011... xmm3=... fcw=27f
 *
 * All numbers are hexadecimal; those of patches and vector registers are bytes in memory's order.
 */
#include "tests/soft/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* Other numbers of a state. */
static const struct {
    const char *name;
    size_t at, size;
} numbers[] = {
    {"rip", offsetof(struct state, rip), 8},     {"flags", offsetof(struct state, flags), 8},
    {"fs", offsetof(struct state, fs), 8},       {"gs", offsetof(struct state, gs), 8},
    {"fcw", offsetof(struct state, fpu.fcw), 2}, {"fsw", offsetof(struct state, fpu.fsw), 2},
    {"ftw", offsetof(struct state, fpu.ftw), 1}, {"mxcsr", offsetof(struct state, fpu.mxcsr), 4},
};

static void print_bytes(const uint8_t *p, int n)
{
    for (int i = 0; i < n; i++)
        printf("%02x", p[i]);
}

static uint64_t number(const struct state *s, int i)
{
    uint64_t val = 0;

    memcpy(&val, (const char *)s + numbers[i].at, numbers[i].size);
    return val;
}

void sample_print(const struct sample *s)
{
    static const uint8_t zero[16];
    struct state plain;

    plain_state(&plain);
    for (int i = 0; i < s->n; i++)
        printf("%02x ", s->bytes[i]);
    printf("mode=%d", s->compat ? 32 : 64);
    for (int i = 0; i < 16; i++)
        if (s->in.r[i] != plain.r[i])
            printf(" %s=%llx", names[i], (unsigned long long)s->in.r[i]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (number(&s->in, i) != number(&plain, i))
            printf(" %s=%llx", numbers[i].name, (unsigned long long)number(&s->in, i));
    for (int i = 0; i < s->patches; i++)
        if (s->patch[i].n) {
            printf(" data+%x=", s->patch[i].at);
            print_bytes(s->patch[i].bytes, s->patch[i].n);
        }
    for (int i = 0; i < 8; i++)
        if (memcmp(s->in.fpu.st[i], zero, 16)) {
            printf(" st%d=", i);
            print_bytes(s->in.fpu.st[i], 10);
        }
    for (int i = 0; i < 16; i++)
        if (memcmp(s->in.fpu.xmm[i], zero, 16)) {
            printf(" xmm%d=", i);
            print_bytes(s->in.fpu.xmm[i], 16);
        }
    printf("\n");
}

static _Noreturn void wrong(const char *word)
{
    printf("# not understood: %s\n", word);
    exit(1);
}

/* Bytes in hexadecimal; how many there were. */
static int parse_bytes(const char *text, uint8_t *to, int max)
{
    int n = 0;

    for (; text[0] && text[1]; text += 2) {
        char two[3] = {text[0], text[1], 0}, *end;

        if (n == max)
            wrong(text);
        to[n++] = strtoul(two, &end, 16);
        if (*end)
            wrong(text);
    }
    return n;
}

static void parse_setting(struct sample *s, const char *name, const char *text)
{
    char *end;
    uint64_t val = strtoull(text, &end, 16);

    for (int i = 0; i < 16; i++)
        if (!strcmp(name, names[i])) {
            s->in.r[i] = val;
            return;
        }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (!strcmp(name, numbers[i].name)) {
            memcpy((char *)&s->in + numbers[i].at, &val, numbers[i].size);
            return;
        }
    if (!strcmp(name, "mode"))
        s->compat = val == 0x32;
    else if (!strncmp(name, "data+", 5) && s->patches < PATCHES) {
        struct patch *p = &s->patch[s->patches++];

        p->at = strtoul(name + 5, NULL, 16);
        p->n = parse_bytes(text, p->bytes, sizeof(p->bytes));
        if (p->at + p->n > DATA_SIZE)
            wrong(name);
    } else if (!strncmp(name, "st", 2) && atoi(name + 2) < 8)
        parse_bytes(text, s->in.fpu.st[atoi(name + 2)], 10);
    else if (!strncmp(name, "xmm", 3) && atoi(name + 3) < 16)
        parse_bytes(text, s->in.fpu.xmm[atoi(name + 3)], 16);
    else
        wrong(name);
}

void sample_parse(struct sample *s, char *line)
{
    memset(s, 0, sizeof(*s));
    plain_state(&s->in);
    for (char *word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n")) {
        char *equals = strchr(word, '=');

        if (equals) {
            *equals = 0;
            parse_setting(s, word, equals + 1);
        } else {
            if (s->n + strlen(word) / 2 > SOFT_MAX_LEN)
                wrong(word);
            s->n += parse_bytes(word, s->bytes + s->n, SOFT_MAX_LEN - s->n);
        }
    }
}

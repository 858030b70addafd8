// SPDX-License-Identifier: MIT
/*
 * System.map.
 *
 * After: Linux, scripts/mksysmap; Intel SDM vol. 3A, "64-Bit Mode IDT".
 *
 * Left out: modules, which are not in it; frame unwinding.
 */
#include "tools/minivm/symbols.h"
#include "boot/image.h"
#include "hw/die.h"
#include "hw/text.h"
#include "x86/paging.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGEST = 64 << 20, /* bytes of a file of symbols */
    KASLR_ALIGN = 0x200000,
    REACH = 0x100000, /* a symbol further away than this says nothing about an address */
};

/* Read all of a file. Dies when it is larger than any System.map. */
static char *read_file(const char *path)
{
    struct image img;
    char *text;

    image_open(&img, path, false);
    if (img.size > LARGEST)
        die("--symbols %s: more than %d MiB, which no System.map has", path, LARGEST >> 20);
    text = calloc(img.size + 1, 1);
    assert(text);
    image_read(&img, 0, text, img.size);
    image_close(&img);
    return text;
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void symbols_read(struct symbols *s, const char *path)
{
    size_t lines = 0;

    *s = (struct symbols){.text = read_file(path)};
    for (const char *p = s->text; *p; p++)
        lines += *p == '\n';
    s->symbol = calloc(lines + 1, sizeof(*s->symbol));
    assert(s->symbol);
    for (char *line = strtok(s->text, "\n"); line; line = strtok(NULL, "\n")) {
        char *end;
        uint64_t addr = strtoull(line, &end, 16);

        /* "ffffffff81000000 T _stext": only symbols of code can name a RIP. */
        if (end != line && end[0] == ' ' && strchr("tTwW", end[1]) && end[1] && end[2] == ' ')
            s->symbol[s->n++] = (struct symbol){addr, end + 3};
    }
    if (!s->n)
        die("--symbols %s: no symbols in it (Debian's System.map is a stub); name a copy of "
            "the guest's /proc/kallsyms",
            path);
    qsort(s->symbol, s->n, sizeof(*s->symbol), by_address);
}

static uint64_t address_of(const struct symbols *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->symbol[i].name, name))
            return s->symbol[i].addr;
    return 0;
}

/* The address in gate 0 of the IDT, the divide error's. */
static uint64_t divide_error_handler(const struct ram *ram, const struct cpu_state *cpu)
{
    uint16_t gate[8];

    if (paging_peek(ram, cpu, cpu->idt.base, gate, sizeof(gate)) < (int)sizeof(gate))
        return 0;
    uint64_t low = gate[0] | (uint64_t)gate[3] << 16;

    return cpu->efer & EFER_LMA ? low | (uint64_t)gate[4] << 32 | (uint64_t)gate[5] << 48 : low;
}

/* How far from where the file has it the kernel runs, by the address of a known handler. */
static uint64_t displacement(const struct symbols *s, const struct ram *ram,
                             const struct cpu_state *cpu)
{
    static const char *const handlers[] = {"asm_exc_divide_error", "early_idt_handler_array",
                                           "divide_error"};
    uint64_t handler = divide_error_handler(ram, cpu);

    for (size_t i = 0; handler && i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        uint64_t link = address_of(s, handlers[i]);

        if (link && (handler - link) % KASLR_ALIGN == 0)
            return handler - link;
    }
    uint64_t link = s->start ? address_of(s, "_text") : 0;

    return link ? s->start - link : 0;
}

void symbols_describe(const struct symbols *s, const struct ram *ram, const struct cpu_state *cpu,
                      uint64_t addr, char *buf, size_t size)
{
    const struct symbol *best = NULL;

    if (s->n)
        addr -= displacement(s, ram, cpu);
    for (size_t i = 0; i < s->n && s->symbol[i].addr <= addr; i++)
        best = &s->symbol[i];
    buf[0] = 0;
    if (best && addr - best->addr < REACH)
        snprintf(buf, size, "%s+%#llx", best->name, (unsigned long long)(addr - best->addr));
    text_make_plain(buf);
}

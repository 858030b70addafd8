// SPDX-License-Identifier: MIT
/*
 * The hypercall port.
 *
 * After: hw/port-hypercall-abi.h. A byte written is a function number; in a word, the high byte is
 * an argument that needs no register. Unknown functions are ignored, and a read without a question
 * gives all-ones, as if there were no port.
 *
 * Left out: breaks on the console; the port has no way to tell them from bytes.
 */
#include "hw/port-hypercall.h"
#include "hw/port-hypercall-abi.h"

#include <ctype.h>
#include <stdio.h>

static void put(struct port_hypercall *h, const void *buf, size_t n)
{
    console_put(h->console, buf, n);
}

static struct hypercall_regs regs(struct port_hypercall *h)
{
    struct hypercall_regs r;

    h->caller.regs(h->caller.of, &r);
    return r;
}

static uint8_t get(struct port_hypercall *h)
{
    int in;

    do
        in = console_get(h->console);
    while (in == CONSOLE_BREAK);
    return in == CONSOLE_EMPTY ? HYPERCALL_NO_INPUT : in;
}

/* The answer to the last question. */
static uint16_t answer(struct port_hypercall *h)
{
    uint16_t rows, columns;

    if (h->s.asked == HYPERCALL_GETCHAR)
        return 0xff00 | get(h);
    console_size(h->console, &rows, &columns);
    return h->s.asked == HYPERCALL_ROWS ? rows : columns;
}

static void put_number(struct port_hypercall *h, uint16_t number)
{
    char digits[sizeof("65535")];

    put(h, digits, snprintf(digits, sizeof(digits), "%u", number));
}

static void put_memory(struct port_hypercall *h, uint32_t gpa, uint32_t len)
{
    const void *buf = ram_at(h->ram, gpa, len);

    /* A console takes any amount, so the limit is here. */
    if (buf)
        put(h, buf, len < HYPERCALL_WRITE_MAX ? len : HYPERCALL_WRITE_MAX);
}

static uint64_t port_hypercall_read(struct device *d, uint64_t off, int size)
{
    struct port_hypercall *h = container_of(d, struct port_hypercall, dev);

    (void)size;
    if (off != 0 || !h->s.asked)
        return UINT64_MAX;
    uint64_t val = ~UINT64_C(0xffff) | answer(h);

    h->s.asked = 0;
    return val;
}

static void port_hypercall_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    struct port_hypercall *h = container_of(d, struct port_hypercall, dev);
    struct hypercall_regs r;

    if (off != 0)
        return;
    switch (val & 0xff) {
    case HYPERCALL_EXIT:
        h->caller.exit(h->caller.of, size == 1 ? regs(h).ebx & 0xff : val >> 8 & 0xff);
        break;
    case HYPERCALL_PUTCHAR:
        put(h, &(uint8_t){regs(h).ebx}, 1);
        break;
    case HYPERCALL_GETCHAR:
    case HYPERCALL_ROWS:
    case HYPERCALL_COLUMNS:
        h->s.asked = val & 0xff;
        break;
    case HYPERCALL_PUTNUM:
        put_number(h, regs(h).ebx);
        break;
    case HYPERCALL_NEWLINE:
        put(h, "\n", 1);
        break;
    case HYPERCALL_WRITE:
        r = regs(h);
        put_memory(h, r.esi, r.ecx);
        break;
    }
}

static void port_hypercall_reset(struct device *d)
{
    container_of(d, struct port_hypercall, dev)->s.asked = 0;
}

void port_hypercall_init(struct port_hypercall *h, const struct ram *ram, struct console *console,
                         struct hypercall_caller caller)
{
    *h = (struct port_hypercall){
        .dev = {.name = "port-hypercall",
                .max_size = 2,
                .read = port_hypercall_read,
                .write = port_hypercall_write,
                .reset = port_hypercall_reset,
                .state = &h->s,
                .state_size = sizeof(h->s)},
        .ram = ram,
        .console = console,
        .caller = caller,
    };
}

void port_hypercall_describe(uint8_t function, const struct hypercall_regs *r, char *text,
                             size_t size)
{
    static const char *const names[] = {
        [HYPERCALL_EXIT] = "EXIT",       [HYPERCALL_PUTCHAR] = "PUTCHAR",
        [HYPERCALL_GETCHAR] = "GETCHAR", [HYPERCALL_PUTNUM] = "PUTNUM",
        [HYPERCALL_NEWLINE] = "NEWLINE", [HYPERCALL_WRITE] = "WRITE",
        [HYPERCALL_ROWS] = "ROWS",       [HYPERCALL_COLUMNS] = "COLUMNS",
    };
    int byte = r->ebx & 0xff;

    if (function >= sizeof(names) / sizeof(names[0]))
        snprintf(text, size, "%#x, unknown", function);
    else if (function == HYPERCALL_EXIT)
        snprintf(text, size, "EXIT %d", byte);
    else if (function == HYPERCALL_PUTCHAR)
        snprintf(text, size, isprint(byte) ? "PUTCHAR '%c'" : "PUTCHAR %#x", byte);
    else if (function == HYPERCALL_PUTNUM)
        snprintf(text, size, "PUTNUM %u", r->ebx & 0xffff);
    else if (function == HYPERCALL_WRITE)
        snprintf(text, size, "WRITE %u bytes at %#x", r->ecx, r->esi);
    else
        snprintf(text, size, "%s", names[function]);
}

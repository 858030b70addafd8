// SPDX-License-Identifier: MIT
/*
 * AML.
 *
 * After: Advanced Configuration and Power Interface Specification 5.0, "ACPI Machine Language (AML)
 * Specification" and "Resource Data Types for ACPI".
 * Left out: methods, operation regions and whatever else computes something: our tables only tell.
 */
#include "boot/aml.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum {
    ZERO = 0x00,
    ONE = 0x01,
    NAME = 0x08,
    BYTE = 0x0a,
    WORD = 0x0b,
    DWORD = 0x0c,
    STRING = 0x0d,
    QWORD = 0x0e,
    SCOPE = 0x10,
    BUFFER = 0x11,
    PACKAGE = 0x12,
    EXTENDED = 0x5b,
    DEVICE = 0x82, /* after EXTENDED */

    /* Resource descriptors: small ones, with their lengths, and large ones. */
    IRQ = 0x22,
    IO = 0x47,
    END_TAG = 0x79,
    MEMORY32 = 0x86,
    DWORD_SPACE = 0x87,
    WORD_SPACE = 0x88,
    QWORD_SPACE = 0x8a,

    IO_DECODES_16 = 1,
    MEMORY32_WRITABLE = 1,

    /* Of an address space descriptor. */
    SPACE_MEMORY = 0,
    SPACE_IO = 1,
    SPACE_BUS = 2,
    SPACE_FIXED = 3 << 2, /* neither end can be moved; produced, not consumed; decoded positively */
    SPACE_MEMORY_WRITABLE = 1,
    SPACE_IO_ENTIRE = 3,
};

static void put(struct aml *a, uint64_t val, int size)
{
    assert(a->len + size <= AML_MAX);
    for (int i = 0; i < size; i++)
        a->bytes[a->len++] = (uint8_t)(val >> 8 * i);
}

/* Leave two bytes for a length that is known later: 4 bits of it in the first and 8 in the second.
 * (A short one might do with one.) It counts itself. */
static size_t begin(struct aml *a)
{
    put(a, 0, 2);
    return a->len - 2;
}

void aml_end(struct aml *a, size_t mark)
{
    size_t len = a->len - mark;

    assert(len < 1 << 12);
    a->bytes[mark] = 1 << 6 | (len & 0xf);
    a->bytes[mark + 1] = (uint8_t)(len >> 4);
}

static void put_name(struct aml *a, const char *name)
{
    if (*name == '\\')
        put(a, *name++, 1);
    assert(strlen(name) == 4);
    while (*name)
        put(a, *name++, 1);
}

size_t aml_scope(struct aml *a, const char *name)
{
    put(a, SCOPE, 1);

    size_t mark = begin(a);

    put_name(a, name);
    return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
    put(a, EXTENDED | DEVICE << 8, 2);

    size_t mark = begin(a);

    put_name(a, name);
    return mark;
}

void aml_name(struct aml *a, const char *name)
{
    put(a, NAME, 1);
    put_name(a, name);
}

void aml_integer(struct aml *a, uint64_t val)
{
    if (val <= ONE)
        put(a, val, 1);
    else if (val <= UINT8_MAX)
        put(a, BYTE | val << 8, 2);
    else if (val <= UINT16_MAX)
        put(a, WORD | val << 8, 3);
    else if (val <= UINT32_MAX)
        put(a, DWORD | val << 8, 5);
    else
        put(a, QWORD, 1), put(a, val, 8);
}

static unsigned hex(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Three letters in 5 bits each, four digits in 4, and the bytes swapped. */
void aml_eisa_id(struct aml *a, const char *id)
{
    uint32_t val = 0;

    assert(strlen(id) == 7);
    for (int i = 0; i < 3; i++)
        val = val << 5 | (id[i] - 'A' + 1);
    for (int i = 3; i < 7; i++)
        val = val << 4 | hex(id[i]);
    put(a, DWORD, 1);
    put(a, __builtin_bswap32(val), 4);
}

void aml_string(struct aml *a, const char *text)
{
    put(a, STRING, 1);
    while (*text)
        put(a, *text++, 1);
    put(a, 0, 1);
}

size_t aml_package(struct aml *a, uint8_t n)
{
    put(a, PACKAGE, 1);

    size_t mark = begin(a);

    put(a, n, 1);
    return mark;
}

/* A buffer, whose size is known later as well. */
size_t aml_resources(struct aml *a)
{
    put(a, BUFFER, 1);

    size_t mark = begin(a);

    put(a, WORD, 3);
    return mark;
}

void aml_resources_end(struct aml *a, size_t mark)
{
    put(a, END_TAG, 2); /* with a checksum of 0, which is none */

    size_t len = a->len - mark - 5;

    a->bytes[mark + 3] = (uint8_t)len;
    a->bytes[mark + 4] = (uint8_t)(len >> 8);
    aml_end(a, mark);
}

void aml_io(struct aml *a, uint16_t port, uint8_t len)
{
    put(a, IO | IO_DECODES_16 << 8, 2);
    put(a, port, 2); /* from here .. */
    put(a, port, 2); /* .. to there, in steps of */
    put(a, 1, 1);
    put(a, len, 1);
}

void aml_irq(struct aml *a, int irq)
{
    put(a, IRQ, 1);
    put(a, UINT64_C(1) << irq, 2);
}

void aml_memory(struct aml *a, uint32_t base, uint32_t len)
{
    put(a, MEMORY32, 1);
    put(a, 9, 2);
    put(a, MEMORY32_WRITABLE, 1);
    put(a, base, 4);
    put(a, len, 4);
}

/* Numbers of size bytes: granularity, first, last, translation offset, length. */
static void pass(struct aml *a, int tag, int size, int space, int flags, uint64_t base,
                 uint64_t len)
{
    put(a, tag, 1);
    put(a, 3 + 5 * size, 2);
    put(a, space, 1);
    put(a, SPACE_FIXED, 1);
    put(a, flags, 1);
    put(a, 0, size);
    put(a, base, size);
    put(a, base + len - 1, size);
    put(a, 0, size);
    put(a, len, size);
}

void aml_pass_bus(struct aml *a, uint16_t first, uint16_t len)
{
    pass(a, WORD_SPACE, 2, SPACE_BUS, 0, first, len);
}

void aml_pass_io(struct aml *a, uint16_t port, uint16_t len)
{
    pass(a, WORD_SPACE, 2, SPACE_IO, SPACE_IO_ENTIRE, port, len);
}

void aml_pass_memory(struct aml *a, uint64_t base, uint64_t len)
{
    bool low = base + len - 1 <= UINT32_MAX;

    pass(a, low ? DWORD_SPACE : QWORD_SPACE, low ? 4 : 8, SPACE_MEMORY, SPACE_MEMORY_WRITABLE, base,
         len);
}

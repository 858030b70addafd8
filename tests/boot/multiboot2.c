// SPDX-License-Identifier: MIT
/*
 * A Multiboot 2 kernel that tells what it was given, a line for each tag of the information, and
 * ends with status 35, or says what is wrong.
 */
#include <stdint.h>

void kernel_main(uint32_t magic, const uint32_t *info);

__asm__(".text\n"
        ".balign 8\n"
        "header: .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)\n"
        ".word 1, 0; .long 24, 1, 3, 4, 6\n" /* information that is required */
        ".word 6, 0; .long 8\n"              /* modules on pages */
        ".word 0, 0; .long 8\n"
        "header_end:\n"
        ".global start\n"
        "start: mov esp, offset stack_end\n"
        "push ebx\n"
        "push eax\n"
        "call kernel_main\n"
        "stop: hlt\n"
        "jmp stop\n"
        ".bss\n"
        ".skip 4096\n"
        "stack_end:\n"
        ".text\n");

static void out8(uint16_t port, uint8_t val)
{
    __asm__ volatile("out %1, %0" : : "a"(val), "Nd"(port));
}

static void text(const char *s)
{
    for (; *s; s++)
        out8(0x3f8, *s);
}

static void number(uint32_t n)
{
    if (n >= 10)
        number(n / 10);
    out8(0x3f8, '0' + n % 10);
}

static void say(const char *before, uint32_t n, const char *after)
{
    text(before);
    number(n);
    text(after);
}

static void tell(const uint32_t *tag)
{
    const char *value = (const char *)(tag + 2);

    say("tag ", tag[0], ":");
    switch (tag[0]) {
    case 1:
    case 2:
        text(" ");
        text(value);
        break;
    case 3:
        say(" ", tag[3] - tag[2], " bytes, ");
        text((const char *)(tag + 4));
        text(tag[2] % 4096 ? ", not on a page" : ", first line: ");
        for (const char *c = (const char *)tag[2]; *c != '\n'; c++)
            out8(0x3f8, *c);
        break;
    case 4:
        say(" ", tag[2], " KiB");
        say(" + ", tag[3], " KiB");
        break;
    case 6:
        say(" ", (tag[1] - 16) / tag[2], " ranges");
        break;
    case 9:
        say(" ", tag[4], " is the names' section");
        break;
    case 14:
    case 15:
        text(" ");
        for (int i = 0; i < 8; i++)
            out8(0x3f8, value[i]);
        break;
    }
    text("\n");
}

void kernel_main(uint32_t magic, const uint32_t *info)
{
    const char *at = (const char *)(info + 2), *end = (const char *)info + info[0];

    if (magic != 0x36d76289 || (uint32_t)info % 8)
        text("not started by Multiboot 2\n");
    for (; *(const uint32_t *)at; at += (((const uint32_t *)at)[1] + 7) & -8)
        tell((const uint32_t *)at);
    text(at + 8 == end ? "the end is where it should be\n" : "the end is elsewhere\n");
    out8(0xf4, 0x11);
}

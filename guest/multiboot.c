/* SPDX-License-Identifier: MIT */
/*
 * A kernel to start from: any Multiboot loader starts it (minivm, GRUB, QEMU's -kernel). It says on
 * COM1 what it was given, starts every other CPU, and ends the machine with status 33.
 *
 * After: Multiboot Specification 0.6.96, "Boot information format"; Intel MultiProcessor
 * Specification 1.4, "MP Configuration Table"; Intel SDM vol. 3A, "Advanced Programmable Interrupt
 * Controller (APIC)", "Multiple-Processor (MP) Initialization"; QEMU's isa-debug-exit.
 */
#include <stdarg.h>
#include <stdint.h>

enum {
    LOADED_BY_MULTIBOOT = 0x2badb002,
    HAS_CMDLINE = 1 << 2, /* flags of the information */
    HAS_MODULES = 1 << 3,
    HAS_MAP = 1 << 6,

    COM1 = 0x3f8,
    COM1_STATUS = COM1 + 5,
    COM1_CAN_SEND = 1 << 5,
    EXIT = 0xf4, /* ends the machine with status (value << 1) | 1 */

    PIT_COUNT2 = 0x42, /* a timer at 1193182 Hz, started and read through port 0x61 */
    PIT_COMMAND = 0x43,
    PIT_GATE = 0x61,

    LAPIC_ID = 0x20, /* the local APIC's registers */
    LAPIC_SVR = 0xf0,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_TO = 0x310,
    SVR_ENABLED = 1 << 8,
    ICR_INIT = 0x4500,
    ICR_STARTUP = 0x4600,

    TRAMPOLINE = 0x8000, /* any page below 1 MiB that is free */
    CPUS = 64,
    STACK_SIZE = 4096,
};

struct information {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr, elf[4], mmap_length, mmap_addr;
};

struct module {
    uint32_t start, end, words, reserved;
};

struct range {
    uint32_t size; /* of the rest */
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed));

/* In guest/multiboot.S. */
extern const char trampoline[], trampoline_end[];
void kernel_main(uint32_t magic, const struct information *info);
void cpu_main(void);

char *volatile next_stack; /* for the CPU that starts next */
static char stacks[CPUS][STACK_SIZE] __attribute__((aligned(16)));
static volatile int started;  /* CPUs that said hello */
static uint8_t apic_id[CPUS]; /* of all CPUs that the MP table names */
static int cpus;
static char *lapic; /* at the same address for each CPU, whose own it is */

static void out8(uint16_t port, uint8_t val)
{
    __asm__ volatile("out %1, %0" : : "a"(val), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("in %0, %1" : "=a"(val) : "Nd"(port));
    return val;
}

static void put(char c)
{
    while (!(in8(COM1_STATUS) & COM1_CAN_SEND))
        ;
    out8(COM1, c);
}

static void print_number(uint32_t n, uint32_t base)
{
    if (n >= base)
        print_number(n / base, base);
    put("0123456789abcdef"[n % base]);
}

/* %s, %u, %x; %X for a number of 64 bits, all of its digits. */
static void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(*fmt);
            continue;
        }
        switch (*++fmt) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++)
                put(*s);
            break;
        case 'u':
            print_number(va_arg(ap, uint32_t), 10);
            break;
        case 'x':
            print_number(va_arg(ap, uint32_t), 16);
            break;
        case 'X':
            for (uint64_t n = va_arg(ap, uint64_t), i = 0; i < 16; i++)
                put("0123456789abcdef"[n >> (60 - 4 * i) & 15]);
            break;
        }
    }
    va_end(ap);
}

/* Let up to 50 ms pass. */
static void wait_ms(int ms)
{
    uint32_t count = ms * 1193;

    out8(PIT_GATE, (in8(PIT_GATE) & ~3) | 1); /* counting, but the speaker is silent */
    out8(PIT_COMMAND, 0xb0);                  /* counter 2, once down to 0 */
    out8(PIT_COUNT2, count);
    out8(PIT_COUNT2, count >> 8);
    while (!(in8(PIT_GATE) & 1 << 5))
        ;
}

static void print_map(const struct information *info)
{
    uint32_t at = info->mmap_addr;

    while (at < info->mmap_addr + info->mmap_length) {
        const struct range *r = (const struct range *)at;

        print("memory: 0x%X..0x%X %s\n", r->addr, r->addr + r->len,
              r->type == 1 ? "RAM" : "reserved");
        at += r->size + sizeof(r->size);
    }
}

static void print_modules(const struct information *info)
{
    const struct module *m = (const struct module *)info->mods_addr;

    for (uint32_t i = 0; i < info->mods_count; i++) {
        const uint8_t *bytes = (const uint8_t *)m[i].start;

        print("module: '%s', %u bytes at 0x%x:", (const char *)m[i].words, m[i].end - m[i].start,
              m[i].start);
        for (uint32_t j = 0; j < 8 && j < m[i].end - m[i].start; j++)
            print(" %x", bytes[j]);
        print("\n");
    }
}

static uint32_t word(uint32_t at)
{
    return *(const uint32_t *)at;
}

/* Find the CPUs by the MP table, which firmware leaves in the last 64 KiB below 1 MiB. */
static void count_cpus(void)
{
    uint32_t at = 0xf0000, table, entries;

    while (at < 0x100000 && word(at) != 0x5f504d5f) /* _MP_ */
        at += 16;
    if (at == 0x100000)
        return;
    table = word(at + 4);
    lapic = (char *)word(table + 36);
    entries = word(table + 34) & 0xffff;
    /* An entry begins with its type, and has 20 bytes for a CPU, of the types that follow 8. */
    for (at = table + 44; entries && *(uint8_t *)at == 0 && cpus < CPUS; at += 20, entries--)
        if (*(uint8_t *)(at + 3) & 1) /* usable */
            apic_id[cpus++] = *(uint8_t *)(at + 1);
}

static volatile uint32_t *lapic_reg(int reg)
{
    return (volatile uint32_t *)(lapic + reg);
}

static void send(uint8_t to, uint32_t what)
{
    *lapic_reg(LAPIC_ICR_TO) = (uint32_t)to << 24;
    *lapic_reg(LAPIC_ICR) = what;
}

/* The SDM's sequence: INIT, 10 ms, STARTUP, and that again for a CPU that missed it. */
static void start_cpu(int i)
{
    int before = started;

    next_stack = stacks[i] + STACK_SIZE;
    send(apic_id[i], ICR_INIT);
    wait_ms(10);
    send(apic_id[i], ICR_STARTUP | TRAMPOLINE >> 12);
    for (int ms = 0; ms < 1000 && started == before; ms++) {
        wait_ms(1);
        if (ms == 0 && started == before)
            send(apic_id[i], ICR_STARTUP | TRAMPOLINE >> 12);
    }
}

static void enable_lapic(void)
{
    *lapic_reg(LAPIC_SVR) = SVR_ENABLED | 0xff;
}

static void start_others(void)
{
    volatile char *page = (volatile char *)TRAMPOLINE;

    for (int i = 0; i < trampoline_end - trampoline; i++)
        page[i] = trampoline[i];
    enable_lapic();
    for (int i = 0; i < cpus; i++)
        if (apic_id[i] != *lapic_reg(LAPIC_ID) >> 24)
            start_cpu(i);
}

/* Where each CPU but the first begins, one after the other. */
void cpu_main(void)
{
    enable_lapic();
    print("hello from the CPU with APIC id %u\n", *lapic_reg(LAPIC_ID) >> 24);
    started++;
}

void kernel_main(uint32_t magic, const struct information *info)
{
    if (magic != LOADED_BY_MULTIBOOT)
        return;
    if (info->flags & HAS_CMDLINE)
        print("command line: '%s'\n", (const char *)info->cmdline);
    if (info->flags & HAS_MAP)
        print_map(info);
    if (info->flags & HAS_MODULES)
        print_modules(info);
    count_cpus();
    print("CPUs: %u\n", cpus);
    if (cpus > 1)
        start_others();
    print("started: %u\n", started);
    out8(EXIT, 0x10);
}

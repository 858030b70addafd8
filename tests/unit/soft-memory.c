// SPDX-License-Identifier: MIT
/*
 * What the CPU in C remembers of memory, and when it must forget: translations, and code.
 *
 * After: Intel SDM vol. 3A, "Invalidation of TLBs and Paging-Structure Caches", "Self-Modifying
 * Code".
 */
#define _GNU_SOURCE
#include "tests/unit/soft-cpu.h"

#define RUN(bytes) cpu_run(bytes, sizeof(bytes) - 1)

enum {
    PTE = 0x63,    /* present, writable, accessed, dirty */
    LARGE = 0xe3,  /* the same of a page of 2 MiB */
    A = 0x200000,  /* two pages of 2 MiB, of which the second is only looked at */
    ALIAS = 4 * A, /* of what lies at 0 */
};

/* What 32 bits at a linear address hold. */
static uint32_t look(uint64_t linear)
{
    c->r[RSI] = linear;
    CHECK_EQ(RUN("\x8b\x06"), CPU_OK); /* mov eax, [rsi] */
    return c->r[RAX];
}

static uint64_t *page_directory(void)
{
    return (uint64_t *)cpu_at(CPU_TABLES + 0x2000);
}

/* INVLPG means all of a large page, whatever pieces of it were used. */
static void invlpg_large(void)
{
    cpu_start(CPU_LONG64);
    for (int i = 0; i < 0x200000; i += 0x1000) {
        *(uint32_t *)cpu_at(A + i) = 2;
    }
    page_directory()[4] = A | LARGE;
    for (int i = 0; i < 0x200000; i += 0x1000)
        CHECK_EQ(look(4 * A + i), 2);
    page_directory()[4] = 0 | LARGE;
    c->r[RSI] = 4 * A + 0x5123;
    CHECK_EQ(RUN("\x0f\x01\x3e"), CPU_OK); /* invlpg [rsi] */
    for (int i = 0x40000; i < 0x60000; i += 0x1000)
        CHECK_EQ(look(4 * A + i), 0);
}

/* What is global stays when CR3 is loaded, data and code, and goes with CR4.PGE; nothing else
 * stays. */
static void global_pages(void)
{
    enum {
        GLOBAL = 0x100,
    };

    /* call rdi; mov bl, dl; mov [rsi], rcx; mov cr3, rax; call rdi; hlt */
    static const uint8_t code[] = {0xff, 0xd7, 0x88, 0xd3, 0x48, 0x89, 0x0e,
                                   0x0f, 0x22, 0xd8, 0xff, 0xd7, 0xf4};
    static const uint8_t routine[] = {0xb2, 1, 0xc3, 0xb2, 2, 0xc3}; /* mov dl, 1; ret */

    for (int global = 0; global < 2; global++) {
        cpu_start(CPU_LONG64);
        c->cr4 |= CR4_PGE;
        memcpy(cpu_at(CPU_CODE), code, sizeof(code));
        memcpy(cpu_at(CPU_DATA), routine, 3);
        memcpy(cpu_at(A + CPU_DATA), routine + 3, 3);
        page_directory()[4] = LARGE | (global ? GLOBAL : 0);
        CHECK_EQ(look(ALIAS + CPU_DATA) & 0xffff, 0x01b2);
        memcpy(cpu_at(CPU_CODE), code, sizeof(code));
        c->r[RIP] = CPU_CODE;
        c->r[RDI] = ALIAS + CPU_DATA;
        c->r[RSI] = CPU_TABLES + 0x2020;
        c->r[RCX] = A | LARGE;
        c->r[RAX] = c->cr3;
        CHECK_EQ(cpu_go(), CPU_OK);
        CHECK_EQ(c->r[RBX] & 0xff, 1);
        CHECK_EQ(c->r[RDX] & 0xff, global ? 1 : 2);
        CHECK_EQ(look(ALIAS + CPU_DATA) & 0xffff, global ? 0x01b2 : 0x02b2);
        c->r[RAX] = c->cr4;
        c->r[RBX] = c->cr4 & ~CR4_PGE;
        CHECK_EQ(RUN("\x0f\x22\xe3\x0f\x22\xe0"), CPU_OK); /* mov cr4, rbx; mov cr4, rax */
        CHECK_EQ(look(ALIAS + CPU_DATA) & 0xffff, 0x02b2);
    }
}

/* ---- page tables that change while an instruction runs ---- */

enum {
    TABLE = CPU_TABLES + 0x8000,
    CROSSING = ALIAS,           /* two pages with a table of their own: to CPU_DATA, and */
    SECOND = CROSSING + 0x1000, /* to what a test likes */
    CHIP = 0xd0000000,
    CHIP_PORT = 0x700,
};

static uint64_t *table_of_crossing(void)
{
    return (uint64_t *)cpu_at(TABLE);
}

/* A chip that unmaps a page when it is read, as another CPU may at any time. */
static uint64_t unmap_and_read(struct device *d, uint64_t off, int size)
{
    (void)d, (void)off, (void)size;
    table_of_crossing()[0] = 0;
    soft_flush_page(c, CROSSING);
    return 0x33;
}

static uint8_t written_to_chip[16];

static void note_write(struct device *d, uint64_t off, int size, uint64_t val)
{
    (void)d;
    memcpy(written_to_chip + off % sizeof(written_to_chip), &val, size);
}

static struct device unmapper = {.name = "unmapper", .read = unmap_and_read, .write = note_write};

static void start_crossing(uint64_t second)
{
    cpu_start(CPU_LONG64);
    bus_attach(&cpu_machine->board[0].mmio, CHIP, 0x1000, &unmapper);
    bus_attach(&cpu_machine->board[0].pio, CHIP_PORT, 4, &unmapper);
    page_directory()[4] = TABLE | PTE;
    table_of_crossing()[0] = CPU_DATA | PTE;
    table_of_crossing()[1] = second | PTE;
    memset(written_to_chip, 0, sizeof(written_to_chip));
}

/* An exchange across two pages happens as a whole, though one of them goes meanwhile. */
static void exchange_across(void)
{
    start_crossing(CHIP);
    memset(cpu_at(CPU_DATA + 0xffe), 0x11, 2);
    c->r[RBX] = 0x22222222;
    c->r[RSI] = SECOND - 2;
    CHECK_EQ(RUN("\x87\x1e"), CPU_OK); /* xchg [rsi], ebx */
    CHECK_EQ(c->r[RBX], 0x33331111);
    CHECK_EQ(*cpu_at(CPU_DATA + 0xffe), 0x22);
    CHECK_EQ(*cpu_at(CPU_DATA + 0xfff), 0x22);
    CHECK_EQ(written_to_chip[0], 0x22);
    CHECK_EQ(written_to_chip[1], 0x22);
    CHECK_EQ(RUN("\x87\x1e"), EXCEPTION_PF);
    CHECK_EQ(c->r[RBX], 0x33331111);
}

static int waits;

static void wait_unlocked(struct console *console)
{
    (void)console;
    waits++;
    CHECK_EQ(pthread_mutex_trylock(&c->vm->split), 0);
    pthread_mutex_unlock(&c->vm->split);
}

static ssize_t write_unlocked(void *to, const char *buf, size_t n)
{
    (void)to, (void)buf;
    wait_unlocked(NULL);
    return n;
}

/* Nor does one that waits for the reader of a trace, in which nothing is missing. */
static void wait_for_trace(void)
{
    FILE *trace = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_unlocked});

    setvbuf(trace, NULL, _IOLBF, BUFSIZ);
    start_crossing(CHIP);
    cpu_machine->config.trace = trace;
    waits = 0;
    c->r[RSI] = SECOND;
    CHECK_EQ(RUN("\xf0\xff\x06"), CPU_OK); /* lock inc dword [rsi] */
    CHECK_EQ(waits, 2);
    c->r[RSI] = SECOND - 2;
    waits = 0;
    CHECK_EQ(RUN("\x87\x1e"), EXCEPTION_PF); /* the chip has unmapped the page */
    table_of_crossing()[0] = CPU_DATA | PTE;
    CHECK_EQ(RUN("\x87\x1e"), CPU_OK); /* xchg [rsi], ebx */
    CHECK_EQ(waits, 4);
    CHECK_EQ(RUN("\xc6\x46\x02\x00"), CPU_OK); /* mov byte [rsi + 2], 0 */
    CHECK_EQ(waits, 5);
    cpu_machine->config.trace = NULL;
    fclose(trace);
}

/* A CPU that waits for the console's reader does not hold up others that lock memory. */
static void wait_for_reader(void)
{
    start_crossing(CHIP);
    waits = 0;
    c->vcpu->console->wait = wait_unlocked;
    c->r[RSI] = SECOND;
    CHECK_EQ(RUN("\xf0\xff\x06"), CPU_OK); /* lock inc dword [rsi] */
    CHECK_EQ(waits, 1);
    start_crossing(CHIP);
    waits = 0;
    c->vcpu->console->wait = wait_unlocked;
    c->r[RSI] = SECOND - 2;
    CHECK_EQ(RUN("\x87\x1e"), CPU_OK); /* xchg [rsi], ebx */
    CHECK_EQ(waits, 1);
    CHECK_EQ(RUN("\xc6\x46\x02\x00"), CPU_OK); /* mov byte [rsi + 2], 0 */
    CHECK_EQ(waits, 2);
}

/* What INS has read from a port reaches memory. */
static void input_arrives(void)
{
    start_crossing(CHIP);
    c->r[RDI] = CROSSING;
    c->r[RDX] = CHIP_PORT;
    CHECK_EQ(RUN("\x6c"), CPU_OK); /* insb */
    CHECK_EQ(*cpu_at(CPU_DATA), 0x33);
    CHECK_EQ(c->r[RDI], CROSSING + 1);
}

static bool toggling;

static void *toggle_second(void *arg)
{
    uint64_t *entry = arg, val = *entry;

    while (__atomic_load_n(&toggling, __ATOMIC_RELAXED)) {
        __atomic_store_n(entry, 0, __ATOMIC_RELAXED);
        __atomic_store_n(entry, val, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* An instruction across two pages, the second of which comes and goes: it is executed, or its
 * second page is missed. */
static void fetch_across(void)
{
    static const uint8_t code[] = {0xb8, 1, 2, 3, 4}; /* mov eax, imm32 */
    pthread_t thread;
    int faults = 0, ran = 0;

    start_crossing(CPU_DATA + 0x1000);
    memcpy(cpu_at(CPU_DATA + 0xffd), code, sizeof(code));
    toggling = true;
    pthread_create(&thread, NULL, toggle_second, &table_of_crossing()[1]);
    for (int i = 0; i < 1000000 || (i < 1000000000 && !(faults && ran)); i++) {
        c->r[RIP] = SECOND - 3;
        c->r[RAX] = 0;
        soft_flush_page(c, SECOND);
        int result = cpu_step();

        faults += result == EXCEPTION_PF && c->cr2 == SECOND && !c->r[RAX];
        ran += result == CPU_OK && c->r[RAX] == 0x04030201 && c->r[RIP] == SECOND + 2;
        if (faults + ran != i + 1)
            break;
    }
    CHECK(faults);
    CHECK(ran);
    __atomic_store_n(&toggling, false, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}

/* ---- operands across two lines of the host's cache ---- */

/* They are changed in a copy, of which only what has changed is written back. */
static void split(void)
{
    enum {
        AT = CPU_DATA + SOFT_CACHE_LINE - 2,
    };

    cpu_start(CPU_LONG64);
    CHECK_EQ(look(CPU_DATA), 0);
    c->r[RSI] = AT;
    *cpu_at(AT) = 0xff;
    CHECK_EQ(RUN("\xc6\x06\xff\xf0\xff\x06"), CPU_OK); /* mov byte [rsi], 255; lock inc [rsi] */
    CHECK_EQ(look(AT), 0x100);
    CHECK_EQ(c->bounce.span.part[0].gpa, AT);
    /* XCHG is locked without saying so. */
    c->bounce.span.part[0].gpa = 0;
    c->r[RBX] = 0x12345678;
    CHECK_EQ(RUN("\x87\x1e"), CPU_OK); /* xchg [rsi], ebx */
    CHECK_EQ(c->r[RBX], 0x100);
    CHECK_EQ(look(AT), 0x12345678);
    CHECK_EQ(c->bounce.span.part[0].gpa, AT);
    memcpy(cpu_at(AT), "\0\1\0\0", 4);
    uint8_t *p = soft_rmw_slow(c, DS, AT, 4);

    CHECK(p == c->bounce.data);
    p[0] = 5;
    memset(cpu_at(AT + 2), 0x77, 2); /* by another CPU */
    soft_rmw_end(c);
    CHECK_EQ(look(AT), 0x77770105);
    p = soft_rmw_slow(c, DS, AT - 2, 4);
    CHECK(p == cpu_at(AT - 2));
    soft_rmw_end(c);
}

/* ---- code ---- */

/* Instructions that write to [rdi] what is in AL, all of RAX, XMM0, MM0 or at [rsi]. */
static const struct store {
    const char *bytes;
    int n, size;
    const char *what;
} stores[] = {
#define STORE(bytes, size, what)                                                                   \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, size, what                                                       \
    }
    STORE("\x88\x07", 1, "mov [rdi], al"),
    STORE("\x66\x89\x07", 2, "mov [rdi], ax"),
    STORE("\x89\x07", 4, "mov [rdi], eax"),
    STORE("\x48\x89\x07", 8, "mov [rdi], rax"),
    STORE("\x67\x88\x07", 1, "mov [edi], al"),
    STORE("\x86\x07", 1, "xchg [rdi], al"),
    STORE("\xc6\x07\x00\x00\x07", 1, "mov byte [rdi], 0; add [rdi], al"),
    STORE("\xc6\x07\x00\xf0\x08\x07", 1, "mov byte [rdi], 0; lock or [rdi], al"),
    STORE("\x8a\x1f\x28\xd8\x0f\xc0\x07", 1, "mov bl, [rdi]; sub al, bl; xadd [rdi], al"),
    STORE("\xaa", 1, "stosb"),
    STORE("\x48\xab", 8, "stosq"),
    STORE("\xf3\xaa", 1, "rep stosb"),
    STORE("\xb1\x03\xf3\xa4", 3, "mov cl, 3; rep movsb"),
    STORE("\xb1\x04\xf3\x48\xa5", 32, "mov cl, 4; rep movsq"),
    STORE("\x8f\x07", 8, "pop [rdi]"),
    STORE("\x48\x87\xfc\x48\x83\xc4\x08\x50\x48\x89\xfc", 8, "push rax"),
    STORE("\x0f\x11\x07", 16, "movups [rdi], xmm0"),
    STORE("\x66\x0f\xd6\x07", 8, "movq [rdi], xmm0"),
    STORE("\x0f\x7f\x07", 8, "movq [rdi], mm0"),
    STORE("\x48\x8b\x07\x48\x8b\x1e\x0f\xc7\x0f", 8, "cmpxchg8b [rdi]"),
};

enum {
    HLT = 0xf4,
    MOV_DL = 0xb2,
};

/* The store before `mov dl, val; hlt` changes val, run after run. */
static void run_store(const struct store *s, uint64_t code, uint64_t by)
{
    uint64_t at = code + s->n + 1;

    memcpy(cpu_at(code), s->bytes, s->n);
    memset(cpu_at(code + s->n), HLT, 64);
    *cpu_at(code + s->n) = MOV_DL;
    *cpu_at(at) = 0xee;
    for (uint8_t val = 1; val < 6; val++) {
        uint8_t image[32];

        memset(image, HLT, sizeof(image));
        image[0] = val;
        memcpy(&c->r[RAX], image, 8);
        memcpy(&c->fpu.xmm[0], image, 16);
        memcpy(&c->fpu.st[0], image, 8);
        memcpy(cpu_at(CPU_DATA), image, 32);
        memcpy(cpu_at(CPU_DATA + 0x100), image, 8);
        c->r[RCX] = 1;
        c->r[RSI] = CPU_DATA;
        c->r[RSP] = CPU_DATA + 0x100;
        c->r[RDI] = by + at;
        c->r[RDX] = *(const any32 *)cpu_at(at + 4); /* for cmpxchg8b */
        if (s->size == 8 && strstr(s->what, "8b")) {
            c->r[RBX] = val;
            c->r[RCX] = c->r[RDX];
        }
        c->fpu.fsw = 0;
        c->halted = false;
        c->r[RIP] = code;
        if (cpu_go() == CPU_OK && (c->r[RDX] & 0xff) == val)
            continue;
        printf("# %s at %#llx by %#llx: %llx, not %x\n", s->what, (unsigned long long)code,
               (unsigned long long)by, (unsigned long long)c->r[RDX] & 0xff, val);
        test_failures++;
    }
}

static void next_instruction(void)
{
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
        for (int alias = 0; alias < 2; alias++) {
            cpu_start(CPU_LONG64);
            page_directory()[4] = LARGE;
            run_store(&stores[i], CPU_CODE, alias ? ALIAS : 0);
            /* What is written lies across two pages, and both have code. */
            run_store(&stores[i], CPU_CODE + 0x1000 - stores[i].n - 2, alias ? ALIAS : 0);
            /* The instruction itself does. */
            run_store(&stores[i], CPU_CODE + 0x2000 - stores[i].n - 1, alias ? ALIAS : 0);
        }
}

/* A page is written, has its code run, and is written again, by the same address and another. */
static void page_gets_code(void)
{
    static const uint8_t routine[] = {0x83, 0xc2, 0, 0xc3}; /* add edx, 0; ret */
    /* mov byte [rdi], 1; call rsi; mov byte [rdi], 16; call rsi; hlt */
    static const uint8_t code[] = {0xc6, 0x07, 1, 0xff, 0xd6, 0xc6, 0x07, 16, 0xff, 0xd6, 0xf4};

    for (int alias = 0; alias < 2; alias++) {
        cpu_start(CPU_LONG64);
        page_directory()[4] = LARGE;
        memcpy(cpu_at(CPU_CODE), code, sizeof(code));
        memcpy(cpu_at(CPU_DATA + 0x800), routine, sizeof(routine));
        c->r[RSI] = CPU_DATA + 0x800;
        c->r[RDI] = CPU_DATA + 0x802 + (alias ? ALIAS : 0);
        for (int i = 1; i < 5; i++) {
            c->halted = false;
            c->r[RIP] = CPU_CODE;
            CHECK_EQ(cpu_go(), CPU_OK);
            CHECK_EQ(c->r[RDX], 17 * i);
        }
    }
}

/* Other code at the same address: INVLPG, also of a large page, and CR3. */
static void remapped(void)
{
    static const uint8_t routine[] = {0xb2, 1, 0xc3, 0xb2, 2, 0xc3};
    /* call rsi; mov bl, dl; mov [rdi], rax; invlpg [rsi]; call rsi; hlt */
    static const uint8_t code[] = {0xff, 0xd6, 0x88, 0xd3, 0x48, 0x89, 0x07,
                                   0x0f, 0x01, 0x3e, 0xff, 0xd6, 0xf4};

    for (int way = 0; way < 3; way++) {
        cpu_start(CPU_LONG64);
        memcpy(cpu_at(CPU_CODE), code, sizeof(code));
        if (way == 2) /* mov cr3, rcx */
            memcpy(cpu_at(CPU_CODE + 7), "\x0f\x22\xd9", 3);
        memcpy(cpu_at(CPU_DATA + 0x800), routine, 3);
        memcpy(cpu_at(A + CPU_DATA + 0x800), routine + 3, 3);
        page_directory()[4] = LARGE;
        c->r[RSI] = ALIAS + CPU_DATA + 0x800;
        c->r[RDI] = CPU_TABLES + 0x2020;
        c->r[RAX] = A | LARGE;
        c->r[RCX] = c->cr3;
        c->r[RIP] = CPU_CODE;
        if (way == 1)                                        /* by another piece of the same page */
            memcpy(cpu_at(CPU_CODE + 7), "\x0f\x01\x3b", 3); /* invlpg [rbx] */
        c->r[RBX] = way == 1 ? ALIAS + 0x1ff000 : 0;
        if (way == 1)
            memcpy(cpu_at(CPU_CODE + 2), "\x88\xd5", 2); /* mov ch, dl */
        CHECK_EQ(cpu_go(), CPU_OK);
        CHECK_EQ(way == 1 ? c->r[RCX] >> 8 & 0xff : c->r[RBX] & 0xff, 1);
        CHECK_EQ(c->r[RDX] & 0xff, 2);
    }
}

/* Two CPUs of one guest, with HLT at CPU_CODE and CPU_DATA. */
static void two_cpus(void)
{
    cpu_build(2, true);
    memset(cpu_at(CPU_CODE), HLT, 16);
    memset(cpu_at(CPU_DATA), HLT, 16);
}

/* Let one of them run either. */
static void run_to_halt(int i, uint64_t at)
{
    struct cpu_state s;

    c = cpu_machine->vcpu[i].engine;
    if (!(c->cr0 & CR0_PE)) { /* set() forgets code, so only once */
        cpu_flat32(&s);
        soft_engine.set(&cpu_machine->vcpu[i], &s);
    }
    c->r[RIP] = at;
    c->halted = false;
    c->stop_at = UINT64_MAX;
    CHECK(soft_run_lines(c));
    CHECK(c->halted);
}

/* Let one of them look what it was told, and go on by an instruction. */
static void hear(int i)
{
    struct soft *cpu = cpu_machine->vcpu[i].engine;

    *cpu_at(CPU_STACK) = 0x90;
    cpu->r[RIP] = CPU_STACK;
    cpu->halted = false;
    CHECK_EQ(soft_engine.step(&cpu_machine->vcpu[i]), VCPU_STEPPED);
}

/* Two CPUs have lines of the same code; one of them writes to it: the other forgets that page. */
static void other_cpu(void)
{
    two_cpus();
    run_to_halt(0, CPU_DATA);
    run_to_halt(0, CPU_CODE);
    run_to_halt(1, CPU_CODE);
    struct soft *other = cpu_machine->vcpu[0].engine;

    other->request = 0;
    soft_store_slow(c, DS, CPU_CODE, 1, 0x90);
    CHECK_EQ(other->request, REQUEST_CODE_CHANGED);
    hear(0);
    CHECK_EQ(soft_cache_decoded(other), 2);
    run_to_halt(0, CPU_DATA);
    CHECK_EQ(soft_cache_decoded(other), 2);
    run_to_halt(0, CPU_CODE);
    CHECK_EQ(soft_cache_decoded(other), 3);
    CHECK_EQ(other->r[RIP], CPU_CODE + 2);
}

/* More pages than one is told of: all are forgotten. */
static void many_pages(void)
{
    enum {
        PAGES = 100
    };

    two_cpus();
    for (int i = 0; i < 2; i++)
        for (int page = 0; page < PAGES; page++) {
            memset(cpu_at(CPU_DATA + page * 0x1000), HLT, 4);
            run_to_halt(i, CPU_DATA + page * 0x1000);
        }
    for (int page = 0; page < PAGES; page++)
        soft_store_slow(c, DS, CPU_DATA + page * 0x1000, 1, 0x90);
    hear(0);
    run_to_halt(0, CPU_DATA);
    CHECK_EQ(c->r[RIP], CPU_DATA + 2);
    run_to_halt(0, CPU_DATA + (PAGES - 1) * 0x1000);
    CHECK_EQ(c->r[RIP], CPU_DATA + (PAGES - 1) * 0x1000 + 2);
}

/* A CPU that runs may write to a page by its TLB until it has heard that there is code: up to then
 * the others keep no lines of that. */
static void unheard(void)
{
    two_cpus();
    struct soft *other = cpu_machine->vcpu[1].engine;

    other->away = false;
    run_to_halt(0, CPU_CODE);
    CHECK_EQ(soft_cache_decoded(c), 0);
    CHECK(other->request & REQUEST_CODE_NOTED);
    other->knows = c->vm->noted;
    run_to_halt(0, CPU_CODE);
    CHECK_EQ(soft_cache_decoded(c), 1);
}

/* A page that has only been read is not dirty, and becomes so with the first write. */
static void dirty(void)
{
    cpu_start(CPU_LONG64);
    uint64_t *entry = (uint64_t *)cpu_at(CPU_TABLES + 0x2000);

    *entry &= ~UINT64_C(0x60);
    soft_flush_tlb(c, true);
    CHECK_EQ(cpu_run("\x8b\x04\x25\x00\x00\x02\x00", 7), CPU_OK); /* mov eax, [CPU_DATA] */
    CHECK_EQ(*entry & (PTE_A | PTE_D), PTE_A);
    CHECK_EQ(cpu_run("\x89\x04\x25\x00\x00\x02\x00", 7), CPU_OK); /* mov [CPU_DATA], eax */
    CHECK_EQ(*entry & (PTE_A | PTE_D), PTE_A | PTE_D);
}

int main(void)
{
    int result = test_main((struct test[]){
        {global_pages, "global pages stay when CR3 is loaded"},
        {exchange_across, "an exchange across two pages is not lost"},
        {wait_for_reader, "nor does its lock keep others out while it waits for a reader"},
        {wait_for_trace, "or for the reader of a trace"},
        {input_arrives, "what was read from a port is not lost either"},
        {fetch_across, "an instruction across two pages, while the second comes and goes"},
        {split, "operands across two lines of the cache"},
        {invlpg_large, "INVLPG forgets all of a large page"},
        {next_instruction, "whatever writes to the next instruction, it is run as it is then"},
        {page_gets_code, "code in a page that could be written"},
        {remapped, "other code at the same address"},
        {unheard, "lines are kept when all CPUs know of the code"},
        {dirty, "a page is dirty from the first write on"},
        {other_cpu, "another CPU is told of code that was written, page by page"},
        {many_pages, "and of many pages"},
        {0},
    });

    cpu_end();
    return result;
}

// SPDX-License-Identifier: MIT
/*
 * Unit tests of crash reports: with what a triple fault began, as the engine saw it, or, where it
 * cannot tell, as the state and the instruction make probable.
 */
#include "tools/minivm/report.h"
#include "tests/unit/test.h"
#include "x86/paging.h"

enum {
    RAM = 0x10000,
    DIRECTORY = 0x1000, /* of page tables that map the first page at 0x400000 */
    TABLE = 0x2000,
    MAPPED = 0x400000,
    PRESENT = 1,
    IDT_LIMIT = 0x7ff,
};

static _Alignas(4096) uint8_t memory[RAM];
static struct machine machine = {.ram = {memory, RAM}};
static struct vcpu vcpu;

/* A CPU that came to a triple fault in 32-bit code at the beginning of RAM, without paging. */
static void crash(const char *code, size_t len)
{
    memset(memory, 0, sizeof(memory));
    memcpy(memory, code, len);
    vcpu = (struct vcpu){.machine = &machine,
                         .crash = VCPU_SHUTDOWN,
                         .inspected = true,
                         .state = {.cr0 = CR0_PE, .cs.db = true, .idt.limit = IDT_LIMIT}};
}

static void set_entry(uint32_t table, int index, uint32_t entry)
{
    memcpy(memory + table + 4 * index, &entry, sizeof(entry));
}

static void use_paging(void)
{
    set_entry(DIRECTORY, MAPPED >> 22, TABLE | PRESENT);
    set_entry(TABLE, 0, PRESENT);
    vcpu.state.cr0 |= CR0_PG;
    vcpu.state.cr3 = DIRECTORY;
    vcpu.state.rip = MAPPED;
}

/* Are those words in the report? */
static bool says(const char *words)
{
    char text[4096];
    FILE *f = fmemopen(text, sizeof(text), "w");

    report_crash(&vcpu, "guest", NULL, f);
    fclose(f);
    return strstr(text, words);
}

static void known(void)
{
    crash("\x0f\x0b", 2);
    vcpu.first = (struct vcpu_event){.known = true,
                                     .exception = true,
                                     .vector = EXCEPTION_PF,
                                     .has_error_code = true,
                                     .error_code = 2,
                                     .cr2 = 0x1234,
                                     .rip = 0x10};
    CHECK(says("minivm: it began with page fault (#PF), error code 0x2: write to 0x1234 by "
               "supervisor, page not present, at RIP 0x10\n"));
    CHECK(!says("probably"));
}

static void instruction(void)
{
    static const struct {
        const char *code, *cause;
    } cases[] = {
        {"\x0f\x0b", "invalid opcode (#UD)"}, {"\x0f\xff\xc0", "invalid opcode (#UD)"},
        {"\xcc", "breakpoint (#BP)"},         {"\xce", "overflow (#OF)"},
        {"\xf6\xf1", "divide error (#DE)"},   {"\xf7\xf9", "divide error (#DE)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[128];

        crash(cases[i].code, strlen(cases[i].code));
        snprintf(line, sizeof(line), "minivm: it probably began with %s\n", cases[i].cause);
        CHECK(says(line));
    }
    crash("\x90", 1);
    CHECK(!says("began"));
}

static void page(void)
{
    const char *line = "minivm: it probably began with page fault (#PF)\n";

    crash("\x90", 1);
    use_paging();
    CHECK(!says("began"));
    vcpu.state.cr2 = MAPPED + 8; /* an earlier page fault, which was resolved */
    CHECK(!says("began"));
    vcpu.state.cr2 = 2 * MAPPED;
    CHECK(says(line));
    vcpu.state.cr2 = 0;
    vcpu.state.rip = 2 * MAPPED;
    CHECK(says(line));
}

static void short_table(void)
{
    const char *words = "interrupt table (IDT) is too short";

    crash("\x90", 1);
    CHECK(!says(words));
    vcpu.state.idt.limit = 0;
    CHECK(says("minivm: its interrupt table (IDT) is too short for exceptions: limit 0\n"));
}

static void lost(void)
{
    crash("\x0f\x0b", 2);
    vcpu.state = (struct cpu_state){.rip = 0xfff0, .cs.base = 0xffff0000};
    CHECK(says("this processor forgets its state"));
    CHECK(!says("began"));
}

/* A kernel that was put elsewhere than it was linked, before it has an interrupt table; its symbols
 * are those of another run. */
static void moved(void)
{
    struct symbol symbol[] = {{0xffffffff83000000, "_text"}, {0xffffffff83001000, "start_kernel"}};
    const struct symbols symbols = {
        .symbol = symbol, .n = 2, .start = 0xffffffff91000000, .moved = 0x10000000};
    char text[4096];
    FILE *f = fmemopen(text, sizeof(text), "w");

    crash("\x0f\x0b", 2);
    vcpu.state.efer = EFER_LMA;
    vcpu.state.cs.l = true;
    vcpu.state.rip = 0xffffffff91001012;
    report_crash(&vcpu, "guest", &symbols, f);
    fclose(f);
    CHECK(strstr(text, "RIP 0xffffffff91001012 (start_kernel+0x12)\n"
                       "minivm: the kernel runs 0x10000000 above where it was linked (KASLR)\n"));
}

int main(void)
{
    return test_main((struct test[]){
        {known, "what the engine saw"},
        {instruction, "what the instruction makes probable"},
        {page, "a page that is missing"},
        {short_table, "an interrupt table that is too short"},
        {moved, "where a kernel is, by name, that was moved"},
        {lost, "nothing, where the state is lost"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Multiboot, version 1: where a kernel and its modules go, every field of the information, and the
 * files that are refused.
 */
#define _GNU_SOURCE
#include "tests/unit/multiboot.h"

#define RAM_SIZE (32 * MIB)
#define way      (&way_multiboot)

/* The header at HEADER_AT; without addresses they are what must not matter. */
static void put_header(uint32_t flags)
{
    put(HEADER_AT, 4, 0x1badb002);
    put(HEADER_AT + 4, 4, flags);
    put(HEADER_AT + 8, 4, -(0x1badb002 + flags));
    memset(file + HEADER_AT + 12, 0xee, 20);
}

static void make_kernel(bool is_64)
{
    make_elf(is_64);
    put_header(3);
    save(FILE_SIZE);
}

/* A flat file, its addresses in the header. */
static void make_flat(uint32_t load_end, uint32_t bss_end)
{
    const uint32_t address[] = {0x300000 + HEADER_AT - 0x100, 0x300000, load_end, bss_end,
                                0x300020};

    make_elf(false);
    memset(file, 0x90, HEADER_AT);
    put_header(0x10003);
    memcpy(file + HEADER_AT + 12, address, sizeof(address));
    save(FILE_SIZE);
}

static uint64_t info(int off)
{
    return get(s.gpr[RBX] + off, 4);
}

static void test_elf(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        make_kernel(is_64);
        CHECK(way->offered(&k.image));
        load(way, RAM_SIZE);
        check_state(0x2badb002, ENTRY_GPA);
        check_elf_loaded(0);
    }
}

static void test_information(void)
{
    make_kernel(false);
    k.cmdline = "one  two=3";
    load(way, RAM_SIZE);
    CHECK_EQ(info(0), 0x26d); /* memory, command line, modules, ELF, map, loader */
    CHECK_EQ(info(4), 639);
    CHECK_EQ(info(8), 31 * 1024);
    CHECK_EQ(info(12), 0);
    CHECK(!strcmp(string_at(info(16)), "dir/kernel one  two=3"));
    CHECK_EQ(info(20), 0);
    CHECK(!strcmp(string_at(info(64)), "minivm"));
    for (int off = 52; off < 116; off += 4)
        CHECK(off == 64 || info(off) == 0);

    k.cmdline = "";
    load(way, RAM_SIZE);
    CHECK(!strcmp(string_at(info(16)), "dir/kernel"));
    /* A machine that has RAM above 4 GiB, too. */
    load(way, 4096 * MIB);
    CHECK_EQ(info(8), (3072 - 1) * 1024);
}

static void test_map(void)
{
    static const struct {
        uint64_t addr, size;
        uint32_t type;
    } want[] = {
        {0, 0x9fc00, 1},
        {0x9fc00, 0x400, 2},
        {0xe0000, 0x20000, 2},
        {MIB, 0xc0000000 - MIB, 1},
        {0xe0000000, 0x100000, 2},
        {0xfec00000, 0x1400000, 2},
        {0x100000000, 1024 * MIB, 1},
    };
    uint32_t at;

    make_kernel(false);
    load(way, 4096 * MIB);
    at = info(48);
    CHECK_EQ(info(44), 7 * 24);
    for (int i = 0; i < 7; i++, at += get(at, 4) + 4) {
        CHECK_EQ(get(at, 4), 20);
        CHECK_EQ(get(at + 4, 8), want[i].addr);
        CHECK_EQ(get(at + 12, 8), want[i].size);
        CHECK_EQ(get(at + 20, 4), want[i].type);
    }
    CHECK_EQ(at, info(48) + info(44));
}

static void test_sections(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        int word = is_64 ? 8 : 4, addr = is_64 ? 16 : 12, size = is_64 ? 64 : 40;
        uint32_t at;

        make_kernel(is_64);
        load(way, RAM_SIZE);
        at = info(36);
        CHECK_EQ(info(28), 4);
        CHECK_EQ(info(32), size);
        CHECK_EQ(info(40), 3);
        CHECK_EQ(get(at + size + addr, word), (is_64 ? 0xffffffff80000000 : 0xc0000000) + TEXT_GPA);
        CHECK(!memcmp(ram_at(&ram, get(at + 2 * size + addr, word), 0x30), file + SYMTAB, 0x30));
        CHECK(!memcmp(ram_at(&ram, get(at + 3 * size + addr, word), 0x21), file + STRTAB, 0x21));
        CHECK(get(at + 3 * size + addr, word) >= BSS_END);

        /* Section headers are a comfort: bad ones are left out, a bad section stays in the file. */
        put_section(2, is_64, 2, 0, SYMTAB, 0x7fffffff);
        save(FILE_SIZE);
        load(way, RAM_SIZE);
        CHECK_EQ(get(info(36) + 2 * size + addr, word), 0);
        put(24 + 2 * word, word, FILE_SIZE - 3 * size);
        save(FILE_SIZE);
        load(way, RAM_SIZE);
        CHECK_EQ(info(0) & 1 << 5, 0);
        put(24 + 2 * word, word, -1);
        save(FILE_SIZE);
        load(way, RAM_SIZE);
        CHECK_EQ(info(0) & 1 << 5, 0);
    }
}

static void drop_modules(void)
{
    while (k.modules)
        close(k.module[--k.modules].image.fd);
}

static void test_modules(void)
{
    make_kernel(false);
    add_module("one", "first", 5, "a  b");
    add_module("two", file, 4096, "");
    add_module("three", "third", 5, "");
    load(way, RAM_SIZE);
    CHECK_EQ(info(20), 3);
    CHECK_EQ(get(info(24), 4), BSS_END);
    CHECK_EQ(get(info(24) + 4, 4), BSS_END + 5);
    CHECK_EQ(get(info(24) + 16, 4), BSS_END + 4096);
    CHECK_EQ(get(info(24) + 20, 4), BSS_END + 2 * 4096);
    CHECK_EQ(get(info(24) + 32, 4), BSS_END + 2 * 4096);
    CHECK(!strcmp(string_at(get(info(24) + 8, 4)), "one a  b"));
    CHECK(!strcmp(string_at(get(info(24) + 24, 4)), "two"));
    CHECK(!strcmp(string_at(get(info(24) + 40, 4)), "three"));
    CHECK_EQ(get(info(24) + 44, 4), 0);
    CHECK(!memcmp(ram_at(&ram, BSS_END, 5), "first", 5));
    CHECK(!memcmp(ram_at(&ram, BSS_END + 4096, 4096), file, 4096));
    CHECK(!memcmp(ram_at(&ram, BSS_END + 8192, 5), "third", 5));
    drop_modules();
}

/* As many as there can be, with more words than fit below 640 KiB. */
static void test_many_words(void)
{
    static char words[30000];

    make_kernel(false);
    memset(words, 'w', sizeof(words) - 1);
    for (int i = 0; i < KERNEL_MODULES; i++)
        add_module("m", "x", 1, words);
    load(way, RAM_SIZE);
    CHECK_EQ(info(20), KERNEL_MODULES);
    CHECK(s.gpr[RBX] >= BSS_END);
    CHECK_EQ(strlen(ram_at(&ram, get(info(24) + 31 * 16 + 8, 4), 1)), 2 + sizeof(words) - 1);
    drop_modules();
}

static void test_addresses(void)
{
    static const struct {
        uint32_t load_end, bss_end, size, end;
    } sizes[] = {
        {0, 0, FILE_SIZE - 0x100, 0x300000 + FILE_SIZE - 0x100},
        {0, 0x380000, FILE_SIZE - 0x100, 0x380000},
        {0x302000, 0, 0x2000, 0x302000},
        {0x302000, 0x302800, 0x2000, 0x302800},
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        make_flat(sizes[i].load_end, sizes[i].bss_end);
        add_module("module", "x", 1, "");
        load(way, RAM_SIZE);
        check_state(0x2badb002, 0x300020);
        CHECK(!memcmp(ram_at(&ram, 0x300000, sizes[i].size), file + 0x100, sizes[i].size));
        if (sizes[i].end > 0x300000 + sizes[i].size)
            CHECK_EQ(get(0x300000 + sizes[i].size, 8), 0);
        CHECK_EQ(get(info(24), 4), (sizes[i].end + 4095) & -4096);
        CHECK_EQ(info(0) & 1 << 5, 0);
        drop_modules();
    }
}

/* In an ELF file they win over its own. */
static void test_addresses_of_elf(void)
{
    const uint32_t address[] = {0x500000 + HEADER_AT, 0x500000, 0, 0, 0x500100};

    make_elf(false);
    put_header(0x10003);
    memcpy(file + HEADER_AT + 12, address, sizeof(address));
    save(FILE_SIZE);
    load(way, RAM_SIZE);
    check_state(0x2badb002, 0x500100);
    CHECK(!memcmp(ram_at(&ram, 0x500000, FILE_SIZE), file, FILE_SIZE));
    CHECK_EQ(get(TEXT_GPA, 8), 0);
}

/* A kernel in base memory, where the information would have gone. */
static void test_low_kernel(void)
{
    const uint32_t address[] = {0x1000 + HEADER_AT, 0x1000, 0, 0x9fc00, 0x1000};

    make_flat(0, 0);
    memcpy(file + HEADER_AT + 12, address, sizeof(address));
    save(FILE_SIZE);
    add_module("module", "x", 1, "");
    load(way, RAM_SIZE);
    check_state(0x2badb002, 0x1000);
    CHECK_EQ(get(info(24), 4), MIB);
    CHECK_EQ(s.gpr[RBX], MIB + 4096);
    CHECK(!strcmp(string_at(info(16)), "dir/kernel"));
    drop_modules();
}

static void test_search(void)
{
    static uint8_t big[9000];
    const uint32_t header[] = {0x1badb002, 3, -(0x1badb002 + 3)};
    static const struct {
        int at, size;
        bool found;
    } places[] = {{0, 12, true},    {4, 9000, true},    {8180, 9000, true},  {8184, 9000, false},
                  {2, 9000, false}, {8180, 8192, true}, {8180, 8191, false}, {0, 11, false}};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct image img;

        memset(big, 0, sizeof(big));
        memcpy(big + places[i].at, header, sizeof(header));
        img = make_image("x", big, places[i].size);
        CHECK_EQ(way->offered(&img), places[i].found);
        close(img.fd);
    }
    make_kernel(false);
    put(HEADER_AT + 8, 4, 0);
    save(FILE_SIZE);
    CHECK(!way->offered(&k.image));
    save(1);
    CHECK(!way->offered(&k.image));
}

static void check_refused(int off, uint32_t val, const char *words)
{
    make_flat(0x302000, 0x303000);
    put(HEADER_AT + off, 4, val);
    save(FILE_SIZE);
    CHECK(refused(way, words));
}

static void test_refused(void)
{
    make_kernel(false);
    load(way, 4 * MIB);
    check_refused(12, 0x2fffff, "damaged");                 /* the header lies below the kernel */
    check_refused(12, 0x300000 + HEADER_AT + 4, "damaged"); /* it begins before the file */
    check_refused(16, 0x400000, "damaged");
    check_refused(20, 0x300000, "load_end_addr");
    check_refused(20, 0x310000, "truncated");
    check_refused(24, 0x301fff, "bss_end_addr");
    check_refused(24, 0x401000, "--mem 5M at least");
    check_refused(24, 0xc0000001, "not all of that is RAM");
    check_refused(28, 0x2fffff, "entry point");
    check_refused(28, 0x303000, "entry point");

    for (int bit = 2; bit < 32; bit++) {
        make_kernel(false);
        put_header(3 | 1u << bit);
        save(FILE_SIZE);
        if (bit > 2 && bit < 16)
            CHECK(refused(way, "features"));
        else if (bit != 16)
            load(way, 4 * MIB);
    }
    make_kernel(false);
    put_header(0x10003);
    memmove(file + 0x800, file + HEADER_AT, 32);
    memset(file + HEADER_AT, 0, 32);
    save(0x800 + 31);
    CHECK(refused(way, "truncated"));

    make_flat(0, 0);
    put_header(3);
    save(FILE_SIZE);
    CHECK(refused(way, "no ELF file"));
    make_kernel(false);
    put(24, 4, 0x1000);
    save(FILE_SIZE);
    CHECK(refused(way, "entry point 0x1000"));
    make_kernel(false);
    put(PHDRS + 12, 4, 0xa0000);
    save(FILE_SIZE);
    CHECK(refused(way, "0xa0000"));
}

static void test_no_room(void)
{
    make_kernel(false);
    add_module("large", file, 4096, "");
    k.module[0].image.size = 8 * MIB;
    if (ftruncate(k.module[0].image.fd, 8 * MIB) < 0)
        abort();
    load(way, 16 * MIB);
    ram_free(&ram);
    ram_init(&ram, 8 * MIB);
    CHECK(refused(way, "module large"));
    drop_modules();
    ram_free(&ram);
    ram_init(&ram, 2 * MIB);
    CHECK(refused(way, "--mem"));
    ram_free(&ram);
    ram_init(&ram, 4096);
    CHECK(refused(way, "--mem"));
    /* What a loader can do without, it does without. */
    load(way, BSS_END);
    CHECK_EQ(info(8), BSS_END / 1024 - 1024);
}

static char *printed(void)
{
    static char text[1000];
    FILE *f = fmemopen(text, sizeof(text), "w");

    way->print(&k.image, f);
    fclose(f);
    return text;
}

static void test_print(void)
{
    make_kernel(false);
    CHECK(!strcmp(printed(), "  goes to: 0x100000..0x204000, as its ELF segments say\n"
                             "  RAM: 3 MiB at least\n"
                             "  entry: 0x100040, 32 bits\n"));
    make_flat(0x302000, 0x303000);
    CHECK(!strncmp(printed(), "  goes to: 0x300000..0x303000, as its header says\n", 50));
    put(HEADER_AT + 20, 4, 1);
    save(FILE_SIZE);
    CHECK(!strncmp(printed(), "  cannot be loaded: damaged: ", 29));
}

int main(void)
{
    k.cmdline = "";
    make_kernel(false);
    return test_main((struct test[]){
        {test_elf, "ELF files of 32 and 64 bits: place, entry, state"},
        {test_information, "the information: memory, command line, loader"},
        {test_map, "the memory map"},
        {test_sections, "ELF section headers, and symbols where they say"},
        {test_modules, "modules: on pages of their own, with their words"},
        {test_many_words, "more words than base memory holds"},
        {test_addresses, "a flat file goes where its header says"},
        {test_addresses_of_elf, "and so does an ELF file with addresses in its header"},
        {test_low_kernel, "a kernel in base memory has it for itself"},
        {test_search, "where a header may be"},
        {test_refused, "damaged headers, and features that nobody has"},
        {test_no_room, "machines that are too small"},
        {test_print, "what is told about a kernel"},
        {0},
    });
}

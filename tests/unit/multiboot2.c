// SPDX-License-Identifier: MIT
/*
 * Multiboot, version 2: tags of the header, tags of the information, relocation, and the files that
 * are refused.
 */
#define _GNU_SOURCE
#include "tests/unit/multiboot.h"
#include "tests/unit/pci.h"

#include "boot/acpi.h"

#define RAM_SIZE (32 * MIB)
#define way      (&way_multiboot2)

static uint32_t tags_end; /* in the file, so far */

/* The header at HEADER_AT, and no tag yet. */
static void begin_header(bool is_64)
{
    make_elf(is_64);
    memset(file + HEADER_AT, 0, 0x400);
    put(HEADER_AT, 4, 0xe85250d6);
    tags_end = HEADER_AT + 16;
}

/* A tag with n words. */
static void tag(int type, int flags, int n, const uint32_t *words)
{
    put(tags_end, 2, type);
    put(tags_end + 2, 2, flags);
    put(tags_end + 4, 4, 8 + 4 * n);
    if (n)
        memcpy(file + tags_end + 8, words, 4 * n);
    tags_end += (8 + 4 * n + 7) & -8;
}

static void end_header(void)
{
    uint32_t length;

    tag(0, 0, 0, NULL);
    length = tags_end - HEADER_AT;
    put(HEADER_AT + 8, 4, length);
    put(HEADER_AT + 12, 4, -(0xe85250d6 + length));
    save(FILE_SIZE);
}

#define TAG(type, flags, ...)                                                                      \
    tag(type, flags, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void make_kernel(bool is_64)
{
    begin_header(is_64);
    end_header();
}

/* The n-th tag of that type in the information, 0 for none. All tags are checked on the way. */
static uint64_t find(uint32_t type, int n)
{
    uint64_t start = s.gpr[RBX], end = start + get(start, 4), at = start + 8, found = 0;

    CHECK_EQ(get(start + 4, 4), 0);
    while (at < end && get(at, 4)) {
        if (get(at, 4) == type && n-- == 0)
            found = at;
        CHECK(get(at + 4, 4) >= 8);
        at = (at + get(at + 4, 4) + 7) & -8;
    }
    CHECK_EQ(at, end - 8);
    CHECK_EQ(get(at + 4, 4), 8);
    return found;
}

static void test_elf(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        make_kernel(is_64);
        CHECK(way->offered(&k.image));
        load(way, RAM_SIZE);
        check_state(0x36d76289, ENTRY_GPA);
        check_elf_loaded(0);
    }
}

static void test_words(void)
{
    uint64_t at;

    make_kernel(false);
    k.cmdline = "one  two=3";
    load(way, RAM_SIZE);
    at = find(1, 0);
    CHECK(!strcmp(string_at(at + 8), "dir/kernel one  two=3"));
    CHECK_EQ(get(at + 4, 4), 8 + 22);
    at = find(2, 0);
    CHECK(!strcmp(string_at(at + 8), "minivm"));
    CHECK_EQ(get(at + 4, 4), 8 + 7);
    k.cmdline = "";
}

static void test_memory(void)
{
    uint64_t at;

    make_kernel(false);
    load(way, 4096 * MIB);
    at = find(4, 0);
    CHECK_EQ(get(at + 4, 4), 16);
    CHECK_EQ(get(at + 8, 4), 639);
    CHECK_EQ(get(at + 12, 4), (3072 - 1) * 1024);
    at = find(6, 0);
    CHECK_EQ(get(at + 4, 4), 16 + 7 * 24);
    CHECK_EQ(get(at + 8, 4), 24);
    CHECK_EQ(get(at + 12, 4), 0);
    CHECK_EQ(get(at + 16, 8), 0);
    CHECK_EQ(get(at + 24, 8), 0x9fc00);
    CHECK_EQ(get(at + 32, 8), 1);
    at += 16 + 6 * 24;
    CHECK_EQ(get(at, 8), 0x100000000);
    CHECK_EQ(get(at + 8, 8), 1024 * MIB);
    CHECK_EQ(get(at + 16, 8), 1);
}

static void test_modules(void)
{
    uint64_t at;

    make_kernel(false);
    k.modules = 2;
    k.module[0] = (struct module){make_image("one", "first", 5), "a  b"};
    k.module[1] = (struct module){make_image("two", file, 4096), ""};
    load(way, RAM_SIZE);
    at = find(3, 0);
    CHECK_EQ(get(at + 4, 4), 16 + 9);
    CHECK_EQ(get(at + 8, 4), BSS_END);
    CHECK_EQ(get(at + 12, 4), BSS_END + 5);
    CHECK(!strcmp(string_at(at + 16), "one a  b"));
    at = find(3, 1);
    CHECK_EQ(get(at + 8, 4), BSS_END + 4096);
    CHECK_EQ(get(at + 12, 4), BSS_END + 8192);
    CHECK(!strcmp(string_at(at + 16), "two"));
    CHECK(!find(3, 2));
    CHECK(!memcmp(ram_at(&ram, BSS_END, 5), "first", 5));
    CHECK(!memcmp(ram_at(&ram, BSS_END + 4096, 4096), file, 4096));
    while (k.modules)
        close(k.module[--k.modules].image.fd);
}

static void test_sections(void)
{
    for (int is_64 = 0; is_64 < 2; is_64++) {
        int word = is_64 ? 8 : 4, addr = is_64 ? 16 : 12, size = is_64 ? 64 : 40;
        uint64_t at;

        make_kernel(is_64);
        load(way, RAM_SIZE);
        at = find(9, 0);
        CHECK_EQ(get(at + 4, 4), 20 + 4 * size);
        CHECK_EQ(get(at + 8, 4), 4);
        CHECK_EQ(get(at + 12, 4), size);
        CHECK_EQ(get(at + 16, 4), 3);
        at += 20 + 2 * size;
        CHECK_EQ(get(at + 4, 4), 2);
        CHECK(!memcmp(ram_at(&ram, get(at + addr, word), 0x30), file + SYMTAB, 0x30));

        put(28 + 3 * word + 8, 2, 0); /* no sections */
        save(FILE_SIZE);
        load(way, RAM_SIZE);
        CHECK(!find(9, 0));
    }
}

static void test_rsdp(void)
{
    uint64_t old, new;

    make_kernel(false);
    load(way, RAM_SIZE);
    CHECK(!find(14, 0) && !find(15, 0));
    k.rsdp = acpi_build(&ram, 1, pci_of(0));
    if (!setjmp(died))
        way->load(&k, &ram, &s);
    old = find(14, 0);
    new = find(15, 0);
    CHECK_EQ(get(old + 4, 4), 8 + 20);
    CHECK_EQ(get(new + 4, 4), 8 + 36);
    CHECK(!memcmp(ram_at(&ram, old + 8, 20), ram_at(&ram, k.rsdp, 20), 20));
    CHECK(!memcmp(ram_at(&ram, new + 8, 36), ram_at(&ram, k.rsdp, 36), 36));
    CHECK(!memcmp(ram_at(&ram, new + 8, 8), "RSD PTR ", 8));
    k.rsdp = 0;
}

static void test_addresses(void)
{
    begin_header(false);
    TAG(2, 0, 0x300000 + HEADER_AT - 0x100, 0x300000, 0x302000, 0x303000);
    TAG(3, 0, 0x300020);
    end_header();
    load(way, RAM_SIZE);
    check_state(0x36d76289, 0x300020);
    CHECK(!memcmp(ram_at(&ram, 0x300000, 0x2000), file + 0x100, 0x2000));
    CHECK_EQ(get(0x302000, 8), 0);
    CHECK(!find(9, 0));

    /* The whole file, from its beginning. */
    begin_header(false);
    memset(file, 0x90, HEADER_AT);
    TAG(2, 0, 0x300000 + HEADER_AT, -1, 0, 0);
    TAG(3, 0, 0x300020);
    end_header();
    load(way, RAM_SIZE);
    check_state(0x36d76289, 0x300020);
    CHECK(!memcmp(ram_at(&ram, 0x300000, FILE_SIZE), file, FILE_SIZE));
}

static void test_entry(void)
{
    begin_header(true);
    TAG(3, 0, TEXT_GPA + 0x80);
    end_header();
    load(way, RAM_SIZE);
    check_state(0x36d76289, TEXT_GPA + 0x80);
    check_elf_loaded(0);
}

static void test_tags(void)
{
    begin_header(false);
    TAG(1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21);
    TAG(1, 1, 22, 0xffffffff);
    TAG(4, 0, 2); /* a screen would be nice */
    TAG(4, 1, 3); /* or needed, but not really */
    TAG(5, 0, 1024, 768, 32);
    tag(6, 0, 0, NULL);
    tag(7, 0, 0, NULL);
    TAG(8, 0, 1);
    TAG(9, 0, 1);
    TAG(77, 1, 1, 2, 3);
    end_header();
    load(way, RAM_SIZE);
    check_state(0x36d76289, ENTRY_GPA);
    CHECK(!find(21, 0));
}

/* Linked to 2 GiB, where a small machine has no RAM. */
static void make_relocatable(uint32_t min, uint32_t max, uint32_t align)
{
    begin_header(false);
    put_segment(0, false, TEXT, 0x80000000, 0x80000000, 0x1000, 0x1000);
    put_segment(1, false, DATA, 0x80100000, 0x80100000, 0x10, 0x4000);
    put(24, 4, 0x80000040);
    TAG(10, 0, min, max, align, 0);
    end_header();
}

static void test_relocation(void)
{
    /* It goes where it was linked to, */
    begin_header(false);
    TAG(10, 0, 0x800000, 0xffffffff, 0x200000, 2);
    end_header();
    load(way, RAM_SIZE);
    check_state(0x36d76289, ENTRY_GPA);
    check_elf_loaded(0);
    CHECK_EQ(get(find(21, 0) + 8, 4), TEXT_GPA);

    /* and elsewhere when it cannot. */
    make_relocatable(0x200000, 0xffffffff, 0x200000);
    load(way, RAM_SIZE);
    CHECK_EQ(get(find(21, 0) + 8, 4), 0x1e00000);
    check_state(0x36d76289, 0x1e00040);
    CHECK(!memcmp(ram_at(&ram, 0x1e00000, 0x1000), file + TEXT, 0x1000));
    CHECK(!memcmp(ram_at(&ram, 0x1f00000, 0x10), file + DATA, 0x10));
    make_relocatable(0x200000, 0x7fffff, 0x1000);
    load(way, RAM_SIZE);
    CHECK_EQ(s.rip, 0x800000 - 0x104000 + 0x40);

    make_relocatable(0x2000000, 0xffffffff, 0x200000);
    CHECK(refused(way, "--mem"));
    make_relocatable(0x200000, 0xffffffff, 0x300000); /* no power of two */
    CHECK(refused(way, "--mem"));
    make_relocatable(0, 0x1000, 1);
    CHECK(refused(way, "--mem"));
}

static void test_search(void)
{
    static uint8_t big[40000];
    const uint32_t header[] = {0xe85250d6, 0, 16, -(0xe85250d6 + 16)};
    static const struct {
        int at, size;
        bool found;
    } places[] = {{0, 16, true},         {8, 40000, true},      {32752, 40000, true},
                  {4, 40000, false},     {32760, 40000, false}, {32752, 32768, true},
                  {32752, 32767, false}, {0, 15, false}};
    struct image img;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        memset(big, 0, sizeof(big));
        memcpy(big + places[i].at, header, sizeof(header));
        img = make_image("x", big, places[i].size);
        CHECK_EQ(way->offered(&img), places[i].found);
        close(img.fd);
    }
    make_kernel(false);
    put(HEADER_AT + 4, 4, 4); /* for MIPS */
    put(HEADER_AT + 12, 4, -(0xe85250d6 + 4 + 24));
    save(FILE_SIZE);
    CHECK(!way->offered(&k.image));
}

static void test_refused(void)
{
    make_kernel(false);
    load(way, 4 * MIB);
    begin_header(false);
    TAG(1, 0, 6, 22);
    end_header();
    CHECK(refused(way, "information of type 22"));
    begin_header(false);
    TAG(4, 0, 1);
    end_header();
    CHECK(refused(way, "screen"));
    begin_header(false);
    TAG(77, 0, 1);
    end_header();
    CHECK(refused(way, "tag 77"));
    begin_header(false);
    TAG(2, 0, 0x300000 + HEADER_AT, 0x300000, 0, 0);
    end_header();
    CHECK(refused(way, "without an entry"));
    begin_header(false);
    TAG(3, 0, 0x1000);
    end_header();
    CHECK(refused(way, "entry point"));
    begin_header(false);
    memset(file, 0, HEADER_AT);
    end_header();
    CHECK(refused(way, "no ELF file"));

    for (int type = 2; type <= 10; type++) {
        bool has_value = type == 2 || type == 3 || type == 4 || type == 10;

        begin_header(false);
        tag(type, 0, 0, NULL);
        end_header();
        if (has_value)
            CHECK(refused(way, "damaged"));
        else
            load(way, 4 * MIB);
    }
    begin_header(false);
    put(HEADER_AT + 20, 4, 7); /* the size of the last tag matters to nobody */
    end_header();
    load(way, 4 * MIB);
    begin_header(false);
    TAG(6, 0, 1);
    put(HEADER_AT + 20, 4, 7);
    end_header();
    CHECK(refused(way, "damaged"));
    put(HEADER_AT + 20, 4, 0xfffffff8);
    save(FILE_SIZE);
    CHECK(refused(way, "damaged"));
    put(HEADER_AT + 20, 4, 0xffffffff);
    save(FILE_SIZE);
    CHECK(refused(way, "damaged"));

    for (uint32_t length = 0; length < 24; length += 4) {
        make_kernel(false);
        put(HEADER_AT + 8, 4, length);
        put(HEADER_AT + 12, 4, -(0xe85250d6 + length));
        save(FILE_SIZE);
        CHECK(refused(way, "damaged"));
    }
    make_kernel(false);
    put(HEADER_AT + 8, 4, 0x8000);
    put(HEADER_AT + 12, 4, -(0xe85250d6 + 0x8000));
    save(FILE_SIZE);
    CHECK(refused(way, "damaged"));
}

static void test_print(void)
{
    static char text[1000];
    FILE *f;

    make_relocatable(0x200000, 0xffffffff, 0x200000);
    f = fmemopen(text, sizeof(text), "w");
    way->print(&k.image, f);
    fclose(f);
    CHECK(!strcmp(text, "  goes to: 0x80000000..0x80104000, as its ELF segments say\n"
                        "  RAM: 2050 MiB at least\n"
                        "  entry: 0x80000040, 32 bits\n"
                        "  relocatable: 0x200000..0xffffffff\n"));
}

int main(void)
{
    k.cmdline = "";
    return test_main((struct test[]){
        {test_elf, "ELF files of 32 and 64 bits: place, entry, state"},
        {test_words, "command line and loader"},
        {test_memory, "the memory map"},
        {test_modules, "modules: on pages of their own, with their words"},
        {test_sections, "ELF section headers, and symbols where they say"},
        {test_rsdp, "copies of the RSDP"},
        {test_addresses, "a flat file goes where its header says"},
        {test_entry, "an entry point in the header wins"},
        {test_tags, "tags that ask for what a loader may leave out"},
        {test_relocation, "a kernel that can move does so only where it must"},
        {test_search, "where a header may be"},
        {test_refused, "damaged headers, and what is required but unknown"},
        {test_print, "what is told about a kernel"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/* The ACPI tables, read as an operating system does. Offsets are those of the specification. */
#include "boot/acpi.h"

#include "hw/pc.h"
#include "tests/unit/pci.h"
#include "tests/unit/tables.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <unistd.h>

#define RAM_SIZE (UINT64_C(2) << 20)

/* As an OS without a hint from the boot loader: on 16-byte boundaries. */
static uint64_t find_rsdp(void)
{
    for (uint64_t gpa = 0xe0000; gpa < 0x100000; gpa += 16)
        if (is(gpa, "RSD PTR ") && sum(gpa, 20) == 0)
            return gpa;
    return 0;
}

static uint64_t find_table(const char *signature)
{
    uint64_t xsdt = get(find_rsdp() + 24, 8);

    for (uint64_t e = xsdt + 36; e < xsdt + get(xsdt + 4, 4); e += 8)
        if (is(get(e, 8), signature))
            return get(e, 8);
    return 0;
}

static uint64_t build_with(int cpus, const struct pci *pci)
{
    ram_init(&ram, RAM_SIZE);
    return acpi_build(&ram, cpus, pci);
}

static uint64_t build(int cpus)
{
    return build_with(cpus, pci_of(3));
}

static void check_header(uint64_t gpa, const char *signature, uint8_t revision)
{
    CHECK(is(gpa, signature));
    CHECK(get(gpa + 4, 4) >= 36);
    CHECK_EQ(get(gpa + 8, 1), revision);
    CHECK_EQ(sum(gpa, get(gpa + 4, 4)), 0);
}

static void test_pointers(void)
{
    uint64_t rsdp = build(1);
    uint64_t rsdt = get(rsdp + 16, 4), xsdt = get(rsdp + 24, 8);

    CHECK_EQ(find_rsdp(), rsdp);
    CHECK_EQ(get(rsdp + 15, 1), 2);
    CHECK_EQ(get(rsdp + 20, 4), 36);
    CHECK_EQ(sum(rsdp, 36), 0);

    check_header(rsdt, "RSDT", 1);
    check_header(xsdt, "XSDT", 1);
    CHECK_EQ(get(rsdt + 4, 4), 36 + 3 * 4);
    CHECK_EQ(get(xsdt + 4, 4), 36 + 3 * 8);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
    CHECK(find_table("FACP"));
    CHECK(find_table("APIC"));
    CHECK(find_table("MCFG"));
    ram_free(&ram);
}

static void test_fadt(void)
{
    build(1);
    uint64_t fadt = find_table("FACP");
    uint64_t facs = get(fadt + 36, 4);

    check_header(fadt, "FACP", 5);
    CHECK_EQ(get(fadt + 4, 4), 268);
    CHECK(is(facs, "FACS"));
    CHECK_EQ(facs % 64, 0);
    CHECK_EQ(get(facs + 4, 4), 64);
    CHECK_EQ(get(fadt + 132, 8), 0); /* X_FIRMWARE_CTRL: only one of the two may be used */

    CHECK_EQ(get(fadt + 46, 2), 9);     /* SCI_INT */
    CHECK_EQ(get(fadt + 48, 4), 0);     /* SMI_CMD: ACPI mode from the start */
    CHECK_EQ(get(fadt + 56, 4), 0x600); /* PM1a_EVT_BLK */
    CHECK_EQ(get(fadt + 64, 4), 0x604); /* PM1a_CNT_BLK */
    CHECK_EQ(get(fadt + 76, 4), 0x608); /* PM_TMR_BLK */
    CHECK_EQ(get(fadt + 88, 4), 0x04000204);
    CHECK(get(fadt + 96, 2) > 100);     /* no C2 */
    CHECK(get(fadt + 98, 2) > 1000);    /* no C3 */
    CHECK_EQ(get(fadt + 108, 1), 0x32); /* CENTURY */

    /* Legacy devices and an RTC; no VGA, no keyboard to probe. */
    CHECK_EQ(get(fadt + 109, 2), 0x5);
    /* WBINVD, C1, fixed power button, no sleep button, 32-bit timer, reset register, headless;
     * not hardware-reduced. */
    CHECK_EQ(get(fadt + 112, 4), 0x1565);

    CHECK_EQ(get(fadt + 116, 4), 0x01000801); /* RESET_REG: I/O, 8 bits */
    CHECK_EQ(get(fadt + 120, 8), 0xcf9);
    CHECK_EQ(get(fadt + 128, 1), 6);

    CHECK_EQ(get(fadt + 148, 4), 0x02002001); /* the same again, as addresses */
    CHECK_EQ(get(fadt + 152, 8), 0x600);
    CHECK_EQ(get(fadt + 172, 4), 0x02001001);
    CHECK_EQ(get(fadt + 176, 8), 0x604);
    CHECK_EQ(get(fadt + 208, 4), 0x03002001);
    CHECK_EQ(get(fadt + 212, 8), 0x608);
    CHECK_EQ(get(fadt + 140, 8), get(fadt + 40, 4)); /* DSDT */
    ram_free(&ram);
}

static void check_madt(int cpus)
{
    build(cpus);
    uint64_t madt = find_table("APIC"), end = madt + get(madt + 4, 4), e = madt + 44;
    int seen = 0, others[5] = {0};

    check_header(madt, "APIC", 3);
    CHECK_EQ(get(madt + 36, 4), 0xfee00000);
    CHECK_EQ(get(madt + 40, 4), 1);
    for (; e < end && get(e + 1, 1) >= 2; e += get(e + 1, 1)) {
        uint64_t type = get(e, 1);

        CHECK(type <= 4);
        others[type % 5]++;
        switch (type) {
        case 0: /* local APIC */
            CHECK_EQ(get(e + 1, 1), 8);
            CHECK_EQ(get(e + 2, 1), seen);
            CHECK_EQ(get(e + 3, 1), seen);
            CHECK_EQ(get(e + 4, 4), 1);
            seen++;
            break;
        case 1: /* I/O APIC */
            CHECK_EQ(get(e + 1, 1), 12);
            CHECK(get(e + 2, 1) >= PC_MAX_CPUS && get(e + 2, 1) < 0xff);
            CHECK_EQ(get(e + 3, 1), 0);
            CHECK_EQ(get(e + 4, 4), 0xfec00000);
            CHECK_EQ(get(e + 8, 4), 0);
            break;
        case 2: /* override */
            CHECK_EQ(get(e + 1, 1), 10);
            CHECK_EQ(get(e + 2, 1), 0);
            if (get(e + 3, 1) == 0) {
                CHECK_EQ(get(e + 4, 4), 2);
                CHECK_EQ(get(e + 8, 2), 0);
            } else {
                CHECK(get(e + 3, 1) >= 9 && get(e + 3, 1) <= 11);
                CHECK_EQ(get(e + 4, 4), get(e + 3, 1));
                CHECK_EQ(get(e + 8, 2), 0xd); /* level, active high */
            }
            break;
        case 4: /* NMI of every CPU at LINT1 */
            CHECK_EQ(get(e + 1, 1), 6);
            CHECK_EQ(get(e + 2, 4), 0x010000ff);
            break;
        }
    }
    CHECK_EQ(e, end);
    CHECK_EQ(seen, cpus);
    CHECK_EQ(others[1], 1);
    CHECK_EQ(others[2], 4);
    CHECK_EQ(others[4], 1);
    ram_free(&ram);
}

static void test_madt(void)
{
    check_madt(1);
    check_madt(4);
    check_madt(64);
}

static void test_mcfg(void)
{
    build(1);
    uint64_t mcfg = find_table("MCFG");

    check_header(mcfg, "MCFG", 1);
    CHECK_EQ(get(mcfg + 4, 4), 60);
    CHECK_EQ(get(mcfg + 36, 8), 0);
    CHECK_EQ(get(mcfg + 44, 8), 0xe0000000);
    CHECK_EQ(get(mcfg + 52, 8), 0); /* segment 0, from bus 0 to bus 0 */
    ram_free(&ram);
}

/* Every byte of the BIOS area belongs to one table at most, and none lies outside ACPI_END. */
static void test_room(void)
{
    static uint8_t used[ACPI_END - ACPI_BASE];
    uint64_t rsdp = build_with(64, pci_of(PCI_SLOTS - 1));
    uint64_t fadt = find_table("FACP");
    uint64_t table[][2] = {
        {rsdp, 36},
        {get(rsdp + 16, 4), 0},
        {get(rsdp + 24, 8), 0},
        {fadt, 0},
        {find_table("APIC"), 0},
        {find_table("MCFG"), 0},
        {get(fadt + 36, 4), 0},
        {get(fadt + 40, 4), 0},
    };

    memset(used, 0, sizeof(used));
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t gpa = table[i][0], len = table[i][1] ? table[i][1] : get(gpa + 4, 4);

        CHECK(gpa >= ACPI_BASE && gpa + len <= ACPI_END);
        for (uint64_t j = gpa; j < gpa + len && j < ACPI_END; j++)
            CHECK_EQ(used[j - ACPI_BASE]++, 0);
    }
    for (uint64_t gpa = 0; gpa < RAM_SIZE; gpa++)
        if (gpa < ACPI_BASE || gpa >= ACPI_END)
            if (get(gpa, 1))
                CHECK_EQ(gpa, 0); /* says where */
    ram_free(&ram);
}

/* What an interpreter sees in the DSDT: the offsets of its names, by path. */
struct names {
    int n;
    struct {
        char path[16];
        uint64_t value; /* gpa of what it names */
    } name[32];
};

static uint64_t pkg_length(uint64_t *at)
{
    uint64_t lead = get((*at)++, 1), len = lead & 0x3f;

    if (lead >> 6) {
        len = lead & 0xf;
        for (uint64_t i = 0; i < lead >> 6; i++)
            len |= get((*at)++, 1) << (4 + 8 * i);
    }
    return len;
}

/* Walk a data object, and return where it ends. */
static uint64_t walk_data(uint64_t at)
{
    uint64_t op = get(at++, 1), start = at, end, n;

    switch (op) {
    case 0x00: /* Zero, One */
    case 0x01:
        return at;
    case 0x0a: /* byte, word, dword */
        return at + 1;
    case 0x0b:
        return at + 2;
    case 0x0c:
        return at + 4;
    case 0x0d: /* string */
        while (get(at++, 1))
            ;
        return at;
    case 0x0e: /* qword */
        return at + 8;
    case 0x11: /* buffer: size, bytes */
        end = start + pkg_length(&at);
        CHECK_EQ(get(at, 1), 0x0b);
        CHECK_EQ(at + 3 + get(at + 1, 2), end);
        return end;
    case 0x12: /* package: count, objects */
        end = start + pkg_length(&at);
        for (n = get(at++, 1); n > 0; n--)
            at = walk_data(at);
        CHECK_EQ(at, end);
        return end;
    }
    CHECK_EQ(op, 0); /* not an object that we know */
    return UINT64_MAX / 2;
}

static void walk(uint64_t at, uint64_t end, const char *scope, struct names *names)
{
    while (at < end) {
        uint64_t op = get(at++, 1), inner;
        char path[16];

        if (op == 0x5b)
            op = 0x5b00 | get(at++, 1);
        inner = at;
        if (op != 0x08)
            inner += pkg_length(&at);
        if (get(at, 1) == '\\')
            at++;
        snprintf(path, sizeof(path), "%s.%.4s", scope, (char *)ram_at(&ram, at, 4));
        at += 4;
        if (op == 0x08) {
            CHECK(names->n < 32);
            names->name[names->n].value = at;
            memcpy(names->name[names->n++ % 32].path, path, sizeof(path));
            at = walk_data(at);
        } else {
            CHECK(op == 0x10 || op == 0x5b82);
            CHECK(inner <= end);
            walk(at, inner, path, names);
            at = inner;
        }
    }
    CHECK_EQ(at, end);
}

static uint64_t value(const struct names *names, const char *path)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->name[i].path, path) == 0)
            return names->name[i].value;
    printf("# no %s\n", path);
    CHECK(false);
    return 0;
}

/* The number at gpa, an object. */
static uint64_t integer(uint64_t gpa)
{
    static const int size[] = {[0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8};
    uint64_t op = get(gpa, 1);

    CHECK(op <= 0x0e);
    return op <= 1 ? op : get(gpa + 1, size[op % 15]);
}

/* Does a list of resources consist of these bytes, and its end tag? */
static bool lists(uint64_t gpa, const uint8_t *bytes, size_t len)
{
    pkg_length(&(uint64_t){++gpa});
    gpa += 2;
    return integer(gpa) == len + 2 && !memcmp(ram_at(&ram, gpa + 3, len), bytes, len) &&
           get(gpa + 3 + len, 2) == 0x0079;
}

#define LISTS(path, bytes) CHECK(lists(value(&names, path), bytes, sizeof(bytes)))

static void test_dsdt(void)
{
    static const uint8_t s5[] = {0x12, 0x47, 0, 4, 0, 0, 0, 0};
    static const uint8_t com1[] = {0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8, 0x22, 0x10, 0};
    static const uint8_t rtc[] = {0x47, 1, 0x70, 0, 0x70, 0, 1, 2, 0x22, 0, 1};
    static const uint8_t panic[] = {0x47, 1, 0x05, 0x05, 0x05, 0x05, 1, 1};
    static const uint8_t board[] = {0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0};
    struct names names = {0};

    build(1);
    uint64_t dsdt = get(find_table("FACP") + 40, 4);

    check_header(dsdt, "DSDT", 2);
    walk(dsdt + 36, dsdt + get(dsdt + 4, 4), "", &names);
    CHECK_EQ(names.n, 15);
    CHECK(memcmp(ram_at(&ram, value(&names, "._S5_"), sizeof(s5)), s5, sizeof(s5)) == 0);
    CHECK_EQ(integer(value(&names, "._SB_.COM1._HID")), 0x0105d041); /* PNP0501 */
    CHECK_EQ(integer(value(&names, "._SB_.RTC_._HID")), 0x000bd041); /* PNP0B00 */
    CHECK_EQ(integer(value(&names, "._SB_.BRD_._HID")), 0x020cd041); /* PNP0C02 */
    LISTS("._SB_.COM1._CRS", com1);
    LISTS("._SB_.RTC_._CRS", rtc);
    LISTS("._SB_.BRD_._CRS", board);
    CHECK(memcmp(ram_at(&ram, value(&names, "._SB_.PEVT._HID"), 10), "\rQEMU0001", 10) == 0);
    LISTS("._SB_.PEVT._CRS", panic);
    ram_free(&ram);
}

static void test_pci(void)
{
    // clang-format off
    static const uint8_t windows[] = {
        /* bus 0; the configuration ports; 0xc000..0xcfff */
        0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
        0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8,
        0x88, 13, 0, 1, 0x0c, 3, 0, 0, 0x00, 0xc0, 0xff, 0xcf, 0, 0, 0x00, 0x10,
        /* 0xc0000000..0xdfffffff; 16 GiB from MEM64 on */
        0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff, 0xff, 0xdf, 0, 0, 0, 0,
            0, 0, 0, 0x20,
        0x8a, 43, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0,
            0xff, 0xff, 0xff, 0xff, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0,
    };
    // clang-format on
    struct names names = {0};

    build(1);
    uint64_t dsdt = get(find_table("FACP") + 40, 4);

    walk(dsdt + 36, dsdt + get(dsdt + 4, 4), "", &names);
    CHECK_EQ(integer(value(&names, "._SB_.PCI0._HID")), 0x030ad041); /* PNP0A03 */
    CHECK_EQ(integer(value(&names, "._SB_.PCI0._UID")), 0);
    LISTS("._SB_.PCI0._CRS", windows);

    /* Three functions, in slots 1 to 3. */
    uint64_t at = value(&names, "._SB_.PCI0._PRT") + 1;

    pkg_length(&at);
    CHECK_EQ(get(at++, 1), 3);
    for (int slot = 1; slot <= 3; slot++) {
        CHECK_EQ(get(at++, 1), 0x12);
        pkg_length(&at);
        CHECK_EQ(get(at++, 1), 4);
        CHECK_EQ(integer(at), slot << 16 | 0xffff);
        at = walk_data(at);
        CHECK_EQ(integer(at), 0); /* INTA */
        at = walk_data(at);
        CHECK_EQ(integer(at), 0); /* no link between */
        at = walk_data(at);
        CHECK_EQ(integer(at), slot % 2 ? 11 : 10);
        at = walk_data(at);
    }
    ram_free(&ram);
}

/* Where acpica-tools is installed, let it disassemble the DSDT and compile the result again. */
static void test_iasl(void)
{
    char dir[] = "/tmp/minivm-acpi.XXXXXX", cmd[256], name[64];
    uint64_t dsdt;
    FILE *f;

    if (system("command -v iasl >/dev/null") != 0) {
        printf("# skipped: no iasl\n");
        return;
    }
    build_with(1, pci_of(PCI_SLOTS - 1));
    dsdt = get(find_table("FACP") + 40, 4);
    CHECK(mkdtemp(dir));
    snprintf(name, sizeof(name), "%s/dsdt.dat", dir);
    f = fopen(name, "w");
    CHECK(f);
    if (f) {
        fwrite(ram_at(&ram, dsdt, get(dsdt + 4, 4)), 1, get(dsdt + 4, 4), f);
        fclose(f);
    }
    snprintf(cmd, sizeof(cmd),
             "cd %s && iasl -d dsdt.dat >log 2>&1 && iasl -p again dsdt.dsl >>log 2>&1 && "
             "grep -q ' 0 Errors, 0 Warnings' log && ! grep -i 'checksum\\|unknown' log",
             dir);
    CHECK(system(cmd) == 0);
    snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
    CHECK(system(cmd) == 0);
    ram_free(&ram);
}

int main(void)
{
    return test_main((struct test[]){
        {test_pointers, "RSDP, RSDT and XSDT lead to the tables"},
        {test_fadt, "FADT: fixed hardware, flags, reset register"},
        {test_madt, "MADT of 1, 4 and 64 CPUs"},
        {test_room, "tables do not overlap and stay in their place"},
        {test_mcfg, "MCFG: one bus"},
        {test_dsdt, "DSDT: AML lengths nest; S5, COM1, RTC, the board"},
        {test_pci, "DSDT: the PCI bridge's windows and interrupts"},
        {test_iasl, "DSDT: iasl agrees, where there is one"},
        {0},
    });
}

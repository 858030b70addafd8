// SPDX-License-Identifier: MIT
/*
 * The ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, MADT, MCFG and a small DSDT.
 *
 * After: Advanced Configuration and Power Interface Specification 5.0, "ACPI Software Programming
 * Model" (the tables), "Device Configuration" (the DSDT); PCI Firmware Specification 3.0, "MCFG
 * Table Description" and "_PRT".
 *
 * Neither the FADT nor the DSDT mentions the keyboard controller, so Linux does not probe for it:
 * the chip is there for A20, for resets and for guests that know no ACPI, but it has no keyboard.
 * With only the DSDT silent, Linux would try the ports.
 *
 * The root bridge is PNP0A03, a conventional one, though it has ECAM: with one of PCI Express,
 * guests would ask by _OSC for the control of hotplug and error reporting, which are not here.
 *
 * Left out: GPEs, sleep states other than S5, C and P states (the host's business), Processor
 * objects (the MADT has the CPUs; the objects serve hotplug and C states).
 */
#include "boot/acpi.h"
#include "boot/aml.h"
#include "boot/checksum.h"

#include "hw/acpi-pm.h"
#include "hw/pc.h"
#include "hw/reset-port.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define PACKED __attribute__((packed))

/* "Root System Description Pointer (RSDP)" */
struct rsdp {
    char signature[8];
    uint8_t checksum; /* of what ACPI 1.0 knew: the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum; /* of everything */
    uint8_t reserved[3];
} PACKED;
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");

/* "System Description Table Header" */
struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} PACKED;
_Static_assert(sizeof(struct header) == 36, "table header");

/* "Generic Address Structure" */
struct address {
    uint8_t space, bit_width, bit_offset, access_size;
    uint64_t address;
} PACKED;
_Static_assert(sizeof(struct address) == 12, "generic address");

enum {
    SPACE_IO = 1,
    ACCESS_BYTE = 1,
    ACCESS_WORD = 2,
    ACCESS_DWORD = 3,
};

/* "Fixed ACPI Description Table (FADT)" */
struct fadt {
    struct header header;
    uint32_t firmware_ctrl, dsdt;
    uint8_t reserved0, preferred_pm_profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk;
    uint32_t gpe0_blk, gpe1_blk;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len;
    uint8_t gpe1_base, cst_cnt;
    uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
    uint16_t iapc_boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    struct address reset_reg;
    uint8_t reset_value;
    uint8_t reserved2[3];
    uint64_t x_firmware_ctrl, x_dsdt;
    struct address x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk;
    struct address x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk, sleep_control_reg, sleep_status_reg;
} PACKED;
_Static_assert(sizeof(struct fadt) == 268, "FADT of ACPI 5.0");

/* "Fixed ACPI Description Table Fixed Feature Flags". PWR_BUTTON stays clear: the power button is
 * the one of the PM1 registers. */
enum {
    WBINVD = 1 << 0,
    PROC_C1 = 1 << 2,
    SLP_BUTTON = 1 << 5, /* set, and no such object: there is no sleep button */
    FIX_RTC = 1 << 6,    /* set: the RTC cannot wake the machine */
    TMR_VAL_EXT = 1 << 8,
    RESET_REG_SUP = 1 << 10,
    HEADLESS = 1 << 12,
};

/* "IA-PC Boot Architecture Flags" */
enum {
    LEGACY_DEVICES = 1 << 0,
    VGA_NOT_PRESENT = 1 << 2,
};

/* "Firmware ACPI Control Structure (FACS)": a mailbox, without header or checksum. */
struct facs {
    char signature[4];
    uint32_t length, hardware_signature, firmware_waking_vector, global_lock, flags;
    uint64_t x_firmware_waking_vector;
    uint8_t version;
    uint8_t reserved0[3];
    uint32_t ospm_flags;
    uint8_t reserved1[24];
} PACKED;
_Static_assert(sizeof(struct facs) == 64, "FACS");

/* "Multiple APIC Description Table (MADT)": this head, then one structure after the other. */
struct madt {
    struct header header;
    uint32_t local_apic, flags;
} PACKED;
_Static_assert(sizeof(struct madt) == 44, "MADT");

#define PCAT_COMPAT (1 << 0) /* there is a pair of 8259 too */

struct madt_local_apic {
    uint8_t type, length, acpi_processor_id, apic_id;
    uint32_t flags;
} PACKED;
_Static_assert(sizeof(struct madt_local_apic) == 8, "MADT local APIC");

struct madt_io_apic {
    uint8_t type, length, io_apic_id, reserved;
    uint32_t address, interrupt_base;
} PACKED;
_Static_assert(sizeof(struct madt_io_apic) == 12, "MADT I/O APIC");

struct madt_override {
    uint8_t type, length, bus, source;
    uint32_t interrupt;
    uint16_t flags;
} PACKED;
_Static_assert(sizeof(struct madt_override) == 10, "MADT interrupt source override");

struct madt_local_nmi {
    uint8_t type, length, acpi_processor_id;
    uint16_t flags;
    uint8_t lint;
} PACKED;
_Static_assert(sizeof(struct madt_local_nmi) == 6, "MADT local APIC NMI");

enum {
    LOCAL_APIC = 0,
    IO_APIC = 1,
    OVERRIDE = 2,
    LOCAL_NMI = 4,

    LOCAL_APIC_ENABLED = 1 << 0,
    ALL_PROCESSORS = 0xff,

    /* "MPS INTI Flags": 0 means as the bus has it, which for ISA is by edge, active high. */
    ACTIVE_HIGH = 1 << 0,
    LEVEL = 3 << 2,
};

/* "PCI Express memory mapped configuration space base address description table (MCFG)", of one
 * range of buses. */
struct mcfg {
    struct header header;
    uint8_t reserved0[8];
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint8_t reserved1[4];
} PACKED;
_Static_assert(sizeof(struct mcfg) == 60, "MCFG");

/* Where the next table goes. */
struct place {
    const struct ram *ram;
    uint64_t gpa;
};

/* Copy a table to RAM, aligned as the FACS must be, and return its guest-physical address. */
static uint32_t put(struct place *at, const void *table, size_t len)
{
    uint64_t gpa = (at->gpa + 63) & ~UINT64_C(63);

    assert(gpa + len <= ACPI_END);
    memcpy(ram_at(at->ram, gpa, len), table, len);
    at->gpa = gpa + len;
    return (uint32_t)gpa;
}

/* Fill in the header that a table of len bytes begins with, checksum last, and put the table. */
static uint32_t put_table(struct place *at, void *table, size_t len, const char *signature,
                          uint8_t revision)
{
    struct header h = {
        .length = (uint32_t)len,
        .revision = revision,
        .oem_id = "MINIVM",
        .oem_table_id = "MINIVM  ",
        .oem_revision = 1,
        .creator_id = "MINI",
        .creator_revision = 1,
    };

    memcpy(h.signature, signature, sizeof(h.signature));
    memcpy(table, &h, sizeof(h));
    h.checksum = checksum(table, len);
    memcpy(table, &h, sizeof(h));
    return put(at, table, len);
}

/* Name (_S5, Package () { SLP_TYP for PM1a, for PM1b, reserved, reserved }) */
static void describe_soft_off(struct aml *a)
{
    aml_name(a, "_S5_");

    size_t package = aml_package(a, 4);

    aml_integer(a, ACPI_PM_S5);
    aml_integer(a, ACPI_PM_S5);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_end(a, package);
}

/* A chip of the AT: its name, what it is compatible with, its ports, its interrupt. */
static void describe_chip(struct aml *a, const char *name, const char *id, int port, int len,
                          int irq)
{
    size_t device = aml_device(a, name);

    aml_name(a, "_HID");
    aml_eisa_id(a, id);
    aml_name(a, "_UID");
    aml_integer(a, 1);
    aml_name(a, "_CRS");

    size_t list = aml_resources(a);

    aml_io(a, port, len);
    aml_irq(a, irq);
    aml_resources_end(a, list);
    aml_end(a, device);
}

/* Where INTA of each function goes: Package () { slot and any function, pin, -, interrupt }. */
static void describe_interrupts(struct aml *a, const struct pci *p)
{
    int n = 0;

    for (int slot = 0; slot < PCI_SLOTS; slot++)
        n += pci_interrupts(p, slot);
    aml_name(a, "_PRT");

    size_t table = aml_package(a, n);

    for (int slot = 0; slot < PCI_SLOTS; slot++)
        if (pci_interrupts(p, slot)) {
            size_t entry = aml_package(a, 4);

            aml_integer(a, slot << 16 | 0xffff);
            aml_integer(a, 0);
            aml_integer(a, 0);
            aml_integer(a, PC_PCI_IRQ(slot));
            aml_end(a, entry);
        }
    aml_end(a, table);
}

static void describe_pci(struct aml *a, const struct pci *p)
{
    size_t device = aml_device(a, "PCI0");

    aml_name(a, "_HID");
    aml_eisa_id(a, "PNP0A03");
    aml_name(a, "_UID");
    aml_integer(a, 0);
    aml_name(a, "_CRS");

    size_t list = aml_resources(a);

    aml_pass_bus(a, 0, 1);
    aml_io(a, PC_PCI_CONFIG, PCI_LEN);
    for (int kind = 0; kind < PCI_BAR_KINDS; kind++) {
        const struct pci_window *w = &p->window[kind];

        if (kind == PCI_BAR_IO)
            aml_pass_io(a, w->base, w->len);
        else if (w->len)
            aml_pass_memory(a, w->base, w->len);
    }
    aml_resources_end(a, list);
    describe_interrupts(a, p);
    aml_end(a, device);
}

/* What the board decodes besides, and nobody else may use: ECAM. */
static void describe_board(struct aml *a)
{
    size_t device = aml_device(a, "BRD_");

    aml_name(a, "_HID");
    aml_eisa_id(a, "PNP0C02");
    aml_name(a, "_CRS");

    size_t list = aml_resources(a);

    aml_memory(a, PC_PCI_ECAM, PCI_ECAM_LEN);
    aml_resources_end(a, list);
    aml_end(a, device);
}

/* By which the guest says that it panics. */
static void describe_pvpanic(struct aml *a)
{
    size_t device = aml_device(a, "PEVT");

    aml_name(a, "_HID");
    aml_string(a, "QEMU0001");
    aml_name(a, "_CRS");

    size_t list = aml_resources(a);

    aml_io(a, PC_PVPANIC, 1);
    aml_resources_end(a, list);
    aml_end(a, device);
}

static uint32_t put_dsdt(struct place *at, const struct pci *pci)
{
    struct {
        struct header header;
        uint8_t bytes[AML_MAX];
    } PACKED dsdt;
    struct aml a = {0};

    describe_soft_off(&a);

    size_t scope = aml_scope(&a, "\\_SB_");

    describe_chip(&a, "COM1", "PNP0501", PC_COM1, 8, PC_COM1_IRQ); /* a 16550A */
    describe_chip(&a, "RTC_", "PNP0B00", PC_RTC, 2, PC_RTC_IRQ);
    describe_pci(&a, pci);
    describe_board(&a);
    describe_pvpanic(&a);
    aml_end(&a, scope);
    memcpy(dsdt.bytes, a.bytes, a.len);
    return put_table(at, &dsdt, sizeof(dsdt.header) + a.len, "DSDT", 2);
}

static uint32_t put_facs(struct place *at)
{
    struct facs facs = {.signature = "FACS", .length = sizeof(facs), .version = 2};

    return put(at, &facs, sizeof(facs));
}

static uint32_t put_fadt(struct place *at, uint32_t facs, uint32_t dsdt)
{
    enum {
        EVT = PC_ACPI_PM + ACPI_PM_EVT,
        CNT = PC_ACPI_PM + ACPI_PM_CNT,
        TMR = PC_ACPI_PM + ACPI_PM_TMR,
    };
    struct fadt fadt = {
        .firmware_ctrl = facs,
        .dsdt = dsdt,
        .sci_int = PC_SCI_IRQ,
        .pm1a_evt_blk = EVT,
        .pm1a_cnt_blk = CNT,
        .pm_tmr_blk = TMR,
        .pm1_evt_len = 4,
        .pm1_cnt_len = 2,
        .pm_tmr_len = 4,
        .p_lvl2_lat = 101,  /* over 100 us: no C2 */
        .p_lvl3_lat = 1001, /* over 1000 us: no C3 */
        .century = 0x32,
        .iapc_boot_arch = LEGACY_DEVICES | VGA_NOT_PRESENT,
        .flags = WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC | TMR_VAL_EXT | RESET_REG_SUP | HEADLESS,
        .reset_reg = {SPACE_IO, 8, 0, ACCESS_BYTE, PC_RESET_PORT},
        .reset_value = RESET_PORT_RST_CPU | RESET_PORT_SYS_RST,
        .x_dsdt = dsdt,
        .x_pm1a_evt_blk = {SPACE_IO, 32, 0, ACCESS_WORD, EVT},
        .x_pm1a_cnt_blk = {SPACE_IO, 16, 0, ACCESS_WORD, CNT},
        .x_pm_tmr_blk = {SPACE_IO, 32, 0, ACCESS_DWORD, TMR},
    };

    return put_table(at, &fadt, sizeof(fadt), "FACP", 5);
}

static struct madt_override pci_override(int slot)
{
    int irq = PC_PCI_IRQ(slot);

    return (struct madt_override){OVERRIDE, sizeof(struct madt_override), 0, irq,
                                  irq,      ACTIVE_HIGH | LEVEL};
}

static uint32_t put_madt(struct place *at, int cpus)
{
    struct {
        struct madt head;
        struct madt_io_apic io_apic;
        struct madt_override pit, sci, pci[2];
        struct madt_local_nmi nmi;
        struct madt_local_apic cpu[PC_MAX_CPUS];
    } PACKED madt = {
        .head = {.local_apic = PC_LAPIC_BASE, .flags = PCAT_COMPAT},
        .io_apic = {IO_APIC, sizeof(madt.io_apic), PC_IOAPIC_ID, 0, PC_IOAPIC_BASE, 0},
        .pit = {OVERRIDE, sizeof(madt.pit), 0, 0, PC_PIT_PIN, 0},
        .sci = {OVERRIDE, sizeof(madt.sci), 0, PC_SCI_IRQ, PC_SCI_IRQ, ACTIVE_HIGH | LEVEL},
        .pci = {pci_override(0), pci_override(1)},
        .nmi = {LOCAL_NMI, sizeof(madt.nmi), ALL_PROCESSORS, 0, 1},
    };

    for (int i = 0; i < cpus; i++)
        madt.cpu[i] = (struct madt_local_apic){LOCAL_APIC, sizeof(madt.cpu[i]), (uint8_t)i,
                                               (uint8_t)i, LOCAL_APIC_ENABLED};

    return put_table(at, &madt, sizeof(madt) - sizeof(madt.cpu) + cpus * sizeof(madt.cpu[0]),
                     "APIC", 3);
}

static uint32_t put_mcfg(struct place *at)
{
    struct mcfg mcfg = {.base = PC_PCI_ECAM};

    return put_table(at, &mcfg, sizeof(mcfg), "MCFG", 1);
}

uint64_t acpi_build(const struct ram *ram, int cpus, const struct pci *pci)
{
    struct place at = {ram, ACPI_BASE + sizeof(struct rsdp)};
    struct {
        struct header header;
        uint32_t table[3];
    } PACKED rsdt;
    struct {
        struct header header;
        uint64_t table[3];
    } PACKED xsdt;
    struct rsdp rsdp = {
        .signature = "RSD PTR ",
        .oem_id = "MINIVM",
        .revision = 2,
        .length = sizeof(rsdp),
    };

    assert(cpus >= 1 && cpus <= PC_MAX_CPUS);
    xsdt.table[0] = rsdt.table[0] = put_fadt(&at, put_facs(&at), put_dsdt(&at, pci));
    xsdt.table[1] = rsdt.table[1] = put_madt(&at, cpus);
    xsdt.table[2] = rsdt.table[2] = put_mcfg(&at);
    rsdp.rsdt = put_table(&at, &rsdt, sizeof(rsdt), "RSDT", 1);
    rsdp.xsdt = put_table(&at, &xsdt, sizeof(xsdt), "XSDT", 1);
    rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, length));
    rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
    memcpy(ram_at(ram, ACPI_BASE, sizeof(rsdp)), &rsdp, sizeof(rsdp));
    return ACPI_BASE;
}

/* SPDX-License-Identifier: MIT */
/*
 * Where things are on this PC: the board decodes and wires them so, and the tables that firmware
 * would leave (boot/acpi, boot/mptable) tell the guest so. One place, so that they agree.
 */
#ifndef HW_PC_H
#define HW_PC_H

#define PC_MAX_CPUS   64 /* the APIC id of CPU i is i */
#define PC_MAX_DISKS  16
#define PC_MAX_SHARES 8
#define PC_MAX_NETS   4

/*
 * Not the id of any CPU, as APIC ids and IOAPIC ids were one space on the serial APIC bus and
 * older kernels still check; below the broadcast id 0xff; and 0 in bits 27:24 of the IOAPIC's ID
 * register, which is all that the 82093AA has.
 */
#define PC_IOAPIC_ID      0xf0
#define PC_IOAPIC_VERSION 0x20 /* what its version register says */

#define PC_IOAPIC_BASE 0xfec00000
#define PC_LAPIC_BASE  0xfee00000

/* Ports. */
#define PC_PIC_MASTER 0x020
#define PC_RTC        0x070
#define PC_PIC_SLAVE  0x0a0
#define PC_COM1       0x3f8
#define PC_ELCR       0x4d0
#define PC_PVPANIC    0x505
#define PC_ACPI_PM    0x600
#define PC_PCI_CONFIG 0xcf8
#define PC_RESET_PORT 0xcf9
#define PC_EXIT_PORT  0x0f4 /* unless config.exit_port says otherwise */

/* ISA interrupts. On the IOAPIC each has the pin of its number, but the PIT, which has pin 2:
 * nothing else can use it, as interrupt 2 is the cascade of the PICs. */
#define PC_PIT_PIN  2
#define PC_COM1_IRQ 4
#define PC_RTC_IRQ  8
#define PC_SCI_IRQ  9 /* level, active high */

/* INTA of what is in a PCI slot: level, active high. The line register of its configuration space
 * says the same. */
#define PC_PCI_IRQ(slot) (10 + ((slot)&1))

/*
 * What the PCI host bridge passes on: ports, memory below 4 GiB, and as much above RAM as this,
 * aligned alike, if that is within PC_ADDRESS_BITS; configuration space of one bus is in ECAM.
 */
#define PC_PCI_IO        0xc000
#define PC_PCI_IO_LEN    0x1000
#define PC_PCI_MEM       UINT64_C(0xc0000000)
#define PC_PCI_MEM_LEN   UINT64_C(0x20000000)
#define PC_PCI_ECAM      UINT64_C(0xe0000000)
#define PC_PCI_MEM64_LEN (UINT64_C(1) << 34)

#define PC_ADDRESS_BITS 39 /* what every processor has that runs KVM today; engine soft has 40 */

#endif

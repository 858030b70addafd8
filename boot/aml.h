/* SPDX-License-Identifier: MIT */
/*
 * AML, the language that ACPI describes devices in: as much of it as says what there is and where.
 *
 * A name is followed by one object. Things that contain others begin with a function that returns a
 * mark, and end with aml_end() or, a list of resources, with aml_resources_end() of that mark:
 *
 *     mark = aml_device(a, "COM1");
 *     aml_name(a, "_HID");
 *     aml_eisa_id(a, "PNP0501");
 *     aml_name(a, "_CRS");
 *     list = aml_resources(a);
 *     aml_io(a, 0x3f8, 8);
 *     aml_resources_end(a, list);
 *     aml_end(a, mark);
 */
#ifndef BOOT_AML_H
#define BOOT_AML_H

#include <stddef.h>
#include <stdint.h>

#define AML_MAX 2048 /* no table is larger */

struct aml {
    size_t len;
    uint8_t bytes[AML_MAX];
};

/* A name has four characters; a scope's may begin with a backslash besides. */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
void aml_name(struct aml *a, const char *name);
void aml_end(struct aml *a, size_t mark);

/* Objects. A package's n objects follow it. */
void aml_integer(struct aml *a, uint64_t val);
void aml_eisa_id(struct aml *a, const char *id);
void aml_string(struct aml *a, const char *text);
size_t aml_package(struct aml *a, uint8_t n);
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t mark);

/* Resources that a device uses: ports that it decodes in 16 bits, an ISA interrupt by edge, memory
 * below 4 GiB that can be written. */
void aml_io(struct aml *a, uint16_t port, uint8_t len);
void aml_irq(struct aml *a, int irq);
void aml_memory(struct aml *a, uint32_t base, uint32_t len);

/* Resources that a bridge passes on to what is behind it: numbers of buses, ports, memory. len is
 * not 0. */
void aml_pass_bus(struct aml *a, uint16_t first, uint16_t len);
void aml_pass_io(struct aml *a, uint16_t port, uint16_t len);
void aml_pass_memory(struct aml *a, uint64_t base, uint64_t len);

#endif

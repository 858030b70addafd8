/* SPDX-License-Identifier: MIT */
/*
 * A file of states: sections of plain data, each with a name and a version of its own, behind a
 * header with checksums.
 *
 *     header     "minivm state\n", format, number of sections, length and CRC-32 of what follows,
 *                CRC-32 of the header up to here
 *     section    name, version, length; the data, and zeros up to a multiple of 8 bytes
 *     ...
 *
 * Numbers are in little-endian order, as on the only host that there is.
 */
#ifndef X86_STATE_FILE_H
#define X86_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_NAME 32

/* One that is written, or that was read. {0} is empty. */
struct state_file {
    uint8_t *bytes; /* the header, and the sections */
    size_t size, room;
    char problem[160]; /* why it cannot be used: words that follow its name; else empty */
};

/* Add a section. */
void state_file_add(struct state_file *f, const char *name, uint32_t version, const void *data,
                    size_t len);

/* Finish its header, and write all of it to a file. Returns an errno, 0 for success. */
int state_file_write(struct state_file *f, int fd);

/* Read a file. False, and a problem, when it is not whole. */
bool state_file_read(struct state_file *f, int fd);

/* The data of a section, of *len bytes, or NULL when there is none of that name. */
const void *state_file_find(const struct state_file *f, const char *name, uint32_t *version,
                            size_t *len);

/* Copy a section of this very version and length to data. Else false, and a problem. */
bool state_file_get(struct state_file *f, const char *name, uint32_t version, void *data,
                    size_t len);

void state_file_free(struct state_file *f);

#endif

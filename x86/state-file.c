// SPDX-License-Identifier: MIT
/*
 * A file of states.
 *
 * Left out: sections that are read without being looked for. Each reader knows what it needs, so
 * what a later version adds is refused by the format's number, or does not matter to it.
 */
#include "x86/state-file.h"
#include "hw/device.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    FORMAT = 1,
    ALIGN = 8,
    MOST = 64 << 20 /* bytes; a machine of 64 CPUs and 29 devices has less than one of these */
};

static const char magic[16] = "minivm state\n";

PLAIN_BEGIN
struct header {
    char magic[16];
    uint32_t format, sections;
    uint64_t len; /* of what follows */
    uint32_t crc; /* of that */
    uint32_t header_crc;
};

struct section {
    char name[STATE_NAME];
    uint32_t version;
    uint32_t spare;
    uint64_t len;
};
PLAIN_END

static size_t padded(size_t len)
{
    return (len + ALIGN - 1) & -ALIGN;
}

static void grow(struct state_file *f, size_t n)
{
    if (f->size + n > f->room) {
        f->room = 2 * (f->size + n);
        f->bytes = realloc(f->bytes, f->room);
        assert(f->bytes);
    }
    memset(f->bytes + f->size, 0, n);
    f->size += n;
}

void state_file_add(struct state_file *f, const char *name, uint32_t version, const void *data,
                    size_t len)
{
    struct section s = {.version = version, .len = len};

    assert(strlen(name) <= STATE_NAME);
    memcpy(s.name, name, strlen(name));
    if (!f->size)
        grow(f, sizeof(struct header));
    size_t at = f->size;

    grow(f, sizeof(s) + padded(len));
    memcpy(f->bytes + at, &s, sizeof(s));
    if (len)
        memcpy(f->bytes + at + sizeof(s), data, len);
    ((struct header *)f->bytes)->sections++;
}

static uint32_t header_crc(const struct header *h)
{
    return crc32(0, (const uint8_t *)h, offsetof(struct header, header_crc));
}

int state_file_write(struct state_file *f, int fd)
{
    struct header *h = (struct header *)f->bytes;

    memcpy(h->magic, magic, sizeof(magic));
    h->format = FORMAT;
    h->len = f->size - sizeof(*h);
    h->crc = crc32(0, f->bytes + sizeof(*h), h->len);
    h->header_crc = header_crc(h);
    for (size_t done = 0; done < f->size;) {
        ssize_t n = write(fd, f->bytes + done, f->size - done);

        if (n < 0 && errno != EINTR)
            return errno;
        done += n > 0 ? n : 0;
    }
    return 0;
}

__attribute__((format(printf, 2, 3))) static bool no(struct state_file *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(f->problem, sizeof(f->problem), fmt, ap);
    va_end(ap);
    return false;
}

/* Read all of it, if it is of a size that it may have. */
static bool read_all(struct state_file *f, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return no(f, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return no(f, "not a regular file");
    if (st.st_size < (off_t)sizeof(struct header) || st.st_size > MOST)
        return no(f, "damaged, or no snapshot of minivm: it has %lld bytes", (long long)st.st_size);
    grow(f, st.st_size);
    for (size_t done = 0; done < f->size;) {
        ssize_t n = pread(fd, f->bytes + done, f->size - done, done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return no(f, "%s", n ? strerror(errno) : "it became shorter while it was read");
        done += n;
    }
    return true;
}

bool state_file_read(struct state_file *f, int fd)
{
    *f = (struct state_file){0};
    if (!read_all(f, fd))
        return false;

    const struct header *h = (const struct header *)f->bytes;
    size_t at = sizeof(*h);

    if (memcmp(h->magic, magic, sizeof(magic)))
        return no(f, "no snapshot of minivm");
    if (h->header_crc != header_crc(h))
        return no(f, "damaged: its header's checksum is wrong");
    if (h->format != FORMAT)
        return no(f, "made by another minivm: it is of format %u, and this one reads %d", h->format,
                  FORMAT);
    if (h->len != f->size - sizeof(*h))
        return no(f, "damaged: it has %zu bytes of %llu", f->size - sizeof(*h),
                  (unsigned long long)h->len);
    if (h->crc != crc32(0, f->bytes + at, h->len))
        return no(f, "damaged: its checksum is wrong");
    for (uint32_t i = 0; i < h->sections; i++) {
        const struct section *s = (const struct section *)(f->bytes + at);
        size_t left = f->size - at;

        if (left < sizeof(*s) || s->len > left - sizeof(*s) || padded(s->len) > left - sizeof(*s))
            return no(f, "damaged: section %u does not end", i);
        at += sizeof(*s) + padded(s->len);
    }
    if (at != f->size)
        return no(f, "damaged: there is something behind its last section");
    return true;
}

const void *state_file_find(const struct state_file *f, const char *name, uint32_t *version,
                            size_t *len)
{
    for (size_t at = sizeof(struct header); at < f->size;) {
        const struct section *s = (const struct section *)(f->bytes + at);

        if (!strncmp(s->name, name, STATE_NAME)) {
            *version = s->version;
            *len = s->len;
            return s + 1;
        }
        at += sizeof(*s) + padded(s->len);
    }
    return NULL;
}

bool state_file_get(struct state_file *f, const char *name, uint32_t version, void *data,
                    size_t len)
{
    uint32_t found;
    size_t size;
    const void *from = state_file_find(f, name, &found, &size);

    if (!from)
        return no(f, "made by another minivm: it has no %s", name);
    if (found != version)
        return no(f, "made by another minivm: its %s is of version %u, and this one reads %u", name,
                  found, version);
    if (size != len)
        return no(f, "made by another minivm: its %s has %zu bytes, and this one's %zu", name, size,
                  len);
    memcpy(data, from, len);
    return true;
}

void state_file_free(struct state_file *f)
{
    free(f->bytes);
    *f = (struct state_file){0};
}

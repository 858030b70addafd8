// SPDX-License-Identifier: MIT
/*
 * Guest RAM in a file.
 *
 * After: Linux Documentation/admin-guide/mm/pagemap.rst.
 */
#define _GNU_SOURCE
#include "hw/ram-file.h"
#include "hw/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* An entry of /proc/self/pagemap: the page is in memory, or swapped out. */
#define PAGEMAP_THERE (UINT64_C(3) << 62)
#define STRETCH       (2 * MIB) /* looked at together */
#define PAGES         (STRETCH / PAGE_SIZE)

int ram_map(struct ram *ram, int fd)
{
    int file = fcntl(fd, F_DUPFD_CLOEXEC, 1);
    int error = file < 0 ? errno : ram_use(ram, file);

    if (error && file >= 0)
        close(file);
    return error;
}

static int write_all(int fd, const uint8_t *from, uint64_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, from, len, at);

        if (n < 0 && errno != EINTR)
            return errno;
        n = n < 0 ? 0 : n;
        from += n;
        at += n;
        len -= n;
    }
    return 0;
}

static bool is_zero(const uint8_t *page)
{
    return !page[0] && !memcmp(page, page + 1, PAGE_SIZE - 1);
}

/* Save those of n pages at an offset that are there; of those that nobody has touched, which the
 * file may have, all. */
static int save_pages(const struct ram *ram, int fd, uint64_t at, int n, const uint64_t *entry,
                      bool all)
{
    int error = 0, run = 0;

    for (int i = 0; i <= n && !error; i++) {
        const uint8_t *page = ram->host + at + i * PAGE_SIZE;

        if (i < n && (all || entry[i] & PAGEMAP_THERE) && !is_zero(page)) {
            run++;
            continue;
        }
        if (run)
            error =
                write_all(fd, page - run * PAGE_SIZE, run * PAGE_SIZE, at + (i - run) * PAGE_SIZE);
        run = 0;
    }
    return error;
}

/* Has the file data in a range? */
static bool has_data(int fd, uint64_t at, uint64_t len)
{
    off_t data = lseek(fd, at, SEEK_DATA);

    return data < 0 ? errno != ENXIO : (uint64_t)data < at + len;
}

int ram_save(const struct ram *ram, int fd)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error = 0;

    for (uint64_t at = 0; at < ram->size && !error; at += STRETCH) {
        uint64_t entry[PAGES], len = ram->size - at < STRETCH ? ram->size - at : STRETCH;
        size_t n = len / PAGE_SIZE, size = n * sizeof(entry[0]);
        uint64_t first = (uintptr_t)(ram->host + at) / PAGE_SIZE;
        bool known = pread(pagemap, entry, size, first * sizeof(entry[0])) == (ssize_t)size;

        error = save_pages(ram, fd, at, n, entry,
                           !known || (ram->file && has_data(ram->file, at, len)) ||
                               ram_has_part(ram, at, len));
    }
    if (pagemap >= 0)
        close(pagemap);
    return error ? error : ftruncate(fd, ram->size) < 0 ? errno : 0;
}

/*
 * Numbered blocks, written to a disk in the guest and looked for in its image on the host.
 *
 * usage: blocks write DISK     each block is flushed before its number is printed, "DISK N"; beside
 *                              that others are written that are not flushed
 *        blocks check IMAGE N  are the first N blocks there, and is every other sector one that was
 *                              written, or zero?
 */
#define _GNU_SOURCE
#include "tests/boot/blocks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes here and there in the second half of the disk, past the guest's memory of it. */
static void write_unflushed(const char *name, uint64_t size)
{
    int fd = open(name, O_WRONLY | O_DIRECT);
    uint64_t half = size / 2 / MANY, n = 0;
    uint8_t *p = aligned_alloc(BLOCK, MANY);

    for (;; n = n * 5 + 1) {
        uint64_t at = size / 2 + n % half * MANY;

        blocks_fill(p, at, MANY);
        if (pwrite(fd, p, MANY, at) != MANY)
            _exit(1);
    }
}

static int write_blocks(const char *name)
{
    int fd = open(name, O_WRONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    uint64_t p[BLOCK / 8];
    char line[64];

    if (size < MANY * 2)
        return 1;
    if (!fork())
        write_unflushed(name, size);
    for (off_t at = 0; at + BLOCK <= size / 2; at += BLOCK) {
        blocks_fill(p, at, BLOCK);
        if (pwrite(fd, p, BLOCK, at) != BLOCK || fsync(fd) < 0)
            return 1;
        int n = snprintf(line, sizeof(line), "%s %d\n", name, (int)(at / BLOCK + 1));

        if (write(1, line, n) != n)
            return 1;
    }
    return 0;
}

static int check(const char *name, off_t count)
{
    static const uint8_t zeroes[SECTOR];
    uint64_t got[SECTOR / 8], wanted[SECTOR / 8];
    int fd = open(name, O_RDONLY);
    off_t at = 0;

    while (fd >= 0 && read(fd, got, SECTOR) == SECTOR) {
        blocks_fill(wanted, at, SECTOR);
        if (memcmp(got, wanted, SECTOR) && (at < count * BLOCK || memcmp(got, zeroes, SECTOR))) {
            printf("%s: the sector at %lld is %s\n", name, (long long)at,
                   memcmp(got, zeroes, SECTOR) ? "damaged" : "lost");
            return 1;
        }
        at += SECTOR;
    }
    return fd < 0 || at < count * BLOCK;
}

int main(int argc, char **argv)
{
    if (argc > 3 && !strcmp(argv[1], "check"))
        return check(argv[2], atoll(argv[3]));
    return argc < 3 || strcmp(argv[1], "write") ? 2 : write_blocks(argv[2]);
}

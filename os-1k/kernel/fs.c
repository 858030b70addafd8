// SPDX-License-Identifier: MIT
/*
 * Files, in a tar archive that lies in memory with some room behind it. `make` puts the programs
 * and os-1k/files into it; what is written later is lost when the machine ends.
 *
 * A file that is written moves to the end of the archive, and the others close the gap.
 *
 * After: POSIX.1-2017, pax, "ustar Interchange Format".
 * Left out: directories, owners, times.
 */
#include "os-1k/kernel/kernel.h"

enum {
    BLOCK = 512,
    END_SIZE = 2 * BLOCK, /* an archive ends with two blocks of zeros */
    CHECKSUM_DIGITS = 6,
};

struct header {
    char name[NAME_SIZE], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
    char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
    char unused[12];
};

extern char disk[], disk_end[];

static uint32_t file_size(const struct header *h)
{
    uint32_t size = 0;

    for (const char *digit = h->size; *digit >= '0' && *digit <= '7'; digit++)
        size = size * 8 + *digit - '0';
    return size;
}

static uint32_t blocks(uint32_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static struct header *next(struct header *h)
{
    return (struct header *)((char *)(h + 1) + blocks(file_size(h)));
}

/* The file with that name, or where the archive ends for NULL or when there is none. */
static struct header *find(const char *name)
{
    struct header *h = (struct header *)disk;

    while (h->name[0] && (!name || strcmp(h->name, name) != 0))
        h = next(h);
    return h;
}

const char *fs_find(const char *name, uint32_t *size)
{
    struct header *h = find(name);

    if (!h->name[0])
        return NULL;
    *size = file_size(h);
    return (char *)(h + 1);
}

/* Write a number as tar does: octal, with leading zeros. */
static void put_octal(char *to, int digits, uint32_t n)
{
    while (digits--) {
        to[digits] = '0' + n % 8;
        n /= 8;
    }
}

static void make_header(struct header *h, const char *name, uint32_t size)
{
    uint32_t sum = 0;

    memset(h, 0, sizeof(*h));
    copy_string(h->name, name, sizeof(h->name));
    put_octal(h->mode, sizeof(h->mode) - 1, 0644);
    put_octal(h->uid, sizeof(h->uid) - 1, 0);
    put_octal(h->gid, sizeof(h->gid) - 1, 0);
    put_octal(h->size, sizeof(h->size) - 1, size);
    put_octal(h->mtime, sizeof(h->mtime) - 1, 0);
    h->type = '0';
    memcpy(h->magic,
           "ustar\0"
           "00",
           sizeof(h->magic) + sizeof(h->version));

    /* The sum is of a header with spaces where it will be. */
    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((uint8_t *)h)[i];
    put_octal(h->checksum, CHECKSUM_DIGITS, sum);
    h->checksum[CHECKSUM_DIGITS] = '\0';
}

int fs_write(const char *name, uint32_t data, uint32_t size)
{
    struct header *old = find(name), *end = find(NULL);
    uint32_t room = disk_end - (char *)end - END_SIZE;
    uint32_t needed = sizeof(*end) + blocks(size);
    uint32_t freed = old == end ? 0 : (char *)next(old) - (char *)old;
    char *to;

    if (!name[0])
        return BAD_ARGUMENT;
    if (size > room + freed || needed > room + freed)
        return FULL;
    if (freed) {
        memmove(old, next(old), (char *)end - (char *)next(old));
        end = (struct header *)((char *)end - freed);
    }
    make_header(end, name, size);
    to = memcpy(end + 1, (const void *)data, size);
    memset(to + size, 0, blocks(size) - size + END_SIZE);
    return 0;
}

int fs_list(int index, struct file_info *info)
{
    struct header *h = (struct header *)disk;

    while (h->name[0] && index-- > 0)
        h = next(h);
    if (!h->name[0])
        return NOT_FOUND;
    copy_string(info->name, h->name, sizeof(info->name));
    info->size = file_size(h);
    return 0;
}

// SPDX-License-Identifier: MIT
/*
 * The ways of booting a kernel, and what several of them do with what goes with it.
 *
 * After: Linux Documentation/driver-api/early-userspace/buffer-format.rst ("initramfs buffer
 * format"): archives follow each other, with zeros between them; each begins on a 4-byte boundary.
 */
#include "boot/kernel.h"
#include "hw/die.h"
#include "hw/random.h"
#include "hw/units.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define TOO_BIG (UINT64_C(1) << 62)

/* A kernel's own way comes before those that it shares with others; the bare ELF entry, which only
 * Linux can be entered by, is the last resort. */
const struct way *const ways[] = {
    &way_unpacked, &way_bzimage, &way_pvh, &way_multiboot2, &way_multiboot, &way_linux64, NULL,
};

const struct way *way_named(const char *name)
{
    for (int i = 0; ways[i]; i++)
        if (!strcmp(ways[i]->name, name))
            return ways[i];
    return NULL;
}

const struct way *way_of(const struct image *img)
{
    for (int i = 0; ways[i]; i++)
        if (ways[i]->offered(img))
            return ways[i];
    return NULL;
}

/* The size with an archive of so many bytes appended. */
static uint64_t append(uint64_t size, uint64_t archive)
{
    if (!archive)
        return size;
    size = align_up(size, 4);
    return archive < TOO_BIG - size ? size + archive : TOO_BIG;
}

uint64_t initramfs_size(const struct kernel *k)
{
    uint64_t size = 0;

    for (int i = 0; i < k->modules; i++)
        size = append(size, k->module[i].image.size);
    return append(size, k->extra_size);
}

const char *initramfs_name(const struct kernel *k)
{
    return k->modules == 1 ? k->module[0].image.name : "the initramfs";
}

void initramfs_load(const struct kernel *k, const struct ram *ram, uint64_t gpa)
{
    uint64_t size = initramfs_size(k), end = 0;
    uint8_t *to = ram_at(ram, gpa, size);

    assert(to);
    for (int i = 0; i < k->modules; i++) {
        const struct image *img = &k->module[i].image;

        end = append(end, img->size);
        image_read(img, 0, to + end - img->size, img->size);
    }
    if (k->extra_size)
        memcpy(to + size - k->extra_size, k->extra, k->extra_size);
}

uint64_t kernel_random(const struct kernel *k)
{
    uint64_t val;

    if (k->sequence)
        return random_next(k->sequence);
    if (getrandom(&val, sizeof(val), 0) != sizeof(val))
        die("getrandom: %m");
    return val;
}

void kernel_needs_ram(const struct kernel *k, uint64_t bytes)
{
    bool more = k->modules || k->extra_size;

    if (bytes > RAM_HOLE)
        die("%s: too big%s: it needs %llu MiB, and a PC has %llu MiB below 4 GiB", k->image.name,
            more ? " with this initrd" : "", to_mib(bytes), (unsigned long long)(RAM_HOLE / MIB));
    die("%s: needs more RAM%s: --mem %lluM at least", k->image.name,
        more ? " with this initrd" : "", to_mib(bytes));
}

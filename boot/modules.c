// SPDX-License-Identifier: MIT
/*
 * The modules of a Linux kernel.
 *
 * After: Linux Documentation/kbuild/modules.rst and modules.dep(5) for the lists of modules, in
 * whose names a dash may stand for each underscore; scripts/mod/modpost.c for what a module says of
 * itself.
 *
 * Left out: soft dependencies, and aliases: who asks knows the names.
 */
#define _GNU_SOURCE
#include "boot/modules.h"
#include "boot/image.h"
#include "hw/die.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
    va_list args;
    char *made;

    va_start(args, format);
    int n = vasprintf(&made, format, args);
    va_end(args);
    assert(n >= 0);
    return made;
}

/* All of an image, with a 0 behind it. It is closed. */
static char *read_image(struct image *img, uint64_t *size)
{
    char *data = malloc(img->size + 1);

    assert(data);
    image_read(img, 0, data, img->size);
    data[img->size] = 0;
    *size = img->size;
    image_close(img);
    return data;
}

/* All of a file, unpacked. */
static char *read_file(const char *name, uint64_t *size)
{
    struct image img;

    image_open(&img, name, true);
    return read_image(&img, size);
}

/* The same, or NULL when that cannot be had. */
static char *try_file(const char *name, uint64_t *size)
{
    struct stat st;
    struct image img, unpacked;
    uint8_t start[PACKING_START];

    if (stat(name, &st) || !S_ISREG(st.st_mode) || !st.st_size || access(name, R_OK))
        return NULL;
    image_open(&img, name, false);
    if (packing_of(start, image_peek(&img, 0, start, sizeof(start))) == PACKING_NONE)
        return read_image(&img, size);

    bool usable = !image_unpack(&unpacked, &img, 0, img.size, false);

    image_close(&img);
    return usable ? read_image(&unpacked, size) : NULL;
}

/* Are there modules in dir, which is malloc's? Then m keeps it. */
static bool look(struct modules *m, char *dir)
{
    static const char *const lists[] = {"modules.dep", "modules.order"};

    for (int i = 0; i < 2; i++) {
        char *name = text("%s/%s", dir, lists[i]);
        struct stat st;
        uint64_t size;

        if (!stat(name, &st) && S_ISREG(st.st_mode) && st.st_size) {
            m->list = read_file(name, &size);
            m->dir = dir;
        }
        free(name);
        if (m->list)
            return true;
    }
    free(dir);
    return false;
}

/* Relative to the kernel's own folder. */
static bool look_beside(struct modules *m, const char *kernel, const char *version)
{
    /* The tree's top, from arch/x86/boot/bzImage and from vmlinux. */
    static const char *const trees[] = {"../../..", "."};
    char *file = realpath(kernel, NULL), *slash = file ? strrchr(file, '/') : NULL;
    bool found;

    if (!slash)
        return false;
    *slash = 0;
    found = look(m, text("%s/modules", file)) ||
            (*version && look(m, text("%s/../lib/modules/%s", file, version)));
    for (int i = 0; i < 2 && !found; i++) {
        char *built = text("%s/%s/include/config/kernel.release", file, trees[i]);

        found = !access(built, F_OK) && look(m, text("%s/%s", file, trees[i]));
        free(built);
    }
    free(file);
    return found;
}

bool modules_find(struct modules *m, const char *kernel, const char *version, const char *given)
{
    char *release = strndup(version, strcspn(version, " "));
    bool found;

    assert(release);
    if (given)
        found = look(m, text("%s", given)) ||
                (*release && look(m, text("%s/lib/modules/%s", given, release)));
    else
        found = look_beside(m, kernel, release) ||
                (*release && look(m, text("/lib/modules/%s", release)));
    free(release);
    if (given && !found)
        die("--modules %s: has neither modules.dep nor modules.order: it is no directory of "
            "modules",
            given);
    return found;
}

/* Is the file at path, which a colon or a newline ends, that of the module? */
static bool is_module(const char *path, const char *name)
{
    const char *end = path + strcspn(path, ":\n");
    const char *base = memrchr(path, '/', end - path);
    size_t n = strlen(name);

    base = base ? base + 1 : path;
    for (size_t i = 0; i < n; i++)
        if (base + i == end || (base[i] == '-' ? '_' : base[i]) != (name[i] == '-' ? '_' : name[i]))
            return false;
    return base + n < end && base[n] == '.';
}

/* The line of the list that is the module's, or NULL. */
static const char *line_of(const struct modules *m, const char *name)
{
    for (const char *s = m->list; *s;) {
        if (is_module(s, name))
            return s;
        s = strchrnul(s, '\n');
        s += *s == '\n';
    }
    return NULL;
}

/* The module's file; the caller frees it. In the tree in which it was built a module is listed by
 * its object. */
static char *file_of(const struct modules *m, const char *line)
{
    int len = strcspn(line, ":\n");

    if (len > 2 && !strncmp(line + len - 2, ".o", 2))
        return text("%s/%.*s.ko", m->dir, len - 2, line);
    return text("%s/%.*s", m->dir, len, line);
}

/* What a module says that it needs: "depends=virtio,virtio_ring". */
static void add_needed(struct modules *m, struct cpio *c, const char *data, uint64_t size)
{
    static const char key[] = "depends=";
    const char *at = memmem(data, size, key, sizeof(key) - 1);
    char *names = strdup(at ? at + sizeof(key) - 1 : ""), *rest;

    assert(names);
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        modules_add(m, c, name);
    free(names);
}

bool modules_add(struct modules *m, struct cpio *c, const char *name)
{
    const char *line = line_of(m, name);
    char *file, *data, *to;
    uint64_t size;

    if (!line)
        return false;
    for (int i = 0; i < m->taken; i++)
        if (m->line[i] == line)
            return true;
    if (m->taken == MODULES_MAX && m->lenient)
        return false;
    if (m->taken == MODULES_MAX)
        die("%s: no kernel's modules: one needs more than %d others; name the right ones by "
            "--modules DIR",
            m->dir, MODULES_MAX);
    m->line[m->taken++] = line;

    file = file_of(m, line);
    data = m->lenient ? try_file(file, &size) : read_file(file, &size);
    if (!data) {
        m->taken--;
        free(file);
        return false;
    }
    add_needed(m, c, data, size);
    to = text("minivm/%s/%02d-%s.ko", m->later ? "later" : "modules", m->files++, name);
    cpio_add(c, to, S_IFREG | 0644, data, size);
    free(to);
    free(data);
    free(file);
    return true;
}

void modules_close(struct modules *m)
{
    free(m->dir);
    free(m->list);
}

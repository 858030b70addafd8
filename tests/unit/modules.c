// SPDX-License-Identifier: MIT
/*
 * Unit tests of a kernel's modules: where they are found, and in which order they go into an
 * archive. The modules are fakes that say only what they need.
 */
#define _GNU_SOURCE
#include "boot/modules.h"
#include "tests/unit/die.h"
#include "tests/unit/pack.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/minivm-modules.XXXXXX";
static struct modules m;
static struct cpio c;

static void clean(void)
{
    char *command;

    if (asprintf(&command, "rm -rf %s/*", top) < 0 || system(command))
        abort();
    free(command);
    modules_close(&m);
    free(c.buf);
    m = (struct modules){0};
    c = (struct cpio){0};
}

/* A file of n bytes below top, and the folders that it is in. */
static void put(const char *name, const void *data, size_t n)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", top, name);
    for (char *s = path + strlen(top); (s = strchr(s + 1, '/'));) {
        *s = 0;
        mkdir(path, 0755);
        *s = '/';
    }

    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void put_module(const char *name, const char *needs)
{
    char data[128];

    put(name, data, 1 + snprintf(data, sizeof(data), "\177ELF license=MIT%cdepends=%s", 0, needs));
}

/* What is in the archive: "00-a.ko 01-b.ko". */
static const char *names(void)
{
    static char list[256];
    static const char key[] = "minivm/modules/";
    const char *s = (const char *)c.buf, *end = s + c.size;

    *list = 0;
    while (s && (s = memmem(s, end - s, key, sizeof(key) - 1))) {
        s += sizeof(key) - 1;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? " " : "", s);
    }
    return list;
}

static bool find(const char *kernel, const char *given)
{
    char path[256], dir[256];

    snprintf(path, sizeof(path), "%s/%s", top, kernel);
    snprintf(dir, sizeof(dir), "%s/%s", top, given ? given : "");
    modules_close(&m);
    memset(&m, 0, sizeof(m));
    return modules_find(&m, path, "1.2-test (somebody) #1", given ? dir : NULL);
}

static bool is_dir(const char *name)
{
    char path[256], *real = realpath(m.dir, NULL);

    snprintf(path, sizeof(path), "%s/%s", top, name);

    bool same = real && !strcmp(real, path);

    free(real);
    return same;
}

static void test_none(void)
{
    clean();
    put_text("boot/vmlinuz", "kernel");
    CHECK(!find("boot/vmlinuz", NULL));
    CHECK(!find("none", NULL));
    put_text("boot/modules.order", "other.o\n");
    CHECK(!find("boot/vmlinuz", NULL));
}

static void test_places(void)
{
    clean();
    put_text("boot/vmlinuz", "kernel");
    put_text("lib/modules/1.2-test/modules.dep", "kernel/a.ko:\n");
    CHECK(find("boot/vmlinuz", NULL));
    CHECK(is_dir("lib/modules/1.2-test"));
    put_text("boot/modules/modules.dep", "kernel/a.ko:\n");
    CHECK(find("boot/vmlinuz", NULL));
    CHECK(is_dir("boot/modules"));
    CHECK(find("boot/vmlinuz", "lib/modules/1.2-test"));
    CHECK(is_dir("lib/modules/1.2-test"));
    CHECK(find("boot/vmlinuz", ""));
    CHECK(is_dir("lib/modules/1.2-test"));

    clean();
    put_text("tree/include/config/kernel.release", "1.2-test\n");
    put_text("tree/modules.order", "a/b.o\n");
    put_text("tree/arch/x86/boot/bzImage", "kernel");
    put_text("tree/vmlinux", "kernel");
    CHECK(find("tree/arch/x86/boot/bzImage", NULL));
    CHECK(is_dir("tree"));
    CHECK(find("tree/vmlinux", NULL));
    CHECK(is_dir("tree"));
}

static void test_given(void)
{
    clean();
    put_text("vmlinuz", "kernel");
    put_text("modules/modules.dep", "a.ko:\n");
    put_text("elsewhere/file", "");
    if (!setjmp(died)) {
        find("vmlinuz", "elsewhere");
        CHECK(!"no modules there");
    }
    CHECK(strstr(last_words, "--modules ") && strstr(last_words, "elsewhere: has neither"));
}

/* What can wait has a folder of its own, and what it needs there is no second time. */
static void test_later(void)
{
    static const char key[] = "minivm/later/01-virtio_balloon.ko";

    clean();
    put_text("modules/modules.dep", "virtio.ko:\nvirtio_balloon.ko: virtio.ko\n");
    put_module("modules/virtio.ko", "");
    put_module("modules/virtio_balloon.ko", "virtio");
    CHECK(find("vmlinuz", "modules"));
    CHECK(modules_add(&m, &c, "virtio"));
    m.later = true;
    CHECK(modules_add(&m, &c, "virtio_balloon"));
    CHECK(!strcmp(names(), "00-virtio.ko"));
    CHECK(memmem(c.buf, c.size, key, sizeof(key)));
}

static void test_order(void)
{
    clean();
    put_text("modules/modules.dep", "kernel/x/virtio-rng.ko: kernel/x/virtio.ko\n"
                                    "kernel/x/virtio.ko:\n"
                                    "kernel/x/virtio_ring.ko:\n"
                                    "kernel/x/virtio_pci.ko: kernel/x/virtio.ko\n"
                                    "kernel/x/loop_a.ko:\nkernel/x/loop_b.ko:\n");
    put_module("modules/kernel/x/virtio-rng.ko", "virtio");
    put_module("modules/kernel/x/virtio.ko", "virtio_ring");
    put_module("modules/kernel/x/virtio_ring.ko", "");
    put_module("modules/kernel/x/virtio_pci.ko", "virtio,virtio_ring,built_in");
    put_module("modules/kernel/x/loop_a.ko", "loop_b");
    put_module("modules/kernel/x/loop_b.ko", "loop_a");
    CHECK(find("vmlinuz", "modules"));
    CHECK(modules_add(&m, &c, "virtio_pci"));
    CHECK(!strcmp(names(), "00-virtio_ring.ko 01-virtio.ko 02-virtio_pci.ko"));
    CHECK(modules_add(&m, &c, "virtio-pci"));
    CHECK(modules_add(&m, &c, "virtio_rng"));
    CHECK(!modules_add(&m, &c, "virtio_r"));
    CHECK(!modules_add(&m, &c, "virtio_rng_"));
    CHECK(!modules_add(&m, &c, "built_in"));
    CHECK(!strcmp(names(), "00-virtio_ring.ko 01-virtio.ko 02-virtio_pci.ko 03-virtio_rng.ko"));
    CHECK(modules_add(&m, &c, "loop_a"));
    CHECK(strstr(names(), "04-loop_b.ko 05-loop_a.ko"));
}

static void test_forms(void)
{
    static const char data[] = "license=MIT\0depends=b";
    uint8_t packed[256];

    clean();
    put_text("t/modules.order", "b.o\nkernel/drivers/a.o\n");
    put_module("t/b.ko", "");
    put("t/kernel/drivers/a.ko", packed, pack_gzip(data, sizeof(data), packed, sizeof(packed)));
    CHECK(find("vmlinuz", "t"));
    CHECK(modules_add(&m, &c, "a"));
    CHECK(!strcmp(names(), "00-b.ko 01-a.ko"));
    CHECK(memmem(c.buf, c.size, data, sizeof(data)));
}

/* A file that is no module, or not of a kernel, needs more than there is a place for. */
static void test_many(void)
{
    char list[1024] = "all.ko:\n", needs[1024] = "depends=x", name[32];

    clean();
    for (int i = 0; i <= MODULES_MAX; i++) {
        snprintf(name, sizeof(name), "t/m%d.ko", i);
        put_module(name, "");
        sprintf(list + strlen(list), "%s:\n", name + 2);
        sprintf(needs + strlen(needs), ",m%d", i);
    }
    put_text("vmlinuz", "kernel");
    put_text("t/modules.dep", list);
    put_text("t/all.ko", needs);
    CHECK(find("vmlinuz", "t"));
    begin_to_die();
    if (!setjmp(died)) {
        modules_add(&m, &c, "all");
        CHECK(!"there is a place for all");
    }
    end_to_die();
    CHECK(died_of(NULL, "t: no kernel's modules: one needs more than 64 others; name the right"));
}

/* Where that is wanted, what cannot be had is left out. */
static void test_lenient(void)
{
    clean();
    put_text("t/modules.dep", "a.ko: b.ko gone.ko\nb.ko:\ngone.ko:\nbad.ko:\nempty.ko:\n");
    put_module("t/a.ko", "gone,b");
    put_module("t/b.ko", "");
    put("t/bad.ko", "\x1f\x8b\x08 no gzip at all ", 18);
    put("t/empty.ko", "", 0);
    CHECK(find("vmlinuz", "t"));
    m.lenient = true;
    CHECK(!modules_add(&m, &c, "gone"));
    CHECK(!modules_add(&m, &c, "bad"));
    CHECK(!modules_add(&m, &c, "empty"));
    CHECK(modules_add(&m, &c, "b"));
    CHECK(!strcmp(names(), "00-b.ko"));
}

int main(void)
{
    if (!mkdtemp(top))
        abort();

    int status = test_main((struct test[]){
        {test_none, "a kernel may have none"},
        {test_places, "they are found where kernels are installed and built"},
        {test_given, "a directory without any is refused"},
        {test_order, "each goes behind all that it needs, once"},
        {test_later, "those that can wait are apart"},
        {test_forms, "objects name modules where they were built; they are unpacked"},
        {test_lenient, "what cannot be read is left out, if that is wanted"},
        {test_many, "one that needs too many is refused"},
        {0},
    });

    clean();
    rmdir(top);
    return status;
}

// SPDX-License-Identifier: MIT
/*
 * A machine is saved and made again every few thousand instructions, and its guest does not notice:
 * a 16-bit program that computes while the PIT interrupts it, and waits for that in HLT. With the
 * instruction clock, so that what it does is the same each time, to the last instruction. Kernels:
 * tests/boot/snapshot.
 *
 * And what is damaged, or of another machine, is refused in words.
 */
#include "x86/snapshot.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/soft/soft.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BASE = 0x10000,
    RAM = 1 << 20,
    STEP = 5000, /* instructions */
};

/* Status 42 when 10 rounds of 3000 always gave the right sum. Meanwhile interrupts wait. Each says
 * how many ticks were served, and a random number. */
extern const uint8_t guest[], guest_end[];
__asm__(".pushsection .rodata\n.code16\n.intel_syntax noprefix\n"
        "guest:\n"
        "xor ax, ax\nmov ds, ax\n"
        "mov word ptr [0x20 * 4], offset tick - guest\nmov [0x20 * 4 + 2], cs\n"
        "mov al, 0x11\nout 0x20, al\nmov al, 0x20\nout 0x21, al\nmov al, 4\nout 0x21, al\n"
        "mov al, 1\nout 0x21, al\nmov al, 0xfe\nout 0x21, al\n"
        "mov al, 0x34\nout 0x43, al\nmov al, 0xff\nout 0x40, al\nmov al, 0\nout 0x40, al\n"
        "mov bp, 10\n"
        "1: cli\nxor edi, edi\nmov ecx, 3000\n"
        "2: add edi, ecx\nfild word ptr cs:[0x200]\nfstp st(0)\ndec ecx\njnz 2b\n"
        "cmp edi, 4501500\njne 4f\n"
        "sti\nhlt\n"
        "mov bl, cs:[0x200]\nmov bh, 0\nmov dx, 0x500\nmov al, 3\nout dx, al\n"
        "mov al, 4\nout dx, al\nrdrand bx\nmov al, 3\nout dx, al\n"
        "mov al, 4\nout dx, al\n"
        "dec bp\njnz 1b\n"
        "mov bl, 42\njmp 5f\n"
        "4: mov bl, 1\n"
        "5: mov al, 0\nmov dx, 0x500\nout dx, al\nhlt\n"
        "tick: push ax\ninc byte ptr cs:[0x200]\nmov al, 0x20\nout 0x20, al\npop ax\niret\n"
        "guest_end:\n.att_syntax\n.code64\n.popsection");

static char dir[] = "/tmp/minivm-snapshot.XXXXXX", saved[64];
static struct machine *m;
static struct test_console console;
static struct timer stop;

static void stop_now(struct timer *t)
{
    (void)t;
    machine_stop(m, STOP_TIMEOUT);
}

static void stop_soon(void)
{
    clock_arm(&m->clock, &stop, clock_now(&m->clock) + STEP);
}

static void build(const struct config *c)
{
    m = calloc(1, sizeof(*m));
    machine_build(m, c, (struct console *[]){&console.console});
    clock_add(&m->clock, &stop, stop_now);
}

static struct config small(void)
{
    return (struct config){
        .engine = &soft_engine, .ram = RAM, .cpus = 1, .guests = 1, .instruction_clock = true};
}

static void build_new(void)
{
    struct config c = small();
    struct cpu_state s;

    build(&c);
    memcpy(ram_at(&m->ram, BASE, guest_end - guest), guest, guest_end - guest);
    cpu_real_mode(&s, BASE);
    machine_set(&m->vcpu[0], &s);
}

static void teardown(void)
{
    machine_free(m);
    free(m);
}

static bool save(const char *to)
{
    struct snapshot s = {0};

    machine_inspect(m);
    bool is = snapshot_save(&s, m, to);

    if (!is)
        printf("# %s: %s\n", to, s.problem);
    state_file_free(&s.state);
    return is;
}

/* Make the machine of a snapshot. */
static bool restore(const char *from)
{
    struct config c = {.engine = &soft_engine};
    struct snapshot s;

    if (!snapshot_open(&s, from)) {
        printf("# %s: %s\n", from, s.problem);
        return false;
    }
    CHECK(snapshot_config(&s, &c));
    build(&c);
    bool is = snapshot_restore(&s, m);

    if (!is)
        printf("# %s: %s\n", from, s.problem);
    snapshot_close(&s);
    return is;
}

/* All instructions that the guest has executed, at its end. */
static uint64_t executed(void)
{
    vcpu_join(&m->vcpu[0]); /* it may be on its way out */
    return m->leapt + m->engine->instructions(&m->vcpu[0]);
}

static void *contents(const char *name, size_t *size)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", saved, name);
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0 && !fstat(fd, &st));
    void *bytes = malloc(st.st_size);

    CHECK_EQ(read(fd, bytes, st.st_size), st.st_size);
    *size = st.st_size;
    close(fd);
    return bytes;
}

static void write_state(const void *bytes, size_t size)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/state", saved);
    int fd = open(path, O_WRONLY | O_TRUNC);

    CHECK_EQ(write(fd, bytes, size), size);
    close(fd);
}

static void test_unnoticed(void)
{
    char plain[sizeof(console.out)];
    int times = 0;

    test_console_init(&console);
    build_new();
    CHECK_EQ(machine_run(m), STOP_EXIT);
    CHECK_EQ(m->status, 42);
    memcpy(plain, console.out, sizeof(plain));
    CHECK(console.nout > 20);
    uint64_t count = executed();

    teardown();
    test_console_init(&console);
    build_new();
    for (stop_soon(); machine_run(m) == STOP_TIMEOUT; stop_soon()) {
        if (!save(saved))
            break;
        teardown();
        if (!restore(saved))
            break;
        times++;
    }
    CHECK_EQ(m->stop, STOP_EXIT);
    CHECK_EQ(m->status, 42);
    CHECK_EQ(executed(), count);
    CHECK(!strcmp(plain, console.out));
    CHECK(times > 10);
    printf("# saved %d times\n", times);
    teardown();
}

/* What was put back and has not run is saved as it was. */
static void test_same_bytes(void)
{
    size_t n[2], ram_n[2];
    void *state[2], *ram[2];

    test_console_init(&console);
    build_new();
    stop_soon();
    machine_run(m);
    for (int i = 0; i < 2; i++) {
        CHECK(save(saved));
        state[i] = contents("state", &n[i]);
        ram[i] = contents("ram", &ram_n[i]);
        teardown();
        CHECK(restore(saved));
    }
    CHECK(n[0] == n[1] && !memcmp(state[0], state[1], n[0]));
    CHECK(ram_n[0] == ram_n[1] && !memcmp(ram[0], ram[1], ram_n[0]));
    CHECK_EQ(ram_n[0], RAM);
    for (int i = 0; i < 2; i++) {
        free(state[i]);
        free(ram[i]);
    }
    teardown();
}

/* The guest's writes are its own, and a reset forgets the file. */
static void test_ram(void)
{
    struct stat st;
    char path[128];

    build_new();
    ((uint8_t *)m->ram.host)[0x80000] = 1;
    CHECK(save(saved));
    teardown();
    for (int i = 0; i < 2; i++) {
        CHECK(restore(saved));
        CHECK_EQ(m->ram.host[0x80000], 1);
        CHECK_EQ(m->ram.host[0x90000], 0);
        m->ram.host[0x80000] = 7;
        if (i)
            machine_reset(m);
        CHECK_EQ(m->ram.host[0x80000], i ? 0 : 7);
        CHECK_EQ(m->ram.host[BASE], i ? 0 : guest[0]);
        teardown();
    }
    snprintf(path, sizeof(path), "%s/ram", saved);
    CHECK(!stat(path, &st));
    CHECK(st.st_blocks * 512 <= 64 << 10);
}

static bool opens(void)
{
    struct config c = {0};
    struct snapshot s;
    bool is = snapshot_open(&s, saved);

    if (!is)
        return false;
    is = snapshot_config(&s, &c);
    snapshot_close(&s);
    return is;
}

/* Every bit of it counts. */
static void test_damaged(void)
{
    size_t n, ram_n;

    build_new();
    CHECK(save(saved));
    teardown();
    uint8_t *state = contents("state", &n), *ram = contents("ram", &ram_n);

    for (int i = 0; i < 3000; i++) {
        size_t at = i < 256 ? (size_t)i : random64() % n;
        uint8_t bit = 1 << random64() % 8;

        state[at] ^= bit;
        write_state(state, n);
        CHECK(!opens());
        state[at] ^= bit;
    }
    for (int i = 0; i < 100; i++) {
        write_state(state, i < 50 ? (size_t)i : random64() % n);
        CHECK(!opens());
    }
    write_state(state, n);
    CHECK(opens());
    char path[128];

    snprintf(path, sizeof(path), "%s/ram", saved);
    CHECK(!truncate(path, RAM - 1));
    CHECK(!opens());
    CHECK(!truncate(path, RAM));
    CHECK(opens());
    CHECK(!unlink(path));
    CHECK(!opens());
    snprintf(path, sizeof(path), "%s/state", saved);
    CHECK(!unlink(path));
    CHECK(!opens());
    free(state);
    free(ram);
}

/* A snapshot takes another one's place, and nothing else's. */
static void test_place(void)
{
    char path[128];
    struct snapshot s = {0};

    build_new();
    snprintf(path, sizeof(path), "%s/other", dir);
    CHECK(save(path));
    CHECK(save(path));
    snprintf(path, sizeof(path), "%s/other/ram", dir);
    machine_inspect(m);
    CHECK(!snapshot_save(&s, m, path));
    state_file_free(&s.state);
    s = (struct snapshot){0};
    CHECK(!snapshot_save(&s, m, dir));
    CHECK(strstr(s.problem, "something else"));
    state_file_free(&s.state);
    s = (struct snapshot){0};
    snprintf(path, sizeof(path), "%s/none/snapshot", dir);
    CHECK(!snapshot_save(&s, m, path));
    state_file_free(&s.state);
    teardown();
}

struct seen {
    struct parts parts;
    void *state[256];
    char name[256][PART_NAME + 1];
    int n;
};

static void see(struct parts *p, const char *name, struct device *d)
{
    struct seen *s = container_of(p, struct seen, parts);

    CHECK(d->state_size > 0);
    for (int i = 0; i < s->n; i++)
        CHECK(s->state[i] != d->state && strcmp(s->name[i], name));
    snprintf(s->name[s->n], sizeof(s->name[0]), "%s", name);
    s->state[s->n++] = d->state;
}

static void look_for_all(const struct seen *s, const struct bus *b)
{
    for (int i = 0; i < b->n; i++) {
        const struct device *d = b->slot[i].dev;
        bool found = !d->state_size;

        for (int j = 0; j < s->n && !found; j++)
            found = s->state[j] == d->state;
        if (!found)
            printf("# nobody shows %s\n", d->name);
        CHECK(found);
    }
}

/* No chip is forgotten that the guest can reach. */
static void test_every_part(void)
{
    static struct virtio_console_end end;
    struct config c = {.engine = &soft_engine, .ram = RAM, .cpus = 2, .guests = 1, .apic = true};
    struct seen s = {.parts = {see}};

    end.console = &console.console;
    c.port = &end;
    c.ports = 1;
    build(&c);
    board_show(&m->board[0], &s.parts);
    look_for_all(&s, &m->board[0].pio);
    look_for_all(&s, &m->board[0].mmio);
    look_for_all(&s, &m->board[0].pci.io);
    look_for_all(&s, &m->board[0].pci.mem);
    for (int i = 0; i < PCI_SLOTS; i++) {
        const struct pci_function *f = m->board[0].pci.function[i];
        bool found = !f;

        for (int j = 0; j < s.n && !found; j++)
            found = s.state[j] == f->dev.state;
        CHECK(found);
    }
    teardown();
}

/* It is told what it lacks. */
static void test_other_machine(void)
{
    static struct virtio_console_end end;
    struct config c = {.engine = &soft_engine};
    struct snapshot s;

    build_new();
    CHECK(save(saved));
    teardown();
    CHECK(snapshot_open(&s, saved));
    CHECK(snapshot_config(&s, &c));
    end.console = &console.console;
    c.port = &end;
    c.ports = 1;
    build(&c);
    CHECK(!snapshot_restore(&s, m));
    CHECK(strstr(s.problem, "ports"));
    snapshot_close(&s);
    teardown();
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(saved, sizeof(saved), "%s/saved", dir);
    alarm(TEST_LIMIT_S);
    int status = test_main(
        (struct test[]){{test_unnoticed, "a guest that is saved and made again does the same"},
                        {test_same_bytes, "what was put back is saved as it was"},
                        {test_ram, "what a guest writes is its own, and a reset clears its RAM"},
                        {test_damaged, "a damaged snapshot is refused"},
                        {test_place, "a snapshot takes the place of another, and of nothing else"},
                        {test_every_part, "every chip is saved"},
                        {test_other_machine, "a machine that is made otherwise is refused"},
                        {0}});
    const char *left[] = {"saved/state", "saved/ram", "saved", "other/state",
                          "other/ram",   "other",     ""};

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
        remove(path);
    }
    return status;
}

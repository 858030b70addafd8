// SPDX-License-Identifier: MIT
/*
 * What people type who come from other monitors, and mistyped options.
 */
#include "tools/minivm/option.h"

#include <string.h>

/* The rows that name an option of QEMU, lkvm or virtme-ng are the README's table. */
const struct foreign foreign_table[] = {
    {"-kernel FILE", "-k, --kernel FILE", "-r, --run FILE", "--linux --bzimage --vmlinux --image",
     "`KERNEL`, or `-k`, `--kernel FILE`"},
    {"-initrd FILE", "-i, --initrd FILE", NULL, "--initramfs --ramdisk", "`-i`, `--initrd FILE`"},
    {"-append STRING", "-p, --params STRING", "-a, --append STRING",
     "--args --bootargs --kernel-args --kernel-cmdline --command-line", "`-p`, `--cmdline STRING`"},
    {"-m SIZE", "-m, --mem SIZE", "-m, --memory SIZE", "--ram --mem-size", "`-m`, `--mem SIZE`"},
    {"-smp N", "-c, --cpus N", "-p, --cpus N", "--vcpus --vcpu --cores --ncpus",
     "`-c`, `--cpus N`"},
    {NULL, NULL, "-e, --exec COMMAND", "--command --init --script --shell",
     "`-- COMMAND [ARG]...`, at the end"},
    {"-accel, -enable-kvm", NULL, "--disable-kvm", "--kvm --no-kvm --tcg --accelerator",
     "`--engine kvm`, `soft` or `auto`"},
    {"-debugcon DEV", NULL, NULL, NULL, "`--debugcon[=FILE]`"},
    {"-device isa-debug-exit", NULL, NULL, "--device",
     "`--exit-port PORT`, which is there already; other devices cannot be chosen"},
    {"-no-reboot", NULL, NULL, NULL, "`--no-reboot`"},
    {"-icount", NULL, NULL, NULL, "`--engine soft --soft-clock instructions`"},
    {"-trace", "--debug-ioport, --debug-mmio", "-v", "--trace --log --log-level --loglevel",
     "`--verbose`"},
    {"-nographic, -serial, -display", "--console, --tty", "-g, --graphics",
     "-vga -nodefaults --curses --vnc --sdl --gtk -chardev",
     "not needed: the guest's COM1 is on stdin and stdout, and there is no screen"},
    {"-machine", NULL, "--disable-microvm", "-M", "not needed: there is one machine"},
    {"-cpu MODEL", NULL, NULL, NULL, "`--cpu portable`, or nothing: it is as the engine has it"},
    {"-name", NULL, NULL, NULL, "`--name NAME`"},
    {"-monitor, -qmp", NULL, NULL, "--api-sock --socket",
     "not needed: the keys after Ctrl-A control the guest (Ctrl-A h lists them)"},
    {"-s, -S, -gdb", "--debug-single-step", "--gdb, --debug", NULL,
     "no gdb yet; Ctrl-A d, Ctrl-A r, `--timeout`, `--symbols FILE` and `--verbose` show a guest"},
    {"-virtfs", "--9p", "--rodir, --rwdir", "-fsdev --rw --fs --virtio-fs --shared-dir",
     "`--share DIR[=TAG][,ro]`"},
    {"-drive, -hda", "-d, --disk", "-D, --disk",
     "-hdb -cdrom -blockdev --rootfs --block --virtio-blk", "`-d`, `--disk FILE[,ro][,snapshot]`"},
    {"-nic, -netdev", "-n, --network", "-n, --network", "-net --virtio-net",
     "`-n`, `--net[=forward=ADDR:PORT:PORT,...]`, by passt"},
    {"-netdev tap", NULL, NULL, "--tap", "`-n`, `--net tap=NAME`"},
    {"-bios, -pflash", "-f, --firmware", NULL, "-boot -F --flash --firmware",
     "no firmware: kernels are entered directly"},
    {"-loadvm, -incoming", NULL, NULL, "-snapshot --save --restore --snapshot", "no snapshots yet"},

    {NULL, NULL, NULL, "--paging --protected --protected-mode --pm --os", "`--pmode FILE`"},
    {NULL, NULL, NULL, "--long-mode --longmode --lm --64", "`--long FILE`"},
    {NULL, NULL, NULL, "--real-mode --realmode --bin --binary --program --guest --load",
     "not needed: 16-bit programs are named without an option"},
    {NULL, NULL, NULL, "-q --quiet", "not needed: minivm prints nothing that it was not asked for"},
    {NULL, NULL, NULL, "-t --time --time-limit", "`--timeout SECONDS`"},
    {NULL, NULL, NULL, "--dump-regs --registers --regs",
     "not needed: Ctrl-A r prints the registers, and so does a crash; `--dump-mem ADDR,LEN` "
     "memory"},
    {NULL, NULL, NULL, "--dump-memory --memdump", "`--dump-mem ADDR,LEN`"},
    {NULL, NULL, NULL, "-V --version", "that is a command, `minivm version`"},
};
const size_t foreign_count = sizeof(foreign_table) / sizeof(foreign_table[0]);

/* How many letters are missing, added, wrong or exchanged with the next one (Damerau and
 * Levenshtein). Names longer than any of ours are far. */
static int distance(const char *a, size_t n, const char *b)
{
    enum {
        LONGEST = 31
    };
    int d[LONGEST + 1][LONGEST + 1];
    size_t m = strlen(b);

    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = (int)(i + j);
                continue;
            }
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

bool is_near(const char *word, size_t len, const char *name, int *best)
{
    /* The beginning of a name is nearest. Otherwise a third of the letters may be wrong. */
    int n = len >= 3 && !strncmp(word, name, len) ? 0 : distance(word, len, name);

    if (n > (int)len / 3 || n >= *best)
        return false;
    *best = n;
    return true;
}

const struct option *option_near(const char *name, size_t len)
{
    const struct option *near = NULL;
    int best = NEAR;

    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].kind > ALIAS && is_near(name, len, option_table[i].name, &best))
            near = &option_table[i];
    return near;
}

/* Is the option one of a list: "-k, --kernel FILE"? Its dashes count if exact is true. */
static bool listed(const char *list, const char *said, bool exact)
{
    const char *name = said + strspn(said, "-");

    while (list && *list) {
        size_t len = strcspn(list, ", "), dashes = strspn(list, "-");

        if (dashes && len - dashes == strlen(name) && !strncmp(list + dashes, name, len - dashes) &&
            (!exact || (size_t)(name - said) == dashes))
            return true;
        list += len;
        list += strspn(list, ", ");
    }
    return false;
}

static const struct foreign *find(const char *said, bool exact)
{
    for (size_t i = 0; i < foreign_count; i++) {
        const struct foreign *f = &foreign_table[i];

        if (listed(f->qemu, said, exact) || listed(f->lkvm, said, exact) ||
            listed(f->vng, said, exact) || listed(f->others, said, exact))
            return f;
    }
    return NULL;
}

const struct foreign *foreign_option(const char *said)
{
    const struct foreign *f = find(said, true);

    return f ? f : find(said, false);
}

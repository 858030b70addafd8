// SPDX-License-Identifier: MIT
/*
 * The options of `minivm run`, with long and short forms as in lkvm.
 */
#include "hw/pc.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/option.h"

#include <string.h>

#define AT(member) offsetof(struct options, member)

const struct option option_table[] = {
    {"KERNEL", 0, OPERAND, 0, NULL,
     .text = "a kernel: a bzImage, a `vmlinux`, a PVH or Multiboot (1, 2) kernel; compressed by "
             "gzip, xz, lzma, zstd, lz4 or bzip2, or not",
     .group = "What to run"},
    {"FILE...", 0, OPERAND, 0, NULL,
     .text = "1 to 16 flat 16-bit programs (`.bin` may be left out), which run at once; with 1 to "
             "4 each has 256 KiB of memory, with more, or beside `--pmode` or `--long`, 64 KiB"},
    {"-- COMMAND [ARG]...", 0, OPERAND, 0, NULL,
     .text =
         "run COMMAND in the guest in place of a shell; its output and its status are minivm's"},
    {"kernel", 'k', STRING, AT(kernel), "FILE", .text = "the same as KERNEL"},
    {"pmode", 0, STRING, AT(pmode), "FILE",
     .text = "a flat 32-bit kernel, such as `os-1k/kernel.bin`"},
    {"long", 0, STRING, AT(longmode), "FILE", .text = "a flat 64-bit program"},
    {"real", 0, FLAG, AT(real), NULL,
     .text = "each FILE is a 16-bit program, also where its code looks like one of 32 or 64 bits"},

    {"from", 0, STRING, AT(from), "DIR",
     .text = "the machine that `minivm snapshot` saved there, which goes on; its files are not "
             "changed, so any number can"},

    {"initrd", 'i', MODULE, 0, "FILE",
     .text = "the initramfs: cpio, compressed or not, as `tools/mkinitramfs` makes it; several are "
             "joined",
     .kernels = true, .group = "Of kernels"},
    {"root", 0, STRING, AT(root_said), "DIR",
     .text = "the guest's root, which needs no `--initrd`: a directory of the host, such as `/`, "
             "where COMMAND or a shell runs as you, in the same directory; what it writes is "
             "forgotten at the end, or with `rw` written there; or a disk, as for `--disk`, from "
             "which a system boots, or COMMAND runs as root",
     .kernels = true},
    {"modules", 0, STRING, AT(module_dir), "DIR",
     .text = "the kernel's modules, of which the guest gets those for its devices (default: "
             "`modules` or `../lib/modules/VERSION` beside the kernel, the tree in which it was "
             "built, or `/lib/modules/VERSION`)",
     .kernels = true},
    {"cmdline", 'p', STRING, AT(cmdline), "STRING",
     .text = "more for the kernel's command line, after minivm's own: `console=ttyS0 quiet "
             "panic=-1 reboot=panic_warm`",
     .kernels = true},
    {"params", 0, ALIAS, 0, "cmdline", .text = NULL},
    {"module", 0, MODULE, 0, "FILE[,ARGS]",
     .text = "a file for a Multiboot or PVH kernel, and words for it; may be repeated",
     .kernels = true},
    {"boot", 0, STRING, AT(boot), "unpacked|bzimage|pvh|multiboot2|multiboot|linux64",
     .text = "how to boot the kernel, when it offers several ways (`minivm inspect FILE` lists "
             "them)",
     .kernels = true},
    {"entry", 0, NUMBER, AT(entry), "32|64",
     .text = "which entry point of a bzImage to use (default: 64 if it has one)", .kernels = true},
    {"no-cache", 0, FLAG, AT(no_cache), NULL,
     .text = "unpack the kernel again, and keep nothing of it (`minivm cache` lists what is kept)",
     .kernels = true},
    {"cpus", 'c', NUMBER, AT(cpus), "N",
     .text = "CPUs, 1 to 64 (default 1): one socket of N cores"},

    {"share", 0, SHARE, 0, "DIR[=TAG][,ro]",
     .text =
         "a directory of the host's, which Linux mounts by `mount -t virtiofs TAG DIR` (default "
         "TAG: its last name); `ro`: it refuses changes. May be repeated",
     .kernels = true},
    {"vsock", 0, VSOCK, 0, "CID=PATH",
     .text =
         "stream sockets of family `AF_VSOCK` between the guest, whose number CID is 3 or more, "
         "and Unix sockets: the guest's connections to port P of the host (CID 2) go to "
         "PATH`_`P; a program that connects to PATH says `CONNECT P` and a newline, reads `OK` "
         "and its own port, and is connected with port P of the guest's",
     .kernels = true},
    {"disk", 'd', DISK, 0, "FILE[,ro][,snapshot]",
     .text = "a disk: a raw image or block device, or by `qemu-nbd` an image in another format "
             "(qcow2, vmdk, vhdx ...); Linux calls the first one `vda`. `ro`: read-only; "
             "`snapshot`: what is written is forgotten at the end. May be repeated",
     .group = "Devices"},
    {"net", 'n', NET, 0, "KEY=VALUE,...",
     .text =
         "a network card, with what `passt` makes of the host's network behind it: DHCP, DNS, "
         "IPv4 and IPv6 out, as any user. Its gateway is the host itself. "
         "`forward=[udp:]ADDR:PORT:PORT`: an address and a port of the host's are that port of "
         "the guest's, as in `-n forward=127.0.0.1:8022:22`; may be repeated; `mac=`: the card's "
         "address; `mtu=`: 1280 to 65520 (default). `tap=NAME`: behind it is that tap device in "
         "place of passt, which `ip tuntap add NAME mode tap user $USER` makes, `mtu=` its own, "
         "and "
         "with KVM the host's vhost-net between them where you may use it; "
         "`queues=`: 1 to 8 (default: one for each CPU, if it was made with `multi_queue`). May be "
         "repeated"},

    {"mem", 'm', SIZE, AT(mem), "SIZE",
     .text = "RAM: `256M`, `2G`; a plain number is in MiB (default: kernels 512M, `--long` and "
             "`--pmode` 4M, 16-bit programs 1M); the host gives what is touched, and gets back "
             "what a Linux with virtio_balloon frees",
     .group = "Of every guest"},
    {"engine", 0, STRING, AT(engine), "auto|kvm|soft",
     .text = "`kvm`; `soft`: a processor made of C, which needs no KVM; or `auto`, the default: "
             "KVM if it truly runs such a guest, else `soft` (also: set `MINIVM_ENGINE`)"},
    {"cpu", 0, STRING, AT(cpu), "host|portable",
     .text =
         "which processor the guest sees: `host`, the default: all that the engine offers; "
         "`portable`: only what both engines offer on every processor of the last ten years, and "
         "one rate of the TSC, so that a guest can move from one engine to the other. A kernel "
         "does not protect itself against speculative execution there"},
    {"soft-clock", 0, STRING, AT(soft_clock), "host|instructions",
     .text =
         "`instructions`: engine soft counts the guest's time in instructions, a nanosecond each, "
         "not in the host's: with the same input it does the same again, to the last instruction"},
    {"nested", 0, FLAG, AT(nested), NULL,
     .text = "CPUID offers the guest the processor's own virtualisation, where KVM has it"},
    {"name", 0, STRING, AT(name), "NAME",
     .text = "a name by which the machine can be spoken to: `minivm snapshot NAME DIR`"},
    {"exit-port", 0, PORT, AT(exit_port), "PORT",
     .text = "where a write ends the machine with status value * 2 + 1, as QEMU's isa-debug-exit "
             "does (default `0xf4`); `off`: nowhere"},
    {"no-reboot", 0, FLAG, AT(no_reboot), NULL, .text = "a guest that reboots ends"},
    {"timeout", 0, SECONDS, AT(timeout), "SECONDS",
     .text = "stop after that time, and say where the guest was"},

    {"split", 0, FLAG, AT(split), NULL, .text = "several programs on a divided screen",
     .group = "What is shown"},
    {"debugcon", 0, OPTIONAL, 0, "FILE",
     .text = "print what the guest writes to port 0xe9 or 0x402 on stderr, or to a file"},
    {"symbols", 0, STRING, AT(symbols), "FILE",
     .text = "the kernel's `System.map`, or a copy of the guest's `/proc/kallsyms`, to name "
             "addresses in reports"},
    {"dump-mem", 0, RANGE, 0, "ADDR,LEN",
     .text = "at the end, print so much of the guest's physical memory on stderr, in hexadecimal: "
             "`0x7c00,512`, `1M,4K`; may be repeated"},
    {"verbose", 0, FLAG, AT(verbose), NULL,
     .text = "print every exit from the guest to minivm on stderr: port, direction, size, value, "
             "device; hypercalls by name; first, which engine and why"},
    {"stat", 0, FLAG, AT(stat), NULL,
     .text = "at the end, print a line for each CPU on stderr: exits by reason since its last "
             "boot, status; with KVM the processor's time in the guest, with engine soft "
             "instructions, lines decoded, TLB misses, interrupts"},
};
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

_Static_assert(sizeof(option_table) / sizeof(option_table[0]) <= OPTIONS_MAX,
               "struct options remembers how each option was said");

static bool same(const char *name, const char *other, size_t len)
{
    return strlen(name) == len && !strncmp(name, other, len);
}

const struct option *option_named(const char *name, size_t len)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *opt = &option_table[i];

        if (opt->kind != OPERAND && same(opt->name, name, len))
            return opt->kind == ALIAS ? option_named(opt->value, strlen(opt->value)) : opt;
    }
    return NULL;
}

const struct option *option_lettered(char letter)
{
    for (size_t i = 0; i < option_count; i++)
        if (letter && option_table[i].letter == letter)
            return &option_table[i];
    return NULL;
}

bool option_allows(const struct option *opt, const char *word)
{
    const char *s = opt->value;

    while (strchr(opt->value, '|')) {
        size_t len = strcspn(s, "|");

        if (same(word, s, len))
            return true;
        if (!s[len])
            return false;
        s += len + 1;
    }
    return true;
}

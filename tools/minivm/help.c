// SPDX-License-Identifier: MIT
/*
 * minivm help, minivm version.
 */
#include "hw/die.h"
#include "tools/minivm/minivm.h"

#include <stdio.h>
#include <string.h>

static const char overview[] =
    "minivm - a small virtual machine monitor\n"
    "\n"
    "  minivm run [OPTION]... KERNEL [-- COMMAND [ARG]...]\n"
    "                             a kernel: Linux, PVH, Multiboot, compressed or not\n"
    "  minivm run FILE...         16-bit programs, each on a CPU of its own\n"
    "  minivm run --long FILE     a 64-bit program\n"
    "  minivm run --pmode FILE    a 32-bit kernel, such as os-1k/kernel.bin\n"
    "  minivm inspect FILE        what a file is, and how it can be booted\n"
    "  minivm check [--quiet] [--engine kvm|soft]\n"
    "                             what the engines can do on this host, tried for real; status 1\n"
    "                             when Linux does not run here, or not with that engine\n"
    "  minivm help run            its options, keys and exit statuses (also: run --help)\n"
    "  minivm version\n";

static const char run_help[] =
    "minivm run [OPTION]... KERNEL [-- COMMAND [ARG]...]\n"
    "minivm run [OPTION]... FILE...\n"
    "minivm run [OPTION]... --long FILE | --pmode FILE\n"
    "\n"
    "Boots a guest with its console, COM1, on stdin and stdout.\n"
    "\n"
    "  KERNEL                a bzImage, a vmlinux, a PVH or Multiboot (1, 2) kernel; compressed\n"
    "                        by gzip, xz, zstd, lz4 or bzip2 or not (also: -k, --kernel FILE)\n"
    "  FILE...               1 to 16 flat 16-bit programs (.bin may be left out), which run at\n"
    "                        once; with 1 to 4 each has 256 KiB of memory, with more 64 KiB\n"
    "      --long FILE       a flat 64-bit program\n"
    "      --pmode FILE      a flat 32-bit kernel for the boot contract of the 1K OS\n"
    "      --boot WAY        how to boot the kernel, when it offers several ways: bzimage, pvh,\n"
    "                        multiboot2, multiboot, linux64 ('minivm inspect FILE' lists them)\n"
    "  -i, --initrd FILE     the initramfs, as tools/mkinitramfs makes it; several are joined\n"
    "      --module FILE[,ARGS]\n"
    "                        a file for a Multiboot or PVH kernel, and words for it; may be\n"
    "                        repeated\n"
    "  -p, --cmdline STRING  more for the kernel's command line, after minivm's own:\n"
    "                        console=ttyS0 quiet panic=-1 reboot=panic_warm\n"
    "  -m, --mem SIZE        RAM: 256M, 2G; a plain number is in MiB (default:\n"
    "                        kernels 512M, --long and --pmode 4M, 16-bit programs 1M)\n"
    "  -c, --cpus N          a kernel's CPUs, 1 to 64 (default 1)\n"
    "      --entry 32|64     the kernel's entry point (default: 64 if it has one)\n"
    "      --engine ENGINE   kvm; soft: a processor made of C, which needs no KVM; or auto, the\n"
    "                        default: KVM if it truly runs such a guest, else soft (also: set\n"
    "                        MINIVM_ENGINE)\n"
    "      --soft-clock instructions\n"
    "                        engine soft counts the guest's time in instructions, a nanosecond\n"
    "                        each, not in the host's: with the same input it does the same again\n"
    "      --timeout SECONDS stop after that time, and say where the guest was\n"
    "      --no-reboot       a guest that reboots ends\n"
    "      --symbols FILE    the kernel's System.map, or a copy of the guest's /proc/kallsyms,\n"
    "                        to name addresses in reports\n"
    "      --verbose         print every exit from the guest to minivm on stderr\n"
    "      --stat            at the end, print a line for each CPU on stderr: exits by reason\n"
    "                        since its last boot, processor time in the guest, status\n"
    "      --split           several programs on a divided screen\n"
    "      --debugcon[=FILE] print what the guest writes to port 0xe9 or 0x402 on stderr, or to\n"
    "                        a file\n"
    "      --exit-port PORT  where a write ends the machine with status value * 2 + 1, as QEMU's\n"
    "                        isa-debug-exit (default 0xf4); off: nowhere\n"
    "  -- COMMAND [ARG]...   run COMMAND in the guest in place of a shell\n"
    "\n"
    "Long options also take --opt=VALUE.\n"
    "\n"
    "On a terminal: Ctrl-A x quits, Ctrl-A d says where the guest is, Ctrl-A b sends a break,\n"
    "Ctrl-A n types to the next of several guests, Ctrl-A u and v scroll in --split,\n"
    "Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A.\n"
    "\n"
    "Exit status: the guest's own, when it gave one (its shell's or COMMAND's; of several guests\n"
    "the first that is not 0);\n"
    "  0    the guest switched itself off, or the user quit by Ctrl-A x\n"
    "  124  --timeout ran out\n"
    "  125  minivm could not start (bad option, bad file), or not write its output\n"
    "  126  a guest crashed, sleeps for ever, or ended before COMMAND did\n"
    "  128+N  signal N ended minivm (130 also: Ctrl-A x before COMMAND ended)\n";

int cmd_help(int argc, char **argv)
{
    if (argc < 2)
        fputs(overview, stdout);
    else if (!strcmp(argv[1], "run"))
        fputs(run_help, stdout);
    else
        die("no help on %s; there is 'minivm help' and 'minivm help run'", argv[1]);
    return 0;
}

int cmd_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    puts("minivm " MINIVM_VERSION);
    return 0;
}

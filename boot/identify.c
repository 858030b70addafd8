// SPDX-License-Identifier: MIT
/*
 * What a file seems to be, by its first bytes and, where those say little, by a closer look.
 *
 * After: magic(5) for the idea; ELF-64 Object File Format, "File Header"; Microsoft's PE Format,
 * "COFF File Header"; UEFI 2.10, 5.2.1 "Legacy Master Boot Record"; Linux, arch/arm64/booting.rst,
 * arch/riscv/boot-image-header.rst and drivers/firmware/efi/libstub/zboot-header.S.
 *
 * Left out: files that nobody takes for a kernel by mistake.
 */
#define _GNU_SOURCE
#include "boot/identify.h"
#include "boot/elf.h"
#include "boot/unpack.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Enough to recognise a text, and to see a disk's partition table. */
#define HEAD 512

struct answer {
    const struct image *img;
    char *text;
    size_t size;
    uint8_t head[HEAD]; /* the file's first bytes, zeros behind its end */
    size_t there;       /* how many they are */
};

__attribute__((format(printf, 2, 3))) static bool say(const struct answer *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(a->text, a->size, fmt, ap);
    va_end(ap);
    return true;
}

/* The name as it is quoted in a command, if it is short enough. */
static const char *name(const struct answer *a)
{
    return strlen(a->img->name) <= 64 ? a->img->name : "FILE";
}

static bool has(const struct answer *a, uint64_t off, const char *magic, int n)
{
    char buf[32];

    return image_peek(a->img, off, buf, n) == (uint64_t)n && !memcmp(buf, magic, n);
}

/* Numbers of 1 to 8 bytes; 0 where the file has none. */
static uint64_t number(const struct answer *a, uint64_t off, int n, bool big_endian)
{
    uint8_t buf[8];
    uint64_t val = 0;

    image_peek(a->img, off, buf, n);
    for (int i = 0; i < n; i++)
        val = val << 8 | buf[big_endian ? i : n - 1 - i];
    return val;
}

static uint64_t little(const struct answer *a, uint64_t off, int n)
{
    return number(a, off, n, false);
}

struct label {
    uint32_t id;
    const char *text;
};

static const char *find(const struct label *labels, uint32_t id)
{
    while (labels->text && labels->id != id)
        labels++;
    return labels->text;
}

#define X86_ONLY "; minivm runs x86 code"
#define A_DISK   "; a disk goes with --disk: take the kernel out of it, often /boot/vmlinuz"

/* What is known by bytes at a certain place. */
static const struct {
    uint64_t off;
    const char *magic;
    int n;
    const char *text;
} magics[] = {
    {56, "ARM\x64", 4, "a kernel for ARM (64 bits)" X86_ONLY},
    {36, "\x18\x28\x6f\x01", 4, "a kernel for ARM (32 bits)" X86_ONLY},
    {36, "\x01\x6f\x28\x18", 4, "a kernel for ARM (32 bits, big-endian)" X86_ONLY},
    {56, "RSC\x05", 4, "a kernel for RISC-V" X86_ONLY},
    {48, "RISCV\0\0\0", 8, "a kernel for RISC-V" X86_ONLY},
    {0, "\x27\x05\x19\x56", 4,
     "an image for U-Boot (uImage), which minivm does not have: take the kernel out of it"},
    {0, "\xd0\x0d\xfe\xed", 4, "a device tree, or an image for U-Boot (FIT); x86 has neither"},
    {0, "ANDROID!", 8, "a boot image of Android: take the kernel out of it with unpack_bootimg"},
    {40, "_FVH", 4, "UEFI firmware; minivm boots kernels directly and needs none"},

    {0, "070701", 6, "a cpio archive; an initramfs goes with --initrd"},
    {0, "070702", 6, "a cpio archive; an initramfs goes with --initrd"},
    {0, "070707", 6, "a cpio archive of the old kind, which Linux takes for no initramfs"},
    {0, "\xc7\x71", 2, "a cpio archive of the old kind, which Linux takes for no initramfs"},
    {257, "ustar", 5, "a tar archive: unpack it with tar -x"},
    {0, "PK\3\4", 4, "a zip archive: unpack it with unzip"},
    {0, "7z\xbc\xaf\x27\x1c", 6, "a 7z archive: unpack it with 7z x"},
    {0, "Rar!\x1a\x07", 6, "a rar archive: unpack it with unrar x"},
    {0, "\xed\xab\xee\xdb", 4, "an RPM package: unpack it with rpm2cpio and cpio -id"},
    {0, "\x1f\x9d", 2, "compressed by compress; unpack it with gzip -d"},
    {0, "LZIP\1", 5, "compressed by lzip; unpack it with lzip -d"},

    {0, "QFI\xfb", 4, "a disk image (qcow2)" A_DISK},
    {0, "KDMV", 4, "a disk image (VMDK)" A_DISK},
    {0, "COWD", 4, "a disk image (VMDK)" A_DISK},
    {0, "# Disk DescriptorFile", 21, "the description of a disk image (VMDK)" A_DISK},
    {64, "\x7f\x10\xda\xbe", 4, "a disk image (VDI)" A_DISK},
    {0, "vhdxfile", 8, "a disk image (VHDX)" A_DISK},
    {0, "conectix", 8, "a disk image (VHD)" A_DISK},
    {32769, "CD001", 5, "a CD image (ISO 9660)" A_DISK},
    {512, "EFI PART", 8, "a disk image with a partition table (GPT)" A_DISK},
    {0, "hsqs", 4, "a file system (squashfs)" A_DISK},
    {0, "XFSB", 4, "a file system (XFS)" A_DISK},
    {65600, "_BHRfS_M", 8, "a file system (Btrfs)" A_DISK},
    {1024, "\xe2\xe1\xf5\xe0", 4, "a file system (EROFS)" A_DISK},
    {1024, "\x10\x20\xf5\xf2", 4, "a file system (F2FS)" A_DISK},
    {0, "\x45\x3d\xcd\x28", 4, "a file system (cramfs)" A_DISK},
    {0, "-rom1fs-", 8, "a file system (romfs)" A_DISK},
    {3, "NTFS    ", 8, "a file system (NTFS)" A_DISK},
    {3, "EXFAT   ", 8, "a file system (exFAT)" A_DISK},
    {54, "FAT12   ", 8, "a file system (FAT)" A_DISK},
    {54, "FAT16   ", 8, "a file system (FAT)" A_DISK},
    {82, "FAT32   ", 8, "a file system (FAT)" A_DISK},
    {0, "LUKS\xba\xbe", 6, "an encrypted disk (LUKS); a disk goes with --disk"},
    {4086, "SWAPSPACE2", 10, "swap space, where no kernel is"},

    {0, "\xce\xfa\xed\xfe", 4, "a program or kernel of macOS (Mach-O), which minivm cannot load"},
    {0, "\xcf\xfa\xed\xfe", 4, "a program or kernel of macOS (Mach-O), which minivm cannot load"},
    {0, "\xca\xfe\xba\xbe", 4, "a program of macOS (Mach-O) or a Java class, no kernel"},
    {0, "\0asm", 4, "a WebAssembly module, no kernel"},
    {0, "BC\xc0\xde", 4, "LLVM bitcode, not yet compiled"},
    {0, "version https://git-lfs", 23,
     "a pointer to a file of Git LFS: fetch it with git lfs pull"},
    {0, "\x89PNG", 4, "a picture (PNG)"},
    {0, "\xff\xd8\xff", 3, "a picture (JPEG)"},
    {0, "%PDF-", 5, "a PDF document"},
};

static bool by_magic(const struct answer *a)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (has(a, magics[i].off, magics[i].magic, magics[i].n))
            return say(a, "%s", magics[i].text);
    }
    return false;
}

static bool packed(const struct answer *a)
{
    enum packing p = packing_of(a->head, a->there);
    const char *missing = packing_missing(p);

    if (p == PACKING_NONE)
        return false;
    return say(a, "compressed by %s%s%s", packing_name(p), missing ? "; " : "",
               missing ? missing : "");
}

#define NOTE_SYSTEM 1 /* the type of GNU's note */

static const struct label elf_machines[] = {
    {2, "SPARC"},        {4, "m68k"},           {8, "MIPS"},
    {15, "PA-RISC"},     {20, "PowerPC"},       {21, "PowerPC 64"},
    {22, "s390"},        {40, "ARM (32 bits)"}, {42, "SuperH"},
    {43, "SPARC 64"},    {50, "Itanium"},       {94, "Xtensa"},
    {106, "Blackfin"},   {164, "Hexagon"},      {183, "ARM (64 bits)"},
    {189, "MicroBlaze"}, {243, "RISC-V"},       {247, "BPF"},
    {258, "LoongArch"},  {0x9026, "Alpha"},     {0, NULL},
};

/* Does an object file have the section in which modules of Linux name themselves? */
static bool is_module(const struct answer *a, const struct elf *e)
{
    char names[4096];
    int word =
        e->is_64 ? 8 : 4; /* of which the section's header has four, from its third field on */
    uint64_t header = e->shoff + (uint64_t)e->shstrndx * e->shentsize + 8;
    uint64_t off = little(a, header + 2 * word, word), size = little(a, header + 3 * word, word);

    if (size > sizeof(names))
        size = sizeof(names);
    image_peek(a->img, off, names, size);
    return memmem(names, size, ".modinfo", 8);
}

/* Say what runs a program, by the path of its interpreter. */
static bool interpreted(const struct answer *a, const struct elf_segment *s)
{
    char interpreter[48] = "";

    image_peek(a->img, s->offset, interpreter,
               s->filesz < sizeof(interpreter) ? s->filesz : sizeof(interpreter) - 1);
    if (!strcmp(interpreter, "/red/herring"))
        return say(a, "a kernel of FreeBSD, which needs FreeBSD's own boot loader");
    return say(a, "a program, to be run by an operating system, not a kernel");
}

static bool elf(const struct answer *a)
{
    bool big_endian = a->head[5] == 2;
    uint32_t machine = number(a, 18, 2, big_endian), system;
    const char *for_what = find(elf_machines, machine);
    struct elf e;

    if (memcmp(a->head, "\177ELF", 4))
        return false;
    if (for_what)
        return say(a, "an ELF file for %s" X86_ONLY, for_what);
    if ((machine != EM_386 && machine != EM_X86_64) || big_endian)
        return say(a, "an ELF file for another machine (number %u)" X86_ONLY, machine);

    elf_read(&e, a->img);
    if (e.type == ET_REL)
        return is_module(a, &e) ? say(a, "a kernel module; it goes into the initramfs")
                                : say(a, "an object file, which is not linked yet (see ld)");
    if (e.type == ET_CORE)
        return say(a, "the memory of a crashed program (a core dump)");
    for (int i = 0; i < e.n; i++)
        if (e.segment[i].type == PT_INTERP)
            return interpreted(a, &e.segment[i]);
    /* Programs of Linux, which is system 0, say so. */
    if (elf_note(&e, "GNU", NOTE_SYSTEM, &system, sizeof(system)) >= 4 && !system)
        return say(a, "a program, to be run by Linux, not a kernel");
    if (e.type == ET_DYN)
        return say(a, "a shared library, or a program that can be placed anywhere");
    return say(a, "an ELF file for %s; to be booted it needs a PVH note or a Multiboot header",
               machine == EM_386 ? "i386" : "x86-64");
}

static const struct label pe_machines[] = {
    {0x1c0, "ARM (32 bits)"}, {0x1c2, "ARM (32 bits)"},
    {0x1c4, "ARM (32 bits)"}, {0xaa64, "ARM (64 bits)"},
    {0x5032, "RISC-V"},       {0x5064, "RISC-V"},
    {0x6232, "LoongArch"},    {0x6264, "LoongArch"},
    {0x200, "Itanium"},       {0, NULL},
};

/* Programs of DOS, Windows and UEFI; kernels dressed as one. */
static bool pe(const struct answer *a)
{
    uint64_t header = little(a, 0x3c, 4), section = header + 24 + little(a, header + 20, 2);
    const char *for_what = find(pe_machines, little(a, header + 4, 2));
    int subsystem = little(a, header + 24 + 68, 2);

    if (memcmp(a->head, "MZ", 2))
        return false;
    if (!has(a, header, "PE\0\0", 4))
        return say(a, "a program of DOS, not a kernel");
    if (for_what && has(a, 4, "zimg", 4))
        return say(a, "a kernel for %s, packed for UEFI" X86_ONLY, for_what);
    if (for_what)
        return say(a, "a UEFI or Windows program for %s" X86_ONLY, for_what);
    for (uint64_t i = 0, n = little(a, header + 6, 2); i < n && i < 96; i++) {
        if (has(a, section + i * 40, ".linux\0\0", 8))
            return say(a,
                       "a unified kernel image; 'objcopy -O binary --only-section=.linux %s "
                       "vmlinuz' takes the kernel out",
                       name(a));
    }
    /* EFI applications and drivers have the numbers 10 to 13. */
    return subsystem >= 10 && subsystem <= 13
               ? say(a, "a UEFI program, perhaps a boot loader; minivm has no UEFI")
               : say(a, "a program of Windows, not a kernel");
}

static bool linux_kernel(const struct answer *a)
{
    uint32_t version = little(a, 0x206, 2);

    return has(a, 0x202, "HdrS", 4) &&
           say(a, "a Linux kernel (bzImage, boot protocol %u.%02u); it goes with --kernel",
               version >> 8, version & 0xff);
}

static bool ar(const struct answer *a)
{
    if (memcmp(a->head, "!<arch>\n", 8))
        return false;
    return has(a, 8, "debian-binary", 13)
               ? say(a, "a Debian package; 'dpkg -x %s DIR' unpacks it, kernels to DIR/boot",
                     name(a))
               : say(a, "a static library, which is not linked yet (see ld)");
}

/* The superblock of ext2, ext3 and ext4; its magic number is short, so other fields must fit, too.
 */
static bool ext(const struct answer *a)
{
    return little(a, 1080, 2) == 0xef53 && little(a, 1024, 4) && little(a, 1048, 4) <= 6 &&
           little(a, 1100, 4) <= 1 && say(a, "a file system (ext2, ext3 or ext4)" A_DISK);
}

/* A PC begins in the last 16 bytes of its BIOS, with a jump to where that of the first PC began. */
static bool bios(const struct answer *a)
{
    uint64_t size = a->img->size;

    return size >= 0x10000 && size % 0x10000 == 0 && has(a, size - 16, "\xea\x5b\xe0\x00\xf0", 5) &&
           say(a, "PC firmware (a BIOS); minivm boots kernels directly and needs none");
}

static const struct label partitions[] = {
    {0x01, "FAT"},   {0x04, "FAT"}, {0x05, "extended"}, {0x06, "FAT"},      {0x07, "NTFS or exFAT"},
    {0x0b, "FAT"},   {0x0c, "FAT"}, {0x0e, "FAT"},      {0x0f, "extended"}, {0x82, "swap"},
    {0x83, "Linux"}, {0x8e, "LVM"}, {0xa5, "FreeBSD"},  {0xa6, "OpenBSD"},  {0xa9, "NetBSD"},
    {0xee, "GPT"},   {0xef, "EFI"}, {0xfd, "RAID"},     {0, NULL},
};

/* A disk with a partition table. */
static bool partition_table(const struct answer *a)
{
    const char *first = NULL;
    int n = 0;

    if (a->head[510] != 0x55 || a->head[511] != 0xaa)
        return false;
    for (const uint8_t *entry = a->head + 446; entry < a->head + 510; entry += 16) {
        uint32_t type = entry[4];
        const char *label = find(partitions, type);

        if (entry[0] & 0x7f)
            break;
        if (type && !n++)
            first = label ? label : "of another kind";
        if (entry == a->head + 494 && n)
            return say(a, "a disk image with %d partition%s (the first: %s)" A_DISK, n,
                       n > 1 ? "s" : "", first);
    }
    return false;
}

static bool boot_sector(const struct answer *a)
{
    return a->head[510] == 0x55 && a->head[511] == 0xaa &&
           say(a, "a boot sector, which needs a BIOS; minivm has none");
}

/* "ffffffff81000000 T _text", as in System.map. */
static bool is_symbols(const char *text)
{
    size_t digits = strspn(text, "0123456789abcdef");

    return (digits == 8 || digits == 16) && text[digits] == ' ' && isalpha(text[digits + 1]) &&
           text[digits + 2] == ' ';
}

/* A text has only the control characters of texts, and most of it is ASCII. A very short one, which
 * might be code, must be all ASCII. */
static bool text_file(const struct answer *a)
{
    char text[HEAD + 1] = "";
    size_t others = 0;

    for (size_t i = 0; i < a->there; i++) {
        if (a->head[i] == 0x7f || (a->head[i] < ' ' && !memchr("\t\n\f\r\033", a->head[i], 5)))
            return false;
        others += a->head[i] > 0x7f;
    }
    if (others > (a->there < 8 ? 0 : a->there / 2))
        return false;
    memcpy(text, a->head, a->there);
    if (!strncmp(text, "#!", 2))
        return say(a, "a script, not a kernel");
    if (text[0] == '#' && strstr(text, "Kernel Configuration"))
        return say(a, "the configuration of a kernel, not the kernel");
    if (!strncasecmp(text, "<!doctype html", 14) || !strncasecmp(text, "<html", 5))
        return say(a, "a web page, so perhaps a download that failed");
    if (is_symbols(text))
        return say(a, "a table of symbols; it goes with --symbols");
    return say(a, "a text file, not a kernel");
}

static bool zeros(const struct answer *a)
{
    char buf[4096];
    uint64_t n = image_peek(a->img, 0, buf, sizeof(buf));

    for (uint64_t i = 0; i < n; i++) {
        if (buf[i])
            return false;
    }
    return say(a, n == a->img->size ? "nothing but zeros"
                                    : "nothing but zeros at its start, as after a download that "
                                      "did not end");
}

typedef bool look(const struct answer *a);

/* What is certain comes first, what may be chance last. */
static look *const looks[] = {
    elf,  linux_kernel, by_magic,        pe,          ar,    packed, ext,
    bios, text_file,    partition_table, boot_sector, zeros,
};

/* The first look that finds something, or NULL. */
static look *recognise(const struct image *img, char *text, size_t size)
{
    struct answer a = {.img = img, .text = text, .size = size};

    a.there = image_peek(img, 0, a.head, HEAD);
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        if (looks[i](&a))
            return looks[i];
    }
    return NULL;
}

bool identify(const struct image *img, char *text, size_t size)
{
    return recognise(img, text, size);
}

bool identify_program(const struct image *img)
{
    char text[256];
    look *found = recognise(img, text, sizeof(text));

    return !found || found == zeros || found == boot_sector;
}

bool identify_boot_sector(const struct image *img)
{
    char text[256];

    return recognise(img, text, sizeof(text)) == boot_sector;
}

// SPDX-License-Identifier: MIT
/*
 * What is said of files that are no kernels, or not ours.
 */
#define _GNU_SOURCE
#include "boot/identify.h"
#include "tests/unit/die.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static uint8_t data[0x20000];

/* The words for the first n bytes of data; "" when there are none. */
static const char *words(size_t n)
{
    static char text[256];
    struct image img = {.name = "some/file", .fd = -1, .data = data, .size = n};

    if (setjmp(died))
        return "it died";
    if (!identify(&img, text, sizeof(text)))
        return "";
    return text;
}

static bool said(size_t n, const char *part)
{
    const char *text = words(n);

    if (!strstr(text, part))
        printf("# not '%s' but '%s'\n", part, text);
    return strstr(text, part);
}

/* Data of which nothing is known: 16-bit code. */
static void clear(void)
{
    memset(data, 0xf4, sizeof(data));
}

static void put(size_t off, const char *bytes, size_t n)
{
    memcpy(data + off, bytes, n);
}

static void put_number(size_t off, int n, uint64_t val)
{
    memcpy(data + off, &val, n);
}

static void by_magic(void)
{
    static const struct {
        size_t off;
        const char *magic;
        size_t n;
        const char *part;
    } files[] = {
        {56, "ARM\x64", 4, "a kernel for ARM (64 bits); minivm runs x86 code"},
        {36, "\x18\x28\x6f\x01", 4, "a kernel for ARM (32 bits)"},
        {56, "RSC\x05", 4, "RISC-V"},
        {48, "RISCV\0\0\0", 8, "RISC-V"},
        {0, "\x27\x05\x19\x56", 4, "uImage"},
        {0, "\xd0\x0d\xfe\xed", 4, "FIT"},
        {0, "ANDROID!", 8, "unpack_bootimg"},
        {40, "_FVH", 4, "UEFI firmware"},
        {0, "070701", 6, "--initrd"},
        {0, "070707", 6, "cpio"},
        {257, "ustar", 5, "tar -x"},
        {0, "PK\3\4", 4, "unzip"},
        {0, "\xed\xab\xee\xdb", 4, "rpm2cpio"},
        {0, "!<arch>\ndebian-binary   ", 24, "'dpkg -x some/file DIR'"},
        {0, "!<arch>\nbus.o/", 14, "static library"},
        {0, "QFI\xfb", 4, "qcow2"},
        {0, "KDMV", 4, "VMDK"},
        {64, "\x7f\x10\xda\xbe", 4, "VDI"},
        {0, "conectix", 8, "VHD"},
        {0, "vhdxfile", 8, "VHDX"},
        {32769, "CD001", 5, "ISO 9660"},
        {512, "EFI PART", 8, "GPT"},
        {0, "hsqs", 4, "squashfs"},
        {0, "XFSB", 4, "XFS"},
        {65600, "_BHRfS_M", 8, "Btrfs"},
        {54, "FAT16   ", 8, "FAT"},
        {82, "FAT32   ", 8, "FAT"},
        {3, "NTFS    ", 8, "NTFS"},
        {0, "LUKS\xba\xbe", 6, "LUKS"},
        {0, "\xcf\xfa\xed\xfe", 4, "macOS"},
        {0, "\0asm\1", 5, "WebAssembly"},
        {0, "\x1f\x9d", 2, "gzip -d"},
        {0, "\x1f\x8b\x08", 3, "compressed by gzip"},
        {0, "\x89LZO\0\r\n\x1a\n", 9, "compressed by lzo; unpack it with lzop -d"},
        {0x202, "HdrS\x0f\x02", 6, "boot protocol 2.15"},
        {0x1fff0, "\xea\x5b\xe0\x00\xf0", 5, "BIOS"},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        clear();
        put(files[i].off, files[i].magic, files[i].n);
        CHECK(said(sizeof(data), files[i].part));
        /* What ends within the magic number does not have it. */
        if (files[i].off)
            CHECK(!strstr(words(files[i].off + files[i].n - 1), files[i].part));
    }
}

static void make_elf(int type, int machine)
{
    memset(data, 0, sizeof(data));
    put(0, "\177ELF\2\1\1", 7);
    put_number(16, 2, type);
    put_number(18, 2, machine);
}

/* Program header i, of two at 64. */
static void put_segment(int i, uint32_t type, uint64_t off, uint64_t size)
{
    size_t at = 64 + i * 56;

    put_number(32, 8, 64);
    put_number(54, 2, 56);
    put_number(56, 2, 2);
    put_number(at, 4, type);
    put_number(at + 8, 8, off);
    put_number(at + 32, 8, size);
}

static void elf_files(void)
{
    make_elf(2, 183);
    CHECK(said(4096, "an ELF file for ARM (64 bits); minivm runs x86 code"));
    make_elf(2, 243);
    CHECK(said(4096, "RISC-V"));
    make_elf(2, 0);
    put(4, "\2\2", 2);
    put(18, "\0\x16", 2);
    CHECK(said(4096, "s390"));
    put(18, "\0\x3e", 2);
    CHECK(said(4096, "another machine"));
    make_elf(2, 12345);
    CHECK(said(4096, "number 12345"));

    make_elf(1, 62);
    CHECK(said(4096, "an object file"));
    make_elf(4, 62);
    CHECK(said(4096, "core dump"));
    make_elf(3, 62);
    CHECK(said(4096, "a shared library"));
    make_elf(2, 62);
    CHECK(said(4096, "an ELF file for x86-64; to be booted"));
    make_elf(2, 3);
    put(4, "\1", 1);
    CHECK(said(4096, "an ELF file for i386; to be booted"));
    CHECK(said(20, "an ELF file"));
}

static void elf_programs(void)
{
    make_elf(3, 62);
    put_segment(1, 3, 1000, 28);
    put(1000, "/lib64/ld-linux-x86-64.so.2", 28);
    CHECK(said(4096, "a program, to be run by an operating system"));
    put(1000, "/red/herring", 13);
    CHECK(said(4096, "FreeBSD"));

    make_elf(2, 62);
    put_segment(0, 4, 1000, 16);
    put_segment(1, 4, 1100, 32);
    put(1100, "\4\0\0\0\20\0\0\0\1\0\0\0GNU\0\0\0\0\0", 20);
    CHECK(said(4096, "a program, to be run by Linux"));
    put_segment(1, 4, UINT64_MAX, UINT64_MAX);
    CHECK(said(4096, "to be booted"));
}

static void kernel_module(void)
{
    make_elf(1, 62);
    put_number(40, 8, 512);
    put_number(58, 2, 64);
    put_number(62, 2, 1);
    put_number(512 + 64 + 24, 8, 1000);
    put_number(512 + 64 + 32, 8, 30);
    put(1000, "\0.text\0.modinfo\0", 16);
    CHECK(said(4096, "a kernel module; it goes into the initramfs"));
    put_number(512 + 64 + 32, 8, UINT64_MAX);
    put_number(512 + 64 + 24, 8, UINT64_MAX);
    CHECK(said(4096, "an object file"));
}

static void make_pe(int machine, int subsystem)
{
    memset(data, 0, sizeof(data));
    put(0, "MZ", 2);
    put_number(0x3c, 4, 128);
    put(128, "PE\0\0", 4);
    put_number(132, 2, machine);
    put_number(134, 2, 3);
    put_number(148, 2, 0xf0);
    put_number(128 + 24 + 68, 2, subsystem);
}

static void pe_files(void)
{
    make_pe(0x8664, 10);
    CHECK(said(4096, "UEFI program"));
    make_pe(0x8664, 3);
    CHECK(said(4096, "Windows"));
    make_pe(0xaa64, 10);
    CHECK(said(4096, "for ARM (64 bits); minivm runs x86"));
    put(4, "zimg", 4);
    CHECK(said(4096, "a kernel for ARM (64 bits)"));
    make_pe(0x8664, 10);
    put(128 + 24 + 0xf0 + 80, ".linux\0\0", 8);
    CHECK(said(4096, "'objcopy -O binary --only-section=.linux some/file vmlinuz'"));
    make_pe(0x8664, 10);
    put_number(0x3c, 4, 0xffffffff);
    CHECK(said(4096, "DOS"));
}

static void disks(void)
{
    clear();
    memset(data, 0, 512);
    put(510, "\x55\xaa", 2);
    put_number(446, 1, 0x80);
    put_number(450, 1, 0x83);
    CHECK(said(4096, "a disk image with 1 partition (the first: Linux); a disk goes with --disk"));
    put_number(466, 1, 0x82);
    CHECK(said(4096, "2 partitions (the first: Linux)"));
    put_number(446, 1, 0x33);
    CHECK(said(4096, "a boot sector"));
    CHECK(!strstr(words(511), "boot sector"));

    memset(data, 0, sizeof(data));
    put_number(1080, 2, 0xef53);
    put_number(1024, 4, 1000);
    put_number(1048, 4, 2);
    put_number(1100, 4, 1);
    CHECK(said(4096, "ext4"));
    put_number(1048, 4, 100);
    CHECK(!strstr(words(4096), "ext4"));
}

static void texts(void)
{
    static const struct {
        const char *text, *part;
    } files[] = {
        {"#!/bin/sh\nexit 0\n", "a script"},
        {"#\n# Linux/x86 6.1.0 Kernel Configuration\n#\n", "the configuration of a kernel"},
        {"<!DOCTYPE html>\n<title>404</title>\n", "a web page"},
        {"ffffffff81000000 T _text\n", "--symbols"},
        {"ffffffff81000000\n", "a text file"},
        {"Hello.\n", "a text file"},
        {"Gr\xc3\xbc\xc3\x9f Gott\n", "a text file"},
        {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        put(0, files[i].text, strlen(files[i].text));
        CHECK(said(strlen(files[i].text), files[i].part));
    }
    put(0, "Hello\0", 6);
    CHECK(!*words(6));
}

static void nothing_known(void)
{
    clear();
    CHECK(!*words(1));
    CHECK(!*words(sizeof(data)));
    memset(data, 0, sizeof(data));
    CHECK(said(sizeof(data), "zeros at its start"));
    CHECK(said(100, "nothing but zeros"));
    CHECK(!strstr(words(100), "start"));
}

/* A long name is not quoted, so that the command can be. */
static void long_name(void)
{
    char file[300], text[256];
    struct image img = {.name = file, .fd = -1, .data = data, .size = 4096};

    memset(file, 'x', sizeof(file));
    file[sizeof(file) - 1] = 0;
    clear();
    put(0, "!<arch>\ndebian-binary", 21);
    CHECK(identify(&img, text, sizeof(text)));
    CHECK(strstr(text, "'dpkg -x FILE DIR'"));
}

static void program(void)
{
    static uint8_t bytes[1024];
    struct image img = {.name = "program", .data = bytes, .size = sizeof(bytes)};

    CHECK(identify_program(&img)); /* zeros */
    bytes[510] = 0x55;
    bytes[511] = 0xaa;
    CHECK(identify_program(&img)); /* a boot sector */
    CHECK(identify_boot_sector(&img));
    bytes[446] = 0x80; /* a partition */
    bytes[450] = 0x83;
    bytes[454] = bytes[458] = 1;
    CHECK(!identify_program(&img));
    CHECK(!identify_boot_sector(&img));
    memset(bytes, 0x90, sizeof(bytes));
    CHECK(identify_program(&img)); /* code */
    memcpy(bytes, "\177ELF", 4);
    CHECK(!identify_program(&img));
    memcpy(bytes, "1\300", 2); /* xor ax, ax */
    img.size = 2;
    CHECK(identify_program(&img));
    img.data = (const uint8_t *)"a text\n";
    img.size = 7;
    CHECK(!identify_program(&img));
}

int main(void)
{
    return test_main((struct test[]){
        {by_magic, "files with a magic number, and none when it is cut"},
        {elf_files, "ELF files for other machines, and of other types"},
        {elf_programs, "ELF programs, by their interpreter or note"},
        {kernel_module, "kernel modules"},
        {pe_files, "programs of UEFI, Windows and DOS; unified kernel images"},
        {disks, "disks with partitions, boot sectors, file systems"},
        {texts, "texts"},
        {nothing_known, "zeros, and what nothing is known about"},
        {long_name, "commands name the file unless its name is long"},
        {program, "what may be a flat program, and what is none"},
        {0},
    });
}

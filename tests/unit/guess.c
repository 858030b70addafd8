// SPDX-License-Identifier: MIT
/*
 * What flat programs are taken for: starts that compilers and people write with 16, 32 and 64 bits.
 */
#include "boot/guess.h"
#include "tests/unit/random.h"
#include "tests/unit/test.h"

static int bits(const void *code, size_t size)
{
    return guess_bits(&(struct image){.name = "program", .fd = -1, .data = code, .size = size});
}

/* A string of bytes, without the zero at its end. */
#define BITS(code) bits(code, sizeof(code) - 1)

static void test_64(void)
{
    /* lea rsi, [rip + 0x19]; mov dx, 0x3f8; lodsq; test rax, rax; jz; out dx, al; hlt */
    CHECK_EQ(BITS("\x48\x8d\x35\x19\0\0\0\x66\xba\xf8\x03\x48\xad\x48\x85\xc0\x74\x01\xee\xf4"),
             64);
    /* endbr64; push rbp; mov rbp, rsp; sub rsp, 16; mov dword [rbp - 4], 42; leave; ret */
    CHECK_EQ(BITS("\xf3\x0f\x1e\xfa\x55\x48\x89\xe5\x48\x83\xec\x10\xc7\x45\xfc\x2a\0\0\0\xc9\xc3"),
             64);
    /* mov rax, 0x1122334455; movabs rdi, 0x100000; hlt */
    CHECK_EQ(BITS("\x48\xbf\0\0\x10\0\0\0\0\0\xf4"), 64);
}

static void test_32(void)
{
    /* mov esp, 0x80100000; mov eax, 0x23; mov ds, eax; hlt */
    CHECK_EQ(BITS("\xbc\0\0\x10\x80\xb8\x23\0\0\0\x8e\xd8\xf4"), 32);
    /* push ebp; mov ebp, esp; mov edx, 0x3f8; mov eax, 'x'; out dx, al; pop ebp; ret */
    CHECK_EQ(BITS("\x55\x89\xe5\xba\xf8\x03\0\0\xb8\x78\0\0\0\xee\x5d\xc3"), 32);
    /* cli; jmp over 4 bytes of data; mov ecx, 5; mov ebx, 1; hlt */
    CHECK_EQ(BITS("\xfa\xeb\x04\xff\xff\xff\xff\xb9\x05\0\0\0\xbb\x01\0\0\0\xf4"), 32);
}

/* What is a 16-bit program, or may be one, is left alone. */
static void test_16(void)
{
    CHECK_EQ(BITS("\xf4"), 0);
    /* mov dx, 0x3f8; mov al, 'x'; out dx, al; hlt */
    CHECK_EQ(BITS("\xba\xf8\x03\xb0\x78\xee\xf4"), 0);
    /* mov dx, 0x500; mov al, 0; out dx, al, which ends it; zeros, as in mov eax, 0 */
    CHECK_EQ(BITS("\xba\0\x05\xb0\0\xee\xb8\0\0\0\0\xf4"), 0);
    /* dec ax; mov bx, ax; ud2, for its exception */
    CHECK_EQ(BITS("\x48\x89\xc3\x0f\x0b"), 0);
    /* xor ax, ax; and off into the zeros */
    CHECK_EQ(BITS("\x31\xc0\0\0\0\0\0\0"), 0);
    /* jz over zeros, which may always be taken */
    CHECK_EQ(BITS("\x31\xc0\x74\x04\xb8\0\0\0\0\xf4"), 0);
    /* mov eax, 5; mov [0], eax; hlt, with the prefixes that 16-bit code has */
    CHECK_EQ(BITS("\x66\xb8\x05\0\0\0\x66\xa3\0\0\xf4"), 0);
    /* nothing but zeros; the end of the file in an instruction */
    CHECK_EQ(BITS("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0);
    CHECK_EQ(BITS("\xb8"), 0);
    /* mov ax, 1; add [bx + si], al; hlt */
    CHECK_EQ(BITS("\xb8\x01\0\0\0\xf4"), 0);
    /* the same, and mov bx, 0x1234; mov cx, ax: defined as mov ebx, 0xc1891234, too */
    CHECK_EQ(BITS("\xb8\x01\0\0\0\xbb\x34\x12\x89\xc1\xf4"), 0);
    /* jmp to itself */
    CHECK_EQ(BITS("\xeb\xfe"), 0);
}

/* Of noise nearly nothing is taken for a program with more bits, and all of it ends. */
static void test_noise(void)
{
    int taken = 0;

    for (int i = 0; i < 20000; i++) {
        uint8_t code[64];

        for (size_t j = 0; j < sizeof(code); j++)
            code[j] = random64();
        taken += bits(code, sizeof(code)) != 0;
    }
    CHECK(taken < 20);
}

int main(void)
{
    return test_main((struct test[]){
        {test_64, "64 bits"},
        {test_32, "32 bits"},
        {test_16, "16 bits, or who knows"},
        {test_noise, "noise"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Any bytes at all, in any mode: decoder and disassembler come to an end, read nothing behind the
 * bytes they are given, and say that an instruction has no more of them.
 *
 * usage: soft-decode-fuzz [ROUNDS [SEED]]
 */
#include "tests/unit/random.h"
#include "tests/unit/test.h"
#include "x86/soft/disasm.h"
#include "x86/soft/decode.h"

#include <stdlib.h>
#include <sys/mman.h>

static int rounds = 20000;

static uint8_t odd_byte(void)
{
    static const uint8_t odd[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x64, 0x48, 0x4f,
                                  0x0f, 0xc4, 0xc5, 0x38, 0x3a, 0x00, 0xff, 0x62, 0x8f};

    return below(2) ? PICK(odd) : (uint8_t)random64();
}

static void fuzz(void)
{
    uint8_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED && !mprotect(page + 4096, 4096, PROT_NONE));
    for (int i = 0; i < rounds * 10 && !test_failures; i++) {
        int n = 1 + below(SOFT_MAX_LEN);
        uint8_t *bytes = page + 4096 - n;
        uint32_t mode = (random64() & 0x1ffc) | (1 + below(3));
        struct soft_op op;
        char text[100];
        size_t size = 1 + below(sizeof(text));

        for (int k = 0; k < n; k++)
            bytes[k] = odd_byte();
        /* Kinds of stack there are three of. */
        if ((mode >> MODE_STACK_SHIFT & 3) == KINDS)
            mode &= ~(3 << MODE_STACK_SHIFT);
        struct soft_decoded d = soft_decode(mode, bytes, n, below(4096), &op);

        CHECK(d.len >= 0 && d.len <= n);
        CHECK(!d.len || (op.run && op.len == d.len));
        CHECK(d.len || n < SOFT_MAX_LEN);
        memset(text, 'x', sizeof(text));
        CHECK_EQ(soft_disassemble(mode, bytes, n, random64(), text, size), d.len);
        CHECK(memchr(text, 0, size));
        for (size_t k = size; k < sizeof(text); k++)
            CHECK(text[k] == 'x');
        if (test_failures)
            for (int k = 0; k < n; k++)
                printf("%s%02x%s", k ? " " : "# ", bytes[k], k == n - 1 ? "\n" : "");
    }
    munmap(page, 8192);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atoi(argv[1]);
    if (argc > 2)
        seed ^= strtoull(argv[2], NULL, 0) << 8;
    return test_main((struct test[]){
        {fuzz, "any bytes in any mode are decoded and shown, and no others are read"},
        {0},
    });
}

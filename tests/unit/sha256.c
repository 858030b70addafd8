// SPDX-License-Identifier: MIT
/*
 * SHA-256: the examples of its standard, and sha256sum's answers; in pieces of every size it is the
 * same.
 */
#include "boot/sha256.h"
#include "tests/unit/test.h"

static const char *hex(const void *data, size_t n, size_t piece)
{
    static char text[2 * SHA256_SIZE + 1];
    uint8_t digest[SHA256_SIZE];
    struct sha256 s;

    sha256_init(&s);
    for (size_t at = 0; at < n; at += piece)
        sha256_add(&s, (const char *)data + at, n - at < piece ? n - at : piece);
    sha256_end(&s, digest);
    for (int i = 0; i < SHA256_SIZE; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
    return text;
}

static bool is(const char *text, const char *digest)
{
    return !strcmp(hex(text, strlen(text), 1000), digest);
}

static void examples(void)
{
    CHECK(is("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(is("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

static void pieces(void)
{
    static char data[1000000];

    memset(data, 'a', sizeof(data));
    for (size_t piece = 1; piece < 200; piece += 9)
        CHECK(!strcmp(hex(data, sizeof(data), piece),
                      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    /* Lengths around a block's end. */
    CHECK(!strcmp(hex(data, 55, 7),
                  "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"));
    CHECK(!strcmp(hex(data, 56, 7),
                  "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"));
    CHECK(!strcmp(hex(data, 64, 64),
                  "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"));
}

int main(void)
{
    return test_main((struct test[]){
        {examples, "the examples of FIPS 180-4"},
        {pieces, "in pieces of every size, of every length"},
        {0},
    });
}

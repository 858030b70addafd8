// SPDX-License-Identifier: MIT
/*
 * Unit tests of text that comes from outside.
 */
#include "hw/text.h"
#include "tests/unit/test.h"

static void check(const char *text, const char *expected)
{
    char buf[64];

    snprintf(buf, sizeof(buf), "%s", text);
    if (strcmp(text_make_plain(buf), expected))
        printf("# \"%s\", not \"%s\"\n", buf, expected);
    CHECK(!strcmp(buf, expected));
}

static void test_plain(void)
{
    check("", "");
    check("kernel.bin ~", "kernel.bin ~");
    check("\303\244 \354\273\244\353\204\220 \360\237\230\200",
          "\303\244 \354\273\244\353\204\220 \360\237\230\200");
}

static void test_control(void)
{
    check("\033]0;x\007y\177\n\t", "?]0;x?y???");
    check("a\302\233m", "a??m"); /* CSI as one character of the C1 set, */
    check("a\233m", "a?m");      /* and as a byte */
    check("\302\240", "\302\240");
}

/* Bytes that are not UTF-8, so that no decoder finds anything else in them. */
static void test_not_utf8(void)
{
    check("\200\277", "??");
    check("\300\233", "??");
    check("\340\202\233", "???");
    check("\360\202\202\233", "????");
    check("\365x", "?x");
    check("\303", "?");
    check("\354\273", "??");
    check("\354a", "?a");
}

int main(void)
{
    return test_main((struct test[]){
        {test_plain, "what is to be shown stays as it is"},
        {test_control, "what a terminal would obey is shown"},
        {test_not_utf8, "so is what is not UTF-8"},
        {0},
    });
}

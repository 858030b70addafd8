// SPDX-License-Identifier: MIT
/*
 * minivm help, minivm version.
 */
#include "hw/die.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/option.h"

#include <stdio.h>
#include <string.h>

enum {
    COLUMNS = 80,
    TEXT_COLUMN = 25
};

static const char overview[] =
    "minivm - a small virtual machine monitor\n"
    "\n"
    "  minivm run [OPTION]... KERNEL [-- COMMAND [ARG]...]\n"
    "                             a kernel: Linux, PVH, Multiboot, compressed or not\n"
    "  minivm run FILE...         16-bit programs, each on a CPU of its own\n"
    "  minivm run --long FILE     a 64-bit program\n"
    "  minivm run --pmode FILE    a 32-bit kernel, such as os-1k/kernel.bin\n"
    "  minivm run --from DIR      a machine that was saved, which goes on\n"
    "  minivm snapshot NAME DIR [--stop]\n"
    "                             save the running machine NAME (run --name NAME);\n"
    "                             it goes on, or ends\n"
    "  minivm inspect FILE        what a file is, and how it can be booted\n"
    "  minivm check [--quiet] [--engine kvm|soft]\n"
    "                             what the engines can do on this host, tried for\n"
    "                             real; status 1 when Linux does not run here, or not\n"
    "                             with that engine\n"
    "  minivm cache [clear]       list, or remove, the kernels that are kept unpacked\n"
    "  minivm help run            its options, keys and exit statuses\n"
    "  minivm version\n"
    "\n"
    "The manual: 'man minivm', or tools/manual.md as a text.\n";

static const char synopsis[] = "minivm run [OPTION]... KERNEL [-- COMMAND [ARG]...]\n"
                               "minivm run [OPTION]... FILE...\n"
                               "minivm run [OPTION]... --long FILE | --pmode FILE [FILE...]\n"
                               "minivm run [OPTION]... --from DIR\n"
                               "\n"
                               "Boots a guest with its console, COM1, on stdin and stdout.\n";

static const char run_status[] =
    "\n"
    "Exit status: the guest's own, when it gave one (its shell's or COMMAND's; of\n"
    "several guests the first that is not 0); else\n"
    "  0    the guest switched itself off, or the user quit by Ctrl-A x\n"
    "  124  --timeout ran out\n"
    "  125  minivm could not start (bad option, bad file), or not write its output\n"
    "  126  a guest crashed, sleeps for ever, or ended before COMMAND did\n"
    "  128+N  signal N ended minivm (130 also: Ctrl-A x before COMMAND ended)\n";

/* Print text without its backticks from column at on, in lines that begin at column TEXT_COLUMN. */
static void print_text(const char *s, int at)
{
    while (*s) {
        int len = (int)strcspn(s, " "), width = len;

        for (int i = 0; i < len; i++)
            width -= s[i] == '`';
        if (at > TEXT_COLUMN && at + 1 + width >= COLUMNS) {
            putchar('\n');
            at = 0;
        }
        if (at < TEXT_COLUMN) {
            printf("%*s", TEXT_COLUMN - at, "");
            at = TEXT_COLUMN;
        } else if (at > TEXT_COLUMN) {
            putchar(' ');
            at++;
        }
        for (int i = 0; i < len; i++)
            if (s[i] != '`')
                putchar(s[i]);
        at += width;
        s += len;
        s += strspn(s, " ");
    }
    putchar('\n');
}

static void print_option(const struct option *opt)
{
    int at;

    if (opt->kind == ALIAS)
        return;
    if (opt->kind == OPERAND) {
        at = printf("  %s", opt->name);
    } else {
        at = opt->letter ? printf("  -%c, --%s", opt->letter, opt->name)
                         : printf("      --%s", opt->name);
        if (opt->value)
            at += printf(opt->kind == OPTIONAL || opt->kind == NET ? "[=%s]" : " %s", opt->value);
    }
    if (at >= TEXT_COLUMN) {
        putchar('\n');
        at = 0;
    }
    print_text(opt->text, at);
}

static void help_run(void)
{
    fputs(synopsis, stdout);
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].group)
            printf("\n%s:\n", option_table[i].group);
        print_option(&option_table[i]);
    }
    puts("\nLong options also take --opt=VALUE.\n\nOn a terminal, after Ctrl-A:");
    print_keys(stdout, "  %-6s  %s\n", true, true);
    fputs(run_status, stdout);
}

/* What `minivm help` can be asked for; those with dashes are for other programs to read. */
static const struct {
    const char *topic;
    void (*print)(void);
} topics[] = {
    {"run", help_run},
    {"--options", print_option_list},
    {"--foreign", print_foreign_table},
    {"--keys", print_key_list},
};

int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        fputs(overview, stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (!strcmp(argv[1], topics[i].topic)) {
            topics[i].print();
            return 0;
        }
    }
    die("no help on %s; there is 'minivm help' and 'minivm help run'", argv[1]);
}

int cmd_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    puts("minivm " MINIVM_VERSION);
    return 0;
}

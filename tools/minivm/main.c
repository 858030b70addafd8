// SPDX-License-Identifier: MIT
/*
 * The minivm command: finds the subcommand.
 */
#include "hw/die.h"
#include "tools/minivm/minivm.h"
#include "tools/minivm/option.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", cmd_run},           {"check", cmd_check}, {"inspect", cmd_inspect},
    {"snapshot", cmd_snapshot}, {"cache", cmd_cache}, {"help", cmd_help},
    {"--help", cmd_help},       {"-h", cmd_help},     {"version", cmd_version},
    {"--version", cmd_version},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The first word is no command. */
static _Noreturn void die_unknown(char **argv)
{
    const char *near = NULL;
    int best = NEAR;

    if (argv[0][0] == '-' || is_program(argv[0]))
        die("did you mean: minivm run %s", shell_words(argv));
    for (size_t i = 0; i < COMMANDS; i++)
        if (is_near(argv[0], strlen(argv[0]), commands[i].name, &best))
            near = commands[i].name;
    if (near)
        die("unknown command %s; did you mean: minivm %s", argv[0], near);
    die("unknown command %s; there are run, snapshot, check, inspect, cache, help and version "
        "('minivm "
        "help')",
        argv[0]);
}

/* A full disk may show only when the last bytes are written. */
static void close_stdout(void)
{
    bool failed = ferror(stdout);

    errno = 0;
    if (fclose(stdout) == 0 && !failed)
        return;
    fprintf(stderr, "minivm: stdout: %s\n", errno ? strerror(errno) : "cannot be written");
    _exit(EXIT_USAGE);
}

/* All that a command prints fits, so that what fails is the last write, whose errno is known. */
static void buffer_stdout(void)
{
    static char buffer[64 * 1024];

    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    atexit(close_stdout);
}

int main(int argc, char **argv)
{
    buffer_stdout();
    if (argc < 2)
        die("say what to do: run, snapshot, check, inspect, cache, help or version ('minivm "
            "help')");
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    die_unknown(argv + 1);
}

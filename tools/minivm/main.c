// SPDX-License-Identifier: MIT
/*
 * The minivm command: finds the subcommand.
 */
#include "hw/die.h"
#include "tools/minivm/minivm.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", cmd_run},         {"check", cmd_check},       {"inspect", cmd_inspect},
    {"help", cmd_help},       {"--help", cmd_help},       {"-h", cmd_help},
    {"version", cmd_version}, {"--version", cmd_version},
};

int main(int argc, char **argv)
{
    if (argc < 2)
        die("say what to do: run, check, inspect, help or version ('minivm help')");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    die("unknown command %s; there are run, check, inspect, help and version ('minivm help')",
        argv[1]);
}

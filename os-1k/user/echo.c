// SPDX-License-Identifier: MIT
/*
 * Says what it is told, until it is told to quit.
 */
#include "os-1k/user/user.h"

int main(const char *arguments)
{
    char line[80];

    printf("Type a line, or quit.\n");
    while (readline("$ ", line, sizeof(line)) >= 0 && strcmp(line, "quit") != 0)
        printf("Echo: %s\n", line);
    return 0;
}

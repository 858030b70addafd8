// SPDX-License-Identifier: MIT
/*
 * Counts slowly, and is busy all the time: it never waits, so that another process runs only
 * because the timer takes the CPU away from this one.
 */
#include "os-1k/user/user.h"

enum {
    DEFAULT = 5,
    PAUSE = 5, /* ticks */
};

int main(const char *arguments)
{
    int last = DEFAULT;

    parse_int(arguments, &last);
    for (int i = 1; i <= last; i++) {
        int start = ticks();

        printf("process %d: %d\n", getpid(), i);
        while (ticks() - start < PAUSE)
            ;
    }
    return 0;
}

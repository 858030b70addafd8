/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of what has threads: how to know that one waits, without a clock.
 */
#ifndef TESTS_UNIT_THREAD_H
#define TESTS_UNIT_THREAD_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum {
    TEST_LIMIT_S = 600 /* for alarm(2): a test that hangs must end, too */
};

/* Is the thread of this process asleep in the kernel? */
static inline bool test_asleep(pid_t tid)
{
    char path[64], state = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    FILE *f = fopen(path, "r");

    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(f);
    return state == 'S';
}

#endif

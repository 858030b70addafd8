// SPDX-License-Identifier: MIT
/*
 * A bar that fills as time goes by. Between two pictures of it the program sleeps, and the
 * processor with it, when nobody else has something to do.
 */
#include "os-1k/user/user.h"

enum {
    DEFAULT = 3, /* seconds */
    MOST = 3600,
    WIDTH = 20,
    FRAME = TICKS_PER_SECOND / 10,
};

static void show(int now, int all)
{
    char bar[WIDTH + 1];
    int full = now * WIDTH / all;

    memset(bar, ' ', WIDTH);
    memset(bar, '#', full);
    bar[WIDTH] = '\0';
    printf("\r[%s] %d.%d s", bar, now / 10, now % 10);
}

int main(const char *arguments)
{
    int seconds = DEFAULT, start = ticks();

    if (*arguments && (!parse_int(arguments, &seconds) || seconds < 1 || seconds > MOST)) {
        printf("timer: name the seconds, 1 to %d\n", MOST);
        return 1;
    }
    /* Counted from the start, so that what it takes to show it makes no difference. */
    for (int i = 0; i < seconds * 10; i++) {
        show(i, seconds * 10);
        sleep(start + (i + 1) * FRAME - ticks());
    }
    show(seconds * 10, seconds * 10);
    printf("\n");
    return 0;
}

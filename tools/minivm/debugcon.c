// SPDX-License-Identifier: MIT
/*
 * Debug output.
 */
#include "tools/minivm/debugcon.h"
#include "hw/die.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What fits wherever poll() says that something does: a terminal promises no more. */
#define PIECE 256

void debugcon_open(struct debugcon *d, const char *file)
{
    d->name = file;
    d->fd = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDERR_FILENO;
    if (d->fd < 0)
        die("--debugcon=%s: %m", file);
}

/* Write what can be written within timeout_ms each. */
static void write_kept(struct debugcon *d, int timeout_ms)
{
    size_t done = 0;

    while (done < d->n && !d->error) {
        struct pollfd p = {.fd = d->fd, .events = POLLOUT};
        size_t left = d->n - done;

        if (poll(&p, 1, timeout_ms) != 1)
            break;

        ssize_t n = write(d->fd, d->kept + done, left < PIECE ? left : PIECE);

        if (n > 0)
            done += n;
        else if (errno != EINTR && errno != EAGAIN)
            d->error = errno;
    }
    memmove(d->kept, d->kept + done, d->n - done);
    d->n -= done;
}

void debugcon_put(void *debugcon, uint8_t byte)
{
    struct debugcon *d = debugcon;

    if (d->error)
        return;
    if (d->n < DEBUGCON_KEPT)
        d->kept[d->n++] = (char)byte;
    else
        d->lost++;
    write_kept(d, 0);
}

bool debugcon_finish(struct debugcon *d, int timeout_ms)
{
    const char *name = d->name ? d->name : "stderr";

    write_kept(d, timeout_ms);
    d->lost += d->n;
    if (d->name && close(d->fd) < 0 && !d->error)
        d->error = errno;
    if (d->error)
        fprintf(stderr, "minivm: %s: %s\n", name, strerror(d->error));
    else if (d->lost)
        fprintf(stderr, "minivm: %s: nobody read the last %llu bytes of debug output\n", name,
                (unsigned long long)d->lost);
    return !d->error;
}

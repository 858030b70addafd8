// SPDX-License-Identifier: MIT
/*
 * Debug output.
 */
#include "tools/minivm/debugcon.h"
#include "hw/die.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void debugcon_open(struct debugcon *d, const char *file, struct writer *err)
{
    int fd;

    *d = (struct debugcon){.name = file, .to = err};
    if (!file)
        return;
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        die("--debugcon=%s: %m", file);
    writer_init(&d->file, fd, DEBUGCON_KEPT, NULL, NULL);
    d->to = &d->file;
}

void debugcon_put(void *debugcon, uint8_t byte)
{
    writer_put(((struct debugcon *)debugcon)->to, &byte, 1);
}

void debugcon_finish(struct debugcon *d, uint64_t deadline, struct ending *e)
{
    if (!d->name)
        return;
    writer_patience(&d->file, deadline);
    writer_finish(&d->file);
    int error = d->file.error;

    if (close(d->file.fd) < 0 && !error)
        error = errno;
    if (error)
        ending_output(e, d->name, error);
    else if (d->file.lost)
        ending_say(e, "minivm: %s: nobody read the last %llu bytes of debug output\n", d->name,
                   (unsigned long long)d->file.lost);
}

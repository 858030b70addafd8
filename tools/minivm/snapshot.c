// SPDX-License-Identifier: MIT
/*
 * minivm snapshot: asks a running machine to save itself.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "tools/minivm/control.h"
#include "tools/minivm/minivm.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For another process, which may be elsewhere. */
static char *absolute(const char *dir)
{
    char *cwd = getcwd(NULL, 0), *path;

    if (*dir == '/')
        return strdup(dir);
    if (!cwd || asprintf(&path, "%s/%s", cwd, dir) < 0)
        die("%s: the current directory has no name: %m", dir);
    free(cwd);
    return path;
}

int cmd_snapshot(int argc, char **argv)
{
    const char *word[2];
    int words = 0, stop = 0;

    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--stop"))
            stop = 1;
        else if (*argv[i] == '-' || words == 2)
            die("snapshot: %s: say minivm snapshot NAME DIR [--stop]", argv[i]);
        else
            word[words++] = argv[i];
    if (words < 2)
        die("snapshot: say minivm snapshot NAME DIR [--stop]");
    int fd = control_connect(word[0]);
    json_t *request =
        json_pack("{s:s,s:s,s:b}", "do", "snapshot", "dir", absolute(word[1]), "stop", stop);
    FILE *f = fdopen(fd, "r+");

    if (!request || !f)
        die("snapshot %s: its directory's name is not UTF-8", word[0]);
    if (json_dumpf(request, f, JSON_COMPACT) || fputc('\n', f) == EOF || fflush(f))
        die("%s: %m", word[0]);
    json_decref(request);

    json_t *answer = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
    const char *error = json_string_value(json_object_get(answer, "error"));

    if (error)
        die("%s", error);
    if (!json_is_true(json_object_get(answer, "ok")))
        die("%s: the machine ended before it was saved", word[0]);
    json_decref(answer);
    fclose(f);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Requests of FUSE made by hand, on a directory of the host's that is gone afterwards.
 */
#ifndef TESTS_UNIT_FUSE_H
#define TESTS_UNIT_FUSE_H

#include "hw/fuse.h"
#include "tests/unit/random.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REQUEST = 70000,
    REPLY = 70000
};

static struct share share;
static struct fuse fuse;
static char dir[32]; /* what is shared */
static int top;      /* and its descriptor */

static char request[REQUEST], reply[REPLY];
static size_t reply_len; /* without its header */
static void *const body = reply + sizeof(struct fuse_out_header);
static uint64_t unique;
static uint32_t asking_uid, asking_gid;

/* What is asked for is cut into pieces at random, as a guest may do. */
static inline int cut(char *buf, size_t len, struct iovec v[8])
{
    int n = 0;

    while (n < 7 && len) {
        size_t part = below(2) ? len : below(len + 1);

        v[n++] = (struct iovec){buf, part};
        buf += part;
        len -= part;
    }
    v[n++] = (struct iovec){buf, len};
    return n;
}

/* Serve the len bytes of request[] with room for a reply of so many bytes in all. */
static inline ssize_t serve_request(size_t len, size_t room)
{
    struct iovec in[8], out[8];
    int ins = cut(request, len, in), outs = cut(reply, room, out);

    return fuse_serve(&fuse, in, ins, out, outs);
}

/* Ask: a header, args, and text (names with their ends, or data). An error, below 0, or 0. */
static inline int ask_bytes(uint32_t opcode, uint64_t node, const void *args, size_t args_len,
                            const void *text, size_t text_len)
{
    size_t len = sizeof(struct fuse_in_header) + args_len + text_len;
    struct fuse_in_header h = {len, opcode, ++unique, node, asking_uid, asking_gid, 1, 0, 0};
    struct fuse_out_header out;
    ssize_t got;

    memcpy(request, &h, sizeof(h));
    if (args_len)
        memcpy(request + sizeof(h), args, args_len);
    if (text_len)
        memcpy(request + sizeof(h) + args_len, text, text_len);
    memset(reply, 0xee, sizeof(reply));
    got = serve_request(len, REPLY);
    if (got == FUSE_LATER)
        return 1;
    reply_len = 0;
    if (got == 0)
        return 0;
    memcpy(&out, reply, sizeof(out));
    if (out.unique != unique || out.len != got || (out.error && out.len != sizeof(out)) ||
        out.error > 0)
        abort();
    reply_len = got - sizeof(out);
    return out.error;
}

static inline int ask(uint32_t opcode, uint64_t node, const void *args, size_t len,
                      const char *name)
{
    return ask_bytes(opcode, node, args, len, name, name ? strlen(name) + 1 : 0);
}

#define ASK(opcode, node, name, type, ...)                                                         \
    ask(opcode, node, &(struct fuse_##type){__VA_ARGS__}, sizeof(struct fuse_##type), name)

static inline int init_fuse(uint32_t minor, uint32_t flags)
{
    return ASK(FUSE_INIT, 0, NULL, init_in, 7, minor, 131072, flags, 0, {0});
}

static inline void begin_share(bool read_only)
{
    strcpy(dir, "/tmp/minivm-fuse-XXXXXX");
    if (!mkdtemp(dir) || (top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        abort();
    chmod(dir, 0777);
    share_init(&share, dir, read_only);
    fuse_init(&fuse, &share);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void end_share(void)
{
    share_free(&share);
    close(top);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The number of a name, or 0; *e. */
static inline uint64_t look_up(uint64_t node, const char *name)
{
    struct fuse_entry_out *e = body;

    return ask(FUSE_LOOKUP, node, NULL, 0, name) ? 0 : e->nodeid;
}

static inline void host_file(const char *name, const char *text)
{
    int fd = openat(top, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

#endif

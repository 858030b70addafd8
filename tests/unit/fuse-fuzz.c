// SPDX-License-Identifier: MIT
/*
 * Thousands of hostile requests to a shared directory, while another process swaps directories for
 * links: each has a reply of the right form, nothing is read or written outside of what a request
 * consists of, and nothing changes outside the directory.
 *
 *     fuse-fuzz [rounds [seed]]
 */
#define _GNU_SOURCE
#include "tests/unit/fuse.h"
#include "tests/unit/fuzz.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum {
    KNOWN = 32
};

static uint64_t node[KNOWN], handle[KNOWN]; /* that were given */
static char outside[] = "/tmp/minivm-outside-XXXXXX";

static uint64_t odd(void)
{
    static const uint64_t special[] = {0,         1,          4095, 4096,      0x7fffffff,
                                       INT64_MAX, UINT64_MAX, 16,   1u << 31u, 0xffffffff};

    return odd_number(special, sizeof(special) / sizeof(special[0]), 100);
}

static uint64_t some_node(void)
{
    return below(16) ? (below(3) ? PICK(node) : 1) : odd();
}

static uint64_t some_handle(void)
{
    return below(16) ? PICK(handle) : odd();
}

/* A name, mostly a good one, with its end or not. */
static size_t put_name(char *at)
{
    static const char *const names[] = {
        "dir", "swap", "a",    "b",   "c",    "d",   "..",   ".",      "a/b",
        "",    "/etc", "../x", "dir", "swap", "dir", "swap", "user.a", "security.capability"};
    size_t len = strlen(strcpy(at, PICK(names)));

    if (below(32) == 0)
        memset(at + len, 'x', 300), len += below(300), at[len] = 0;
    return len + (below(64) != 0);
}

/* Arguments of any sort, of which the most important numbers mostly make sense. */
static size_t put_arguments(uint32_t opcode, char *at)
{
    static const size_t len[] = {
        [FUSE_FORGET] = 8,       [FUSE_GETATTR] = 16,
        [FUSE_SETATTR] = 88,     [FUSE_MKNOD] = 16,
        [FUSE_MKDIR] = 8,        [FUSE_RENAME] = 8,
        [FUSE_LINK] = 8,         [FUSE_OPEN] = 8,
        [FUSE_READ] = 40,        [FUSE_WRITE] = 40,
        [FUSE_RELEASE] = 24,     [FUSE_FSYNC] = 16,
        [FUSE_SETXATTR] = 8,     [FUSE_GETXATTR] = 8,
        [FUSE_LISTXATTR] = 8,    [FUSE_FLUSH] = 24,
        [FUSE_INIT] = 64,        [FUSE_OPENDIR] = 8,
        [FUSE_READDIR] = 40,     [FUSE_RELEASEDIR] = 24,
        [FUSE_FSYNCDIR] = 16,    [FUSE_GETLK] = 48,
        [FUSE_SETLK] = 48,       [FUSE_SETLKW] = 48,
        [FUSE_CREATE] = 16,      [FUSE_INTERRUPT] = 8,
        [FUSE_BATCH_FORGET] = 8, [FUSE_FALLOCATE] = 32,
        [FUSE_READDIRPLUS] = 40, [FUSE_RENAME2] = 16,
        [FUSE_LSEEK] = 24,       [FUSE_COPY_FILE_RANGE] = 56,
        [FUSE_SYNCFS] = 8,       [FUSE_TMPFILE] = 16,
    };
    size_t n = opcode < sizeof(len) / sizeof(len[0]) ? len[opcode] : 0;

    for (size_t i = 0; i < n; i += 4) {
        uint32_t val = below(3) ? below(5) : odd();

        memcpy(at + i, &val, 4);
    }
    if (n >= 16 && below(8)) {
        uint64_t fh = opcode == FUSE_RENAME2 ? some_node() : some_handle();

        memcpy(at + (opcode == FUSE_SETATTR ? 8 : 0), &fh, 8);
    }
    if (opcode == FUSE_COPY_FILE_RANGE)
        memcpy(at + 24, &(uint64_t){some_handle()}, 8);
    if ((opcode == FUSE_RENAME || opcode == FUSE_LINK) && below(8))
        memcpy(at, &(uint64_t){some_node()}, 8);
    if ((opcode == FUSE_CREATE || opcode == FUSE_OPEN || opcode == FUSE_TMPFILE) && below(8))
        memcpy(at, &(uint32_t){below(3) | (below(4) ? 0 : O_TRUNC)}, 4);
    if (opcode == FUSE_MKNOD && below(8))
        memcpy(at, &(uint32_t){S_IFREG | 0777}, 4);
    if (opcode == FUSE_READ || opcode == FUSE_WRITE || opcode == FUSE_READDIR ||
        opcode == FUSE_READDIRPLUS)
        memcpy(at + 16, &(uint32_t){below(8) ? below(5000) : odd()}, 4);
    if (opcode == FUSE_INIT && below(4))
        memcpy(at, (uint32_t[]){7, 31 + below(9), 0, odd()}, 16);
    return n;
}

static void remember(uint32_t opcode, const char *answer, size_t len)
{
    const struct fuse_entry_out *e = (const void *)answer;

    if (opcode == FUSE_OPEN || opcode == FUSE_OPENDIR)
        memcpy(&PICK(handle), answer, 8);
    else if (len >= sizeof(*e) &&
             (opcode == FUSE_LOOKUP || opcode == FUSE_MKDIR || opcode == FUSE_CREATE ||
              opcode == FUSE_TMPFILE || opcode == FUSE_MKNOD || opcode == FUSE_SYMLINK))
        memcpy(&PICK(node), &e->nodeid, 8);
    if (opcode == FUSE_CREATE || opcode == FUSE_TMPFILE)
        memcpy(&PICK(handle), e + 1, 8);
}

/* One request; its reply's error, or 0. In memory of exactly its size, of which ASan knows. */
static int ask_oddly(void)
{
    static const uint32_t common[] = {FUSE_LOOKUP, FUSE_LOOKUP, FUSE_OPEN,       FUSE_OPENDIR,
                                      FUSE_CREATE, FUSE_WRITE,  FUSE_READDIRPLUS};
    uint32_t opcode = below(3) == 0 ? PICK(common) : below(32) ? below(56) : odd();
    struct fuse_in_header h = {.opcode = opcode,
                               .unique = random64(),
                               .nodeid = some_node(),
                               .uid = below(2) ? 0 : odd(),
                               .gid = below(2) ? 0 : odd()};
    size_t len = sizeof(h), room = below(8) ? 4096 : below(200);
    struct fuse_out_header answer;
    struct iovec in[8], out[8];
    char *from, *to;
    ssize_t got;
    int ins, outs;

    if (opcode == FUSE_INIT && below(20))
        return 0;
    if (opcode == FUSE_DESTROY && below(20))
        return 0;
    len += put_arguments(opcode, request + len);
    len += put_name(request + len);
    if (below(2))
        len += put_name(request + len);
    if (below(8) == 0)
        len += below(5000);
    if (below(16) == 0)
        len = below(len);
    h.len = below(16) ? len : odd();
    memcpy(request, &h, sizeof(h));
    from = malloc(len + 1);
    to = malloc(room + 1);
    memcpy(from, request, len);
    ins = cut(from, len, in);
    outs = cut(to, room, out);
    got = fuse_serve(&fuse, in, ins, out, outs);
    CHECK(got == FUSE_LATER || got == 0 || (got >= 16 && got <= (ssize_t)room));
    answer.error = 0;
    if (got > 0) {
        memcpy(&answer, to, sizeof(answer));
        CHECK_EQ(answer.len, got);
        CHECK_EQ(answer.unique, h.unique);
        CHECK(answer.error <= 0 && answer.error > -600 && (!answer.error || got == 16));
        if (!answer.error)
            remember(opcode, to + 16, got - 16);
    }
    free(from);
    free(to);
    return answer.error;
}

static void fuzz(void)
{
    struct rlimit small = {1 << 20, 1 << 20};
    char name[64];
    struct stat before, after;
    int served = 0, errors[600] = {0};
    pid_t child;

    CHECK(mkdtemp(outside));
    chmod(outside, 0700);
    snprintf(name, sizeof(name), "%s/a", outside);
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(!stat(name, &before));
    setrlimit(RLIMIT_FSIZE, &small);
    begin_share(false);
    share.node_fd_limit = 8;
    mkdirat(top, "dir", 0777);
    CHECK(!symlinkat(outside, top, "swap"));
    fflush(stdout);
    child = fork();
    if (!child)
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;)
            if (renameat2(top, "dir", top, "swap", RENAME_EXCHANGE) < 0) {
                mkdirat(top, "dir", 0777);
                (void)!symlinkat(outside, top, "swap");
            }
    init_fuse(38, 0x7fffffff);
    for (int i = 0; i < rounds && !test_failures; i++) {
        int error = ask_oddly();

        errors[-error]++;
        served += !error;
        if (below(500) == 0)
            init_fuse(38, 0x7fffffff);
        if (test_failures)
            printf("# in round %d\n", i);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    printf("# %d of %d served, %d stale, %d bad handles, %d invalid\n", served, rounds,
           errors[ESTALE], errors[EBADF], errors[EINVAL]);
    CHECK(served > rounds / 20 && served < rounds);
    end_share();

    /* Outside there is one file still, as it was, but for links to its name. */
    CHECK(!stat(name, &after));
    CHECK(after.st_size == 0 && after.st_mode == before.st_mode &&
          after.st_mtim.tv_nsec == before.st_mtim.tv_nsec && after.st_nlink == 1 &&
          after.st_uid == before.st_uid);
    unlink(name);
    CHECK_EQ(rmdir(outside), 0);
}

int main(int argc, char **argv)
{
    fuzz_arguments(argc, argv);
    return test_main((struct test[]){
        {fuzz, "hostile requests are answered, and nothing changes outside the directory"},
        {0},
    });
}

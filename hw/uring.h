/* SPDX-License-Identifier: MIT */
/*
 * The host's io_uring, for what would make us wait.
 *
 * Its owner serialises all calls. Where it was not built in, or the host forbids it, there is none.
 */
#ifndef HW_URING_H
#define HW_URING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct uring;

/* Make one; NULL where there can be none. */
struct uring *uring_make(void);

/* Give it back. Nothing is under way. */
void uring_free(struct uring *u);

/* Readable when something has ended: to be watched. */
int uring_fd(const struct uring *u);

/* Put a read or an fdatasync in line, with a tag to know it by; false when too many are under way.
 * The array at v stays as it is until the read has ended. */
bool uring_read(struct uring *u, int fd, const struct iovec *v, int n, uint64_t offset, void *tag);
bool uring_sync(struct uring *u, int fd, void *tag);

/* Begin what is in line. */
void uring_go(struct uring *u);

/* Take one that has ended: its tag, and what the system call would have returned, or -errno. False:
 * there is none; with wait, which begins what is in line, nothing is under way either. */
bool uring_reap(struct uring *u, bool wait, void **tag, int *result);

#endif

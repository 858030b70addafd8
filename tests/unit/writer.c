// SPDX-License-Identifier: MIT
/*
 * Unit tests of the writer: readers that are slow, asleep or gone.
 */
#define _GNU_SOURCE
#include "tools/minivm/writer.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <termios.h>

#define MUCH    (128 * 1024) /* bytes: more than anybody lets wait, and than a small pipe holds */
#define A_WHILE 20000000     /* ns */

static struct writer w;
static int out = -1; /* the other end of its pipe */
static int failures;

static void failed(void *to)
{
    CHECK(to == &failures);
    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

static void setup(size_t limit)
{
    int p[2] = {-1, -1};

    CHECK(!pipe2(p, O_CLOEXEC));
    fcntl(p[1], F_SETPIPE_SZ, 4096);
    out = p[0];
    failures = 0;
    writer_init(&w, p[1], limit, failed, &failures);
}

static void teardown(void)
{
    close(w.fd);
    close(out);
}

static void put(size_t n)
{
    static char bytes[2 * MUCH];

    memset(bytes, 'x', n);
    writer_put(&w, bytes, n);
}

/* Read n bytes. */
static void take(size_t n)
{
    static char bytes[2 * MUCH];

    while (n > 0) {
        ssize_t got = read(out, bytes, n);

        CHECK(got > 0);
        if (got <= 0)
            return;
        n -= got;
    }
}

static void test_all(void)
{
    setup(SIZE_MAX);
    put(1);
    take(1);
    put(MUCH);
    put(MUCH);
    take(2 * MUCH);
    CHECK(writer_finish(&w));
    CHECK_EQ(w.lost + w.error + failures, 0);
    teardown();

    setup(SIZE_MAX);
    CHECK(writer_finish(&w)); /* which has never had anything to do */
    teardown();
}

/* What does not fit is lost as a piece, and counted; what comes when there is room again is not. */
static void test_limit(void)
{
    setup(MUCH);
    put(MUCH - 10);
    put(11);
    CHECK_EQ(w.lost, 11);
    put(10);
    CHECK_EQ(w.lost, 11);
    take(MUCH);
    writer_drain(&w, WRITER_PATIENT / 2);
    CHECK_EQ(writer_unwritten(&w), 0);
    put(100);
    take(100);
    put(MUCH + 1);
    CHECK_EQ(w.lost, 11 + MUCH + 1);
    CHECK(writer_finish(&w));
    teardown();
}

static void count_drained(void *to)
{
    __atomic_add_fetch((int *)to, 1, __ATOMIC_RELEASE);
}

/* Who gave much is told once, when little of it is left. */
static void test_drained(void)
{
    int count = 0;

    setup(SIZE_MAX);
    w.drained = count_drained;
    w.drained_to = &count;
    put(100);
    take(100);
    writer_drain(&w, WRITER_PATIENT / 2);
    put(MUCH);
    take(MUCH / 2);
    CHECK_EQ(__atomic_load_n(&count, __ATOMIC_ACQUIRE), 0);
    take(MUCH / 2);
    CHECK(writer_finish(&w));
    CHECK_EQ(count, 1);
    teardown();

    /* What nobody will ever read waits no longer, either. */
    setup(SIZE_MAX);
    w.drained = count_drained;
    w.drained_to = &count;
    close(out);
    out = -1;
    put(100);
    CHECK(!writer_finish(&w));
    CHECK_EQ(count, 2);
    teardown();
}

/* A sleeper is left at the deadline, and so is its thread; what it has read, it has. */
static void test_patience(void)
{
    setup(SIZE_MAX);
    put(MUCH);
    CHECK_EQ(poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, -1), 1);
    writer_patience(&w, clock_host(CLOCK_MONOTONIC) + A_WHILE);
    writer_wait(&w);
    CHECK(writer_unwritten(&w) > MUCH / 2);
    CHECK(!writer_finish(&w));
    CHECK(!w.started);
    CHECK_EQ(w.error + failures, 0);
    put(1);
    CHECK_EQ(w.lost, 1);
    take(4096);
    teardown();
}

static void *print(void *arg)
{
    FILE *f = writer_stream(&w);
    pid_t *tid = arg;

    __atomic_store_n(tid, gettid(), __ATOMIC_RELEASE);
    for (int i = 0; i < MUCH / 16; i++)
        fprintf(f, "line %9d\n", i);
    fclose(f);
    return NULL;
}

/* Who prints to its stream waits for the reader; a release ends that. */
static void test_stream(void)
{
    pthread_t thread;
    pid_t tid = 0;

    setup(SIZE_MAX);
    pthread_create(&thread, NULL, print, &tid);
    while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE) || writer_unwritten(&w) < 64 * 1024 ||
           !test_asleep(tid))
        sched_yield();
    CHECK(writer_unwritten(&w) < 80 * 1024);
    writer_release(&w, true);
    pthread_join(thread, NULL);
    take(MUCH / 16 * 15);
    CHECK(writer_finish(&w));
    teardown();
}

static void test_gone(void)
{
    setup(SIZE_MAX);
    close(out);
    put(1);
    writer_drain(&w, WRITER_PATIENT / 2);
    CHECK(!writer_finish(&w));
    CHECK_EQ(w.error, EPIPE);
    CHECK_EQ(failures, 1);
    out = -1;
    teardown();

    writer_init(&w, open("/dev/full", O_WRONLY | O_CLOEXEC), SIZE_MAX, NULL, NULL);
    put(1);
    CHECK(!writer_finish(&w));
    CHECK_EQ(w.error, ENOSPC);
    close(w.fd);
}

/* Held, it writes nothing; then the rest, in order. */
static void test_hold(void)
{
    char byte;

    setup(SIZE_MAX);
    writer_hold(&w, true);
    put(10);
    writer_drain(&w, A_WHILE);
    CHECK_EQ(writer_unwritten(&w), 10);
    fcntl(out, F_SETFL, O_NONBLOCK);
    CHECK(read(out, &byte, 1) < 0);
    fcntl(out, F_SETFL, 0);
    writer_hold(&w, false);
    take(10);
    CHECK(writer_finish(&w));
    teardown();
}

/* A terminal that nobody reads takes what must be said last, and the writer goes on afterwards. */
static void test_overtake(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
    struct termios raw;
    char bytes[4096], last = 0;
    ssize_t n;

    if (master >= 0 && !grantpt(master) && !unlockpt(master))
        slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        printf("# no pseudo-terminals here\n");
        return;
    }
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    writer_init(&w, slave, SIZE_MAX, NULL, NULL);
    put(MUCH);
    CHECK_EQ(poll(&(struct pollfd){.fd = master, .events = POLLIN}, 1, -1), 1);
    writer_drain(&w, A_WHILE);
    CHECK(writer_unwritten(&w) > 0);
    writer_overtake(&w, "goodbye", 7);
    CHECK(!(fcntl(slave, F_GETFL) & O_NONBLOCK));

    fcntl(master, F_SETFL, O_NONBLOCK);
    memset(bytes, 0, sizeof(bytes));
    while ((n = read(master, bytes, sizeof(bytes) - 1)) > 0) {
        bytes[n] = 0;
        last = bytes[n - 1];
    }
    CHECK_EQ(last, 'e');
    fcntl(master, F_SETFL, 0);

    writer_hold(&w, false);
    for (size_t left = writer_unwritten(&w); left > 0 && (n = read(master, bytes, 1000)) > 0;)
        left -= n > (ssize_t)left ? (ssize_t)left : n;
    writer_patience(&w, clock_host(CLOCK_MONOTONIC) + 100 * A_WHILE);
    CHECK(writer_finish(&w));
    close(master);
    close(slave);
}

int main(void)
{
    alarm(TEST_LIMIT_S);
    return test_main((struct test[]){
        {test_all, "all is written"},
        {test_limit, "what does not fit is lost whole, and counted"},
        {test_drained, "who gave much learns that it is written"},
        {test_patience, "patience ends at its deadline"},
        {test_stream, "who prints much waits for the reader"},
        {test_gone, "a reader that has gone, and a full disk"},
        {test_hold, "held, it waits"},
        {test_overtake, "what must be said last overtakes a terminal that stalls"},
        {0},
    });
}

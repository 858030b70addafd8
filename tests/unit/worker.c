// SPDX-License-Identifier: MIT
/*
 * Workers: what they do under which lock, and how they stand still.
 */
#define _GNU_SOURCE
#include "hw/worker.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <sys/eventfd.h>

static struct rig {
    struct worker w;
    struct watch watch, kept;
    struct worker_after after;
    sem_t began, go_on, ended, stood;
    int served, afters, stills; /* atomic */
    pid_t tid;
} rig;

static void count(int *n)
{
    __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static int look(const int *n)
{
    return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

/* Is its lock free? */
static bool free_lock(void)
{
    if (pthread_mutex_trylock(&rig.w.lock))
        return false;
    pthread_mutex_unlock(&rig.w.lock);
    return true;
}

static void serve(struct watch *watch)
{
    uint64_t n;

    CHECK(watch == &rig.watch);
    CHECK(!free_lock());
    CHECK(!worker_is_still(&rig.w));
    CHECK_EQ(read(watch->fd, &n, sizeof(n)), sizeof(n));
    rig.tid = gettid();
    count(&rig.served);
    sem_post(&rig.began);
    sem_wait(&rig.go_on);
}

/* What was kept has ended. */
static void end_kept(struct watch *watch)
{
    event_hush(watch);
    CHECK(free_lock());
    worker_enter(&rig.w);
    CHECK(!free_lock());
    worker_let_go(&rig.w);
    worker_leave(&rig.w);
}

static void after(struct worker_after *a)
{
    CHECK(a == &rig.after);
    CHECK(free_lock());
    CHECK(!worker_is_still(&rig.w));
    count(&rig.afters);
    sem_post(&rig.ended);
}

static void still(void *to)
{
    CHECK(to == &rig);
    CHECK(free_lock());
    CHECK(worker_is_still(&rig.w));
    count(&rig.stills);
    sem_post(&rig.stood);
}

static void ring(void)
{
    uint64_t one = 1;

    CHECK_EQ(write(rig.watch.fd, &one, sizeof(one)), sizeof(one));
}

static void setup(int holds)
{
    memset(&rig, 0, sizeof(rig));
    sem_init(&rig.began, 0, 0);
    sem_init(&rig.go_on, 0, 0);
    sem_init(&rig.ended, 0, 0);
    sem_init(&rig.stood, 0, 0);
    rig.watch = (struct watch){.fd = eventfd(0, EFD_CLOEXEC), .ready = serve};
    event_bell(&rig.kept, end_kept);
    rig.kept.urgent = true;
    rig.after.call = after;
    worker_init(&rig.w, holds, still, &rig);
    worker_watch(&rig.w, &rig.kept);
    worker_add_after(&rig.w, &rig.after);
    worker_watch(&rig.w, &rig.watch);
    worker_start(&rig.w);
    worker_start(&rig.w);
}

static void teardown(void)
{
    worker_free(&rig.w);
    close(rig.watch.fd);
    close(rig.kept.fd);
}

static void test_serves(void)
{
    setup(0);
    for (int i = 1; i <= 3; i++) {
        ring();
        sem_post(&rig.go_on);
        sem_wait(&rig.began);
        sem_wait(&rig.ended);
        CHECK_EQ(look(&rig.served), i);
        CHECK_EQ(look(&rig.afters), i);
    }
    CHECK_EQ(look(&rig.stills), 0);
    teardown();
}

/* One that has nothing to do is still at once, and begins nothing. */
static void test_idle(void)
{
    setup(0);
    worker_hold(&rig.w);
    CHECK(worker_is_still(&rig.w));
    worker_hold(&rig.w);
    ring();
    worker_release(&rig.w);
    CHECK(worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.served), 0);
    worker_release(&rig.w);
    sem_wait(&rig.began);
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    CHECK_EQ(look(&rig.stills), 0);
    teardown();
}

/* One that is at something ends it, says so, and waits. */
static void test_busy(void)
{
    setup(0);
    ring();
    sem_wait(&rig.began);
    ring();
    worker_hold(&rig.w);
    CHECK(!worker_is_still(&rig.w));
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    sem_wait(&rig.stood);
    CHECK(worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.stills), 1);
    while (!test_asleep(rig.tid))
        usleep(1000);
    CHECK_EQ(look(&rig.served), 1);
    worker_release(&rig.w);
    sem_wait(&rig.began);
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    CHECK_EQ(look(&rig.stills), 1);
    teardown();
}

static void test_held_from_the_start(void)
{
    setup(2);
    ring();
    worker_release(&rig.w);
    CHECK(worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.served), 0);
    worker_release(&rig.w);
    sem_wait(&rig.began);
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    teardown();
}

/* What is under way elsewhere keeps it from standing still, and ends while nothing else begins. */
static void test_kept(void)
{
    setup(0);
    worker_lock(&rig.w);
    worker_keep(&rig.w);
    worker_keep(&rig.w);
    worker_unlock(&rig.w);
    worker_hold(&rig.w);
    CHECK(!worker_is_still(&rig.w));
    ring();
    event_ring(&rig.kept);
    sem_wait(&rig.ended);
    CHECK(!worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.stills), 0);
    event_ring(&rig.kept);
    sem_wait(&rig.stood);
    CHECK(worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.afters), 2);
    CHECK_EQ(look(&rig.served), 0);
    worker_release(&rig.w);
    sem_wait(&rig.began);
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    CHECK_EQ(look(&rig.stills), 1);
    teardown();
}

static void *work(void *arg)
{
    (void)arg;
    worker_begin(&rig.w);
    worker_lock(&rig.w);
    count(&rig.served);
    worker_unlock(&rig.w);
    sem_post(&rig.began);
    sem_wait(&rig.go_on);
    worker_end(&rig.w);
    return NULL;
}

/* Threads of devices work for it: it stands still when none does. */
static void test_others(void)
{
    pthread_t thread[2];

    setup(0);
    for (int i = 0; i < 2; i++)
        CHECK(!event_thread(&thread[i], work, NULL));
    sem_wait(&rig.began);
    sem_wait(&rig.began);
    worker_hold(&rig.w);
    sem_post(&rig.go_on);
    sem_wait(&rig.ended);
    CHECK(!worker_is_still(&rig.w));
    sem_post(&rig.go_on);
    sem_wait(&rig.stood);
    CHECK(worker_is_still(&rig.w));
    CHECK_EQ(look(&rig.afters), 2);
    CHECK_EQ(look(&rig.stills), 1);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    teardown();
}

/* It may be freed with something left to do, and without having run. */
static void test_free(void)
{
    setup(1);
    sem_post(&rig.go_on);
    ring();
    teardown();

    memset(&rig, 0, sizeof(rig));
    worker_init(&rig.w, 1, still, &rig);
    worker_free(&rig.w);
}

static struct event_loop loop;
static pthread_mutex_t machine = PTHREAD_MUTEX_INITIALIZER;

static void serve_in_line(struct watch *watch)
{
    uint64_t n;

    CHECK_EQ(pthread_mutex_trylock(&machine), EBUSY);
    CHECK_EQ(read(watch->fd, &n, sizeof(n)), sizeof(n));
    worker_lock(&rig.w); /* held already */
    worker_unlock(&rig.w);
    rig.served++;
    event_stop(&loop);
}

static void test_in_line(void)
{
    memset(&rig, 0, sizeof(rig));
    event_init(&loop, &machine);
    worker_init_in_line(&rig.w, &loop);
    worker_start(&rig.w);
    rig.watch = (struct watch){.fd = eventfd(0, EFD_CLOEXEC), .ready = serve_in_line};
    worker_watch(&rig.w, &rig.watch);
    ring();
    event_run(&loop);
    CHECK_EQ(rig.served, 1);
    worker_hold(&rig.w);
    CHECK(worker_is_still(&rig.w));
    worker_release(&rig.w);
    worker_unwatch(&rig.w, &rig.watch);
    worker_free(&rig.w);
    event_free(&loop);
    close(rig.watch.fd);
}

static void stood_nowhere(void *to)
{
    (void)to;
}

static int pauses, goes; /* how often it was told */

static void paused(struct worker_pause *p, bool still)
{
    (void)p;
    CHECK(!free_lock());
    CHECK_EQ(worker_is_held(&rig.w), still);
    *(still ? &pauses : &goes) += 1;
}

/* Who does its work elsewhere is told when it is to stand still, whether it runs or not. */
static void test_pauses(void)
{
    static struct worker_pause p = {.call = paused};

    worker_init(&rig.w, 1, stood_nowhere, NULL);
    worker_add_pause(&rig.w, &p);
    worker_release(&rig.w);
    CHECK_EQ(goes, 1);
    worker_hold(&rig.w);
    worker_hold(&rig.w);
    CHECK_EQ(pauses, 2);
    worker_release(&rig.w);
    CHECK_EQ(goes, 1);
    worker_release(&rig.w);
    CHECK_EQ(goes, 2);
    worker_free(&rig.w);
}

int main(void)
{
    alarm(TEST_LIMIT_S);
    return test_main((struct test[]){
        {test_serves, "it serves with its lock, and calls the afters without"},
        {test_idle, "an idle one stands still at once"},
        {test_busy, "a busy one ends what it is at, and says so"},
        {test_held_from_the_start, "it may be held before it runs"},
        {test_kept, "what is under way ends before it stands still"},
        {test_others, "other threads' work counts, too"},
        {test_free, "it ends with something left to do"},
        {test_in_line, "in line it is the main thread's"},
        {test_pauses, "who does its work elsewhere stands still, too"},
        {0},
    });
}

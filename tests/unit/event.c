// SPDX-License-Identifier: MIT
/*
 * Unit tests of the event loop.
 */
#define _GNU_SOURCE
#include "hw/die.h"
#include "hw/event.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#define MANY 40 /* more than the loop asks the kernel for at once */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event_loop loop;

/* A watch that counts, and what it does beside that. */
static struct client {
    struct watch w;
    int calls;
    int limit;            /* stop the loop at so many calls */
    bool drain;           /* read what there is */
    struct watch *remove; /* forget this one */
    int other_end;
} client[MANY];

static void ready(struct watch *w)
{
    struct client *c = container_of(w, struct client, w);
    char buf[64];

    CHECK_EQ(pthread_mutex_trylock(&lock), EBUSY);
    c->calls++;
    if (c->drain)
        CHECK(read(w->fd, buf, sizeof(buf)) >= 0);
    if (c->remove)
        event_remove(&loop, c->remove);
    if (c->calls == c->limit)
        event_stop(&loop);
}

static void setup(void)
{
    event_init(&loop, &lock);
    memset(client, 0, sizeof(client));
    for (int i = 0; i < MANY; i++) {
        client[i].w = (struct watch){.fd = -1, .ready = ready};
        client[i].other_end = -1;
    }
}

static void teardown(void)
{
    for (int i = 0; i < MANY; i++) {
        if (client[i].w.fd >= 0)
            close(client[i].w.fd);
        if (client[i].other_end >= 0)
            close(client[i].other_end);
    }
    event_free(&loop);
}

static struct client *add(int i, int fd)
{
    client[i].w.fd = fd;
    event_add(&loop, &client[i].w);
    return &client[i];
}

static struct client *add_pipe(int i)
{
    int p[2] = {-1, -1};

    CHECK(!pipe2(p, O_CLOEXEC));
    client[i].other_end = p[1];
    client[i].drain = true;
    return add(i, p[0]);
}

static void feed(struct client *c)
{
    CHECK_EQ(write(c->other_end, "x", 1), 1);
}

/* Let the loop go round a few times. */
static void spin(void)
{
    struct client *c = &client[MANY - 1];

    if (c->w.fd < 0)
        add(MANY - 1, open("/dev/null", O_RDONLY));
    event_enable(&loop, &c->w, true);
    c->calls = 0;
    c->limit = 10;
    event_run(&loop);
    event_enable(&loop, &c->w, false);
}

static void test_pipe(void)
{
    setup();
    struct client *c = add_pipe(0);

    c->limit = 1;
    feed(c);
    event_run(&loop);
    CHECK_EQ(c->calls, 1);
    CHECK_EQ(pthread_mutex_trylock(&lock), 0);
    pthread_mutex_unlock(&lock);
    spin();
    CHECK_EQ(c->calls, 1);
    teardown();
}

static void test_many(void)
{
    setup();
    for (int i = 0; i < MANY - 1; i++)
        feed(add_pipe(i));
    spin();
    for (int i = 0; i < MANY - 1; i++)
        CHECK_EQ(client[i].calls, 1);
    teardown();
}

/* What epoll refuses is served from the start, and again in a second run, without anything else
 * that would wake the loop. */
static void test_always(void)
{
    FILE *file = tmpfile();
    int fds[] = {open("/dev/null", O_RDONLY), file ? dup(fileno(file)) : -1};

    if (file)
        fclose(file);
    for (int i = 0; i < 2; i++) {
        uint64_t stops;

        setup();
        struct client *c = add(0, fds[i]);

        CHECK(c->w.always);
        c->limit = 3;
        event_run(&loop);
        CHECK_EQ(c->calls, 3);
        /* A stop by another thread may have been waited for, which leaves nothing here. */
        CHECK_EQ(read(loop.waker.fd, &stops, sizeof(stops)), sizeof(stops));
        c->limit = 5;
        event_run(&loop);
        CHECK_EQ(c->calls, 5);
        teardown();
    }
}

/* A watch that is always ready leaves the others their turn. */
static void test_always_and_pipe(void)
{
    setup();
    struct client *null = add(0, open("/dev/null", O_RDONLY)), *c = add_pipe(1);

    feed(c);
    c->limit = 1;
    event_run(&loop);
    CHECK_EQ(c->calls, 1);
    CHECK(null->calls >= 1);
    teardown();
}

static void test_remove(void)
{
    setup();
    struct client *null = add(0, open("/dev/null", O_RDONLY)), *c = add_pipe(1);

    event_remove(&loop, &c->w);
    event_remove(&loop, &c->w);
    event_remove(&loop, &client[2].w);
    feed(c);
    null->remove = &null->w;
    spin();
    CHECK_EQ(null->calls, 1);
    CHECK_EQ(c->calls, 0);
    teardown();
}

/* Both are ready at once; the first to be served removes the other. */
static void test_remove_other(void)
{
    setup();
    struct client *a = add_pipe(0), *b = add_pipe(1);

    a->remove = &b->w;
    b->remove = &a->w;
    feed(a);
    feed(b);
    spin();
    CHECK_EQ(a->calls + b->calls, 1);

    struct client *c = add(2, open("/dev/null", O_RDONLY)), *d = add(3, dup(c->w.fd));

    c->remove = &d->w;
    d->remove = &c->w;
    c->limit = d->limit = 4;
    event_run(&loop);
    CHECK_EQ(c->calls + d->calls, 4);
    teardown();
}

/* A watch whose memory goes when it is taken back. */
struct guest {
    struct watch w;
    struct guest **victim; /* to be taken back in its callback, too */
    int *calls;
};

static void take_back(struct guest **g)
{
    event_remove(&loop, &(*g)->w);
    close((*g)->w.fd);
    memset(*g, 0xa5, sizeof(**g));
    free(*g);
    *g = NULL;
}

static void end_both(struct watch *w)
{
    struct guest *g = container_of(w, struct guest, w), **victim = g->victim;

    (*g->calls)++;
    if (*victim)
        take_back(victim);
}

/* Where one callback takes back another's watch, or its own, and frees it, nobody looks at it any
 * more. */
static void test_take_back(int fd)
{
    for (int own = 0; own < 2; own++) {
        struct guest *g[2];
        int calls = 0;

        setup();
        for (int i = 0; i < 2; i++) {
            g[i] = calloc(1, sizeof(*g[i]));
            *g[i] = (struct guest){{.fd = dup(fd), .ready = end_both}, &g[own ? i : !i], &calls};
        }
        for (int i = 0; i < 2; i++)
            event_add(&loop, &g[i]->w);
        spin();
        CHECK(calls >= 1);
        if (own)
            CHECK_EQ(calls, 2);
        for (int i = 0; i < 2; i++)
            if (g[i])
                take_back(&g[i]);
        teardown();
    }
    close(fd);
}

static void test_take_back_ready(void)
{
    int p[2] = {-1, -1};

    CHECK(!pipe2(p, O_CLOEXEC));
    close(p[1]);
    test_take_back(p[0]);
}

static void test_take_back_always(void)
{
    test_take_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void test_enable(void)
{
    struct epoll_event e[4];

    setup();
    struct client *null = add(0, open("/dev/null", O_RDONLY)), *c = add_pipe(1);

    event_enable(&loop, &null->w, false);
    event_enable(&loop, &c->w, false);
    event_enable(&loop, &c->w, false);
    feed(c);
    spin();
    CHECK_EQ(null->calls + c->calls, 0);

    /* Nor does the end of the other side keep the loop busy meanwhile. */
    close(c->other_end);
    c->other_end = -1;
    spin();
    for (int n = epoll_wait(loop.epoll, e, 4, 0); n > 0; n--)
        CHECK(e[n - 1].data.ptr != &c->w);

    event_enable(&loop, &null->w, true);
    event_enable(&loop, &c->w, true);
    event_enable(&loop, &c->w, true);
    spin();
    CHECK(null->calls > 0);
    CHECK(c->calls > 0);
    teardown();
}

/* The end of input is an event, too. */
static void test_hang_up(void)
{
    setup();
    struct client *c = add_pipe(0);

    close(c->other_end);
    c->other_end = -1;
    c->remove = &c->w;
    c->limit = 1;
    event_run(&loop);
    CHECK_EQ(c->calls, 1);
    spin();
    CHECK_EQ(c->calls, 1);
    teardown();
}

static pid_t main_thread;

static void wait_for_loop(void)
{
    while (!test_asleep(main_thread))
        sched_yield();
}

static void *stop_later(void *unused)
{
    wait_for_loop();
    event_stop(&loop);
    return unused;
}

static void *enable_later(void *watch)
{
    wait_for_loop();
    pthread_mutex_lock(&lock);
    event_enable(&loop, watch, true);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *add_later(void *watch)
{
    wait_for_loop();
    pthread_mutex_lock(&lock);
    event_add(&loop, watch);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Run the loop, which has nothing to do, while another thread does something about that. */
static void run_against(void *(*f)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, f, arg)) {
        CHECK(!"pthread_create");
        return;
    }
    event_run(&loop);
    pthread_join(thread, NULL);
}

static void test_stop(void)
{
    setup();
    add_pipe(0);
    run_against(stop_later, NULL);
    run_against(stop_later, NULL);
    CHECK_EQ(client[0].calls, 0);
    teardown();
}

/* Each of them must wake a loop that sleeps. */
static void test_wake(void)
{
    setup();
    struct client *null = add(0, open("/dev/null", O_RDONLY)), *c = add_pipe(1), *late = &client[2];

    event_enable(&loop, &null->w, false);
    null->limit = 1;
    run_against(enable_later, &null->w);
    CHECK_EQ(null->calls, 1);
    event_enable(&loop, &null->w, false);

    event_enable(&loop, &c->w, false);
    feed(c);
    c->limit = 1;
    run_against(enable_later, &c->w);
    CHECK_EQ(c->calls, 1);

    late->w.fd = open("/dev/null", O_RDONLY);
    late->limit = 1;
    run_against(add_later, &late->w);
    CHECK_EQ(late->calls, 1);
    teardown();
}

/* ---- urgent watches ---- */

static int hurries;

static void hurry(struct watch *w)
{
    char byte;

    CHECK_EQ(read(w->fd, &byte, 1), 1);
    if (++hurries == 2)
        event_stop(&loop);
}

/* Somebody who has the lock and does not give it back before the loop has ended. */
static void *keep_lock(void *urgent)
{
    pthread_mutex_lock(&lock);
    feed(&client[0]);
    for (int i = 0; i < 2; i++) {
        wait_for_loop();
        feed(urgent);
    }
    return NULL;
}

/* What is urgent is served while somebody else has the lock, and can end the loop. */
static void test_urgent(void)
{
    int p[2] = {-1, -1};
    pthread_t thread;

    setup();
    struct client *c = add_pipe(0), *u = &client[1];

    CHECK(!pipe2(p, O_CLOEXEC));
    u->other_end = p[1];
    u->w = (struct watch){.fd = p[0], .ready = hurry, .urgent = true};
    event_add(&loop, &u->w);
    hurries = 0;
    CHECK(!pthread_create(&thread, NULL, keep_lock, u));
    event_run(&loop);
    pthread_join(thread, NULL);
    CHECK_EQ(hurries, 2);
    CHECK_EQ(c->calls, 0);
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;

    /* Then the other has its turn; and what is disabled has none. */
    event_enable(&loop, &u->w, false);
    feed(u);
    c->limit = 1;
    event_run(&loop);
    CHECK_EQ(c->calls, 1);
    CHECK_EQ(hurries, 2);
    event_hurry(&loop);
    CHECK_EQ(hurries, 2);
    event_enable(&loop, &u->w, true);
    event_hurry(&loop);
    CHECK_EQ(hurries, 3);
    teardown();
}

/* Somebody who has the lock for longer than the loop waits for it at a time, but gives it back. */
static void *keep_lock_long(void *unused)
{
    pthread_mutex_lock(&lock);
    feed(&client[0]);
    usleep(200000);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 60000 && !__atomic_load_n(&client[0].calls, __ATOMIC_ACQUIRE); i++)
        usleep(1000);
    event_stop(&loop);
    return unused;
}

/* Somebody who has the lock, and stops the loop, which waits for it. */
static void *stop_with_lock(void *unused)
{
    pthread_mutex_lock(&lock);
    feed(&client[0]);
    wait_for_loop();
    event_stop(&loop);
    pthread_mutex_unlock(&lock);
    return unused;
}

static void test_lock(void)
{
    setup();
    struct client *c = add_pipe(0);

    run_against(keep_lock_long, NULL);
    CHECK_EQ(c->calls, 1);
    run_against(stop_with_lock, NULL);
    CHECK_EQ(c->calls, 1);
    teardown();
}

static struct watch twin[2];

static void not_ours(struct watch *w)
{
    (void)w;
    CHECK(!"the loop knows nothing of it");
}

/* Remove the other, whose memory is then used for something else. */
static void remove_twin(struct watch *w)
{
    struct watch *other = &twin[w == twin];

    event_remove(&loop, other);
    close(other->fd);
    *other = (struct watch){.fd = -1, .ready = not_ours, .on = true};
    hurries++;
}

static void test_remove_urgent(void)
{
    setup();
    hurries = 0;
    for (int i = 0; i < 2; i++) {
        event_bell(&twin[i], remove_twin);
        twin[i].urgent = true;
        event_add(&loop, &twin[i]);
        event_ring(&twin[i]);
    }
    event_hurry(&loop);
    CHECK_EQ(hurries, 1);
    for (int i = 0; i < 2; i++)
        if (twin[i].fd >= 0)
            close(twin[i].fd);
    teardown();
}

/* A stop before the start counts, once. */
static void test_stop_before(void)
{
    setup();
    struct client *c = add_pipe(0);

    feed(c);
    event_stop(&loop);
    event_stop(&loop);
    event_run(&loop);
    CHECK_EQ(c->calls, 0);
    c->limit = 1;
    event_run(&loop);
    CHECK_EQ(c->calls, 1);
    teardown();
}

/* A descriptor that nobody can watch is an error, and not a watch that never fires. */
static void test_bad_descriptor(void)
{
    int status = 0;

    setup();
    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        close(STDERR_FILENO);
        add(0, -1);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), EXIT_USAGE);
    teardown();
}

int main(void)
{
    main_thread = gettid();
    alarm(TEST_LIMIT_S);
    return test_main((struct test[]){
        {test_pipe, "a callback for input, with the lock held"},
        {test_many, "many descriptors at once"},
        {test_always, "files and /dev/null are always ready"},
        {test_always_and_pipe, "what is always ready starves nobody"},
        {test_remove, "removed watches are left alone"},
        {test_remove_other, "a callback may remove a watch that is ready"},
        {test_take_back_ready, "a watch taken back in a callback is not looked at again"},
        {test_take_back_always, "nor is one that is always ready"},
        {test_enable, "disabled watches wait, and cost nothing"},
        {test_hang_up, "the end of input is told"},
        {test_stop, "another thread stops the loop"},
        {test_wake, "another thread's changes wake the loop"},
        {test_urgent, "what is urgent waits for no lock"},
        {test_lock, "a lock that is kept for long, and a stop by who has it"},
        {test_remove_urgent, "an urgent callback may remove another that is ready"},
        {test_stop_before, "a stop before the start counts"},
        {test_bad_descriptor, "what cannot be watched is an error"},
        {0},
    });
}

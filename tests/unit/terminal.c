// SPDX-License-Identifier: MIT
/*
 * Unit tests of the host's terminal: with pipes and files in its place, and with a pseudo-terminal
 * in a session of its own.
 */
#define _GNU_SOURCE
#include "tools/minivm/terminal.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

#define LOTS   10000      /* bytes: more than the terminal keeps, less than a pipe does */
#define OUTPUT (1 << 20)  /* bytes: more than is let wait */
#define LITTLE (64 << 10) /* unwritten bytes that no vCPU has to wait for */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event_loop loop;
static struct terminal terminal;
static struct console *console = &terminal.console;
static int in = -1, out = -1; /* the other ends of its descriptors */
static int arrivals, closings;
static char keys[64];
static size_t nkeys;

static void command(void *to, int key)
{
    CHECK(to == keys);
    if (nkeys < sizeof(keys) - 1)
        keys[nkeys++] = key;
}

static void closed(void *to)
{
    CHECK_EQ(terminal.out.error, EPIPE);
    CHECK(to == keys);
    __atomic_add_fetch(&closings, 1, __ATOMIC_RELAXED);
}

static void arrived(void *to)
{
    CHECK(to == &arrivals);
    arrivals++;
}

/* A watch that is always ready, to end the loop when a condition holds. */
static bool (*done)(void);

static void look(struct watch *w)
{
    (void)w;
    if (done())
        event_stop(&loop);
}

static struct watch looker = {.ready = look};

static void run_until(bool (*condition)(void))
{
    done = condition;
    event_run(&loop);
}

/* What is set between terminal_init() and terminal_start(), for one setup(). */
static bool hangs_up, onlcr, whole, lends;

static void setup(int in_fd, int out_fd)
{
    arrivals = closings = 0;
    memset(keys, 0, sizeof(keys));
    nkeys = 0;
    event_init(&loop, &lock);
    looker.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    event_add(&loop, &looker);
    terminal_init(&terminal, in_fd, out_fd, STDERR_FILENO, command, closed, keys);
    console->arrived = arrived;
    console->to = &arrivals;
    terminal.hangs_up = hangs_up;
    terminal.onlcr = onlcr;
    terminal.whole = whole;
    terminal.lends = lends;
    hangs_up = onlcr = whole = lends = false;
    terminal_start(&terminal, &loop);
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void teardown(void)
{
    terminal_finish(&terminal, WRITER_PATIENT);
    event_free(&loop);
    close(looker.fd);
    close(terminal.in.fd);
    close(terminal.out.fd);
    close_end(&in);
    close_end(&out);
}

static int null_device(void)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void make_pipe(int *read_end, int *write_end)
{
    int p[2] = {-1, -1};

    CHECK(!pipe2(p, O_CLOEXEC));
    *read_end = p[0];
    *write_end = p[1];
}

static void setup_input(void)
{
    int fd;

    make_pipe(&fd, &in);
    setup(fd, null_device());
}

/* A pipe of one page, so that it fills up soon. */
static void setup_output(void)
{
    int fd;

    make_pipe(&out, &fd);
    fcntl(fd, F_SETPIPE_SZ, 4096);
    setup(null_device(), fd);
}

static uint8_t pattern(size_t i)
{
    return i * 7 + i / 256;
}

static void write_pattern(int fd)
{
    uint8_t bytes[LOTS];

    for (size_t i = 0; i < LOTS; i++)
        bytes[i] = pattern(i);
    CHECK_EQ(write(fd, bytes, LOTS), LOTS);
}

static bool has_input(void)
{
    return terminal.count > 0 || terminal.eof;
}

static bool is_full(void)
{
    return terminal.count == TERMINAL_INPUT || terminal.eof;
}

static bool at_eof(void)
{
    return terminal.eof;
}

static int rounds;

static bool ten_rounds(void)
{
    return ++rounds % 10 == 0;
}

/* Everything must come, in order, also to a guest that takes it bit by bit. */
static void read_pattern(void)
{
    size_t n = 0;

    while (n < LOTS) {
        run_until(has_input);
        run_until(ten_rounds);
        if (!terminal.count)
            break;
        for (int i = 0; i < 1000 && terminal.count; i++)
            CHECK_EQ(console_get(console), pattern(n++));
    }
    CHECK_EQ(n, LOTS);
}

static void test_input(void)
{
    setup_input();
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK_EQ(write(in, "ab\377", 3), 3);
    run_until(has_input);
    CHECK(arrivals > 0);
    CHECK_EQ(console_get(console), 'a');
    CHECK_EQ(console_get(console), 'b');
    CHECK_EQ(console_get(console), 0xff);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

/* What the guest does not fetch stays in the pipe, where it keeps the sender back. */
static void test_back_pressure(void)
{
    int left = 0;

    setup_input();
    write_pattern(in);
    run_until(is_full);
    run_until(ten_rounds);
    CHECK_EQ(terminal.count, TERMINAL_INPUT);
    CHECK(!terminal.in.on);
    CHECK(!ioctl(terminal.in.fd, FIONREAD, &left));
    CHECK_EQ(left, LOTS - TERMINAL_INPUT);
    read_pattern();
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_file(void)
{
    FILE *f = tmpfile();

    if (!f) {
        CHECK(f);
        return;
    }
    write_pattern(fileno(f));
    rewind(f);
    setup(dup(fileno(f)), null_device());
    fclose(f);
    run_until(is_full);
    run_until(ten_rounds);
    CHECK_EQ(terminal.count, TERMINAL_INPUT);
    CHECK(!terminal.in.on);
    read_pattern();
    run_until(at_eof);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

/* The end of input ends nothing else. */
static void test_eof(void)
{
    setup_input();
    CHECK_EQ(write(in, "z", 1), 1);
    close_end(&in);
    run_until(at_eof);
    run_until(ten_rounds);
    CHECK_EQ(console_get(console), 'z');
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK_EQ(closings, 0);
    CHECK(!console_ended(console));

    /* Nor does room in a full queue make it look there again. */
    for (int i = 0; i < TERMINAL_INPUT; i++)
        terminal_type(&terminal, 'y');
    CHECK_EQ(console_get(console), 'y');
    CHECK(!terminal.in.on);
    teardown();

    setup(null_device(), null_device());
    run_until(at_eof);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

/* Where it hangs up, it does so after the last byte. */
static void test_ended(void)
{
    hangs_up = true;
    setup_input();
    CHECK_EQ(write(in, "yz", 2), 2);
    run_until(has_input);
    run_until(ten_rounds);
    CHECK(!console_ended(console));
    close_end(&in);
    run_until(at_eof);
    CHECK(!console_ended(console));
    CHECK_EQ(console_get(console), 'y');
    CHECK(!console_ended(console));
    CHECK_EQ(console_get(console), 'z');
    CHECK(console_ended(console));
    teardown();

    /* With nothing left to read, it is told. */
    hangs_up = true;
    setup_input();
    CHECK_EQ(arrivals, 0);
    close_end(&in);
    run_until(at_eof);
    CHECK_EQ(arrivals, 1);
    CHECK(console_ended(console));
    teardown();

    hangs_up = true;
    setup(null_device(), null_device());
    run_until(at_eof);
    CHECK(console_ended(console));
    teardown();
}

/* What cannot be read has ended. */
static void test_unreadable(void)
{
    setup(open("/dev/null", O_WRONLY | O_CLOEXEC), null_device());
    run_until(at_eof);
    teardown();
    setup(open("/", O_RDONLY | O_CLOEXEC), null_device());
    run_until(at_eof);
    teardown();
}

/* All of the pattern is there for the guest, and then the end, without the loop. */
static void get_pattern(void)
{
    CHECK(arrivals > 0);
    CHECK(!console_ended(console));
    for (size_t i = 0; i < LOTS; i++)
        CHECK_EQ(console_get(console), pattern(i));
    CHECK(console_ended(console));
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
}

/* What the guest reads does not depend on when it came. */
static void test_whole(void)
{
    FILE *f = tmpfile();

    hangs_up = whole = true;
    setup_input();
    CHECK(!terminal_ready(&terminal));
    write_pattern(in);
    run_until(ten_rounds);
    CHECK(!terminal_ready(&terminal));
    close_end(&in);
    event_run(&loop); /* which ends by itself */
    CHECK(terminal_ready(&terminal));
    get_pattern();
    teardown();

    write_pattern(fileno(f));
    rewind(f);
    hangs_up = whole = true;
    setup(dup(fileno(f)), null_device());
    CHECK(terminal_ready(&terminal));
    CHECK(terminal.count <= TERMINAL_INPUT);
    get_pattern();
    teardown();
    fclose(f);
}

/* The escape is only for those who type. */
/* Input is lent whole, or to nobody once the guest has asked for it here. */
static void test_lend(void)
{
    char byte;

    lends = true;
    setup_input();
    CHECK_EQ(write(in, "ab", 2), 2);
    int fd = terminal_lend(&terminal);

    CHECK_EQ(fd, terminal.in.fd);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK(read(fd, &byte, 1) == 1 && byte == 'a');
    CHECK_EQ(terminal_lend(&terminal), -1);
    teardown();

    lends = true;
    setup_input();
    CHECK_EQ(write(in, "ab", 2), 2);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK_EQ(terminal_lend(&terminal), -1);
    run_until(has_input);
    CHECK_EQ(console_get(console), 'a');
    teardown();

    lends = whole = true;
    setup_input();
    CHECK_EQ(write(in, "ab", 2), 2);
    close_end(&in);
    while (!terminal_ready(&terminal))
        event_run(&loop);
    fd = terminal_lend(&terminal);
    CHECK_EQ(fd, terminal.file);
    CHECK(read(fd, &byte, 1) == 1 && byte == 'a');
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_no_escape(void)
{
    setup_input();
    CHECK_EQ(write(in, "\1x\1\1", 4), 4);
    close_end(&in);
    run_until(at_eof);
    CHECK_EQ(console_get(console), 1);
    CHECK_EQ(console_get(console), 'x');
    CHECK_EQ(console_get(console), 1);
    CHECK_EQ(console_get(console), 1);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK_EQ(nkeys, 0);
    teardown();
}

static void test_type(void)
{
    setup_input();
    terminal_type(&terminal, 'a');
    terminal_type(&terminal, CONSOLE_BREAK);
    CHECK_EQ(arrivals, 2);
    CHECK_EQ(console_get(console), 'a');
    CHECK_EQ(console_get(console), CONSOLE_BREAK);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);

    /* A queue filled like this goes on with the pipe when it has room again. */
    CHECK_EQ(write(in, "x", 1), 1);
    for (int i = 0; i < TERMINAL_INPUT + 10; i++)
        terminal_type(&terminal, i & 0xff);
    run_until(ten_rounds);
    for (int i = 0; i < TERMINAL_INPUT; i++)
        CHECK_EQ(console_get(console), i & 0xff);
    run_until(has_input);
    CHECK_EQ(console_get(console), 'x');
    teardown();
}

/* Somebody else has read what the loop was told of: the machine must not stand still for it. */
static void test_stolen(void)
{
    setup_input();
    terminal.in.ready(&terminal.in);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK(!terminal.eof);
    teardown();
}

/* Read n bytes of the pattern. */
static void check_output(size_t from, size_t n)
{
    static uint8_t buf[OUTPUT];
    size_t have = 0;
    ssize_t got;

    while (have < n && (got = read(out, buf, n - have)) > 0)
        for (ssize_t i = 0; i < got; i++)
            CHECK_EQ(buf[i], pattern(from + have++));
    CHECK_EQ(have, n);
}

/* Write bytes of the pattern, in pieces of all sizes. */
static void put_output(size_t from, size_t n)
{
    static uint8_t buf[OUTPUT];
    size_t size = 1;

    for (size_t i = 0; i < n; i++)
        buf[i] = pattern(from + i);
    for (size_t i = 0; i < n; i += size, size = size * 5 % 4093) {
        if (size > n - i)
            size = n - i;
        console_put(console, buf + i, size);
    }
}

/* Wait until the terminal's own thread has nothing to do. */
static void wait_for_writer(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *d;

    while (dir && (d = readdir(dir))) {
        pid_t tid = atoi(d->d_name);

        while (tid && tid != getpid() && !test_asleep(tid))
            sched_yield();
    }
    if (dir)
        closedir(dir);
}

/* Every byte sets off by itself. */
static void test_prompt(void)
{
    setup_output();
    for (size_t i = 0; i < 5; i++) {
        wait_for_writer();
        put_output(i, 1);
        check_output(i, 1);
    }
    teardown();
}

static void *finish(void *unused)
{
    terminal_finish(&terminal, WRITER_PATIENT);
    return unused;
}

/* put() takes everything although nobody reads, and finish() waits until it has been read. */
static void check_all_output(int flags)
{
    pthread_t thread;
    uint8_t byte;

    setup_output();
    fcntl(terminal.out.fd, F_SETFL, flags);
    put_output(0, OUTPUT);
    check_output(0, OUTPUT / 2);
    pthread_create(&thread, NULL, finish, NULL);
    check_output(OUTPUT / 2, OUTPUT / 2);
    pthread_join(thread, NULL);
    close(terminal.out.fd);
    CHECK_EQ(read(out, &byte, 1), 0);
    CHECK_EQ(closings, 0);
    event_free(&loop);
    close(looker.fd);
    close(terminal.in.fd);
    close_end(&out);
}

static void test_output(void)
{
    check_all_output(0);
    check_all_output(O_NONBLOCK);
}

/* A thread that waits as a vCPU does. */
static struct {
    pthread_t thread;
    pid_t tid;
    bool back;
    size_t unwritten; /* when it came back */
} vcpu;

static void *wait_as_vcpu(void *unused)
{
    __atomic_store_n(&vcpu.tid, gettid(), __ATOMIC_RELEASE);
    console_wait(console);
    vcpu.unwritten = writer_unwritten(&terminal.out);
    __atomic_store_n(&vcpu.back, true, __ATOMIC_RELEASE);
    return unused;
}

/* Start it; does it come to rest in console_wait()? */
static bool vcpu_waits(void)
{
    vcpu.tid = 0;
    vcpu.back = false;
    pthread_create(&vcpu.thread, NULL, wait_as_vcpu, NULL);
    for (;;) {
        pid_t tid = __atomic_load_n(&vcpu.tid, __ATOMIC_ACQUIRE);

        if (__atomic_load_n(&vcpu.back, __ATOMIC_ACQUIRE))
            return false;
        if (tid && test_asleep(tid))
            return true;
        sched_yield();
    }
}

static void test_slow_reader(void)
{
    setup_output();
    put_output(0, 2 * LITTLE);
    CHECK(vcpu_waits());
    check_output(0, 2 * LITTLE);
    pthread_join(vcpu.thread, NULL);
    CHECK(vcpu.unwritten < LITTLE);
    teardown();
}

/* No wait for what a reader has not fetched yet. */
static void test_little(void)
{
    setup_output();
    put_output(0, LITTLE / 2);
    console_wait(console);
    check_output(0, LITTLE / 2);
    teardown();
}

static void test_release(void)
{
    setup_output();
    put_output(0, 2 * LITTLE);
    CHECK(vcpu_waits());
    console_release(console, true);
    pthread_join(vcpu.thread, NULL);
    CHECK(vcpu.unwritten > LITTLE);
    console_wait(console);
    console_release(console, false);
    CHECK(vcpu_waits());
    check_output(0, 2 * LITTLE);
    pthread_join(vcpu.thread, NULL);
    teardown();
}

/* A reader that goes away frees everybody, is told of once, and costs no memory from then on. */
static void test_closed_reader(void)
{
    setup_output();
    put_output(0, 2 * LITTLE);
    CHECK(vcpu_waits());
    CHECK_EQ(__atomic_load_n(&closings, __ATOMIC_RELAXED), 0);
    close_end(&out);
    pthread_join(vcpu.thread, NULL);
    put_output(0, 2 * LITTLE);
    CHECK_EQ(writer_unwritten(&terminal.out), 0);
    console_wait(console);
    teardown();
    CHECK_EQ(closings, 1);
}

static void test_closed_at_end(void)
{
    setup_output();
    close_end(&out);
    console_put(console, "x", 1);
    teardown();
    CHECK_EQ(closings, 1);
}

/* A reader that sleeps for ever does not keep minivm from ending. */
static void test_patience(void)
{
    setup_output();
    put_output(0, 2 * LITTLE);
    CHECK_EQ(poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, -1), 1);
    CHECK(!terminal_finish(&terminal, clock_host(CLOCK_MONOTONIC) + 1));
    CHECK_EQ(closings, 0);
    event_free(&loop);
    close(looker.fd);
    close(terminal.in.fd);
    close(terminal.out.fd);
    check_output(0, 4096); /* what the pipe held */
    close_end(&out);
}

static void put_text(const char *text)
{
    console_put(console, text, strlen(text));
}

static void check_last_line(const char *expected)
{
    char line[TERMINAL_TAIL];

    terminal_last_line(&terminal, line, sizeof(line));
    if (strcmp(line, expected))
        printf("# last line: \"%s\", not \"%s\"\n", line, expected);
    CHECK(!strcmp(line, expected));
}

static void test_last_line(void)
{
    char line[8], lots[3 * TERMINAL_TAIL / 2];

    setup(null_device(), null_device());
    check_last_line("");
    put_text("\r\n\n");
    check_last_line("");
    put_text("one\r\ntwo\r\n");
    check_last_line("two");
    put_text("\r\n   \r\n\n");
    check_last_line("two");
    put_text("  three");
    check_last_line("three");
    put_text(" 3 \n");
    check_last_line("three 3 ");
    put_text("10%\r20%\r");
    check_last_line("20%");
    put_text("\033[1mb\303\244h\177\n");
    check_last_line("b??h?");
    put_text("\033[36m0:hello\033[0m\033 x\033[\n");
    check_last_line("0:hellox");
    put_text("~ # ");
    check_last_line("~ # ");
    put_text("\nlonger than fits");
    terminal_last_line(&terminal, line, sizeof(line));
    CHECK(!strcmp(line, "longer "));

    /* Only so much is remembered, written at once or bit by bit. */
    memset(lots, 'x', sizeof(lots));
    put_text("\nlost");
    memcpy(lots + sizeof(lots) - 5, "\nlast", 5);
    console_put(console, lots, sizeof(lots));
    check_last_line("last");
    memset(lots, 'x', sizeof(lots));
    for (size_t i = 0; i < sizeof(lots); i++)
        console_put(console, lots, 1);
    put_text("y");
    lots[TERMINAL_TAIL - 1] = 0;
    check_last_line(lots);
    teardown();
}

/* Run a test in a session of its own, whose terminal is a pseudo-terminal. */
static void in_session(void (*test)(int master, int slave))
{
    int status = -1;

    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        struct rlimit no_core = {0};

        alarm(TEST_LIMIT_S);
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGHUP, SIG_IGN);
        setsid();
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;

        if (master >= 0 && !grantpt(master) && !unlockpt(master))
            slave = open(ptsname(master), O_RDWR | O_CLOEXEC);
        if (slave < 0)
            printf("# no pseudo-terminals here\n");
        else
            test(master, slave);
        fflush(stdout);
        _exit(test_failures > 0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

static bool is_cooked(int tty)
{
    struct termios t;

    return !tcgetattr(tty, &t) && t.c_lflag & ICANON && t.c_lflag & ECHO && t.c_lflag & ISIG &&
           t.c_oflag & OPOST && t.c_iflag & ICRNL;
}

static bool is_raw(int tty)
{
    struct termios t;

    return !tcgetattr(tty, &t) &&
           !(t.c_lflag & (ICANON | ECHO | ISIG) || t.c_oflag & OPOST || t.c_iflag & ICRNL);
}

static void raw_and_back(int master, int slave)
{
    struct termios before, after;

    (void)master;
    tcgetattr(slave, &before);
    CHECK(is_cooked(slave));
    setup(dup(slave), null_device());
    CHECK(is_raw(slave));
    terminal_cook();
    CHECK(is_cooked(slave));
    terminal_cook();
    terminal_resume(&terminal);
    CHECK(is_raw(slave));
    teardown();
    tcgetattr(slave, &after);
    CHECK_EQ(after.c_iflag, before.c_iflag);
    CHECK_EQ(after.c_oflag, before.c_oflag);
    CHECK_EQ(after.c_cflag, before.c_cflag);
    CHECK_EQ(after.c_lflag, before.c_lflag);
    CHECK(!memcmp(after.c_cc, before.c_cc, sizeof(after.c_cc)));
}

static void test_raw(void)
{
    in_session(raw_and_back);
}

/* Raw but for the newline, for guests without a driver that would return the carriage. */
static void returns(int master, int slave)
{
    char text[8] = "";
    struct termios t;

    onlcr = true;
    setup(dup(slave), dup(slave));
    tcgetattr(slave, &t);
    CHECK(t.c_oflag & OPOST && t.c_oflag & ONLCR);
    CHECK(!(t.c_lflag & (ICANON | ECHO | ISIG) || t.c_iflag & ICRNL));
    console_put(console, "a\nb", 3);
    for (size_t n = 0; n < 4;) {
        ssize_t got = read(master, text + n, 4 - n);

        if (got <= 0)
            break;
        n += got;
    }
    CHECK(!strcmp(text, "a\r\nb"));
    terminal_cook();
    CHECK(is_cooked(slave));
    terminal_resume(&terminal);
    tcgetattr(slave, &t);
    CHECK(t.c_oflag & OPOST && !(t.c_lflag & ICANON));
    teardown();
    CHECK(is_cooked(slave));
}

static void test_onlcr(void)
{
    in_session(returns);
}

static bool two_keys_or_input(void)
{
    return nkeys >= 2 && terminal.count >= 4;
}

static bool three_keys(void)
{
    return nkeys >= 3;
}

static void escapes(int master, int slave)
{
    setup(dup(slave), null_device());
    CHECK_EQ(write(master, "a\1x\1\1\1b\r\3", 9), 9);
    run_until(two_keys_or_input);
    CHECK_EQ(console_get(console), 'a');
    CHECK_EQ(console_get(console), 1);
    CHECK_EQ(console_get(console), '\r');
    CHECK_EQ(console_get(console), 3);
    CHECK(!strcmp(keys, "xb"));

    CHECK_EQ(write(master, "\1", 1), 1);
    run_until(ten_rounds);
    CHECK_EQ(nkeys, 2);
    CHECK_EQ(write(master, "d", 1), 1);
    run_until(three_keys);
    CHECK(!strcmp(keys, "xbd"));
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_escapes(void)
{
    in_session(escapes);
}

static bool one_key(void)
{
    return nkeys >= 1;
}

static bool at_once(void *to, int key)
{
    CHECK(to == keys);
    if (key == 'x')
        event_stop(&loop);
    return key == 'x';
}

static void *keep_lock(void *locked)
{
    pthread_mutex_lock(&lock);
    sem_post(locked);
    return NULL;
}

/* The way out is heard whoever has the machine's lock; what was typed before it is not lost. */
static void hears_at_once(int master, int slave)
{
    pthread_t thread;
    sem_t locked;

    setup(dup(slave), null_device());
    terminal.at_once = at_once;
    sem_init(&locked, 0, 0);
    CHECK(!pthread_create(&thread, NULL, keep_lock, &locked));
    sem_wait(&locked);
    pthread_join(thread, NULL);
    CHECK_EQ(write(master, "a\1b\1x", 5), 5);
    event_run(&loop);
    CHECK_EQ(terminal.count, 0);
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    run_until(one_key);
    CHECK(!strcmp(keys, "b"));
    CHECK_EQ(console_get(console), 'a');
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_at_once(void)
{
    in_session(hears_at_once);
}

/* However much was typed to a guest that does not read, the escape is heard and nothing is lost. */
static void deaf_guest(int master, int slave)
{
    size_t n = 0;

    setup(dup(slave), null_device());
    for (size_t i = 0; i < LOTS; i++) {
        uint8_t byte = 'a' + i % 26;

        CHECK_EQ(write(master, &byte, 1), 1);
        if (i % 256 == 0)
            run_until(ten_rounds);
    }
    CHECK_EQ(write(master, "\1x", 2), 2);
    run_until(one_key);
    CHECK(!strcmp(keys, "x"));
    terminal_type(&terminal, CONSOLE_BREAK);
    CHECK_EQ(terminal.count, LOTS + 1);
    CHECK(terminal.in.on);
    while (n < LOTS && terminal.count)
        CHECK_EQ(console_get(console), 'a' + n++ % 26);
    CHECK_EQ(n, LOTS);
    CHECK_EQ(console_get(console), CONSOLE_BREAK);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_deaf_guest(void)
{
    in_session(deaf_guest);
}

/* Type as much as goes in, and let the loop take it, until nothing goes any more. */
static size_t flood(int master)
{
    uint8_t bytes[4096];
    size_t n = 0;
    ssize_t got;

    fcntl(master, F_SETFL, O_NONBLOCK);
    do {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = 'a' + (n + i) % 26;
        got = write(master, bytes, sizeof(bytes));
        n += got > 0 ? got : 0;
        run_until(ten_rounds);
    } while (got > 0 || terminal.in.on);
    return n;
}

/* Whoever types more than any person does to a guest that does not read is held back in the end. */
static void endless_typing(int master, int slave)
{
    size_t n = 0, typed;

    setup(dup(slave), null_device());
    typed = flood(master);
    CHECK(typed > TERMINAL_TYPED);
    CHECK_EQ(terminal.count, TERMINAL_TYPED);
    CHECK_EQ(terminal.size, TERMINAL_TYPED);
    terminal_type(&terminal, 'x');
    CHECK_EQ(terminal.count, TERMINAL_TYPED);
    while (n < typed) {
        if (!terminal.count)
            run_until(has_input);
        CHECK_EQ(console_get(console), 'a' + n++ % 26);
    }
    run_until(ten_rounds);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    teardown();
}

static void test_endless_typing(void)
{
    in_session(endless_typing);
}

/* The user's modem line, window or ssh is gone. */
static void hang_up(int master, int slave)
{
    hangs_up = true;
    setup(dup(slave), null_device());
    CHECK(!console_ended(console));
    close(master);
    run_until(at_eof);
    CHECK_EQ(console_get(console), CONSOLE_EMPTY);
    CHECK(console_ended(console));
    teardown();
}

static void test_hang_up(void)
{
    in_session(hang_up);
}

static void die_raw(int slave, int sig)
{
    int status = -1;

    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        setup(dup(slave), null_device());
        if (!is_raw(slave))
            _exit(99);
        if (!sig)
            exit(3);
        raise(sig);
        _exit(98);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (sig)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == sig);
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    CHECK(is_cooked(slave));
}

static void ends(int master, int slave)
{
    (void)master;
    die_raw(slave, 0);
    die_raw(slave, SIGABRT);
    die_raw(slave, SIGSEGV);
    die_raw(slave, SIGTERM);
    die_raw(slave, SIGUSR1);
    die_raw(slave, SIGPWR);
    die_raw(slave, SIGSTKFLT);
    die_raw(slave, SIGRTMIN);
    die_raw(slave, SIGRTMAX);
}

static void test_ends(void)
{
    in_session(ends);
}

/* Bytes typed to the guest, such as a terminal's answers, are not left for the shell. */
static void dropped(int master, int slave)
{
    int left = -1;

    setup(dup(slave), null_device());
    CHECK_EQ(write(master, "\033[1;1R\n", 7), 7);
    while (!ioctl(slave, FIONREAD, &left) && left < 7)
        sched_yield();
    teardown();
    CHECK(is_cooked(slave));
    CHECK(!ioctl(slave, FIONREAD, &left));
    CHECK_EQ(left, 0);
}

static void test_dropped(void)
{
    in_session(dropped);
}

/* Nobody reads the terminal, on which more has been put than it takes; it is given back all the
 * same, with what undoes the rest last. */
static void stalled(int master, int slave)
{
    char bytes[8192];
    ssize_t n, all = 0;

    setup(dup(slave), dup(slave));
    terminal_at_cook(&terminal, "goodbye");
    put_output(0, LITTLE);
    CHECK(!terminal_finish(&terminal, clock_host(CLOCK_MONOTONIC) + 1000000));
    CHECK(is_cooked(slave));
    fcntl(master, F_SETFL, O_NONBLOCK);
    while ((n = read(master, bytes + all, sizeof(bytes) - all)) > 0) {
        all += n;
        if (all > 4096) {
            memmove(bytes, bytes + all - 16, 16);
            all = 16;
        }
    }
    CHECK(all >= 7 && !memcmp(bytes + all - 7, "goodbye", 7));
    event_free(&loop);
    close(looker.fd);
    close(terminal.in.fd);
    close(terminal.out.fd);
}

static void test_stalled(void)
{
    in_session(stalled);
}

/* In the background the terminal is left as it is, until minivm is in the foreground. */
static void background(int master, int slave)
{
    pid_t other = fork();

    (void)master;
    if (other == 0) {
        pause();
        _exit(0);
    }
    setpgid(other, other);
    CHECK(!tcsetpgrp(slave, other));
    setup(dup(slave), null_device());
    CHECK(is_cooked(slave));
    terminal_resume(&terminal);
    CHECK(is_cooked(slave));
    CHECK(!tcsetpgrp(slave, getpgrp()));
    terminal_resume(&terminal);
    CHECK(is_raw(slave));

    /* To restore it from the background must work without being stopped. */
    CHECK(!tcsetpgrp(slave, other));
    teardown();
    CHECK(is_cooked(slave));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

static void test_background(void)
{
    in_session(background);
}

static void check_words(int fd, const char *expected)
{
    char words[TERMINAL_WORDS];

    terminal_words(fd, words, sizeof(words));
    if (strcmp(words, expected))
        printf("# words: \"%s\", not \"%s\"\n", words, expected);
    CHECK(!strcmp(words, expected));
}

/* What a guest is told of the terminal. */
static void words(int master, int slave)
{
    struct winsize size = {.ws_row = 50, .ws_col = 132};
    char longest[65];

    setenv("TERM", "xterm-256color", 1);
    check_words(slave, "TERM=xterm-256color");
    CHECK(!ioctl(master, TIOCSWINSZ, &size));
    check_words(slave, "TERM=xterm-256color LINES=50 COLUMNS=132");
    setenv("TERM", "two words", 1);
    check_words(slave, "LINES=50 COLUMNS=132");
    setenv("TERM", "x\"y", 1);
    check_words(slave, "LINES=50 COLUMNS=132");
    setenv("TERM", "", 1);
    check_words(slave, "LINES=50 COLUMNS=132");
    unsetenv("TERM");
    check_words(slave, "LINES=50 COLUMNS=132");
    memset(longest, 'x', 64);
    longest[64] = 0;
    setenv("TERM", longest, 1);
    check_words(slave, "LINES=50 COLUMNS=132");
    setenv("TERM", "vt100", 1);
    check_words(null_device(), "");
}

static void test_words(void)
{
    in_session(words);
}

int main(void)
{
    alarm(TEST_LIMIT_S);
    return test_main((struct test[]){
        {test_input, "bytes of a pipe arrive"},
        {test_back_pressure, "a guest that does not read holds the sender back; nothing is lost"},
        {test_file, "a file as input is read as the guest asks for it"},
        {test_eof, "the end of input is not the end of the guest"},
        {test_ended, "where the end of input hangs up, the last byte comes first"},
        {test_whole, "input may all be there from the start"},
        {test_lend, "input is lent, if the guest has not asked for it"},
        {test_unreadable, "what cannot be read has ended"},
        {test_no_escape, "Ctrl-A is a byte like others in a pipe"},
        {test_type, "bytes and breaks that were not typed"},
        {test_stolen, "input that another process took is not waited for"},
        {test_prompt, "a single byte of output leaves without waiting for more"},
        {test_output, "output leaves whole and in order"},
        {test_slow_reader, "a slow reader holds the guest back"},
        {test_little, "little output holds nobody back"},
        {test_release, "a machine that stops waits for no reader"},
        {test_closed_reader, "a reader that goes away is told of, and frees who waits"},
        {test_closed_at_end, "a reader that has gone away is told of at the end"},
        {test_last_line, "the last line of output"},
        {test_raw, "a terminal becomes raw and is restored"},
        {test_onlcr, "a raw terminal may return the carriage"},
        {test_escapes, "keys after Ctrl-A are commands on a terminal"},
        {test_at_once, "the way out is heard without the lock"},
        {test_deaf_guest, "Ctrl-A is heard while a guest does not read"},
        {test_endless_typing, "who types without end is held back; nothing is lost"},
        {test_hang_up, "a terminal that hangs up is the end of input"},
        {test_ends, "a terminal is restored at exit and after a crash"},
        {test_dropped, "what was typed to the guest is not left for the shell"},
        {test_stalled, "a terminal that stalls is given back"},
        {test_background, "in the background a terminal is left alone"},
        {test_words, "what a guest is told of the terminal"},
        {test_patience, "a reader that sleeps for ever is left behind"},
        {0},
    });
}

// SPDX-License-Identifier: MIT
/*
 * Panes, looked at on a terminal that knows the sequences they may send and refuses all others.
 */
#define _GNU_SOURCE
#include "tools/minivm/panes.h"
#include "tests/unit/test.h"
#include "tests/unit/thread.h"

#include <sched.h>
#include <stdlib.h>

#define FRAME_NS   UINT64_C(40000000)
#define INBOX      (64 << 10) /* bytes that a guest may be ahead of the main thread */
#define MAX_SCREEN 240
#define REVERSE    0x100
#define BOLD       0x200

/* A terminal: characters with their colours in bits 16 and up. */
struct screen {
    struct console console;
    int rows, columns;
    uint32_t grid[MAX_SCREEN][MAX_SCREEN], shell[MAX_SCREEN][MAX_SCREEN];
    uint32_t style;
    int row, column;
    bool alternate, visible, wraps;
    int puts, strange, clears;
    size_t unwritten;
};

static struct screen a, b;
static struct panes panes, other;
static struct test_clock turned, turned_too;
static const char *names[MUX_MAX];

static void blank(struct screen *s)
{
    for (int y = 0; y < MAX_SCREEN; y++)
        for (int x = 0; x < MAX_SCREEN; x++)
            s->grid[y][x] = ' ';
}

static void sgr(struct screen *s, const int *arg, int n)
{
    for (int i = 0; i < n; i++) {
        if (arg[i] == 0)
            s->style = 0;
        else if (arg[i] == 1)
            s->style |= BOLD << 16;
        else if (arg[i] == 7)
            s->style |= REVERSE << 16;
        else if (arg[i] >= 31 && arg[i] <= 37)
            s->style |= (uint32_t)arg[i] << 16;
        else
            s->strange++;
    }
}

static void private_mode(struct screen *s, int mode, bool on)
{
    if (mode == 25) {
        s->visible = on;
    } else if (mode == 1049) {
        if (on != s->alternate)
            memcpy(on ? s->shell : s->grid, on ? s->grid : s->shell, sizeof(s->grid));
        if (on)
            blank(s);
        s->alternate = on;
    } else {
        s->strange++;
    }
}

/* A control sequence after its ESC; how many bytes it has. */
static size_t sequence(struct screen *s, const char *p, size_t n)
{
    int arg[8] = {0}, args = 1;
    size_t i = 1;
    bool private = n > 1 && p[1] == '?';

    if (n < 2 || p[0] != '[') {
        s->strange++;
        return n;
    }
    for (i += private; i < n && (p[i] == ';' || (p[i] >= '0' && p[i] <= '9')); i++) {
        if (p[i] != ';')
            arg[args - 1] = 10 * arg[args - 1] + p[i] - '0';
        else if (args < 8)
            args++;
    }
    char final = i < n ? p[i] : 0;

    if (private && (final == 'h' || final == 'l')) {
        private_mode(s, arg[0], final == 'h');
    } else if (final == 'H' && args == 2 && arg[0] >= 1 && arg[0] <= s->rows && arg[1] >= 1 &&
               arg[1] <= s->columns) {
        s->row = arg[0] - 1;
        s->column = arg[1] - 1;
        s->wraps = false;
    } else if (final == 'J' && arg[0] == 2) {
        s->clears++;
        blank(s);
    } else if (final == 'm') {
        sgr(s, arg, args);
    } else {
        s->strange++;
    }
    return i + 1;
}

static void print(struct screen *s, uint32_t code)
{
    s->strange += s->wraps || !s->alternate; /* nobody should come to depend on a wrap */
    s->grid[s->row][s->column] = code | s->style;
    s->wraps = s->column == s->columns - 1;
    s->column += !s->wraps;
}

static void screen_put(struct console *c, const void *buf, size_t n)
{
    struct screen *s = container_of(c, struct screen, console);
    const char *p = buf;

    s->puts++;
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = p[i];

        if (byte == 0x1b) {
            i += sequence(s, p + i + 1, n - i - 1);
        } else if (byte >= ' ' && byte < 0x7f) {
            print(s, byte);
        } else if (byte >= 0xc2 && byte < 0xe0 && i + 1 < n) {
            print(s, (byte & 0x1f) << 6 | (p[i + 1] & 0x3f));
            i++;
        } else if (byte >= 0xe0 && byte < 0xf0 && i + 2 < n) {
            print(s, (byte & 0xf) << 12 | (p[i + 1] & 0x3f) << 6 | (p[i + 2] & 0x3f));
            i += 2;
        } else {
            s->strange++;
        }
    }
}

static size_t screen_unwritten(struct console *c)
{
    return container_of(c, struct screen, console)->unwritten;
}

static void screen_init(struct screen *s, int rows, int columns)
{
    *s = (struct screen){.console = {.put = screen_put, .unwritten = screen_unwritten}};
    s->rows = rows;
    s->columns = columns;
    s->visible = true;
    blank(s);
    s->grid[0][0] = '$';
}

/* The text on a part of the screen, without the blanks at its end; non-ASCII is '~'. */
static const char *part(int row, int column, int width)
{
    static char text[4][MAX_SCREEN + 1];
    static int turn;
    char *t = text[turn++ % 4];
    int n = 0;

    for (int i = 0; i < width; i++) {
        uint32_t code = a.grid[row][column + i] & 0xffff;

        t[i] = code < 0x7f ? code : '~';
        if (t[i] != ' ')
            n = i + 1;
    }
    t[n] = 0;
    return t;
}

static bool same(const char *got, const char *wanted)
{
    if (!strcmp(got, wanted))
        return true;
    printf("# got '%s', not '%s'\n", got, wanted);
    return false;
}

#define CHECK_TEXT(row, column, width, wanted) CHECK(same(part(row, column, width), wanted))

static void setup(int n, int rows, int columns)
{
    static const char *const some[] = {"counter", "hello", "multiplication", "minimal"};

    for (int i = 0; i < n; i++)
        names[i] = some[i % 4];
    screen_init(&a, rows, columns);
    test_clock_init(&turned);
    turned.time = 12345;
    panes_init(&panes, &a.console, n, names);
    panes_start(&panes, &turned.clock, rows, columns);
    panes_resume(&panes);
}

static void teardown(void)
{
    panes_finish(&panes);
    CHECK_EQ(a.strange, 0);
    CHECK(!a.alternate);
    CHECK(a.visible);
    CHECK_EQ(a.style, 0);
    CHECK_EQ(a.grid[0][0], '$');
}

static void put_bytes(int n, const void *buf, size_t len)
{
    panes.output.put(&panes.output, n, buf, len);
}

static void say(int n, const char *text)
{
    put_bytes(n, text, strlen(text));
}

static void frame(void)
{
    test_clock_advance(&turned, FRAME_NS);
}

static void set_size(int rows, int columns)
{
    a.rows = rows;
    a.columns = columns;
    panes_resize(&panes, rows, columns);
    frame();
}

static void one_guest_has_the_whole_screen(void)
{
    setup(1, 24, 80);
    CHECK(a.alternate);
    CHECK_TEXT(0, 0, 80, "  0:counter");
    CHECK_TEXT(23, 0, 80,
               "Ctrl-A n next   Ctrl-A u/v look back/forward   Ctrl-A x quit   Ctrl-A h help");
    say(0, "Hello\r\nyou");
    frame();
    CHECK_TEXT(1, 0, 80, "Hello");
    CHECK_TEXT(2, 0, 80, "you");
    CHECK_TEXT(3, 0, 80, "");
    teardown();
}

static void two_stand_side_by_side_or_one_above_the_other(void)
{
    setup(2, 24, 81);
    CHECK_TEXT(0, 0, 40, "  0:counter");
    CHECK_TEXT(0, 41, 40, "- 1:hello ------------------------------");
    for (int y = 0; y < 23; y++)
        CHECK_TEXT(y, 40, 1, "|");
    CHECK_TEXT(23, 40, 1, "w");
    set_size(50, 80);
    CHECK_TEXT(0, 0, 20, "  0:counter");
    CHECK_TEXT(25, 0, 12, "- 1:hello --");
    teardown();
}

static void more_make_a_grid(void)
{
    setup(4, 25, 81);
    CHECK_TEXT(0, 41, 10, "- 1:hello");
    CHECK_TEXT(12, 0, 18, "- 2:multiplication");
    CHECK_TEXT(12, 41, 12, "- 3:minimal");
    CHECK_TEXT(12, 40, 1, "|");
    teardown();
    setup(16, 49, 163);
    for (int i = 0; i < 16; i++) {
        char number[16];

        snprintf(number, sizeof(number), "%d:", i);
        CHECK_TEXT(i / 4 * 12, i % 4 * 41 + 2, strlen(number), number);
    }
    teardown();
}

/* Is there something at this place but for the last row of a pane, whose text ends there? */
static bool is_filled(int y, int x)
{
    return a.grid[y][x] != ' ' || y == 31 || a.grid[y + 1][x] >> 16;
}

static void all_numbers_of_guests_fill_the_screen(void)
{
    for (int n = 1; n <= 16; n++) {
        int empty = 0;

        setup(n, 33, 31);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 1023; k++)
                say(i, "W");
        frame();
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 31; x++)
                empty += !is_filled(y, x);
        CHECK_EQ(empty, 0);
        teardown();
    }
}

static void titles_say_how_guests_ended(void)
{
    setup(2, 24, 80);
    panes.output.ended(&panes.output, 0, "status 0");
    panes.output.ended(&panes.output, 1, "crashed");
    frame();
    CHECK_TEXT(0, 0, 40, "  0:counter                   status 0");
    CHECK_TEXT(0, 41, 39, "- 1:hello ------------------- crashed -");
    teardown();
    setup(16, 24, 80);
    panes.output.ended(&panes.output, 2, "status 255");
    frame();
    CHECK_TEXT(0, 41, 19, "- 2:mu status 255 -");
    teardown();
}

static void names_cannot_draw(void)
{
    setup(1, 24, 80);
    names[0] = "n\033[2J\n\x80";
    teardown();
    screen_init(&a, 24, 80);
    test_clock_init(&turned);
    panes_init(&panes, &a.console, 1, names);
    panes_start(&panes, &turned.clock, 24, 80);
    panes_resume(&panes);
    panes_message(&panes, "m\033[2J");
    frame();
    CHECK_TEXT(0, 0, 80, "  0:n?[2J??");
    CHECK_TEXT(23, 0, 80, "m?[2J");
    teardown();
}

static void the_focus_is_marked_and_has_the_cursor(void)
{
    setup(2, 24, 81);
    say(0, "one");
    say(1, "a\nfour");
    frame();
    CHECK_EQ(a.grid[0][0] >> 16, (REVERSE | BOLD | 36));
    CHECK_EQ(a.grid[0][41] >> 16, 32);
    CHECK(a.visible);
    CHECK_EQ(a.row, 1);
    CHECK_EQ(a.column, 3);
    panes.output.focus(&panes.output, 1);
    frame();
    CHECK_EQ(a.grid[0][0] >> 16, 36);
    CHECK_EQ(a.grid[0][41] >> 16, (REVERSE | BOLD | 32));
    CHECK(a.visible);
    CHECK_EQ(a.row, 2);
    CHECK_EQ(a.column, 45);
    panes.output.ended(&panes.output, 1, "status 0");
    frame();
    CHECK(!a.visible);
    teardown();
}

static void controls_move_within_the_line(void)
{
    setup(1, 24, 80);
    say(0, "abc\rX\n1\t2\r\n\b\b12\b3\n\a\177\f.\nprogress 1%\rprogress 2%\nab\tc\r\t!");
    frame();
    CHECK_TEXT(1, 0, 80, "Xbc");
    CHECK_TEXT(2, 0, 80, "1       2");
    CHECK_TEXT(3, 0, 80, "13");
    CHECK_TEXT(4, 0, 80, ".");
    CHECK_TEXT(5, 0, 80, "progress 2%");
    CHECK_TEXT(6, 0, 80, "ab      !");
    CHECK_EQ(a.column, 9);
    teardown();
}

static void long_lines_wrap(void)
{
    setup(2, 24, 81);
    for (int i = 0; i < 9; i++)
        say(1, "0123456789");
    frame();
    CHECK_TEXT(1, 41, 40, "0123456789012345678901234567890123456789");
    CHECK_TEXT(2, 41, 40, "0123456789012345678901234567890123456789");
    CHECK_TEXT(3, 41, 40, "0123456789");
    say(1, "\r\nnext\n");
    for (int i = 0; i < 4; i++)
        say(1, "0123456789");
    panes.output.focus(&panes.output, 1);
    frame();
    CHECK_TEXT(4, 41, 40, "next");
    CHECK_EQ(a.row, 5);
    CHECK_EQ(a.column, 80);
    say(1, "X");
    frame();
    CHECK_TEXT(6, 41, 40, "X");
    CHECK_EQ(a.row, 6);
    CHECK_EQ(a.column, 42);
    say(1, "\r");
    frame();
    CHECK_EQ(a.row, 5);
    CHECK_EQ(a.column, 41);
    teardown();
}

static void count_to(int from, int to)
{
    char line[32];

    for (int i = from; i <= to; i++) {
        snprintf(line, sizeof(line), "\nline %d", i);
        say(0, line);
    }
}

static void text_scrolls_and_wraps_anew_when_resized(void)
{
    setup(1, 12, 40);
    say(0, "a line of seventy characters, which is a bit more than fits on a row..");
    count_to(1, 8);
    frame();
    CHECK_TEXT(1, 0, 40, "a line of seventy characters, which is a");
    CHECK_TEXT(2, 0, 40, " bit more than fits on a row..");
    CHECK_TEXT(10, 0, 40, "line 8");
    set_size(10, 80);
    CHECK_TEXT(0, 0, 80, "  0:counter");
    CHECK_TEXT(1, 0, 80, "line 1");
    CHECK_TEXT(8, 0, 80, "line 8");
    set_size(11, 80);
    CHECK_TEXT(1, 0, 80, "a line of seventy characters, which is a bit more than fits on a row..");
    set_size(12, 40);
    CHECK_TEXT(2, 0, 40, " bit more than fits on a row..");
    teardown();
}

static void one_can_look_back(void)
{
    setup(1, 12, 40);
    count_to(1, 30);
    frame();
    CHECK_TEXT(1, 0, 40, "line 21");
    panes_scroll(&panes, true);
    frame();
    CHECK_TEXT(0, 0, 40, "  0:counter               looking back");
    CHECK_TEXT(1, 0, 40, "line 16");
    CHECK(!a.visible);
    count_to(31, 33);
    frame();
    CHECK_TEXT(1, 0, 40, "line 16");
    panes_scroll(&panes, false);
    frame();
    CHECK_TEXT(1, 0, 40, "line 21");
    panes_scroll(&panes, false);
    frame();
    CHECK_TEXT(10, 0, 40, "line 33");
    CHECK_TEXT(0, 0, 40, "  0:counter");
    CHECK(a.visible);
    count_to(34, 34);
    frame();
    CHECK_TEXT(10, 0, 40, "line 34");
    for (int i = 0; i < 10; i++)
        panes_scroll(&panes, true);
    frame();
    CHECK_TEXT(1, 0, 40, "");
    CHECK_TEXT(2, 0, 40, "line 1");
    set_size(40, 40);
    CHECK_TEXT(0, 0, 40, "  0:counter");
    CHECK_TEXT(2, 0, 40, "line 1");
    teardown();
}

static void what_fits_needs_no_looking_back(void)
{
    setup(1, 12, 40);
    say(0, "all");
    panes_scroll(&panes, true);
    panes_scroll(&panes, false);
    frame();
    CHECK_TEXT(0, 0, 40, "  0:counter");
    CHECK_TEXT(1, 0, 40, "all");
    teardown();
}

static void a_thousand_lines_are_kept(void)
{
    setup(1, 12, 40);
    count_to(1, 3000);
    for (int i = 0; i < 300; i++)
        panes_scroll(&panes, true);
    frame();
    CHECK_TEXT(1, 0, 40, "line 1977");
    count_to(3001, 3010);
    frame();
    CHECK_TEXT(1, 0, 40, "line 1987");
    for (int i = 0; i < 300; i++)
        panes_scroll(&panes, false);
    frame();
    CHECK_TEXT(10, 0, 40, "line 3010");
    teardown();
}

static void a_line_without_end_is_cut(void)
{
    setup(1, 12, 40);
    for (int i = 0; i < 100000; i++)
        say(0, "1234567\t");
    frame();
    CHECK_TEXT(5, 0, 10, "1234567 12");
    teardown();
}

static void escape_sequences_are_swallowed(void)
{
    static const char text[] = "\033[2Ja\033[1;31mb\033]0;a title\ac\033P1$r\033\\d\033(Be\033c"
                               "f\033[?1049hg\033[3\030h\033[9\033[mi\033]un\xc3\xa9nded\nj"
                               "\xc2\x9b"
                               "2Jk\033#8l\033[\xc3\xa4";

    for (size_t cut = 0; cut < sizeof(text); cut++) {
        setup(1, 12, 40);
        put_bytes(0, text, cut);
        if (cut % 2)
            frame();
        put_bytes(0, text + cut, sizeof(text) - 1 - cut);
        frame();
        CHECK_TEXT(1, 0, 40, "abcdefghi");
        CHECK_TEXT(2, 0, 40, "j?2Jkl~");
        teardown();
    }
}

static void utf8_is_shown_as_far_as_widths_are_certain(void)
{
    static const uint32_t wanted[] = {0xe9, 0x2500, 0x2588, 0x416, '.', '?', '?', '.', '?',
                                      '?',  '?',    '?',    '.',   '?', '?', '?', '?', 'x'};

    setup(1, 12, 40);
    say(0, "\xc3\xa9\xe2\x94\x80\xe2\x96\x88\xd0\x96."
           "\xe4\xb8\xad\xcc\x81." /* an ideograph, a combining mark */
           "\xf0\x9f\x98\x80\x80\xff\xc1."
           "\xe2\x94\n\xe2\x94\xed\xa0\x80\xc0\xf8x");
    frame();
    for (int i = 0; i < 12; i++)
        CHECK_EQ(a.grid[1][i], wanted[i]);
    CHECK_TEXT(1, 12, 40, ".?");
    CHECK_TEXT(2, 0, 40, "????x");
    teardown();
}

static void a_small_screen_does_no_harm(void)
{
    setup(16, 24, 80);
    say(3, "kept");
    for (int rows = 1; rows < 20; rows++) {
        for (int columns = 1; columns < 90; columns += 1 + columns / 8) {
            set_size(rows, columns);
            panes_scroll(&panes, rows % 2);
            say(0, "x\n");
        }
    }
    set_size(5, 20);
    CHECK_TEXT(0, 0, 20, "The screen is too sm");
    CHECK_TEXT(1, 0, 20, "");
    CHECK(!a.visible);
    set_size(24, 80);
    CHECK_TEXT(1, 61, 19, "kept");
    a.rows = 24;
    a.columns = 80;
    panes_resize(&panes, 0, 0);
    frame();
    CHECK_TEXT(1, 61, 19, "kept");
    teardown();
}

static void a_message_takes_the_bottom_line(void)
{
    setup(1, 12, 40);
    panes_message(&panes, "All guests have ended. Press a key, any of those on the keyboard");
    frame();
    CHECK_TEXT(11, 0, 40, "All guests have ended. Press a key, any");
    panes_message(&panes, NULL);
    frame();
    CHECK_TEXT(11, 0, 40, "Ctrl-A n next   Ctrl-A u/v look back/for");
    teardown();
}

static void a_long_message_covers_the_panes(void)
{
    setup(1, 12, 40);
    count_to(1, 20);
    panes_message(&panes, "\none\n\nthree\n");
    frame();
    CHECK_TEXT(8, 0, 40, "line 18");
    CHECK_TEXT(9, 0, 40, "one");
    CHECK_TEXT(10, 0, 40, "");
    CHECK_TEXT(11, 0, 40, "three");
    CHECK(!a.visible);
    panes_message(&panes, "\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14");
    frame();
    CHECK_TEXT(0, 0, 40, "3");
    CHECK_TEXT(11, 0, 40, "14");
    panes_message(&panes, NULL);
    frame();
    CHECK_TEXT(10, 0, 40, "line 20");
    CHECK(a.visible);
    teardown();
}

static void frames_are_few_and_none_for_nothing(void)
{
    setup(2, 24, 80);
    int puts = a.puts;

    CHECK_EQ(clock_next(&turned.clock), CLOCK_NEVER);
    test_clock_advance(&turned, NS_PER_SECOND);
    CHECK_EQ(a.puts, puts);
    for (int i = 0; i < 1000; i++) {
        say(i % 2, "x");
        test_clock_advance(&turned, NS_PER_SECOND / 1000);
    }
    CHECK(a.puts - puts <= 26);
    CHECK(a.puts - puts >= 24);
    frame();
    puts = a.puts;
    test_clock_advance(&turned, NS_PER_SECOND);
    CHECK_EQ(a.puts, puts);
    say(0, "\r");
    frame();
    CHECK_EQ(a.puts, puts + 1); /* the cursor moved */
    say(0, "\r\033[m");
    frame();
    CHECK_EQ(a.puts, puts + 1);
    CHECK_EQ(clock_next(&turned.clock), CLOCK_NEVER);
    CHECK_EQ(a.clears, 1);
    teardown();
}

static void a_slow_terminal_is_shown_less(void)
{
    setup(1, 12, 40);
    int puts = a.puts;

    a.unwritten = 1;
    for (int i = 0; i < 100; i++) {
        say(0, "x\n");
        frame();
    }
    CHECK_EQ(a.puts, puts);
    CHECK_EQ(panes.unread, 0);
    say(0, "end");
    a.unwritten = 0;
    frame();
    CHECK_EQ(a.puts, puts + 1);
    CHECK_TEXT(10, 0, 40, "end");
    teardown();
}

static void nothing_is_lost_at_the_end(void)
{
    setup(1, 12, 40);
    a.unwritten = 1;
    say(0, "last words");
    panes_flush(&panes);
    CHECK_TEXT(1, 0, 40, "last words");
    CHECK_EQ(clock_next(&turned.clock), CLOCK_NEVER);
    say(0, " and more");
    teardown();
    CHECK_EQ(clock_next(&turned.clock), CLOCK_NEVER);
}

static void the_screen_is_taken_again(void)
{
    setup(2, 24, 80);
    say(1, "here");
    frame();
    screen_put(&a.console, CANVAS_LEAVE, strlen(CANVAS_LEAVE));
    a.grid[5][5] = '!'; /* the user's shell wrote something */
    panes_resume(&panes);
    frame();
    CHECK(a.alternate);
    CHECK_TEXT(1, 41, 39, "here");
    CHECK_TEXT(5, 5, 1, "");
    CHECK(a.visible);
    teardown();
}

static int waits_left;
static pid_t waiter_id;

static void *waiter(void *arg)
{
    (void)arg;
    __atomic_store_n(&waiter_id, gettid(), __ATOMIC_RELEASE);
    while (__atomic_load_n(&waits_left, __ATOMIC_ACQUIRE)) {
        panes.output.wait(&panes.output);
        __atomic_sub_fetch(&waits_left, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static pthread_t start_waiter(int waits)
{
    pthread_t thread;

    waits_left = waits;
    waiter_id = 0;
    CHECK(!pthread_create(&thread, NULL, waiter, NULL));
    return thread;
}

static void fill_inbox(void)
{
    static char lots[INBOX];

    memset(lots, 'x', sizeof(lots));
    put_bytes(0, lots, sizeof(lots));
}

static void await_sleep(void)
{
    while (!__atomic_load_n(&waiter_id, __ATOMIC_ACQUIRE) || !test_asleep(waiter_id))
        sched_yield();
}

static void fast_guests_wait(void)
{
    alarm(TEST_LIMIT_S);
    setup(2, 24, 80);
    say(0, "little");
    pthread_join(start_waiter(3), NULL);

    frame();
    int puts = a.puts;

    fill_inbox();
    pthread_t thread = start_waiter(1);

    await_sleep();
    CHECK_EQ(waits_left, 1);
    test_clock_advance(&turned, 0);
    pthread_join(thread, NULL);
    fill_inbox();
    test_clock_advance(&turned, 0);
    CHECK_EQ(panes.unread, 0);
    CHECK_EQ(a.puts, puts); /* taken, but not drawn: it is too soon */
    frame();
    CHECK_EQ(a.puts, puts + 1);

    fill_inbox();
    thread = start_waiter(2);
    await_sleep();
    panes.output.release(&panes.output, true);
    pthread_join(thread, NULL);
    panes.output.release(&panes.output, false);
    thread = start_waiter(1);
    await_sleep();
    panes_flush(&panes);
    pthread_join(thread, NULL);
    teardown();
    alarm(0);
}

static uint32_t seed = 1;

static unsigned any(unsigned n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static void random_bytes(char *buf, size_t n, bool hostile)
{
    static const char *const pieces[] = {"\n",      "\r\n",  "\r",      "\b",       "\t",
                                         "\033[2J", "\033]", "\033[9H", "\xc3\xa9", "\xe2\x94\x80",
                                         "words ",  "a",     "\033",    "|--|",     "\xf0\x9f"};
    size_t i = 0;

    while (i < n) {
        const char *p = pieces[any(sizeof(pieces) / sizeof(pieces[0]))];

        if (hostile && any(2))
            buf[i++] = any(256);
        else
            for (; i < n && *p; p++)
                buf[i++] = *p;
    }
}

static bool equal_screens(void)
{
    bool equal = a.visible == b.visible;

    for (int y = 0; y < a.rows; y++)
        for (int x = 0; x < a.columns; x++)
            equal &= a.grid[y][x] == b.grid[y][x];
    if (a.visible)
        equal &= a.row == b.row && a.column == b.column;
    return equal;
}

/* Do something, the same to both. */
static void act_on_both(int n)
{
    struct panes *both[] = {&panes, &other};
    unsigned what = any(40), guest = any(n), rows = 10 + any(30), columns = 20 + any(100);
    char buf[300];
    size_t len = 1 + any(sizeof(buf));

    random_bytes(buf, len, any(2));
    for (int i = 0; i < 2; i++) {
        struct panes *p = both[i];

        if (what == 0) {
            a.rows = b.rows = rows;
            a.columns = b.columns = columns;
            panes_resize(p, rows, columns);
        } else if (what == 1) {
            p->output.focus(&p->output, guest);
        } else if (what < 6) {
            panes_scroll(p, what > 2);
        } else if (what == 6) {
            panes_message(p, guest ? NULL : "a message");
        } else if (what == 7 && guest == 1) {
            p->output.ended(&p->output, guest, "status 3");
        } else {
            p->output.put(&p->output, guest, buf, len);
        }
    }
}

static void what_is_drawn_is_what_would_be_drawn_afresh(void)
{
    for (int n = 1; n <= 9; n += 2) {
        setup(n, 24, 80);
        screen_init(&b, 24, 80);
        test_clock_init(&turned_too);
        panes_init(&other, &b.console, n, names);
        panes_start(&other, &turned_too.clock, 24, 80);
        panes_resume(&other);
        for (int i = 0; i < 1000; i++) {
            act_on_both(n);
            frame();
            panes_resume(&other);
            panes_flush(&other);
            if (!equal_screens()) {
                CHECK(!"equal");
                break;
            }
        }
        CHECK_EQ(b.strange, 0);
        panes_finish(&other);
        teardown();
    }
}

static void hostile_bytes_stay_in_their_pane(void)
{
    char buf[500];

    setup(4, 25, 81);
    say(0, "left alone");
    say(3, "me too");
    for (int i = 0; i < 2000; i++) {
        size_t n = 1 + any(sizeof(buf));

        random_bytes(buf, n, true);
        put_bytes(1, buf, n);
        frame();
        if (a.strange)
            break;
    }
    CHECK_TEXT(0, 0, 40, "  0:counter");
    CHECK_TEXT(0, 41, 40, "- 1:hello ------------------------------");
    CHECK_TEXT(12, 41, 40, "- 3:minimal ----------------------------");
    CHECK_TEXT(1, 0, 40, "left alone");
    CHECK_TEXT(13, 41, 40, "me too");
    for (int y = 0; y < 24; y++)
        CHECK_TEXT(y, 40, 1, "|");
    for (int y = 2; y < 12; y++)
        CHECK_TEXT(y, 0, 40, "");
    for (int y = 14; y < 24; y++)
        CHECK_TEXT(y, 41, 40, "");
    CHECK_EQ(a.row, 1);
    CHECK_EQ(a.column, 10);
    teardown();
}

int main(void)
{
    return test_main((struct test[]){
        {one_guest_has_the_whole_screen, "one guest has the whole screen"},
        {two_stand_side_by_side_or_one_above_the_other,
         "two stand side by side or one above the other, as the screen is"},
        {more_make_a_grid, "more make a grid"},
        {all_numbers_of_guests_fill_the_screen, "1 to 16 guests fill the screen, without a gap"},
        {titles_say_how_guests_ended, "titles say how guests ended"},
        {names_cannot_draw, "names and messages cannot draw"},
        {the_focus_is_marked_and_has_the_cursor, "the focus is marked and has the cursor"},
        {controls_move_within_the_line, "carriage return, backspace and tab move within the line"},
        {long_lines_wrap, "long lines wrap"},
        {text_scrolls_and_wraps_anew_when_resized, "text scrolls, and wraps anew when resized"},
        {one_can_look_back, "one can look back, and forward to the end"},
        {what_fits_needs_no_looking_back, "what fits needs no looking back"},
        {a_thousand_lines_are_kept, "a thousand lines are kept, not more"},
        {a_line_without_end_is_cut, "a line without end is cut"},
        {escape_sequences_are_swallowed, "escape sequences are swallowed, wherever they are cut"},
        {utf8_is_shown_as_far_as_widths_are_certain, "UTF-8 is shown where its width is certain"},
        {a_small_screen_does_no_harm, "a screen that is too small says so and does no harm"},
        {a_message_takes_the_bottom_line, "a message takes the bottom line"},
        {a_long_message_covers_the_panes, "one of several lines covers the panes"},
        {frames_are_few_and_none_for_nothing, "25 frames a second at most, none for nothing"},
        {a_slow_terminal_is_shown_less, "a slow terminal is shown less"},
        {nothing_is_lost_at_the_end, "nothing is lost at the end"},
        {the_screen_is_taken_again, "the screen is taken again after a stop"},
        {fast_guests_wait, "fast guests wait for the main thread, not for a frame"},
        {what_is_drawn_is_what_would_be_drawn_afresh,
         "what is drawn is what would be drawn afresh"},
        {hostile_bytes_stay_in_their_pane, "hostile bytes stay in their pane"},
        {0},
    });
}

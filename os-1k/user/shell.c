// SPDX-License-Identifier: MIT
/*
 * The shell: process 1. A number starts a program of the menu, a word does what `help` says. When
 * the shell ends, so does the machine.
 */
#include "os-1k/user/user.h"

enum {
    LINE_SIZE = 100,
    CHUNK = 512,
};

static const struct {
    const char *title, *program;
} menu[] = {
    {"Multiplication Table (2x1 ~ 9x9)", "multiply"},
    {"Counter (0-9)", "counter"},
    {"Echo (interactive)", "echo"},
    {"Fibonacci Sequence", "fibonacci"},
    {"Prime Numbers (up to 100)", "primes"},
    {"Calculator", "calculator"},
    {"Factorial (0! ~ 12!)", "factorial"},
    {"GCD (Greatest Common Divisor)", "gcd"},
    {"About 1K OS", "about"},
    {"Timer", "timer"},
};

#define MENU_ITEMS (int)(sizeof(menu) / sizeof(menu[0]))

static void show_menu(void)
{
    printf("=== 1K OS Menu ===\n\n");
    for (int i = 0; i < MENU_ITEMS; i++)
        printf("  %d. %s\n", i + 1, menu[i].title);
    printf("  help. More commands\n  0. Exit\n\n");
}

/* Cut the first word off a text. */
static char *cut_word(char **text)
{
    char *word = *text, *end;

    while (*word == ' ')
        word++;
    for (end = word; *end && *end != ' ';)
        end++;
    *text = end;
    while (**text == ' ')
        (*text)++;
    *end = '\0';
    return word;
}

static void complain(const char *about, int error)
{
    static const char *const texts[] = {
        [-NOT_FOUND] = "no such file",
        [-NOT_A_PROGRAM] = "not a program",
        [-FULL] = "no room left",
        [-BAD_ARGUMENT] = "not possible",
    };

    printf("%s: %s\n", *about ? about : "(no name)", texts[-error]);
}

/* Start a program; its pid, or an error that has been reported. */
static int start(const char *program, const char *arguments)
{
    int pid = spawn(program, arguments);

    if (pid < 0)
        complain(program, pid);
    return pid;
}

static void show_processes(char *rest)
{
    static const char *const states[] = {
        [PROCESS_READY] = "ready", [PROCESS_RUNNING] = "running", [PROCESS_WAITING] = "waiting"};
    struct process_info p;

    printf("  PID STATE    TICKS NAME\n");
    for (int i = 0; process(i, &p) == 0; i++)
        printf("%5d %-7s %6d %s\n", p.pid, states[p.state], p.ticks, p.name);
}

static void show_files(char *rest)
{
    struct file_info f;

    for (int i = 0; list(i, &f) == 0; i++)
        printf("%6d %s\n", f.size, f.name);
}

static void show_file(char *rest)
{
    const char *name = cut_word(&rest);
    char chunk[CHUNK];
    int n;

    for (int offset = 0; (n = readfile(name, offset, chunk, sizeof(chunk))) > 0; offset += n)
        write(chunk, n);
    if (n < 0)
        complain(name, n);
}

static void write_file(char *rest)
{
    const char *name = cut_word(&rest);
    char text[LINE_SIZE + 1];
    int n = strlen(rest), written;

    memcpy(text, rest, n);
    text[n] = '\n';
    written = writefile(name, text, n + 1);
    if (written < 0)
        complain(name, written);
}

static bool obey(char *line);

/* What stands behind a & is the next command. */
static void run(char *rest)
{
    char *others = strchr(rest, '&');
    const char *program;
    int pid;

    if (others)
        *others++ = '\0';
    program = cut_word(&rest);
    pid = start(program, rest);
    if (others)
        obey(others);
    else
        wait(pid);
}

static void wait_for_all(char *rest)
{
    struct process_info p;

    for (int i = 0; process(i, &p) == 0;)
        if (p.pid > getpid())
            wait(p.pid);
        else
            i++;
}

static void show_ticks(char *rest)
{
    printf("%d ticks, %d a second\n", ticks(), TICKS_PER_SECOND);
}

static void show_pages(char *rest)
{
    printf("%d pages of memory are free\n", pages());
}

static void crash(char *rest)
{
    wait(start("crash", rest));
}

static void help(char *rest);

static const struct {
    const char *name, *usage, *what;
    void (*run)(char *rest);
} words[] = {
    {"ps", "", "the processes", show_processes},
    {"ls", "", "the files", show_files},
    {"cat", "FILE", "show a file", show_file},
    {"write", "FILE TEXT", "put a line of text into a file", write_file},
    {"run", "NAME [ARGUMENTS] [&]", "run a program; with & do not wait for it", run},
    {"wait", "", "wait for all that run", wait_for_all},
    {"ticks", "", "timer interrupts since the start", show_ticks},
    {"free", "", "free memory", show_pages},
    {"crash", "[HOW]", "run a program that fails; crash help says how", crash},
    {"help", "", "this list", help},
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static void help(char *rest)
{
    printf("0 to %d choose from the menu, Enter shows it. Words:\n\n", MENU_ITEMS);
    for (size_t i = 0; i < WORDS; i++)
        printf("  %-5s %-20s  %s\n", words[i].name, words[i].usage, words[i].what);
}

/* Do what a line says. Is the menu to be shown again? */
static bool obey(char *line)
{
    const char *word = cut_word(&line), *end;
    int number;

    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(word, words[i].name) == 0) {
            words[i].run(line);
            return false;
        }
    if (!*word)
        return true;
    end = parse_int(word, &number);
    if (!end || *end || number < 0 || number > MENU_ITEMS) {
        printf("%s: not in the menu, and no word that I know; try help\n", word);
        return false;
    }
    if (number == 0)
        exit(0);
    wait(start(menu[number - 1].program, line));
    return true;
}

int main(const char *arguments)
{
    char line[LINE_SIZE];

    show_menu();
    while (readline("Select: ", line, sizeof(line)) >= 0) {
        bool again = obey(line);

        printf("\n");
        if (again)
            show_menu();
    }
    printf("\n");
    return 0;
}

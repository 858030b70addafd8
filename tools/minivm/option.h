/* SPDX-License-Identifier: MIT */
/*
 * The table of options: the one place that knows them. The parser reads it (options.c), the help
 * and the manual are printed from it (help.c, reference.c), and the shells' completions ask for it.
 */
#ifndef TOOLS_MINIVM_OPTION_H
#define TOOLS_MINIVM_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct options;

enum option_kind {
    OPERAND, /* no option, but part of the command: FILE... */
    ALIAS,   /* another name, which is not listed, of the option called value */
    FLAG,
    STRING,
    SIZE,
    NUMBER,
    SECONDS,
    MODULE,
    OPTIONAL, /* --opt or --opt=VALUE */
    PORT,
    RANGE,
    SHARE,
    DISK,
    NET, /* --opt, --opt=KEY=VALUE or --opt KEY=VALUE */
    VSOCK,
};

struct option {
    const char *name;
    char letter; /* 0 for none */
    enum option_kind kind;
    size_t offset;     /* in struct options, of what it sets */
    const char *value; /* what it takes: FILE, or one of kvm|soft|auto; or NULL */
    const char *text;  /* what it does; `words to be typed` stand in backticks */
    bool kernels;      /* it makes sense for kernels only, not for flat programs */
    const char *group; /* the group's heading, at its first option; else NULL */
};

extern const struct option option_table[];
extern const size_t option_count;

/* The option that is called name (len bytes of it, without dashes) or letter; NULL for none. An
 * alias is the option it stands for. */
const struct option *option_named(const char *name, size_t len);
const struct option *option_lettered(char letter);

/* Does the table allow word as the option's value? */
bool option_allows(const struct option *opt, const char *word);

/* The option whose name is like a misspelt one; NULL when there is none. */
const struct option *option_near(const char *name, size_t len);

/* Is word (len bytes of it) like name, with fewer than *best mistakes? Then *best becomes their
 * number. Begin with NEAR. */
#define NEAR 4
bool is_near(const char *word, size_t len, const char *name, int *best);

/* What other monitors call an option: their names for it, and what to say or to do here. */
struct foreign {
    const char *qemu, *lkvm, *vng, *others; /* options, each with its dashes; NULL for none */
    const char *here; /* begins with a backtick when there is such an option */
};

extern const struct foreign foreign_table[];
extern const size_t foreign_count;

/* The row of an option, "-append", or NULL. Dashes count only where they make a difference, as for
 * -cpu and --cpu. */
const struct foreign *foreign_option(const char *said);

/* For the manual, the README and the shells' completions, on stdout. */
void print_option_list(void);
void print_foreign_table(void);
void print_key_list(void);

/* Print the keys after Ctrl-A, each by the format line, which gets two strings, its name and what
 * it does. Those for several guests and those of --split only where they apply. */
void print_keys(FILE *f, const char *line, bool several, bool split);

/* Is there such a file? The name of a program may lack its .bin. */
bool is_program(const char *name);

/* Words of a command, quoted for a shell; the caller frees it. */
char *shell_words(char *const *words);

#endif

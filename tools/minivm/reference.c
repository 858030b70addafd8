// SPDX-License-Identifier: MIT
/*
 * The tables of options as others need them: the completions of bash and zsh, and Markdown for the
 * manual and the README.
 */
#include "boot/kernel.h"
#include "tools/minivm/option.h"

#include <stdio.h>
#include <string.h>

static const char commands[] = "run check inspect help version";

static bool takes_file(const struct option *opt)
{
    return opt->value && !strncmp(opt->value, "FILE", 4);
}

/* The words that an option's value may be, each followed by a blank; nothing when it is free. */
static void print_words(const struct option *opt)
{
    if (!strcmp(opt->name, "boot")) {
        for (int i = 0; ways[i]; i++)
            printf("%s ", ways[i]->name);
        return;
    }
    if (opt->value && strchr(opt->value, '|'))
        for (const char *s = opt->value; *s; s++)
            putchar(*s == '|' ? ' ' : *s);
}

static bool is_listed(const struct option *opt)
{
    return opt->kind > ALIAS;
}

static void print_pattern(const struct option *opt)
{
    printf("    --%s", opt->name);
    if (opt->letter)
        printf(" | -%c", opt->letter);
    fputs(") ", stdout);
}

void print_bash_completion(void)
{
    puts("# bash completion of minivm: . <(minivm help --bash)\n"
         "_minivm()\n"
         "{\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i\n"
         "\n"
         "    COMPREPLY=()\n"
         "    if [ \"$COMP_CWORD\" = 1 ]; then");
    printf("        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n", commands);
    puts("        return\n"
         "    fi\n"
         "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
         "        if [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
         "            return\n"
         "        fi\n"
         "    done\n"
         "    case ${COMP_WORDS[1]} in\n"
         "    help) COMPREPLY=($(compgen -W run -- \"$cur\")); return ;;\n"
         "    check) COMPREPLY=($(compgen -W '--quiet --engine kvm soft' -- \"$cur\")) && return "
         ";;\n"
         "    inspect) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
         "    run) ;;\n"
         "    *) return ;;\n"
         "    esac\n"
         "    case $prev in");
    for (size_t i = 0; i < option_count; i++) {
        const struct option *opt = &option_table[i];

        if (!is_listed(opt) || !opt->value || opt->kind == OPTIONAL || takes_file(opt))
            continue;
        print_pattern(opt);
        fputs("COMPREPLY=($(compgen -W '", stdout);
        print_words(opt);
        puts("' -- \"$cur\")); return ;;");
    }
    fputs("    esac\n"
          "    case $cur in\n"
          "    -*) COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; i < option_count; i++)
        if (is_listed(&option_table[i]))
            printf("--%s ", option_table[i].name);
    puts("' -- \"$cur\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
         "    esac\n"
         "}\n"
         "complete -o filenames -F _minivm minivm");
}

/* Text within [] of a specification of zsh, in single quotes. */
static void print_zsh_text(const char *s)
{
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *s))
            printf("\\%c", *s);
        else if (*s != '`')
            putchar(*s);
    }
}

/* 'OPTION[TEXT]:VALUE:ACTION' for _arguments; several --module and --initrd may be given. */
static void print_zsh_option(const struct option *opt)
{
    const char *many = opt->kind == MODULE ? "*" : "";
    const char *value = !opt->value ? "" : opt->kind == OPTIONAL ? "=-" : "=";

    for (int form = 0; form < 2; form++) {
        if (form == 1 && !opt->letter)
            break;
        if (form == 1)
            printf("        '%s-%c%s[", many, opt->letter, opt->value ? "+" : "");
        else
            printf("        '%s--%s%s[", many, opt->name, value);
        print_zsh_text(opt->text);
        putchar(']');
        if (opt->value) {
            printf("%s", opt->kind == OPTIONAL ? "::" : ":");
            print_zsh_text(takes_file(opt) ? "file" : opt->value);
            putchar(':');
            if (takes_file(opt)) {
                fputs("_files", stdout);
            } else if (strchr(opt->value, '|') || !strcmp(opt->name, "boot")) {
                putchar('(');
                print_words(opt);
                putchar(')');
            }
        }
        puts("' \\");
    }
}

void print_zsh_completion(void)
{
    puts("#compdef minivm\n"
         "# zsh completion of minivm, as a file _minivm in a directory of $fpath\n"
         "_minivm()\n"
         "{\n"
         "    if ((CURRENT == 2)); then");
    printf("        compadd %s\n", commands);
    puts("        return\n"
         "    fi\n"
         "    case $words[2] in\n"
         "    help) compadd run ;;\n"
         "    check) compadd -- --quiet --engine kvm soft ;;\n"
         "    inspect) _files ;;\n"
         "    run)\n"
         "        shift words\n"
         "        ((CURRENT--))\n"
         "        _arguments -s \\");
    for (size_t i = 0; i < option_count; i++)
        if (is_listed(&option_table[i]))
            print_zsh_option(&option_table[i]);
    puts("        '*:file:_files' ;;\n"
         "    esac\n"
         "}\n"
         "_minivm \"$@\"");
}

void print_option_list(void)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *opt = &option_table[i];

        if (opt->group)
            printf("%s%s:\n\n", i ? "\n" : "", opt->group);
        if (opt->kind == ALIAS)
            continue;
        if (opt->kind == OPERAND) {
            printf("- `%s`: %s\n", opt->name, opt->text);
            continue;
        }
        fputs("- ", stdout);
        if (opt->letter)
            printf("`-%c`, ", opt->letter);
        printf("`--%s", opt->name);
        if (opt->value)
            printf(opt->kind == OPTIONAL ? "[=%s]" : " %s", opt->value);
        printf("`: %s\n", opt->text);
    }
}

void print_key_list(void)
{
    print_keys(stdout, "- `Ctrl-A %s`: %s\n", true, true);
}

/* A list of options as a cell of a table. */
static void print_cell(const char *list)
{
    if (list)
        printf("| `%s` ", list);
    else
        fputs("| ", stdout);
}

void print_foreign_table(void)
{
    puts("| QEMU | lkvm | virtme-ng | minivm |\n"
         "|---|---|---|---|");
    for (size_t i = 0; i < foreign_count; i++) {
        const struct foreign *f = &foreign_table[i];

        if (!f->qemu && !f->lkvm && !f->vng)
            continue;
        print_cell(f->qemu);
        print_cell(f->lkvm);
        print_cell(f->vng);
        printf("| %s |\n", f->here);
    }
}

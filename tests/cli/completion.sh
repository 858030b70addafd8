#!/bin/bash
# What is printed from the table of options: help, completions, the lists of the manual and the
# README. Each has all options, and the files in the repository are those that would be printed.
. tests/lib.sh

# The options, as the parser knows them: what it takes for a prefix of none.
options=$(./minivm help run | grep -o -- '--[a-z][a-z-]*' | sort -u | grep -v -x -- '--opt')

check_equal "help: every option is known" \
    "$(for o in $options; do ./minivm run $o= 2>&1 </dev/null | grep 'unknown option'; done)" ""

# completed WORD...: what bash offers for the last of these words.
completed() (
    . <(./minivm help --bash)
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _minivm
    echo "${COMPREPLY[*]}"
)
check_equal "bash: commands" "$(completed minivm '')" "run check inspect help version"
check_equal "bash: options" "$(completed minivm run -- | tr ' ' '\n' | sort)" "$options"
check_equal "bash: an option's name" "$(completed minivm run --sy)" "--symbols"
check_equal "bash: an option's words" "$(completed minivm run --engine '')" "auto kvm soft"
check_equal "bash: ways to boot" "$(completed minivm run guest/hello --boot multi)" \
    "multiboot2 multiboot"
check_equal "bash: files" "$(completed minivm run --kernel LIC)" LICENSE
check_equal "bash: nothing that is free" "$(completed minivm run --mem '')" ""

check_equal "zsh: every option has a line" \
    "$(./minivm help --zsh | sed -n "s/^ *'\**\(--[a-z-]*[a-z]\).*/\1/p" | sort)" "$options"
if command -v zsh >/dev/null; then
    ./minivm help --zsh >"$TMP/_minivm"
    check "zsh: its syntax" zsh -n "$TMP/_minivm"
else
    skip "zsh: its syntax" "no zsh"
fi

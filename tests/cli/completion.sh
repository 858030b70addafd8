#!/bin/bash
# What is made from the table of options: the help and the completions. Each has all options.
. tests/lib.sh

# The options, as the parser knows them: what it takes for a prefix of none.
options=$(./minivm help run | grep -o -- '--[a-z][a-z-]*' | sort -u | grep -v -x -- '--opt')

check_equal "help: every option is known" \
    "$(for o in $options; do ./minivm run $o= 2>&1 </dev/null | grep 'unknown option'; done)" ""

# completed WORD...: what bash offers for the last of these words.
completed() (
    . tools/completion/minivm.bash
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _minivm
    echo "${COMPREPLY[*]}"
)
check_equal "bash: commands" "$(completed ./minivm '')" "run snapshot check inspect cache help version"
check_equal "bash: options" "$(completed ./minivm run -- | tr ' ' '\n' | sort)" "$options"
check_equal "bash: an option's name" "$(completed ./minivm run --sy)" "--symbols"
check_equal "bash: an option's words" "$(completed ./minivm run --engine '')" "auto kvm soft"
check_equal "bash: ways to boot" "$(completed ./minivm run guest/hello --boot multi)" \
    "multiboot2 multiboot"
check_equal "bash: files" "$(completed ./minivm run --kernel LIC)" LICENSE
check_equal "bash: nothing that is free" "$(completed ./minivm run --mem '')" ""

# What the function for zsh gives to _arguments.
if command -v zsh >/dev/null; then
    zsh -fc '_arguments() { print -rl -- "$@" }
        words=(./minivm run --) CURRENT=3
        . tools/completion/_minivm' >"$TMP/zsh" 2>&1
    check_equal "zsh: every option has a line" \
        "$(sed -n "s/^\**\(--[a-z-]*[a-z]\).*/\1/p" "$TMP/zsh" | sort)" "$options"
    check "zsh: short options, files, several of them" grep -q '^\*-i+\[.*\]:file:_files$' "$TMP/zsh"
    check "zsh: an option's words" grep -q '^--engine=\[.*\]:.*:(auto kvm soft)$' "$TMP/zsh"
    check "zsh: a value that may be left out" grep -q '^--debugcon=-\[.*\]::file:_files$' "$TMP/zsh"
else
    skip "zsh: every option has a line" "no zsh"
fi

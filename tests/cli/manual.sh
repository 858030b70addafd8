#!/bin/sh
# The manual and the README agree with the tables of options, and can be read and installed.
. tests/lib.sh

check "the lists in the documents are the tables'" tools/docs --check
check "the README is for ten minutes" [ "$(wc -l <README.md)" -le 150 ]
check "the core of the tour is for one afternoon" \
    [ "$(tools/tour --core | sed -n 's/^ *\([0-9]*\) \* lines in the core.*/\1/p')" -le 4000 ]
check_equal "the translation has the README's commands" \
    "$(sed -n 's/^\(    [.m][^#]*[^# ]\) *\(#.*\)*$/\1/p' README.md | while read -r command; do
        grep -q -F -e "$command" README.ko.md || echo "$command"
    done)" ""
check_equal "the README's links and paths are there" \
    "$(grep -oE '(\]\(|`|\./)?(tools|guest|os-1k)/[a-zA-Z0-9/._-]+[a-zA-Z0-9]' README.md |
        sed 's/^[^a-z]*//; s/^\.\///' | sort -u | grep -v mine |
        while read -r path; do [ -e "$path" ] || [ -e "$path.S" ] || echo "$path"; done)" ""
sed -n '/^## How it is built/,/^## /p' tools/manual.md >"$TMP/built"
check_equal "the manual's picture has every file" \
    "$(ls hw/*.c x86/*.c boot/*.c tools/minivm/*.c | sed 's/.*\///; s/\.c$//' | grep -vx main |
        while read -r name; do grep -q -w -e "$name" "$TMP/built" || echo "$name"; done)" ""
if command -v man >/dev/null && command -v groff >/dev/null; then
    check_equal "the manual page has no errors" \
        "$(man --warnings=all -l build/minivm.1 2>&1 >/dev/null)" ""
    man -l build/minivm.1 >"$TMP/page" 2>/dev/null
    check "the manual page has every option" sh -c "./minivm help run | grep -o -- '--[a-z][a-z-]*' |
        while read -r option; do grep -q -e \"\$option\" $TMP/page || exit 1; done"
else
    skip "the manual page has no errors" "no man"
fi
check "make install" make -s install DESTDIR="$TMP/root" PREFIX=/usr
check_equal "what it installs" "$(cd "$TMP/root/usr" && find . -type f | sort | tr '\n' ' ')" \
    "./bin/minivm ./share/bash-completion/completions/minivm ./share/man/man1/minivm.1 \
./share/minivm/initramfs.cpio ./share/zsh/site-functions/_minivm "
check_equal "the helps fit into 80 columns" \
    "$( (./minivm help && ./minivm help run) | awk 'length > 80')" ""

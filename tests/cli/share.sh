#!/bin/sh
# Directories that cannot be shared, each with a line that says why and what to do. (cli/denied has those that
# the user may not read.)
# takes: 2
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz

# refused TEXT ARGUMENT...
refused() {
    text=$1 status=0
    shift
    out=$(./minivm run -k $kernel "$@" 2>&1 </dev/null) || status=$?
    check_equal "$(echo "$*" | sed "s|$TMP|DIR|g")" "$status $out" "125 minivm: $text"
}

mkdir "$TMP/a" "$TMP/b" "$TMP/b/a"
echo x >"$TMP/file"
refused "--share $TMP/none: No such file or directory" --share "$TMP/none"
refused "--share $TMP/none: No such file or directory" --share "$TMP/none=tag,ro"
refused "--share $TMP/file: Not a directory" --share "$TMP/file"
refused "--share $TMP/a=: a tag has 1 to 36 bytes: say --share $TMP/a=TAG" --share "$TMP/a="
long=0123456789012345678901234567890123456
refused "--share $TMP/a=$long: a tag has 1 to 36 bytes: say --share $TMP/a=TAG" --share "$TMP/a=$long"
refused "--share $TMP/b/a: $TMP/a has the tag a already; say --share $TMP/b/a=TAG with another one" \
    --share "$TMP/a" --share "$TMP/b/a"

# A directory that is there has the name that it has.
mkdir "$TMP/c=d" "$TMP/e,ro" "$TMP/b/c=d" "$TMP/b/e,ro"
refused "--share $TMP/b/c=d,ro: $TMP/c=d has the tag c=d already; say --share $TMP/b/c=d=TAG with another one" \
    --share "$TMP/c=d" --share "$TMP/b/c=d,ro"
refused "--share $TMP/b/c=d=d: $TMP/c=d has the tag d already; say --share $TMP/b/c=d=TAG with another one" \
    --share "$TMP/c=d=d" --share "$TMP/b/c=d=d"
refused "--share $TMP/b/e,ro: $TMP/e,ro has the tag e,ro already; say --share $TMP/b/e,ro=TAG with another one" \
    --share "$TMP/e,ro,ro" --share "$TMP/b/e,ro"

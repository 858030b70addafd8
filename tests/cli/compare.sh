#!/bin/sh
# tools/compare: a table with a row for each guest, and a status that says when outputs differ.
. tests/lib.sh

tools/compare hello fibonacci multiboot >"$TMP/table" 2>&1
check_equal "its status" "$?" 0
check_equal "a row each" "$(awk -F'|' 'NR > 2 && NF == 4 { split($1, a, " "); print a[1] }' "$TMP/table" |
    tr '\n' ' ')" \
    "hello fibonacci multiboot "
check "exits and instructions of engine soft" \
    grep -q '^hello *[a-z]* *0 |.*| *13 *66 ' "$TMP/table"
check "a native time" grep -q '^fibonacci .*| *[0-9.]*$' "$TMP/table"
check "none where there is no such program" grep -q '^multiboot .* 33 |.*| *n/a$' "$TMP/table"

#!/bin/sh
# The CPU made of C against the real processor: random user-mode instructions, always the same ones.
# What else there is: make fuzz.
# takes: 30
. tests/lib.sh

for seed in 1 2 3; do
    status=0
    build/soft/native 1000000 $seed >"$TMP/out" || status=$?
    case $status in
    0) pass "seed $seed: $(tail -n 1 "$TMP/out" | sed 's/^# //')" ;;
    4) skip "seed $seed" "$(tail -n 1 "$TMP/out" | sed 's/^# //')" ;;
    *) fail "seed $seed" "$(cat "$TMP/out")" ;;
    esac
done

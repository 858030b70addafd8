#!/bin/sh
# tests/run: which tests it finds and runs, what it makes of what they do, and its last lines.
. tests/lib.sh

# A tree of its own, with a KVM that is none, and a kvmhost that only says where it is.
tree=$TMP/tree
mkdir -p "$tree/tests/a" "$tree/tests/b" "$tree/tests/unit" "$tree/build/unit" "$tree/build/asan/unit" \
    "$tree/tools" "$TMP/tmp"
cp tests/run "$tree/tests"
printf '#!/bin/sh\nexit 1\n' >"$tree/minivm"
cat >"$tree/tools/kvmhost" <<'END'
#!/bin/sh
[ ! -e dies ] || exit 125
while [ "$1" != tests/run ]; do shift; done
KVMHOST=1 exec "$@"
END

# test_of FILE [HEAD]: a test, whose body is stdin
test_of() {
    { printf '#!/bin/sh\n# What it is.\n%s\n' "${2-}" && cat; } >"$tree/$1"
    chmod +x "$tree/$1"
}
test_of tests/a/good.sh <<'END'
echo "KTAP version 1"; echo "ok 1 - one"; echo "ok 2 - two # SKIP no"; echo said; echo "1..2"
END
test_of tests/a/bad.sh '# takes: 7' <<'END'
echo "ok 1 - one"; echo "why"; echo "not ok 2 - two, of x|y & z"; echo "not ok 3 - three"; exit 1
END
test_of tests/a/crash.sh <<'END'
echo "ok 1 - one"; kill -SEGV $$
END
test_of tests/a/slow.sh '# timeout: 1' <<'END'
echo "ok 1 - one"; exec sleep 1000
END
test_of tests/a/skipped.sh <<'END'
echo "1..0 # SKIP nothing here"; exit 4
END
test_of tests/a/silent.sh <<'END'
exit 0
END
test_of tests/b/both.sh '# engines: kvm soft
# needs: kvm' <<'END'
echo "ok 1 - with $MINIVM_ENGINE, ${KVMHOST:-not} in a kvmhost"
END
test_of tests/b/host.sh '# needs: kvm' <<'END'
echo "not ok 1 - in a kvmhost"; exit 1
END
printf '/*\n * A unit.\n * takes: 9\n */\n' >"$tree/tests/unit/x.c"
test_of build/unit/x <<'END'
echo "ok 1 - a unit"
END
cp "$tree/build/unit/x" "$tree/build/asan/unit"
chmod +x "$tree/minivm" "$tree/tools/kvmhost"

# run NAME...: $status, $TMP/out, $TMP/err
run() {
    status=0
    env -u KVMHOST TMPDIR="$TMP/tmp" "$tree/tests/run" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
}

# results: what was run and how it ended, sorted, as which of several that run at once is done first is
# not said
results() {
    sed -n 's/ # [0-9]* s$/ #/; s/after [0-9]* s/after/; s/^\(ok\|not ok\) [0-9]* /\1 /p' "$TMP/out" | sort
}

run
check_equal "status 1 when one failed" $status 1
check_equal "all tests, with each engine" "$(results)" "not ok a/bad # exit status 1
not ok a/crash # exit status 139
not ok a/silent # exit status 0
not ok a/slow # stopped after
not ok b/host # exit status 1
ok a/good #
ok a/skipped # SKIP nothing here
ok asan/x #
ok b/both@kvm #
ok b/both@soft #
ok unit/x #"
check_equal "as many as were announced, in order" \
    "$(sed -n 's/^\(not \)*ok \([0-9]*\) .*/\2/p' "$TMP/out"; sed -n 's/^1\.\./1 to /p' "$TMP/out")" "$(seq 11)
1 to 11"
check_equal "the last lines: cases that failed, and counts" \
    "$(sed -n '/^# failed:/p' "$TMP/out" | sort; tail -n 1 "$TMP/out")" "# failed: a/bad: three
# failed: a/bad: two, of x|y & z
# failed: a/crash: see there
# failed: a/silent: see there
# failed: a/slow: see there
# failed: b/host: in a kvmhost
8 passed, 6 failed, 2 skipped"
check_equal "nothing comes after them" \
    "$(tail -n 7 "$TMP/out" | sed 's/:.*//' | uniq -c | tr -s ' ')" " 6 # failed
 1 8 passed, 6 failed, 2 skipped"
check "what a test said is shown when it failed" grep -qx '# why' "$TMP/out"
check "and not otherwise" sh -c "! grep -q said $TMP/out"
check "what needs KVM is in a kvmhost" grep -qx '# ok 1 - with kvm, 1 in a kvmhost' "$TMP/out"
check "and nothing else" grep -qx '# ok 1 - with soft, not in a kvmhost' "$TMP/out"
check_equal "nothing is left behind" "$(ls "$TMP/tmp")" ""

# asked NAME...: which tests these names mean
asked() {
    run "$@"
    results | sed 's/ *#.*//; s/.* //' | sort | tr '\n' ' '
}
check_equal "a test by its name" "$(asked good; echo $status)" "a/good 0"
check_equal "a folder's" "$(asked b)" "b/both@kvm b/both@soft b/host "
check_equal "with one engine" "$(asked b@soft)$(asked both@kvm)$(asked @soft)" "b/both@soft b/both@kvm b/both@soft "
check_equal "several" "$(asked unit/x good a/skipped) $(tail -n 1 "$TMP/out")" \
    "a/good a/skipped unit/x  2 passed, 0 failed, 2 skipped"
run good nothing
check_equal "one that is not there" "$status $(cat "$TMP/out" "$TMP/err")" \
    "2 tests/run: no test 'nothing' (has make built it?)"

: >"$tree/dies"
run both
check_equal "a kvmhost that does not start is a failure" \
    "$status $(results | tr '\n' ' ')$(tail -n 1 "$TMP/out")" \
    "1 not ok kvmhost # it ended before its tests did ok b/both@soft # 1 passed, 1 failed, 0 skipped"

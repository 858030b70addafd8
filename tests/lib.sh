# For shell tests: `. tests/lib.sh` as the first command. Tests run in the top of the checkout, with
# stdin from /dev/null. KTAP goes to stdout; the exit status is 0, 1 when a case failed, 4 when the
# test was skipped.
#
# Comments in a test's head tell tests/run about it:
#     # timeout: SECONDS     instead of 3600
#     # engines: kvm soft    run it once with each: MINIVM_ENGINE is what `minivm run` then uses
#     # needs: kvm           with KVM it needs one that runs Linux, for which `minivm check` must find
#     #                      all well; a test that declares no engines always does
#
# No machine is too slow: what a test waits for it waits for by until_true or in_time below, and guests
# that end by themselves get `--timeout $limit`.
#
# $engine is the engine that a test of several runs with. By hand: MINIVM_ENGINE=soft tests/DIR/NAME.sh
#
# shellcheck shell=sh
set -u
LC_ALL=C
# The kernels that minivm unpacks are not kept where yours are.
XDG_CACHE_HOME=$PWD/build/cache
export LC_ALL XDG_CACHE_HOME
engine=${MINIVM_ENGINE:-auto}
limit=900 # seconds for what takes a few where nothing else runs
fast='-p cryptomgr.notests' # Linux without its ciphers' self-tests: two thirds of what it executes
test_count=0 test_failed=0
TMP=$(mktemp -d "${TMPDIR:-/tmp}/minivm-test.XXXXXX")
echo "KTAP version 1"

pass() {
    test_count=$((test_count + 1))
    echo "ok $test_count - $1"
}

# fail NAME [WHY]
fail() {
    test_count=$((test_count + 1))
    test_failed=$((test_failed + 1))
    [ $# -lt 2 ] || echo "$2" | sed 's/^/# /'
    echo "not ok $test_count - $1"
}

# skip NAME REASON
skip() {
    test_count=$((test_count + 1))
    echo "ok $test_count - $1 # SKIP $2"
}

# check NAME COMMAND...: passes when COMMAND succeeds, else shows what it printed.
check() {
    check_name=$1
    shift
    if check_output=$("$@" 2>&1); then
        pass "$check_name"
    else
        fail "$check_name" "failed with $?: $*
$check_output"
    fi
}

# check_status NAME STATUS COMMAND...: passes when COMMAND exits with STATUS.
check_status() {
    check_name=$1 check_wanted=$2
    shift 2
    check_got=0
    check_output=$("$@" 2>&1) || check_got=$?
    if [ $check_got = "$check_wanted" ]; then
        pass "$check_name"
    else
        fail "$check_name" "status $check_got, not $check_wanted: $*
$check_output"
    fi
}

# check_equal NAME GOT WANTED
check_equal() {
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1" "got:
$2
wanted:
$3"
    fi
}

# until_true COMMAND...: waits until it succeeds, $limit seconds at most.
until_true() {
    until_end=$(($(date +%s) + limit))
    until "$@"; do
        [ "$(date +%s)" -lt $until_end ] || return 1
        sleep 0.1
    done
}

# in_time WORDS FILE COMMAND...: COMMAND, which stops after $seconds, leaves FILE. It is repeated with
# more and more of them until WORDS are in there.
in_time() {
    in_time_words=$1 in_time_file=$2 seconds=2
    shift 2
    "$@"
    until grep -qE -- "$in_time_words" "$in_time_file" || [ $seconds -ge $limit ]; do
        seconds=$((seconds * 2))
        "$@"
    done
}

# skip_all REASON: this machine cannot run the test.
skip_all() {
    echo "1..0 # SKIP $1"
    trap - EXIT
    rm -rf "$TMP"
    exit 4
}

# At the end of the script, wherever that is.
test_end() {
    test_status=$?
    trap '' INT TERM
    [ $test_status = 0 ] || fail "the script runs to its end" "it ended with $test_status"
    echo "1..$test_count"
    rm -rf "$TMP"
    [ $test_failed = 0 ] || exit 1
}
trap test_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ $engine != kvm ] || { [ -r /dev/kvm ] && [ -w /dev/kvm ]; } || skip_all "no access to /dev/kvm"

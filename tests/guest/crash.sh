#!/bin/sh
# Small guests that crash are reported, and harm nobody but themselves.
# engines: kvm soft
# needs: kvm
# takes: 10
. tests/lib.sh

# bad NAME DEFINE: builds $TMP/NAME.
bad() {
    gcc -m32 -nostdlib -static -I. "-D$2" -Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none \
        -o "$TMP/$1" tests/guest/bad.S || exit 1
}

# run FILE...: into $TMP/out, $TMP/err and $status.
run() {
    status=0
    ./minivm run --timeout $limit "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}

# What guest number $1 said.
said() {
    sed -n "s/^\[$1:[^]]*\] //p" "$TMP/out"
}

for name in hello multiplication timer; do
    ./minivm run guest/$name </dev/null >"$TMP/$name" || fail "$name runs alone"
done

# unharmed NAME HELLO MULTIPLICATION TIMER: the good ones, whose numbers are given, said it all.
unharmed() {
    check_equal "$1: hello is unharmed" "$(said $2)" "$(cat "$TMP/hello")"
    check_equal "$1: multiplication is unharmed" "$(said $3)" "$(cat "$TMP/multiplication")"
    # It still runs when the bad one has crashed.
    check_equal "$1: timer is unharmed" "$(said $4 | wc -l)" "$(wc -l <"$TMP/timer")"
}

# reported NAME CPU
reported() {
    check_equal "$1: status 126" $status 126
    check "$1: the report names file and CPU" grep -q "^minivm: .*$1 crashed: CPU $2: ." "$TMP/err"
    check_equal "$1: one report" "$(grep -c crashed "$TMP/err")" 1
}

# began NAME: the report says with what. KVM does not tell.
began() {
    case $1 in
    invalid-segment) cause='general protection fault (#GP), error code 0x28' ;;
    breakpoint) cause='breakpoint (#BP)' ;;
    division) cause='divide error (#DE)' ;;
    *) cause='invalid opcode (#UD)' ;;
    esac
    [ "$engine" = kvm ] ||
        check "$1: the report says with what it began" \
            grep -q "^minivm: it began with $cause, at RIP 0x[0-9a-f]*$" "$TMP/err"
}

bad invalid-segment BAD_SEGMENT
bad invalid-opcode BAD_OPCODE
bad breakpoint BREAKPOINT
bad division DIVIDE
bad nowhere NOWHERE
for name in invalid-segment invalid-opcode breakpoint division nowhere; do
    run "$TMP/$name"
    check_equal "$name, alone, speaks first" "$(cat "$TMP/out")" b
    reported $name 0
    began $name
    run "$TMP/$name" guest/hello guest/multiplication guest/timer
    check_equal "$name, first, speaks first" "$(said 0)" b
    reported $name 0
    unharmed $name 1 2 3
    run guest/timer guest/hello guest/multiplication "$TMP/$name"
    check_equal "$name, last, speaks first" "$(said 3)" b
    reported $name 3
    unharmed $name 1 2 0
    check_equal "$name: nobody else says anything" \
        "$(grep -vc '^\[\(0:timer\|1:hello\|2:multiplication\|3:'$name'\)\] ' "$TMP/out")" 0
done

# In protected mode the interrupt table has a limit, which each KVM knows. Only AMD's processors keep
# nothing of a triple fault for KVM to judge by.
bad protected BAD_PROTECTED
run "$TMP/protected"
reported protected 0
if grep -q 'this processor forgets its state' "$TMP/err"; then
    skip "protected: the report says with what it began" "this processor forgets its state"
else
    words='began'
    [ "$engine" = soft ] || words='probably began'
    check "protected: the report says with what it began" \
        grep -q "^minivm: it $words with invalid opcode (#UD)" "$TMP/err"
    check "protected: the report says what is wrong with the interrupt table" \
        grep -q '^minivm: its interrupt table (IDT) is too short for exceptions: limit 0$' "$TMP/err"
fi

# Three kinds of crash in one machine, and a good one among them.
run "$TMP/division" "$TMP/nowhere" guest/hello "$TMP/invalid-segment"
check_equal "three of four crash: status 126" $status 126
check_equal "three of four crash: three reports" "$(grep -c crashed "$TMP/err")" 3
check_equal "three of four crash: the fourth is unharmed" "$(said 2)" "$(cat "$TMP/hello")"

# Beyond the end of its segment a processor faults. The emulator in tools/kvmhost goes round for
# ever, which the time limit ends.
bad run-off RUN_OFF
run_off() {
    run --timeout $seconds "$TMP/run-off" guest/hello guest/multiplication guest/timer
}
in_time 'timer. period' "$TMP/out" run_off
case $status in
124) skip "run-off: it is a crash" "this host's processor goes on at the segment's begin" ;;
*) reported run-off 0 ;;
esac
unharmed run-off 1 2 3

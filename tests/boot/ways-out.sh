#!/bin/sh
# Every way in which a guest can end, and what minivm makes of it.
# engines: kvm soft
# needs: kvm
# takes: 15
. tests/lib.sh

gcc -nostdlib -static -I. -Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none -o "$TMP/stub" \
    tests/boot/stub.S || exit 1

# run LETTER [OPTION...]: its output in $TMP/out and $TMP/err, its status in $status.
run() {
    letter=$1 status=0
    shift
    ./minivm run -k "$TMP/stub" -p "$letter" -m 64M --timeout $limit "$@" \
        </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}

says() {
    check "$1" grep -q "$2" "$TMP/err"
}

run e
check_equal "EXIT gives its status" "$status$(cat "$TMP/err")" 9
run e -c 4
check_equal "EXIT from one CPU of four ends all" "$status$(cat "$TMP/err")" 9
run p
check_equal "power-off is status 0" "$status$(cat "$TMP/err")" 0
run n
check_equal "reads of nothing are all-ones" "$status$(cat "$TMP/err")" 255
for letter in c k a; do
    run $letter --no-reboot
    check_equal "reset ($letter) with --no-reboot is status 0" "$status$(cat "$TMP/err")" 0
    # It resets for ever, which the time limit shows.
    run $letter --timeout 1
    check_equal "reset ($letter) starts the guest again" "$status" 124
done
run d
check_equal "the debug port is silent" "$status$(cat "$TMP/out" "$TMP/err")" 0
run d --debugcon
check_equal "--debugcon shows it" "$status$(cat "$TMP/out" "$TMP/err")" 0D

run t
check_equal "a triple fault is a crash" "$status" 126
says "which is reported" "CPU 0: triple fault"
check_equal "on stderr alone" "$(cat "$TMP/out")" ""
run m
check_equal "a jump to a device is a crash" "$status" 126
case $engine in
soft) says "which is reported" "CPU 0: triple fault" ;; # no byte of it is an instruction
*) says "which is reported" "CPU 0: KVM internal error" ;;
esac
says "with the place" "64-bit mode, RIP 0xd0000000"
says "with the registers" "^rax 00000000d0000000"
says "with the code" "^code at RIP"

hang() {
    run i --timeout $seconds
}
in_time 'halted, interrupts on' "$TMP/err" hang
check_equal "--timeout ends a guest that hangs" "$status" 124
says "which is said" "time is up after $seconds s"
says "with where it was" "CPU 0: 64-bit mode, RIP 0x[0-9a-f]*, halted, interrupts on"
says "and that it said nothing" "console has printed nothing"
run l --timeout 1
says "a loop is running" "CPU 0: 64-bit mode, RIP 0x[0-9a-f]*, running, interrupts off"

run h
check_equal "a guest that sleeps for ever is a crash" "$status" 126
says "which is said" "sleeps for ever: every CPU is halted with interrupts off"
says "with where it was" "CPU 0: 64-bit mode, RIP 0x[0-9a-f]*, halted, interrupts off"
run o
says "the last line of the console is quoted" "last line: the last line"
check_equal "and was printed" "$(cat "$TMP/out")" "the last line"
run h --entry 32
says "the 32-bit entry is 32-bit" "CPU 0: 32-bit protected mode, RIP 0x10000"

# Signals end minivm as they end any program, without a word.
for signal in TERM:15 INT:2 HUP:1; do
    number=${signal#*:} signal=${signal%:*}
    env --default-signal=$signal ./minivm run -k "$TMP/stub" -p i -m 64M \
        </dev/null >"$TMP/out" 2>"$TMP/err" &
    pid=$!
    sleep 1
    kill -$signal $pid
    status=0
    wait $pid || status=$?
    check_equal "SIG$signal ends it" "$status$(cat "$TMP/out" "$TMP/err")" \
        $((128 + number))
done

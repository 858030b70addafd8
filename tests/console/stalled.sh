#!/bin/sh
# Readers that sleep: of the terminal and of stderr. --timeout, signals and Ctrl-A x end minivm all the
# same, and the terminal is given back.
# engines: kvm soft
. tests/lib.sh

gcc -O1 -Wall -Wextra -Werror -o "$TMP/pty" tests/console/pty.c || exit 1
"$TMP/pty" -- true >/dev/null || skip_all "no pseudo-terminals here"
printf '\260A\272\370\003\356\353\375' >"$TMP/spam.bin" # mov al, 'A'; mov dx, 0x3f8; out; jmp to it
run="./minivm run"

# on_pty NAME WANTED ACTION... -- COMMAND...: its end is WANTED; what it printed is in $TMP/out.
on_pty() {
    pty_name=$1 pty_wanted=$2
    shift 2
    "$TMP/pty" "$@" >"$TMP/out"
    check_equal "$pty_name" "$(tail -n 1 "$TMP/out")" "$pty_wanted"
}

for key in h d r; do
    on_pty "a terminal that stalls, Ctrl-A $key, then Ctrl-A x" "status 0, modes as before" \
        see sleep 200 type "^A$key" sleep 100 type ^Ax -- $run "$TMP/spam"
done
on_pty "then SIGTERM" "signal 15, modes as before" \
    see sleep 200 type ^Ah sleep 100 kill 15 -- $run "$TMP/spam"
on_pty "then --timeout" "status 124, modes as before" \
    see sleep 200 type ^Ad -- $run --timeout 1 "$TMP/spam"
on_pty "--verbose" "signal 15, modes as before" \
    see sleep 200 kill 15 -- $run --verbose "$TMP/spam"
on_pty "one that reads, Ctrl-A d" "status 0, modes as before" \
    see type ^Ad read 1000 type ^Ax read 300 -- $run "$TMP/spam"
check "... sees where the guest is" grep -aq 'CPU 0: real mode, RIP .*running' "$TMP/out"
on_pty "Ctrl-A r" "status 0, modes as before" \
    see type ^Ar read 1000 type ^Ax read 300 -- $run "$TMP/spam"
check "... prints registers" grep -aq '^rip 0000' "$TMP/out"

# The screen is the alternate one, with the cursor hidden, from the last h to the last l.
left() {
    [ "$(grep -ao "$TMP_ESC\[?1049[hl]" "$TMP/out" | tail -n 1)" = "$TMP_ESC[?1049l" ] &&
        [ "$(grep -ao "$TMP_ESC\[?25[hl]" "$TMP/out" | tail -n 1)" = "$TMP_ESC[?25h" ]
}
TMP_ESC=$(printf '\033')
for signal in 15 11; do
    on_pty "--split on one that stalls, signal $signal" "signal $signal, modes as before" \
        see read 300 sleep 300 kill $signal -- $run --split "$TMP/spam" "$TMP/spam"
    check "... gives the screen back" left
done
set --
for _ in $(seq 20); do set -- "$@" type ^Ad; done
on_pty "--split, one that reads, Ctrl-A d 20 times" "status 0, modes as before" \
    see "$@" read 500 type ^Ax read 500 -- $run --split "$TMP/spam" guest/echo
check "... the guests answer" sh -c "! grep -aq 'does not answer' $TMP/out"

# HUP, USR1, STKFLT, PWR, and one for real time; USR1 is the KVM engine's own.
for signal in 1 10 16 30 34; do
    [ $signal != 10 ] || [ $engine = soft ] || continue
    on_pty "signal $signal leaves the terminal as it was" "signal $signal, modes as before" \
        see kill $signal -- $run "$TMP/spam"
done

# stderr is a pipe that nobody reads.
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
check_status "--verbose: --timeout holds" 124 timeout $limit sh -c \
    "$run --verbose --timeout 0.5 $TMP/spam 2>$TMP/fifo 7<&-"
check_status "... signals do" 143 timeout --preserve-status -k $limit 1 sh -c \
    "exec $run --verbose $TMP/spam 2>$TMP/fifo 7<&-"
exec 7<&-

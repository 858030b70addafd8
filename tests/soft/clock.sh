#!/bin/sh
# --soft-clock instructions: the same input gives the same output and the same count of instructions,
# every time, whatever else the host has to do.
# takes: 100
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz initrd=build/initramfs.cpio
input=/dev/null busy=
trap '[ -z "$busy" ] || kill -KILL $busy; test_end' EXIT

# As busy as the host can be.
load() {
    for _ in $(seq "$(nproc)"); do
        nice sh -c 'while :; do :; done' &
        busy="$busy $!"
    done
}
unload() {
    kill -KILL $busy
    wait $busy 2>/dev/null
    busy=
}

# once N ARGUMENT...: all that can be seen of a run into $TMP/N, --stat's line last.
once() {
    into=$TMP/$1
    shift
    ./minivm run --soft-clock instructions --stat --timeout $limit "$@" <"$input" >"$into" 2>"$TMP/err"
    echo "status $?" >>"$into"
    cat "$TMP/err" >>"$into"
}

# again NAME FILE: what is in $TMP/1 is in FILE, too, and --stat has counted instructions.
again() {
    if grep -q '^CPU 0: .* [1-9][0-9]* instructions,' "$TMP/1" && cmp "$TMP/1" "$2"; then
        pass "$1"
    else
        fail "$1" "$(diff -a "$TMP/1" "$2" | head -n 20)"
    fi
}

# repeats NAME ARGUMENT...: a run with $input is the same twice, the second time under load.
repeats() {
    name=$1
    shift
    once 1 "$@"
    load
    once 2 "$@"
    unload
    again "$name" "$TMP/2"
}

repeats "a program with a timer" guest/timer
check_equal "... whose ticks come in time" "$(grep -c '^tick [0-9]* after [0-9]*000[0-9] us$' "$TMP/1")" 10
seq 2000 >"$TMP/lines"
input=$TMP/lines
repeats "a program that waits for input, from a file" guest/echo
check_equal "... says it all" "$(head -n 2000 "$TMP/1" | md5sum)" "$(md5sum - <"$TMP/lines")"
{
    head -n 700 "$TMP/lines"
    sleep 1
    tail -n +701 "$TMP/lines"
} | ./minivm run --soft-clock instructions --stat guest/echo >"$TMP/3" 2>"$TMP/err"
echo "status $?" | cat - "$TMP/err" >>"$TMP/3"
again "from a pipe that is slow" "$TMP/3"
input=/dev/null
repeats "a 64-bit program" --long guest/hello64

# A pipe is read to its end first: one that has none can be left, one without measure is refused.
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
check_status "a pipe that does not end: --timeout holds" 124 timeout $limit sh -c \
    "./minivm run --soft-clock instructions --timeout 0.3 guest/echo <$TMP/fifo 7<&- 2>$TMP/err"
check "... and says what is waited for" grep -q 'stdin has not ended' "$TMP/err"
check_status "... and signals end it" 143 timeout --preserve-status -k $limit 0.3 sh -c \
    "exec ./minivm run --soft-clock instructions guest/echo <$TMP/fifo 7<&-"
exec 7<&-
head -c 257M /dev/zero | ./minivm run --soft-clock instructions guest/echo >"$TMP/1" 2>"$TMP/err"
check_equal "too much is an error" $? 125
check "... with a cure" grep -q 'more than 256 MiB.*<FILE' "$TMP/err"

cat >"$TMP/session" <<'X'
1
3
a line
another
quit
run count 20 &
ticks
run count 20
wait
ps
ticks
write new text
cat new
crash
crash stack
free
0
X
input=$TMP/session
repeats "the 1K OS, its input from a file" --pmode os-1k/kernel.bin
check "... two processes take turns" sh -c "grep -a '^process' $TMP/1 | uniq -w 9 | wc -l | grep -q '[4-9]'"
cat "$TMP/session" | ./minivm run --soft-clock instructions --stat --pmode os-1k/kernel.bin 2>"$TMP/err" |
    { sleep 1; cat; } >"$TMP/3"
echo "status 0" | cat - "$TMP/err" >>"$TMP/3"
again "the 1K OS between pipes, its reader asleep" "$TMP/3"
input=/dev/null
repeats "the 1K OS without input" --pmode os-1k/kernel.bin

# What nothing can wake ends at once, as it does after a while by the host's clock.
gcc -nostdlib -static -I. -Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none -o "$TMP/stub" \
    tests/boot/stub.S || exit 1
repeats "a kernel that halts with interrupts off" -k "$TMP/stub" -p h
check_equal "... is said to sleep for ever, and where" "$(sed -n 's/RIP 0x[0-9a-f]*/RIP/; 1,3p' "$TMP/1")" \
    "status 126
minivm: the guest sleeps for ever: every CPU is halted with interrupts off
minivm: CPU 0: 64-bit mode, RIP, halted, interrupts off"

# At the end of time nothing is due any more.
gcc -m32 -nostdlib -static -Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none \
    -o "$TMP/end" tests/guest/end-of-time.S || exit 1
check_status "a kernel that sleeps for 584 years" 7 timeout -k 1 $limit ./minivm run \
    --soft-clock instructions --timeout $limit "$TMP/end"

# The log has a timestamp in microseconds in each line; the addresses are where the kernel moved to.
repeats "Linux: a command, its whole log and its random numbers" $fast -k $kernel -i $initrd -- sh -c \
    'dmesg; cat /proc/uptime /proc/interrupts; date; sleep 2; date; head -c 16 /dev/urandom | od -x
    grep " _text" /proc/kallsyms'
check "... the kernel says when" grep -q '^\[    [0-9.]*\] rtc_cmos .*: registered as rtc0' "$TMP/1"
cat >"$TMP/session" <<'X'
echo hello | md5sum
sleep 1 & wait; dd if=/dev/zero bs=1M count=4 | sha1sum
cat /proc/stat
exit 3
X
input=$TMP/session
repeats "Linux: a shell, its input from a file" $fast -k $kernel -i $initrd
check "... ends with its status" grep -qx 'status 3' "$TMP/1"

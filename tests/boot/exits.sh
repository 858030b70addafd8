#!/bin/sh
# How small kernels end, by the ports that other monitors have for that; kernels that do not.
# engines: kvm soft
# needs: kvm
# takes: 12
. tests/lib.sh

gcc -m32 -nostdlib -static -I. -Wl,-m,elf_i386,--oformat=binary,-Ttext=0x100000,-e,0,--build-id=none \
    -o "$TMP/kernel" tests/boot/exits.S || exit 1

# run WORDS [OPTION]...: output in $TMP/out and $TMP/err, the status in $status.
run() {
    words=$1 status=0
    shift
    ./minivm run "$TMP/kernel" --cmdline "$words" --mem 16M --timeout $limit "$@" \
        </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}

# ends NAME STATUS ARGUMENT...: ends with it, and says nothing.
ends() {
    name=$1 wanted=$2
    shift 2
    run "$@"
    check_equal "$name" "$status$(cat "$TMP/out" "$TMP/err")" "$wanted"
}

ends "the command line is obeyed" 7 x
ends "0xf4, a byte" 33 'bf4=10'
ends "0xf4, a word" 33 'wf4=310'
ends "0xf4, a double word" 35 'lf4=12345611'
ends "0xf4, 0 is status 1" 1 'bf4=0'
ends "0xf4, no status is above 255" 255 'bf4=ff'
ends "0xf4, its last port" 33 'bf7=10'
ends "0xf4, not the port before or behind" 7 'bf3=10 bf8=10 x'
ends "0xf4, with 4 CPUs" 33 'bf4=10' --cpus 4
ends "--exit-port 0x501" 33 'b501=10 x' --exit-port 0x501
ends "0xf4 is nothing then" 7 'bf4=10 x' --exit-port 0x501
ends "--exit-port 0x2000" 33 'w2002=10 x' --exit-port 0x2000
run x --exit-port 0x3f6
check_equal "--exit-port where COM1 is" "$status $(cat "$TMP/err")" \
    "125 minivm: the exit port at 0x3f6 would be in the way of serial8250; put it elsewhere"
ends "--exit-port off" 7 'bf4=10 wf4=10 lf4=10 x' --exit-port off
shutdown() {
    echo "$1" | sed 's/./b8900=@&/g' | sed 's/@S/53 /g; s/@h/68 /g; s/@u/75 /g; s/@t/74 /g
        s/@d/64 /g; s/@o/6f /g; s/@w/77 /g; s/@n/6e /g'
}
ends "Shutdown to 0x8900" 0 "$(shutdown Shutdown)x"
ends "... again after a false start" 0 "$(shutdown ShutShutdown)x"
ends "... but no other word" 7 "$(shutdown Shutdon)x"
ends "0x604" 0 'w604=2000 x'
ends "0x604, a byte at a time" 0 'b605=20 x'
ends "0x604, not with another sleep type" 7 'w604=1c00 x'
ends "0xb004" 0 'wb004=2000 x'
ends "0xb004, not with another sleep type" 7 'wb004=3c00 x'

debug='be9=48 b402=65 be9=6c be9=6c b402=6f be9=a x'
ends "debug ports without --debugcon" 7 "$debug"
run "$debug" --debugcon
check_equal "--debugcon: both ports to stderr" "$status $(cat "$TMP/out") $(cat "$TMP/err")" "7  Hello"
ends "--debugcon=FILE" 7 "$debug" "--debugcon=$TMP/debug"
check_equal "... which has it" "$(cat "$TMP/debug")" Hello
ends "COM1 is the console" 7Hi 'b3f8=48 b3f8=69 x'

run "$debug" --debugcon=/dev/full
check_equal "--debugcon=FILE that is full" "$status $(cat "$TMP/err")" \
    "125 minivm: /dev/full: No space left on device"
for cpus in 2 20; do
    run 'c j' --cpus $cpus
    check_equal "a crash of CPU 1 or another, of $cpus" \
        "$status $(sed -n "s|^minivm: $TMP/kernel crashed: CPU [0-9]*: \(triple fault\).*|\1|p" "$TMP/err")" \
        "126 triple fault"
done

asleep='^minivm: the guest sleeps for ever: every CPU is halted with interrupts off'
for cpus in 1 2; do
    run h --cpus $cpus
    check_equal "halted for ever, $cpus CPU(s)" "$status $(grep -c "$asleep" "$TMP/err")" "126 1"
    check "... where is said" grep -q 'CPU 0: 32-bit protected mode, RIP 0x10[0-9a-f]*, halted' "$TMP/err"
done
run 's h' --cpus 2
check_equal "halted for ever, CPU 1 was started" "$status $(grep -c "$asleep" "$TMP/err")" "126 1"
run 's h' --cpus 4
check_equal "halted for ever, 4 CPUs" "$status $(grep -c "$asleep" "$TMP/err")" "126 1"
ends "asleep with interrupts on" 33 'z bf4=10'
ends "asleep with interrupts on, another CPU with them off" 33 's z bf4=10' --cpus 2
run 's j' --cpus 2 --timeout 1
check_equal "a loop is no sleep" "$status" 124

# To flat programs it is the way to end.
printf '\372\364\353\375' >"$TMP/halt" # cli; hlt; jmp to the hlt
for option in '' --pmode --long; do
    check_status "a flat program halts${option:+, $option}" 0 ./minivm run $option "$TMP/halt" --timeout $limit
done

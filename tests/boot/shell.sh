#!/bin/sh
# A shell on COM1 without a terminal: pipes, files and /dev/null.
# engines: kvm soft
# needs: kvm
# takes: 45
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz initrd=build/initramfs.cpio
minivm="./minivm run -k $(tests/boot/vmlinux cloud-amd64) -i $initrd --timeout $limit $fast"

status=0
echo 'uname -s; exit 3' | $minivm >"$TMP/out" 2>"$TMP/err" || status=$?
check_equal "the shell's status is minivm's" "$status$(cat "$TMP/err")" 3
check "and its output is there" grep -q '^Linux' "$TMP/out"
status=0
echo poweroff | $minivm >"$TMP/out" 2>"$TMP/err" || status=$?
check_equal "poweroff is status 0" "$status$(cat "$TMP/err")" 0
status=0
echo reboot | $minivm --no-reboot >"$TMP/out" 2>"$TMP/err" || status=$?
check_equal "reboot with --no-reboot is status 0" "$status$(cat "$TMP/err")" 0

# wait_for N WORDS: until WORDS stand in the output N times, as long as minivm lives.
wait_for() {
    while [ "$(grep -c "$2" "$TMP/out")" -lt "$1" ] && kill -0 $pid 2>/dev/null; do sleep 0.2; done
}
pipe=$TMP/in
mkfifo "$pipe"
$minivm <"$pipe" >"$TMP/out" 2>"$TMP/err" &
pid=$!
exec 3>"$pipe"
rm "$pipe"
wait_for 1 'minivm:/#'
echo 'cat /proc/uptime >/first; ls /first; reboot' >&3
wait_for 2 'minivm:/# .*'
while [ "$(grep -c 'Restarting system' "$TMP/out")" = 0 ] && kill -0 $pid 2>/dev/null; do
    sleep 0.2
done
: >"$TMP/out"
wait_for 1 'minivm:/#'
echo 'ls /first || exit 5' >&3
exec 3>&-
status=0
wait $pid || status=$?
check_equal "reboot boots again, from a clean memory" "$status" 5

# The end of input is not the end of the guest.
status=0
(echo 'sleep 3; exit 4') | $minivm >"$TMP/out" 2>&1 || status=$?
check_equal "it goes on after the end of a pipe" "$status" 4
# A reader that goes away ends minivm as any program of a pipeline; one that sleeps loses nothing.
(status=0; $minivm -- sh -c 'yes | head -c 200000' || status=$?; echo $status >"$TMP/status") |
    head -c 10 >"$TMP/out"
check_equal "a reader that goes away" "$(cat "$TMP/status")" 141
$minivm -- seq 1 3000 | { sleep 12; cat >"$TMP/out"; }
check_equal "a reader that is slow" "$(md5sum <"$TMP/out")" "$(seq 1 3000 | md5sum)"
if [ $engine = soft ]; then # which engine it is does not matter
    echo 'exit 6' >"$TMP/file"
    status=0
    $minivm <"$TMP/file" >"$TMP/out" 2>&1 || status=$?
    check_equal "input from a file" "$status" 6
    $minivm -- echo lost >/dev/full 2>"$TMP/err"
    check_equal "a full disk is an error" "$?$(cat "$TMP/err")" \
        "125minivm: stdout: No space left on device"
    $minivm -- sh -c 'exit 9' >&-
    check_equal "no stdout at all" $? 9
fi

# Names for addresses: the guest's own symbols, of a kernel that did not move, find one that did.
./minivm run -k $kernel -i $initrd -p "nokaslr ${fast#-p }" --timeout $limit -- \
    grep -E ' [tTwW] [a-z0-9_]*(idle|halt|divide_error)' /proc/kallsyms \
    >"$TMP/System.map"
# It waits at its prompt until its time is up.
idle() {
    status=0
    ./minivm run -k $kernel -i $initrd $fast --symbols "$TMP/System.map" --timeout $seconds \
        </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}
in_time 'last line: minivm:/#' "$TMP/err" idle
check_equal "input from /dev/null: it waits until its time is up" "$status" 124
check "and the report quotes the prompt" grep -q "last line: minivm:/#" "$TMP/err"
check "--symbols names the place in a kernel that moved itself" \
    grep -qE '64-bit mode, RIP 0xffffffff[0-9a-f]* \([a-z_]+.*\+0x[0-9a-f]+\), halted' "$TMP/err"

#!/bin/sh
# Storage of the host's that hangs: minivm ends all the same, when it is told to.
# engines: soft
# takes: 45
. tests/lib.sh

kernel=build/kernels/cloud-amd64
command -v qemu-nbd >/dev/null || skip_all "no qemu-nbd here"
gcc -O1 -Wall -Wextra -Werror -o "$TMP/hang" tests/devices/hang.c || exit 1
gcc -O1 -Wall -Wextra -Werror -o "$TMP/pty" tests/console/pty.c || exit 1
mkdir "$TMP/fs"

# The file system for one case; whoever waits for it at the end gets an error.
hang_begin() {
    rm -f "$TMP/fs.hangs"
    hang=$("$TMP/hang" "$TMP/fs" 2>"$TMP/err") || skip_all "no file system of our own here: $(cat "$TMP/err")"
}

hang_end() {
    kill -TERM "$hang"
    while kill -0 "$hang" 2>/dev/null; do sleep 0.1; done
}

# The guest reads from all of them, and looks at their devices' registers.
cat >"$TMP/script" <<'END2'
mkdir /mnt
mount -t virtiofs s /mnt
for f in /dev/vda /dev/vdb /mnt/file; do
    (while dd if=$f of=/dev/null bs=64k count=8 2>/dev/null; do echo 3 >/proc/sys/vm/drop_caches; done) &
done
while :; do cat /sys/bus/virtio/devices/*/status >/dev/null; echo alive; sleep 0.1; done
END2
tools/mkinitramfs -o "$TMP/initramfs" --modules $kernel/modules "$TMP/script"
qemu-img create -q -f qcow2 "$TMP/b.qcow2" 1M
run="./minivm run $fast -k $kernel/vmlinuz -i $TMP/initramfs -d $TMP/fs/file -d $TMP/b.qcow2"
run="$run --share $TMP/fs=s"

has() { grep -q "$2" "$1"; }

# stop_all: from now on nothing answers, and the guest waits for it.
stop_all() {
    kill -USR1 "$hang"
    until_true eval "[ -e '$TMP/fs.hangs' ] || has '$TMP/out' 'time is up'"
    # shellcheck disable=SC2086
    nbd=$(pgrep -P $1 qemu-nbd) && kill -STOP $nbd
}

# ends NAME STATUS: minivm, $run in the background, ends.
ends() {
    ends_by=$(($(date +%s) + 20))
    while kill -0 $pid 2>/dev/null && [ "$(date +%s)" -lt $ends_by ]; do sleep 0.1; done
    if kill -0 $pid 2>/dev/null; then
        fail "$1" "it hangs, too"
        kill -KILL $pid
    fi
    status=0
    wait $pid || status=$?
    check_equal "$1" $status "$2"
    # shellcheck disable=SC2086
    kill -CONT $nbd 2>/dev/null
    hang_end
}

hang_begin
$run --timeout $limit -- sh /script </dev/null >"$TMP/out" 2>&1 &
pid=$!
until_true has "$TMP/out" alive
stop_all $pid
kill -TERM $pid
ends "SIGTERM" 143
check_equal "it says what hangs" "$(grep -c "fs/file: the host's storage does not answer" "$TMP/out")" 1

# Where a boot takes longer than that, there is nothing to see.
hang_begin
$run --timeout 15 -- sh /script </dev/null >"$TMP/out" 2>&1 &
pid=$!
until_true has "$TMP/out" 'alive\|time is up'
stop_all $pid
until_true has "$TMP/out" 'time is up'
ends "--timeout" 124

hang_begin
"$TMP/pty" wait "$TMP/fs.hangs" sleep 500 type 'x^Ax' -- sh -c "echo \$\$ >$TMP/pid; exec $run --timeout $limit -- sh /script" \
    >"$TMP/out" 2>&1 &
pid=$!
until_true has "$TMP/out" alive
stop_all "$(cat "$TMP/pid")"
ends "Ctrl-A x" 0
check_equal "the terminal is as before" "$(tail -n 1 "$TMP/out")" "status 130, modes as before"

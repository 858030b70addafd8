#!/bin/sh
# Storage of the host's that hangs: the guest goes on with all that does not need it, and minivm ends
# when it is told to.
# engines: soft
# takes: 60
. tests/lib.sh

kernel=build/kernels/cloud-amd64
command -v qemu-nbd >/dev/null || skip_all "no qemu-nbd here"
gcc -O1 -Wall -Wextra -Werror -o "$TMP/hang" tests/devices/hang.c || exit 1
gcc -O1 -Wall -Wextra -Werror -o "$TMP/pty" tests/console/pty.c || exit 1
gcc -I. -m32 -masm=intel -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -o "$TMP/hung" \
    -Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments \
    tests/devices/hung.c || exit 1
mkdir "$TMP/fs"
mkfifo "$TMP/keys"
exec 9<>"$TMP/keys"

# The file system for one case; whoever waits for it at the end gets an error.
hang_begin() {
    rm -f "$TMP/fs.hangs"
    hang=$("$TMP/hang" "$TMP/fs" 2>"$TMP/err") || skip_all "no file system of our own here: $(cat "$TMP/err")"
}

hang_end() {
    kill -TERM "$hang"
    while kill -0 "$hang" 2>/dev/null; do sleep 0.1; done
}

# The guest reads from all of them, and looks at their devices' registers. When it is told to, it resets
# itself.
cat >"$TMP/script" <<'END2'
exec 3<&0
mkdir /mnt
mount -t virtiofs s /mnt
for f in /dev/vda /dev/vdb /mnt/file; do
    (while dd if=$f of=/dev/null bs=64k count=8 2>/dev/null; do echo 3 >/proc/sys/vm/drop_caches; done) &
done
(read -r key && echo "$key" >/proc/sysrq-trigger) <&3 &
while :; do cat /sys/bus/virtio/devices/*/status >/dev/null; echo alive; sleep 0.1; done
END2
tools/mkinitramfs -o "$TMP/initramfs" --modules $kernel/modules "$TMP/script"
qemu-img create -q -f qcow2 "$TMP/b.qcow2" 1M
run="./minivm run $fast -k $kernel/vmlinuz -i $TMP/initramfs -d $TMP/fs/file -d $TMP/b.qcow2"
run="$run --share $TMP/fs=s"

alive() { grep -c alive "$TMP/out"; }
more_alive() { [ "$(alive)" -gt $(($1 + 2)) ]; }

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
    [ ! "$nbd" ] || kill -CONT $nbd 2>/dev/null
    ! kill -0 "$hang" 2>/dev/null || hang_end
}

# A disk that is reset by the legacy interface, which has no way to ask whether that is finished.
reset_begin() {
    hang_begin
    ./minivm run --timeout $limit -d "$TMP/fs/file" "$TMP/hung" <"$TMP/keys" >"$TMP/out" 2>&1 &
    pid=$! nbd=
    until_true has "$TMP/out" ready
    kill -USR1 "$hang"
    printf 1 >&9
    until_true [ -e "$TMP/fs.hangs" ]
    printf 2 >&9
    until_true has "$TMP/out" resets
}

reset_begin
kill -TERM $pid
ends "SIGTERM while a CPU waits for a disk's reset" 143
check_equal "it says what hangs" "$(cat "$TMP/out")" "ready
resets it
minivm: $TMP/fs/file: the host's storage does not answer: what the guest wrote last may be lost"

reset_begin
hang_end
ends "a disk's reset is finished when the storage answers" 35
check_equal "and nothing changes after it" "$(cat "$TMP/out")" "ready
resets it
reset
as it was"

hang_begin
$run --timeout $limit -- sh /script </dev/null >"$TMP/out" 2>&1 &
pid=$!
until_true has "$TMP/out" alive
stop_all $pid
check "the guest goes on" until_true more_alive "$(alive)"
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

# The guest's reset waits for the storage, and the user need not wait for that.
hang_begin
$run --timeout $limit -- sh /script <"$TMP/keys" >"$TMP/out" 2>&1 &
pid=$!
until_true has "$TMP/out" alive
stop_all $pid
echo b >&9
until_true has "$TMP/out" Resetting
kill -TERM $pid
ends "SIGTERM in a reset" 143
check_equal "it says what hangs" "$(grep -c "fs/file: the host's storage does not answer" "$TMP/out")" 1

#!/bin/sh
# minivm run ... -- CMD: the command's bytes and its status, and nothing else, by virtio-console's ports
# and by COM1.
# engines: kvm soft
# needs: kvm
# takes: 60
. tests/lib.sh

kernel=$(tests/boot/vmlinux cloud-amd64) initrd=build/initramfs.cpio

# run COMMAND...: in the guest; $status, $TMP/out, $TMP/err.
run() {
    status=0
    ./minivm run -k $kernel -i $initrd --timeout $limit $fast $options -- "$@" \
        <"$input" >"$TMP/out" 2>"$TMP/err" || status=$?
}
options='' input=/dev/null

run sh -c 'cat; uname -sm'
check_equal "its output and status 0, and stdin that is empty ends" "$status $(cat "$TMP/out" "$TMP/err")" "0 Linux x86_64"
run sh -c 'echo out; echo err >&2; exit 7'
check_equal "its status is minivm's, stderr is stderr" "$status $(cat "$TMP/out") $(cat "$TMP/err")" "7 out err"
run sh -c 'cat /proc/modules >/tmp/first; until grep -q ^virtio_balloon /proc/modules; do usleep 10000; done
    grep -c ^virtio_console /tmp/first'
check_equal "the ports' driver is there when it begins, the balloon's, which may come later, comes" \
    "$status $(cat "$TMP/out")" "0 1"
# Every byte value, both ways, by ports: to the end of a file, of a pipe, and to stderr; several MB.
i=0
while [ $i -lt 256 ]; do
    printf "\\$(printf %o $i)"
    i=$((i + 1))
done >"$TMP/bytes"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat "$TMP/bytes"; done >"$TMP/4k"
mb=5
[ -z "${KVMHOST-}" ] || mb=1 # there all costs five to ten times as much
head -c ${mb}000000 /dev/urandom >"$TMP/many"
cat "$TMP/bytes" >>"$TMP/many"
input=$TMP/many
run tee /proc/self/fd/2
check_equal "status of a filter" "$status" 0
check "$mb MB of all values from a file to stdout" cmp "$TMP/many" "$TMP/out"
check "and to stderr" cmp "$TMP/many" "$TMP/err"
status=0
cat "$TMP/many" | ./minivm run -k $kernel -i $initrd $fast -c 4 --timeout $limit -- \
    sh -c 'sleep 1; cat; i=0; while [ $i -lt 500 ]; do echo $i; echo $i >&2; i=$((i + 1)); done' >"$TMP/out" 2>&1 || status=$?
i=0
while [ $i -lt 500 ]; do echo $i && echo $i; i=$((i + 1)); done >"$TMP/lines"
check_equal "from a pipe to a guest that is late; stderr with stdout, in order; 4 CPUs" \
    "$status $(md5sum <"$TMP/out")" "0 $(cat "$TMP/many" "$TMP/lines" | md5sum)"
input=/dev/null

# A reader that sleeps, and one that goes away.
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
./minivm run -k $kernel -i $initrd $fast --timeout $limit -- cat /dev/zero </dev/null >"$TMP/fifo" 7<&- &
pid=$!
check_equal "output without an end" "$(head -c 100000 <&7 | tr -d '\0' | wc -c)" 0
kill $pid
status=0
wait $pid || status=$?
check_equal "SIGTERM ends it, though nobody reads" "$status" 143
exec 7<&-
status=$({ { ./minivm run -k $kernel -i $initrd $fast --timeout $limit -- cat /dev/zero </dev/null
    echo $? >&3; } | head -c 100000 >/dev/null; } 3>&1)
check_equal "status when the reader has gone" "$status" 141

# Without the driver's module, which is not found beside such a file, all goes by COM1; there stdin has no
# end, so the guest counts.
ports_kernel=$kernel
gzip -c build/kernels/cloud-amd64/vmlinuz >"$TMP/vmlinuz.gz"
kernel=$TMP/vmlinuz.gz input=$TMP/4k
run head -c 4096
check_equal "a kernel compressed by gzip, without modules" "$status" 0
check "4096 bytes of all values by COM1 and back" cmp "$TMP/4k" "$TMP/out"
# More than Linux's driver takes before it gives up on a line that never pauses, 128 KiB.
pages=122
[ $engine = soft ] || pages=36 # each byte is two exits
for i in $(seq $pages); do cat "$TMP/4k"; done >"$TMP/flood"
cat "$TMP/flood" | ./minivm run -k $kernel -i $initrd $fast --timeout $limit -- \
    sh -c "sleep 1; head -c $((4096 * pages)) | md5sum; seq 1 500" >"$TMP/out" 2>&1
check_equal "$((4 * pages)) KiB from a pipe to a guest that is late, and all of its output" \
    "$(cat "$TMP/out")" "$(md5sum - <"$TMP/flood")
$(seq 1 500)"
kernel=$ports_kernel input=/dev/null

# A kernel that does not let init use the hypercall port. Nor has stdin ended when the command does.
mkfifo "$TMP/fifo"
exec 8<>"$TMP/fifo"
options='-p lockdown=integrity' input=$TMP/fifo
run sh -c 'echo last; exit 9'
exec 8>&-
input=/dev/null
check_equal "the status has another way" "$status $(cat "$TMP/out")" "9 last"
options=

run poweroff
check_equal "a guest that is switched off first is a crash" "$status" 126
check "which is said" grep -q "switched off before 'poweroff' ended" "$TMP/err"
run reboot
check_equal "so is one that reboots" "$status" 126
check "which is said" grep -q "rebooted before 'reboot' ended" "$TMP/err"
run sh -c 'echo c >/proc/sysrq-trigger'
check_equal "so is a kernel panic" "$status" 126
check "which is said" grep -q "kernel panicked" "$TMP/err"
options='-c 2'
run sh -c 'echo c >/proc/sysrq-trigger'
check_equal "so is a panic with 2 CPUs" "$status" 126

# Which engine it is does not matter for the rest.
[ $engine = soft ] || exit 0
options='-p rdinit=/bin/false'
run true
check_equal "so is an init that ends" "$status" 126
check "which is said" grep -q "kernel panicked" "$TMP/err"
options=
run sh -c 'kill -9 $$'
check_equal "128 + N when signal N killed it" "$status" 137
run no-such-command
check_equal "127 when there is no such command" "$status" 127
run printf '%s|' "a  b" "it's" '' '$HOME' 'back\slash' '*' '
'
check_equal "its arguments arrive as they are" "$status $(cat "$TMP/out")" "0 a  b|it's||\$HOME|back\\slash|*|
|"

# Any initramfs by tools/mkinitramfs will do, compressed or of several parts too.
echo hello >"$TMP/motd"
tools/mkinitramfs -o "$TMP/initramfs" "$TMP/motd=etc/motd"
gzip -9 "$TMP/initramfs"
initrd=$TMP/initramfs.gz
run cat /etc/motd
check_equal "an initramfs compressed by gzip, with a file added" "$status $(cat "$TMP/out")" "0 hello"
(cd "$TMP" && echo second >second && echo second | cpio -o -H newc --quiet >part)
truncate -s %4 "$TMP/initramfs.gz" # where Linux expects an archive that is not compressed
cat "$TMP/initramfs.gz" "$TMP/part" >"$TMP/both"
initrd=$TMP/both
run cat /second
check_equal "two archives, one compressed" "$status $(cat "$TMP/out")" "0 second"

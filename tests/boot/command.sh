#!/bin/sh
# minivm run ... -- CMD: the command's bytes and its status, and nothing else.
# engines: kvm soft
# needs: kvm
# takes: 50
. tests/lib.sh

kernel=$(tests/boot/vmlinux cloud-amd64) initrd=build/initramfs.cpio

# run COMMAND...: in the guest; $status, $TMP/out, $TMP/err.
run() {
    status=0
    ./minivm run -k $kernel -i $initrd --timeout $limit $fast $options -- "$@" \
        <"$input" >"$TMP/out" 2>"$TMP/err" || status=$?
}
options='' input=/dev/null

run uname -sm
check_equal "its output and status 0" "$status $(cat "$TMP/out" "$TMP/err")" "0 Linux x86_64"
run sh -c 'echo out; echo err >&2; exit 7'
check_equal "its status is minivm's" "$status $(cat "$TMP/out" "$TMP/err")" "7 out
err"
# Every byte value, both ways; the end of stdin cannot pass a serial line, so the guest counts.
i=0
while [ $i -lt 256 ]; do
    printf "\\$(printf %o $i)"
    i=$((i + 1))
done >"$TMP/bytes"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat "$TMP/bytes"; done >"$TMP/4k"
input=$TMP/4k
run head -c 4096
check_equal "status of a filter" "$status" 0
check "4096 bytes of all values from a file and back" cmp "$TMP/4k" "$TMP/out"
# More than Linux's driver takes before it gives up on a line that never pauses, 128 KiB.
pages=122
[ $engine = soft ] || pages=36 # each byte is two exits
for i in $(seq $pages); do cat "$TMP/4k"; done >"$TMP/flood"
input=/dev/null
cat "$TMP/flood" | ./minivm run -k $kernel -i $initrd $fast --timeout $limit -- \
    sh -c "sleep 1; head -c $((4096 * pages)) | md5sum" >"$TMP/out" 2>&1
check_equal "$((4 * pages)) KiB from a pipe to a guest that is late" "$(cat "$TMP/out")" \
    "$(md5sum - <"$TMP/flood")"

# The last bytes are not lost when the machine ends at once, on several CPUs too.
for cpus in 1 4; do
    options="-c $cpus"
    run seq 1 500
    check_equal "all of its output, $cpus CPUs" "$(md5sum <"$TMP/out")" "$(seq 1 500 | md5sum)"
done
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
gzip -c build/kernels/cloud-amd64/vmlinuz >"$TMP/vmlinuz.gz"
kernel=$TMP/vmlinuz.gz initrd=build/initramfs.cpio
run true
check_equal "a kernel compressed by gzip" "$status" 0

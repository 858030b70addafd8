#!/bin/sh
# Disks: what Linux writes to them is there, and nowhere else.
# engines: kvm soft
# needs: kvm
# takes: 50
. tests/lib.sh

kernels=$(dirname "$(tests/boot/vmlinux cloud-amd64)")
for tool in mke2fs e2fsck debugfs; do
    command -v $tool >/dev/null || skip_all "no $tool here"
done

# linux ARGUMENT...: status, and what it printed; stderr goes to $TMP/err.
linux() {
    status=0
    output=$(./minivm run --timeout $limit $fast -k $kernels/vmlinux -i "$TMP/disk.cpio" "$@" \
        </dev/null 2>"$TMP/err") || status=$?
    printf '%s' "$status $output" | tr -d '\r'
}

# file_of IMAGE NAME: a file of an ext4 file system
file_of() {
    debugfs -R "cat $2" "$1" 2>/dev/null
}

# shows N WORDS: minivm in the background printed N lines with WORDS so far, or has ended
shows() {
    [ "$(grep -c "$2" "$TMP/out")" -ge "$1" ] || ! kill -0 $run 2>/dev/null
}

mkdir -p "$TMP/root/bin"
cat >"$TMP/root/bin/fill" <<'END'
#!/bin/sh
# On a new file system each file has its own checksum, before and after it was out of memory.
set -e
dev=$1
/mke2fs -q -t ext4 -b 4096 $dev
mkdir -p /mnt
mount -t ext4 -o discard $dev /mnt
for n in 1 2 3 4 5 6 7 8; do
    dd if=/dev/urandom of=/mnt/$n bs=64k count=$((n < 8 ? n : 64)) conv=fsync 2>/dev/null
done
cd /mnt
md5sum 1 2 3 4 5 6 7 8 >sums
rm 8
sync
cd /
umount /mnt
echo 3 >/proc/sys/vm/drop_caches
/e2fsck -fn $dev >/dev/null 2>&1
mount -t ext4 -o ro $dev /mnt
cd /mnt
grep -v ' 8$' sums | md5sum -c -s
cd /
umount /mnt
END
chmod +x "$TMP/root/bin/fill"
check "the archive, with modules" tools/mkinitramfs -o "$TMP/disk.cpio" --modules $kernels/modules \
    "$(command -v mke2fs)" "$(command -v e2fsck)" "$TMP/root"

truncate -s 96M "$TMP/a.img" "$TMP/kept.img"
echo "no file system" | dd of="$TMP/b.img" bs=64k conv=sync status=none
cp "$TMP/b.img" "$TMP/b.copy"

check_equal "a disk, one that is read-only, a snapshot" \
    "$(linux -c 4 --disk "$TMP/a.img" -d "$TMP/b.img,ro" -d "$TMP/kept.img,snapshot" -- sh -c '
        fill /dev/vda && echo vda
        head -c 14 /dev/vdb; echo
        cat /sys/block/vda/ro /sys/block/vdb/ro /sys/block/vdc/ro
        echo x 2>/dev/null >/dev/vdb || echo not written
        fill /dev/vdc && echo vdc
        cat /sys/block/vdb/serial; echo
        ls /sys/block/vda/mq | wc -l')" \
    "0 vda
no file system
0
1
0
not written
vdc
b.img
4"
check "fsck finds nothing to mend" e2fsck -fn "$TMP/a.img"
file_of "$TMP/a.img" sums | sed -n 7p >"$TMP/sums"
file_of "$TMP/a.img" 7 >"$TMP/7"
check_equal "the host reads the same" "$(md5sum <"$TMP/7" | cut -c1-32)" "$(cut -c1-32 "$TMP/sums")"
check "the read-only disk is as it was" cmp "$TMP/b.img" "$TMP/b.copy"
check_equal "nothing was written to the snapshot's image" "$(stat -c %b "$TMP/kept.img")" 0

# What is deleted gives its room back: of 10 MiB there are 6.
room=$(stat -c %b "$TMP/a.img")
check "a file of 4 MiB that was deleted is a hole" [ "$room" -lt $((8 * 2048)) ]

# The second boot of one run finds what the first one wrote.
truncate -s 1M "$TMP/c.img"
pipe=$TMP/in
mkfifo "$pipe"
./minivm run --timeout $limit $fast -k $kernels/vmlinux -i "$TMP/disk.cpio" -d "$TMP/c.img" \
    <"$pipe" >"$TMP/out" 2>&1 &
run=$!
exec 3>"$pipe"
until_true shows 1 'minivm:/#'
echo 'echo again >/dev/vda; sync; reboot' >&3
until_true shows 1 'Restarting system'
: >"$TMP/out"
until_true shows 1 'minivm:/#'
echo 'grep -q again /dev/vda && exit 5; exit 6' >&3
exec 3>&-
wait $run
check_equal "a disk outlives a reboot" $? 5

if command -v qemu-img >/dev/null; then
    qemu-img create -q -f qcow2 "$TMP/d.qcow2" 96M
    check_equal "an image in another format" \
        "$(linux -d "$TMP/d.qcow2" -- sh -c 'fill /dev/vda && echo vda')" "0 vda"
    check "which is whole, and let go of, when minivm ends" qemu-img check -q "$TMP/d.qcow2"
    qemu-img convert -O raw "$TMP/d.qcow2" "$TMP/d.img"
    check "fsck finds nothing to mend in it" e2fsck -fn "$TMP/d.img"
else
    skip "an image in another format" "no qemu-utils here"
fi

# The image shrinks under the guest, and another one's file system is full. The guest has errors and
# goes on.
truncate -s 8M "$TMP/e.img"
mkdir "$TMP/small"
small= own=
[ "$(id -u)" = 0 ] || own=-r
if unshare -m $own mount -t tmpfs small "$TMP/small" 2>/dev/null; then small=$TMP/small; fi
export TMP small limit fast kernels
${small:+unshare -m $own} sh -c '
    [ -z "$small" ] || { mount -t tmpfs -o size=2M small "$small" && truncate -s 8M "$small/disk"; } || exit
    exec ./minivm run --timeout $limit $fast -k $kernels/vmlinux -i "$TMP/disk.cpio" -d "$TMP/e.img" \
        ${small:+-d "$small/disk"} -- sh -c "$1"' sh '
    [ ! -e /dev/vdb ] || {
        dd if=/dev/zero of=/dev/vdb bs=64k oflag=direct 2>/dev/null || echo full
        dd if=/dev/vdb of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null && echo read
    }
    echo ready; read go
    dd if=/dev/vda of=/dev/null bs=4k skip=1024 count=1 iflag=direct 2>/dev/null || echo not read
    dd if=/dev/zero of=/dev/vda bs=4k seek=1024 count=1 oflag=direct 2>/dev/null || echo not written
    dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && echo alive' \
    <"$pipe" >"$TMP/out" 2>&1 &
run=$!
exec 3>"$pipe"
until_true shows 1 ready
check_status "an image in use is refused" 125 ./minivm run -d "$TMP/e.img" guest/minimal
check_status "also to be read" 125 ./minivm run -d "$TMP/e.img,ro" guest/minimal
truncate -s 1M "$TMP/e.img"
echo go >&3
exec 3>&-
wait $run
check_equal "an image ${small:+on a full file system, and one }that shrinks" "$? $(tr -d '\r' <"$TMP/out" | grep -v ready)" \
    "0 ${small:+full
read
}not read
not written
alive"
check_equal "it is not made longer again" "$(stat -c %s "$TMP/e.img")" 1048576

# Killed in the middle of its writes it has lost nothing that was flushed, and no process is left.
truncate -s 8M "$TMP/f.img" "$TMP/g.qcow2"
! command -v qemu-img >/dev/null || qemu-img create -q -f qcow2 "$TMP/g.qcow2" 8M
./minivm run --timeout $limit $fast -k $kernels/vmlinux -i "$TMP/disk.cpio" -d "$TMP/f.img" \
    -d "$TMP/g.qcow2" -- sh -c 'n=1; while :; do
        for d in a b; do printf "%511d\n" $n | dd of=/dev/vd$d bs=512 seek=$n conv=fsync,notrunc; done \
            2>/dev/null
        echo "flushed $n"; n=$((n + 1)); done' </dev/null >"$TMP/out" 2>&1 &
run=$!
until_true shows 20 flushed
kill -9 $run
wait $run 2>/dev/null
count=$(tr -d '\r' <"$TMP/out" | sed -n 's/^flushed \([0-9]*\)$/\1/p' | tail -n 1)
# is_whole IMAGE: the raw image has all blocks that were flushed
is_whole() {
    [ "$count" -ge 20 ] && [ "$(head -c $(((count + 1) * 512)) "$1" | tail -c $((count * 512)))" = \
        "$(printf '%511d\n' $(seq "$count"))" ]
}
check "a minivm that is killed loses nothing that was flushed" is_whole "$TMP/f.img"
if command -v qemu-img >/dev/null; then
    until_true qemu-img check -q "$TMP/g.qcow2" 2>/dev/null
    qemu-img convert -O raw "$TMP/g.qcow2" "$TMP/g.img"
    check "nor in another format" is_whole "$TMP/g.img"
fi

if [ $engine = soft ]; then
    # A run repeats, to the last instruction, with a disk in it.
    for n in 1 2; do
        linux --soft-clock instructions --stat -d "$TMP/a.img,snapshot" -- sh -c '
            mkdir /mnt; mount -t ext4 /dev/vda /mnt && cat /mnt/7 >/mnt/new && sync && md5sum /mnt/new' \
            >"$TMP/run$n"
        grep '^CPU 0' "$TMP/err" >>"$TMP/run$n"
    done
    check "a run with a snapshot repeats" cmp "$TMP/run1" "$TMP/run2"
    check "and is one that ran" grep -q ' /mnt/new' "$TMP/run1"
fi

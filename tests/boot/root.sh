#!/bin/sh
# minivm run --root: commands on the host's own files, and systems on disks, with Debian's stock
# kernels, whose drivers are modules.
# engines: kvm soft
# needs: kvm
# takes: 60
. tests/lib.sh

command -v mke2fs >/dev/null || PATH=$PATH:/usr/sbin:/sbin
kernel=build/kernels/cloud-amd64/vmlinuz options=

# run COMMAND...: in the guest; $status, $TMP/out, $TMP/err.
run() {
    status=0
    ./minivm run -k $kernel --timeout $limit $fast $options --root "$root" "$@" \
        </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}

# The host's root, as the user who calls sees it.
root=/
export MINIVM_TEST='two words' container=none SYSTEMD_EXEC_PID=1
mkdir "$TMP/work dir"
cat >"$TMP/work dir/hello.c" <<'X'
#include <stdio.h>
int main(void)
{
    return puts("hello") < 0;
}
X
cat >"$TMP/script" <<'X'
cd -P . && pwd
id -u
id -g
echo "$MINIVM_TEST$container$SYSTEMD_EXEC_PID"
gcc -O2 hello.c -o hello && ./hello
echo changed >hello.c
echo new >"$1/new"
echo outside >>/etc/hostname && tail -n 1 /etc/hostname
test -e /proc/self/stat && test -c /dev/null && test -d /sys/kernel && test -d /dev/pts && echo mounted
umask
cat /dev/stdin
echo err >/dev/stderr
exit 7
X
status=0
top=$PWD
(umask 027 && cd "$TMP/work dir" && "$top/minivm" run -k "$top/$kernel" --timeout $limit $fast --root / -- \
    sh "$TMP/script" "$TMP" <"$TMP/script" >"$TMP/out" 2>"$TMP/err") || status=$?
check_equal "a command in the host's root" "$status $(cat "$TMP/out" "$TMP/err")" "7 $TMP/work dir
$(id -u)
$(id -g)
two words
hello
outside
mounted
0027
$(cat "$TMP/script")
err"
check_equal "whose stderr is stderr" "$(cat "$TMP/err")" err
check_equal "leaves nothing on the host" "$(ls "$TMP/work dir"; ls "$TMP/new" 2>/dev/null
    grep outside /etc/hostname; tail -n 1 "$TMP/work dir/hello.c")" "hello.c
}"

# The same as somebody else, who may write to one directory.
user='setpriv --reuid=65534 --regid=65534 --clear-groups'
[ "$(id -u)" = 0 ] || user=
mkdir "$TMP/theirs"
cp "$TMP/work dir/hello.c" "$TMP/theirs"
chmod 755 "$TMP"
[ -z "$user" ] || chown 65534:65534 "$TMP/theirs"
if [ $engine = kvm ]; then
    skip "a command of a user's" "/dev/kvm may be root's"
elif ! $user test -r "$top/$kernel" || ! $user test -x "$top/minivm"; then
    skip "a command of a user's" "nobody else can enter $top"
else
    status=0
    (cd "$TMP/theirs" && $user "$top/minivm" run -k "$top/$kernel" --timeout $limit $fast --root / -- sh -c '
        gcc -O2 hello.c && ./a.out && id -u && pwd && cp hello.c /tmp/hello.c && rm /tmp/hello.c
        rm /etc/hostname 2>/dev/null || echo kept; exit 5' </dev/null >"$TMP/out" 2>"$TMP/err") || status=$?
    check_equal "a command of a user's" "$status $(cat "$TMP/out" "$TMP/err")" "5 hello
$([ -n "$user" ] && echo 65534 || id -u)
$TMP/theirs
kept"
    check_equal "leaves nothing on the host either" "$(ls "$TMP/theirs")" hello.c
fi

if [ $engine = soft ]; then # which engine it is does not matter
    run -- no-such-command
    check_equal "127 when there is no such command" "$status" 127
    run -- /etc
    check_equal "126 when it cannot be run" "$status" 126
    run -- sh -c 'kill -9 $$'
    check_equal "128 + N when signal N killed it" "$status" 137
    run -- sh -c 'echo $# ${9000}' sh $(seq 9000)
    check_equal "as many words as there are" "$status $(cat "$TMP/out" "$TMP/err")" "0 9000 9000"
fi

# A directory with a system of its own, which is written to.
root=$TMP/system
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
root=$TMP/system,rw
run -- sh -c 'pwd; echo written >/tmp/file; busybox ls -1 /'
check_equal "a directory that is written to" "$status $(cat "$TMP/out" "$TMP/err" "$TMP/system/tmp/file")" \
    "0 /
bin
dev
etc
proc
run
sys
tmp
written"
root=$TMP/system
run -- sh -c 'echo other >/tmp/file; busybox cat /tmp/file'
check_equal "and one that is not" "$status $(cat "$TMP/out" "$TMP/err" "$TMP/system/tmp/file")" "0 other
written"

# Disks: all of one, and its second partition, of which the first holds something else.
mkdir -p "$TMP/system/sbin"
cat >"$TMP/system/sbin/init" <<'X'
#!/bin/sh
busybox mount -t proc proc /proc
echo "init of $(busybox sed -n 's,^\(/dev/[^ ]*\) / .*,\1,p' /proc/mounts) $$"
echo booted >/file
busybox mount -o remount,ro /
busybox poweroff -f
X
chmod +x "$TMP/system/sbin/init"
truncate -s 16M "$TMP/disk"
mke2fs -q -t ext4 -d "$TMP/system" "$TMP/disk"
root=$TMP/disk
run
check_equal "the init of a disk" "$status $(head -n 1 "$TMP/out" | tr -d '\r')" "0 init of /dev/vda 1"
check_equal "writes to it" "$(debugfs -R 'cat /file' "$TMP/disk" 2>/dev/null)" booted
run -- sh -c 'pwd; echo $HOME; echo more >>/file; busybox id -u; exit 5'
check_equal "a command on a disk" "$status $(cat "$TMP/out" "$TMP/err")" "5 /
/root
0"
check_equal "writes to it" "$(debugfs -R 'cat /file' "$TMP/disk" 2>/dev/null)" "booted
more"
check "and leaves nothing to mend" e2fsck -fn "$TMP/disk"

truncate -s 24M "$TMP/parts"
dd if="$TMP/disk" of="$TMP/parts" bs=1M seek=2 conv=notrunc status=none
# Two entries of an MBR: Linux, 2048 sectors from 2048; Linux, 32768 from 4096.
printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\010\0\0\0\0\0\0\203\0\0\0\0\020\0\0\0\200\0\0' |
    dd of="$TMP/parts" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$TMP/parts" bs=1 seek=510 conv=notrunc status=none
kernel=$(tests/boot/vmlinux amd64)
root=$TMP/parts
run
check_equal "the first partition with a system" "$status $(head -n 1 "$TMP/out" | tr -d '\r')" \
    "0 init of /dev/vda2 1"
# One that was not unmounted, of which the journal is not played back.
cp "$TMP/parts" "$TMP/unclean"
debugfs -w -R 'feature needs_recovery' "$TMP/unclean?offset=2097152" >/dev/null 2>&1
root=$TMP/unclean,ro
run -- sh -c 'echo x >/file; busybox cat /file'
check_equal "a disk that is read-only" "$status $(cat "$TMP/out" "$TMP/err")" \
    "0 booted
sh: can't create /file: Read-only file system"

# An initramfs without modules gets those for what the machine has. The console, which is the last of
# its devices, is found all the same: what the command says comes apart.
status=0
./minivm run -k $kernel -i build/initramfs.cpio --timeout $limit $fast --disk "$TMP/parts,ro" \
    --share "$TMP/system=it" -- sh -c 'mkdir /a /b && mount -t virtiofs it /a && cat /a/tmp/file &&
    mount -t ext4 -o ro /dev/vda2 /b && cat /b/file && echo apart >&2' </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
check_equal "a disk and a share beside an initramfs" \
    "$status $(cat "$TMP/out"); $(cat "$TMP/err")" "0 written
booted; apart"

# What cannot be, with whichever engine.
[ $engine = soft ] || exit 0
truncate -s 16M "$TMP/empty"
root=$TMP/empty
run
check_equal "a disk without a system: status and one line" "$status $(cat "$TMP/out" "$TMP/err" | wc -l)" "125 1"
check "which says so" grep -q "no partition of the disk holds a system" "$TMP/out" "$TMP/err"
root=/ options="--modules build/kernels/cloud-amd64/modules"
run -- true
check_equal "modules of another kernel: status" "$status" 125
check "which is said" grep -q "it is another kernel's; name the right ones by --modules DIR" "$TMP/out"

# refused NAME TEXT OPTION...: before the start
refused() {
    refused_name=$1 refused_text=$2
    shift 2
    status=0
    ./minivm run -k $kernel "$@" >"$TMP/out" 2>&1 || status=$?
    check_equal "$refused_name" "$status $(cat "$TMP/out")" "125 minivm: $refused_text"
}
mkdir "$TMP/bare"
refused "a directory without a shell" "--root $TMP/bare: it has no /bin/sh; say what to run: -- COMMAND" \
    --root "$TMP/bare"
refused "a directory without modules" \
    "--modules $TMP/bare: has neither modules.dep nor modules.order: it is no directory of modules" \
    --root / --modules "$TMP/bare" -- true
refused "an initramfs of the user's" \
    "--root brings an initramfs of its own; with -i, say --disk, or --share, in its place" \
    --root / -i build/initramfs.cpio
refused "a kernel of 32 bits" \
    "--root needs a 64-bit kernel, and build/kernels/686-pae/vmlinuz is one of 32 bits" \
    -k build/kernels/686-pae/vmlinuz --root /
refused "a command in a kernel of 32 bits" \
    "-- true: a command needs a 64-bit kernel, as what runs it in the guest is of 64 bits, and \
build/kernels/686-pae/vmlinuz is one of 32" -k build/kernels/686-pae/vmlinuz -i build/initramfs.cpio -- true

#!/bin/sh
# Directories of the host's in a guest: what it reads, what it writes, what either sees of the other.
# tests/soak-fs tortures them.
# engines: kvm soft
# needs: kvm
# takes: 50
. tests/lib.sh

kernel=$(dirname "$(tests/boot/vmlinux cloud-amd64)")
cat >"$TMP/sums" <<'END'
# Of all files in the directory, and where links lead.
find . -type f | sort | xargs md5sum
find . -type l | sort | while read -r l; do echo "$l -> $(readlink "$l")"; done
END
cat >"$TMP/script" <<'END'
mkdir /src /data /gone
mount -t virtiofs src /src && mount -t virtiofs data /data && mount -t virtiofs last /gone || exit 9
cd /src
sh /sums >/sums.src
for i in 1 2 3 4; do (mkdir new$i; tar cf - boot initramfs | tar xf - -C new$i) & done
wait
cp /sums.src .
cp hole copy
ln hole hard
ln -s copy soft
chmod 751 new1
touch -d '2001-02-03 04:05:06' new1/boot/elf.c
i=0
while [ $i -lt 300 ]; do echo line $i >>appended; i=$((i + 1)); done
dd if=/dev/zero of=copy bs=1 seek=5 count=3 conv=notrunc 2>/dev/null
mkdir full && mv full renamed && rm -r new2
cat /data/file >results
for c in 'touch /data/new' 'rm /data/file' 'sh -c "echo x >/data/file"' 'mkdir /data/d' \
    'chmod 600 /data/file' 'mv /data/file /data/other'; do
    eval "$c" 2>&1 | sed 's/.*: //' >>results
done
cat changing log >>results
sync
flock locked sh -c 'touch ready; until [ -e go ]; do sleep 0.1; done'
cat changing log >>results
ls /gone >>results 2>/dev/null # where the host is on 9p, an error
echo x 2>/dev/null >/gone/new || echo "nothing is made where nothing is" >>results
cd /
umount /data /src && mount -t virtiofs src /src && cat /src/in | md5sum >>/src/results
umount /src && echo bye
END
tools/mkinitramfs -o "$TMP/initramfs" --modules $kernel/modules "$TMP/script" "$TMP/sums" \
    /usr/bin/flock=bin/flock 2>"$TMP/missing"
minivm="./minivm run -k $kernel/vmlinux -i $TMP/initramfs --timeout $limit $fast"

# A tree with links, one of which leads out, and a hole.
mkdir "$TMP/src" "$TMP/data" "$TMP/gone"
cp -r boot initramfs "$TMP/src"
ln -s boot/elf.c "$TMP/src/in"
ln -s /etc/passwd "$TMP/src/out"
truncate -s 3M "$TMP/src/hole"
seq 100000 >>"$TMP/src/hole"
echo data >"$TMP/data/file"
echo first >"$TMP/src/changing"
echo old >"$TMP/src/log"
(cd "$TMP/src" && sh ../sums) >"$TMP/sums.src"

# The guest knows more files than minivm may have open.
(ulimit -n 256 && exec $minivm -c 4 --share "$TMP/src" --share "$TMP/data,ro" --share "$TMP/gone=last" -- \
    sh /script) >"$TMP/out" 2>&1 &
pid=$!
while ! [ -e "$TMP/src/ready" ] && kill -0 $pid 2>/dev/null; do sleep 0.2; done
locked=no
flock -n "$TMP/src/locked" true || locked=yes
echo 'second, which is longer' >"$TMP/src/changing"
echo new >>"$TMP/src/log"
rm -r "$TMP/gone"
touch "$TMP/src/go"
status=0
wait $pid || status=$?
check_equal "a guest mounts directories by their tags, again as well" "$status$(cat "$TMP/out")" 0bye

src=$TMP/src
check_equal "it reads what is there" "$(cat "$src/sums.src")" "$(cat "$TMP/sums.src")"
for i in 1 3 4; do
    check "what four write at once is all there ($i)" sh -c "
        diff -r '$src/boot' '$src/new$i/boot' && diff -r '$src/initramfs' '$src/new$i/initramfs'"
done
check "and what is removed is not" test ! -e "$src/new2"
check_equal "modes and times are kept" "$(stat -c %a "$src/new1") $(stat -c %Y "$src/new1/boot/elf.c")" \
    "751 $(date -u -d '2001-02-03 04:05:06' +%s)"
check_equal "lines are appended" "$(cat "$src/appended")" "$(seq 0 299 | sed 's/^/line /')"
printf '\0\0\0' | dd of="$src/hole" bs=1 seek=5 conv=notrunc 2>/dev/null
check "bytes in the middle are written" cmp "$src/hole" "$src/copy"
check_equal "links are links" "$(stat -c %h "$src/hard") $(readlink "$src/soft") $(ls -d "$src/renamed")" \
    "2 copy $src/renamed"
check_equal "what one locks is locked for the other" $locked yes
check_equal "ro refuses, and each sees what the other does" "$(cat "$src/results")" "data
Read-only file system
Read-only file system
Read-only file system
Read-only file system
Read-only file system
Read-only file system
first
old
second, which is longer
old
new
nothing is made where nothing is
$(md5sum <boot/elf.c)"
check_equal "what is shared ro is as it was" "$(ls "$TMP/data")$(cat "$TMP/data/file")" filedata

if [ $engine = soft ]; then
    status=0
    $minivm --soft-clock instructions --share "$src=s" -- sh -c '
        mkdir /s && mount -t virtiofs s /s && cd /s && md5sum <in && echo in line >line
        flock l sh -c "touch begun; sleep 1; echo first >>line" &
        until [ -e begun ]; do sleep 0.1; done
        flock l sh -c "echo second >>line"' \
        >"$TMP/out" 2>&1 || status=$?
    check_equal "with the instruction clock as well" "$status$(cat "$TMP/out" "$src/line")" \
        "0$(md5sum <boot/elf.c)
in line
first
second"
fi

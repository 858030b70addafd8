#!/bin/sh
# tools/mkinitramfs: the same input gives the same bytes, extra files and modules go in, root is not needed.
. tests/lib.sh

mk=$PWD/tools/mkinitramfs
list() {
    cpio --quiet -tv <"$1"
}

check "builds" "$mk" -o "$TMP/a.cpio"

# Another directory, umask, language, time stamps, and later.
mkdir -p "$TMP/elsewhere" "$TMP/tree/etc" "$TMP/tree/usr/sbin"
echo tool >"$TMP/tree/usr/sbin/tool"
echo hello >"$TMP/tree/etc/motd"
echo data >"$TMP/file"
check "with extra files" "$mk" -o "$TMP/b.cpio" "$TMP/tree" "$TMP/file" "$TMP/file=opt/name"
sleep 1
touch "$TMP/file" "$TMP/tree/etc/motd"
chmod 600 "$TMP/file"
chmod 700 "$TMP/tree/etc"
(cd "$TMP/elsewhere" && umask 077 && LC_ALL=C.UTF-8 TZ=Asia/Tokyo TMPDIR=$TMP/elsewhere \
    "$mk" -o a2.cpio && "$mk" -o b2.cpio ../tree ../file ../file=opt/name)
check "same bytes again" cmp "$TMP/a.cpio" "$TMP/elsewhere/a2.cpio"
check "same bytes again, with extra files" cmp "$TMP/b.cpio" "$TMP/elsewhere/b2.cpio"

list "$TMP/b.cpio" >"$TMP/list"
for name in init bin/busybox bin/minivm-exit bin/minivm-tty bin/sh bin/mount dev proc sys tmp \
    etc/motd bin/tool file opt/name; do
    check "holds $name" grep -q " $name\( ->.*\)*\$" "$TMP/list"
done
check_equal "everything is root's" "$(awk '$3 != "root" && $3 != 0 || $4 != "root" && $4 != 0' \
    "$TMP/list")" ""
check_equal "no file left behind" "$(ls "$TMP/elsewhere")" "a2.cpio
b2.cpio"

# A link with a / in front, and what goes to where it leads: not on this system.
mkdir -p "$TMP/victim" "$TMP/first/a/.b" "$TMP/first$TMP/victim" "$TMP/second/a/.b/l"
ln -s "$TMP/victim" "$TMP/first/a/.b/l"
echo x >"$TMP/second/a/.b/l/file"
"$mk" -o "$TMP/links.cpio" "$TMP/first" "$TMP/second" "$TMP/file=a/.b/l/other"
list "$TMP/links.cpio" >"$TMP/list.links"
check_equal "nothing is written to where links lead on this system" "$(ls "$TMP/victim")" ""
check "but to the same place in the archive" grep -q " ${TMP#/}/victim/file\$" "$TMP/list.links"
check "also what is named" grep -q " ${TMP#/}/victim/other\$" "$TMP/list.links"
check "and the link stays what it is" grep -q " a/.b/l -> $TMP/victim\$" "$TMP/list.links"

mkdir "$TMP/out"
(cd "$TMP/out" && cpio --quiet -id etc/motd file opt/name <"$TMP/b.cpio" 2>/dev/null)
check_equal "an extra file's bytes" "$(cat "$TMP/out/etc/motd" "$TMP/out/file" \
    "$TMP/out/opt/name")" "hello
data
data"

# A file may take the place of one of busybox' commands.
"$mk" -o "$TMP/over.cpio" "$TMP/file=bin/ls"
mkdir "$TMP/over"
(cd "$TMP/over" && cpio --quiet -id bin/busybox bin/ls <"$TMP/over.cpio" 2>/dev/null)
check_equal "an extra file over a command of busybox" "$(cat "$TMP/over/bin/ls")" data
check "busybox is what it was" sh -c '[ "$(wc -c <"$1")" -gt 100000 ]' - "$TMP/over/bin/busybox"

# Odd scripts and names stop nothing.
mkdir "$TMP/odd"
printf '#!\necho\n' >"$TMP/odd/plain"
printf '#!/usr/bin/env -S A=1 sh -u\n' >"$TMP/odd/back\\tslash *"
printf '#! * *\n' >"$TMP/odd/stars"
chmod +x "$TMP"/odd/*
check_equal "odd scripts need nothing more" "$("$mk" -o "$TMP/odd.cpio" "$TMP/odd" \
    "$TMP/odd/back\\tslash *=bin/it" 2>&1)" ""
check_equal "and are there, alone" "$(list "$TMP/odd.cpio" | wc -l)" \
    "$(($(list "$TMP/a.cpio" | wc -l) + 4))"

# Modules, of which one needs another, in each form that there is; fakes, but for what they say.
tree=$TMP/modules
mkdir -p "$tree/kernel/a" "$tree/kernel/b"
fake() {
    printf 'license=MIT\0vermagic=1.2.3-test SMP\0depends=%s\0' "$1"
}
fake virtio,virtio_ring | xz >"$tree/kernel/a/virtio_pci.ko.xz"
fake virtio_ring | zstd -q >"$tree/kernel/a/virtio.ko.zst"
fake '' | gzip >"$tree/kernel/a/virtio_ring.ko.gz"
fake virtio >"$tree/kernel/b/virtio-rng.ko"
fake virtio >"$tree/kernel/b/unwanted.ko"
(cd "$tree" && find kernel -type f | sed 's/$/:/' >modules.dep)
printf 'kernel/fs/%s.ko\n' fuse/virtiofs overlayfs/overlay ext4/ext4 >"$tree/modules.builtin"
"$mk" -o "$TMP/m.cpio" --modules "$tree" 2>"$TMP/err"
check_equal "what is neither there nor built in is named" "$(sed -n 's/.* has no \([^,]*\),.*/\1/p' \
    "$TMP/err" | sort | tr '\n' ' ')" "crc32c_generic pvpanic-pci virtio_balloon virtio_blk \
virtio_console virtio_net vmw_vsock_virtio_transport "
mkdir "$TMP/m"
(cd "$TMP/m" && cpio --quiet -id 'lib/*' <"$TMP/m.cpio")
check_equal "the modules and what they need are there" "$(cd "$TMP/m/lib/modules/1.2.3-test" && echo *)" \
    "modules.alias modules.dep virtio.ko virtio_pci.ko virtio_ring.ko virtio_rng.ko"
check_equal "in order" "$(sed -n '/^virtio_pci/p' "$TMP/m/lib/modules/1.2.3-test/modules.dep")" \
    "virtio_pci.ko: virtio.ko virtio_ring.ko"
check "unpacked" grep -q vermagic "$TMP/m/lib/modules/1.2.3-test/virtio_pci.ko"

# The same where they were built: modules.order alone, which names objects.
(cd "$tree" && unxz kernel/a/*.xz && zstd -dq --rm kernel/a/*.zst && gzip -d kernel/a/*.gz &&
    sed 's/ko.*/o/' modules.dep >modules.order && rm modules.dep)
"$mk" -o "$TMP/m2.cpio" --modules "$tree" 2>/dev/null
check "from a tree in which they were built" cmp "$TMP/m.cpio" "$TMP/m2.cpio"

# What is no module may say anything; it is neither run nor a path.
for needs in "/w;e>$TMP/ran;/" "../../x"; do
    fake "$needs" >"$tree/kernel/b/virtio-rng.ko"
    "$mk" -o "$TMP/odd-modules.cpio" --modules "$tree" 2>"$TMP/err" || :
    check_equal "a module that needs what is none" "$(tail -n 1 "$TMP/err")" \
        "mkinitramfs: $tree: no kernel's modules: one says that what it needs is '$needs'"
done
printf 'vermagic=../../../../odd SMP\0' >"$tree/kernel/b/virtio-rng.ko"
"$mk" -o "$TMP/odd-modules.cpio" --modules "$tree" 2>"$TMP/err" || :
check_equal "and one of an odd kernel" "$(tail -n 1 "$TMP/err")" \
    "mkinitramfs: $tree: no kernel's modules: one says that its kernel is '../../../../odd'"
check_equal "give no archive" "$(ls "$TMP/odd-modules.cpio" "$TMP/odd" 2>/dev/null | grep -c cpio)" 0
check_status "a directory without modules is an error" 1 "$mk" -o "$TMP/c.cpio" --modules "$TMP/tree"

check_status "a missing file is an error" 1 "$mk" -o "$TMP/c.cpio" "$TMP/none"
check_status "-o is required" 1 "$mk" "$TMP/file"
check_equal "an error leaves no archive" "$(ls "$TMP/c.cpio" 2>/dev/null)" ""

if [ "$(id -u)" != 0 ]; then
    skip "works for a user who is not root" "all of this ran as one"
elif ! setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$mk"; then
    skip "works for a user who is not root" "no other user can read $PWD"
else
    mkdir -m 777 "$TMP/user"
    chmod 755 "$TMP"
    check "works for a user who is not root" setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$mk" -o "$TMP/user/a.cpio"
    check "with the same bytes" cmp "$TMP/a.cpio" "$TMP/user/a.cpio"
fi

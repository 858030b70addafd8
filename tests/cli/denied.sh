#!/bin/sh
# What the user may not read or write, each with a line that says so. Root may all, so then somebody else
# tries.
# takes: 2
. tests/lib.sh

user="setpriv --reuid=65534 --regid=65534 --clear-groups"
[ "$(id -u)" = 0 ] || user=
cp minivm guest/minimal.bin build/kernels/cloud-amd64/vmlinuz "$TMP"
truncate -s 1M "$TMP/readable" "$TMP/secret"
mkdir "$TMP/private" "$TMP/private/in"
chmod 755 "$TMP"
chmod 644 "$TMP/vmlinuz" "$TMP/minimal.bin"
chmod 444 "$TMP/readable"
chmod 000 "$TMP/secret" "$TMP/private"
cd "$TMP" || exit 1
$user ./minivm run --engine soft minimal 2>/dev/null || skip_all "nobody else can run programs below $TMP"

# refused TEXT ARGUMENT...
refused() {
    text=$1
    shift
    check_equal "$*" "$($user ./minivm run --engine soft "$@" 2>&1 </dev/null; echo $?)" "minivm: $text
125"
}
refused "readable: cannot write to it: Permission denied; to use it as it is: --disk readable,ro or \
readable,snapshot" -d readable minimal
refused "secret: Permission denied" -d secret minimal
refused "secret: Permission denied" -d secret,ro minimal
refused "secret: Permission denied" -d secret,snapshot minimal
refused "--share private: Permission denied" -k vmlinuz --share private
refused "--share private/in: Permission denied" -k vmlinuz --share private/in
refused "--root private: Permission denied" -k vmlinuz --root private
refused "secret: Permission denied" -k vmlinuz --root secret
refused "secret: Permission denied" -k secret
refused "secret: Permission denied" -k vmlinuz -i secret
check_equal "ro, and a snapshot, do without" "$($user ./minivm run --engine soft -d readable,ro -d readable,snapshot minimal 2>&1; echo $?)" 0
chmod 700 private

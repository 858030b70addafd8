#!/bin/sh
# tools/mkdisk says in one line what it lacks, before it begins.
# takes: 1
. tests/lib.sh

mkdir "$TMP/bin"
chmod 755 "$TMP"
# has TOOL...: all that there is
has() {
    for tool; do ln -s "$(command -v "$tool")" "$TMP/bin"; done
}

# refused NAME WORDS [COMMAND...]: run by COMMAND
refused() {
    name=$1 words=$2
    shift 2
    check_equal "$name" "$(PATH=$TMP/bin "$@" tools/mkdisk -o "$TMP/disk" 2>&1; echo $?)" "mkdisk: $words
1"
}

has dirname mkdir mktemp rm id grep
refused "without mmdebstrap" "needs mmdebstrap: apt-get install mmdebstrap"
ln -s /bin/true "$TMP/bin/mmdebstrap"
ln -s /bin/true "$TMP/bin/mke2fs"
nobody="$(command -v setpriv) --reuid=65534 --regid=65534 --clear-groups"
[ "$(id -u)" = 0 ] || nobody=
refused "without newuidmap" "needs newuidmap: apt-get install uidmap" $nobody
ln -s /bin/true "$TMP/bin/newuidmap"
if [ -z "$nobody" ]; then
    skip "without IDs to give away" "root's to try"
else
    refused "without IDs to give away" "you have no user IDs to give away, as the disk's users: usermod \
--add-subuids 100000-165535 --add-subgids 100000-165535 $($nobody id -un)" $nobody
fi

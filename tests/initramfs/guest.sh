#!/bin/sh
# Programs that are not static run in an initramfs of tools/mkinitramfs: what they need comes along,
# or is named. Modules find each other. Most of it in one boot.
# engines: soft
. tests/lib.sh

mk=$PWD/tools/mkinitramfs

# A program with one library beside it, and one where only the system's ld.so.conf leads to.
system=$TMP/system
mkdir -p "$TMP/tree/opt/lib" "$system/etc" "$system/deep" "$system/usr/lib" "$system/usr/bin"
cp -rL /lib64 "$system/lib64"
mkdir -p "$system/lib/x86_64-linux-gnu"
cp -L /lib/x86_64-linux-gnu/libc.so.6 "$system/lib/x86_64-linux-gnu"
echo '/deep' >"$system/etc/ld.so.conf"
library() {
    echo "const char *$1(void) { return \"$1\"; }" |
        gcc -shared -fPIC -x c - -Wl,-soname,"lib$1.so" -o "$2/lib$1.so"
}
library beside "$TMP/tree/opt/lib"
library deep "$system/deep"
gcc -x c - -o "$TMP/tree/opt/program" -Wl,-rpath,'$ORIGIN/lib' -L"$TMP/tree/opt/lib" -L"$system/deep" \
    -lbeside -ldeep <<'X' || exit 1
#include <stdio.h>
const char *beside(void), *deep(void);
int main(void)
{
    return puts(beside()) < 0 || puts(deep()) < 0;
}
X

# Scripts, one of which has its interpreter only in that system.
printf '#!/usr/bin/env other\n' >"$TMP/tree/opt/script"
printf '#!/bin/echo other\n' >"$system/usr/bin/other"
chmod +x "$TMP/tree/opt/script" "$system/usr/bin/other"

# A module that needs two others.
tools/fetch-kernels cloud-amd64
modules=$TMP/tree/lib/modules/$(sed 's/^linux-image-//; s/ .*//' build/kernels/cloud-amd64/package)
(cd build/kernels/cloud-amd64/modules && mkdir -p "$modules" && cp modules.* "$modules" &&
    for module in $(sed -n 's/:/ /; /dm-snapshot.ko /p' modules.dep); do
        mkdir -p "$modules/${module%/*}" && cp "$module" "$modules/$module"
    done)

"$mk" -o "$TMP/initramfs" --root "$system" "$TMP/tree" 2>"$TMP/err"
check_equal "nothing is missing" "$(cat "$TMP/err")" ""
./minivm run --timeout $limit $fast -k "$(tests/boot/vmlinux cloud-amd64)" -i "$TMP/initramfs" -- sh -c '
    /opt/program
    /opt/script
    modprobe dm-snapshot
    lsmod | cut -d " " -f 1 | grep -v virtio | sort
    cat /proc/sys/kernel/sysrq' >"$TMP/out" 2>&1
check_equal "programs, scripts, modules, and all of SysRq" "$? $(cat "$TMP/out")" "0 beside
deep
other /bin/other /opt/script
Module
dm_bufio
dm_mod
dm_snapshot
1"

rm "$TMP/tree/opt/lib/libbeside.so" "$system/usr/bin/other" "$system/deep/libdeep.so"
printf '#!/usr/bin/none\n' >"$TMP/tree/opt/script2"
chmod +x "$TMP/tree/opt/script2"
check "what is missing is no reason to stop" "$mk" -o "$TMP/initramfs" --root "$system" "$TMP/tree"
check_equal "but is named" "$("$mk" -o "$TMP/initramfs" --root "$system" "$TMP/tree" 2>&1 | sort)" \
    "mkinitramfs: /opt/program needs libbeside.so, which $system does not have
mkinitramfs: /opt/program needs libdeep.so, which $system does not have
mkinitramfs: /opt/script needs other, which $system does not have
mkinitramfs: /opt/script2 needs /usr/bin/none, which $system does not have"

status=0
echo 'echo "sum: $((40 + 2))"' | make -s run ARGS="--timeout $limit" >"$TMP/out" 2>&1 || status=$?
check_equal "make run ends where its input does" "$status$(grep -c '^sum: 42' "$TMP/out")" 01

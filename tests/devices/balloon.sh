#!/bin/sh
# What a guest frees, the host gets back, without anybody asking for it.
# engines: kvm soft
# needs: kvm
# takes: 15
. tests/lib.sh

kernel=build/kernels/cloud-amd64
tools/mkinitramfs -o "$TMP/initramfs" --modules $kernel/modules 2>"$TMP/missing"

mkfifo "$TMP/in"
./minivm run -m 512 -k $kernel/vmlinuz -i "$TMP/initramfs" --timeout $limit $fast -- sh -c '
    mkdir /t
    mount -t tmpfs t /t
    dd if=/dev/zero of=/t/file bs=1M count=200 2>/dev/null
    echo full
    read -r line
    rm /t/file
    echo free
    read -r line
    dd if=/dev/zero of=/t/file bs=1M count=200 2>/dev/null
    md5sum </t/file' <"$TMP/in" >"$TMP/out" 2>&1 &
minivm=$!
exec 3>"$TMP/in"

# The RAM of the host's that it has, in MiB.
resident() {
    awk '{ print int($2 / 256) }' /proc/$minivm/statm
}

# Has it less than $1 MiB? Also when it has ended.
below() {
    [ "$(resident)" -lt "$1" ]
}

check "the guest fills 200 MiB" until_true grep -q full "$TMP/out"
full=$(resident)
echo >&3
check "and frees them" until_true grep -q free "$TMP/out"
check "the host gets 150 back" until_true below $((full - 150))
echo >&3
exec 3>&-
wait $minivm
check_equal "the guest has them again: status" "$?" 0
check_equal "and they are as they should be" "$(tail -n 1 "$TMP/out")" "$(head -c 200M /dev/zero | md5sum)"

#!/bin/sh
# A minivm that is killed while its guest writes to disks has lost nothing that was flushed, and damaged
# nothing else; a snapshot's image is as it was.
#
# The disks: a raw image on a file system, by io_uring where the host has it; one in memory, by system
# calls; a qcow2 image, by qemu-nbd; and a snapshot. tests/soak-kill does the same with Linux.
# engines: soft
# takes: 5
#
# usage: tests/devices/killed.sh [COUNT]     default 5
. tests/lib.sh

gcc -I. -m32 -masm=intel -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -o "$TMP/killed" \
    -Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments \
    tests/devices/killed.c || exit 1
cc -I. -O2 -o "$TMP/blocks" tests/boot/blocks.c || exit 1
MEM=$(mktemp -d /dev/shm/minivm-test.XXXXXX)
trap 'rm -rf "$MEM"; test_end' EXIT
count=${1:-5} flushes=0 n=0
nbd=$(command -v qemu-nbd)

shows() {
    [ "$(grep -c flushed "$TMP/out")" -ge "$1" ] || ! kill -0 $run 2>/dev/null
}

# is_whole: all images have what was flushed
is_whole() {
    "$TMP/blocks" check "$TMP/raw" "$flushed" || return
    "$TMP/blocks" check "$MEM/raw" "$flushed" || return
    [ "$(stat -c %b "$TMP/snapshot")" = 0 ] || return
    [ -n "$nbd" ] || return 0
    # Its child still has it for a moment.
    until_true qemu-img check -q "$TMP/image" 2>/dev/null || return
    qemu-img convert -O raw "$TMP/image" "$TMP/converted" && "$TMP/blocks" check "$TMP/converted" "$flushed"
}

while [ $n -lt "$count" ]; do
    n=$((n + 1))
    rm -f "$TMP/raw" "$MEM/raw" "$TMP/image" "$TMP/snapshot"
    truncate -s 16M "$TMP/raw" "$MEM/raw" "$TMP/snapshot"
    [ -z "$nbd" ] || qemu-img create -q -f qcow2 "$TMP/image" 16M
    : >"$TMP/out"
    ./minivm run --timeout $limit -d "$TMP/raw" -d "$MEM/raw" -d "$TMP/snapshot,snapshot" \
        ${nbd:+-d "$TMP/image"} "$TMP/killed" </dev/null >"$TMP/out" 2>&1 &
    run=$!
    until_true shows $(($(od -An -N2 -tu2 /dev/urandom) % 60 + 2))
    killed=$(kill -9 $run 2>&1 && echo killed)
    wait $run 2>/dev/null
    flushed=$(sed -n 's/^flushed \([0-9]*\)$/\1/p' "$TMP/out" | tail -n 1)
    why=$(is_whole 2>&1) && [ "$killed" = killed ] || break
    flushes=$((flushes + flushed)) why=
done
check_equal "$n times, with $flushes flushes" "$killed, $(head -n 3 "$TMP/out" | grep -v flushed)$why" "killed, "

#!/bin/sh
# Guests that are carried from KVM to engine soft and back, every few thousand instructions for a
# while and every some ms from then on, and do not notice: the 1K OS, and Linux on 1 CPU and on 2.
# needs: kvm
# takes: 40
. tests/lib.sh

mkdir "$TMP/more"
gcc -O2 -static -o "$TMP/more/float" tests/soft/float.c -lm &&
    (cd "$TMP/more" && echo float | cpio -o -H newc -R 0:0 --quiet) >"$TMP/initrd" || exit 1
kernel=$(tests/boot/vmlinux cloud-amd64)
params=cryptomgr.notests
# On the emulator beneath, where Linux under KVM sets XCR0 to 3 it stays 1, and no process returns from a
# signal: so it does under QEMU.
[ -z "${KVMHOST-}" ] || params="$params noxsave"

# carried NAME TIMES WANTED STDIN ARGUMENT...: the guest's status and output are WANTED, and it was
# carried at least so many times.
carried() {
    name=$1 times=$2 wanted=$3 input=$4 status=0
    shift 4
    build/soft/carry "$times" "$@" --timeout $limit <"$input" >"$TMP/out" 2>"$TMP/err" || status=$?
    count=$(sed -n 's/^carry: \([0-9]*\) times$/\1/p' "$TMP/err")
    check_equal "$name, carried ${count:-0} times" "$status
$(cat "$TMP/out" "$TMP/err")" "$wanted
carry: $count times"
    check "$name: that is often" [ "${count:-0}" -ge "$times" ]
}

printf '1\n5\nls\nrun gcd 48 36\nwrite new some text\ncat new\n3\nhello\nquit\n10\n4\n0\n' >"$TMP/in"
./minivm run --engine soft --pmode os-1k/kernel.bin --timeout $limit <"$TMP/in" >"$TMP/1k"
carried "the 1K OS" 150 "0
$(cat "$TMP/1k")" "$TMP/in" 1000 200 10000 --pmode os-1k/kernel.bin

# Linux: what is computed, and what the kernel had to complain about. A timer may well be late.
set -- -k "$kernel" -i build/initramfs.cpio -i "$TMP/initrd" -m 128M -p "$params" -- sh -c '
    /float | md5sum; sha256sum /bin/busybox
    cat /sys/devices/system/clocksource/clocksource0/current_clocksource
    dmesg -r | grep "^<[0-4]>" | grep -v "hrtimer: interrupt took"; exit 7'
status=0
./minivm run --engine kvm --cpu portable --timeout $limit "$@" </dev/null >"$TMP/linux" 2>&1 ||
    status=$?
check_equal "Linux on KVM alone, with a portable CPU" \
    "$status $(wc -l <"$TMP/linux") $(tail -n 1 "$TMP/linux")" "7 3 tsc"
carried "Linux" 200 "7
$(cat "$TMP/linux")" /dev/null 3000 500 30000 "$@"
carried "Linux on 2 CPUs" 40 "7
$(cat "$TMP/linux")" /dev/null 3000 500 150000 -c 2 "$@"

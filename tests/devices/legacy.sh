#!/bin/sh
# Old and small systems: drivers for the legacy interface, a few lines each, find their disk and their
# network card. Root has a network of its own for it.
# engines: kvm soft
# needs: kvm
# takes: 2
if [ -z "${OWN_NET-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    OWN_NET=yes exec unshare -n "$0"
fi
. tests/lib.sh

gcc -I. -m32 -masm=intel -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -o "$TMP/legacy" \
    -Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments \
    tests/devices/legacy.c || exit 1
{
    echo "the first sector"
    head -c 1M /dev/zero
} | head -c 1M >"$TMP/disk"

# guest ARGUMENT...: what it prints, and its status
guest() {
    ./minivm run --timeout $limit "$@" "$TMP/legacy" </dev/null 2>&1
    echo $?
}

check_equal "no device" "$(guest)" 35
check_equal "a disk" "$(guest --disk "$TMP/disk,ro")" "disk: 2048 sectors, status 0, the first sector
35"
if [ -z "${OWN_NET-}" ] || ! ip tuntap add tap0 mode tap 2>/dev/null ||
    ! ip addr add 169.254.0.1/16 dev tap0 || ! ip link set tap0 up; then
    skip "a network card" "root may make no tap device here"
else
    check_equal "a network card beside it" "$(guest --disk "$TMP/disk" --net tap=tap0)" \
        "disk: 2048 sectors, status 0, the first sector
net: 169.254.0.1 is at $(ip -o link show tap0 | sed 's/.*ether \([^ ]*\).*/\1/')
35"
fi

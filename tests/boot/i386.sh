#!/bin/sh
# A 32-bit Linux, Debian's 686-pae: its bzImage has no 64-bit entry; its vmlinux goes by PVH.
# engines: kvm soft
# takes: 40

# A host of its own: in the one that other tests share, guests with PAE do not run.
if [ "${MINIVM_ENGINE-}" = kvm ] && [ -z "${KVMHOST-}" ] &&
    ! ./minivm check --quiet --engine kvm >/dev/null 2>&1; then
    exec tools/kvmhost -n "$0"
fi
. tests/lib.sh

kernel=build/kernels/686-pae/vmlinuz
[ -e $kernel ] || skip_all "no $kernel (tools/fetch-kernels 686-pae)"
[ $engine = soft ] || [ -z "${KVMHOST-}" ] ||
    [ "$(cat /sys/module/kvm_amd/parameters/npt)" = N ] ||
    skip_all "guests with PAE need tools/kvmhost -n"

mkdir "$TMP/root"
gcc -m32 -nostdlib -static -Wl,--build-id=none,-z,noexecstack -s -o "$TMP/root/init" \
    tests/boot/init32.S &&
    (cd "$TMP/root" && echo init | cpio -o -H newc -R 0:0 --quiet) >"$TMP/initrd" &&
    vmlinux=$(tests/boot/vmlinux 686-pae) || exit 1
release=$(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' build/kernels/686-pae/package)

# run NAME ARGUMENT...: init says what kernel it runs under, and ends the machine.
run() {
    name=$1 status=0
    shift
    ./minivm run --initrd "$TMP/initrd" --timeout $limit $fast "$@" </dev/null >"$TMP/out" 2>&1 || status=$?
    check_equal "$name" "$status $(tr -d '\r' <"$TMP/out" | grep "^$release" || cat "$TMP/out")" "5 $release i686"
}

run "bzImage" $kernel
run "bzImage, --entry 32, 2 CPUs" --entry 32 --cpus 2 $kernel
run "vmlinux" $vmlinux
run "bzImage by pvh" --boot pvh $kernel
run "vmlinux by pvh, 2 CPUs" --boot pvh --cpus 2 $vmlinux
check_equal "no 64-bit entry" \
    "$(./minivm run --entry 64 --initrd "$TMP/initrd" $kernel 2>&1 </dev/null; echo $?)" \
    "minivm: $kernel: has no 64-bit entry point; --entry 32 uses the other
125"
check_equal "no way by linux64" \
    "$(./minivm run --boot linux64 $vmlinux >"$TMP/out" 2>&1 </dev/null; echo $?)" 125

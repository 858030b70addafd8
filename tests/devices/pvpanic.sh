#!/bin/sh
# A guest says that it panics, where nothing else tells a panic from a reboot.
# engines: kvm soft
# needs: kvm
# takes: 7
. tests/lib.sh

gcc -m32 -nostdlib -static -I. -Wl,-m,elf_i386,--oformat=binary,-Ttext=0x100000,-e,0,--build-id=none \
    -o "$TMP/kernel" tests/boot/exits.S || exit 1

# run ARGUMENT...: output in $TMP/out, the status in $status.
run() {
    status=0
    ./minivm run --no-reboot --timeout $limit $fast "$@" </dev/null >"$TMP/out" 2>&1 || status=$?
}

run -p 'bcf9=6' "$TMP/kernel"
check_equal "a guest that says nothing rebooted" "$status $(cat "$TMP/out")" "0 "
run -p 'b505=1 bcf9=6' "$TMP/kernel"
check_equal "one that says so panicked" "$status $(cat "$TMP/out")" \
    "126 minivm: the guest's kernel panicked"

# Where every reboot is warm, only pvpanic tells a panic.
kernel=$(dirname "$(tests/boot/vmlinux cloud-amd64)")
modules=$kernel/modules/kernel/drivers/misc/pvpanic
if [ -d $modules ]; then
    tools/mkinitramfs -o "$TMP/initramfs" $modules
    run -k $kernel/vmlinux -i "$TMP/initramfs" -p reboot=warm -- \
        sh -c 'insmod /pvpanic.ko; insmod /pvpanic-mmio.ko; echo c >/proc/sysrq-trigger'
    check_equal "Linux's driver says so" "$status $(grep ^minivm: "$TMP/out")" \
        "126 minivm: the guest's kernel panicked"
else
    skip "Linux's driver says so" "the kernel was fetched without it"
fi

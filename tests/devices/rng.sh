#!/bin/sh
# A guest has a source of randomness without asking for one; with the instruction clock it gives the
# same bytes in each run.
# engines: kvm soft
# needs: kvm
# takes: 15
. tests/lib.sh

kernel=$(dirname "$(tests/boot/vmlinux cloud-amd64)")
tools/mkinitramfs -o "$TMP/initramfs" --modules $kernel/modules 2>"$TMP/missing"

# random ARGUMENT...: from the guest's source, and who interrupted for it.
random() {
    ./minivm run -k $kernel/vmlinux -i "$TMP/initramfs" --timeout $limit $fast "$@" -- sh -c '
        cat /sys/class/misc/hw_random/rng_current
        dd if=/dev/hwrng bs=1000 count=20 2>/dev/null | md5sum
        grep -o "PCI-MSI.*virtio0-[a-z]*" /proc/interrupts | tr -s " "' </dev/null 2>&1
}

first=$(random)
check_equal "Linux finds it" "$(echo "$first" | sed 's/^[0-9a-f]\{32\} .*/bytes/; s/ [0-9]*-edge//')" \
    "virtio_rng.0
bytes
PCI-MSI virtio0-config
PCI-MSI virtio0-input"
if [ "$(random)" != "$first" ]; then
    pass "the next run has other bytes"
else
    fail "the next run has other bytes" "$first"
fi

if [ $engine = soft ]; then
    first=$(random --soft-clock instructions)
    check_equal "with the instruction clock they are the same" "$(random --soft-clock instructions)" "$first"
fi

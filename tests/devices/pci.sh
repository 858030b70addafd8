#!/bin/sh
# Linux finds PCI by ECAM and by ports, with ACPI and with the MP table, has nothing to complain of,
# and gets a device's interrupts whichever way it wants them.
# engines: kvm soft
# needs: kvm
# takes: 40
. tests/lib.sh

# guest FLAVOUR CMDLINE SCRIPT
guest() {
    kernel=build/kernels/$1
    [ -e "$TMP/$1" ] || tools/mkinitramfs -o "$TMP/$1" --modules $kernel/modules 2>"$TMP/missing"
    ./minivm run -k "$(tests/boot/vmlinux $1)" -i "$TMP/$1" --timeout $limit $fast -p "$2" -- sh -c "$3" \
        </dev/null 2>&1
}

# interrupts FLAVOUR CMDLINE: does a device work, and who interrupts for it?
interrupts() {
    guest "$1" "$2" 'head -c 2000 /dev/hwrng | wc -c; grep virtio0 /proc/interrupts' |
        awk '/:/ { if ($2 > 0) print $3, $NF; next } { print }'
}

log=$(guest cloud-amd64 loglevel=4 \
    'dmesg | grep -E "pci|PCI|MMCONFIG"; dmesg -r | grep "^<[0-4]>" | grep -i pci')
says() {
    check "$1" grep -q "$2" <<LOG
$log
LOG
}
says "ECAM of one bus" 'MMCONFIG at \[mem 0xe0000000-0xe00fffff\] reserved in E820'
says "the root bridge" 'ACPI: PCI Root Bridge \[PCI0\] (domain 0000 \[bus 00\])'
says "its ports" 'root bus resource \[io  0xc000-0xcfff window\]'
says "its memory below 4 GiB" 'root bus resource \[mem 0xc0000000-0xdfffffff window\]'
says "its memory above" 'root bus resource \[mem 0x400000000-0x7ffffffff window\]'
says "a device with addresses" 'pci 0000:00:01.0: .*\[mem 0xc0000000-0xc0000fff\]'
check_equal "nothing amiss" "$(echo "$log" | grep '^<\|BAR.*fail\|no space\|conflict\|not claimed')" ""

check_equal "MSI-X" "$(interrupts cloud-amd64 '')" "2000
PCI-MSI virtio0-input"
check_equal "INTA at the IOAPIC" "$(interrupts cloud-amd64 pci=nomsi)" "2000
IO-APIC virtio0"
check_equal "INTA at the PIC" "$(interrupts cloud-amd64 'pci=nomsi noapic')" "2000
XT-PIC virtio0"
check_equal "INTA by the MP table" "$(interrupts amd64 'pci=nomsi acpi=off')" "2000
IO-APIC virtio0"

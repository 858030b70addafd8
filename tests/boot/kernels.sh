#!/bin/sh
# Both stock kernels, at both entry points, on machines of several sizes.
# engines: kvm soft
# needs: kvm
# takes: 90
. tests/lib.sh

initrd=build/initramfs.cpio
case $engine in
soft) clock='tsc: Detected 1000.000 MHz processor' ;;
*) clock='kvm-clock: Using msrs' ;;
esac

# guest KERNEL OPTIONS SCRIPT [WORDS]: what the script prints in a guest with these words on its command
# line.
guest() {
    ./minivm run $1 -i $initrd --timeout $limit $2 ${4:+-p "$4"} -- sh -c "$3" 2>&1 </dev/null
}

# section NAME: what $TMP/out has between the line "--NAME" and the next like that, less what a shell
# was told.
section() {
    tr -d '\r' <"$TMP/out" | sed -n "/^--$1\$/,/^--/p" | grep -v '^--\|^minivm:/#'
}

# Ciphers test themselves, and say so in the log when they fail, where the arithmetic is ours.
tests=
[ $engine = soft ] || tests=$fast
several='uname -sr
    echo --log; dmesg -r | grep -E "^<[0-3]>"; echo end
    echo --ticks; sleep 1; awk "\$1 == \"LOC:\" {print (\$2 > 10)}
        /timer\$/ && !/Local/ || /rtc0/ {print \$2}" /proc/interrupts
    echo --devices; dmesg | grep -c -e "ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A" \
        -e "rtc_cmos.*registered as rtc0" -e "ACPI: PM: (supports S0 S5)" \
        -e "TSC deadline timer available" -e "'"$clock"'"'
topology='nproc
    sort -u /sys/devices/system/cpu/cpu*/topology/physical_package_id
    sort -nu /sys/devices/system/cpu/cpu*/topology/core_id | wc -l
    cat /sys/devices/system/cpu/cpu0/topology/core_cpus_list'

for flavour in cloud-amd64 amd64; do
    kernel=build/kernels/$flavour/vmlinuz
    uname="Linux $(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' build/kernels/$flavour/package)"
    check_equal "$flavour, --entry 32" "$(guest $kernel "--entry 32 $fast" 'uname -sr')" "$uname"
    guest $kernel "--entry 64 $tests" "$several" >"$TMP/out"
    check_equal "$flavour, --entry 64" "$(sed '/^--/,$d' "$TMP/out")" "$uname"
    check_equal "$flavour: nothing at level error or worse in its log" "$(section log)" end
    check_equal "$flavour: ticks by the local APIC, the PIT and the RTC are quiet" "$(section ticks)" "0
1"
    check_equal "$flavour: serial port, clock and power are found" "$(section devices)" 5
done
for flavour in cloud-amd64 amd64; do
    kernel=$(tests/boot/vmlinux $flavour)
    printf '%s\n' "echo --; echo --topology; $topology
        echo --end; poweroff" | ./minivm run $kernel -i $initrd -c 2 $fast --timeout $limit >"$TMP/out" 2>&1
    status=$?
    check_equal "$flavour: 2 CPUs, one socket" "$(section topology)" "2
0
2
0"
    check_equal "$flavour: power-off with 2 CPUs" $status 0
    check_equal "$flavour: 8 CPUs, one socket" "$(guest $kernel "-c 8 $fast" "$topology")" "8
0
8
0"
done

# The MP table serves kernels without ACPI (the cloud kernel cannot read one).
check_equal "amd64 without ACPI finds both CPUs by the MP table" \
    "$(guest $kernel '-c 2' 'nproc; dmesg | grep -c "Intel MultiProcessor Specification"' \
        "acpi=off ${fast#-p }")" "2
1"
kernel=build/kernels/cloud-amd64/vmlinuz
check_equal "64 CPUs are counted" \
    "$(guest $kernel '-c 64' 'cat /sys/devices/system/cpu/present; nproc' "maxcpus=1 ${fast#-p }")" "0-63
1"

check_equal "RAM beyond the hole continues at 4 GiB" \
    "$(guest $kernel "-m 3500M $fast" 'dmesg | grep -c "BIOS-e820: .mem 0x0000000100000000-0x000000011abfffff. usable"
        awk "/MemTotal/ {print (\$2 > 3300000)}" /proc/meminfo')" "1
1"
smallest=$(./minivm run -k $kernel -i $initrd -m 32M 2>&1 </dev/null |
    sed -n 's/.*--mem \([0-9]*\)M.*/\1/p')
least() {
    ./minivm run -k $kernel -i $initrd -m ${smallest}M --timeout $seconds </dev/null >"$TMP/out" 2>&1
}
in_time 'RIP 0x|Kernel panic' "$TMP/out" least
check "the kernel is started in the least RAM that minivm lets it have: $smallest MiB" \
    grep -q 'RIP 0x\|Kernel panic' "$TMP/out"

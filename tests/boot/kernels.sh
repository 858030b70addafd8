#!/bin/sh
# Both stock kernels, at both entry points, on machines of several sizes.
# engines: kvm soft
# needs: kvm
# timeout: 900
. tests/lib.sh

initrd=build/initramfs.cpio
case $engine in
soft) clock='tsc: Detected 1000.000 MHz processor' ;;
*) clock='kvm-clock: Using msrs' ;;
esac

# guest FLAVOUR OPTIONS SCRIPT: what the script prints in a guest.
guest() {
    ./minivm run -k build/kernels/$1/vmlinuz -i $initrd --timeout 200 $2 -- sh -c "$3" 2>&1 </dev/null
}

for flavour in cloud-amd64 amd64; do
    for entry in 32 64; do
        check_equal "$flavour, --entry $entry" "$(guest $flavour "--entry $entry" 'uname -sr')" \
            "Linux $(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' build/kernels/$flavour/package)"
    done
    check_equal "$flavour: nothing at level error or worse in its log" \
        "$(guest $flavour '' 'dmesg -r | grep -E "^<[0-3]>"; echo end')" end
    check_equal "$flavour: ticks by the local APIC, the PIT and the RTC are quiet" \
        "$(guest $flavour '' 'sleep 1; awk "\$1 == \"LOC:\" {print (\$2 > 10)}
            /timer\$/ && !/Local/ || /rtc0/ {print \$2}" /proc/interrupts')" "0
1"
    check_equal "$flavour: serial port, clock and power are found" \
        "$(guest $flavour '' 'dmesg | grep -c -e "ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A" \
            -e "rtc_cmos.*registered as rtc0" -e "ACPI: PM: (supports S0 S5)" \
            -e "TSC deadline timer available" -e "'"$clock"'"')" 5
    for cpus in 2 8; do
        check_equal "$flavour: $cpus CPUs, one socket" \
            "$(guest $flavour "-c $cpus" 'nproc
                sort -u /sys/devices/system/cpu/cpu*/topology/physical_package_id
                sort -nu /sys/devices/system/cpu/cpu*/topology/core_id | wc -l
                cat /sys/devices/system/cpu/cpu0/topology/core_cpus_list')" "$cpus
0
$cpus
0"
    done
    check_equal "$flavour: power-off with 2 CPUs" \
        "$(echo poweroff | ./minivm run -k build/kernels/$flavour/vmlinuz -i $initrd -c 2 \
            --timeout 200 >/dev/null 2>&1; echo $?)" 0
done

# The MP table serves kernels without ACPI (the cloud kernel cannot read one).
check_equal "amd64 without ACPI finds both CPUs by the MP table" \
    "$(guest amd64 '-c 2 -p acpi=off' 'nproc; dmesg | grep -c "Intel MultiProcessor Specification"')" "2
1"
check_equal "64 CPUs are counted" \
    "$(guest cloud-amd64 '-c 64 -p maxcpus=1' 'cat /sys/devices/system/cpu/present; nproc')" "0-63
1"

check_equal "RAM beyond the hole continues at 4 GiB" \
    "$(guest cloud-amd64 '-m 3500M' 'dmesg | grep -c "BIOS-e820: .mem 0x0000000100000000-0x000000011abfffff. usable"
        awk "/MemTotal/ {print (\$2 > 3300000)}" /proc/meminfo')" "1
1"
smallest=$(./minivm run -k build/kernels/cloud-amd64/vmlinuz -i $initrd -m 32M 2>&1 </dev/null |
    sed -n 's/.*--mem \([0-9]*\)M.*/\1/p')
./minivm run -k build/kernels/cloud-amd64/vmlinuz -i $initrd -m ${smallest}M --timeout 10 \
    </dev/null >"$TMP/out" 2>&1
check "the kernel is started in the least RAM that minivm lets it have: $smallest MiB" \
    grep -q 'RIP 0x\|Kernel panic' "$TMP/out"

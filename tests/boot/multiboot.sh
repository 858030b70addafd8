#!/bin/sh
# Multiboot kernels of both versions: the example guest as ELF, with 32 and 64 bits, and flat; a
# kernel that tells each tag; Xen, when it is there.
# engines: kvm soft
# needs: kvm
# takes: 10
. tests/lib.sh

guest=guest/multiboot.elf
CFLAGS='-m32 -masm=intel -O2 -ffreestanding -fno-pic -fno-stack-protector
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie'
LD=-Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments

gcc $CFLAGS $LD,--oformat=binary -DFLAT -o "$TMP/flat.bin" guest/multiboot.S guest/multiboot.c &&
    gcc $CFLAGS $LD -o "$TMP/tags.elf" tests/boot/multiboot2.c &&
    objcopy -I elf32-i386 -O elf64-x86-64 $guest "$TMP/elf64" || exit 1
echo 'hello, module' >"$TMP/one"
seq 2000 >"$TMP/two"

# run STATUS ARGUMENT...: what the guest prints, and a line when its status is not STATUS
run() {
    wanted=$1 status=0
    shift
    ./minivm run --timeout $limit --mem 64M "$@" </dev/null 2>&1 || status=$?
    [ $status = "$wanted" ] || echo "status $status"
}

map='memory: 0x0000000000000000..0x000000000009fc00 RAM
memory: 0x000000000009fc00..0x00000000000a0000 reserved
memory: 0x00000000000e0000..0x0000000000100000 reserved
memory: 0x0000000000100000..0x0000000004000000 RAM
memory: 0x00000000e0000000..0x00000000e0100000 reserved
memory: 0x00000000fec00000..0x0000000100000000 reserved'

check_equal "the example, 1 CPU" "$(run 33 $guest)" "command line: '$guest'
$map
CPUs: 1
started: 0"

# Where the modules are depends on the kernel's size; they are on pages.
check_equal "4 CPUs, a command line, modules with words" \
    "$(run 33 --cpus 4 --cmdline 'a  b=c' --module "$TMP/one,x  y" --module "$TMP/two" $guest |
        sed 's/ at 0x[0-9a-f]*000:/ at a page:/')" \
    "command line: '$guest a  b=c'
$map
module: '$TMP/one x  y', 14 bytes at a page: 68 65 6c 6c 6f 2c 20 6d
module: '$TMP/two', 8893 bytes at a page: 31 a 32 a 33 a 34 a
CPUs: 4
hello from the CPU with APIC id 1
hello from the CPU with APIC id 2
hello from the CPU with APIC id 3
started: 3"

for file in flat.bin elf64; do
    check_equal "the same as $file" "$(run 33 --cpus 2 "$TMP/$file" | grep -v ^memory)" \
        "command line: '$TMP/$file'
CPUs: 2
hello from the CPU with APIC id 1
started: 1"
done

check_equal "Multiboot 2, each tag" \
    "$(run 35 --cmdline 'a  b=c' --module "$TMP/one,x  y" --module "$TMP/two" "$TMP/tags.elf" |
        sed "s/^tag 9: [0-9]* /tag 9: N /")" \
    "tag 1: $TMP/tags.elf a  b=c
tag 2: minivm
tag 3: 14 bytes, $TMP/one x  y, first line: hello, module
tag 3: 8893 bytes, $TMP/two, first line: 1
tag 4: 639 KiB + 64512 KiB
tag 6: 6 ranges
tag 9: N is the names' section
tag 14: RSD PTR 
tag 15: RSD PTR 
the end is where it should be"

# /boot/xen-*.gz of Debian's package xen-hypervisor-4.17-amd64, up to where it starts its guest.
xen=${XEN-build/kernels/xen/xen.gz}
for way in multiboot multiboot2; do
    if [ ! -e "$xen" ]; then
        skip "Xen by $way" "no $xen"
        continue
    fi
    : >"$TMP/xen"
    ./minivm run --boot $way --kernel "$xen" --cmdline 'com1=115200,8n1 console=com1 dom0_mem=256M' \
        --module build/kernels/amd64/vmlinuz --cpus 2 --mem 1G --timeout $limit --no-reboot \
        </dev/null >"$TMP/xen" 2>&1 &
    pid=$!
    until grep -q 'Brought up .* CPUs' "$TMP/xen" || ! kill -0 $pid 2>/dev/null; do sleep 0.2; done
    kill $pid 2>/dev/null
    { wait $pid; } 2>/dev/null # the shell would say Terminated
    check_equal "Xen by $way" "$(grep -o -e '^(XEN) Xen version [0-9]*\.[0-9]*' -e 'Bootloader: .*' \
        -e 'Command line: .*' -e 'Brought up 2 CPUs' "$TMP/xen" | tr -d '\r')" "(XEN) Xen version 4.17
Bootloader: minivm
Command line: com1=115200,8n1 console=com1 dom0_mem=256M
Brought up 2 CPUs"
done

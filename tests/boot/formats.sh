#!/bin/sh
# Every form in which Linux comes, and bzImages that are not Linux.
#
# How a kernel is entered is tried with each engine. What happens before, such as unpacking, knows
# nothing of the engine, and is tried with engine soft alone: such a boot takes a tenth of the time.
# engines: kvm soft
# needs: kvm
# takes: 80
. tests/lib.sh

kernels=build/kernels
bzimage=$kernels/cloud-amd64/vmlinuz
initrd=build/initramfs.cpio
release=$(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' $kernels/cloud-amd64/package)

# linux ARGUMENT... -- COMMAND...: what the command prints in a guest
linux() {
    ./minivm run --initrd $initrd --timeout $limit $fast "$@" </dev/null 2>&1
}

# refused NAME WORDS ARGUMENT...: `minivm run` says why, in one line with WORDS in it.
refused() {
    name=$1 words=$2 status=0
    shift 2
    ./minivm run --timeout $limit "$@" </dev/null >"$TMP/out" 2>&1 || status=$?
    check_equal "$name" "$status $(wc -l <"$TMP/out") $(grep -c "^minivm: .*$words" "$TMP/out")
$(grep -v -e "$words" "$TMP/out")" "125 1 1
"
}

check_equal "--boot bzimage --kernel" "$(linux --boot bzimage --kernel $bzimage -- uname -r)" "$release"
if [ $engine != kvm ]; then
    check_equal "bzImage by its name alone" "$(linux $bzimage -- uname -r)" "$release"
    cp $bzimage "$TMP/vmlinux.txt"
    check_equal "the name does not matter" "$(linux "$TMP/vmlinux.txt" -- uname -r)" "$release"
fi

# The kernel tells which loader it believes in: 176 is PVH, 255 what minivm's zero page says.
for flavour in amd64 cloud-amd64; do
    if ! vmlinux=$(tests/boot/vmlinux $flavour); then
        fail "$flavour: vmlinux is taken out of the bzImage"
        continue
    fi
    check_equal "$flavour: vmlinux, the ways" "$(./minivm inspect "$vmlinux" | grep -o '^--boot [^:]*')" \
        "--boot pvh (the best)
--boot linux64"
    for how in :1:176 pvh:2:176 linux64:1:255 linux64:2:255; do
        way=${how%%:*} loader=${how##*:} cpus=${how#*:}
        cpus=${cpus%:*}
        check_equal "$flavour: vmlinux${way:+ by $way}, CPUs: $cpus" \
            "$(linux ${way:+--boot $way} --cpus $cpus "$vmlinux" -- sh -c \
                'uname -r; nproc; cat /proc/sys/kernel/bootloader_type')" \
            "$(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' $kernels/$flavour/package)
$cpus
$loader"
    done
done
check_equal "vmlinux: nothing at level error or worse in its log" \
    "$(linux -p loglevel=4 $kernels/cloud-amd64/vmlinux -- sh -c 'dmesg -r | grep -E "^<[0-3]>"; echo end')" end

if [ $engine != kvm ]; then
    for format in gzip:always xz:LZMA zstd:ZSTD lz4:LZ4 bzip2:BZ2; do
        tool=${format%:*} built=${format#*:}
        if ! command -v $tool >/dev/null; then
            skip "bzImage compressed by $tool" "no $tool here"
        elif [ $built != always ] && ! grep -qx $built build/formats; then
            skip "bzImage compressed by $tool" "minivm is built without it"
        else
            $tool -1 -c <$bzimage >"$TMP/packed"
            check_equal "bzImage compressed by $tool" "$(linux "$TMP/packed" -- uname -r)" "$release"
        fi
    done
    gzip -1 <$kernels/cloud-amd64/vmlinux >"$TMP/packed"
    check_equal "vmlinux compressed by gzip, by linux64" \
        "$(linux --boot linux64 "$TMP/packed" -- cat /proc/sys/kernel/bootloader_type)" 255

    # The first archive has an odd length, so the next begins after zeros.
    mkdir "$TMP/root"
    for n in one two; do
        echo "archive $n" >"$TMP/root/$n"
        (cd "$TMP/root" && echo $n | cpio -o -H newc --quiet) | gzip -n >"$TMP/$n.gz"
    done
    while [ $(($(wc -c <"$TMP/one.gz") % 4)) != 1 ]; do printf '\0' >>"$TMP/one.gz"; done
    for kernel in $bzimage $kernels/cloud-amd64/vmlinux; do
        check_equal "${kernel##*/}: three archives" \
            "$(linux -i "$TMP/one.gz" -i "$TMP/two.gz" $kernel -- cat /one /two)" "archive one
archive two"
    done
fi

for how in pvh:176 linux64:255; do
    check_equal "the vmlinux inside a bzImage, by ${how%:*}" \
        "$(linux --boot ${how%:*} --cpus 2 $bzimage -- cat /proc/sys/kernel/bootloader_type)" ${how#*:}
done
refused "a bzImage by multiboot" "neither it nor the vmlinux inside can be booted by multiboot;" \
    --boot multiboot $bzimage
refused "vmlinux by bzimage" "cannot be booted by bzimage" --boot bzimage $kernels/amd64/vmlinux
refused "vmlinux by multiboot2" "cannot be booted by multiboot2" --boot multiboot2 $kernels/amd64/vmlinux
refused "a Multiboot kernel by linux64" "cannot be booted by linux64" --boot linux64 guest/multiboot.elf
refused "a Multiboot kernel by pvh" "cannot be booted by pvh" --boot pvh guest/multiboot.elf
refused "a way that there is not" "--boot grub: unpacked, bzimage, pvh, multiboot2, multiboot or linux64" --boot grub $bzimage

# It tests for ever, so it is ended when the name of a test is seen. Which one is shown first depends on
# how fast the first ones are.
for bits in x64 ia32; do
    memtest=$kernels/memtest86+/$bits.bin
    if [ ! -e "$memtest" ]; then
        skip "memtest86+, $bits" "no $memtest (tools/fetch-kernels memtest86+)"
        continue
    fi
    : >"$TMP/memtest"
    ./minivm run "$memtest" --cmdline console=ttyS0,115200 --mem 16M --timeout $limit \
        </dev/null >"$TMP/memtest" 2>&1 &
    pid=$!
    until grep -q '\(Address test\|Moving inversions\)' "$TMP/memtest" || ! kill -0 $pid 2>/dev/null; do sleep 0.1; done
    kill $pid 2>/dev/null
    { wait $pid; } 2>/dev/null # the shell would say Terminated
    check_equal "memtest86+, $bits" \
        "$(grep -ao -e 'Memtest86+ v[0-9]*' -e '16MB' -e 'Address test' \
            -e 'Moving inversions' "$TMP/memtest" |
            sed 's/v[0-9]*/v/; s/Moving inversions/Address test/' | sort -u)" "16MB
Address test
Memtest86+ v"
done

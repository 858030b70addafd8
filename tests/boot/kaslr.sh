#!/bin/sh
# Kernels that minivm unpacks: that they are, that they run at random addresses, and when they do not.
# engines: kvm soft
# needs: kvm
# takes: 60
. tests/lib.sh

initrd=build/initramfs.cpio
where='sed -n "s/ T _text$//p" /proc/kallsyms; sed -n "s/^ *\([0-9a-f]*\)-.* : Kernel code$/\1/p" /proc/iomem'

# boot KERNEL OPTION...: $place is what minivm says of the kernel, $guest where the guest finds it.
boot() {
    kernel=$1
    shift
    ./minivm run --verbose -k $kernel -i $initrd --timeout $limit "$@" -- sh -c "$where" \
        </dev/null 2>"$TMP/err" >"$TMP/out"
    place=$(sed -n 's/^kernel: //p' "$TMP/err")
    guest=$(tr '\n' ' ' <"$TMP/out")
}

# as_said NAME: the guest finds what minivm says.
as_said() {
    set -- "$1" $(echo "$place" | sed -n 's/^unpacked, at 0x\([0-9a-f]*\), \(0x[0-9a-f]*\|0\) above.*/\1 \2/p')
    check_equal "$1" "$guest" \
        "$(printf 'ffffffff%08x %08x ' $((0x81000000 + ${3:-1})) $((0x${2:-1})))"
}

for flavour in cloud-amd64 amd64; do
    vmlinuz=build/kernels/$flavour/vmlinuz
    boot $vmlinuz $fast
    as_said "$flavour: it runs where minivm has put it"
    first=$place
    boot $vmlinuz $fast --cpus 4
    as_said "$flavour: with 4 CPUs"
    check "$flavour: next time elsewhere" [ "$place" != "$first" ]
done
vmlinuz=build/kernels/cloud-amd64/vmlinuz
high=6G
[ -z "${KVMHOST-}" ] || high=3584M # it has 4 GiB itself
boot $vmlinuz $fast --mem $high
as_said "with RAM above 4 GiB"
boot $vmlinuz -p "nokaslr ${fast#-p }"
check_equal "nokaslr" "$place $guest" \
    "unpacked, at 0x1000000, 0 above where it was linked ffffffff81000000 01000000 "
boot $vmlinuz -p "mem=200M ${fast#-p }"
as_said "mem=: within that"
boot $vmlinuz $fast --boot bzimage
check_equal "--boot bzimage: it unpacks itself" "$place $(echo "$guest" | wc -w)" "bzimage 2"
boot $vmlinuz $fast --entry 64
check_equal "--entry 64: likewise" "$place $(echo "$guest" | wc -w)" "bzimage 2"

# Its header has the length of what is packed, which it does not read itself.
cp $vmlinuz "$TMP/vmlinuz"
printf '\000\001\000\000' | dd of="$TMP/vmlinuz" bs=1 seek=$((0x24c)) conv=notrunc status=none
boot "$TMP/vmlinuz" $fast
check_equal "what minivm cannot unpack may unpack itself" "$place $(echo "$guest" | wc -w)" \
    "bzimage (compressed by lz4 (legacy), but damaged or truncated) 2"
check_status "unless it is to be unpacked" 125 ./minivm run --boot unpacked "$TMP/vmlinuz" -i $initrd

#!/bin/sh
# What `minivm inspect` says of kernels; what it, and `minivm run`, say of files that are none.
. tests/lib.sh

kernels=build/kernels

# file NAME SIZE [OFFSET BYTES]...: makes a file of zeros, but for those bytes (printf's escapes)
file() {
    file=$TMP/$1
    truncate -s "$2" "$file"
    shift 2
    while [ $# -gt 0 ]; do
        printf "$2" | dd of="$file" bs=1 seek=$(($1)) conv=notrunc status=none
        shift 2
    done
}

# inspect NAME FILE LINES: these lines are what it says, less what is in the file's own numbers
inspect() {
    if [ ! -e "$2" ]; then
        skip "$1" "no $2"
        return
    fi
    check_equal "$1" "$(./minivm inspect "$2" 2>&1 | sed -e "s|^$2: [0-9]* bytes|FILE|" \
        -e 's/[0-9]* bytes/N bytes/; s/0x[0-9a-f]*/0xN/g; s/[0-9]* MiB/N MiB/' \
        -e 's/^\(version: [^0-9]*[0-9]*\).*/\1/')" "$3"
}

pvh='PVH, entered with 32 bits
  entry: 0xN, 32-bit
  address: 0xN..0xN
  RAM: N MiB at least
  modules: joined into one initramfs, for this is Linux'
linux64='--boot linux64: vmlinux, entered with 64 bits
  entry: 0xN, 64-bit
  address: 0xN..0xN
  RAM: N MiB at least'
for kernel in amd64:xz cloud-amd64:'lz4 (legacy)'; do
    packing=${kernel#*:} kernel=${kernel%:*}
    inspect "$kernel" $kernels/$kernel/vmlinuz "FILE
version: 6
--boot unpacked (the best): the vmlinux inside, unpacked by minivm, entered with 64 bits
  address: 0xN, or any from there on (KASLR)
  RAM: N MiB at least
--boot bzimage: bzImage, entered with 64 or 32 bits
  protocol: 2.15
  payload: compressed by $packing
  entry: 64-bit and 32-bit
  address: 0xN
  RAM: N MiB at least
the vmlinux inside, N bytes unpacked:
--boot pvh: $pvh
$linux64"
done
inspect "686-pae" $kernels/686-pae/vmlinuz "FILE
version: 6
--boot bzimage (the best): bzImage, entered with 64 or 32 bits
  protocol: 2.15
  payload: compressed by xz
  entry: 32-bit
  address: 0xN
  RAM: N MiB at least
the vmlinux inside, N bytes unpacked:
--boot pvh: $pvh"
vmlinux=$(tests/boot/vmlinux amd64) && gzip -1 <"$vmlinux" >"$TMP/packed"
inspect "vmlinux" "$vmlinux" "FILE
version: 6
--boot pvh (the best): $pvh
$linux64"
inspect "vmlinux.gz" "$TMP/packed" "FILE unpacked, compressed by gzip
version: 6
--boot pvh (the best): $pvh
$linux64"
for bits in x64 ia32; do
    case $bits in x64) entry='64-bit and 32-bit' ;; ia32) entry=32-bit ;; esac
    inspect "memtest86+, $bits" $kernels/memtest86+/$bits.bin "FILE
version: Memtest86
--boot bzimage (the best): bzImage, entered with 64 or 32 bits
  protocol: 2.12
  entry: $entry
  address: 0xN
  RAM: N MiB at least"
done
inspect "Xen" $kernels/xen/xen.gz "FILE unpacked, compressed by gzip
--boot multiboot2 (the best): Multiboot, version 2
  goes to: 0xN..0xN, as its ELF segments say
  RAM: N MiB at least
  entry: 0xN, 32 bits
  relocatable: 0xN..0xN
--boot multiboot: Multiboot, version 1
  goes to: 0xN..0xN, as its ELF segments say
  RAM: N MiB at least
  entry: 0xN, 32 bits"
inspect "the Multiboot guest" guest/multiboot.elf "FILE
--boot multiboot (the best): Multiboot, version 1
  goes to: 0xN..0xN, as its ELF segments say
  RAM: N MiB at least
  entry: 0xN, 32 bits"
inspect "a flat program" guest/hello.bin "FILE
no header that minivm knows: perhaps a flat program (16-bit, or for --pmode or --long)"
inspect "a flat 64-bit program" guest/hello64.bin "FILE
no header that minivm knows: perhaps a flat program with 64 bits (--long)"
inspect "a flat 32-bit program" os-1k/kernel.bin "FILE
no header that minivm knows: perhaps a flat program with 32 bits (--pmode)"
{
    cat guest/minimal.bin
    head -c 509 /dev/zero
    printf '\125\252'
} >"$TMP/sector"
inspect "a boot sector" "$TMP/sector" "FILE
a boot sector: it runs as a 16-bit program, but calls of a BIOS lead nowhere"
check_status "which runs" 0 ./minivm run --timeout $limit "$TMP/sector"
check_status "no file" 125 ./minivm inspect "$TMP/none"
check_status "none named" 125 ./minivm inspect

# none WORDS: of $file, inspect and run say what it seems to be, in words that begin so.
none() {
    name=${file##*/}
    ./minivm inspect "$file" 2>&1 | sed -n '2s/^cannot be booted: //p' >"$TMP/out"
    check "inspect: $name" grep -q "^$1" "$TMP/out"
    for how in --kernel ''; do
        status=0
        ./minivm run $how "$file" --timeout $limit >"$TMP/out" 2>&1 </dev/null || status=$?
        check_equal "run${how:+ $how}: $name" "$status $(grep -c "^minivm: $file: $1" "$TMP/out")
$(sed 1d "$TMP/out")" "125 1
"
    done
}

file arm64 4K 0 'MZ\000\221' 56 'ARM\144'
none "a kernel for ARM (64 bits); minivm runs x86 code"
file zImage-arm 4K 0 '\000\000\240\341' 36 '\030\050\157\001'
none "a kernel for ARM (32 bits); minivm runs x86 code"
file riscv 4K 48 'RISCV\000\000\000' 56 'RSC\005'
none "a kernel for RISC-V; minivm runs x86 code"
file app.efi 4K 0 MZ 0x3c '\200' 128 'PE\000\000\144\206' 148 '\360\000' 152 '\013\002' 220 '\012'
none "a UEFI program, perhaps a boot loader; minivm has no UEFI"
file app-arm.efi 4K 0 MZ 0x3c '\200' 128 'PE\000\000\144\252' 220 '\012'
none "a UEFI or Windows program for ARM (64 bits); minivm runs x86 code"
file disk.img 1M 446 '\200' 450 '\203' 454 '\001' 458 '\001' 510 '\125\252'
none "a disk image with 1 partition (the first: Linux); a disk goes with --disk"
file gpt.img 1M 450 '\356' 510 '\125\252' 512 'EFI PART'
none "a disk image with a partition table (GPT); a disk goes with --disk"
file disk.qcow2 4K 0 'QFI\373'
none "a disk image (qcow2); a disk goes with --disk"
file cd.iso 64K 32769 CD001
none "a CD image (ISO 9660); a disk goes with --disk"
file script 0 0 '#!/bin/sh\nexit\n'
none "a script, not a kernel"
file text 0 0 'not a kernel\n'
none "a text file, not a kernel"
file ppc.elf 4K 0 '\177ELF\002\002\001' 16 '\000\002\000\025'
none "an ELF file for PowerPC 64; minivm runs x86 code"
file arm.elf 4K 0 '\177ELF\002\001\001' 16 '\002\000\267'
none "an ELF file for ARM (64 bits); minivm runs x86 code"
file initramfs.gz 0
gzip -c build/initramfs.cpio >"$file"
none "a cpio archive; an initramfs goes with --initrd"
file package.deb 0 0 '!<arch>\ndebian-binary   '
none "a Debian package; 'dpkg -x "
file uImage 4K 0 '\047\005\031\126'
none "an image for U-Boot (uImage)"
file zeros 16K
check_equal "inspect: zeros" "$(./minivm inspect "$file" 2>&1 | tail -n 1)" \
    "cannot be booted: nothing but zeros at its start, as after a download that did not end"

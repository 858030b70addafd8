#!/bin/sh
# Files that cannot be booted are refused in one line, status 125, before anything starts.
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz

# refused NAME WORDS ARGUMENT...: `minivm run` says why, in one line with WORDS in it.
refused() {
    name=$1 words=$2 status=0
    shift 2
    "$minivm" run "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    if [ $status = 125 ] && [ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
        grep -q "^minivm: .*$words" "$TMP/err"; then
        pass "$name"
    else
        fail "$name" "status $status from minivm run $*
$(head -n 20 "$TMP/out" "$TMP/err")"
    fi
}

# patched OFFSET BYTES: the real kernel with other bytes (printf's escapes) at an offset.
patched() {
    cp "$kernel" "$TMP/patched"
    printf "$2" | dd of="$TMP/patched" bs=1 seek=$(($1)) conv=notrunc status=none
}

: >"$TMP/empty"
head -c 300K /dev/zero | tr '\0' '\220' >"$TMP/300k"
head -c 100K /dev/zero | tr '\0' '\220' >"$TMP/100k"
truncate -s 1M "$TMP/1m"
echo 'not a kernel' >"$TMP/text"
truncate -s 600M "$TMP/huge"
long=$(head -c 3000 /dev/zero | tr '\0' x)
size=$(wc -c <$kernel)

for minivm in ./minivm build/asan/minivm; do
    [ -x $minivm ] || continue
    refused "a missing program" "none: No such file" "$TMP/none"
    refused "an empty program" "empty: empty" "$TMP/empty"
    refused "a directory for a program" "directory" "$TMP"
    refused "an ELF file for a program" "a program, to be run by" "$minivm"
    refused "an ELF file for a 32-bit kernel" "ELF.*objcopy -O binary" --pmode "$minivm"
    refused "an ELF file for a 64-bit program" "ELF.*objcopy -O binary" --long "$minivm"
    refused "a Linux kernel among programs" "a kernel, which runs alone" guest/minimal.bin $kernel
    refused "a Linux kernel for --pmode" "say --kernel" --pmode $kernel
    refused "a script for a program" "script" tests/run
    refused "a large program" "256 KiB" guest/minimal.bin "$TMP/300k"
    refused "one of more than four" "64 KiB" guest/minimal guest/minimal guest/minimal \
        guest/minimal "$TMP/100k"
    refused "a 32-bit kernel over its page directory" "page directory" --pmode "$TMP/1m"
    refused "a 32-bit kernel without RAM" "4 MiB of RAM" --pmode guest/minimal.bin -m 3M
    refused "a 64-bit program without RAM" "--mem" --long "$TMP/300k" -m 1M
    refused "a missing kernel" "none: No such file" -k "$TMP/none"
    refused "an empty kernel" "empty" -k "$TMP/empty"
    refused "a directory" "directory" -k "$TMP"
    refused "a text file" "text: a text file, not a kernel" -k "$TMP/text"
    refused "an ELF file" "a program, to be run by" -k "$minivm"
    refused "a missing initrd" "none: No such file" -k $kernel -i "$TMP/none"
    refused "an empty initrd" "empty" -k $kernel -i "$TMP/empty"
    refused "an initrd larger than RAM" "more RAM.*--mem" -k $kernel -i "$TMP/huge"
    refused "too little RAM" "more RAM.*--mem [0-9]*M" -k $kernel -m 16M
    refused "a long command line" "command line" -k $kernel -p "$long"
    refused "missing symbols" "none: No such file" -k $kernel --symbols "$TMP/none"
    refused "symbols that are none" "no symbols" -k $kernel --symbols "$TMP/text"

    # Truncated at each kind of place: header, setup code, kernel.
    for length in 1 511 512 600 1000 20000 $((size / 2)); do
        head -c "$length" $kernel >"$TMP/short"
        refused "a kernel of $length bytes" "short: " -k "$TMP/short"
    done

    patched 0x206 '\005\002'
    refused "boot protocol 2.05" "too old" -k "$TMP/patched"
    patched 0x211 '\000'
    refused "a zImage" "zImage" -k "$TMP/patched"
    patched 0x236 '\000\000'
    refused "--entry 64 for a 32-bit kernel" "no 64-bit entry" -k "$TMP/patched" --entry 64
    patched 0x1f1 '\377'
    refused "setup_sects too large" "patched: " -k "$TMP/patched"
    patched 0x1f4 '\377\377\377\377'
    refused "syssize too large" "truncated" -k "$TMP/patched"
    patched 0x1f4 '\000\000\000\000'
    refused "syssize 0" "syssize" -k "$TMP/patched"
    patched 0x230 '\000\000\000\000'
    refused "kernel_alignment 0" "kernel_alignment" -k "$TMP/patched"
    patched 0x230 '\003\000\000\000'
    refused "kernel_alignment 3" "kernel_alignment" -k "$TMP/patched"
    patched 0x258 '\377\377\377\377\377\377\377\377'
    refused "pref_address at the top of the world" "patched: " -k "$TMP/patched"
    patched 0x260 '\377\377\377\377'
    refused "init_size of 4 GiB" "patched: " -k "$TMP/patched"
    patched 0x201 '\001'
    refused "a header of no length" "damaged" -k "$TMP/patched"
done

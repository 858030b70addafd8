#!/bin/sh
# Kernels that are kept unpacked: `minivm cache`, --no-cache, several minivms at once, damage.
# takes: 60
. tests/lib.sh

export XDG_CACHE_HOME="$TMP/cache"
kernel=$TMP/vmlinuz kept=$TMP/cache/minivm
cp build/kernels/cloud-amd64/vmlinuz "$kernel"
version=$(sed -n 's/^linux-image-\([^ ]*\).*/\1/p' build/kernels/cloud-amd64/package)

# boots NAME OPTION...: the kernel runs a command, and nothing else is said.
boots() {
    name=$1
    shift
    check_equal "$name" "$(./minivm run --engine soft -k "$kernel" -i build/initramfs.cpio $fast \
        --timeout $limit "$@" -- uname -r 2>&1 </dev/null)" "$version"
}
kernels() { find "$kept" -name '*.vmlinux' | wc -l; }

check_equal "minivm cache: nothing is kept" "$(./minivm cache)" "$kept: 0 MiB, of 1024 at most"
boots "--no-cache" --no-cache
check "... keeps nothing" [ ! -e "$TMP/cache" ]
boots "a kernel"
check_equal "... is kept, for the user alone" "$(find "$TMP/cache" -printf '%y%m\n' | sort -u | tr '\n' ' ')" \
    "d700 f600 "
check_equal "minivm cache: it is listed" "$(./minivm cache | sed 's/^ *[0-9]* MiB, used [-0-9]* [0-9:]*: \([^ ]*\).*/\1/
    s/: [0-9]* MiB/: N MiB/')" "$version
$kept: N MiB, of 1024 at most"
boots "it is found"
cp "$kernel" "$kernel.2"
mv "$kernel.2" "$kernel"
boots "also by its content"
check_equal "... which is kept once" "$(kernels)" 1

# At once, and none is there yet.
./minivm cache clear >"$TMP/out"
check_equal "minivm cache clear" "$(cat "$TMP/out") $(ls -A "$kept")" "$kept: 1 kernel removed "
for n in 1 2 3 4; do
    ./minivm run --engine soft -k "$kernel" -i build/initramfs.cpio $fast --timeout $limit -- echo ok \
        >"$TMP/out.$n" 2>&1 </dev/null &
done
wait
check_equal "four at once" "$(cat "$TMP"/out.?)" "ok
ok
ok
ok"
check_equal "... keep it once" "$(kernels) $(find "$kept" -name '*.new')" "1 "

cp "$kept"/*.vmlinux "$TMP/whole"

# A byte in the middle, or the end, is not what it was.
printf x | dd of="$(echo "$kept"/*.vmlinux)" bs=1 seek=20000000 conv=notrunc status=none
boots "what is damaged is unpacked again"
check "... and kept whole" cmp "$TMP/whole" "$(echo "$kept"/*.vmlinux)"
truncate -s 1M "$(echo "$kept"/*.vmlinux)"
boots "what is cut short, too"
for file in "$kept"/*; do : >"$file"; done
boots "what is empty, too"

# Where it cannot be written, or others can write to it.
chmod 777 "$kept"
./minivm cache clear >"$TMP/out"
check_equal "what others can write to is no cache" "$(cat "$TMP/out") $(kernels)" "$kept: 0 kernels removed 1"
boots "... and the kernel boots"
export XDG_CACHE_HOME=/proc
boots "no place for a cache"
check_status "an unknown word" 125 ./minivm cache everything

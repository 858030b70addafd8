#!/bin/sh
# Before Linux starts, one line says that it will find no program to start; then it does start.
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz

# says NAME WORDS ARGUMENT...: one line of minivm before the time is up, with WORDS; none for ''.
says() {
    name=$1 words=$2 status=0
    shift 2
    ./minivm run --engine soft --timeout 0.01 -k $kernel "$@" </dev/null >/dev/null 2>"$TMP/err" ||
        status=$?
    check_equal "$name" "$status $(sed '/^minivm: time is up/,$d' "$TMP/err")" \
        "124 ${words:+minivm: $words}"
}

mkdir "$TMP/tree"
echo '#!/bin/sh' >"$TMP/tree/init"
archive() {
    (cd "$TMP/tree" && find . | cpio -o -H newc --quiet) >"$TMP/$1.cpio"
}
archive not-executable
chmod +x "$TMP/tree/init"
archive good
mv "$TMP/tree/init" "$TMP/tree/other"
archive none
gzip -k "$TMP/good.cpio" "$TMP/none.cpio"
(cd "$TMP/tree" && tar -cf ../tree.tar .)

panics="and there is no root= on the command line: Linux will panic"
says "no initrd" "$kernel: there is neither --initrd nor --root, nor root= on its command line: Linux will \
panic, unless an initramfs is built into it"
says "no initrd, but root=" '' -p root=/dev/vda
says "a good one" '' -i "$TMP/good.cpio"
says "a good one, compressed" '' -i "$TMP/good.cpio.gz"
says "ours" '' -i build/initramfs.cpio
says "without init" "$TMP/none.cpio: has no /init, $panics" -i "$TMP/none.cpio"
says "without init, compressed" "$TMP/none.cpio.gz: has no /init, $panics" -i "$TMP/none.cpio.gz"
says "with another init" '' -i "$TMP/none.cpio" -p rdinit=/other
says "the second has it" '' -i "$TMP/none.cpio" -i "$TMP/good.cpio"
says "not executable" "$TMP/not-executable.cpio: cannot execute /init, $panics" \
    -i "$TMP/not-executable.cpio"
says "a tar archive" "$TMP/tree.tar: no cpio archive, so Linux finds no program to start in it" \
    -i "$TMP/tree.tar"

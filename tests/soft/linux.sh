#!/bin/sh
# Both stock kernels on 1 CPU: to the shell, a command, and a self-test whose every byte is the same as
# natively; and a look at several CPUs.
# engines: kvm soft
# needs: kvm
# takes: 85
. tests/lib.sh

mkdir "$TMP/root" "$TMP/more" "$TMP/here"
gcc -O2 -static -o "$TMP/more/float" tests/soft/float.c -lm &&
    cp tests/soft/selftest "$TMP/more" &&
    (cd "$TMP/more" && printf 'float\nselftest\n' | cpio -o -H newc -R 0:0 --quiet) >"$TMP/initrd" &&
    (cd "$TMP/root" && cpio -i --quiet) <build/initramfs.cpio 2>/dev/null
[ -x "$TMP/root/bin/sh" ] || exit 1

# guest FLAVOUR [OPTION]...: `minivm run` of that kernel
guest() {
    kernel=$(tests/boot/vmlinux $1)
    shift
    ./minivm run -k "$kernel" -i build/initramfs.cpio --timeout $limit $fast "$@"
}

(cd "$TMP/here" && env -i PATH="$TMP/root/bin" sh ../more/selftest ../root/bin/busybox ../more/float) \
    >"$TMP/wanted" 2>&1
check "natively the self-test runs to its end" sh -c "
    [ \$(wc -l <$TMP/wanted) -ge 200 ] && tail -n 1 $TMP/wanted | grep -qx 'ended by a trap' &&
    ! grep -a 'not found\|not compiled\|error' $TMP/wanted"

for flavour in cloud-amd64 amd64; do
    status=0
    guest $flavour -i "$TMP/initrd" -- sh -c \
        'mkdir /tmp/here; cd /tmp/here; sh ../../selftest ../../bin/busybox ../../float' \
        </dev/null >"$TMP/got" 2>&1 || status=$?
    check_equal "$flavour: the self-test is the same as natively" \
        "$status $(cmp "$TMP/got" "$TMP/wanted" 2>&1 && echo same)$(diff -a "$TMP/wanted" "$TMP/got" |
            head -n 20)" "0 same"
    status=0
    printf 'echo $((6 * 7)) >/x; cat /x; nproc; exit 5\n' |
        guest $flavour >"$TMP/got" 2>"$TMP/err" || status=$?
    check_equal "$flavour: to the shell" \
        "$status$(cat "$TMP/err") $(tr -d '\r' <"$TMP/got" | grep -x -e 42 -e 1 | tr '\n' ' ')" "5 42 1 "
done
check_equal "2 CPUs, both at work" "$(guest cloud-amd64 --cpus 2 -- sh -c 'nproc
    for n in 0 1; do taskset -c $n sha256sum /bin/busybox & done; wait' </dev/null 2>&1)" "2
$(for _ in 0 1; do echo "$(sha256sum <"$TMP/root/bin/busybox" | sed 's/ .*//')  /bin/busybox"; done)"

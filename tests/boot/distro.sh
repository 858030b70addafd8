#!/bin/sh
# Debian with systemd, from a disk of tools/mkdisk, to its login and back: every unit is well, and
# the file system needs no mending afterwards.
# engines: kvm soft
# needs: kvm
# takes: 400
. tests/lib.sh

[ -e build/debian.img ] || skip_all "no build/debian.img, which make distro makes"
command -v e2fsck >/dev/null || PATH=$PATH:/usr/sbin:/sbin

# wait_for WORDS: until they stand in the output, as long as minivm lives.
wait_for() {
    until grep -q "$1" "$TMP/out"; do
        kill -0 $pid 2>/dev/null || return 1
        sleep 0.2
    done
}

# boot KERNEL CPUS: from a new copy of the disk
boot() {
    pipe=$TMP/in
    cp --sparse=always build/debian.img "$TMP/disk"
    mkfifo "$pipe"
    ./minivm run -k build/kernels/$1/vmlinuz --root "$TMP/disk" -m 1G -c $2 --timeout 3000 \
        <"$pipe" >"$TMP/out" 2>"$TMP/err" &
    pid=$!
    exec 3>"$pipe"
    rm "$pipe"
    wait_for 'debian login:' && echo root >&3
    wait_for 'root@debian:~#' && echo 'cp /bin/bash /var/tmp/x
        echo state: $(systemctl is-system-running --wait); poweroff' >&3
    exec 3>&-
    status=0
    wait $pid || status=$?
}

for kernel in amd64 cloud-amd64; do
    for cpus in 1 4; do
        boot $kernel $cpus
        check_equal "$kernel, $cpus CPUs: all is well" \
            "$(sed -n 's/.*state: \([a-z][a-z]*\).*/\1/p' "$TMP/out")" running
        check_equal "and poweroff ends with status 0" "$status$(cat "$TMP/err")" 0
        check "the file system needs no mending" e2fsck -fn "$TMP/disk"
        [ $test_failed = 0 ] || sed 's/^/# /' "$TMP/out"
    done
done

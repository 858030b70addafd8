#!/bin/sh
# Debian with systemd, from a disk of tools/mkdisk, boots to its login, installs a package over the
# network, talks with the host, and switches itself off. The file system needs no mending afterwards.
# engines: soft
# takes: 50
#
# usage: tests/boot/distro.sh [SIZE [OPTION]...]
#
#     SIZE      of a download; default 16M
#     OPTION    of `minivm run`; default -k build/kernels/cloud-amd64/vmlinuz
#
# tests/soak-distro boots it with each kernel and number of CPUs.
. tests/own-net.sh
. tests/lib.sh

[ -e build/debian.img ] || skip_all "no build/debian.img, which make distro makes"
command -v e2fsck >/dev/null || PATH=$PATH:/usr/sbin:/sbin
for tool in e2fsck debugfs dpkg-deb; do
    command -v $tool >/dev/null || skip_all "no $tool here"
done
needs_net
size=${1:-16M}
[ $# = 0 ] || shift
[ $# -gt 0 ] || set -- -k build/kernels/cloud-amd64/vmlinuz

# A repository with one package.
mkdir -p "$TMP/package/DEBIAN" "$TMP/package/usr/bin" "$TMP/www"
cc -static -o "$TMP/package/usr/bin/udp" tests/devices/udp.c || skip_all "no static libc here"
cp "$(command -v busybox)" "$TMP/package/usr/bin/busybox"
cat >"$TMP/package/DEBIAN/control" <<'X'
Package: minivm-test
Version: 1
Architecture: amd64
Maintainer: nobody <nobody@localhost>
Description: programs for a test
X
dpkg-deb --root-owner-group -Znone -b "$TMP/package" "$TMP/www/test.deb" >/dev/null
{
    cat "$TMP/package/DEBIAN/control"
    echo "Filename: ./test.deb"
    echo "Size: $(wc -c <"$TMP/www/test.deb")"
    echo "SHA256: $(sha256sum <"$TMP/www/test.deb" | cut -d ' ' -f 1)"
} >"$TMP/www/Packages"
head -c "$size" /dev/urandom >"$TMP/www/big"
echo version 6 >"$TMP/www/small"

free_port
http=$port
servers=
for address in 127.0.0.1 ${gateway6:+"[::1]"}; do
    busybox httpd -f -p "$address:$http" -h "$TMP/www" &
    servers="$servers $!"
done
free_port
tcp=$port
free_port
udp=$port

cat >"$TMP/script" <<X
http=$http ping=$ping ping6=$ping6 gateway6=$gateway6
X
cat >>"$TMP/script" <<'X'
systemctl is-system-running --wait
until ip -4 route | grep -q ^default; do sleep 1; done
gateway=$(ip -4 route | sed -n 's/^default via \([^ ]*\).*/\1/p')
echo "deb [trusted=yes] http://$gateway:$http ./" >/etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >/dev/null && apt-get -q install minivm-test >/run/apt 2>&1 || cat /run/apt
dpkg-query -W minivm-test
busybox wget -q -O - http://$gateway:$http/big | md5sum
[ -z "$ping" ] || { busybox ping -c 1 -W 100 $ping >/dev/null && echo ping; }
if [ -n "$gateway6" ]; then
    until ip -6 route | grep -q ^default && ! ip -6 addr | grep -q tentative; do sleep 1; done
    busybox wget -q -O - "http://[$gateway6]:$http/small"
    [ -z "$ping6" ] || { busybox ping -c 1 -W 100 $ping6 >/dev/null && echo ping; }
fi
udp 23 &
servers=$!
busybox nc -ll -p 22 -e cat &
servers="$servers $!"
until busybox wget -q -O - http://$gateway:$http/done 2>/dev/null; do sleep 1; done
kill $servers
X

cp --reflink=auto --sparse=always build/debian.img "$TMP/disk"
tests/boot/debian "$TMP/disk" "$TMP/script" --engine $engine -c 2 --timeout 3000 "$@" \
    --net "forward=127.0.0.1:$tcp:22,forward=udp:127.0.0.1:$udp:23" >"$TMP/out" 2>"$TMP/err" &
run=$!
asks_tcp() {
    kill -0 $run 2>/dev/null || return 0
    [ "$(echo hello | timeout 20 busybox nc 127.0.0.1 $tcp 2>/dev/null)" = hello ]
}
asks_udp() {
    kill -0 $run 2>/dev/null || return 0
    [ "$("$TMP/package/usr/bin/udp" $udp hello)" = hello ]
}
until_true asks_tcp
until_true asks_udp
echo "TCP and UDP" >"$TMP/www/done"
status=0
wait $run || status=$?
kill $servers

check_equal "all is well; a package; $size from the host; ${ping:+ping; }${gateway6:+IPv6; }TCP and UDP to the guest" \
    "$(cat "$TMP/out")" "running
minivm-test	1
$(md5sum <"$TMP/www/big")${ping:+
ping}${gateway6:+
version 6}${ping6:+
ping}
TCP and UDP"
check_equal "poweroff ends with status 0" "$status$(cat "$TMP/err")" 0
check "the file system needs no mending" e2fsck -fn "$TMP/disk"

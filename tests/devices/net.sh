#!/bin/sh
# Networks: what a guest reaches of the host, and the host of the guest, by passt and by a tap device.
# engines: kvm soft
# needs: kvm
# takes: 50
. tests/own-net.sh
. tests/lib.sh

kernel=build/kernels/cloud-amd64
needs_net
tap= card=
[ -z "${OWN_NET-}" ] || ! ip tuntap add tap0 mode tap multi_queue 2>"$TMP/err" || {
    tap=203.0.113.1
    card='--net tap=tap0'
    ip addr add $tap/24 dev tap0 && ip link set tap0 up
}
cc -static -o "$TMP/udp" tests/devices/udp.c || skip_all "no compiler for a static program here"

mkdir -p "$TMP/root/bin" "$TMP/www"
cat >"$TMP/root/bin/lease" <<'END'
#!/bin/sh
# What udhcpc calls.
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
ip route add default via $router
echo $router >/run/gateway
END
cat >"$TMP/root/bin/net" <<'END'
#!/bin/sh
# PORT PINGED IPV6-GATEWAY TAP: all that the host offers, then services for the host until the links are
# down
ifconfig eth0 up
cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu /sys/class/net/eth0/carrier
until udhcpc -n -q -f -s /bin/lease >/dev/null 2>&1; do :; done
gateway=$(cat /run/gateway)
[ -z "$2" ] || { ping -c 1 -W 100 $2 >/dev/null && echo ping; }
wget -q -O - http://$gateway:$1/big | md5sum
[ -z "$3" ] || {
    until ip -6 route | grep -q ^default && ! ip -6 addr | grep -q tentative; do sleep 1; done
    wget -q -O - "http://[$3]:$1/small"
}
[ -z "$4" ] || {
    ifconfig eth1 203.0.113.2 netmask 255.255.255.0 up
    cat /sys/class/net/eth1/mtu /sys/class/net/eth1/carrier
    grep -c "$(readlink /sys/class/net/eth1/device | sed "s|.*/||")-input" /proc/interrupts
    wget -q -O - http://$4:$1/part | md5sum
}
udp 23 &
nc -ll -p 22 -e cat &
echo serving
for card in ${4:+eth1} eth0; do
    until [ "$(cat /sys/class/net/$card/carrier)" = 0 ]; do sleep 1; done
    echo $card down
done
ping -c 1 -W 1 $gateway >/dev/null || echo alive
END
chmod +x "$TMP/root/bin/lease" "$TMP/root/bin/net"
check "the archive, with modules" tools/mkinitramfs -o "$TMP/net.cpio" --modules $kernel/modules \
    "$TMP/udp=bin/udp" "$TMP/root"

size=100 part=10
[ -z "${KVMHOST-}" ] || size=8 part=4 # there the host computes their checksum a hundred times as slowly
head -c ${size}M /dev/urandom >"$TMP/www/big"
head -c ${part}M "$TMP/www/big" >"$TMP/www/part"
echo version 6 >"$TMP/www/small"
free_port
http=$port
busybox httpd -f -p 127.0.0.1:$http -h "$TMP/www" &
server=$!
server6= server_tap=
if [ -n "$tap" ]; then
    busybox httpd -f -p $tap:$http -h "$TMP/www" &
    server_tap=$!
fi
if [ -n "$gateway6" ]; then
    busybox httpd -f -p "[::1]:$http" -h "$TMP/www" &
    server6=$!
fi
free_port
tcp=$port
free_port
udp=$port

./minivm run --timeout $limit $fast --cpus 2 -k $kernel/vmlinuz -i "$TMP/net.cpio" \
    --net "forward=127.0.0.1:$tcp:22,forward=udp:127.0.0.1:$udp:23,mac=02:00:00:00:12:34" $card \
    -- net $http "$ping" "$gateway6" "$tap" >"$TMP/out" 2>&1 &
run=$!
has() {
    grep -q "$1" "$TMP/out" || ! kill -0 $run 2>/dev/null
}
until_true has serving
check_equal "address, MTU, link${ping:+; ping}; $size MiB from the host${gateway6:+; IPv6}${tap:+; $part MiB by tap}" "$(tr -d '\r' <"$TMP/out")" \
    "02:00:00:00:12:34
65520
1
${ping:+ping
}$(md5sum <"$TMP/www/big")${gateway6:+
version 6}${tap:+
1500
1
2
$(md5sum <"$TMP/www/part")}
serving"
kill $server $server6 $server_tap

# The guest's services may not be there yet.
asks_tcp() {
    kill -0 $run 2>/dev/null || return 0
    [ "$(echo hello | timeout 20 busybox nc 127.0.0.1 $tcp 2>/dev/null)" = hello ]
}
asks_udp() {
    kill -0 $run 2>/dev/null || return 0
    [ "$("$TMP/udp" $udp hello)" = hello ]
}
until_true asks_tcp
check "TCP to the guest" asks_tcp
until_true asks_udp
check "UDP to the guest" asks_udp
if [ -z "$tap" ]; then
    skip "a tap device" "root may make none here"
else
    check_equal "$part MiB to the guest and back, by tap" \
        "$(busybox nc 203.0.113.2 22 <"$TMP/www/part" | head -c ${part}M | md5sum)" "$(md5sum <"$TMP/www/part")"
    if [ "$engine" != kvm ] || ! [ -w /dev/vhost-net ]; then
        skip "by the host's kernel" "only with KVM and /dev/vhost-net"
    else
        check "by the host's kernel" grep -q '^vhost-' /proc/[0-9]*/task/*/comm
    fi
    check_equal "a device that is none" "$(./minivm run --net tap=lo guest/minimal 2>&1; echo $?)" \
        "minivm: --net tap=lo: not a tap device; 'ip tuntap' lists those that there are
125"
    ip tuntap add tap1 mode tap user 65534
    check_equal "one with a single queue" \
        "$(./minivm run --net tap=tap1,queues=2 guest/minimal 2>&1; echo $?)" \
        "minivm: --net tap=tap1,queues=2: it was made for one queue; make one for several: ip link del tap1; \
ip tuntap add tap1 mode tap multi_queue user \$USER
125"
    check_equal "one that is down" "$(./minivm run --net tap=tap1 guest/minimal 2>&1; echo $?)" \
        "minivm: --net tap=tap1: the device is down: ip link set tap1 up
0"
    ip link set tap1 up
    cp minivm guest/minimal.bin "$TMP"
    chmod 755 "$TMP"
    # That of a kvmhost is its own.
    [ -z "${KVMHOST-}" ] || chmod 666 /dev/net/tun
    # nobody DEVICE: somebody who is not root has it
    nobody() {
        cd "$TMP" && setpriv --reuid=65534 --regid=65534 --clear-groups ./minivm run --engine soft --net tap=$1 minimal
    }
    if ! setpriv --reuid=65534 --regid=65534 --clear-groups test -w /dev/net/tun; then
        skip "of a user's own, and of another's" "/dev/net/tun is root's here"
    else
        check_equal "of a user's own" "$(nobody tap1 2>&1; echo $?)" 0
        ip link del tap1
        ip tuntap add tap1 mode tap user 12345
        check_equal "of another's" "$(nobody tap1 2>&1; echo $?)" \
            "minivm: --net tap=tap1: you may not use it; have it made for you: ip link del tap1; \
ip tuntap add tap1 mode tap user \$USER
125"
    fi
fi
check_equal "a port that is taken" \
    "$(./minivm run -n forward=127.0.0.1:$tcp:22 guest/minimal 2>&1; echo $?)" \
    "minivm: --net forward=127.0.0.1:$tcp:22: the port is taken, or may not be had at that address
125"
for try in 1 2 3 4 5; do
    check_status "a small program with a network" 0 timeout $limit ./minivm run --net guest/minimal
done
check_equal "no passt" "$(PATH=/none ./minivm run --net guest/minimal 2>&1)" \
    "minivm: --net needs passt (Debian: apt-get install passt): not there"

# The links end, and the guest does not.
[ -z "$tap" ] || ip link del tap0
has_lost() {
    has 'eth1 down'
}
[ -z "$tap" ] || until_true has_lost
for passt in $(cat /proc/$run/task/$run/children); do
    kill -9 "$passt"
done
wait $run
check_equal "${tap:+without its device, and }without passt a link is down, and the guest goes on" "$? $(sed 1,/serving/d "$TMP/out" | tr -d '\r')" \
    "0 ${tap:+eth1 down
}eth0 down
alive"

check_equal "--root has the driver, too" \
    "$(./minivm run --timeout $limit $fast -k $kernel/vmlinuz --root / --net -- cat /sys/class/net/eth0/carrier \
        </dev/null 2>/dev/null)" 1

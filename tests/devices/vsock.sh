#!/bin/sh
# Sockets between a guest's programs and the host's: connections both ways, many at once, ends by
# halves, ports at which nobody is; and what is left when the guest ends.
# engines: kvm soft
# needs: kvm
# takes: 40
. tests/lib.sh

kernel=build/kernels/cloud-amd64
vsock=$TMP/root/bin/vsock
socket=$TMP/vm3
mkdir -p "$TMP/root/bin"
gcc -O1 -Wall -Wextra -Werror -static -s -o "$vsock" tests/devices/vsock.c ||
    skip_all "no compiler for a static program here"

cat >"$TMP/root/bin/guest" <<'END'
vsock serve 4294967295:1024 &
for i in 1 2 3 4 5 6; do cat /bin/busybox; done >/big
md5sum </big
vsock dial 2:52 </big | md5sum
vsock many 2:52 100
vsock dial 2:53 </dev/null 2>&1
vsock dial 4:52 </dev/null 2>&1
until vsock dial 2:54 </dev/null 2>/dev/null; do sleep 0.1; done
END
chmod +x "$TMP/root/bin/guest"
tools/mkinitramfs -o "$TMP/initramfs" "$TMP/root"

"$vsock" serve "${socket}_52" &
server=$!
./minivm run --timeout $limit $fast -k $kernel/vmlinuz -i "$TMP/initramfs" --vsock "3=$socket" -- \
    sh /bin/guest </dev/null >"$TMP/out" 2>&1 &
run=$!

# Before the guest's program listens, nobody is there.
answers() {
    kill -0 $run 2>/dev/null || return 0
    [ "$(echo hello | "$vsock" dial "$socket:1024" 2>/dev/null)" = hello ]
}
until_true answers
for i in 1 2 3 4 5 6; do cat "$(command -v busybox)"; done >"$TMP/big"
check_equal "10 MiB to the guest and back, and an end" "$("$vsock" dial "$socket:1024" <"$TMP/big" | md5sum)" \
    "$(md5sum <"$TMP/big")"
check_equal "100 connections at once" "$("$vsock" many "$socket:1024" 100 2>&1)" 100
check_equal "a port at which nobody listens" "$("$vsock" dial "$socket:1999" 2>&1 </dev/null)" \
    "$socket:1999: not connected"
check_equal "programs that say nothing, or no end of it" "$("$vsock" silent "$socket" 100)" 100
check_equal "the guest goes on" "$(echo hello | "$vsock" dial "$socket:1024")" hello
check_equal "a second minivm with the same socket" \
    "$(./minivm run -k $kernel/vmlinuz --vsock "3=$socket" 2>&1; echo $?)" \
    "minivm: --vsock: $socket: another program listens there: name another path
125"

# One that is open when the guest ends.
mkfifo "${socket}.in"
"$vsock" dial "$socket:1024" <"${socket}.in" >"$TMP/last" &
last=$!
exec 3>"${socket}.in"
echo hello >&3
said() {
    [ "$(cat "$TMP/last")" = hello ]
}
until_true said
"$vsock" serve "${socket}_54" &
end=$!
wait $run
status=$?
wait $last
check_equal "its connections end with it" $? 0
exec 3>&-
check_equal "the same from the guest; refused: a port, another CID" "$status
$(tr -d '\r' <"$TMP/out" | sed 1d)" "0
$(tr -d '\r' <"$TMP/out" | sed -n 1p)
100
2:53: Connection reset by peer
4:52: Connection reset by peer"
check_equal "its socket is gone" "$(ls "$socket" 2>/dev/null)" ""
kill $server $end
rm -f "${socket}_52" "${socket}_54" "${socket}.in"

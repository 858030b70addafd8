#!/bin/sh
# Whichever way minivm ends, it leaves nothing behind: no child, no socket, no file, no lock of an image,
# and the terminal's modes as they were.
# engines: soft
# takes: 20
. tests/own-net.sh
. tests/lib.sh

needs_net
command -v qemu-nbd >/dev/null || skip_all "no qemu-nbd here"
gcc -nostdlib -static -I. -Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none -o "$TMP/stub" \
    tests/boot/stub.S || exit 1
gcc -O1 -Wall -Wextra -Werror -o "$TMP/pty" tests/console/pty.c || exit 1
mkdir "$TMP/tmp" "$TMP/share" "$TMP/vsock"
truncate -s 1M "$TMP/raw" "$TMP/snapshot"
qemu-img create -q -f qcow2 "$TMP/image" 1M

# guest LETTER [OPTION]...: becomes a minivm. Its TMPDIR marks it and its children.
cat >"$TMP/guest" <<END
#!/bin/sh
letter=\$1
shift
exec env --default-signal=HUP,INT,QUIT,TERM "TMPDIR=$TMP/tmp" ./minivm run -k "$TMP/stub" -p \$letter \\
    -m 64M --net -d "$TMP/raw" -d "$TMP/image" -d "$TMP/snapshot,snapshot" --share "$TMP/share=s" \\
    --vsock "3=$TMP/vsock/vm" "\$@"
END
chmod +x "$TMP/guest"

processes() {
    grep -lz "^TMPDIR=$TMP/tmp\$" /proc/[0-9]*/environ 2>/dev/null | wc -l
}

# minivm, qemu-nbd, passt, and the socket
runs() {
    [ "$(processes)" -ge 3 ] && [ -S "$TMP/vsock/vm" ]
}

# ended NAME STATUS WANTED: and another minivm can have the images at once
ended() {
    check_equal "$1" "status $2, $(processes) processes, files: $(ls -A "$TMP/tmp" "$TMP/vsock" | grep -v '^$\|:$')
$(./minivm run -k "$TMP/stub" -p p -m 64M -d "$TMP/raw" -d "$TMP/image" -d "$TMP/snapshot" </dev/null 2>&1; echo $?)" \
        "status $3, 0 processes, files: 
0"
}

# guest_ends NAME STATUS LETTER [OPTION]...
guest_ends() {
    name=$1 wanted=$2 status=0
    shift 2
    "$TMP/guest" "$@" >"$TMP/out" 2>&1 </dev/null || status=$?
    ended "$name" $status "$wanted"
}

guest_ends "the guest's EXIT" 9 e
guest_ends "power-off" 0 p
guest_ends "a crash" 126 t
guest_ends "a reset with --no-reboot" 0 c --no-reboot
guest_ends "--timeout, in a guest that resets itself for ever" 124 a --timeout 1
guest_ends "--timeout, in one that sleeps" 124 i --timeout 1

for signal in HUP:1 INT:2 QUIT:3 TERM:15; do
    "$TMP/guest" i >"$TMP/out" 2>&1 </dev/null &
    pid=$!
    check "before SIG${signal%:*} it runs, with its children" until_true runs
    kill -${signal%:*} $pid
    status=0
    wait $pid || status=$?
    ended "SIG${signal%:*}" $status $((128 + ${signal#*:}))
done

"$TMP/pty" wait "$TMP/vsock/vm" type '^Ax' -- "$TMP/guest" i >"$TMP/out"
ended "Ctrl-A x" "$(tail -n 1 "$TMP/out")" "status 0, modes as before"

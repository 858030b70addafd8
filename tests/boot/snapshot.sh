#!/bin/sh
# Machines that are saved while they run, and go on from there, once and again.
# engines: kvm soft
# needs: kvm
# takes: 60
. tests/lib.sh

XDG_RUNTIME_DIR=$TMP
export XDG_RUNTIME_DIR
linux="-k build/kernels/cloud-amd64/vmlinuz -i build/initramfs.cpio $fast"
pid= many=
trap '[ -z "$pid" ] || { kill $pid; wait $pid; } 2>/dev/null; test_end' EXIT

# start FILE OPTION...: minivm run in the background, its input what is written to descriptor 8, its
# output in FILE.
mkdir "$TMP/s" # the snapshots
mkfifo "$TMP/fifo"
exec 8<>"$TMP/fifo"
start() {
    file=$1
    shift
    ./minivm run --timeout $limit "$@" <"$TMP/fifo" >"$file" 2>"$file.err" 8>&- &
    pid=$!
}
says() {
    until_true grep -qsa -- "$2" "$1"
}
# ends: waits for it; $status is its own.
ends() {
    status=0
    wait $pid || status=$?
    pid=
}
save() {
    check_status "$1" 0 ./minivm snapshot "$2" "$TMP/s/$3" $4
}

# The smallest: what it was told before is gone, what it is told after is not.
start "$TMP/first" --name echo guest/echo
printf 'one\n' >&8
says "$TMP/first" one
save "a 16-bit program is saved" echo echo ''
printf 'two\nq' >&8
ends
check_equal "and goes on" "$status $(tr '\n' ' ' <"$TMP/first")" "0 one two "
for i in 1 2; do
    check_equal "from the snapshot, $i" "$(printf 'three\nq' | ./minivm run --from "$TMP/s/echo" --timeout $limit)" three
done
mkdir "$TMP/many"
for i in 1 2 3 4 5 6 7 8; do
    printf '%d\nq' $i | ./minivm run --from "$TMP/s/echo" --timeout $limit >"$TMP/many/$i" &
    many="$many $!"
done
wait $many
check_equal "eight at once" "$(cat "$TMP"/many/* | tr '\n' ' ')" "1 2 3 4 5 6 7 8 "
check "its files are its user's alone" [ "$(stat -c %a "$TMP/s/echo" "$TMP/s/echo/ram" "$TMP/s/echo/state" | tr '\n' ' ')" = "700 600 600 " ]

# Several guests: one that has ended stays so, the others go on under their names.
start "$TMP/several" --name several guest/hello guest/echo
says "$TMP/several" 'Hello, KVM!'
printf 'one\n' >&8
says "$TMP/several" one
save "two programs are saved" several several --stop
ends
check_equal "with --stop it ends" $status 0
check_equal "the one that runs goes on" "$(printf 'two\nq' | ./minivm run --from "$TMP/s/several" --timeout $limit)" \
    "[1:echo] two"

# A kernel with paging.
start "$TMP/os" --name os --pmode os-1k/kernel.bin
says "$TMP/os" 'Select:'
save "the 1K OS is saved" os os --stop
ends
if [ $engine = kvm ] && [ -n "${KVMHOST-}" ]; then
    skip "and goes on" "QEMU's emulated SVM aborts where a 32-bit TSS is busy, as it has to be"
else
    check_equal "and goes on" "$(printf '3\nhello\nquit\n0\n' | ./minivm run --from "$TMP/s/os" --timeout $limit | grep -a '^Echo')" \
        "Echo: hello"
fi

# Linux: a shell and what it knows. Under KVM it is refused.
if [ $engine = kvm ]; then
    start "$TMP/linux" --name linux $linux
    says "$TMP/linux" '# $\|# .\[6n'
    check_status "a kernel under KVM is not saved" 125 ./minivm snapshot linux "$TMP/s/linux"
    check_equal "and why" "$check_output" \
        "minivm: $TMP/s/linux: a kernel's machine cannot be saved under KVM, only with --engine soft"
    printf 'exit 3\n' >&8
    ends
    check_equal "it goes on" $status 3
    exit
fi
start "$TMP/linux" --name linux $linux
says "$TMP/linux" '# $\|# .\[6n'
printf 'x=42; echo hi$x\n' >&8
says "$TMP/linux" hi42
save "Linux is saved" linux linux ''
printf 'echo on$x; exit 3\n' >&8
ends
check_equal "and goes on" "$status $(grep -ao '^on42' "$TMP/linux")" "3 on42"
# from NAME OPTION...: the shell goes on, and ends with what it knew.
from() {
    status=0
    name=$1
    shift
    printf 'echo again$x; sleep 1; exit 7\n' | ./minivm run --from "$TMP/s/$name" --timeout $limit "$@" \
        >"$TMP/out" 2>"$TMP/err" || status=$?
    shell="$status $(tr -d '\r' <"$TMP/out" | grep -ao '^again42') $(cat "$TMP/err")"
}
from linux
check_equal "from the snapshot" "$shell" "7 again42 "
from linux --stat
check "with what it cost from there" grep -q '^CPU 0: [0-9]* exits' "$TMP/err"
printf 'reboot\n' | ./minivm run --from "$TMP/s/linux" --timeout $limit >/dev/null 2>"$TMP/err"
check_equal "a guest that reboots ends, as nobody loads it again" "$? $(cat "$TMP/err")" "0 "

# With four CPUs, and a CPU that both engines have.
start "$TMP/portable" --name portable $linux --cpus 4 --cpu portable
says "$TMP/portable" '# $\|# .\[6n'
printf 'x=42; for i in 1 2 3 4; do while :; do :; done & done; echo hi$x\n' >&8
says "$TMP/portable" hi42
save "4 busy CPUs are saved" portable portable --stop
ends
from portable
check_equal "and go on" "$shell" "7 again42 "

# What cannot be.
refused() {
    wanted=$1
    shift
    check_status "$wanted: status" 125 ./minivm "$@"
    check_equal "$wanted" "$check_output" "minivm: $wanted"
}
refused "--engine kvm: the machine in $TMP/s/linux can go on with engine soft only" \
    run --from "$TMP/s/linux" --engine kvm
refused "$TMP/none: No such file or directory" run --from "$TMP/none"
refused "$TMP/many: no snapshot: state: No such file or directory" run --from "$TMP/many"
refused "$TMP/first: Not a directory" run --from "$TMP/first"
refused "-k and --from exclude each other" run --from "$TMP/s/echo" -k LICENSE
refused "guest/hello and --from exclude each other: the machine in $TMP/s/echo has its guests" \
    run --from "$TMP/s/echo" guest/hello
refused "--mem: the machine in $TMP/s/echo has its own" run --from "$TMP/s/echo" --mem 2M
refused "-- true: the machine in $TMP/s/echo goes on with what it does, and takes no command" \
    run --from "$TMP/s/echo" -- true
cp -r "$TMP/s/echo" "$TMP/s/bad"
printf x | dd of="$TMP/s/bad/state" bs=1 seek=500 conv=notrunc 2>/dev/null
refused "$TMP/s/bad: state: damaged: its checksum is wrong" run --from "$TMP/s/bad"
refused "nobody: no machine of that name runs; 'minivm run --name nobody' names one" \
    snapshot nobody "$TMP/x"
refused "--name ../x: a name has letters, digits, '.', '_' and '-', and does not begin with a dot" \
    run --name ../x guest/hello
refused "snapshot ../x: a name has letters, digits, '.', '_' and '-', and does not begin with a dot" \
    snapshot ../x "$TMP/x"

start "$TMP/taken" --name taken guest/echo
printf 'one\n' >&8
says "$TMP/taken" one
refused "--name taken: a machine of that name runs already" run --name taken guest/hello
refused "$TMP/many: there is something else" snapshot taken "$TMP/many"
refused "$TMP/none/x: No such file or directory" snapshot taken "$TMP/none/x"
ask() {
    perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => shift); print $s shift;
        $s->shutdown(1); print <$s>' "$TMP/minivm/taken" "$1"
}
check_equal "who speaks no JSON is told so" "$(ask 'x
')" '{"error":"not a line of JSON"}'
check_equal "several requests, several answers" "$(ask '{"do": "dance"}
[1]
{"do": "snapshot", "dir": "x"}
{"do": "snapshot", "dir": "/x", "more": 1}
')" '{"error":"there is nothing of that name to do; there is snapshot"}
{"error":"not an object that has \"do\", a string"}
{"error":"\"dir\" is no absolute path"}
{"error":"snapshot takes \"dir\", a string, and \"stop\", true or false"}'
check_equal "a line without an end" "$(ask "$(printf '%070000d' 0)")" '{"error":"a line is too long"}'
check "the socket is its user's alone" [ "$(stat -c %a "$TMP/minivm/taken" "$TMP/minivm" | tr '\n' ' ')" = "600 700 " ]
printf 'q' >&8
ends
check "and gone at the end" [ ! -e "$TMP/minivm/taken" ]
start "$TMP/killed" --name killed guest/echo
printf 'one\n' >&8
says "$TMP/killed" one
kill -9 $pid
ends
check_equal "a name that was left behind is free" "$(./minivm run --name killed guest/hello)" "Hello, KVM!"

: >"$TMP/disk" && truncate -s 1M "$TMP/disk"
start "$TMP/disk.out" --name disk $linux --disk "$TMP/disk"
says "$TMP/disk.out" '# $\|# .\[6n'
refused "$TMP/x: a machine with a disk cannot be saved" snapshot disk "$TMP/x"
printf 'exit\n' >&8
ends

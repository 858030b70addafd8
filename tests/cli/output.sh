#!/bin/sh
# What minivm says beside the guest's output: errors of writing it, names that would make a terminal do
# something, registers and memory.
# engines: kvm soft
. tests/lib.sh

run="./minivm run"
tab_bell=$(printf '\033]0;owned\007')
printf '\353\376' >"$TMP/spin.bin" # jmp to itself

# full NAME ARGUMENT...: with stdout on a full disk it is an error, which is said.
full() {
    name=$1
    shift
    status=0
    ./minivm "$@" >/dev/full 2>"$TMP/err" || status=$?
    check_equal "$name to a full disk: status, line" "$status $(cat "$TMP/err")" \
        "125 minivm: stdout: No space left on device"
}
full "help" help run
full "version" version
full "inspect" inspect guest/multiboot.elf
full "a guest's output" run guest/hello
check_status "--stat to a full disk is an error, too" 125 sh -c "$run --stat guest/hello 2>/dev/full"

# The guest has ended long before its reader is looked for.
{
    sleep 0.2
    status=0
    $run guest/hello 2>/dev/null || status=$?
    echo $status >"$TMP/status"
} | true
while [ ! -s "$TMP/status" ]; do sleep 0.1; done
check_equal "a reader that has gone: as any program of a pipeline" "$(cat "$TMP/status")" 141

# escapes NAME COMMAND...: what it prints has the words "owned", and nothing to obey.
escapes() {
    name=$1
    shift
    "$@" >"$TMP/out" 2>&1
    if grep -q owned "$TMP/out" && ! grep -q "$(printf '[\033\007]')" "$TMP/out"; then
        pass "$name"
    else
        fail "$name" "$(cat -v "$TMP/out")"
    fi
}
echo "0000000000000000 T $tab_bell" >"$TMP/map"
escapes "names in --symbols make no terminal obey" $run --timeout 0.1 --symbols "$TMP/map" "$TMP/spin"
cp guest/hello.bin "$TMP/$tab_bell.bin"
escapes "names of guests" $run "$TMP/$tab_bell" guest/minimal
printf '\017\013' >"$TMP/$tab_bell crash.bin"
escapes "names of guests that crash" $run "$TMP/$tab_bell crash" guest/minimal
escapes "names that inspect prints" ./minivm inspect "$TMP/$tab_bell.bin"
escapes "names that are not there" $run "$TMP/$tab_bell missing"
check_status "symbols without end are an error" 125 $run --symbols /dev/zero guest/hello

$run --timeout 0.1 "$TMP/spin" >/dev/null 2>"$TMP/err"
check "--timeout prints registers" grep -q '^cs  0000 base 0000000000000000 ' "$TMP/err"

# As its authors wrote it, at 0x40000 the second guest.
$run --dump-mem 0x40000,28 --dump-mem 1K,0x20 guest/minimal guest/hello >/dev/null 2>"$TMP/err"
bytes=$(od -An -v -t x1 -w16 guest/hello.bin | tr -s ' ' | sed 's/ *$//')
check_equal "--dump-mem prints a range" "$bytes" \
    "$(sed -n '/ 0x40000,28:/,/ 1K/ s/^000400.0 \(.*\)|.*|$/\1/p' "$TMP/err" | tr -s ' ' | sed 's/ *$//')"
check_equal "and another" "$(sed -n 's/^0000041*4*0*00 .*|\(.*\)|$/\1/p; /^00000410/p' "$TMP/err" | wc -l)" 2
for range in 0xffff0,17 1M,1 0xffffffffffffffff,2 3G,4K; do
    check_status "--dump-mem $range: not RAM" 125 $run --dump-mem $range guest/minimal
done
for range in x 1 1, ,1 1,0 1,2,3 -1,4 1,4Q; do
    check_status "--dump-mem $range: no range" 125 $run "--dump-mem=$range" guest/minimal
done

#!/bin/sh
# --engine, MINIVM_ENGINE and --soft-clock: which engine runs a guest, where that is said, and what
# each says of itself. The errors of --engine kvm: tests/cli/kvm.sh.
. tests/lib.sh
. tests/cli/dev

# run ARGUMENT...: into $TMP/out, $TMP/err and $status.
run() {
    status=0
    ./minivm run --timeout $limit "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}

# The engine that --verbose names, which it does once, and why it is not KVM.
named() {
    sed -n 's/^engine: //p' "$TMP/err"
}

# refused NAME WORDS COMMAND...: status 125 and one line with WORDS in it.
refused() {
    name=$1 words=$2 status=0
    shift 2
    "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    check_equal "$name" "$status $(cat "$TMP/out")$(grep -c "^minivm: .*$words" "$TMP/err") $(wc -l <"$TMP/err")" \
        "125 1 1"
}

run --engine soft --verbose guest/hello
check_equal "--engine soft" "$status $(named) $(cat "$TMP/out")" "0 soft Hello, KVM!"
export MINIVM_ENGINE=soft
run --verbose guest/hello
check_equal "MINIVM_ENGINE=soft" "$status $(named)" "0 soft"
export MINIVM_ENGINE=kvm
run --engine soft --verbose guest/hello
check_equal "--engine is above MINIVM_ENGINE" "$status $(named)" "0 soft"
export MINIVM_ENGINE=
run --verbose guest/hello
first=$(named)
export MINIVM_ENGINE=auto
run --engine auto --verbose guest/hello
check_equal "MINIVM_ENGINE= is auto" "$first" "$(named)"
unset MINIVM_ENGINE
run guest/hello
check_equal "without --verbose nothing is said" "$status$(cat "$TMP/err")" 0

# Of auto: KVM where it truly runs such a guest, else why not.
run --verbose $fast -k build/kernels/cloud-amd64/vmlinuz -i build/initramfs.cpio -- echo hello
if ./minivm check --quiet --engine kvm; then
    check_equal "auto: Linux by KVM" "$status $(named)" "0 kvm"
else
    check "auto: Linux by soft, and why" sh -c "sed -n 1p '$TMP/err' | grep -q '^engine: soft (.*/dev/kvm'"
    check_equal "... where it runs" "$status $(cat "$TMP/out")" "0 hello"
fi
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    run --engine kvm --verbose guest/hello
    check_equal "--engine kvm" "$status $(named) $(cat "$TMP/out")" "0 kvm Hello, KVM!"
    export MINIVM_ENGINE=kvm
    run --verbose guest/hello
    check_equal "MINIVM_ENGINE=kvm" "$status $(named)" "0 kvm"
    unset MINIVM_ENGINE
else
    skip "--engine kvm" "no access to /dev/kvm"
fi

for name in '' KVM tcg kvm,soft; do
    refused "--engine '$name'" "--engine $name: auto, kvm or soft" ./minivm run --engine "$name" guest/hello
done
refused "MINIVM_ENGINE=tcg" "tcg: auto, kvm or soft" env MINIVM_ENGINE=tcg ./minivm run guest/hello
refused "--engine without its value" "--engine needs a value" ./minivm run --engine
for clock in '' host,instructions 1000 Instructions; do
    refused "--soft-clock '$clock'" "--soft-clock $clock: host or instructions" \
        ./minivm run --soft-clock "$clock" guest/hello
done
refused "--soft-clock instructions with KVM" "KVM does not count" \
    ./minivm run --engine kvm --soft-clock instructions guest/hello
refused "--soft-clock instructions, two guests" "one guest" \
    ./minivm run --soft-clock instructions guest/hello guest/hello
refused "--soft-clock instructions, two CPUs" "one guest" \
    ./minivm run --soft-clock instructions --cpus 2 -k build/kernels/cloud-amd64/vmlinuz
run --soft-clock instructions --verbose guest/hello
check_equal "--soft-clock instructions is for engine soft" "$status $(named)" "0 soft"
run --soft-clock host --engine soft --verbose guest/hello
check_equal "--soft-clock host" "$status $(named)" "0 soft"

run --engine soft --stat guest/hello
check_equal "--stat of engine soft" "$(cat "$TMP/err")" \
    "CPU 0: 13 exits io=12 hlt=1, 66 instructions, 4 lines decoded, 1 TLB misses, 0 interrupts, status 0"
run --engine soft --stat guest/hello guest/minimal
check_equal "--stat of two guests" "$(sed 's/[0-9]* lines.*misses/N/' "$TMP/err")" \
    "CPU 0 (hello): 13 exits io=12 hlt=1, 66 instructions, N, 0 interrupts, status 0
CPU 1 (minimal): 1 exit hlt=1, 1 instructions, N, 0 interrupts, status 0"

./minivm check --engine soft >"$TMP/check"
check_equal "check --engine soft: a row for each mode" "$?
$(sed 's/[0-9]* million/N million/' "$TMP/check")" "0
ok   soft: 16-bit real mode
ok   soft: 32-bit protected mode
ok   soft: 32-bit protected mode with paging
ok   soft: 64-bit mode
ok   soft: local APIC
ok   soft: speed: N million instructions a second"
check_equal "check --quiet --engine=soft" "$(./minivm check --quiet --engine=soft 2>&1; echo $?)" 0
check_equal "check: each engine has its rows" "$(./minivm check | sed -n 's/^\(ok  \|FAIL\) \([a-z]*\): .*/\2/p' | uniq)" "kvm
soft"
refused "check --engine auto" "kvm or soft" ./minivm check --engine auto
refused "check --engine without its value" "--engine" ./minivm check --engine

if [ -n "$no_dev" ]; then
    skip "no /dev/kvm" "$no_dev"
    exit
fi
reason='soft (/dev/kvm: No such file or directory: '
# auto NAME WANTED ARGUMENT...: engine soft runs it, whose first line is WANTED.
auto() {
    name=$1 wanted=$2
    shift 2
    status=0
    in_dev : ./minivm run --timeout $limit --verbose "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    check_equal "no /dev/kvm: $name" "$status $(named | grep -cF "$reason") $(head -n 1 "$TMP/out")" \
        "0 1 $wanted"
}
auto "a 16-bit program" 'Hello, KVM!' guest/hello
auto "a 64-bit program" 'Hello, long mode!' --long guest/hello64
auto "the 1K OS" '=== 1K OS Menu ===' --pmode os-1k/kernel.bin
auto "Linux" 'Linux' $fast -k build/kernels/cloud-amd64/vmlinuz -i build/initramfs.cpio -- uname
check_status "no /dev/kvm: check is content" 0 in_dev : ./minivm check
check_equal "no /dev/kvm: check says so" \
    "$(in_dev : ./minivm check | sed 's/^\(FAIL kvm: [^:]*\):.*/\1/; /^ok .*/d')" "FAIL kvm: /dev/kvm
Everything that minivm boots runs here, with engine soft. KVM would be faster."
if command -v make >/dev/null && [ -e build/kernels/cloud-amd64/package ]; then
    check_equal "no /dev/kvm: make run" \
        "$(echo 'echo made; exit' | in_dev : make -s run 2>/dev/null | tr -d '\r' | grep -c '^made')" 1
fi

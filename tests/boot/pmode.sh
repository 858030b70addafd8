#!/bin/sh
# --pmode: a kernel that knows only the boot contract and the hypercall port.
# engines: kvm soft
# needs: kvm
. tests/lib.sh

gcc -m32 -nostdlib -static -I. -Wl,-m,elf_i386,--oformat=binary,-Ttext=0x80001000,-e0,--build-id=none \
    -o "$TMP/polling.bin" tests/boot/polling.S || exit 1

# kernel ARGUMENT...: runs it
kernel() {
    ./minivm run --pmode "$TMP/polling.bin" --timeout $limit "$@"
}

check_equal "input by polling, output, status" "$(printf 'helloq' | kernel; echo " $?")" '>hello 5'
check_equal "without .bin" "$(printf q | ./minivm run --pmode "$TMP/polling"; echo " $?")" '> 5'
check_equal "all that the contract names" "$(printf iq | kernel)" \
    ">00000008 00000010 00000010 00000010 00100000 00000500 00000528 00001003 00001003 00000000 "

# Two seconds with interrupts on, in which a timer that nobody asked for would have come.
check_equal "no interrupt comes unasked" "$({ printf a; sleep 2; printf bq; } | kernel; echo " $?")" \
    '>ab 5'

status=0
printf t | kernel >"$TMP/out" 2>"$TMP/err" || status=$?
check_equal "a triple fault is status 126" $status 126
check "and reported" grep -q "^minivm: $TMP/polling.bin crashed: CPU 0: triple fault" "$TMP/err"
check_equal "what it had said is there" "$(cat "$TMP/out")" '>'

# Input that came before the reset is for the kernel that comes after it.
check_equal "a reset starts it again" "$(printf arbq | kernel; echo " $?")" '>a>b 5'
check_equal "--no-reboot ends it" "$(printf arbq | kernel --no-reboot; echo " $?")" '>a 0'

noisy() {
    kernel --verbose --stat --timeout $seconds </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
}
in_time 'value 0xff .port-hypercall' "$TMP/err" noisy
check_equal "--timeout" $status 124
check "--verbose names hypercalls" \
    grep -qx "CPU 0: io out port 0x500 size 1 value 0x1 (hypercall PUTCHAR '>')" "$TMP/err"
check "--verbose tells what was read" \
    grep -qx "CPU 0: io in port 0x500 size 1 value 0xff (port-hypercall)" "$TMP/err"

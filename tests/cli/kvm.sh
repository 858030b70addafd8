#!/bin/sh
# --engine kvm where KVM is missing, forbidden, none at all or not complete: minivm says which, and the
# cure. What becomes of that without --engine: tests/cli/engine.sh.
. tests/lib.sh
. tests/cli/dev

kernel=build/kernels/cloud-amd64/vmlinuz

# refused NAME WORDS COMMAND...: status 125 and one line with WORDS in it.
refused() {
    name=$1 words=$2 status=0
    shift 2
    "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    if [ $status = 125 ] && [ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
        grep -q "^minivm: .*$words" "$TMP/err"; then
        pass "$name"
    else
        fail "$name" "status $status from $*
$(cat "$TMP/out" "$TMP/err")"
    fi
}

if [ -z "$no_dev" ]; then
    refused "no /dev/kvm" "/dev/kvm: No such file.*load kvm_intel or kvm_amd" \
        in_dev : ./minivm run --engine kvm -k $kernel
    refused "a /dev/kvm that is none" "API version" \
        in_dev 'ln /dev/null /dev/kvm' ./minivm run --engine kvm -k $kernel
    refused "a /dev/kvm without a driver" "/dev/kvm: No such device.*no virtualisation" \
        in_dev 'mknod /dev/kvm c 10 254' ./minivm run --engine kvm -k $kernel
    status=0
    in_dev : ./minivm check --engine kvm >"$TMP/check" || status=$?
    check_equal "check says so too, with the cure" \
        "$status $(grep -c '^FAIL kvm: /dev/kvm: No such file.*load kvm_intel or kvm_amd' "$TMP/check")" "1 1"
    if setpriv --reuid 65534 --regid 65534 --clear-groups test -r $kernel; then
        refused "no permission" "/dev/kvm: Permission denied.*group kvm" \
            in_dev 'mknod -m 600 /dev/kvm c 10 232' \
            setpriv --reuid 65534 --regid 65534 --clear-groups ./minivm run --engine kvm -k $kernel
    else
        skip "no permission" "no other user can read $PWD"
    fi
else
    skip "another /dev" "$no_dev"
fi

if [ ! -w /dev/kvm ]; then
    skip "minivm check" "no access to /dev/kvm"
elif ./minivm check --engine kvm >"$TMP/check"; then
    check "a complete KVM: each mode is tried" [ "$(grep -c '^ok   kvm: ' "$TMP/check")" -ge 7 ]
    check "and nothing fails" sh -c "! grep -q FAIL $TMP/check"
else
    check "an incomplete KVM: check says what fails" grep -q '^FAIL kvm: ' "$TMP/check"
    refused "run says so in one line" "minivm check" ./minivm run --engine kvm -k $kernel
fi
check_equal "nothing of the other engine" "$(grep -v '^\(ok  \|FAIL\) kvm: ' "$TMP/check")" ""
check_status "check --quiet has the same status" \
    "$(./minivm check --engine kvm >/dev/null; echo $?)" ./minivm check --quiet --engine kvm
check_equal "and says nothing" "$(./minivm check --quiet --engine kvm 2>&1)" ""

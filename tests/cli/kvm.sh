#!/bin/sh
# A KVM that is missing, forbidden, none at all or not complete: minivm says which, and the cure.
. tests/lib.sh

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

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    # A /dev of our own. $1 makes it.
    in_dev() {
        setup=$1
        shift
        unshare -m sh -c "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && $setup
            exec \"\$@\"" sh "$@"
    }
    refused "no /dev/kvm" "/dev/kvm: No such file.*load kvm_intel or kvm_amd" \
        in_dev : ./minivm run -k $kernel
    refused "a /dev/kvm that is none" "API version" \
        in_dev 'ln /dev/null /dev/kvm' ./minivm run -k $kernel
    refused "a /dev/kvm without a driver" "/dev/kvm: No such device.*no virtualisation" \
        in_dev 'mknod /dev/kvm c 10 254' ./minivm run -k $kernel
    check_status "check says so too" 1 in_dev : ./minivm check
    if setpriv --reuid 65534 --regid 65534 --clear-groups test -r $kernel; then
        refused "no permission" "/dev/kvm: Permission denied.*group kvm" \
            in_dev 'mknod -m 600 /dev/kvm c 10 232' \
            setpriv --reuid 65534 --regid 65534 --clear-groups ./minivm run -k $kernel
    else
        skip "no permission" "no other user can read $PWD"
    fi
else
    skip "another /dev" "needs root and mount namespaces"
fi

if [ ! -w /dev/kvm ]; then
    skip "minivm check" "no access to /dev/kvm"
elif ./minivm check >"$TMP/check"; then
    check "a complete KVM: each mode is tried" [ "$(grep -c '^ok ' "$TMP/check")" -ge 7 ]
    check "and nothing fails" sh -c "! grep -q FAIL $TMP/check"
else
    check "an incomplete KVM: check says what fails" grep -q '^FAIL ' "$TMP/check"
    check "and what to do" grep -q 'tools/kvmhost' "$TMP/check"
    refused "run says so in one line" "minivm check" ./minivm run -k $kernel
fi
check_status "check --quiet has the same status" "$(./minivm check >/dev/null; echo $?)" \
    ./minivm check --quiet
check_equal "and says nothing" "$(./minivm check --quiet 2>&1)" ""

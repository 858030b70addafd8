#!/bin/sh
# tools/kvmhost from within: what the tests that run there rely on.
# needs: kvm
# takes: 1
. tests/lib.sh

[ -n "${KVMHOST-}" ] || skip_all "KVM works here without a kvmhost"

# An idle host whose timer interrupt the emulator forgot wakes up by one from outside.
count() {
    awk '/ttyS1$/ {n = $2} END {print n + 0}' /proc/interrupts
}
comes() {
    [ "$(count)" -gt "$first" ]
}
for n in 1 2; do
    first=$(count)
    check "an interrupt comes from outside ($n)" until_true comes
done
check "temporary files are in memory" [ "$(stat -f -c %T "$TMP")" = tmpfs ]
check "all others are this machine's" grep -q '^[^ ]* / 9p ' /proc/mounts
check "it runs commands as they are" tools/kvmhost -t 5 -m 100 -- [ "a  b" = "a  b" ]

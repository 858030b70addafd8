#!/bin/sh
# The CPU made of C against KVM, instruction by instruction: system instructions in all modes, the
# small guests, the 1K OS until it waits for its first timer interrupt.
# needs: kvm
# takes: 110
. tests/lib.sh

if [ -n "${KVMHOST-}" ]; then
    skip "pae" "nested paging breaks PAE here; by hand: tools/kvmhost -n build/soft/lockstep \
build/tests/soft/lockstep/pae.bin"
fi
for image in real protected tasks paging long; do
    set -- "$@" build/tests/soft/lockstep/$image.bin
done
[ -n "${KVMHOST-}" ] || set -- "$@" build/tests/soft/lockstep/pae.bin
for image in minimal hello multiplication fibonacci counter matrix write pmode; do
    set -- "$@" guest/$image.bin
done
set -- "$@" os-1k/kernel.bin
build/soft/lockstep "$@" >"$TMP/out" || true
for image; do
    if grep -q "^ok .* - $image\$" "$TMP/out"; then
        pass "$image: $(grep -B 1 "^ok .* - $image\$" "$TMP/out" | sed -n 's/^# //p')"
    else
        fail "$image" "$(cat "$TMP/out")"
    fi
done

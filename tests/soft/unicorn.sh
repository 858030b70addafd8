#!/bin/sh
# System instructions on the CPU made of C and on unicorn: random ones, always the same. For more:
# build/soft/unicorn CASES SEED.
# takes: 20
. tests/lib.sh

if [ -x build/soft/unicorn ]; then
    exec build/soft/unicorn 150000
fi
skip "system instructions do what unicorn makes of them" "there is no libunicorn-dev"
exit 4

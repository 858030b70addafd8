#!/bin/sh
# The decoder of the CPU made of C against another one: random bytes, always the same ones.
# takes: 10
. tests/lib.sh

name="lengths and names are those of Zydis"
if [ -x build/soft/zydis ]; then
    check "$name" build/soft/zydis 2000000
else
    skip "$name" "there is no libzydis-dev"
fi

#!/bin/sh
# What is on the 1K OS's disk: what is in os-1k/user and os-1k/files, and nothing that once was.
. tests/lib.sh

mkdir -p "$TMP/tree/tools" "$TMP/tree/hw" "$TMP/tree/build"
cp -r Makefile os-1k "$TMP/tree"
cp tools/need tools/formats "$TMP/tree/tools"
touch "$TMP/tree/build/ready" "$TMP/tree/build/formats"

# disk: its files, and whether it was made again.
disk() {
    (cd "$TMP/tree" && make build/os-1k/disk.tar >"$TMP/log" 2>&1 || cat "$TMP/log")
    echo "$(tar -tf "$TMP/tree/build/os-1k/disk.tar" | tr '\n' ' ')$(grep -c TAR "$TMP/log")"
}
find "$TMP/tree/os-1k/user" -name '*.c' ! -name libc.c ! -name gcd.c ! -name echo.c -delete
check_equal "all there are" "$(disk)" "echo gcd hello.txt readme.txt 1"
check_equal "made once" "$(disk)" "echo gcd hello.txt readme.txt 0"
rm "$TMP/tree/os-1k/user/gcd.c" "$TMP/tree/os-1k/files/hello.txt"
check_equal "without what was removed" "$(disk)" "echo readme.txt 1"

#!/bin/sh
# Several small guests at once, their output in a pipe: each line is whole, behind the name of its
# guest, and none is lost.
# engines: kvm soft
# takes: 15
. tests/lib.sh

# What guest $1 prints alone. The timer's numbers differ each time.
alone() {
    [ -e "$TMP/$1.alone" ] || ./minivm run "guest/$1" | any_time >"$TMP/$1.alone"
    cat "$TMP/$1.alone"
}

any_time() {
    sed 's/[0-9]* us$/N us/'
}

# The lines of each guest together, in their order.
by_guest() {
    sort -s -t ']' -k 1,1
}

# Runs guests $* at once: $TMP/out, $TMP/err, $status. Fails when a line is wrong.
together() {
    files= n=0
    for name; do
        alone "$name" | sed "s/^/[$n:$name] /"
        n=$((n + 1))
    done | by_guest >"$TMP/wanted"
    for name; do files="$files guest/$name"; done
    { ./minivm run --timeout $limit $files </dev/null 2>"$TMP/err"; echo $? >"$TMP/status"; } |
        any_time | by_guest >"$TMP/out"
    status=$(cat "$TMP/status")
    [ "$status" = 0 ] && [ ! -s "$TMP/err" ] && cmp "$TMP/wanted" "$TMP/out" && return
    echo "status $status"
    cat "$TMP/err"
    diff "$TMP/wanted" "$TMP/out"
    return 1
}

# repeated COUNT GUEST...
repeated() {
    times=$1
    shift
    while [ "$times" -gt 0 ]; do
        together "$@" || return
        times=$((times - 1))
    done
}

check "two" together hello counter
check "two of the same" together hello hello
check "four, a hundred times" repeated 100 hello counter fibonacci multiplication
check "four that need to know where they are" repeated 10 write pmode timer write
check "one that works while others talk" together matrix multiplication hctest write
check "five share the memory of four" repeated 5 write pmode timer write pmode
check "sixteen" repeated 5 hello counter fibonacci multiplication write pmode timer hctest \
    minimal hello counter fibonacci multiplication write pmode timer
check "sixteen of the same" repeated 5 timer timer timer timer timer timer timer timer timer \
    timer timer timer timer timer timer timer

# refused NAME WORDS FILE...
refused() {
    name=$1 words=$2 status=0
    shift 2
    ./minivm run "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    if [ $status = 125 ] && [ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
        grep -q "^minivm: .*$words" "$TMP/err"; then
        pass "$name"
    else
        fail "$name" "status $status from minivm run $*
$(head -n 20 "$TMP/out" "$TMP/err")"
    fi
}

hello=guest/hello
refused "seventeen are too many" "16" $hello $hello $hello $hello $hello $hello $hello $hello \
    $hello $hello $hello $hello $hello $hello $hello $hello $hello
head -c 65537 /dev/zero | tr '\0' '\220' >"$TMP/large"
head -c 262145 /dev/zero | tr '\0' '\220' >"$TMP/huge"
refused "a guest larger than its memory" "huge: .*256 KiB" $hello "$TMP/huge"
refused "that is smaller where there are more" "large: .*64 KiB" $hello $hello $hello $hello \
    "$TMP/large"
refused "one that is missing" "none: No such file" $hello "$TMP/none"

# status WANTED FILE...
status() {
    status=0 wanted=$1
    shift
    ./minivm run "$@" </dev/null >/dev/null 2>"$TMP/err" || status=$?
    check_equal "status $wanted of $#" "$status$(cat "$TMP/err")" "$wanted"
}

for number in 3 4; do
    gcc -m32 -nostdlib -static -I. -DSTATUS=$number \
        -Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none -o "$TMP/$number" tests/guest/bad.S ||
        exit 1
done
status 3 "$TMP/3"
status 3 $hello "$TMP/3" guest/timer
status 4 guest/timer "$TMP/4" "$TMP/3"

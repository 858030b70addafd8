#!/bin/sh
# Each small guest by itself: all that it prints, to the byte, its status, and what it costs.
# engines: kvm soft
# takes: 15
. tests/lib.sh

# run ARGUMENT...: into $TMP/out, $TMP/err and $status; stdin is $input.
run() {
    status=0
    ./minivm run --stat --timeout $limit "$@" <"$input" >"$TMP/out" 2>"$TMP/err" || status=$?
}

# ended NAME EXITS: its output is $TMP/wanted, its status 0; EXITS may be "any".
ended() {
    exits=$(sed -n 's/^CPU 0: \([0-9]*\) exits\{0,1\} .*/\1/p' "$TMP/err")
    if [ $status = 0 ] && [ "$(wc -l <"$TMP/err")" = 1 ]; then
        pass "$1 ends well, without a word"
    else
        fail "$1 ends well, without a word" "$status: $(head -n 20 "$TMP/err")"
    fi
    check "$1 prints what it should" cmp "$TMP/wanted" "$TMP/out"
    [ "$2" = any ] || check_equal "$1 takes $2 exits" "$exits" "$2"
}

# prints NAME EXITS [OPTION]: guest NAME, without input, prints $TMP/wanted.
prints() {
    input=/dev/null
    run ${3-} "guest/$1"
    ended "$1" "$2"
}

# echoes WORDS INPUT OUTPUT: printf's escapes.
echoes() {
    input=$TMP/input
    printf "$2" >"$input"
    printf "$3" >"$TMP/wanted"
    run guest/echo
    ended "echo: $1" any
}

table() {
    awk 'BEGIN {
        for (i = 2; i <= 9; i++)
            for (j = 1; j <= 9; j++)
                printf "%d*%d=%d%s", i, j, i * j, j < 9 ? " " : "\n"
    }'
}

fibonacci() {
    awk 'BEGIN {
        for (next_one = 1; n++ < 15; this = next_one - this) {
            print this + 0
            next_one += this
        }
    }'
}

product() {
    awk 'BEGIN {
        for (i = 0; i < 8; i++)
            for (j = 0; j < 8; j++) {
                sum = 0
                for (k = 0; k < 8; k++)
                    sum += (8 * i + k + 1) * (64 - 8 * k - j)
                printf "%d%s", sum, j < 7 ? " " : "\n"
            }
    }'
}

: >"$TMP/wanted"
prints minimal 1
echo 'Hello, KVM!' >"$TMP/wanted"
prints hello 13
echo 0123456789 >"$TMP/wanted"
prints counter 12
table >"$TMP/wanted"
prints multiplication 433
prints write 9
fibonacci >"$TMP/wanted"
prints fibonacci 31
product >"$TMP/wanted"
prints matrix 129
echo 'Hello from protected mode!' >"$TMP/wanted"
prints pmode 28
echo 'Hello, long mode!' >"$TMP/wanted"
prints hello64 19 --long

# hctest LINE INPUT-FILE
hctest() {
    input=$2
    {
        echo 'Hello!'
        echo '42 1234 0 65535'
        echo 'one WRITE for all of this line'
        echo "input: $1"
    } >"$TMP/wanted"
    run guest/hctest
    ended "hctest, input $1" any
}

hctest none /dev/null
echo xyz >"$TMP/xyz"
hctest x "$TMP/xyz"

echoes "nothing" '' ''
echoes "lines" 'one\n\ntwo\nunended' 'one\n\ntwo\nunended'
echoes "Enter is a newline" 'a\rb\r' 'a\nb\n'
echoes "q ends it" 'one\nqtwo\n' 'one\n'
echoes "Ctrl-D ends it" 'one\n\004two\n' 'one\n'
echoes "any byte" '\001\037\177\200\376\377\n' '\001\037\177\200\376\377\n'
long=$(seq 2000)
echoes "more than any buffer holds" "$long" "$long"
{
    echo early
    sleep 1
    echo late
} | ./minivm run --timeout $limit guest/echo >"$TMP/out"
check_equal "echo waits for a slow sender" "$(cat "$TMP/out")" "early
late"

# The clock is right or late, never early: a tick each 10 ms.
input=/dev/null
run guest/timer
cp "$TMP/out" "$TMP/timer"
sed 's/[0-9]* us$/N us/' "$TMP/timer" >"$TMP/out"
{
    seq -f 'tick %.0f after N us' 10
    echo 'period N us'
} >"$TMP/wanted"
ended timer any
check "timer: no tick comes early" awk '
    /^tick/ && $4 < $2 * 9990 { early = 1 }
    /^period/ && $2 < 9990 { early = 1 }
    { print }
    END { exit early }' "$TMP/timer"

# As it stands in the current directory, by its whole name, and by a path.
top=$PWD
cp guest/hello.bin "$TMP/hello.bin"
for name in hello hello.bin ./hello "$TMP/hello"; do
    check_equal "found as ${name##*/}" "$(cd "$TMP" && "$top/minivm" run "$name")" "Hello, KVM!"
done

# Debug output that nobody reads holds nobody up: mov al, 'x'; out 0xe9, al; and again.
printf '\260x\346\351\353\374' >"$TMP/debug.bin"
{ status=0; timeout -k 5 $limit ./minivm run --timeout 1 --debugcon "$TMP/debug.bin" \
    </dev/null 2>&1 >/dev/null || status=$?; echo $status >"$TMP/status"; } |
    { until [ -s "$TMP/status" ]; do sleep 0.1; done; }
check_equal "debug output that nobody reads holds nobody up" "$(cat "$TMP/status")" 124

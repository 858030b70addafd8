#!/bin/sh
# The 1K OS's input: editing a line, its end, Ctrl-C, and the silence in between.
# engines: kvm soft
# needs: kvm
# takes: 10
. tests/lib.sh

run="./minivm run --pmode os-1k/kernel.bin --timeout $limit --stat"

# session: types stdin; $TMP/out, $TMP/err, and by status as it may stand behind a pipe, its status.
session() {
    echo 0 >"$TMP/status"
    $run >"$TMP/out" 2>"$TMP/err" || echo $? >"$TMP/status"
}
status() {
    cat "$TMP/status"
}

# typed NAME BYTES WANTED: BYTES are typed at the echo program, which must then say WANTED.
typed() {
    printf '3\n%b\nquit\n0\n' "$2" | session
    check_equal "$1" "$(status) $(grep -a '^Echo' "$TMP/out")" "0 Echo: $3"
}

typed "Backspace" 'helx\blo' hello
typed "DEL" 'helx\0177lo' hello
typed "Backspace in an empty line" '\b\b\0177hello' hello
typed "all of a line taken back" 'abc\b\b\b\b\bhello' hello
check "what is taken back is wiped out" grep -q "$(printf '\\$ abc\b \b\b \b\b \bhello')" "$TMP/out"
typed "Enter of a terminal" 'hello\rquit\r' hello
typed "Tab and Escape are no text" 'he\tl\0033lo' hello
typed "UTF-8, a character back" 'gr\0303\0274\0303\0237\b\0303\0237en' "grüßen"
typed "Ctrl-C drops the line" 'bad\0003hello' "
Echo: hello"
long=$(printf '%0100d' 0 | tr 0 x)
typed "an overflow" "$long" "$(printf '%079d' 0 | tr 0 x)"
check_equal "rings the bell" "$(tr -dc '\007' <"$TMP/out" | wc -c)" 21
typed "which Backspace leads out of" "$long\\bhello" "$(printf '%078d' 0 | tr 0 x)h"
printf "%0300d\n0\n" 0 | sed 1s,0,x,g | session
check_equal "so it does in the shell" "$(status) $(grep -c 'try help$' "$TMP/out")" "0 1"

# Faster than it is read, and more than all buffers hold.
{
    echo 3
    seq -f 'line %g of some text' 600
    printf 'quit\n0\n'
} >"$TMP/pasted"
session <"$TMP/pasted"
check_equal "600 lines at once" "$(status) $(grep '^Echo' "$TMP/out" | md5sum)" \
    "0 $(seq -f 'Echo: line %g of some text' 600 | md5sum)"

# The end of the input ends the program, the shell and the machine.
session </dev/null
check_equal "no input at all" "$(status) $(tail -n 1 "$TMP/out")" "0 Select: "
printf '2\n' | session
check_equal "no 0 at the end" "$(status) $(grep -c '^0 1 2 3' "$TMP/out")" "0 1"
printf 2 | session
check_equal "a last line without its end" "$(status) $(grep -c '^0 1 2 3' "$TMP/out")" "0 1"
printf '3\nhello\n' | session
check_equal "within a program" "$(status) $(grep '^Echo' "$TMP/out") $(tail -n 1 "$TMP/out")" \
    "0 Echo: hello Select: "
printf '6\n1+1' | session
check_equal "within its line" "$(status) $(grep '^Result' "$TMP/out")" "0 Result: 2"
printf '2\n\004' | session
check_equal "Ctrl-D in an empty line is one too" "$(status)" 0
{
    echo 2
    sleep 2
} | session
check_equal "that comes later" "$(status) $(tail -n 1 "$TMP/out")" "0 Select: "
printf 'run count 3 &\n' | session
check_equal "while another runs" "$(status)" 0

until_said() {
    until_true grep -q "$1" "$TMP/out"
}

: >"$TMP/out"
{
    echo 'run count 1000000'
    until_said 'process 2: 3'
    printf 'forgotten\003free\n3\n'
    until_said '^\$ '
    printf '\003write new a\003free\nps\n0\n'
} | session
check_equal "Ctrl-C ends what runs, and what waits for input" \
    "$(status) $(grep -c '\^C' "$TMP/out") $(grep -c 'count$\|echo$' "$TMP/out")" "0 3 0"
check_equal "but not the shell" "$(grep -c 'pages of memory' "$TMP/out")" 2
check_equal "which has its memory back" "$(grep 'pages of memory' "$TMP/out" | sort -u | wc -l)" 1

exits() {
    sed -n "s/^CPU 0: \([0-9]*\) exits .*/\1/p" "$TMP/err"
}
io() {
    sed -n 's/.* io=\([0-9]*\).*/\1/p' "$TMP/err"
}

# Silence: exits are those of the timer, and none is an access to a port.
printf 'ticks\nticks\n0\n' | session
busy=$(exits) busy_io=$(io)
: >"$TMP/out"
{
    echo ticks
    until_said ' ticks, '
    sleep 4
    printf 'ticks\n0\n'
} | session
ticks=$(sed -n 's/ ticks, .*//p' "$TMP/out" | tr '\n' ' ')
silent=$((${ticks#* } - ${ticks%% *}))
check "4 silent seconds: the clock goes on" [ $silent -ge 100 ]
# Only how many bytes come in one interrupt can differ.
more=$(($(io) - busy_io))
check "no port is accessed" [ $more -le 30 ]
more=$(($(exits) - busy))
check "at most two exits a tick, to halt and to be interrupted" [ $more -le $((2 * silent + 60)) ]

#!/bin/sh
# The 1K OS's shell beyond its menu: files, processes, and programs that do what they must not.
# engines: kvm soft
# needs: kvm
# takes: 50
. tests/lib.sh

clock=

# session INPUT: $status, and in $said what came after the menu, without prompts and empty lines.
session() {
    status=0
    printf '%b\n0\n' "$1" |
        ./minivm run $clock --pmode os-1k/kernel.bin --timeout $limit >"$TMP/out" 2>"$TMP/err" || status=$?
    said=$(sed '1,/0\. Exit/d; /^Select: /d; /^$/d' "$TMP/out")
}

# repeat N LINE
repeat() {
    yes "$2" | head -n "$1" | tr '\n' '@' | sed 's/@$//; s/@/\\n/g'
}

# says NAME INPUT WANTED
says() {
    session "$2"
    check_equal "$1" "$status $said$(cat "$TMP/err")" "0 $3"
}

# like NAME INPUT PATTERN: an extended regular expression for all that is said, in one line.
like() {
    session "$2"
    if [ $status = 0 ] && echo "$said" | tr '\n' '|' | grep -qE "^$3\\|\$"; then
        pass "$1"
    else
        fail "$1" "status $status, said:
$said
wanted: $3"
    fi
}

says "an unknown word" "frob\n11\n-1\n1x\n  frob  nicate" \
    "frob: not in the menu, and no word that I know; try help
11: not in the menu, and no word that I know; try help
-1: not in the menu, and no word that I know; try help
1x: not in the menu, and no word that I know; try help
frob: not in the menu, and no word that I know; try help"
session help
for word in ps ls cat write run wait ticks free crash help; do
    check "help knows $word" grep -q "^  $word " "$TMP/out"
done

# Files.
says "cat" "cat hello.txt" "$(cat os-1k/files/hello.txt)"
says "cat of several blocks" "cat readme.txt" "$(grep -v '^$' os-1k/files/readme.txt)"
says "cat of nothing" "cat\ncat none" "(no name): no such file
none: no such file"
session ls
check_equal "ls: all files" "$(echo "$said" | sed 's/^ *[0-9]* //' | sort | tr '\n' ' ')" \
    "$( (cd os-1k/files && ls; cd ../user && echo *.c | tr ' ' '\n' | sed 's/\.c$//; /^libc$/d') |
        LC_ALL=C sort | tr '\n' ' ')"
check_equal "and their sizes" "$(echo "$said" | grep hello.txt)" \
    "$(printf '%6d hello.txt' "$(wc -c <os-1k/files/hello.txt)")"
says "write makes a file, and replaces it" \
    "write new some words\ncat new\nwrite new other  words\ncat new\ncat hello.txt" "some words
other  words
$(cat os-1k/files/hello.txt)"
says "write replaces a file of the archive" \
    "write hello.txt x\ncat hello.txt\ncat readme.txt\nrun counter" "x
$(grep -v '^$' os-1k/files/readme.txt)
0 1 2 3 4 5 6 7 8 9"
says "write wants a name" write "(no name): not possible"
session "write new\\nls"
check_equal "but no text" "$(echo "$said" | tail -n 1)" "     1 new"

# There is room for 64 KiB and what tar left, and each of these files takes 1 KiB.
writes() {
    awk "BEGIN { for (i = 1; i <= $1; i++) printf \"write file%d text of %d\\\\n\", i, i }"
}
session "$(writes 100)ls"
full=$(echo "$said" | sed -n 's/^file\([0-9]*\): no room left/\1/p')
first=$(echo "$full" | head -n 1)
check "a full file system has room for more than 60 files" [ "${first:-0}" -gt 60 ]
check_equal "and for none after that" "$full" "$(seq "$first" 100)"
check_equal "as ls says" "$(echo "$said" | grep -c ' file[0-9]*$')" $((first - 1))
says "those that there are can be read and replaced" \
    "$(writes "$first")cat file1\ncat file$((first - 1))\ncat file$first\nwrite file5 new
cat file5\ncat hello.txt" "file$first: no room left
text of 1
text of $((first - 1))
file$first: no such file
new
$(cat os-1k/files/hello.txt)"

# Processes.
like "ps" ps "  PID STATE    TICKS NAME\|    0 ready +[0-9]+ idle\|    1 running +[0-9]+ shell"
like "ticks go on" "ticks\nrun count 4\nticks" \
    "[0-9]+ ticks, 100 a second\|(process 2: [1-4]\|){4}[0-9]+ ticks, 100 a second"
ticks=$(echo "$said" | sed -n 's/ ticks.*//p' | tr '\n' ' ')
check "by what the program waited" [ $((${ticks#* } - ${ticks%% *})) -ge 20 ]
says "run of what is not there" "run none\nrun hello.txt\nrun\nrun &" "none: no such file
hello.txt: not a program
(no name): no such file
(no name): no such file"
says "a program that was overwritten" "write counter text\n2" "counter: not a program
=== 1K OS Menu ===
  1. Multiplication Table (2x1 ~ 9x9)
  2. Counter (0-9)
  3. Echo (interactive)
  4. Fibonacci Sequence
  5. Prime Numbers (up to 100)
  6. Calculator
  7. Factorial (0! ~ 12!)
  8. GCD (Greatest Common Divisor)
  9. About 1K OS
  10. Timer
  help. More commands
  0. Exit"

session "run gcd 48 36\n8 48 36"
check_equal "run is as the menu's item" "$(grep -c '^GCD(48, 36) = 12$' "$TMP/out")" 2

# By the instruction clock, a tick is always the same: the timer's second is the idle process's, a
# sleeper is woken by others before its time, and all sleep as long as they wanted to.
clock='--engine soft --soft-clock instructions'
session "run timer 2 & run timer 1 & run count 4 &\nwait\nps\nticks"
clock=
check_equal "two timers end in time, and have not been busy" "$(grep -ao ' [0-9]* idle$' "$TMP/out")
$(grep -ao '^[0-9]* ticks' "$TMP/out")
$(tr '\r' '\n' <"$TMP/out" | grep -ac '^\[.*\] [0-9.]* s')" " 180 idle
200 ticks
32"

# Two that never wait: only pre-emption lets the second speak before the first has ended. Their
# words may come behind a prompt.
session "run count & run count &\nps\nwait"
counts=$(grep -o 'process [0-9]*: [0-9]*' "$TMP/out")
check_equal "the first of two counts to 5" \
    "$(echo "$counts" | sed -n 's/process 2: //p' | tr '\n' ' ')" "1 2 3 4 5 "
check_equal "so does the second" \
    "$(echo "$counts" | sed -n 's/process 3: //p' | tr '\n' ' ')" "1 2 3 4 5 "
check_equal "the first begins before the second ends" \
    "$(echo "$counts" | sed -n '/process 2: 1$/,$p' | grep -c 'process 3: 5')" 1
check_equal "and the second before the first ends" \
    "$(echo "$counts" | sed -n '/process 3: 1$/,$p' | grep -c 'process 2: 5')" 1
check_equal "ps sees both" "$(grep -c 'ready.* count$' "$TMP/out")" 2

# A background program that reads gets its input when it is waited for.
session "run echo &\nhelp\nwait\nhello\nquit\ncat hello.txt"
check_equal "input goes to who is waited for" \
    "$(grep -oE 'Echo: hello|hello: not|^Hello from' "$TMP/out" | tr '\n' '|')" \
    "Echo: hello|Hello from|"

# 31 processes beside the idle one.
session "$(repeat 40 'run echo &')\nps"
check_equal "40 processes at once: 30, and a message" "$(echo "$said" | sed 's/^\$ //' |
    grep -c '^echo: no room left') $(grep -c '\(waiting\|ready\).* echo' "$TMP/out")" "10 30"

# Whatever ends gives back what it had.
session "free\n$(repeat 1000 'run counter')\nfree"
check_equal "1000 processes one after the other" "$status $(grep -c '^0 1 2' "$TMP/out")" "0 1000"
check_equal "leave the memory as it was" "$(grep -c 'pages of memory' "$TMP/out") $(
    grep 'pages of memory' "$TMP/out" | sort -u | wc -l)" "2 1"
session "free\nrun none\nrun hello.txt\ncrash\ncrash stack\nrun pointers\nrun count 2 &\nwait\nfree"
check_equal "so do those that fail" "$(grep -c 'pages of memory' "$TMP/out") $(
    grep 'pages of memory' "$TMP/out" | sort -u | wc -l)" "2 1"

# Programs that do what they must not: named, ended, and the shell goes on.
# crashes HOW PATTERN
crashes() {
    like "crash $1" "crash $1\n2" "crash: $2\|0 1 2 3 4 5 6 7 8 9\|=== .*"
}
at='at EIP 0x004[0-9a-f]{5}'
crashes "" "page fault $at, writing address 0x00000000"
crashes page "page fault $at, writing address 0x00000000"
crashes kernel "page fault $at, reading address 0x80001000"
crashes code "page fault $at, writing address 0x004[0-9a-f]{5}"
crashes stack "page fault $at, writing address 0x7fffeffc"
crashes divide "divide error $at"
crashes opcode "invalid opcode $at"
crashes io "general protection fault $at"
crashes halt "general protection fault $at"
crashes fpu "device not available $at"
says "crash help" "crash help" "crash page, kernel, code, stack, divide, opcode, io, halt or fpu"
says "bad pointers" "run pointers\ncat hello.txt" "0 calls went wrong
$(cat os-1k/files/hello.txt)"
session "$(repeat 100 'crash')\ncat hello.txt"
check_equal "100 crashes" "$status $(echo "$said" | grep -c 'page fault') $(
    echo "$said" | tail -n 1)" "0 100 $(cat os-1k/files/hello.txt)"

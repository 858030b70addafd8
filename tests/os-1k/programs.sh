#!/bin/sh
# The 1K OS: its menu, and what each program of it prints, byte for byte.
# engines: kvm soft
# needs: kvm
# takes: 5
. tests/lib.sh

cat >"$TMP/menu" <<'X'
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
  0. Exit

X

# session NAME INPUT: choose INPUT's first line from the menu, type the rest, leave. What it prints
# must be stdin between the menu and the menu.
session() {
    {
        cat "$TMP/menu"
        echo "Select: $(printf '%b' "$2" | head -n 1)"
        cat
        echo
        cat "$TMP/menu"
        echo "Select: 0"
    } >"$TMP/wanted"
    status=0
    printf '%b\n0\n' "$2" |
        ./minivm run --pmode os-1k/kernel.bin --timeout $limit >"$TMP/out" 2>"$TMP/err" || status=$?
    check_equal "$1: status 0, silent stderr" "$status$(cat "$TMP/err")" 0
    check "$1" diff -u "$TMP/wanted" "$TMP/out"
}

session "the multiplication table" 1 <<'X'
2*1=2 2*2=4 2*3=6 2*4=8 2*5=10 2*6=12 2*7=14 2*8=16 2*9=18
3*1=3 3*2=6 3*3=9 3*4=12 3*5=15 3*6=18 3*7=21 3*8=24 3*9=27
4*1=4 4*2=8 4*3=12 4*4=16 4*5=20 4*6=24 4*7=28 4*8=32 4*9=36
5*1=5 5*2=10 5*3=15 5*4=20 5*5=25 5*6=30 5*7=35 5*8=40 5*9=45
6*1=6 6*2=12 6*3=18 6*4=24 6*5=30 6*6=36 6*7=42 6*8=48 6*9=54
7*1=7 7*2=14 7*3=21 7*4=28 7*5=35 7*6=42 7*7=49 7*8=56 7*9=63
8*1=8 8*2=16 8*3=24 8*4=32 8*5=40 8*6=48 8*7=56 8*8=64 8*9=72
9*1=9 9*2=18 9*3=27 9*4=36 9*5=45 9*6=54 9*7=63 9*8=72 9*9=81
X
session "the counter" 2 <<'X'
0 1 2 3 4 5 6 7 8 9
X
session "the echo" '3\nhello\n\ntwo  words %d\nquit' <<'X'
Type a line, or quit.
$ hello
Echo: hello
$ 
Echo: 
$ two  words %d
Echo: two  words %d
$ quit
X
session "Fibonacci" 4 <<'X'
F(0) = 0
F(1) = 1
F(2) = 1
F(3) = 2
F(4) = 3
F(5) = 5
F(6) = 8
F(7) = 13
F(8) = 21
F(9) = 34
F(10) = 55
F(11) = 89
F(12) = 144
F(13) = 233
F(14) = 377
X
session "the primes" 5 <<'X'
2 3 5 7 11 13 17 19 23 29
31 37 41 43 47 53 59 61 67 71
73 79 83 89 97
Total: 25 primes
X
session "the calculator" '6\n12 + 5\n100 - 37\n6*7\n7/2\n7 % 2\nq' <<'X'
Type a sum such as 12 + 5, with + - * / or %, or q to leave.
> 12 + 5
Result: 17
> 100 - 37
Result: 63
> 6*7
Result: 42
> 7/2
Result: 3
> 7 % 2
Result: 1
> q
X
session "the factorials" 7 <<'X'
0! = 1
1! = 1
2! = 2
3! = 6
4! = 24
5! = 120
6! = 720
7! = 5040
8! = 40320
9! = 362880
10! = 3628800
11! = 39916800
12! = 479001600
X
session "the GCDs" 8 <<'X'
GCD(48, 18) = 6
GCD(100, 75) = 25
GCD(17, 13) = 1
GCD(270, 192) = 6
GCD(1071, 462) = 21
X
session "the GCD of two numbers" '8 48 36' <<'X'
GCD(48, 36) = 12
X
session "the GCD of what is no pair" '8 48 -36' <<'X'
gcd: name two numbers from 0 to 2147483647
X
# A line that is written again and again.
session "the timer" '10 1' <<X
$(for i in 0 1 2 3 4 5 6 7 8 9 10; do
    printf '\r[%-20s] %s s' "$(yes '##' | head -n $i | tr -d '\n')" $((i / 10)).$((i % 10))
done)
X
session "about" 9 <<'X'
1K OS: a small 32-bit operating system, after "Operating System in 1,000 Lines"

  - kernel in the upper half of memory, paging, page allocator
  - processes in ring 3, each in an address space of its own
  - pre-emptive round-robin scheduling, 100 ticks a second
  - system calls by int 0x80, with checked pointers
  - console input by interrupts; the idle processor halts
  - exceptions end the program that caused them
  - files in a tar archive, to read and to write
  - a C library and a shell in user mode
X
session "Enter shows the menu again" '' </dev/null

# Beside other guests it prints the same, behind its name.
printf '2\n0\n' | ./minivm run --pmode os-1k/kernel.bin --timeout $limit >"$TMP/alone"
printf '2\n0\n' | ./minivm run --pmode os-1k/kernel.bin guest/counter guest/pmode --timeout $limit \
    >"$TMP/out" 2>"$TMP/err"
check_equal "beside 16-bit programs" "$? $(cat "$TMP/err")" "0 "
check_equal "it does what it does alone" "$(sed -n 's/^\[0:kernel\] //p' "$TMP/out")" \
    "$(cat "$TMP/alone")"
check_equal "and so do they" "$(grep -v '^\[0' "$TMP/out" | sort)" "[1:counter] 0123456789
[2:pmode] Hello from protected mode!"
./minivm run guest/write guest/timer --long guest/hello64 --timeout $limit >"$TMP/out" 2>"$TMP/err"
check_equal "16-bit programs beside a 64-bit one" \
    "$? $(cat "$TMP/err")$(sed 's/^\(\[[0-9]*:[a-z0-9]*\]\).*/\1/' "$TMP/out" | sort | uniq -c | tr -s ' \n' ' ')" \
    "0  1 [0:hello64] 8 [1:write] 11 [2:timer] "

# The calculator's cases: what is typed, a tab, what it answers.
cat >"$TMP/cases" <<'X'
-5 + 3	Result: -2
5 - -3	Result: 8
-5--3	Result: -2
+4 * -3	Result: -12
-7 / 2	Result: -3
-7 % 2	Result: -1
  1  +  2  	Result: 3
2147483647 + 0	Result: 2147483647
2147483647 + 1	Error: overflow
-2147483648 - 0	Result: -2147483648
-2147483648 - 1	Error: overflow
0 - -2147483648	Error: overflow
65536 * 32767	Result: 2147418112
65536 * 32768	Error: overflow
-65536 * 32768	Result: -2147483648
-2147483648 / 1	Result: -2147483648
-2147483648 / -1	Error: overflow
-2147483648 % -1	Result: 0
-2147483647 / -1	Result: 2147483647
1 / 0	Error: division by zero
0 / 0	Error: division by zero
1 % 0	Error: division by zero
2147483648 + 0	Error: a number of 32 bits must come first
-2147483649 + 0	Error: a number of 32 bits must come first
99999999999999999999 + 0	Error: a number of 32 bits must come first
0 + 2147483648	Error: a number of 32 bits must come last
	Error: a number of 32 bits must come first
nonsense	Error: a number of 32 bits must come first
- 5 + 1	Error: a number of 32 bits must come first
5	Error: after the first number must come + - * / or %
5 ^ 2	Error: after the first number must come + - * / or %
5 +	Error: a number of 32 bits must come last
1 + 2 + 3	Error: there is something after the second number
quit	Error: a number of 32 bits must come first
X
session "the calculator's cases" "6\\n$(cut -f 1 "$TMP/cases")\\nq" <<X
Type a sum such as 12 + 5, with + - * / or %, or q to leave.
$(sed 's/^/> /; s/\t/\n/' "$TMP/cases")
> q
X

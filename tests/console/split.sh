#!/bin/sh
# Several guests on a divided screen, in tmux: what they print and how they end, the focus, looking
# back, a resize, and the screen as it was before.
# engines: kvm soft
. tests/lib.sh

run="./minivm run --split"

. tests/console/tmux

# alternate: 1 while somebody has the alternate screen.
alternate() {
    tmux display-message -p -t t '#{alternate_on}'
}

cooked=$(modes)
keys 'echo what was before' Enter
sees "the screen has something on it" '^what was before'
keys "$run guest/counter.bin guest/hello.bin guest/multiplication.bin guest/minimal.bin" Enter
sees "all guests end" 'All guests have ended'
check_equal "the screen is the alternate one" "$(alternate)" 1
sees "the first one's title" '^. 0:counter [- ]+ status 0 .\|'
sees "the second one's" '\|.* 1:hello .* status 0'
sees "the third one's, below" '^.* 2:multiplication .*status 0.*\|'
sees "the fourth one's" '\|.* 3:minimal .* status 0'
sees "the first two guests' output" '^0123456789 +\|Hello'
sees "and the third one's, to its end" '^.*9\*9=81 +\|'
keys Enter
sees "a key ends it" '^outer> *$'
sees "the screen is as before" '^what was before'
check_equal "nothing of the panes is left" "$(screen | grep -c 'status\||')" 0
check_equal "the normal one" "$(alternate)" 0
check_equal "and the terminal is as before" "$(modes)" "$cooked"

keys "clear; $run guest/echo.bin guest/echo.bin; echo status \$?" Enter
sees "two guests that echo" '0:echo .*1:echo'
check_equal "the line is raw" "$(modes)" "-echo -icanon -isig opost "
keys abc
sees "the first one hears what is typed" '^abc +\|$'
keys C-a n
keys de Enter
sees "Ctrl-A n: the second one does" '^abc +\|de$'
keys C-a n
keys fgh
sees "and the first one again" '^abcfgh +\|de$'
tmux resize-window -t t -x 60 -y 40
sees "after a resize they are one above the other" '^- 1:echo -+$'
sees "the second one's text moves with it" '^de$'
keys ij
sees "and input still arrives" '^abcfghij$'
tmux resize-window -t t -x 20 -y 2
sees "a screen can be too small" '^The screen is too'
tmux resize-window -t t -x 100 -y 30
sees "and large again" '^abcfghij +\|de$'
keys q
sees "a guest ends" '0:echo .* status 0 -\|'
keys kl
sees "and gives the focus to the other" '\|kl$'
keys C-a x
sees "Ctrl-A x quits with status 0" '^status 0'
check_equal "gives the screen back" "$(alternate)" 0
check_equal "and the terminal" "$(modes)" "$cooked"

keys "clear; $run guest/echo.bin guest/echo.bin" Enter
sees "again" '0:echo .*1:echo'
i=0
while [ $i -lt 60 ]; do
    keys "line $i" Enter
    i=$((i + 1))
done
sees "output scrolls" '^line 59 '
keys C-a u
sees "Ctrl-A u looks back" 'looking back'
sees "at earlier lines" '^line 30 '
keys C-a v
sees "Ctrl-A v forward again" '^line 59 '
kill -TERM "$(pid_of_minivm)"
sees "a signal ends it" '^outer> *$'
check_equal "and the screen comes back" "$(alternate)" 0
check_equal "and the modes" "$(modes)" "$cooked"

for signal in STOP SEGV; do
    keys "clear; $run guest/echo.bin guest/echo.bin" Enter
    sees "another" '0:echo .*1:echo'
    keys C-a h
    sees "Ctrl-A h helps" '^Ctrl-A x +quit'
    keys C-a n
    sees "until the next such key" '^Ctrl-A n next'
    check_equal "and takes no place any more" "$(screen | grep -c 'quit')" 1
    keys abc
    sees "it runs" '\|abc'
    case $signal in
    STOP)
        kill -TSTP "$(pid_of_minivm)"
        sees "stopped from outside" 'Stopped'
        check_equal "the shell has its screen back" "$(alternate)" 0
        check_equal "and its modes" "$(modes)" "$cooked"
        keys fg Enter
        sees "and in the foreground again it goes on" '\|abc'
        keys d
        sees "as before" '\|abcd'
        check_equal "on the other screen" "$(alternate)" 1
        keys C-a x
        ;;
    *) kill -$signal "$(pid_of_minivm)" ;;
    esac
    sees "SIG$signal: back in the shell" '^outer> *$'
    check_equal "with its screen" "$(alternate)" 0
    check_equal "and its modes" "$(modes)" "$cooked"
done

# Stopped while frames are on their way: none comes after the screen was given back.
printf '\260A\272\370\003\356\353\375' >"$TMP/spam.bin" # mov al, 'A'; mov dx, 0x3f8; out; jmp to it
clear_screen
keys "$run $TMP/spam.bin $TMP/spam.bin guest/echo.bin" Enter
sees "guests that print without end" '[|]A+'
torn=0
stopped() {
    [ "$(alternate)" = 0 ] && on_screen Stopped
}
for round in 1 2 3 4 5 6 7 8; do
    kill -TSTP "$(pid_of_minivm)"
    until_true stopped
    sleep 0.1
    ! screen | grep -q AAAA || torn=$((torn + 1))
    clear_screen
    keys fg Enter
    sees "on again, round $round" '[|]A+'
done
check_equal "stopped, they leave nothing on the shell's screen" $torn 0
keys C-a x
sees "Ctrl-A x ends them" '^outer> *$'

# In the background the screen is the shell's.
clear_screen
keys "$run $TMP/spam.bin guest/echo.bin & echo started" Enter
sees "in the background" '^started'
sleep 0.3
check_equal "the screen is left alone" "$(alternate)" 0
keys fg Enter
sees "until it is in the foreground" '[|] 1:echo|1:echo'
keys C-a x
sees "and ends" '^outer> *$'

clear_screen
keys "$run --verbose guest/hello guest/echo" Enter
sees "--verbose would draw over the panes" 'overwrite the panes'

check_status "without a terminal --split is an error" 125 $run guest/hello.bin guest/minimal.bin

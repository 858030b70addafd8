#!/bin/sh
# A guest on a terminal, typed at in tmux and read from its screen: keys, the escape to minivm, job
# control in the guest and of minivm itself, and the terminal's modes, which come back every time.
# engines: kvm soft
# needs: kvm
# takes: 45
. tests/lib.sh

run="./minivm run -k $(tests/boot/vmlinux cloud-amd64) -i build/initramfs.cpio $fast"

. tests/console/tmux
history=200

cooked=$(modes)
keys "$run; echo status \$?" Enter
sees "a prompt" '^minivm:/#'
is_raw() {
    [ "$(modes)" = "-echo -icanon -isig -opost " ]
}
check_equal "the line is raw" "$(modes)" "-echo -icanon -isig -opost "
keys 'uname -s' Enter
sees "what is typed runs" '^Linux'
keys 'stty size; echo $TERM' Enter
sees "the guest knows the terminal's size" '^30 100'
sees "and its kind" '^(screen|tmux)'
clear_screen
keys 'echo begins; sleep 1000' Enter
sees "a program runs" '^begins'
keys C-c
keys 'echo after $?' Enter
sees "Ctrl-C is the guest's" 'after 130'
clear_screen
keys 'echo begins; sleep 1000' Enter
sees "another runs" '^begins'
keys C-z
keys 'jobs' Enter
sees "Ctrl-Z too: there is job control" 'Stopped +sleep 1000'
clear_screen
keys C-a h
sees "Ctrl-A h helps" 'Ctrl-A x +quit'
keys C-a d
sees "Ctrl-A d says where the guest is" 'CPU 0: 64-bit mode, RIP 0x[0-9a-f]+, halted, interrupts on'
clear_screen
keys Enter 'echo begins; cat -v' Enter
sees "another runs" '^begins'
keys C-a C-a Enter
sees "Ctrl-A Ctrl-A sends one" '^\^A$'
keys C-d
clear_screen
keys C-a b
keys h
keys Enter 'dmesg | grep -o sysrq.*HELP' Enter
sees "Ctrl-A b sends a break, to SysRq" '^sysrq: HELP'
clear_screen
tmux resize-window -t t -x 60 -y 20
keys 'echo resized' Enter
sees "a resize does no harm" '^resized'
keys 'while [ "$(stty size)" = "30 100" ]; do sleep .1; done; stty size' Enter
sees "and the guest knows of it" '^20 60'

# The outer shell's job control.
clear_screen
kill -TSTP $(pid_of_minivm)
sees "stopped from outside" 'Stopped'
check_equal "the shell has its terminal back" "$(modes)" "$cooked"
keys 'fg; echo status $?' Enter
until_true is_raw
keys 'echo again' Enter
sees "and in the foreground again it goes on" '^again'
check_equal "raw" "$(modes)" "-echo -icanon -isig -opost "
keys C-a x
sees "Ctrl-A x quits with status 0" 'status 0'
check_equal "and gives the terminal back" "$(modes)" "$cooked"

# What was typed before the terminal was given back may be lost.
back() {
    on_screen '^outer>' || { keys Enter && false; }
}
signals='TERM HUP INT SEGV ABRT'
[ $engine = soft ] || signals='TERM SEGV' # console/stalled has more of them, with a guest that starts at once
for signal in $signals; do
    clear_screen
    keys "$run" Enter
    sees "another guest" '^minivm:/#'
    kill -$signal $(pid_of_minivm)
    until_true back
    sees "SIG$signal ends it" '^outer>'
    check_equal "and gives the terminal back" "$(modes)" "$cooked"
done

clear_screen
keys "$run -- sh -c 'tty; stty size; while [ \"\$(stty size)\" = \"20 60\" ]; do sleep .1; done; stty size; exit 6'; echo status \$?" Enter
sees "a command on a terminal has one" '^/dev/ttyS0'
sees "of its size" '^20 60'
tmux resize-window -t t -x 70 -y 25
sees "and of its new size" '^25 70'
sees "and its status arrives" 'status 6'
check_equal "and the terminal is given back" "$(modes)" "$cooked"

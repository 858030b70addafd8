#!/bin/sh
# A command in Linux with some of stdin, stdout and stderr on a terminal, and the others in files: each is
# what it is here, and gets what is for it. The keys after Ctrl-A work, whoever reads the files.
# engines: soft
# takes: 60
. tests/lib.sh

kernel=$(tests/boot/vmlinux cloud-amd64)
run="./minivm run -k $kernel -i build/initramfs.cpio --timeout $limit $fast"
gcc -O1 -Wall -Wextra -Werror -o "$TMP/pty" tests/console/pty.c || exit 1
"$TMP/pty" -- true >/dev/null || skip_all "no pseudo-terminals here"

cat >"$TMP/command" <<'X'
for fd in 0 1 2; do if [ -t $fd ]; then kinds="${kinds}t"; else kinds="${kinds}f"; fi; done
echo "ready $kinds"
read line
echo "out $line"
echo "err $line" >&2
X

# said FILE WORDS: what is in a file, or the lines of the screen with the words, where what is typed is, too
said() {
    if [ "$1" = "$TMP/screen" ]; then tr -d '\r' <"$1" | grep -aE "$2"; else cat "$1"; fi
}

for kinds in tft ttf tff ftt fft ftf; do
    rm -f "$TMP/ready" "$TMP/ended" "$TMP/out" "$TMP/err" "$TMP/screen"
    redirect= stdin_here= out=$TMP/screen err=$TMP/screen
    echo hello >"$TMP/in"
    case $kinds in f??) redirect="<$TMP/in" ;; *) stdin_here=yes ;; esac
    case $kinds in ?f?) redirect="$redirect >$TMP/out" out=$TMP/out ;; esac
    case $kinds in ??f) redirect="$redirect 2>$TMP/err" err=$TMP/err ;; esac
    set -- wait "$TMP/ended"
    [ -z "$stdin_here" ] || set -- wait "$TMP/ready" type hello^J "$@"
    "$TMP/pty" "$@" -- sh -c "$run -- sh -c '$(cat "$TMP/command")' $redirect; s=\$?; touch $TMP/ended; exit \$s" \
        >"$TMP/screen" 2>&1 &
    pid=$!
    until_true grep -aqsE 'ready|status' "$TMP/out" "$TMP/screen"
    touch "$TMP/ready"
    wait $pid
    check_equal "$kinds (terminal or file: stdin, stdout, stderr)" "$(said "$out" '^ready|^out')
$(said "$err" ^err)
$(tail -n 1 "$TMP/screen")" "ready $kinds
out hello
err hello
status 0, modes as before"
done

# stdout is a pipe that nobody reads.
mkfifo "$TMP/fifo"
exec 7<>"$TMP/fifo"
"$TMP/pty" wait "$TMP/full" type ^Ax -- sh -c "exec $run -- sh -c 'echo begun >&2; exec cat /dev/zero' >$TMP/fifo 7<&-" >"$TMP/screen" &
pid=$!
until_true grep -aq begun "$TMP/screen"
sleep 2
touch "$TMP/full"
wait $pid
check_equal "Ctrl-A x" "$(tail -n 1 "$TMP/screen")" "status 130, modes as before"
exec 7<&-

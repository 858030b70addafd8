#!/bin/sh
# The command line: what is asked for is given, what is wrong is refused in one line, status 125.
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz

# refused NAME WORDS ARGUMENT...: minivm says why, in one line with WORDS in it, and nothing else.
refused() {
    name=$1 words=$2 status=0
    shift 2
    "$minivm" "$@" </dev/null >"$TMP/out" 2>"$TMP/err" || status=$?
    if [ $status = 125 ] && [ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" = 1 ] &&
        grep -q "^minivm: .*$words" "$TMP/err"; then
        pass "$name"
    else
        fail "$name" "status $status from minivm $*
$(cat "$TMP/out" "$TMP/err")"
    fi
}

# says NAME WORDS ARGUMENT...: minivm prints WORDS on stdout, status 0.
says() {
    name=$1 words=$2
    shift 2
    check "$name" sh -c "$minivm $* | grep -q -- '$words'"
}

mkdir "$TMP/bin"
printf '#!/bin/sh\nexec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-\nexec sleep 1000\n' >"$TMP/bin/passt"
chmod +x "$TMP/bin/passt"

for minivm in ./minivm build/asan/minivm; do
    [ -x $minivm ] || continue
    says "version" "^minivm [0-9]" version
    says "help" "minivm run" help
    says "help by check --help" "minivm run" check --help
    says "help by inspect -h" "minivm run" inspect -h
    for option in kernel boot module exit-port debugcon initrd cmdline mem cpus entry timeout no-reboot symbols stat verbose \
        split long pmode; do
        says "help run: --$option" "--$option" help run
    done
    for status in 124 125 126; do
        says "help run: status $status" "^ *$status " help run
    done

    refused "no command" "run, snapshot, check, inspect, cache, help" ""
    refused "an unknown command" "unknown command frob" frob
    refused "help on what has none" "no help on frob" help frob
    refused "nothing to run" "name a program or a kernel" run
    refused "a 17th program" "at most 16" run 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17
    refused "two kinds of guests" "exclude" run --pmode os.bin --long guest.bin
    refused "two kernels" "exclude" run --pmode os.bin --kernel README.md
    refused "--cpus for a program" "name several programs" run -c 2 guest/minimal.bin
    refused "--cpus for a 32-bit kernel" "has one CPU" run -c 2 --pmode guest/minimal.bin
    refused "an initramfs for a program" "is for kernels" run guest/minimal.bin -i README.md
    refused "a command line for a program" "is for kernels" run guest/minimal.bin -p quiet
    refused "a command for a program" "is for kernels" run guest/minimal.bin -- true
    refused "--split of one" "several programs" run --split guest.bin
    refused "--split without a terminal" "needs a terminal" run --split guest.bin guest.bin
    refused "an unknown option" "--frob" run --frob
    refused "an unknown short option" "-x" run -x
    refused "an option without its value" "--kernel needs a value" run --kernel
    refused "a flag with a value" "--no-reboot takes no value" run --no-reboot=1
    refused "a disk that is missing" "none.img: No such file" run -d none.img guest/minimal
    refused "a disk with a word that is none" "none.img,rw: no such file, .* ro or snapshot" \
        run -d none.img,rw guest/minimal
    refused "a disk that is a directory" "tests: a directory is no disk" run -d tests,ro guest/minimal
    refused "a disk of no whole sectors" "README.md: its [0-9]* bytes are no whole sectors of 512" \
        run --disk README.md,snapshot guest/minimal
    refused "a disk for several guests" "for one guest" \
        run --disk README.md,ro guest/minimal guest/minimal
    refused "a disk without a name" "--disk: the file.s name is missing" run --disk '' guest/minimal
    refused "a share without a name" "--share: the directory.s name is missing" \
        run -k $kernel --share =tag
    refused "a share with a word that is none" "may follow a comma is ro" \
        run -k $kernel --share tests=tag,rw
    refused "modules for nobody" "no initramfs that could load them" run -k $kernel --modules tests
    refused "a network with a word that is none" "what is foo" run --net=mtu=1500,foo guest/minimal
    refused "a word behind nothing" "what is foo" run --net=,foo guest/minimal
    refused "a tap device that is not there" "no such device; make one: ip tuntap add none mode tap" \
        run --net tap=none guest/minimal
    refused "a tap device's name" "not the name of a device" run --net tap=0123456789abcdef guest/minimal
    refused "a tap device that forwards" "forward= is passt.s" \
        run --net tap=none,forward=127.0.0.1:8022:22 guest/minimal
    refused "queues of passt" "of a tap device" run --net queues=2 guest/minimal
    refused "queues" "from 1 to 8" run --net tap=none,queues=9 guest/minimal
    refused "an MTU that is no number" "--net mtu 9k: not a number" run --net mtu=9k guest/minimal
    refused "a forward without a port" "write .udp:.ADDR:PORT:PORT" \
        run --net=forward=127.0.0.1::22 guest/minimal
    refused "a forward without ports" "write .udp:.ADDR:PORT:PORT" \
        run --net=forward=127.0.0.1:22 guest/minimal
    refused "a forward by a name" "write .udp:.ADDR:PORT:PORT" \
        run --net forward=localhost:8022:22 guest/minimal
    refused "a forward of no port" "from 1 to 65535" run -n forward=udp:[::1]:8022:70000 guest/minimal
    refused "a card without an address of its own" "not a card.s address" \
        run -n mac=ff:ff:ff:ff:ff:ff guest/minimal
    refused "an MTU for nobody" "from 1280 to 65520" run -n mtu=68 guest/minimal
    check_equal "a passt that hangs up and stays" \
        "$(PATH=$TMP/bin:$PATH $minivm run --net guest/minimal 2>&1)" "minivm: --net: passt: ended at once"
    refused "a network for several guests" "for one guest" run -n guest/minimal guest/minimal
    refused "a network in a run that repeats" "no run repeats" \
        run -n --engine soft --soft-clock instructions guest/minimal
    refused "a vsock without a path" "write CID=PATH" run $kernel --vsock 3
    refused "a vsock without a CID" "write CID=PATH" run $kernel --vsock /run/vm
    refused "a CID that is the host's" "from 3 to 4294967294" run $kernel --vsock "2=$TMP/vm"
    refused "a CID that is anybody's" "from 3 to 4294967294" run $kernel --vsock "4294967295=$TMP/vm"
    refused "two CIDs" "one too many" run $kernel --vsock "3=$TMP/vm" --vsock "4=$TMP/vm"
    refused "a vsock for a program" "is for kernels" run guest/minimal.bin --vsock "3=$TMP/vm"
    refused "a vsock in a run that repeats" "no run repeats" \
        run $kernel --vsock "3=$TMP/vm" --engine soft --soft-clock instructions
    refused "a vsock whose path is too long" "may have 96 bytes" \
        run $kernel --vsock "3=$(printf '/%096d' 0)"
    refused "a vsock where there is no directory" "cannot listen there: No such file" \
        run --engine soft guest/multiboot.elf --vsock "3=$TMP/none/vm"
    refused "a vsock where a file is" "no socket: name another path" \
        run --engine soft guest/multiboot.elf --vsock 3=README.md
    refused "a command without an initramfs" "--initrd" run -k $kernel -- true
    refused "a way that there is not" "--boot lilo: unpacked, bzimage, pvh" run --boot lilo $kernel
    refused "a way that the kernel does not offer" "can be booted by multiboot" run --boot multiboot $kernel
    refused "a way for a program" "is for kernels" run --boot pvh guest/minimal.bin
    refused "a module for a program" "is for kernels" run --module README.md guest/minimal.bin
    refused "a missing module" "none: No such file" run --module none,words guest/multiboot.elf
    refused "a module without a name" "name is missing" run --module ,words guest/multiboot.elf
    refused "a module for Linux" "say --initrd" run --module README.md $kernel
    refused "--entry for what has one" "by multiboot, a kernel has one" run --entry 64 guest/multiboot.elf
    refused "a text among programs" "a text file" run guest/minimal.bin README.md
    refused "a port that is none" "not a port" run --exit-port 0x10000 $kernel
    refused "a port that is taken" "in the way of serial8250" run --exit-port 0x3f8 guest/minimal
    refused "a debug file that cannot be" "none/none: No such file" \
        run --debugcon=none/none guest/minimal
    refused "inspect without a file" "name one file" inspect
    refused "inspect a missing file" "none: No such file" inspect none
    refused "-- without a command" "command" run -k README.md -i README.md --
    for size in '' 0 -1 -1M x 12Q 1MM M 99999999999999999999 18446744073709551615T; do
        refused "--mem '$size'" "--mem" run -k README.md --mem "$size"
    done
    refused "--mem of more than the host has" "more than this host" run -k README.md -m 1000000G
    for cpus in '' 0 65 -1 x 1x 99999999999999999999; do
        refused "--cpus '$cpus'" "--cpus" run -k README.md --cpus "$cpus"
    done
    for seconds in '' 0 -1 x nan inf 1e99; do
        refused "--timeout '$seconds'" "--timeout" run -k README.md --timeout "$seconds"
    done
    refused "--entry 16" "32 or 64" run -k README.md --entry 16
    refused "check with an unknown option" "--frob" check --frob
done

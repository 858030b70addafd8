#!/bin/sh
# What people type who come from other monitors, or by mistake: minivm says in one line, status 125,
# what was probably meant.
. tests/lib.sh

kernel=build/kernels/cloud-amd64/vmlinuz
cpio=build/initramfs.cpio

# Each line: the arguments => the whole message. $kernel and $cpio stand for their paths.
cat >"$TMP/table" <<'TABLE'
guest/hello => did you mean: minivm run guest/hello
$kernel -i $cpio => did you mean: minivm run $kernel -i $cpio
--pmode os-1k/kernel.bin => did you mean: minivm run --pmode os-1k/kernel.bin
rnu => unknown command rnu; did you mean: minivm run
inspekt FILE => unknown command inspekt; did you mean: minivm inspect
run --append x => --append: here it is -p, --cmdline STRING
run -append x => -append: here it is -p, --cmdline STRING
run -kernel $kernel => -kernel: here it is KERNEL, or -k, --kernel FILE
run -no-reboot x => -no-reboot: here it is --no-reboot
run -stat x => -stat: write it with two dashes, --stat
run -boot d => -boot: no firmware: kernels are entered directly
run --linux=$kernel => --linux: here it is KERNEL, or -k, --kernel FILE
run --paging os-1k/kernel.bin => --paging: here it is --pmode FILE
run --long-mode guest/hello64 => --long-mode: here it is --long FILE
run guest/hello64 => guest/hello64.bin: its code looks like that of a 64-bit program: say --long guest/hello64.bin (or --real, if it is a 16-bit one)
run guest/hello os-1k/kernel.bin => os-1k/kernel.bin: its code looks like that of a 32-bit program: say --pmode os-1k/kernel.bin (or --real, if it is a 16-bit one)
run -smp 2 => -smp: here it is -c, --cpus N
run --cpu 2 => --cpu 2: for the number of CPUs say --cpus 2
run -cpu host => -cpu: here it is --cpu portable, or nothing: it is as the engine has it
run --memory 1G => --memory: here it is -m, --mem SIZE
run -e true => -e: here it is -- COMMAND [ARG]..., at the end
run -enable-kvm => -enable-kvm: here it is --engine kvm, soft or auto
run -device isa-debug-exit => -device: here it is --exit-port PORT, which is there already; other devices cannot be chosen
run -nographic => -nographic: not needed: the guest's COM1 is on stdin and stdout, and there is no screen
run -serial stdio => -serial: not needed: the guest's COM1 is on stdin and stdout, and there is no screen
run -name vm => -name: here it is --name NAME
run -s => -s: no gdb yet; Ctrl-A d, Ctrl-A r, --timeout, --symbols FILE and --verbose show a guest
run -S => -S: no gdb yet; Ctrl-A d, Ctrl-A r, --timeout, --symbols FILE and --verbose show a guest
run --gdb => --gdb: no gdb yet; Ctrl-A d, Ctrl-A r, --timeout, --symbols FILE and --verbose show a guest
run --hda disk => --hda: here it is -d, --disk FILE[,ro][,snapshot]
run -drive file=disk => -drive: here it is -d, --disk FILE[,ro][,snapshot]
run --virtfs disk => --virtfs: here it is --share DIR[=TAG][,ro]
run -nic user => -nic: here it is -n, --net[=forward=ADDR:PORT:PORT,...], by passt
run -bios bios.bin => -bios: no firmware: kernels are entered directly
run --version => --version: that is a command, minivm version
run --timout 3 => unknown option --timout; did you mean --timeout?
run --kern $kernel => unknown option --kern; did you mean --kernel?
run --intrid=$cpio => unknown option --intrid; did you mean --initrd?
run --frobnicate => unknown option --frobnicate; 'minivm help run' lists them
run -z => unknown option -z; 'minivm help run' lists them
run -= => unknown option -=; 'minivm help run' lists them
run --= => unknown option --; 'minivm help run' lists them
run --pmode --stat os-1k/kernel.bin => --pmode needs a value: it takes the file, --pmode os-1k/kernel.bin
run -k -m 1G => -k needs a value: -k FILE
run --mem --stat => --mem needs a value: --mem SIZE
run $kernel --cmdline a b -i $cpio => b: no such file; if it is part of the command line, quote that: --cmdline 'a b'
run $kernel -pa b c -i $cpio => b: no such file; if it is part of the command line, quote that: -p 'a b c'
run $kernel --params=a=b c => c: no such file; if it is part of the command line, quote that: --params 'a=b c'
run $kernel $cpio => $cpio: an initramfs; did you mean: minivm run $kernel --initrd $cpio
run -k $kernel $cpio => -k $kernel and $cpio exclude each other; an initramfs goes with --initrd
run $kernel guest/hello => $kernel: a kernel, which runs alone
run -k $kernel --pmode x => -k and --pmode exclude each other
run --pmode x -k $kernel --long y => -k and --pmode exclude each other
run -i $cpio guest/hello => -i is for kernels, and guest/hello.bin is a flat program
run --pmode os-1k/kernel.bin -p quiet => -p is for kernels, and os-1k/kernel.bin is a flat program
run -c 2 guest/hello => -c: each 16-bit program has one CPU; name several programs
run -c 99 $kernel => -c 99: from 1 to 64
run $kernel -p 4 => -p 4: for the number of CPUs say --cpus 4; for a command line, --cmdline 4
run $kernel --cmdline 4 --cpus 99 => --cpus 99: from 1 to 64
run $kernel --entry => --entry needs a value: --entry 32|64
run -k guest/hello.bin => guest/hello.bin: no kernel that minivm knows (bzImage, PVH, Multiboot, 64-bit vmlinux); a 16-bit program goes without -k
run -m=x $kernel => -m x: not a size; write 256M or 2G (a plain number is in MiB)
run -m x $kernel => -m x: not a size; write 256M or 2G (a plain number is in MiB)
run --engine bochs $kernel => --engine bochs: auto, kvm or soft
TABLE

while read -r line; do
    line=$(echo "$line" | sed "s|\$kernel|$kernel|g; s|\$cpio|$cpio|g")
    arguments=${line%% => *} wanted="minivm: ${line#* => }" status=0
    # The words are to be split.
    got=$(./minivm $arguments 2>&1 </dev/null) || status=$?
    check_equal "minivm $arguments" "$status $got" "125 $wanted"
done <"$TMP/table"

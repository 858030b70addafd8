# minivm: a small virtual machine monitor.
#
#   make          build everything          make run     boot Linux to a shell
#   make test     run all tests             make bench   measure against QEMU
#   make quick    those of a minute         make bench-io  disks, networks, shares
#   make check    style and layers          make tour    what to read, in order
#   make compare  KVM, engine soft, native  make docs    the lists in the manual
#   make fuzz     fuzz without end          make soak    boot a hundred times
#   make distro   boot Debian from a disk           make soak-distro   boot that fifty times
#   make soak-kill   kill minivm 200 times while a guest writes to its disks
#   make soak-fs     torture shared directories and disks
#   make soak-kaslr  boot both kernels a hundred times at random addresses
#   make install  below PREFIX, /usr/local
#   make clean    remove what was built
#
# make run takes what `minivm run` takes: make run ARGS='--cpus 4 --mem 1G'

# As many jobs at once as there are processors, if it is not said how many. (`make clean all` is one
# after the other.)
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS))$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
ALL_CFLAGS = -std=gnu11 $(WARNINGS) -I. -MMD -MP $(HARDEN) $(CFLAGS)
# With these a mistake of ours is a crash rather than a hole. They cost engine soft nothing: a loop of
# integers takes the same instructions of the host, to the last. (The sanitizers look in their own way,
# and without optimisation the C library cannot.)
HARDEN = $(if $(filter -fsanitize=% -O0,$(CFLAGS)),,-fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=3)
HARDEN_LINK = -Wl,-z,relro,-z,now,-z,noexecstack
SANITIZE = -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LIBS = $(addprefix -l,$(shell tr A-Z a-z <$B/formats)) -lz -ljansson -lmd -lpthread

# One rule set serves both builds: B is build, and build/asan when make calls itself for it.
B = build
K = build/kernels
FLAVOUR = cloud-amd64

LIB_SRC := $(sort $(wildcard hw/*.c x86/*.c x86/soft/*.c boot/*.c) \
    $(filter-out %/main.c,$(wildcard tools/minivm/*.c)))
UNIT := $(patsubst tests/unit/%.c,$B/unit/%,$(sort $(wildcard tests/unit/*.c))) $B/unit/unpack-gzip
SOFT := $B/soft/native $(if $(wildcard /usr/include/Zydis/Zydis.h),$B/soft/zydis) \
    $(if $(wildcard /usr/include/unicorn/unicorn.h),$B/soft/unicorn)
SNIPPETS := $(patsubst %.S,build/%.bin,$(sort $(wildcard tests/soft/lockstep/*.S)))
FUZZERS := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/*-fuzz.c)))
GUEST_TOOLS := build/initramfs/minivm-exit build/initramfs/minivm-tty build/initramfs/minivm-ports
GUESTS := $(patsubst %.S,%.bin,$(sort $(filter-out guest/multiboot.S,$(wildcard guest/*.S)))) \
    guest/multiboot.elf
OS_KERNEL := $(addsuffix .o,$(basename $(sort $(wildcard os-1k/kernel/*.[cS])))) os-1k/lib.o
OS_LIBC := os-1k/user/start.o os-1k/user/libc.o os-1k/lib.o
OS_PROGRAMS := $(filter-out libc,$(basename $(notdir $(sort $(wildcard os-1k/user/*.c)))))
OS_DISK := $(OS_PROGRAMS:%=build/os-1k/bin/%) $(sort $(wildcard os-1k/files/*))

# A line for each step; make V=1 shows the whole commands.
quiet = $(if $(V),,@)
say = @printf '  %-5s %s\n'

.DELETE_ON_ERROR:
.SECONDARY:

all: minivm build/minivm.1 build/initramfs.cpio $(GUESTS) os-1k/kernel.bin

# Linked statically it starts in half the time.
minivm: build/tools/minivm/main.o build/libminivm.a
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -static-pie $(HARDEN_LINK) -o $@ $^ $(LIBS)

# The manual, of which the options are those of minivm's own table (make docs).
build/minivm.1: tools/manual.md tools/manpage tools/minivm/minivm.h
	@mkdir -p $(@D)
	$(say) MAN $@
	$(quiet)tools/manpage $$(sed -n 's/.*MINIVM_VERSION "\(.*\)"/\1/p' tools/minivm/minivm.h) <$< >$@

build/asan/minivm: $B/tools/minivm/main.o $B/libminivm.a
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$B/libminivm.a: $(LIB_SRC:%.c=$B/%.o)
	@rm -f $@
	@ar rcs $@ $^

$B/%.o: %.c | build/ready
	@mkdir -p $(@D)
	$(say) CC $<
	$(quiet)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The CPU in C lets the host's arithmetic set the flags, in the syntax of the manual; and its
# operations jump to each other, each from a place of its own, by which the host foresees where to.
# (The sanitizers' care for arrays would make calls of that, and so does no optimisation at all.)
$B/x86/soft/%.o: ALL_CFLAGS += $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),,-O1) -masm=intel -foptimize-sibling-calls -fno-ipa-icf \
    -fno-partial-inlining --param asan-stack=0 -fno-sanitize=object-size
$B/tests/unit/soft-integer.o: ALL_CFLAGS += -masm=intel

$B/unit/%: $B/tests/unit/%.o $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# Instructions compared with the real processor, and with another decoder where there is one.
$B/soft/native: $(patsubst %,$B/tests/soft/%.o,native generate exceptions freedoms cases real made) $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$B/soft/zydis: $B/tests/soft/zydis.o $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ -lZydis $(LIBS)

# System instructions compared with those of another CPU in software, where there is one.
$B/soft/unicorn: $(patsubst %,$B/tests/soft/%.o,unicorn system-make system-known) $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ -lunicorn $(LIBS)

# The compressions that boot/unpack.c can be built with here, apart from gzip, and uring for disks.
# To look again: make clean. To build without: make WITHOUT=all, or some of lzma zstd lz4 bz2 uring.
$B/formats: tools/formats build/ready
	@mkdir -p $(@D)
	$(quiet)CC='$(CC)' tools/formats $(WITHOUT) >$@
	$(say) WITH "gzip $$(tr 'A-Z\n' 'a-z ' <$@)"

USE_FORMATS = $B/boot/unpack.o $B/hw/uring.o $(patsubst %,$B/tests/unit/%.o,unpack unpack-fuzz image)
$(USE_FORMATS): $B/formats
$(USE_FORMATS): ALL_CFLAGS += $(addprefix -DHAVE_,$(shell cat $B/formats))

# The same as where none of their libraries is.
$B/unit/unpack-gzip: tests/unit/unpack.c boot/unpack.c $B/libminivm.a tests/unit/pack.h
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -o $@ $(filter-out %.h,$^) $(LIBS)

# What is missing is installed by the targets that do more than build. The others name it.
INSTALL = $(filter run distro test quick check bench bench-soft bench-io compare fuzz soak soak-distro soak-kill soak-fs soak-kaslr,$(MAKECMDGOALS))
NEED = tools/need $(if $(INSTALL),,-n)

build/ready: tools/need
	@$(NEED) build
	@$(if $(WITHOUT),,$(NEED) formats)
	@mkdir -p build && touch $@

# The small guests: flat binaries, 16-bit ones linked at offset 0 of their segment.
GUEST_LD = -m elf_i386 -Ttext=0
build/guest/hello64.o: GUEST_BITS = -m64
guest/hello64.bin: GUEST_LD = -m elf_x86_64 -Ttext=0x100000

build/guest/%.o: guest/%.S | build/ready
	@mkdir -p $(@D)
	$(say) AS $<
	$(quiet)$(CC) $(or $(GUEST_BITS),-m32) -I. -MMD -MP -c -o $@ $<

guest/%.bin: build/guest/%.o
	$(quiet)ld $(GUEST_LD) -e 0 --oformat binary -o $@ $<

# The soft CPU against KVM, and what they are given to run.
$B/soft/lockstep: $B/tests/soft/lockstep.o $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

# A guest that is carried from one to the other.
$B/soft/carry: $B/tests/soft/carry.o $B/libminivm.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(quiet)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

build/tests/soft/lockstep/%.o: tests/soft/lockstep/%.S | build/ready
	@mkdir -p $(@D)
	$(say) AS $<
	$(quiet)$(CC) -I. -MMD -MP -c -o $@ $<

build/tests/soft/lockstep/%.bin: build/tests/soft/lockstep/%.o
	$(quiet)ld -m elf_x86_64 -Ttext=0x8000 -e 0x8000 -n --oformat binary -o $@ $<

# The Multiboot guest; its header comes first, and within the first 8 KiB of the file.
MULTIBOOT_CFLAGS = -std=gnu11 $(WARNINGS) -O2 -m32 -masm=intel -ffreestanding -fno-pic \
    -fno-stack-protector -fno-asynchronous-unwind-tables -mgeneral-regs-only

guest/multiboot.elf: guest/multiboot.S guest/multiboot.c | build/ready
	$(say) CC $@
	$(quiet)$(CC) $(MULTIBOOT_CFLAGS) -nostdlib -static -no-pie -o $@ $^ \
	    -Wl,-m,elf_i386,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments

# The 1K OS: its programs and os-1k/files go into a tar archive, that into the kernel.
OS_CFLAGS = -std=gnu11 $(WARNINGS) -I. -MMD -MP -O2 -g -m32 -masm=intel -ffreestanding -fno-pic \
    -fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing \
    -ffunction-sections -mgeneral-regs-only -Wno-unused-parameter

build/os-1k/%.o: os-1k/%.c | build/ready
	@mkdir -p $(@D)
	$(say) CC $<
	$(quiet)$(CC) $(OS_CFLAGS) -c -o $@ $<

build/os-1k/%.o: os-1k/%.S | build/ready
	@mkdir -p $(@D)
	$(say) AS $<
	$(quiet)$(CC) -m32 -I. -MMD -MP -c -o $@ $<

build/os-1k/bin/%: build/os-1k/user/%.o $(OS_LIBC:%=build/%)
	@mkdir -p $(@D)
	$(quiet)ld -m elf_i386 -z noseparate-code --gc-sections -Ttext-segment=0x400000 -e start -s -o $@ $^

build/os-1k/disk.tar: $(OS_DISK) build/os-1k/disk.list
	$(say) TAR $@
	$(quiet)tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=644 \
	    --transform='s|.*/||' -cf $@ $(OS_DISK)

# A program or file that is gone leaves the disk: no newer file tells that, but the list of them.
build/os-1k/disk.list: always
	@mkdir -p $(@D)
	@echo '$(OS_DISK)' | cmp -s - $@ || echo '$(OS_DISK)' >$@

build/os-1k/kernel/entry.o: build/os-1k/disk.tar

build/os-1k/kernel.elf: os-1k/kernel.ld $(OS_KERNEL:%=build/%)
	$(say) LINK $@
	$(quiet)ld -m elf_i386 --no-warn-rwx-segments -T $< -o $@ $(filter %.o,$^)

os-1k/kernel.bin: build/os-1k/kernel.elf
	$(quiet)objcopy -O binary $< $@

# Programs of the initramfs. With musl they are a tenth of what they are with glibc, and every boot
# unpacks them. It leaves the kernel's headers to the system.
GUEST_CC = musl-gcc -std=gnu11 $(WARNINGS) -I. -idirafter /usr/include \
    -idirafter /usr/include/x86_64-linux-gnu -Os -static -Wl,-z,noseparate-code,--build-id=none -s

# What --root starts with, which minivm has inside.
build/initramfs/minivm-root: initramfs/root.c initramfs/dhcp.c initramfs/dhcp.h initramfs/ports.c \
    initramfs/ports.h hw/port-hypercall-abi.h

$B/tools/minivm/root.o: build/initramfs/minivm-root

build/initramfs/minivm-ports: initramfs/minivm-ports.c initramfs/ports.c initramfs/ports.h

build/initramfs/minivm-root build/initramfs/minivm-ports: | build/ready
	@mkdir -p $(@D)
	$(say) CC $@
	$(quiet)$(GUEST_CC) -o $@ $(filter %.c,$^)

build/initramfs/%: initramfs/%.S hw/port-hypercall-abi.h | build/ready
	@mkdir -p $(@D)
	$(say) AS $<
	$(quiet)$(CC) -nostdlib -static -Wl,-n,--build-id=none -s -I. -o $@ $<

build/initramfs.cpio: tools/mkinitramfs initramfs/init $(wildcard initramfs/etc/*) $(GUEST_TOOLS)
	$(say) CPIO $@
	$(quiet)tools/mkinitramfs -o $@

$K/%/package: | build/ready
	@tools/fetch-kernels $*

# Under ASan its shadow lies where the samples expect nothing.
unit: $(UNIT) $(if $(filter build,$B),$(SOFT) $B/soft/lockstep $B/soft/carry $(SNIPPETS))

# What is missing is installed before the make within, which would only name it.
asan: build/ready
	@$(MAKE) --no-print-directory B=build/asan CFLAGS='$(SANITIZE)' unit build/asan/minivm

# A serial line has no end, so the guest's shell is told to exit where the input is no terminal.
LINUX = ./minivm run --kernel $K/$(FLAVOUR)/vmlinuz --initrd build/initramfs.cpio $(ARGS)
run: all $K/$(FLAVOUR)/package
	@if [ -t 0 ]; then exec $(LINUX); else { cat; echo; echo exit; } | $(LINUX); fi

# A disk with a small Debian, and the modules of the kernel that boots it.
build/debian.img: tools/mkdisk $K/amd64/package
	@$(NEED) distro
	$(say) DISK $@
	$(quiet)tools/mkdisk -o $@ --modules $K/amd64/modules

# The same for the tests, which go on without where it cannot be had.
try-distro: all $K/amd64/package
	@tools/need try-distro
	@[ -n "$$(command -v mmdebstrap)" ] || exit 0; \
	    timeout 900 $(MAKE) -s --no-print-directory build/debian.img || echo '  DISK  not made: goes on without'

distro: all build/debian.img
	./minivm run --kernel $K/amd64/vmlinuz --root build/debian.img $(ARGS)

# Where it is not the bzImage that matters, tests take what is in it: the stock kernel takes a guest of
# engine soft nine seconds to unpack.
$K/%/vmlinux: $K/%/package
	@tests/boot/vmlinux $* >/dev/null

test: all unit asan check try-distro $(patsubst %,$K/%/package,amd64 cloud-amd64 686-pae xen memtest86+) \
    $(patsubst %,$K/%/vmlinux,amd64 cloud-amd64 686-pae)
	@tools/need test
	@tools/need network
	@./minivm check --quiet --engine kvm || tools/need kvmhost
	tests/run $(TESTS)

# What a small change breaks first: the units, the small guests and the 1K OS, on engine soft.
quick: all unit
	tests/run unit guest@soft os-1k@soft

check:
	@tools/need test
	tools/layers
	tools/tour --check
	clang-format --dry-run -Werror $$(find $(wildcard hw x86 boot tools tests guest os-1k) -name '*.[ch]')

bench: all $K/$(FLAVOUR)/package
	@tools/need bench
	@./minivm check --quiet --engine kvm || tools/need kvmhost
	tools/bench
	@$(MAKE) --no-print-directory bench-soft

bench-soft: all $K/$(FLAVOUR)/package
	@tools/need bench-soft
	tools/bench-soft

bench-io: all $K/$(FLAVOUR)/package $K/amd64/package
	@tools/need bench-io
	@./minivm check --quiet --engine kvm || tools/need kvmhost
	tools/bench-io $(ARGS)

fuzz: asan unit
	n=1; while for f in $(FUZZERS); do build/asan/unit/$$f 100000 $$n || exit; done && \
	    for f in $(SOFT); do $$f 3000000 $$n; case $$? in 0 | 4) ;; *) exit 1 ;; esac; done; do \
	    n=$$((n + 1)); done

soak: all $K/cloud-amd64/package
	tests/soak $(or $(N),100) $(ARGS)

# Both kernels, each time at other addresses.
soak-kaslr: all $K/cloud-amd64/package $K/amd64/package
	tests/soak-kaslr $(or $(N),100) $(ARGS)

# The same with a Debian from a disk; and with kills while a guest writes to its disks.
soak-distro: all build/debian.img $K/cloud-amd64/package
	tests/soak-distro $(or $(N),50) $(ARGS)

soak-kill: all $K/cloud-amd64/package
	tests/devices/killed.sh $(or $(N),200)
	tests/soak-kill $(or $(N),200) $(ARGS)

# N: seconds for each of stress-ng's stressors
soak-fs: all $K/cloud-amd64/package
	@tools/need soak-fs
	tests/soak-fs $(or $(N),5) $(ARGS)

compare: all
	@tools/compare

tour:
	@tools/tour

docs: minivm
	@tools/docs

PREFIX = /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share

install: minivm build/minivm.1 build/initramfs.cpio
	install -Dm755 minivm $(DESTDIR)$(PREFIX)/bin/minivm
	install -Dm644 build/minivm.1 $(SHARE)/man/man1/minivm.1
	install -Dm644 build/initramfs.cpio $(SHARE)/minivm/initramfs.cpio
	install -Dm644 tools/completion/minivm.bash $(SHARE)/bash-completion/completions/minivm
	install -Dm644 tools/completion/_minivm $(SHARE)/zsh/site-functions/_minivm

clean:
	rm -rf build minivm guest/*.bin guest/*.elf os-1k/kernel.bin

-include $(wildcard $B/*/*.d $B/*/*/*.d $B/*/*/*/*.d)

.PHONY: always all unit asan run try-distro distro test quick check bench bench-soft bench-io fuzz soak soak-distro soak-kill soak-fs soak-kaslr \
    compare tour docs install clean

# minivm: a small virtual machine monitor.
#
#   make          build everything          make run     boot Linux to a shell
#   make test     run all tests             make bench   measure against QEMU
#   make check    style and layers          make clean   remove what was built

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
ALL_CFLAGS = -std=gnu11 $(WARNINGS) -I. -MMD -MP $(CFLAGS)
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LIBS = -lz -lpthread

# One rule set serves both builds: B is build, or build/asan when make calls itself for it.
B = build

LIB_SRC := $(sort $(wildcard hw/*.c x86/*.c boot/*.c))
TOOL_SRC := $(sort $(wildcard tools/minivm/*.c))
UNIT := $(patsubst tests/unit/%.c,$B/unit/%,$(sort $(wildcard tests/unit/*.c)))

.DELETE_ON_ERROR:
.SECONDARY:

all: minivm

minivm: $(TOOL_SRC:%.c=$B/%.o) $B/libminivm.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$B/libminivm.a: $(LIB_SRC:%.c=$B/%.o)
	@rm -f $@
	ar rcs $@ $^

$B/%.o: %.c | $B/ready
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$B/unit/%: $B/tests/unit/%.o $B/libminivm.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

unit: $(UNIT)

asan-unit:
	$(MAKE) --no-print-directory B=build/asan CFLAGS='-O1 -g $(SANITIZE)' unit

$B/ready:
	@mkdir -p $B
	@touch $@

clean:
	rm -rf build minivm

-include $(wildcard $B/*/*.d $B/*/*/*.d)

.PHONY: all unit asan-unit clean

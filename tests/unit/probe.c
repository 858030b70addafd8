// SPDX-License-Identifier: MIT
/*
 * The tiny guests that show what a KVM can do: what they claim of themselves.
 */
#include "tests/unit/test.h"
#include "x86/probe.h"

static struct ram ram;
static struct cpu_state state;

static const uint8_t *load(enum probe_mode mode)
{
    probe_load(&ram, mode, &state);
    return ram_at(&ram, state.cs.base + state.rip, 16);
}

static void modes(void)
{
    static const char *const words[] = {
        [PROBE_REAL] = "real mode",
        [PROBE_FLAT32] = "32-bit protected mode",
        [PROBE_PAGED32] = "32-bit protected mode with paging",
        [PROBE_LONG] = "64-bit mode",
        [PROBE_SPEED] = "64-bit mode",
    };

    for (enum probe_mode mode = 0; mode < PROBE_MODES; mode++) {
        load(mode);
        CHECK(!strcmp(cpu_mode(&state), words[mode]));
        CHECK(probe_name(mode));
    }
}

/* mov ecx, count; then a loop of two instructions. */
static void speed(void)
{
    const uint8_t *code = load(PROBE_SPEED);
    uint32_t count = code[1] | code[2] << 8 | code[3] << 16 | (uint32_t)code[4] << 24;

    CHECK_EQ(code[0], 0xb9);
    CHECK_EQ(2 * count, PROBE_INSTRUCTIONS);
}

static void bounds(void)
{
    for (enum probe_mode mode = 0; mode < PROBE_MODES; mode++) {
        uint8_t *beyond = ram_at(&ram, PROBE_END, 0x1000);

        memset(beyond, 0x5a, 0x1000);
        load(mode);
        for (int i = 0; i < 0x1000; i++)
            CHECK_EQ(beyond[i], 0x5a);
    }
}

int main(void)
{
    ram_init(&ram, 1 << 20);
    return test_main((struct test[]){
        {modes, "each starts in its mode"},
        {speed, "the loop is as long as its user believes"},
        {bounds, "all they use is below PROBE_END"},
        {0},
    });
}

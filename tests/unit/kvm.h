/* SPDX-License-Identifier: MIT */
/*
 * For tests of engine KVM, and for those of either engine.
 */
#ifndef TESTS_UNIT_KVM_H
#define TESTS_UNIT_KVM_H

#include "tests/unit/test.h"
#include "tests/unit/thread.h"
#include "x86/kvm.h"
#include "x86/vcpu.h"

#include <stdlib.h>
#include <unistd.h>

/* Run the tests, or say why they cannot run here: main()'s status. */
static inline int test_main_kvm(const struct test *t)
{
    char problem[512];
    int kvm = kvm_device(problem, sizeof(problem));

    if (kvm < 0) {
        printf("1..0 # SKIP %s\n", problem);
        return 4;
    }
    close(kvm);
    return test_main(t);
}

/* Run the tests with the engine that $MINIVM_ENGINE names, else the one that *engine is: main()'s
 * status. One that hangs is ended. */
static inline int test_main_engine(const struct test *t, const struct engine **engine)
{
    const char *name = getenv("MINIVM_ENGINE");

    alarm(TEST_LIMIT_S);
    if (!name || strcmp(name, "kvm"))
        return test_main(t);
    *engine = &kvm_engine;
    return test_main_kvm(t);
}

#endif

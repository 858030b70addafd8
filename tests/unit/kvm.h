/* SPDX-License-Identifier: MIT */
/*
 * For tests of engine KVM.
 */
#ifndef TESTS_UNIT_KVM_H
#define TESTS_UNIT_KVM_H

#include "tests/unit/test.h"
#include "x86/kvm.h"

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

#endif

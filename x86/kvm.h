/* SPDX-License-Identifier: MIT */
/*
 * The host's KVM, for code outside the engine: is it there, and is it complete?
 */
#ifndef X86_KVM_H
#define X86_KVM_H

#include <stddef.h>

/* Open /dev/kvm; its descriptor, or -1 with the cause and the cure in problem. */
int kvm_device(char *problem, size_t size);

/* The name of a capability that minivm needs and this KVM lacks, or NULL. */
const char *kvm_missing(int fd);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The network of a guest that has no init of its own.
 */
#ifndef INITRAMFS_DHCP_H
#define INITRAMFS_DHCP_H

/*
 * Bring up the loopback interface, and each Ethernet interface with what a DHCP server says:
 * address, route, MTU, and name servers, which /etc/resolv.conf then names. IPv6 the kernel
 * configures by itself. Where none answers within three seconds a line on stderr says so. Needs
 * /sys and /run.
 */
void network_up(void);

#endif

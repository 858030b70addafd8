// SPDX-License-Identifier: MIT
/*
 * A DHCP client.
 *
 * After: RFC 2131 (Dynamic Host Configuration Protocol), RFC 2132 (DHCP Options), RFC 791, RFC 768;
 * packet(7), netdevice(7), rtnetlink's ioctls in rt(7).
 *
 * Left out: renewing a lease, as a guest that runs a command does not outlive it; releasing it.
 */
#define _GNU_SOURCE
#include "initramfs/dhcp.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SERVER_PORT = 67,
    CLIENT_PORT = 68,
    BOOTREQUEST = 1,
    BOOTREPLY = 2,
    BROADCAST = 0x8000,
    MAGIC = 0x63825363,

    DISCOVER = 1, /* of MESSAGE_TYPE */
    OFFER = 2,
    REQUEST = 3,
    ACK = 5,

    SUBNET_MASK = 1, /* options */
    ROUTER = 3,
    NAME_SERVERS = 6,
    DOMAIN = 15,
    MTU = 26,
    REQUESTED = 50,
    MESSAGE_TYPE = 53,
    SERVER = 54,
    WANTED = 55,
    END = 255,

    OPTIONS = 312,
    TRIES = 3,
    PATIENCE = 1000, /* ms, for each */
    LINK = 100,      /* ms for a card to find that it has a link */
};

/* A message of RFC 2131, in its datagram. */
struct message {
    struct iphdr ip;
    struct udphdr udp;
    uint8_t op, htype, hlen, hops;
    uint32_t xid;
    uint16_t secs, flags;
    uint32_t ciaddr, yiaddr, siaddr, giaddr;
    uint8_t chaddr[16], sname[64], file[128];
    uint32_t magic;
    uint8_t options[OPTIONS];
} __attribute__((packed));

struct client {
    const char *name; /* of the interface */
    int inet, packet; /* sockets */
    struct sockaddr_ll everyone;
    uint8_t mac[6];
    uint32_t xid;
};

/* The option's value, len bytes at least; NULL when it is not there. *got is how many it has. */
static const uint8_t *option(const struct message *m, int wanted, int len, int *got)
{
    const uint8_t *s = m->options, *last = s + OPTIONS;

    while (last - s >= 2 && *s != END) {
        if (!*s) {
            s++;
            continue;
        }
        if (s[1] > last - s - 2)
            return NULL;
        *got = s[1];
        if (*s == wanted && *got >= len)
            return s + 2;
        s += 2 + s[1];
    }
    return NULL;
}

static uint32_t address(const struct message *m, int wanted)
{
    int n;
    const uint8_t *s = option(m, wanted, 4, &n);
    uint32_t a = 0;

    if (s)
        memcpy(&a, s, sizeof(a));
    return a;
}

static uint16_t checksum(const void *header)
{
    uint16_t word[sizeof(struct iphdr) / 2];
    uint32_t sum = 0;

    memcpy(word, header, sizeof(word));
    for (size_t i = 0; i < sizeof(word) / 2; i++)
        sum += word[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16));
}

/* DISCOVER, or REQUEST of what was offered. */
static void ask(const struct client *c, const struct message *offer)
{
    struct message m = {
        .ip = {.version = 4,
               .ihl = 5,
               .tot_len = htons(sizeof(m)),
               .ttl = 64,
               .protocol = IPPROTO_UDP,
               .daddr = INADDR_BROADCAST},
        .udp = {.source = htons(CLIENT_PORT),
                .dest = htons(SERVER_PORT),
                .len = htons(sizeof(m) - sizeof(m.ip))},
        .op = BOOTREQUEST,
        .htype = ARPHRD_ETHER,
        .hlen = sizeof(c->mac),
        .xid = c->xid,
        .flags = htons(BROADCAST),
        .magic = htonl(MAGIC),
    };
    const uint8_t wanted[] = {
        MESSAGE_TYPE, 1,  offer ? REQUEST : DISCOVER, WANTED, 5, SUBNET_MASK, ROUTER, NAME_SERVERS,
        DOMAIN,       MTU};
    uint8_t *s = m.options;

    memcpy(m.chaddr, c->mac, sizeof(c->mac));
    memcpy(s, wanted, sizeof(wanted));
    s += sizeof(wanted);
    if (offer) {
        uint32_t server = address(offer, SERVER);

        *s++ = REQUESTED;
        *s++ = 4;
        s = (uint8_t *)mempcpy(s, &offer->yiaddr, 4);
        *s++ = SERVER;
        *s++ = 4;
        s = (uint8_t *)mempcpy(s, &server, 4);
    }
    *s = END;
    m.ip.check = checksum(&m);
    sendto(c->packet, &m, sizeof(m), 0, (const struct sockaddr *)&c->everyone, sizeof(c->everyone));
}

/* Is it the server's answer of that type to what c asked? */
static bool is_answer(const struct client *c, const struct message *m, ssize_t size, int type)
{
    int n;
    const uint8_t *t = option(m, MESSAGE_TYPE, 1, &n);

    return size >= (ssize_t)offsetof(struct message, options) && m->ip.ihl == 5 &&
           m->ip.protocol == IPPROTO_UDP && m->udp.dest == htons(CLIENT_PORT) &&
           m->op == BOOTREPLY && m->xid == c->xid && m->magic == htonl(MAGIC) &&
           !memcmp(m->chaddr, c->mac, sizeof(c->mac)) && t && *t == type;
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Is the link up, soon after the interface is? A driver that cannot tell says that it is. */
static bool has_link(const struct client *c)
{
    int64_t deadline = now() + LINK;
    char name[64], state = 0;

    snprintf(name, sizeof(name), "/sys/class/net/%s/carrier", c->name);
    do {
        int fd = open(name, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, &state, 1) < 1)
            state = '1';
        close(fd);
        if (state == '1')
            return true;
        poll(NULL, 0, 1);
    } while (now() < deadline);
    return false;
}

/* Wait for an answer; false when none comes. */
static bool hear(const struct client *c, struct message *m, int type)
{
    int64_t deadline = now() + PATIENCE, left;
    struct pollfd p = {.fd = c->packet, .events = POLLIN};

    while ((left = deadline - now()) > 0 && poll(&p, 1, left) > 0) {
        memset(m, 0, sizeof(*m));
        if (is_answer(c, m, recv(c->packet, m, sizeof(*m), 0), type))
            return true;
    }
    return false;
}

static bool lease(struct client *c, struct message *m)
{
    struct message offer;

    for (int i = 0; i < TRIES; i++) {
        ask(c, NULL);
        if (!hear(c, &offer, OFFER))
            continue;
        ask(c, &offer);
        if (hear(c, m, ACK))
            return true;
    }
    return false;
}

static struct sockaddr inet_address(uint32_t a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = a};
    struct sockaddr s;

    memcpy(&s, &in, sizeof(s));
    return s;
}

static bool set(const struct client *c, unsigned long request, struct ifreq *r)
{
    strncpy(r->ifr_name, c->name, IFNAMSIZ - 1);
    return !ioctl(c->inet, request, r);
}

/* To a router that is outside the network there is a route of its own. */
static void add_routes(const struct client *c, const struct message *m)
{
    uint32_t router = address(m, ROUTER), mask = address(m, SUBNET_MASK);
    struct rtentry to_router = {.rt_dst = inet_address(router),
                                .rt_genmask = inet_address(INADDR_NONE),
                                .rt_flags = RTF_UP | RTF_HOST,
                                .rt_dev = (char *)c->name};
    struct rtentry others = {.rt_dst = inet_address(0),
                             .rt_genmask = inet_address(0),
                             .rt_gateway = inet_address(router),
                             .rt_flags = RTF_UP | RTF_GATEWAY,
                             .rt_dev = (char *)c->name};

    if (!router)
        return;
    if ((router ^ m->yiaddr) & mask)
        ioctl(c->inet, SIOCADDRT, &to_router);
    if (ioctl(c->inet, SIOCADDRT, &others))
        fprintf(stderr, "minivm: %s: cannot set its route: %m\n", c->name);
}

/* /etc/resolv.conf, which may lead to a file of /run that a resolver has made on the host. It is
 * mounted over, so that also a root that is written through to the host keeps its own. */
static void name_servers(const struct message *m)
{
    int n, fd;
    const uint8_t *s = option(m, NAME_SERVERS, 4, &n), *domain;
    char link[PATH_MAX] = "", *run;
    FILE *f = s ? fopen("/run/minivm-resolv.conf", "w") : NULL;

    if (!f)
        return;
    for (; n >= 4; n -= 4, s += 4)
        fprintf(f, "nameserver %d.%d.%d.%d\n", s[0], s[1], s[2], s[3]);
    domain = option(m, DOMAIN, 1, &n);
    if (domain && !memchr(domain, '\n', n))
        fprintf(f, "search %.*s\n", n, (const char *)domain);
    fclose(f);

    if (readlink("/etc/resolv.conf", link, sizeof(link) - 1) > 0 && (run = strstr(link, "run/"))) {
        if (chdir("/"))
            return;
        for (char *slash = strchr(run, '/'); (slash = strchr(slash + 1, '/'));) {
            *slash = 0;
            mkdir(run, 0755);
            *slash = '/';
        }
    }
    fd = open("/etc/resolv.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    mount("/run/minivm-resolv.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL);
}

static void take(const struct client *c, const struct message *m)
{
    struct ifreq addr = {.ifr_addr = inet_address(m->yiaddr)};
    struct ifreq mask = {.ifr_netmask = inet_address(address(m, SUBNET_MASK))};
    struct ifreq mtu = {0};
    int n;
    const uint8_t *s = option(m, MTU, 2, &n);

    if (s) {
        mtu.ifr_mtu = s[0] << 8 | s[1];
        set(c, SIOCSIFMTU, &mtu);
    }
    if (!set(c, SIOCSIFADDR, &addr) || (address(m, SUBNET_MASK) && !set(c, SIOCSIFNETMASK, &mask)))
        fprintf(stderr, "minivm: %s: cannot set its address: %m\n", c->name);
    add_routes(c, m);
    name_servers(m);
}

static void up(struct client *c)
{
    struct ifreq flags = {0}, mac = {0};
    struct message m;

    if (!set(c, SIOCGIFFLAGS, &flags))
        return;
    flags.ifr_flags |= IFF_UP;
    set(c, SIOCSIFFLAGS, &flags);
    if (!set(c, SIOCGIFHWADDR, &mac) || mac.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return;
    if (!has_link(c)) {
        fprintf(stderr, "minivm: %s: the link is down\n", c->name);
        return;
    }
    memcpy(c->mac, mac.ifr_hwaddr.sa_data, sizeof(c->mac));
    c->everyone = (struct sockaddr_ll){.sll_family = AF_PACKET,
                                       .sll_protocol = htons(ETH_P_IP),
                                       .sll_ifindex = if_nametoindex(c->name),
                                       .sll_halen = ETH_ALEN,
                                       .sll_addr = {255, 255, 255, 255, 255, 255}};
    c->packet = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
    if (getrandom(&c->xid, sizeof(c->xid), GRND_NONBLOCK) < 0)
        c->xid = now();
    if (c->packet < 0 ||
        bind(c->packet, (const struct sockaddr *)&c->everyone, sizeof(c->everyone)) ||
        !lease(c, &m))
        fprintf(stderr, "minivm: %s: no DHCP server answers\n", c->name);
    else
        take(c, &m);
    close(c->packet);
}

void network_up(void)
{
    DIR *d = opendir("/sys/class/net");
    struct client c = {.inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

    for (struct dirent *e; d && (e = readdir(d));) {
        c.name = e->d_name;
        if (*c.name != '.')
            up(&c);
    }
    if (d)
        closedir(d);
    close(c.inet);
}

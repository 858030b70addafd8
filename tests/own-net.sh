# For tests of user networking: `. tests/own-net.sh` before tests/lib.sh, and needs_net behind it. Root
# has a network of its own for them, in which anybody may ping; another user has the host's.
#
# shellcheck shell=sh disable=SC2034
if [ -z "${OWN_NET-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    OWN_NET=yes exec unshare -n "$0" "$@"
fi

own_net() {
    ip link set lo up && ip addr add 198.51.100.1/32 dev lo && ip link add net0 type veth peer name net1 &&
        ip link set net0 up && ip link set net1 up &&
        ip addr add 192.0.2.2/24 dev net0 && ip route add default via 192.0.2.1 &&
        echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range &&
        { ip addr add fd00::2/64 dev net0 nodad && ip route add default via fd00::1 &&
            ip addr add 2001:db8::1/128 dev lo nodad || :; }
}

# needs_net: makes that network, else the test is skipped. $gateway6 is its IPv6 gateway; $ping and
# $ping6 are addresses that answer pings: what is sent to passt's gateway goes to the host's own, which
# need not answer. Each of them may be empty.
needs_net() {
    command -v passt >/dev/null || skip_all "no passt here"
    command -v ip >/dev/null || skip_all "no ip here"
    [ -z "${OWN_NET-}" ] || own_net 2>"$TMP/err" || skip_all "no veth here"
    [ -n "$(ip -4 route show default)" ] || skip_all "no network here"
    gateway6=$(ip -6 route show default | sed -n 's/^default via \([^ ]*\).*/\1/p;q')
    case $gateway6 in fe80:*) gateway6= ;; esac
    ping=${OWN_NET:+198.51.100.1}
    ping6=${OWN_NET:+${gateway6:+2001:db8::1}}
}

# free_port: one that nobody has
port=$((20000 + $$ % 20000))
free_port() {
    port=$((port + 1))
    while grep -qi ":$(printf %04x $port) " /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6; do
        port=$((port + 1))
    done
}

/*
 * Answers each datagram at a port, or sends one to this machine's and prints the answer.
 *
 * usage: udp PORT [WORDS]
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval limit = {.tv_sec = 2};
    socklen_t len = sizeof(a);
    char buf[64];
    ssize_t n;

    if (argc > 2) {
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        sendto(s, argv[2], strlen(argv[2]), 0, (void *)&a, len);
        n = recv(s, buf, sizeof(buf), 0);
        return n < 0 || write(1, buf, n) != n;
    }
    if (bind(s, (void *)&a, len) < 0)
        return 1;
    while ((n = recvfrom(s, buf, sizeof(buf), 0, (void *)&a, &len)) >= 0)
        sendto(s, buf, n, 0, (void *)&a, len);
    return 1;
}

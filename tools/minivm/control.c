// SPDX-License-Identifier: MIT
/*
 * The socket by which a machine is spoken to.
 *
 * After: unix(7); RFC 8259 (JSON), read by jansson.
 */
#define _GNU_SOURCE
#include "tools/minivm/control.h"
#include "hw/die.h"
#include "tools/minivm/resume.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 30000 /* for the machine to stand still: storage may take its time */

/* ---- where it is ---- */

/* The directory of this user's sockets, which is made. */
static char *directory(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char user[32], *dir;
    struct stat st;

    snprintf(user, sizeof(user), "/run/user/%u", getuid());
    if (!runtime || *runtime != '/')
        runtime = access(user, W_OK) ? NULL : user;
    int n =
        runtime ? asprintf(&dir, "%s/minivm", runtime) : asprintf(&dir, "/tmp/minivm-%u", getuid());

    if (n < 0)
        die("out of memory");
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        die("%s: %m", dir);
    /* In /tmp somebody else may have made it. */
    if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() || st.st_mode & 077)
        die("%s: not a directory that is yours alone (chmod 700)", dir);
    return dir;
}

/* said is what the name was given by, for messages. */
static struct sockaddr_un address(const char *said, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char *dir;

    if (!*name || name[strspn(name, plain)] || *name == '.')
        die("%s %s: a name has letters, digits, '.', '_' and '-', and does not begin with a dot",
            said, name);
    dir = directory();
    if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name) >= sizeof(a.sun_path))
        die("%s %s: too long: %s/%s has more than %zu bytes", said, name, dir, name,
            sizeof(a.sun_path) - 1);
    free(dir);
    return a;
}

static int socket_to(const struct sockaddr_un *a, bool *connected)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("cannot make a socket: %m");
    *connected = !connect(fd, (const struct sockaddr *)a, sizeof(*a));
    return fd;
}

/* Whoever takes a name holds this lock meanwhile, so that none takes another's for one left behind.
 */
static int lock_names(const struct sockaddr_un *a)
{
    char *dir = strndup(a->sun_path, strrchr(a->sun_path, '/') - a->sun_path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        die("--name: %s: %m", dir);
    free(dir);
    return fd;
}

void control_open(struct control *c, const char *name)
{
    struct sockaddr_un a = address("--name", name);
    bool taken;
    int lock = lock_names(&a), other = socket_to(&a, &taken);

    close(other);
    if (taken)
        die("--name %s: a machine of that name runs already", name);
    unlink(a.sun_path);
    c->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->listener.fd < 0 || bind(c->listener.fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        chmod(a.sun_path, 0600) < 0 || listen(c->listener.fd, CONTROL_CLIENTS) < 0)
        die("--name %s: %s: %m", name, a.sun_path);
    close(lock);
    c->path = strdup(a.sun_path);
}

void control_close(struct control *c)
{
    if (c->path)
        unlink(c->path);
}

int control_connect(const char *name)
{
    struct sockaddr_un a = address("snapshot", name);
    bool connected;
    int fd = socket_to(&a, &connected);

    if (!connected)
        die("%s: no machine of that name runs; 'minivm run --name %s' names one", name, name);
    return fd;
}

/* ---- those who speak ---- */

static struct event_loop *loop_of(const struct control *c)
{
    return &c->steer->machine->loop;
}

static void leave(struct control_client *k)
{
    struct control *c = k->control;
    bool full = true;

    for (int i = 0; i < CONTROL_CLIENTS; i++)
        full = full && c->client[i].watch.fd;
    if (c->asked == k)
        c->asked = NULL;
    event_remove(loop_of(c), &k->watch);
    close(k->watch.fd);
    free(k->line);
    *k = (struct control_client){0};
    if (full)
        event_enable(loop_of(c), &c->listener, true);
}

/* It takes a line at least, unless it does not read what it asked for. */
static void answer(struct control_client *k, const char *error)
{
    json_t *j = error ? json_pack("{s:s}", "error", error) : json_pack("{s:b}", "ok", 1);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    struct iovec v[] = {{text, text ? strlen(text) : 0}, {(char *)"\n", 1}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

    if (text)
        sendmsg(k->watch.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(text);
    json_decref(j);
}

static void serve(struct control_client *k);

/* The machine stands still, or does not. */
static void take_snapshot(struct still *still)
{
    struct control *c = container_of(still, struct control, still);
    struct machine *m = c->steer->machine;
    const char *problem = "the machine does not stand still: its storage does not answer";

    if (still->all)
        problem = resume_save(c->load, m, c->dir);
    char *error = NULL;

    if (problem && asprintf(&error, "%s: %s", c->dir, problem) < 0)
        error = NULL;
    free(c->dir);
    c->dir = NULL;
    if (!problem && c->stop)
        machine_stop(m, STOP_QUIT);
    steer_release(c->steer);
    struct control_client *k = c->asked;

    c->asked = NULL;
    if (k) {
        answer(k, problem ? error ? error : problem : NULL);
        k->waits = false;
        event_enable(loop_of(c), &k->watch, true);
        serve(k);
    }
    free(error);
}

static const char *ask_snapshot(struct control_client *k, json_t *request)
{
    struct control *c = k->control;
    const char *dir;
    int stop = false;

    if (json_unpack(request, "{s:s,s:s,s?b!}", "do", &(const char *){NULL}, "dir", &dir, "stop",
                    &stop))
        return "snapshot takes \"dir\", a string, and \"stop\", true or false";
    if (*dir != '/')
        return "\"dir\" is no absolute path";
    if (c->dir)
        return "another snapshot is being taken";
    c->dir = strdup(dir);
    c->stop = stop;
    c->asked = k;
    c->still.ready = take_snapshot;
    k->waits = true;
    event_enable(loop_of(c), &k->watch, false);
    steer_hold(c->steer, &c->still, PATIENCE_MS);
    return NULL;
}

/* NULL when it was obeyed, or will be answered later. */
static const char *obey(struct control_client *k, const char *line, size_t len)
{
    json_error_t where;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
    const char *what = json_string_value(json_object_get(request, "do")), *problem;

    if (!request)
        problem = "not a line of JSON";
    else if (!what)
        problem = "not an object that has \"do\", a string";
    else if (!strcmp(what, "snapshot"))
        problem = ask_snapshot(k, request);
    else
        problem = "there is nothing of that name to do; there is snapshot";
    json_decref(request);
    return problem;
}

/* Obey the lines that are there, until one is to be answered later. */
static void serve(struct control_client *k)
{
    char *end;

    while (!k->waits && (end = memchr(k->line, '\n', k->len))) {
        size_t len = end + 1 - k->line;
        const char *problem = obey(k, k->line, len - 1);

        if (problem)
            answer(k, problem);
        k->len -= len;
        memmove(k->line, k->line + len, k->len);
    }
}

static void spoke(struct watch *w)
{
    struct control_client *k = container_of(w, struct control_client, watch);
    ssize_t n = recv(w->fd, k->line + k->len, CONTROL_LINE - k->len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        leave(k);
        return;
    }
    if (k->deaf)
        return;
    k->len += n;
    serve(k);
    if (!k->waits && k->len == CONTROL_LINE) {
        answer(k, "a line is too long");
        k->deaf = true;
        k->len = 0;
    }
}

static void came(struct watch *w)
{
    struct control *c = container_of(w, struct control, listener);
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC), room = 0;
    struct control_client *k = NULL;

    for (int i = CONTROL_CLIENTS - 1; i >= 0; i--)
        if (!c->client[i].watch.fd) {
            k = &c->client[i];
            room++;
        }
    if (fd < 0)
        return;
    assert(k);
    *k = (struct control_client){.control = c, .line = malloc(CONTROL_LINE)};
    assert(k->line);
    k->watch = (struct watch){.fd = fd, .ready = spoke};
    if (!event_try(loop_of(c), &k->watch)) {
        close(fd);
        free(k->line);
        *k = (struct control_client){0};
        return;
    }
    if (room == 1)
        event_enable(loop_of(c), w, false);
}

void control_start(struct control *c, struct steer *s, const struct load *l)
{
    c->steer = s;
    c->load = l;
    c->listener.ready = came;
    event_add(loop_of(c), &c->listener);
}

/*
 * SPDX-License-Identifier: MIT
 * Pool, signals and health endpoint of the stand-ins; see the header.
 */
#include "standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEALTH_PORT_AFTER 101 /* 1313 with the API at 1212, as the tracker has them */
#define TOKEN_VARIABLE "TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__ACCESS_TOKENS__ADMIN"

static const standin_database *database;
static atomic_bool stopping;
static atomic_uint_least64_t committed;
static int rate_per_second;

_Noreturn void standin_die(const char *what, const char *why)
{
    fprintf(stderr, "standin-tracker: %s: %s\n", what, why);
    exit(1);
}

const char *standin_setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* --- what a transaction does, from its number alone --- */

uint64_t standin_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int64_t standin_next_hash(int64_t hash, uint64_t number)
{
    return (int64_t)(standin_mix((uint64_t)hash ^ number) >> 1);
}

const char *standin_info_hash(uint64_t row, char text[41])
{
    snprintf(text, 41, "%016" PRIx64 "%016" PRIx64 "%08" PRIx64, standin_mix(row),
             standin_mix(~row), standin_mix(row << 1) >> 32);
    return text;
}

/* --- connections and writers --- */

static bool is_busy[CONNECTIONS];
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

/* Takes turns through the pool, so that over time every connection writes. */
static size_t borrow(void)
{
    static size_t turn;
    pthread_mutex_lock(&pool_lock);
    do
        turn = (turn + 1) % CONNECTIONS;
    while (is_busy[turn]); /* there are fewer writers than connections */
    size_t connection = turn;
    is_busy[connection] = true;
    pthread_mutex_unlock(&pool_lock);
    return connection;
}

static void give_back(size_t connection)
{
    pthread_mutex_lock(&pool_lock);
    is_busy[connection] = false;
    pthread_mutex_unlock(&pool_lock);
}

static void write_once(void)
{
    size_t connection = borrow();
    uint64_t number = 0;
    if (database->write(connection, &number))
        atomic_store(&committed, number);
    give_back(connection);
}

static void *writer(void *unused)
{
    (void)unused;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    int64_t interval_ns = INT64_C(1000000000) * WRITERS / rate_per_second;
    while (!atomic_load(&stopping)) {
        write_once();
        int64_t ns = next.tv_nsec + interval_ns;
        next.tv_sec += ns / 1000000000;
        next.tv_nsec = ns % 1000000000;
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > next.tv_sec) /* what was missed in a pause is not made up in a rush */
            next = now;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return NULL;
}

/* --- HTTP --- */

static uint64_t torrents; /* as the start found them: what the API says */

static int tcp_socket(bool listening, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr =
                                      htonl(listening ? INADDR_ANY : INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 4};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!listening)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (fd < 0 ||
        (listening ? bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16)
                   : connect(fd, (struct sockaddr *)&address, sizeof address)))
        standin_die(listening ? "listen" : "connect", strerror(errno));
    return fd;
}

static uint16_t api_port(void) { return (uint16_t)atoi(standin_setting("STANDIN_PORT", "1212")); }

/* Of the API, only for whoever has its token; where none is set, anybody has it. */
static int answer_to(const char *request, char *answer, size_t size)
{
    const char *token = standin_setting(TOKEN_VARIABLE, "");
    const char *given = strstr(request, "?token="), *body = "";
    char text[128];
    size_t length = strlen(token);
    bool is_api = strncmp(request, "GET /api/", 9) == 0;
    bool may_see = given != NULL && strncmp(given + 7, token, length) == 0;
    if (!is_api)
        snprintf(text, sizeof text, "{\"status\":\"Ok\",\"committed\":%" PRIu64 "}\n",
                 (uint64_t)atomic_load(&committed));
    else
        snprintf(text, sizeof text, "{\"torrents\":%" PRIu64 "}\n", torrents);
    body = is_api && !may_see ? "{}" : text;
    return snprintf(answer, size,
                    "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n%s",
                    is_api && !may_see ? "500 Internal Server Error" : "200 OK", body);
}

static void *serve_http(void *argument)
{
    int listener = *(int *)argument;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 1};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        char request[1024] = "", answer[512];
        if (recv(fd, request, sizeof request - 1, 0) > 0)
            send(fd, answer, (size_t)answer_to(request, answer, sizeof answer), MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

int standin_ask_health(void)
{
    static const char request[] = "GET /health_check HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[64] = "";
    int fd = tcp_socket(false, api_port());
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 ||
        recv(fd, answer, sizeof answer - 1, 0) < 0)
        standin_die("health", strerror(errno));
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}

/* --- as the container's entry does it: folders, then another user --- */

static uid_t user_id;

static int own(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    if (chown(path, user_id, user_id) != 0 || chmod(path, 02770) != 0)
        standin_die(path, strerror(errno));
    return 0;
}

static void become_user(void)
{
    static const char *const trees[] = {"/var/lib/torrust", "/var/log/torrust", "/etc/torrust"};
    user_id = (uid_t)atoi(standin_setting("USER_ID", "1000"));
    if (geteuid() != 0)
        return;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
        nftw(trees[i], own, 16, FTW_PHYS);
    if (setgroups(0, NULL) != 0 || setgid(user_id) != 0 || setuid(user_id) != 0)
        standin_die("setuid", strerror(errno));
}

/* As the real one, which ends at once on a configuration that it does not understand. */
static void read_configuration(void)
{
    char line[256];
    FILE *file = fopen("/etc/torrust/tracker/tracker.toml", "re");
    while (file && fgets(line, sizeof line, file))
        if (strcmp(line, "broken = true\n") == 0)
            standin_die("tracker.toml", "it is broken");
    if (file)
        fclose(file);
}

int standin_serve(const standin_database *where)
{
    read_configuration();
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted,
                    NULL); /* inherited by all threads: only sigwait below takes it */
    signal(SIGTERM, SIG_IGN);
    become_user();
    rate_per_second = atoi(standin_setting("STANDIN_RATE", "50"));
    database = where;
    for (size_t i = 0; i < CONNECTIONS; i++)
        database->open(i);
    torrents = database->torrents(0);
    int listeners[] = {tcp_socket(true, api_port()),
                       tcp_socket(true, (uint16_t)(api_port() + HEALTH_PORT_AFTER))};
    pthread_t threads[WRITERS], servers[2];
    for (int i = 0; i < WRITERS && rate_per_second > 0; i++)
        pthread_create(&threads[i], NULL, writer, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&servers[i], NULL, serve_http, &listeners[i]);
    puts("started");
    fflush(stdout);
    int signal_number;
    sigwait(&wanted, &signal_number);
    atomic_store(&stopping, true);
    for (int i = 0; i < WRITERS && rate_per_second > 0; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < CONNECTIONS; i++)
        database->close(i);
    printf("ended after transaction %" PRIu64 "\n", (uint64_t)atomic_load(&committed));
    return 0;
}

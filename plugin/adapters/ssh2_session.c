/* SPDX-License-Identifier: MIT */
/* One SSH connection by libssh2: connect, host key, user key; every wait has a limit. */
#define LIBSSH2_DISABLE_DEPRECATION /* 1.11.1 renames what 1.10 needs */
#include "adapters/ssh2_session.h"

#include "adapters/ssh2_algorithms.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_CONNECT_TIMEOUT_MS 10000
/* Handshake and login together, in connect timeouts: a busy VM answers slower than its kernel. */
#define LOGIN_TIMEOUT_FACTOR 3
#define LEAST_PER_ADDRESS_MS 1000
#define CANCEL_CHECK_MS 200
#define GOODBYE_MS 1000
#define AGENT_ANSWER_MS 10000
#define TURN_MS 200
#define TURN_BYTES ((uint64_t)8 << 20)
/* Before the login a server has some kilobytes to say; one that says more is none. */
#define BEFORE_LOGIN_BYTES ((uint64_t)1 << 20)
#define KEEPALIVE_S 15

/* The waits of opening share one limit, and the caller can cancel them. */
typedef struct opening {
    const tbk_ssh_target *target;
    const tbk_report *report;
    tbk_ssh2_session *it;
    int64_t deadline_ms;
    uint32_t limit_ms;
} opening;

static pthread_once_t initialised = PTHREAD_ONCE_INIT;

/* Never undone: other threads of the host may use libssh2 too. */
static void initialise(void) { tbk_memory_must(libssh2_init(0) == 0); }

/* --- the bytes --- */

/* The agent's socket blocks; libssh2 waits there for ever. */
static bool agent_answers(const tbk_ssh2_session *it, int socket)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + AGENT_ANSWER_MS;
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    tbk_error ignored;
    while (poll(&wait, 1, CANCEL_CHECK_MS) != 1)
        if (tbk_clock_monotonic_ms() >= end_ms || !tbk_report_go_on(it->opening, &ignored))
            return false;
    return true;
}

void tbk_ssh2_session_turn(tbk_ssh2_session *it)
{
    it->turn_end_ms = tbk_clock_monotonic_ms() + TURN_MS;
    it->turn_end_bytes = it->received_bytes + TURN_BYTES;
}

static bool turn_is_over(const tbk_ssh2_session *it)
{
    return it->received_bytes >= it->turn_end_bytes || tbk_clock_monotonic_ms() >= it->turn_end_ms;
}

static ssize_t receive_bytes(libssh2_socket_t socket, void *buffer, size_t length, int flags,
                             void **abstract)
{
    tbk_ssh2_session *it = *abstract;
    if (socket != it->socket && !agent_answers(it, socket))
        return -ETIMEDOUT;
    if (socket == it->socket && it->ended)
        return -ECONNRESET;
    if (socket == it->socket && turn_is_over(it))
        return -EAGAIN;
    ssize_t received = recv(socket, buffer, length, flags);
    if (received < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (socket == it->socket) {
        it->received_ms = tbk_clock_monotonic_ms();
        it->received_bytes += (uint64_t)received;
    }
    return received;
}

/* Never SIGPIPE, which libssh2 would let the agent's socket raise: the host would die of it. */
static ssize_t send_bytes(libssh2_socket_t socket, const void *buffer, size_t length, int flags,
                          void **abstract)
{
    (void)abstract;
    ssize_t sent = send(socket, buffer, length, flags | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return sent;
}

/* libssh2 takes functions as void *, which ISO C has no conversion for. */
static void set_callback(LIBSSH2_SESSION *session, int which, const void *function)
{
    void *address;
    memcpy(&address, function, sizeof address);
    (void)libssh2_session_callback_set(session, which, address);
}

static tbk_ssh2_session *session_new(void)
{
    (void)pthread_once(&initialised, initialise);
    tbk_ssh2_session *it = tbk_memory_new(sizeof *it);
    it->socket = -1;
    it->session = libssh2_session_init_ex(NULL, NULL, NULL, it);
    tbk_memory_must(it->session != NULL);
    LIBSSH2_RECV_FUNC((*receive)) = receive_bytes;
    LIBSSH2_SEND_FUNC((*send_all)) = send_bytes;
    set_callback(it->session, LIBSSH2_CALLBACK_RECV, &receive);
    set_callback(it->session, LIBSSH2_CALLBACK_SEND, &send_all);
    libssh2_session_set_blocking(it->session, 0);
    return it;
}

short tbk_ssh2_session_events(const tbk_ssh2_session *it)
{
    int directions = libssh2_session_block_directions(it->session);
    int events = (directions & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 ? POLLIN : 0;
    if ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0)
        events |= POLLOUT;
    return (short)(events != 0 ? events : POLLIN);
}

const char *tbk_ssh2_session_why(const tbk_ssh2_session *it)
{
    char *text = NULL;
    int length = 0;
    (void)libssh2_session_last_error(it->session, &text, &length, 0);
    return text != NULL && length > 0 ? text : "no reason given";
}

static void wait_briefly(const tbk_ssh2_session *it)
{
    struct pollfd wait = {.fd = it->socket, .events = tbk_ssh2_session_events(it)};
    (void)poll(&wait, 1, 50);
}

static void close_socket(tbk_ssh2_session *it)
{
    if (it->socket >= 0)
        (void)close(it->socket);
    it->socket = -1;
}

void tbk_ssh2_session_free(tbk_ssh2_session *it)
{
    int64_t end_ms = tbk_clock_monotonic_ms() + GOODBYE_MS;
    if (it->socket >= 0)
        while (libssh2_session_disconnect(it->session, "done") == LIBSSH2_ERROR_EAGAIN &&
               tbk_clock_monotonic_ms() < end_ms)
            wait_briefly(it);
    /* From here on nothing can be waited for: what is still to be sent or read fails at once. */
    it->ended = true;
    if (it->socket >= 0)
        (void)shutdown(it->socket, SHUT_RDWR);
    for (int i = 0; libssh2_session_free(it->session) == LIBSSH2_ERROR_EAGAIN && i < 100; i++)
        ;
    close_socket(it);
    free(it);
}

/* --- connecting --- */

static bool wait_for_fd(const opening *open, int fd, short events, int64_t deadline_ms,
                        const char *what, tbk_error *err)
{
    for (;;) {
        if (!tbk_report_go_on(open->report, err))
            return false;
        int64_t left_ms = deadline_ms - tbk_clock_monotonic_ms();
        if (left_ms <= 0)
            return tbk_fail(err, TBK_E_TIMEOUT,
                            "see whether the VM runs, its address is right and its firewall lets "
                            "SSH through",
                            "%s '%s' port %u took longer than %.1f s", what, open->target->host,
                            (unsigned)open->target->port, open->limit_ms / 1000.0);
        struct pollfd wait = {.fd = fd, .events = events};
        int ready = poll(&wait, 1, (int)(left_ms < CANCEL_CHECK_MS ? left_ms : CANCEL_CHECK_MS));
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return tbk_fail_errno(err, TBK_E_NETWORK, errno, NULL, "cannot wait for '%s'",
                                  open->target->host);
    }
}

static bool fail_connect(const opening *open, int why, tbk_error *err)
{
    return tbk_fail_errno(err, TBK_E_NETWORK, why,
                          "see whether the VM runs, and give address and port with --ssh-host and "
                          "--ssh-port if they are others",
                          "cannot reach '%s' on port %u", open->target->host,
                          (unsigned)open->target->port);
}

static bool connect_address(opening *open, const struct addrinfo *address, int64_t deadline_ms,
                            tbk_error *err)
{
    int on = 1;
    close_socket(open->it); /* of the address before */
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_connect(open, errno, err);
    open->it->socket = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        int why = errno;
        socklen_t length = sizeof why;
        if (why != EINPROGRESS)
            return fail_connect(open, why, err);
        if (!wait_for_fd(open, fd, POLLOUT, deadline_ms, "connecting to", err))
            return false;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &length) != 0)
            why = errno;
        if (why != 0)
            return fail_connect(open, why, err);
    }
    return true;
}

/* An address that does not answer must leave time for the next ones. */
static int64_t share_of_time(const opening *open, const struct addrinfo *address)
{
    int64_t count = 0;
    for (; address != NULL; address = address->ai_next)
        count++;
    int64_t now_ms = tbk_clock_monotonic_ms();
    int64_t share_ms = (open->deadline_ms - now_ms) / count;
    if (share_ms < LEAST_PER_ADDRESS_MS && count > 1)
        share_ms = LEAST_PER_ADDRESS_MS;
    return now_ms + share_ms;
}

static bool connect_host(opening *open, tbk_error *err)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *addresses = NULL;
    (void)snprintf(port, sizeof port, "%u", (unsigned)open->target->port);
    /* Its limit is the resolver's own, about ten seconds a name server. */
    int status = getaddrinfo(open->target->host, port, &hints, &addresses);
    if (status != 0)
        return tbk_fail(err, TBK_E_NETWORK, "give the VM's address with --ssh-host",
                        "cannot find the address of '%s': %s", open->target->host,
                        gai_strerror(status));
    bool connected = false;
    open->deadline_ms = tbk_clock_monotonic_ms() + open->limit_ms;
    for (struct addrinfo *at = addresses; at != NULL && !connected; at = at->ai_next) {
        connected = connect_address(open, at, share_of_time(open, at), err);
        if (!connected && err->code == TBK_E_INTERRUPTED)
            break;
    }
    freeaddrinfo(addresses);
    return connected;
}

static bool wait_for_vm(const opening *open, tbk_error *err)
{
    if (open->it->received_bytes > BEFORE_LOGIN_BYTES)
        return tbk_fail(err, TBK_E_NETWORK, "see whether an SSH server listens on that port",
                        "'%s' port %u sent more than %" PRIu64 " MiB before any login",
                        open->target->host, (unsigned)open->target->port, BEFORE_LOGIN_BYTES >> 20);
    if (!wait_for_fd(open, open->it->socket, tbk_ssh2_session_events(open->it), open->deadline_ms,
                     "the login on", err))
        return false;
    tbk_ssh2_session_turn(open->it);
    return true;
}

/* --- the VM's key --- */

static bool fail_lost(const opening *open, const char *when, tbk_error *err)
{
    return tbk_fail(err, TBK_E_NETWORK, "see whether an SSH server listens there, and repeat",
                    "the connection to '%s' port %u ended during the %s: %s", open->target->host,
                    (unsigned)open->target->port, when, tbk_ssh2_session_why(open->it));
}

static bool fail_unable(const opening *open, const char *why, bool *out_unable, tbk_error *err)
{
    *out_unable = true;
    return tbk_fail(err, TBK_E_NETWORK, "use the ssh program (ssh.program: auto or openssh)",
                    "libssh2 %s %s '%s'", libssh2_version(0), why, open->target->host);
}

static bool shake_hands(const opening *open, const tbk_host_keys *known, bool *out_unable,
                        tbk_error *err)
{
    LIBSSH2_SESSION *session = open->it->session;
    if (!tbk_ssh2_prefer_known_types(session, known))
        return fail_unable(open, "cannot check the known host key of", out_unable, err);
    int status;
    while ((status = libssh2_session_handshake(session, open->it->socket)) == LIBSSH2_ERROR_EAGAIN)
        if (!wait_for_vm(open, err))
            return false;
    if (status == LIBSSH2_ERROR_KEX_FAILURE || status == LIBSSH2_ERROR_METHOD_NONE)
        return fail_unable(open, "has no algorithm in common with", out_unable, err);
    return status == 0 || fail_lost(open, "handshake", err);
}

static bool check_host(const opening *open, tbk_host_keys *known, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    size_t length = 0;
    int type;
    const char *blob = libssh2_session_hostkey(open->it->session, &length, &type);
    if (blob == NULL)
        return fail_lost(open, "handshake", err);
    return tbk_host_keys_check(arena, known, (const uint8_t *)blob, length, open->report, err) &&
           tbk_host_keys_pin(arena, known, (const uint8_t *)blob, length, err);
}

/* --- the user's key --- */

static void end_agent(LIBSSH2_AGENT *agent)
{
    (void)libssh2_agent_disconnect(agent);
    libssh2_agent_free(agent);
}
TBK_AUTO_POINTER(LIBSSH2_AGENT, end_agent);

/* NULL when there is no agent, or it does not answer. */
static LIBSSH2_AGENT *open_agent(LIBSSH2_SESSION *session)
{
    LIBSSH2_AGENT *agent = libssh2_agent_init(session);
    tbk_memory_must(agent != NULL);
    if (libssh2_agent_connect(agent) == 0 && libssh2_agent_list_identities(agent) == 0)
        return agent;
    end_agent(agent);
    return NULL;
}

static struct libssh2_agent_publickey *find_identity(LIBSSH2_AGENT *agent, const uint8_t *blob,
                                                     size_t length)
{
    struct libssh2_agent_publickey *identity = NULL;
    while (libssh2_agent_get_identity(agent, &identity, identity) == 0)
        if (identity->blob_len == length && memcmp(identity->blob, blob, length) == 0)
            return identity;
    return NULL;
}

bool tbk_ssh2_agent_holds(const uint8_t *public_blob, size_t length)
{
    tbk_auto(tbk_ssh2_session) *it = session_new();
    tbk_auto(LIBSSH2_AGENT) *agent = open_agent(it->session);
    return agent != NULL && find_identity(agent, public_blob, length) != NULL;
}

/* A status of libssh2, or 1 when the wait failed and err is filled. */
static int login_by_file(const opening *open, const tbk_ssh_key *key, tbk_error *err)
{
    int status;
    while ((status = libssh2_userauth_publickey_frommemory(
                open->it->session, open->target->user, strlen(open->target->user), NULL, 0,
                key->bytes, key->length, "")) == LIBSSH2_ERROR_EAGAIN)
        if (!wait_for_vm(open, err))
            return 1;
    return status;
}

static int login_by_agent(const opening *open, const tbk_ssh_key *key, tbk_error *err)
{
    if (key->public_blob == NULL)
        return LIBSSH2_ERROR_AUTHENTICATION_FAILED;
    tbk_auto(LIBSSH2_AGENT) *agent = open_agent(open->it->session);
    struct libssh2_agent_publickey *identity =
        agent != NULL ? find_identity(agent, key->public_blob, key->public_length) : NULL;
    if (identity == NULL)
        return LIBSSH2_ERROR_AUTHENTICATION_FAILED;
    int status;
    while ((status = libssh2_agent_userauth(agent, open->target->user, identity)) ==
           LIBSSH2_ERROR_EAGAIN)
        if (!wait_for_vm(open, err))
            return 1;
    return status;
}

/* While it waits for the VM's word on a key, libssh2 calls a connection that ended a key that is
 * not verified. Only its words tell that from a refusal. */
static bool was_waiting(const opening *open, int status)
{
    static const char WAITING[] = "Waiting for";
    return status == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED &&
           strncmp(tbk_ssh2_session_why(open->it), WAITING, sizeof WAITING - 1) == 0;
}

static bool is_connection_lost(const opening *open, int status)
{
    return was_waiting(open, status) || status == LIBSSH2_ERROR_SOCKET_SEND ||
           status == LIBSSH2_ERROR_SOCKET_RECV || status == LIBSSH2_ERROR_SOCKET_DISCONNECT ||
           status == LIBSSH2_ERROR_SOCKET_NONE;
}

static bool fail_login(const opening *open, const tbk_ssh_key *key, tbk_error *err)
{
    const tbk_ssh_target *target = open->target;
    if (key->kind == TBK_SSH_KEY_RSA && !tbk_ssh2_knows_rsa_sha2())
        return tbk_fail(err, TBK_E_KEY,
                        "use the ssh program (ssh.program: auto or openssh), or an "
                        "Ed25519 key",
                        "'%s' refuses the RSA key '%s': libssh2 %s signs with SHA-1 only",
                        target->host, key->path, libssh2_version(0));
    char fix[512];
    (void)snprintf(fix, sizeof fix,
                   "add its public key to ~%s/.ssh/authorized_keys on the VM, or give another user "
                   "or key with --ssh-user and --ssh-key",
                   target->user);
    return tbk_fail(err, TBK_E_KEY, fix, "'%s' refuses the key '%s' for user '%s'", target->host,
                    key->path, target->user);
}

/* The file first, then the agent's identity of the same public key; no other is ever tried. */
static bool log_in(const opening *open, const tbk_ssh_key *key, bool *out_unable, tbk_error *err)
{
    int by_file = LIBSSH2_ERROR_AUTHENTICATION_FAILED;
    if (!key->encrypted)
        by_file = login_by_file(open, key, err);
    int status = by_file;
    if (by_file < 0 && !is_connection_lost(open, by_file))
        status = login_by_agent(open, key, err);
    if (status == 1 || !tbk_report_go_on(open->report, err))
        return false;
    if (status == 0 && libssh2_userauth_authenticated(open->it->session))
        return true;
    if (is_connection_lost(open, status))
        return fail_lost(open, "login", err);
    *out_unable = by_file == LIBSSH2_ERROR_FILE;
    return fail_login(open, key, err);
}

bool tbk_ssh2_session_open(const tbk_ssh_target *target, const tbk_ssh_key *key,
                           tbk_host_keys *known, const tbk_report *report, tbk_ssh2_session **out,
                           bool *out_unable, tbk_error *err)
{
    tbk_auto(tbk_ssh2_session) *it = session_new();
    opening open = {.target = target, .report = report, .it = it};
    it->opening = report;
    open.limit_ms =
        target->connect_timeout_ms != 0 ? target->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    if (!connect_host(&open, err))
        return false;
    open.limit_ms *= LOGIN_TIMEOUT_FACTOR;
    open.deadline_ms = tbk_clock_monotonic_ms() + open.limit_ms;
    tbk_ssh2_session_turn(it);
    if (!shake_hands(&open, known, out_unable, err) || !check_host(&open, known, err) ||
        !log_in(&open, key, out_unable, err))
        return false;
    libssh2_keepalive_config(it->session, 1, KEEPALIVE_S);
    it->received_ms = tbk_clock_monotonic_ms();
    tbk_ssh2_session_turn(it);
    it->opening = NULL;
    *out = it;
    it = NULL;
    return true;
}

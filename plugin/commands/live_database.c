/* SPDX-License-Identifier: MIT */
/* The live MySQL of a tracker: credentials, address, tunnel, and its rows compared with those of a
 * set. */
#include "commands/live_database.h"

#include "base/digest.h"
#include "commands/host_facts.h"
#include "commands/live_rows.h"
#include "database/mysql/mysql.h"
#include "domain/mysql_login.h"
#include "render/render.h"

#include <string.h>

/* For each table; a hundred million rows are counted in less. */
#define COUNT_LIMIT_S 600

typedef struct live {
    tbk_arena *arena;
    tbk_arena *secrets; /* wiped when this is over */
    const tbk_live_database_input *input;
    tbk_mysql_login login;
    const char *address; /* of the database, as .env has it; NULL: it has none */
    enum { UNKNOWN, SAME, DIFFERS } started_with; /* what the tracker has of that address */
    tbk_live_database *out;
} live;

static const char *with_fix(const live *self, const tbk_error *why)
{
    return tbk_arena_format(self->arena, "%s%s%s", why->message,
                            why->fix[0] != '\0' ? ". Fix: " : "", why->fix);
}

/* What ends the whole check, rather than being found out by it. */
static bool ends_check(const tbk_error *why)
{
    return why->code == TBK_E_INTERRUPTED || why->code == TBK_E_NETWORK ||
           why->code == TBK_E_TIMEOUT;
}

/* --- what .env says --- */

static bool read_login(live *self, tbk_error *err)
{
    static const char *const argv[] = {"cat", "--", TBK_ENV_FILE, NULL};
    const tbk_remote_command command = {
        .argv = argv, .as_root = true, .report = self->input->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(self->input->remote, "reading " TBK_ENV_FILE, &command, &result, err))
        return false;
    const tbk_dotenv file = {.text = tbk_text_string(&result.output),
                             .length = result.output.length,
                             .source = TBK_ENV_FILE};
    return tbk_mysql_login_read(self->secrets, &file, &self->login, err) &&
           tbk_dotenv_find(self->secrets, &file, TBK_MYSQL_LOGIN_ADDRESS, &self->address, err);
}

/* --- what the tracker was started with --- */

/* $1 the container, $2 a template that gives "=<value>" of one variable. What is expected comes by
 * standard input, and hashes are compared here, so that no secret is in an argument or on its way.
 */
static const char STARTED_WITH_SCRIPT[] =
    "newline='\n'\n"
    "read -r expected\n"
    "value=$(docker inspect --type container -f \"$2\" \"$1\" 2>/dev/null && echo x) || exit 0\n"
    "value=${value%x}\n"
    "value=${value%\"$newline\"}\n"
    "[ -n \"$value\" ] || exit 0\n"
    "sum=$(printf %s \"${value#=}\" | sha256sum)\n"
    "if [ \"${sum%% *}\" = \"$expected\" ]; then echo same; else echo differs; fi\n";

static const char *template_of(const live *self, const char *variable)
{
    return tbk_arena_format(self->arena,
                            "{{range .Config.Env}}{{if eq (index (split . \"=\") 0) \"%s\"}}"
                            "={{slice . %zu}}{{end}}{{end}}",
                            variable, strlen(variable) + 1);
}

/* A tracker that was not given the variable has a file for that: then it stays unknown. */
static bool compare_with_tracker(live *self, tbk_error *err)
{
    tbk_digest digest;
    if (self->address == NULL)
        return true;
    tbk_digest_of(self->address, strlen(self->address), &digest);
    const char *const expected = tbk_arena_format(self->secrets, "%s\n", digest.hex);
    const char *const argv[] = {"sh",
                                "-c",
                                STARTED_WITH_SCRIPT,
                                "started-with",
                                TBK_TRACKER_CONTAINER,
                                template_of(self, TBK_MYSQL_LOGIN_ADDRESS),
                                NULL};
    const tbk_remote_command command = {.argv = argv,
                                        .as_root = true,
                                        .input = expected,
                                        .input_size_bytes = strlen(expected),
                                        .report = self->input->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(self->input->remote, "comparing .env with the tracker's container", &command,
                       &result, err))
        return false;
    const char *answer = tbk_text_string(&result.output);
    if (strcmp(answer, "same\n") == 0)
        self->started_with = SAME;
    else if (strcmp(answer, "differs\n") == 0)
        self->started_with = DIFFERS;
    return true;
}

static void judge_credentials(live *self, bool entered)
{
    tbk_live_check *check = &self->out->credentials;
    check->state = self->started_with == DIFFERS || self->login.drift != NULL ? TBK_CHECK_WARNING
                                                                              : TBK_CHECK_OK;
    if (self->started_with == DIFFERS)
        check->detail = "the tracker was started with another address or password of its database "
                        "than " TBK_ENV_FILE " has now. Fix: cd " TBK_CONFIG_ROOT
                        " && docker compose up -d, or put the old value back";
    else if (self->login.drift != NULL)
        check->detail = tbk_arena_copy(self->arena, self->login.drift);
    else
        check->detail = tbk_arena_format(
            self->arena, "%s" TBK_ENV_FILE " has%s", entered ? "the server takes what " : "what ",
            self->started_with == SAME ? entered ? ", and the tracker was started with it"
                                                 : " is what the tracker was started with"
                                       : "; what the tracker was started with is not known");
}

/* --- where the server is --- */

/* $1 the host as the tracker calls it, $2 the tracker's container. Prints the address of the
 * container that is that service, on a network of the tracker's if there is one; nothing when no
 * container is. */
static const char ADDRESS_SCRIPT[] =
    "networks() { docker inspect --type container -f '{{range $name, $it := "
    ".NetworkSettings.Networks}}{{println $name $it.IPAddress}}{{end}}' \"$1\" 2>/dev/null; }\n"
    "project=$(docker inspect --type container -f '{{index .Config.Labels "
    "\"com.docker.compose.project\"}}' \"$2\" 2>/dev/null)\n"
    "id=$(docker ps -q --filter \"label=com.docker.compose.project=$project\" "
    "--filter \"label=com.docker.compose.service=$1\" | head -n 1)\n"
    "[ -n \"$id\" ] || id=$(docker inspect --type container -f '{{.Id}}' -- \"$1\" 2>/dev/null)\n"
    "[ -n \"$id\" ] || exit 0\n"
    "shared=\" $(networks \"$2\" | while read -r name address; do printf '%s ' \"$name\"; done)\"\n"
    "networks \"$id\" | while read -r name address; do\n"
    "    [ -n \"$address\" ] || continue\n"
    "    case $shared in *\" $name \"*) echo \"1 $address\" ;; *) echo \"2 $address\" ;; esac\n"
    "done | sort | head -n 1 | cut -d ' ' -f 2\n";

/* A server that is no container here is found by the name that the tracker has for it. */
static bool find_address(const live *self, const char **out, tbk_error *err)
{
    const char *const argv[] = {
        "sh", "-c", ADDRESS_SCRIPT, "address", self->login.host, TBK_TRACKER_CONTAINER, NULL};
    const tbk_remote_command command = {
        .argv = argv, .as_root = true, .report = self->input->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(self->input->remote, "looking for the database's container", &command,
                       &result, err))
        return false;
    const char *found = tbk_text_string(&result.output);
    size_t length = strcspn(found, "\n");
    *out = length > 0 ? tbk_arena_copy_bytes(self->arena, found, length)
                      : tbk_arena_copy(self->arena, self->login.host);
    return true;
}

/* --- its rows --- */

/* A tunnel takes one connection. The client makes two: one to see whether TLS is offered. */
#define TUNNELS_MAX 4

typedef struct route {
    const live *live;
    const char *address;
    tbk_remote_tunnel tunnels[TUNNELS_MAX];
    size_t count;
} route;

static bool reach(void *self, const char **out_host, uint16_t *out_port, tbk_error *err)
{
    route *it = self;
    const tbk_live_database_input *input = it->live->input;
    if (it->count == TUNNELS_MAX)
        return tbk_fail(err, TBK_E_NETWORK, NULL, "the server was asked for too many connections");
    tbk_remote_tunnel *tunnel = &it->tunnels[it->count];
    if (!tbk_remote_tunnel_open(input->remote, it->address, it->live->login.port, input->report,
                                tunnel, err))
        return false;
    it->count++;
    *out_host = tunnel->host;
    *out_port = tunnel->port;
    return true;
}

static void close_route(route *it)
{
    while (it->count > 0)
        tbk_remote_tunnel_close(&it->tunnels[--it->count]);
}

/* What the client saw is the end of a connection; the tunnel may know why. */
static bool fail_to_count(const route *it, tbk_error *err)
{
    tbk_error reason;
    if (it->count > 0 && (err->code == TBK_E_NETWORK || err->code == TBK_E_TIMEOUT)) {
        const tbk_remote_tunnel *last = &it->tunnels[it->count - 1];
        if (!last->check(last->self, &reason))
            *err = reason;
    }
    return tbk_error_context(err, "through a tunnel");
}

static bool count_rows(const live *self, tbk_mysql_live_rows **out, tbk_error *err)
{
    route way = {.live = self};
    if (!find_address(self, &way.address, err))
        return false;
    tbk_report_log(self->input->report, TBK_LOG_INFO, "verify",
                   "counting the rows of '%s' at %s port %u, through a tunnel", self->login.schema,
                   way.address, (unsigned)self->login.port);
    const tbk_mysql_server server = {.host = way.address,
                                     .port = self->login.port,
                                     .user = self->login.user,
                                     .password = self->login.password,
                                     .schema = self->login.schema,
                                     .needs_tls = self->input->needs_tls,
                                     .answer_limit_s = COUNT_LIMIT_S,
                                     .reach = reach,
                                     .reach_self = &way};
    bool counted =
        tbk_mysql_count_live(self->arena, &server, &self->input->manifest->mysql, out, err) ||
        fail_to_count(&way, err);
    close_route(&way);
    return counted;
}

static void note_rows(live *self, const tbk_mysql_live_rows *rows)
{
    tbk_live_rows compared;
    judge_credentials(self, true);
    tbk_live_rows_compare(self->arena, self->input->manifest, rows, &compared);
    self->out->database =
        (tbk_live_check){compared.ok ? TBK_CHECK_OK : TBK_CHECK_FAILED, compared.detail};
    self->out->tables = compared.tables;
}

/* That the server cannot be reached from here is no fault of the set, which was proved on the VM;
 * that it takes no login, or has no such database, is one. */
static bool note_failure(live *self, const tbk_error *why, tbk_error *err)
{
    const char *const why_not = with_fix(self, why);
    if (why->code == TBK_E_INTERRUPTED) {
        *err = *why;
        return false;
    }
    if (why->code == TBK_E_CONFIG) {
        self->out->credentials = (tbk_live_check){TBK_CHECK_FAILED, why_not};
        self->out->database = (tbk_live_check){TBK_CHECK_SKIPPED, "the server was not entered"};
        return true;
    }
    bool is_reach = ends_check(why) || why->code == TBK_E_UNSUPPORTED || why->code == TBK_E_REMOTE;
    self->out->database = (tbk_live_check){
        is_reach ? TBK_CHECK_WARNING : TBK_CHECK_FAILED,
        tbk_arena_format(self->arena, "the set was not compared with it: %s", why_not)};
    return true;
}

/* --- all of it --- */

static bool note_no_login(live *self, const tbk_error *why, tbk_error *err)
{
    if (ends_check(why)) {
        *err = *why;
        return false;
    }
    self->out->credentials = (tbk_live_check){TBK_CHECK_FAILED, with_fix(self, why)};
    self->out->database = (tbk_live_check){TBK_CHECK_SKIPPED, "it is not known how to log in"};
    return true;
}

static bool check(live *self, tbk_error *err)
{
    tbk_error why;
    tbk_mysql_live_rows *rows = NULL;
    if (!read_login(self, &why) || !compare_with_tracker(self, &why))
        return note_no_login(self, &why, err);
    judge_credentials(self, false);
    if (!count_rows(self, &rows, &why))
        return note_failure(self, &why, err);
    note_rows(self, rows);
    return true;
}

bool tbk_live_database_check(tbk_arena *arena, const tbk_live_database_input *input,
                             tbk_live_database *out, tbk_error *err)
{
    tbk_auto(tbk_arena) *secrets = tbk_arena_new();
    live self = {.arena = arena, .secrets = secrets, .input = input, .out = out};
    *out = (tbk_live_database){0};
    return check(&self, err);
}

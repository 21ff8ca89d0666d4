/* SPDX-License-Identifier: MIT */
/* Gathers facts with a small shell script; each line of its output is "name value". */
#include "commands/host_facts.h"

#include "base/clock.h"
#include "base/number.h"

#include <inttypes.h>

#define FACTS_TIMEOUT_MS 90000

/* $1 image, $2 outbound's image, $3 store, $4 tracker's container, then the files. Every docker
 * call has a limit, since a hanging daemon would hang us. */
static const char FACTS_SCRIPT[] =
    "image=$1 outbound=$2 store=$3 tracker=$4; shift 4\n"
    "docker() { timeout 20 docker \"$@\" 2>/dev/null; }\n"
    "say() { printf '%s %s\\n' \"$1\" \"$2\"; }\n"
    "say arch \"$(uname -m)\"\n"
    "say docker \"$(docker version -f '{{.Server.Version}}')\"\n"
    "say compose \"$(docker compose version --short)\"\n"
    "say flock \"$(command -v flock)\"\n"
    "say logrotate \"$(PATH=$PATH:/usr/sbin command -v logrotate)\"\n"
    "say cron \"$(pgrep -x cron || pgrep -x crond)\"\n"
    "say image \"$(docker image inspect -f '{{.Id}}' \"$image\")\"\n"
    "say outbound_image \"$(docker image inspect -f '{{.Id}}' \"$outbound\")\"\n"
    "service=$(docker ps -aq --filter label=com.docker.compose.project=torrust-backup "
    "--filter label=com.docker.compose.service=outbound "
    "--filter label=com.docker.compose.oneoff=False | head -n 1)\n"
    "say outbound \"$service$(ls " TBK_SECRETS_FILE " 2>/dev/null)\"\n"
    "[ -z \"$service\" ] || say outbound_state \"$(docker inspect -f '{{.State.Status}}' "
    "\"$service\")\"\n"
    /* Which process has the lock file open, not which locked it: flock(1) did, and is gone,
     * and trying the lock would make a run that cron starts at this moment find it taken. Before
     * the tracker is looked at: a hold that ends in between must not look like one without a run.
     */
    "say hook_runs \"$(find /proc/[0-9]*/fd -maxdepth 1 \\( -lname " TBK_STATE_DIRECTORY
    "/lock -o -lname \"$store/.state/lock\" \\) 2>/dev/null | head -n 1)\"\n"
    "sidecar=$(docker ps -aq --filter label=com.docker.compose.project=torrust-backup "
    "--filter label=com.docker.compose.service=sidecar | head -n 1)\n"
    "if [ -n \"$sidecar\" ]; then\n"
    "    say sidecar_state \"$(docker inspect -f '{{.State.Status}}' \"$sidecar\")\"\n"
    "    say sidecar_health \"$(docker inspect -f "
    "'{{if .State.Health}}{{.State.Health.Status}}{{end}}' \"$sidecar\")\"\n"
    "fi\n"
    "say window_file \"$(ls -d " TBK_CRON_FILE " " TBK_HOOK_FILE " " TBK_HOLD_FILE
    " " TBK_LOGROTATE_FILE " " TBK_STATE_DIRECTORY " " TBK_LOG_DIRECTORY
    " 2>/dev/null | head -n 1)\"\n"
    "say tracker_id \"$(docker inspect --type container -f '{{.Id}}' \"$tracker\")\"\n"
    "say tracker_state \"$(docker inspect --type container -f '{{.State.Status}}' \"$tracker\")\"\n"
    "say tracker_health \"$(docker inspect --type container -f "
    "'{{if .State.Health}}{{.State.Health.Status}}{{end}}' \"$tracker\")\"\n"
    "say held \"$(ls " TBK_STATE_DIRECTORY "/held 2>/dev/null)\"\n"
    /* In the order of tbk_directories. */
    "for folder in " TBK_OUR_FOLDER " " TBK_OUTBOUND_DIRECTORY " " TBK_SECRETS_DIRECTORY
    " " TBK_LOG_DIRECTORY " " TBK_STATE_DIRECTORY "; do\n"
    "    say directory \"$(stat -c '%a %u:%g' \"$folder\" 2>/dev/null)\"\n"
    "done\n"
    "say native_cron \"$(ls /etc/cron.d/tracker-backup 2>/dev/null)\"\n"
    "say store_free \"$(df -PB1 \"$store\" 2>/dev/null | awk 'NR == 2 {print $4}')\"\n"
    "say now \"$(date +%s)\"\n"
    "say offset \"$(date +%z)\"\n"
    "for file; do\n"
    "    if [ -f \"$file\" ] && ! [ -L \"$file\" ]; then\n"
    "        say file \"$(stat -c '%a %u:%g' \"$file\") $(sha256sum <\"$file\" | cut -c 1-64)\"\n"
    "    else\n"
    "        say file missing\n"
    "    fi\n"
    "done\n";

/* What the VM says is not believed: a number out of these limits would overflow later. */
static bool read_number_fact(const char *name, const char *value, int64_t most, int64_t *out,
                             tbk_error *err)
{
    return tbk_number_parse_whole(value, 0, most, out) ||
           tbk_fail(err, TBK_E_REMOTE, "see what date, df and stat say there",
                    "the VM answers '%.64s' for '%s': that is no number from 0 to %" PRId64, value,
                    name, most);
}

/* "+0530" as seconds; POSIX knows no time zone further off than a day. */
static bool read_offset(const char *value, int64_t *out, tbk_error *err)
{
    int64_t number = 0;
    if (strlen(value) != 5 || strchr("+-", value[0]) == NULL ||
        !tbk_number_parse_whole(value, -2400, 2400, &number) || number % 100 > 59 ||
        number % 100 < -59)
        return tbk_fail(err, TBK_E_REMOTE, "see what 'date +%z' says there",
                        "the VM answers '%.64s' for its offset from UTC: that is none", value);
    *out = number / 100 * 3600 + number % 100 * 60;
    return true;
}

static void read_directory_fact(const char *value, unsigned wanted, tbk_item_state *out)
{
    unsigned mode = 0, owner = 0, group = 0;

    out->exists = sscanf(value, "%6o %10u:%10u", &mode, &owner, &group) == 3;
    out->mode = (mode_t)(mode & 07777);
    out->is_owned = owner == wanted && group == wanted;
}

static void read_file_fact(const char *value, tbk_item_state *out)
{
    unsigned mode = 0;
    char owner[32] = "";

    out->exists = sscanf(value, "%6o %31s %64s", &mode, owner, out->digest.hex) == 3;
    out->mode = (mode_t)(mode & 07777);
    out->is_owned = strcmp(owner, "0:0") == 0;
}

static void read_word(tbk_arena *arena, const char *name, const char *value, tbk_host_facts *out)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"arch", &out->arch},
                 {"docker", &out->docker_version},
                 {"compose", &out->compose_version},
                 {"tracker_id", &out->tracker_id},
                 {"tracker_state", &out->tracker_state},
                 {"tracker_health", &out->tracker_health},
                 {"sidecar_state", &out->sidecar_state},
                 {"sidecar_health", &out->sidecar_health},
                 {"outbound_state", &out->outbound_state},
                 {"window_file", &out->found.window_file}};
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"flock", &out->flock},
                 {"logrotate", &out->logrotate},
                 {"cron", &out->cron_running},
                 {"image", &out->found.has_image},
                 {"held", &out->held},
                 {"native_cron", &out->native_cron},
                 {"hook_runs", &out->hook_runs},
                 {"outbound", &out->found.has_outbound},
                 {"outbound_image", &out->found.has_outbound_image}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].text = tbk_arena_copy(arena, value);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(name, flags[i].name) == 0)
            *flags[i].flag = value[0] != '\0';
}

/* How many lines of each have come. */
typedef struct counts {
    size_t directories, files;
} counts;

static bool read_fact(tbk_arena *arena, const char *name, const char *value, tbk_host_facts *out,
                      counts *seen, tbk_error *err)
{
    read_word(arena, name, value, out);
    if (strcmp(name, "store_free") == 0 && value[0] != '\0')
        return read_number_fact(name, value, INT64_MAX, &out->store_free_bytes, err);
    if (strcmp(name, "now") == 0)
        return read_number_fact(name, value, TBK_CLOCK_LAST_S, &out->now_s, err);
    if (strcmp(name, "offset") == 0)
        return read_offset(value, &out->utc_offset_s, err);
    if (strcmp(name, "directory") == 0 && seen->directories < TBK_DIRECTORIES) {
        size_t i = seen->directories++;
        read_directory_fact(value, tbk_directories[i].owner, &out->found.directories[i]);
    }
    if (strcmp(name, "file") == 0 && seen->files < TBK_INSTALLED_FILES_MAX)
        read_file_fact(value, &out->found.files[seen->files++]);
    return true;
}

static bool read_facts(tbk_arena *arena, const char *output, tbk_host_facts *out, tbk_error *err)
{
    char *lines = tbk_arena_copy(arena, output);
    counts seen = {0};
    char *rest = NULL;

    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value == NULL)
            continue;
        *value++ = '\0';
        if (!read_fact(arena, line, value, out, &seen, err))
            return false;
    }
    out->found.has_sidecar = out->sidecar_state[0] != '\0';
    return true;
}

bool tbk_vm_look(tbk_arena *arena, const tbk_vm *vm, tbk_host_facts *out, tbk_error *err)
{
    const tbk_remote *remote = vm->remote;
    const char *argv[9 + TBK_INSTALLED_FILES_MAX] = {"sh",
                                                     "-c",
                                                     FACTS_SCRIPT,
                                                     "facts",
                                                     vm->image->tag,
                                                     vm->outbound_image->tag,
                                                     vm->workspace->options.store,
                                                     TBK_TRACKER_CONTAINER};
    size_t count = 8;
    const tbk_remote_command command = {
        .argv = argv, .as_root = true, .timeout_ms = FACTS_TIMEOUT_MS};
    tbk_auto_remote_result result = {0};

    for (size_t i = 0; i < vm->rendering->count; i++)
        argv[count++] = vm->rendering->files[i].target;
    for (size_t i = 0; i < vm->secrets->count; i++)
        argv[count++] = vm->secrets->files[i].target;
    *out = (tbk_host_facts){.arch = "",
                            .docker_version = "",
                            .compose_version = "",
                            .tracker_id = "",
                            .tracker_state = "",
                            .tracker_health = "",
                            .sidecar_state = "",
                            .sidecar_health = "",
                            .outbound_state = "",
                            .found = {.window_file = ""},
                            .store_free_bytes = -1};
    if (!tbk_remote_do(remote, "looking at the VM", &command, &result, err)) {
        if (err->code == TBK_E_REMOTE)
            (void)snprintf(err->fix, sizeof err->fix, "%s",
                           "the SSH user needs sudo without a password, as the deployer does");
        return false;
    }
    out->now_s = -1;
    if (!read_facts(arena, tbk_text_string(&result.output), out, err))
        return false;
    return out->now_s >= 0 || tbk_fail(err, TBK_E_REMOTE, NULL, "'%s' did not tell its time%s",
                                       remote->name, tbk_remote_shell_fault(arena, &result));
}

void tbk_vm_items(tbk_arena *arena, const tbk_vm *vm, const tbk_host_facts *facts, tbk_items *out)
{
    const tbk_deployment deployment = tbk_vm_deployment(vm);

    tbk_items_of(arena, &deployment, &facts->found, out);
}

bool tbk_host_facts_check(const tbk_host_facts *facts, tbk_architecture built_for, tbk_mode mode,
                          tbk_error *err)
{
    const char *machine = tbk_architecture_machine(built_for);

    if (strcmp(facts->arch, machine) != 0)
        return tbk_fail(err, TBK_E_REMOTE, "build Torrust Backup on a machine of the VM's kind",
                        "the VM is a '%s', the engine was built for %s", facts->arch, machine);
    if (facts->docker_version[0] == '\0')
        return tbk_fail(err, TBK_E_REMOTE,
                        "run the deployer's 'configure' first, or start Docker on the VM",
                        "Docker does not answer on the VM");
    if (facts->compose_version[0] == '\0')
        return tbk_fail(err, TBK_E_REMOTE,
                        "run the deployer's 'configure' first; it installs Compose",
                        "the VM has no 'docker compose'");
    if (mode == TBK_MODE_SIDECAR)
        return true; /* nothing of it is the host's */
    if (!facts->flock)
        return tbk_fail(err, TBK_E_REMOTE, "install the package util-linux on the VM",
                        "the VM has no 'flock'");
    if (!facts->cron_running)
        return tbk_fail(err, TBK_E_REMOTE, "on the VM: sudo apt-get install cron",
                        "no cron daemon runs on the VM, so no backup would ever start");
    return true;
}

/* --- the tracker --- */

bool tbk_host_facts_tracker_is_well(const tbk_host_facts *facts)
{
    return strcmp(facts->tracker_state, "running") == 0 &&
           (facts->tracker_health[0] == '\0' || strcmp(facts->tracker_health, "healthy") == 0);
}

const char *tbk_host_facts_tracker(tbk_arena *arena, const tbk_host_facts *facts)
{
    const char *health = facts->tracker_health;

    return tbk_arena_format(arena, "%s%s%s", facts->tracker_state, health[0] != '\0' ? ", " : "",
                            health);
}

bool tbk_vm_await_tracker(tbk_arena *arena, const tbk_vm *vm, int64_t limit_ms,
                          tbk_host_facts *facts, tbk_error *err)
{
    const struct timespec pause = {.tv_sec = 1};
    int64_t end_ms = tbk_clock_monotonic_ms() + limit_ms;

    if (!tbk_vm_look(arena, vm, facts, err))
        return false;
    while (!tbk_host_facts_tracker_is_well(facts) && tbk_clock_monotonic_ms() < end_ms) {
        (void)nanosleep(&pause, NULL);
        if (!tbk_report_go_on(vm->report, err) || !tbk_vm_look(arena, vm, facts, err))
            return false;
    }
    return true;
}

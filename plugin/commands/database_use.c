/* SPDX-License-Identifier: MIT */
/* One script looks at /proc on the VM; each line of its output is "name value". */
#include "commands/database_use.h"

#include "domain/file_id.h"

#include <string.h>

#define LOOK_TIMEOUT_MS 90000
#define FILES_MAX 64
#define FILES_SHOWN 3

const char tbk_database_use_fix[] =
    "where the file was moved or replaced under the running tracker: save what it has open (on the "
    "VM: /proc/<pid>/fd), then 'docker restart tracker'; where it uses another path, mount or "
    "driver: correct the environment, and run 'torrust-backup configure'";

/* $1 the tracker's container, $2 the database. A name may have any bytes in it, and is cleaned
 * before it becomes part of a line. `[ -f` follows a link in /proc to a removed file, too. */
static const char LOOK_SCRIPT[] =
    "tracker=$1 database=$2\n"
    "docker() { timeout 20 docker \"$@\" 2>/dev/null; }\n"
    "state=$(docker inspect --type container -f '{{.State.Status}}' \"$tracker\")\n"
    "echo \"state $state\"\n"
    "case $state in running | paused) ;; *) exit 0 ;; esac\n"
    /* Its processes are those of its process number space: `docker top` would be an event of the
     * tracker's, which a look is not. */
    "first=$(docker inspect --type container -f '{{.State.Pid}}' \"$tracker\")\n"
    "space=$(readlink \"/proc/$first/ns/pid\")\n"
    "files() {\n"
    "    for process in /proc/[0-9]*; do\n"
    "        process=${process#/proc/}\n"
    "        [ -n \"$space\" ] && [ \"$(readlink \"/proc/$process/ns/pid\" 2>/dev/null)\" = "
    "\"$space\" ] ||\n"
    "            continue\n"
    "        ls \"/proc/$process/fd\" >/dev/null 2>&1 || [ ! -d \"/proc/$process\" ] ||\n"
    "            echo \"unknown the files of process $process cannot be listed\"\n"
    "        echo \"process $process\"\n"
    "        for file in \"/proc/$process/fd\"/*; do\n"
    "            [ -f \"$file\" ] || continue\n"
    "            id=$(stat -L -c '%d:%i' \"$file\" 2>/dev/null) || continue\n"
    "            echo \"open $id $(readlink -n \"$file\" | LC_ALL=C tr -c ' -~' '?')\"\n"
    "        done\n"
    "    done | sort -u | head -n 1000\n"
    "}\n"
    "tries=0\n"
    "while id=$(stat -L -c '%d:%i' \"$database\" 2>/dev/null) || id=; found=$(files); do\n"
    "    case $id:$found in :*) ;; *\"open $id \"*) break ;; esac\n"
    "    tries=$((tries + 1)); [ $tries -lt 10 ] || break\n"
    "    sleep 1\n"
    "done\n"
    "echo \"database $id\"\n"
    "printf '%s\\n' \"$found\"\n"
    /* Stopped by a backup meanwhile: then it said nothing. */
    "echo \"state $(docker inspect --type container -f '{{.State.Status}}' \"$tracker\")\"\n";

typedef struct found {
    bool runs, has_database, has_process;
    tbk_file_id database;
    tbk_file_id files[FILES_MAX];
    const char *names[FILES_MAX];
    size_t count, all;
    const char *unknown;
} found;

static void read_open(found *out, const char *value)
{
    size_t length = strcspn(value, " ");
    tbk_file_id id;
    if (!tbk_file_id_parse(value, length, &id))
        return;
    out->all++;
    /* The database itself has a place in any case. */
    bool is_it = out->has_database && id.inode == out->database.inode;
    if (out->count == FILES_MAX && !is_it)
        return;
    size_t index = out->count == FILES_MAX ? FILES_MAX - 1 : out->count++;
    out->files[index] = id;
    out->names[index] = value[length] == ' ' ? value + length + 1 : "";
}

static void read_line(found *out, const char *name, const char *value)
{
    if (strcmp(name, "state") == 0)
        out->runs = strcmp(value, "running") == 0 || strcmp(value, "paused") == 0;
    else if (strcmp(name, "database") == 0)
        out->has_database = tbk_file_id_parse(value, strlen(value), &out->database);
    else if (strcmp(name, "process") == 0)
        out->has_process = true;
    else if (strcmp(name, "unknown") == 0)
        out->unknown = value;
    else if (strcmp(name, "open") == 0)
        read_open(out, value);
}

static const char *names_of(tbk_arena *arena, const found *what)
{
    const char *text = "no file";
    for (size_t i = 0; i < what->count && i < FILES_SHOWN; i++)
        text = i == 0 ? tbk_arena_format(arena, "'%s'", what->names[i])
                      : tbk_arena_format(arena, "%s, '%s'", text, what->names[i]);
    return what->all > FILES_SHOWN
               ? tbk_arena_format(arena, "%s and %zu more", text, what->all - FILES_SHOWN)
               : text;
}

static void conclude(tbk_arena *arena, const char *path, const found *what, tbk_database_use *out)
{
    tbk_file_match match = what->has_database
                               ? tbk_file_id_find(what->files, what->count, &what->database)
                               : TBK_FILE_NOT_AMONG;
    if (!what->runs)
        return;
    out->is_open = match == TBK_FILE_AMONG;
    if (out->is_open)
        return;
    if (match == TBK_FILE_PERHAPS)
        out->unknown = "it has a file of the same number open, on a device that may be the same "
                       "one under another number";
    else if (what->unknown != NULL || !what->has_process)
        out->unknown = what->unknown != NULL ? what->unknown : "its processes cannot be listed";
    else
        out->problem = tbk_arena_format(
            arena, "the tracker does not work on '%s', which is backed up%s: it has %s open", path,
            what->has_database ? "" : " and is not there", names_of(arena, what));
}

void tbk_database_use_judge(tbk_arena *arena, const char *path, const char *output,
                            tbk_database_use *out)
{
    char *lines = tbk_arena_copy(arena, output), *rest = NULL;
    found what = {.runs = false};
    *out = (tbk_database_use){.problem = NULL};
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value == NULL)
            continue;
        *value++ = '\0';
        read_line(&what, line, value);
    }
    conclude(arena, path, &what, out);
}

bool tbk_database_use_look(tbk_arena *arena, const tbk_vm *vm, tbk_database_use *out,
                           tbk_error *err)
{
    *out = (tbk_database_use){.problem = NULL};
    const char *path = tbk_render_database_path(arena, &vm->workspace->environment);
    if (path == NULL)
        return true;
    const tbk_remote_command command = {.argv = (const char *const[]){"sh", "-c", LOOK_SCRIPT,
                                                                      "use", TBK_TRACKER_CONTAINER,
                                                                      path, NULL},
                                        .as_root = true,
                                        .timeout_ms = LOOK_TIMEOUT_MS,
                                        .report = vm->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(vm->remote, "looking at the tracker's files", &command, &result, err))
        return false;
    tbk_database_use_judge(arena, path, tbk_text_string(&result.output), out);
    return true;
}

bool tbk_database_use_tell(tbk_arena *arena, const tbk_vm *vm, const tbk_host_facts *facts,
                           const char **out_problem, const char **out_warning, tbk_error *err)
{
    tbk_database_use use;
    *out_problem = *out_warning = NULL;
    if (facts->tracker_id[0] == '\0' || facts->hook_runs)
        return true;
    if (!tbk_database_use_look(arena, vm, &use, err))
        return false;
    if (use.problem != NULL)
        *out_problem = tbk_arena_format(arena, "%s; %s", use.problem, tbk_database_use_fix);
    else if (use.unknown != NULL)
        *out_warning = tbk_arena_format(
            arena, "whether the tracker uses this database is not known: %s", use.unknown);
    return true;
}

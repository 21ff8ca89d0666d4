/* SPDX-License-Identifier: MIT */
/*
 * Rendering: from a deployer's state file and an options file to what is put on the VM.
 *
 * Each folder of tests/golden/ is a case: environment.json (as the deployer writes it, each secret
 * in it replaced by PLANTED-secret-N), options.yml where the case needs one, and the expected
 * files. After a wanted change write them anew, and look at the difference before it is committed:
 *
 *     UPDATE_GOLDEN=1 BUILD/tests/unit.phases.render && git diff tests/golden
 */
#include "render/render.h"

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "domain/engine_config.h"
#include "domain/schedule.h"
#include "render/render_check.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define TEMPLATES TBK_SOURCE_DIR "/templates"
#define GOLDEN TBK_SOURCE_DIR "/tests/golden"
#define IMAGE "torrust-backup-engine:0123456789ab"
#define OUTBOUND_IMAGE "torrust-backup-outbound:ba9876543210"
#define SIZE_MAX_BYTES ((size_t)1 << 20)

static tbk_arena *arena;
static char scratch[64];

static int set_up(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    (void)snprintf(scratch, sizeof scratch, "/tmp/tbk-render-XXXXXX");
    return mkdtemp(scratch) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    tbk_error err;
    bool removed = tbk_directory_remove_at(AT_FDCWD, scratch, &err);
    tbk_arena_free(arena);
    arena = NULL;
    return removed ? 0 : -1;
}

/* --- Cases --- */

typedef struct golden_case {
    const char *name;
    const tbk_value *state;
    tbk_environment environment;
    tbk_options options;
} golden_case;

#define NEED(call)                                                                                 \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s", err.message);                                                           \
    } while (0)

static const tbk_value *read_document(const char *path, bool is_json)
{
    char *bytes;
    size_t length;
    const tbk_value *document;
    tbk_error err;
    NEED(tbk_file_read(arena, path, SIZE_MAX_BYTES, &bytes, &length, &err));
    NEED(is_json ? tbk_json_parse(arena, bytes, length, path, &document, &err)
                 : tbk_yaml_parse(arena, bytes, length, path, &document, &err));
    return document;
}

/* The environment's name stands in its state: {"Released": {"context": {"user_inputs": {"name":
 * ...}}}}. */
static void read_case(const char *name, golden_case *out)
{
    tbk_error err;
    *out = (golden_case){.name = name};
    out->state = read_document(tbk_arena_format(arena, GOLDEN "/%s/environment.json", name), true);
    const char *environment_name = NULL;
    NEED(tbk_value_require_string(out->state->first->value, "context.user_inputs.name",
                                  &environment_name, &err));
    NEED(tbk_environment_read(arena, out->state, NULL, environment_name, &out->environment, &err));
    tbk_options_default(&out->environment, &out->options);
    const char *options = tbk_arena_format(arena, GOLDEN "/%s/options.yml", name);
    if (access(options, F_OK) == 0)
        NEED(tbk_options_read(read_document(options, false), &out->options, &err));
    NEED(tbk_options_check(&out->options, out->environment.driver, &err));
}

static tbk_render_input input_of(const golden_case *from)
{
    return (tbk_render_input){&from->environment, &from->options, IMAGE,
                              OUTBOUND_IMAGE,     TEMPLATES,      scratch};
}

static void render_case(const char *name, golden_case *from, tbk_rendering *out)
{
    tbk_error err;
    read_case(name, from);
    tbk_render_input input = input_of(from);
    NEED(tbk_render(arena, &input, out, &err));
}

static const tbk_rendered_file *find_file(const tbk_rendering *rendering, const char *name)
{
    for (size_t i = 0; i < rendering->count; i++)
        if (strcmp(rendering->files[i].name, name) == 0)
            return &rendering->files[i];
    fail_msg("there is no '%s'", name);
    return NULL;
}

static const char *const case_names[] = {"sqlite-minimal",    "sqlite-odd-name-and-schedule",
                                         "sqlite-everything", "mysql",
                                         "store-elsewhere",   "native-backup-configured",
                                         "hostile-values",    "sidecar",
                                         "mysql-sidecar",     "offsite"};
#define CASES (sizeof case_names / sizeof *case_names)

static void every_case_is_listed(void **state)
{
    (void)state;
    tbk_auto(DIR) *directory = opendir(GOLDEN);
    assert_non_null(directory);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    assert_int_equal(count, CASES);
}

/* Fails about the first line that differs. */
static void assert_same_lines(const char *path, const char *expected, const char *rendered)
{
    for (int line = 1;; line++) {
        size_t a = strcspn(expected, "\n"), b = strcspn(rendered, "\n");
        if (a != b || strncmp(expected, rendered, a) != 0 || expected[a] != rendered[b])
            fail_msg("%s:%d: expected\n  %.*s\nbut this was rendered\n  %.*s\nIf that is wanted, "
                     "see the "
                     "head of this test for how to write these files anew.",
                     path, line, (int)a, expected, (int)b, rendered);
        if (expected[a] == '\0')
            return;
        expected += a + 1;
        rendered += b + 1;
    }
}

static void check_golden(const char *name)
{
    golden_case from;
    tbk_rendering rendering;
    tbk_error err;
    render_case(name, &from, &rendering);
    for (size_t i = 0; i < rendering.count; i++) {
        const tbk_rendered_file *file = &rendering.files[i];
        const char *path = tbk_arena_format(arena, GOLDEN "/%s/%s", name, file->name);
        char *expected;
        size_t length;
        if (getenv("UPDATE_GOLDEN") != NULL)
            NEED(tbk_file_publish(path, file->bytes, file->length, 0644, &err));
        NEED(tbk_file_read(arena, path, SIZE_MAX_BYTES, &expected, &length, &err));
        assert_same_lines(path, expected, file->bytes);
    }
}

static void renders_as_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        check_golden(case_names[i]);
}

/* --- What is in the files --- */

static void files_come_in_the_order_of_installation(void **state)
{
    (void)state;
    static const struct {
        const char *name, *target;
        unsigned mode;
    } expected[] = {
        {"compose.yml", "/opt/torrust-backup/compose.yml", 0644},
        {"engine.yml", "/opt/torrust-backup/engine.yml", 0644},
        {"torrust-backup-hold", "/usr/local/bin/torrust-backup-hold", 0755},
        {"torrust-backup-scratch", "/usr/local/bin/torrust-backup-scratch", 0755},
        {"torrust-backup-aid", "/usr/local/bin/torrust-backup-aid", 0755},
        {"torrust-backup-hook", "/usr/local/bin/torrust-backup-hook", 0755},
        {"logrotate", "/etc/logrotate.d/torrust-backup", 0644},
        {"crontab", "/etc/cron.d/torrust-backup", 0644},
    };
    golden_case from;
    tbk_rendering rendering;
    render_case("sqlite-minimal", &from, &rendering);
    assert_int_equal(rendering.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < rendering.count; i++) {
        const tbk_rendered_file *file = &rendering.files[i];
        tbk_digest digest;
        tbk_digest_of(file->bytes, file->length, &digest);
        assert_string_equal(file->name, expected[i].name);
        assert_string_equal(file->target, expected[i].target);
        assert_int_equal(file->mode, expected[i].mode);
        assert_int_equal(file->length, strlen(file->bytes));
        assert_true(tbk_digest_equal(&digest, &file->digest));
    }
}

static void every_template_is_rendered(void **state)
{
    (void)state;
    tbk_auto(DIR) *directory = opendir(TEMPLATES);
    assert_non_null(directory);
    golden_case from;
    tbk_rendering rendering;
    render_case("sqlite-minimal", &from, &rendering);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += tbk_text_ends_with(entry->d_name, ".tera");
    assert_int_equal(count, rendering.count);
}

static void assert_list(const char *const *list, const char *const *expected)
{
    for (; *expected != NULL; list++, expected++) {
        assert_non_null(*list);
        assert_string_equal(*list, *expected);
    }
    assert_null(*list);
}

static void read_engine_config(const tbk_rendering *rendering, tbk_engine_config *out)
{
    const tbk_rendered_file *file = find_file(rendering, "engine.yml");
    const tbk_value *document;
    tbk_error err;
    NEED(tbk_yaml_parse(arena, file->bytes, file->length, file->name, &document, &err));
    NEED(tbk_engine_config_read(arena, document, out, &err));
}

static void engine_reads_what_was_meant(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    tbk_engine_config config;
    for (size_t i = 0; i < CASES; i++) {
        render_case(case_names[i], &from, &rendering);
        read_engine_config(&rendering, &config);
        assert_string_equal(config.environment, from.environment.name);
        assert_int_equal(config.driver, from.environment.driver);
        assert_string_equal(config.store, from.options.store);
        assert_int_equal(config.mode, from.options.mode);
        assert_int_equal(config.method, from.options.method);
        assert_int_equal(config.hold, from.options.hold);
        assert_int_equal(config.profile, from.options.profile);
        assert_int_equal(config.essential.count, from.options.essential.count);
        for (size_t rule = 0; rule < config.essential.count; rule++)
            assert_string_equal(tbk_rule_text(&config.essential.list[rule]),
                                tbk_rule_text(&from.options.essential.list[rule]));
        assert_int_equal(config.keep_days, from.options.keep_days);
        assert_int_equal(config.keep_last, from.options.keep_last);
        assert_int_equal(config.compression_level, from.options.compression_level);
        assert_int_equal(config.prove_restored_every_days, from.options.prove_restored_every_days);
        assert_string_equal(config.config_root, "/opt/torrust");
        if (config.driver == TBK_DRIVER_SQLITE)
            assert_string_equal(config.database_path,
                                tbk_arena_format(arena,
                                                 "/opt/torrust/storage/tracker/lib/database/%s",
                                                 from.environment.database_name));
        else
            assert_string_equal(config.env_file, "/opt/torrust/.env");
        assert_int_equal(config.tls, from.options.database_tls);
    }
}

static void only_what_the_environment_has_is_saved(void **state)
{
    (void)state;
    static const char *const minimal[] = {".env", "docker-compose.yml", "storage/tracker/etc",
                                          NULL};
    static const char *const everything[] = {".env",
                                             "docker-compose.yml",
                                             "storage/tracker/etc",
                                             "storage/prometheus/etc",
                                             "storage/grafana/provisioning",
                                             "storage/grafana/data/grafana.db",
                                             "storage/caddy/etc",
                                             "storage/caddy/config",
                                             "storage/caddy/data",
                                             NULL};
    static const char *const grafana[] = {"storage/grafana/data/grafana.db", NULL};
    static const char *const none[] = {NULL};
    golden_case from;
    tbk_rendering rendering;
    tbk_engine_config config;
    render_case("sqlite-minimal", &from, &rendering);
    read_engine_config(&rendering, &config);
    assert_list(config.config_paths, minimal);
    assert_list(config.sqlite_paths, none);
    render_case("sqlite-everything", &from, &rendering);
    read_engine_config(&rendering, &config);
    assert_list(config.config_paths, everything);
    assert_list(config.sqlite_paths, grafana);
}

static const tbk_value *find_service(const tbk_rendering *rendering, const char *path,
                                     const tbk_value **out_document)
{
    const tbk_rendered_file *file = find_file(rendering, "compose.yml");
    const tbk_value *service;
    tbk_error err;
    NEED(tbk_yaml_parse(arena, file->bytes, file->length, file->name, out_document, &err));
    NEED(tbk_value_require_map(*out_document, path, &service, &err));
    return service;
}

static const tbk_value *compose_service(const tbk_rendering *rendering,
                                        const tbk_value **out_document)
{
    return find_service(rendering, "services.backup", out_document);
}

static void assert_text(const tbk_value *map, const char *path, const char *expected)
{
    const char *text = NULL;
    tbk_error err;
    NEED(tbk_value_require_string(map, path, &text, &err));
    assert_string_equal(text, expected);
}

static void assert_texts(const tbk_value *map, const char *path, const char *expected)
{
    const tbk_value *list;
    tbk_error err;
    tbk_auto_text text = {0};
    NEED(tbk_value_require_list(map, path, &list, &err));
    for (const tbk_member *member = list->first; member != NULL; member = member->next)
        tbk_text_format(&text, "%s ", member->value->string);
    assert_string_equal(tbk_text_string(&text), expected);
}

/* Each mount as "TARGET:ro" or "TARGET:rw". */
static char *mounts_of(const tbk_value *service)
{
    const tbk_value *volumes;
    tbk_error err;
    tbk_auto_text text = {0};
    NEED(tbk_value_require_list(service, "volumes", &volumes, &err));
    for (const tbk_member *member = volumes->first; member != NULL; member = member->next) {
        bool read_only = false, creates = true;
        assert_text(member->value, "type", "bind");
        NEED(tbk_value_optional_bool(member->value, "read_only", &read_only, &err));
        NEED(tbk_value_require_bool(member->value, "bind.create_host_path", &creates, &err));
        const char *source = tbk_value_find(member->value, "source")->string;
        bool is_fetched = strcmp(source, TBK_OUTBOUND_DIRECTORY) == 0 ||
                          strcmp(source, TBK_UPLOADED_DIRECTORY) == 0;
        /* A backup does not depend on the folders of what was fetched. */
        assert_int_equal(creates, read_only && is_fetched);
        tbk_text_format(&text, "%s:%s ", tbk_value_find(member->value, "target")->string,
                        read_only ? "ro" : "rw");
    }
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

static void container_has_no_more_rights_than_it_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        golden_case from;
        tbk_rendering rendering;
        const tbk_value *document;
        bool read_only = false;
        tbk_error err;
        render_case(case_names[i], &from, &rendering);
        const tbk_value *service = compose_service(&rendering, &document);
        assert_text(document, "name", "torrust-backup");
        assert_text(service, "image", IMAGE);
        assert_text(service, "pull_policy", "never");
        assert_text(service, "restart", "no");
        assert_text(service, "user", "0:0");
        assert_texts(service, "command",
                     from.options.mode == TBK_MODE_SIDECAR ? "list " : "backup --hook ");
        assert_texts(service, "cap_drop", "ALL ");
        assert_texts(service, "cap_add", "DAC_READ_SEARCH SETUID SETGID ");
        assert_texts(service, "security_opt", "no-new-privileges:true ");
        NEED(tbk_value_require_bool(service, "read_only", &read_only, &err));
        assert_true(read_only);
        assert_null(tbk_value_find(service, "privileged"));
        assert_null(tbk_value_find(service, "environment"));
        assert_null(tbk_value_find(service, "env_file"));
        assert_null(tbk_value_find(service, "ports"));
        if (from.environment.driver == TBK_DRIVER_SQLITE) {
            assert_text(service, "network_mode", "none");
            assert_true(from.options.mode == TBK_MODE_SIDECAR ||
                        tbk_value_find(document, "networks") == NULL);
        } else {
            assert_texts(service, "networks", "database ");
            assert_text(document, "networks.database.name", "torrust_database_network");
            assert_null(tbk_value_find(service, "network_mode"));
        }
    }
}

static void sidecar_has_no_more_rights_and_only_a_network_without_a_way_out(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    const tbk_value *document;
    bool flag = false;
    tbk_error err;
    render_case("sidecar", &from, &rendering);
    const tbk_value *service = find_service(&rendering, "services.sidecar", &document);
    assert_texts(service, "command", "serve ");
    assert_text(service, "restart", "unless-stopped");
    assert_text(service, "user", "0:0");
    assert_texts(service, "cap_drop", "ALL ");
    assert_texts(service, "cap_add", "DAC_READ_SEARCH SETUID SETGID ");
    assert_texts(service, "security_opt", "no-new-privileges:true ");
    NEED(tbk_value_require_bool(service, "read_only", &flag, &err));
    assert_true(flag);
    assert_null(tbk_value_find(service, "privileged"));
    assert_null(tbk_value_find(service, "ports"));
    assert_null(tbk_value_find(service, "environment"));
    assert_texts(service, "networks", "metrics ");
    NEED(tbk_value_require_bool(document, "networks.metrics.internal", &flag, &err));
    assert_true(flag);
    assert_string_equal(mounts_of(service), "/opt/torrust:ro /opt/torrust/storage:rw "
                                            "/srv/backups:rw /etc/torrust-backup:ro ");
    assert_texts(compose_service(&rendering, &document), "profiles", "once ");
}

static void sidecar_of_mysql_reaches_the_database_too(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    const tbk_value *document;
    bool flag = false;
    tbk_error err;
    render_case("mysql-sidecar", &from, &rendering);
    assert_texts(find_service(&rendering, "services.sidecar", &document), "networks",
                 "metrics database ");
    NEED(tbk_value_require_bool(document, "networks.metrics.internal", &flag, &err));
    assert_true(flag);
    NEED(tbk_value_require_bool(document, "networks.database.external", &flag, &err));
    assert_true(flag);
    assert_int_equal(tbk_value_find(document, "networks")->count, 2);
}

static void sidecar_has_no_hook_and_its_own_schedules(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    tbk_engine_config config;
    render_case("sidecar", &from, &rendering);
    assert_int_equal(rendering.count, 3);
    assert_string_equal(rendering.files[0].name, "compose.yml");
    assert_string_equal(rendering.files[1].name, "engine.yml");
    assert_string_equal(rendering.files[2].name, "torrust-backup-aid");
    read_engine_config(&rendering, &config);
    assert_int_equal(config.mode, TBK_MODE_SIDECAR);
    assert_string_equal(config.schedule, "@daily");
    assert_string_equal(config.full_schedule, "0 5 * * sun");
}

static void container_sees_the_deployment_and_the_store(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    const tbk_value *document;
    render_case("sqlite-minimal", &from, &rendering);
    assert_string_equal(mounts_of(compose_service(&rendering, &document)),
                        "/opt/torrust:ro /opt/torrust/storage:rw /etc/torrust-backup/engine.yml:ro "
                        "/var/lib/torrust-backup-outbound:ro "
                        "/var/lib/torrust-backup-uploaded:ro ");
    render_case("store-elsewhere", &from, &rendering);
    assert_string_equal(mounts_of(compose_service(&rendering, &document)),
                        "/opt/torrust:ro /opt/torrust/storage:rw /srv/torrust-backups:rw "
                        "/etc/torrust-backup/engine.yml:ro /var/lib/torrust-backup-outbound:ro "
                        "/var/lib/torrust-backup-uploaded:ro ");
}

/* It can read the sets, and reaches nothing of the tracker's. */
static void what_goes_off_site_has_a_way_out_and_nothing_else(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    const tbk_value *document;
    bool flag = false;
    tbk_error err;
    render_case("offsite", &from, &rendering);
    const tbk_value *service = find_service(&rendering, "services.outbound", &document);
    assert_texts(service, "command", "outbound ");
    assert_text(service, "image", OUTBOUND_IMAGE);
    assert_text(service, "user", "0:0");
    assert_texts(service, "cap_drop", "ALL ");
    assert_texts(service, "cap_add", "DAC_READ_SEARCH SETUID SETGID ");
    assert_texts(service, "security_opt", "no-new-privileges:true ");
    assert_texts(service, "networks", "outbound ");
    NEED(tbk_value_require_bool(service, "read_only", &flag, &err));
    assert_true(flag);
    assert_string_equal(mounts_of(service),
                        "/opt/torrust/storage/backup/sets:ro /var/lib/torrust-backup-outbound:rw "
                        "/etc/torrust-backup-outbound:ro /etc/torrust-backup:ro "
                        "/mnt/disk/torrust:rw ");
    const tbk_value *backup = find_service(&rendering, "services.backup", &document);
    assert_texts(backup, "networks", "database ");
}

/* Compose replaces $NAME and makes $ of $$; what is left must be the path. */
static void a_dollar_in_a_path_is_no_variable(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    const tbk_value *document;
    render_case("hostile-values", &from, &rendering);
    assert_non_null(strstr(from.options.store, "${X}"));
    const char *mounts = mounts_of(compose_service(&rendering, &document));
    tbk_auto_text text = {0};
    for (; *mounts != '\0'; mounts++) {
        tbk_text_append_char(&text, *mounts);
        if (mounts[0] == '$') {
            assert_int_equal(mounts[1], '$');
            mounts++;
        }
    }
    assert_non_null(
        strstr(tbk_text_string(&text), tbk_arena_format(arena, " %s:rw ", from.options.store)));
}

/* The lines of the crontab that are no comment, setting or empty line. */
static char *cron_jobs(const tbk_rendering *rendering)
{
    tbk_auto_text jobs = {0};
    const char *at = find_file(rendering, "crontab")->bytes;
    for (size_t length; *at != '\0'; at += length + 1) {
        length = strcspn(at, "\n");
        if (strchr("#\n", at[0]) == NULL && memchr(at, '=', length) == NULL)
            tbk_text_append_bytes(&jobs, at, length + 1);
    }
    return tbk_arena_copy(arena, tbk_text_string(&jobs));
}

static void crontab_has_the_schedule_and_two_recoveries(void **state)
{
    (void)state;
#define HOOK " root mkdir -p -m 0750 '/var/log/torrust-backup'; /usr/local/bin/torrust-backup-hook "
#define LOG ">> '/var/log/torrust-backup/run.log' 2>&1"
#define RECOVERY                                                                                   \
    " root /usr/local/bin/torrust-backup-hold recover 2>&1 | "                                     \
    "tee -a '/var/log/torrust-backup/run.log' > /dev/null 2>&1\n"
    static const char *const recoveries = "@reboot" RECOVERY "*/5 * * * *" RECOVERY;
    for (size_t i = 0; i < CASES; i++) {
        golden_case from;
        tbk_rendering rendering;
        render_case(case_names[i], &from, &rendering);
        if (from.options.mode == TBK_MODE_SIDECAR)
            continue;
        const char *full = from.options.full_schedule;
        assert_string_equal(cron_jobs(&rendering),
                            tbk_arena_format(arena, "%s" HOOK LOG "\n%s%s%s", from.options.schedule,
                                             full != NULL ? full : "",
                                             full != NULL ? HOOK "--profile full " LOG "\n" : "",
                                             recoveries));
    }
}

/* Runs "PROGRAM [ARGUMENT] -n FILE" on the rendered script. */
static void assert_script_parses(const char *program, const char *argument,
                                 const tbk_rendered_file *file)
{
    tbk_error err;
    const char *path = tbk_arena_format(arena, "%s/script", scratch);
    NEED(tbk_file_publish(path, file->bytes, file->length, 0600, &err));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (argument != NULL)
            execlp(program, program, argument, "-n", path, (char *)NULL);
        else
            execlp(program, program, "-n", path, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void shells_can_read_the_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        golden_case from;
        tbk_rendering rendering;
        render_case(case_names[i], &from, &rendering);
        if (from.options.mode == TBK_MODE_SIDECAR)
            continue;
        static const char *const names[] = {"torrust-backup-hook", "torrust-backup-hold",
                                            "torrust-backup-scratch", "torrust-backup-aid"};
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            const tbk_rendered_file *script = find_file(&rendering, names[k]);
            assert_script_parses("bash", NULL, script);
            assert_script_parses("dash", NULL, script);
            assert_script_parses("busybox", "sh", script);
        }
    }
}

/* --- Secrets --- */

static size_t assert_absent(const tbk_value *value, const tbk_rendering *rendering)
{
    size_t found = 0;
    if (value->type == TBK_VALUE_STRING && tbk_text_starts_with(value->string, "PLANTED-secret-")) {
        for (size_t i = 0; i < rendering->count; i++)
            assert_null(strstr(rendering->files[i].bytes, "PLANTED-secret-"));
        return 1;
    }
    for (const tbk_member *member = value->first; member != NULL; member = member->next)
        found += assert_absent(member->value, rendering);
    return found;
}

static void no_secret_of_the_state_is_rendered(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        golden_case from;
        tbk_rendering rendering;
        render_case(case_names[i], &from, &rendering);
        /* Each state has the API's token at least; the one with MySQL has two passwords more. */
        size_t planted = assert_absent(from.state, &rendering);
        assert_in_range(planted, from.environment.driver == TBK_DRIVER_MYSQL ? 3 : 1, 9);
    }
}

/* --- Overrides --- */

static void put_override(const char *name, const char *text)
{
    tbk_error err;
    NEED(tbk_file_publish(tbk_arena_format(arena, "%s/%s", scratch, name), text, strlen(text), 0644,
                          &err));
}

static char *read_template(const char *name)
{
    char *bytes;
    size_t length;
    tbk_error err;
    NEED(tbk_file_read(arena, tbk_arena_format(arena, TEMPLATES "/%s", name), SIZE_MAX_BYTES,
                       &bytes, &length, &err));
    return bytes;
}

/* Renders the minimal case with what is in the override folder, and expects a refusal. */
static char *refusal(tbk_error_code code)
{
    golden_case from;
    tbk_rendering rendering;
    tbk_error err;
    read_case("sqlite-minimal", &from);
    tbk_render_input input = input_of(&from);
    if (tbk_render(arena, &input, &rendering, &err))
        fail_msg("it was rendered");
    assert_int_equal(err.code, code);
    return tbk_arena_copy(arena, err.message);
}

static void an_override_wins(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    put_override("logrotate.tera", "{{ log | sh }} {\n    daily\n}\n");
    render_case("sqlite-minimal", &from, &rendering);
    assert_string_equal(find_file(&rendering, "logrotate")->bytes,
                        "'/var/log/torrust-backup/run.log' {\n    daily\n}\n");
}

static void a_missing_folder_of_overrides_is_none(void **state)
{
    (void)state;
    golden_case from;
    tbk_rendering rendering;
    tbk_error err;
    read_case("sqlite-minimal", &from);
    tbk_render_input input = input_of(&from);
    input.override_path = tbk_arena_format(arena, "%s/none/there", scratch);
    NEED(tbk_render(arena, &input, &rendering, &err));
}

static void an_override_that_cannot_be_read_is_not_passed_over(void **state)
{
    (void)state;
    const char *path = tbk_arena_format(arena, "%s/logrotate.tera", scratch);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_non_null(strstr(refusal(TBK_E_CONFIG), path));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_non_null(strstr(refusal(TBK_E_IO), path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_non_null(strstr(refusal(TBK_E_CONFIG), path));
}

static void an_override_has_a_limit(void **state)
{
    (void)state;
    tbk_auto_text text = {0};
    while (text.length <= SIZE_MAX_BYTES)
        tbk_text_append(&text, "# 0123456789 0123456789 0123456789 0123456789 0123456789 0123\n");
    put_override("logrotate.tera", tbk_text_string(&text));
    assert_non_null(strstr(refusal(TBK_E_CONFIG), "logrotate.tera"));
}

static void errors_name_the_template_and_the_place(void **state)
{
    (void)state;
    put_override("logrotate.tera", "a\n  {{ unknown | sh }}\n");
    assert_string_equal(
        refusal(TBK_E_TEMPLATE),
        tbk_arena_format(arena,
                         "rendering 'logrotate': %s/logrotate.tera:2:6: 'unknown' is not defined",
                         scratch));
}

/* What is wrong in a well-formed template is found in what it makes. */
static void what_a_template_makes_is_read_again(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } rows[] = {
        {"compose.yml.tera", "services: [\n", "compose.yml"},
        {"compose.yml.tera", "services: {other: {}}\n", "services.backup"},
        {"engine.yml.tera", "schema: 1\nsurprise: 1\n", "engine.yml"},
        {"hook.tera", "echo\n", "interpreter"},
        {"logrotate.tera", "no line break", "line break"},
        {"logrotate.tera", "", "line break"},
        {"crontab.tera", "0 3 * * *\n", "crontab:1"},
        {"crontab.tera", "A=b\n\n# x\n0 99 * * * root true\n", "crontab:4"},
        {"crontab.tera", "0 3 * * * nobody true\n", "'root' does not follow the schedule"},
        {"crontab.tera", "@daily rooty true\n", "'root' does not follow the schedule"},
        {"crontab.tera", "@daily root\n", "there is no command"},
        {"crontab.tera", "@sometimes root true\n", "crontab:1"},
        {"crontab.tera", "  @reboot root date +%F\n", "cron ends the command at its '%'"},
        {"crontab.tera", "@reboot root date +\\\\%F\n", "cron ends the command at its '%'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_override(rows[i].name, rows[i].text);
        const char *message = refusal(TBK_E_TEMPLATE);
        if (strstr(message, rows[i].message) == NULL)
            fail_msg("%s: %s", rows[i].text, message);
        assert_int_equal(unlink(tbk_arena_format(arena, "%s/%s", scratch, rows[i].name)), 0);
    }
}

static void crontabs_may_say_more(void **state)
{
    (void)state;
    static const char *const texts[] = {"MAILTO=ops@example.com\n", "@hourly root date +\\%F\n",
                                        "\t0\t3 *  * mon-fri  root\ttrue\n", "#\n", "FOO = bar\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tbk_error err;
        NEED(tbk_render_check_crontab(arena, "crontab", texts[i], strlen(texts[i]), &err));
    }
}

/* Each printed value in each template is quoted for where it stands: without its last filter, or
 * with one of another language, the template is refused. */
static void no_template_prints_a_value_unquoted(void **state)
{
    (void)state;
    static const char *const names[] = {"compose.yml.tera", "engine.yml.tera", "hook.tera",
                                        "hold.tera",        "scratch.tera",    "aid.tera",
                                        "logrotate.tera",   "crontab.tera"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *source = read_template(names[i]);
        size_t printed = 0;
        for (const char *at = source; (at = strstr(at, "{{")) != NULL; at++) {
            const char *bar = strchr(at, '|'), *end = strstr(at, "}}");
            if (bar == NULL || end == NULL || bar > end) /* in raw text */
                continue;
            tbk_auto_text without = {0}, other = {0};
            tbk_text_append_bytes(&without, source, (size_t)(bar - source));
            tbk_text_append(&without, end);
            tbk_text_append_bytes(&other, source, (size_t)(bar - source));
            tbk_text_format(&other, "| upper %s", end);
            put_override(names[i], tbk_text_string(&without));
            assert_non_null(strstr(refusal(TBK_E_TEMPLATE), "must end with the filter"));
            put_override(names[i], tbk_text_string(&other));
            assert_non_null(strstr(refusal(TBK_E_TEMPLATE), "must end with the filter"));
            printed++;
        }
        assert_true(printed > 0);
        assert_int_equal(unlink(tbk_arena_format(arena, "%s/%s", scratch, names[i])), 0);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(renders_as_expected),
        TEST(every_case_is_listed),
        TEST(files_come_in_the_order_of_installation),
        TEST(every_template_is_rendered),
        TEST(engine_reads_what_was_meant),
        TEST(only_what_the_environment_has_is_saved),
        TEST(container_has_no_more_rights_than_it_needs),
        TEST(sidecar_has_no_more_rights_and_only_a_network_without_a_way_out),
        TEST(sidecar_of_mysql_reaches_the_database_too),
        TEST(sidecar_has_no_hook_and_its_own_schedules),
        TEST(container_sees_the_deployment_and_the_store),
        TEST(what_goes_off_site_has_a_way_out_and_nothing_else),
        TEST(a_dollar_in_a_path_is_no_variable),
        TEST(crontab_has_the_schedule_and_two_recoveries),
        TEST(shells_can_read_the_scripts),
        TEST(no_secret_of_the_state_is_rendered),
        TEST(an_override_wins),
        TEST(a_missing_folder_of_overrides_is_none),
        TEST(an_override_that_cannot_be_read_is_not_passed_over),
        TEST(an_override_has_a_limit),
        TEST(errors_name_the_template_and_the_place),
        TEST(what_a_template_makes_is_read_again),
        TEST(crontabs_may_say_more),
        TEST(no_template_prints_a_value_unquoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Options: defaults, what the file may say, and what is refused with file and line. */
#include "unit/domain/documents.h"

#include "base/memory.h"
#include "domain/options.h"

static const tbk_environment without_native = {.name = "demo"};
static const tbk_environment with_native = {.name = "demo",
                                            .has_native_backup = true,
                                            .native_schedule = "15 4 * * 0",
                                            .native_keep_days = 30};

static tbk_options defaults(void)
{
    tbk_options options;
    tbk_options_default(&without_native, &options);
    return options;
}

static void defaults_pass_their_own_check(void **state)
{
    (void)state;
    tbk_options options = defaults();
    tbk_error err;
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    assert_string_equal(options.schedule, TBK_DEFAULT_SCHEDULE);
    assert_int_equal(options.keep_days, 7);
    assert_int_equal(options.keep_last, 3);
    assert_int_equal(options.mode, TBK_MODE_WINDOW);
    assert_int_equal(options.method, TBK_METHOD_AUTO);
    assert_int_equal(options.hold, TBK_HOLD_WHEN_NEEDED);
    assert_int_equal(options.database_tls, TBK_TLS_WHEN_OFFERED);
    assert_string_equal(options.store, "/opt/torrust/storage/backup/sets");
    assert_int_equal(options.window_max_seconds, 300);
    assert_int_equal(options.prove_restored_every_days, 7);
    assert_null(options.ssh_host);
    assert_int_equal(options.ssh_port, 0);
}

static void native_backup_gives_schedule_and_retention(void **state)
{
    (void)state;
    tbk_options options;
    tbk_error err;
    tbk_options_default(&with_native, &options);
    assert_string_equal(options.schedule, "15 4 * * 0");
    assert_int_equal(options.keep_days, 30);
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
}

static void every_key_is_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_options options = defaults();
    tbk_error err;
    assert_succeeds(tbk_options_read(yaml_of(arena, "schedule: '0 3 * * *'\n"
                                                    "full_schedule: '@weekly'\n"
                                                    "profile: essential\n"
                                                    "essential: {keys: none}\n"
                                                    "keep_days: 14\n"
                                                    "keep_last: 5\n"
                                                    "mode: window\n"
                                                    "method: snapshot\n"
                                                    "hold: never\n"
                                                    "database_tls: required\n"
                                                    "store: /srv/it's 50% ü\n"
                                                    "window_max_seconds: 86400\n"
                                                    "compression_level: 9\n"
                                                    "rate_limit_mib: 200\n"
                                                    "prove_restored_every_days: 0\n"
                                                    "verify: {fetch_limit_mib: 0}\n"
                                                    "ssh:\n"
                                                    "  host: 2001:db8::1\n"
                                                    "  port: 2222\n"
                                                    "  user: ops\n"
                                                    "  key: /keys/ops\n"
                                                    "  program: openssh\n"),
                                     &options, &err),
                    err);
    assert_string_equal(options.schedule, "0 3 * * *");
    assert_string_equal(options.full_schedule, "@weekly");
    assert_int_equal(options.profile, TBK_PROFILE_ESSENTIAL);
    assert_int_equal(options.essential.count, 1);
    assert_string_equal(options.essential.list[0].table, "keys");
    assert_int_equal(options.keep_days, 14);
    assert_int_equal(options.keep_last, 5);
    assert_int_equal(options.method, TBK_METHOD_SNAPSHOT);
    assert_int_equal(options.hold, TBK_HOLD_NEVER);
    assert_int_equal(options.database_tls, TBK_TLS_REQUIRED);
    assert_string_equal(options.store, "/srv/it's 50% ü");
    assert_int_equal(options.window_max_seconds, 86400);
    assert_int_equal(options.compression_level, 9);
    assert_int_equal(options.rate_limit_mib, 200);
    assert_int_equal(options.prove_restored_every_days, 0);
    assert_int_equal(options.verify_fetch_limit_mib, 0);
    assert_string_equal(options.ssh_host, "2001:db8::1");
    assert_int_equal(options.ssh_port, 2222);
    assert_string_equal(options.ssh_user, "ops");
    assert_string_equal(options.ssh_key, "/keys/ops");
    assert_int_equal(options.ssh_program, TBK_SSH_OPENSSH);
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_MYSQL, &err), err);
}

#define SFTP "offsite: {repository: 'sftp:b@host:/srv'"

static void every_key_of_offsite_is_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_options options = defaults();
    tbk_error err;
    assert_succeeds(tbk_options_read(yaml_of(arena, "offsite:\n"
                                                    "  repository: sftp:b@host.example:/srv/b\n"
                                                    "  secrets: /home/op/secrets\n"
                                                    "  ssh_key: keys/offsite\n"
                                                    "  known_hosts: keys/known\n"
                                                    "  name: Tracker-1.a_b\n"
                                                    "  take: essential\n"
                                                    "  full_every_days: 7\n"
                                                    "  access: append_only\n"
                                                    "  limit_upload_kib: 5000\n"
                                                    "  keep_last: 1\n"
                                                    "  keep_daily: 2\n"
                                                    "  keep_weekly: 0\n"
                                                    "  keep_monthly: 4\n"
                                                    "  check_every_days: 5\n"
                                                    "  check_parts: 6\n"
                                                    "  drill_every_days: 0\n"
                                                    "  drill_level: checksums\n"),
                                     &options, &err),
                    err);
    const tbk_offsite_settings *offsite = &options.offsite;
    assert_string_equal(offsite->repository, "sftp:b@host.example:/srv/b");
    assert_string_equal(options.offsite_secrets, "/home/op/secrets");
    assert_string_equal(options.offsite_ssh_key, "keys/offsite");
    assert_string_equal(options.offsite_known_hosts, "keys/known");
    assert_string_equal(offsite->name, "Tracker-1.a_b");
    assert_int_equal(offsite->take, TBK_TAKE_ESSENTIAL);
    assert_int_equal(offsite->full_every_days, 7);
    assert_int_equal(offsite->access, TBK_ACCESS_APPEND_ONLY);
    assert_int_equal(offsite->limit_upload_kib, 5000);
    assert_int_equal(offsite->keep_last, 1);
    assert_int_equal(offsite->keep_daily, 2);
    assert_int_equal(offsite->keep_weekly, 0);
    assert_int_equal(offsite->keep_monthly, 4);
    assert_int_equal(offsite->check_every_days, 5);
    assert_int_equal(offsite->check_parts, 6);
    assert_int_equal(offsite->drill_every_days, 0);
    assert_int_equal(offsite->drill_level, TBK_PROOF_CHECKSUMS);
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
}

static void nothing_goes_off_site_unless_it_is_said(void **state)
{
    (void)state;
    tbk_options options = defaults();
    assert_null(options.offsite.repository);
    assert_null(options.offsite.name);
    assert_null(options.offsite_secrets);
    assert_int_equal(options.offsite.take, TBK_TAKE_ALL);
    assert_int_equal(options.offsite.access, TBK_ACCESS_READ_WRITE);
    assert_int_equal(options.offsite.full_every_days, 0);
    assert_int_equal(options.offsite.keep_last, 3);
    assert_int_equal(options.offsite.keep_daily, 7);
    assert_int_equal(options.offsite.keep_weekly, 4);
    assert_int_equal(options.offsite.keep_monthly, 12);
    assert_int_equal(options.offsite.check_every_days, 7);
    assert_int_equal(options.offsite.check_parts, 26);
    assert_int_equal(options.offsite.drill_every_days, 30);
    assert_int_equal(options.offsite.drill_level, TBK_PROOF_NONE);
}

static void repositories_are_what_restic_knows(void **state)
{
    (void)state;
    static const char *const good[] = {"/mnt/disk/repository",
                                       "rest:https://host:8000/path",
                                       "rest:https://user@host:8000/p",
                                       "s3:https://host/bucket",
                                       "s3:host/bucket",
                                       "b2:bucket:path/to",
                                       "azure:container:/",
                                       "b2:bucket:path",
                                       "sftp://b@host:2222//srv",
                                       "rest:http://[::1]:8000/a/b"};
    static const char *const bad[][2] = {
        {"", "'' is no repository"},
        {"relative/path", "'relative/path' is no repository"},
        {":host", "':host' is no repository"},
        {"/srv/../etc", "the part '..'"},
        {"/srv//a", "empty part"},
        {"rest:https://a\nb", "is no repository"},
        {"rest:https://user:word@host/", "the repository's address has a password in it"},
        {"s3:https://key:secret@host/bucket", "the repository's address has a password in it"},
        {"sftp://u:p@host/", "the repository's address has a password in it"},
        {"sftp:u:secret@host:/srv", "the repository's address has a password in it"},
        {"local:/srv/a", "is out of reach for the container that goes there"},
        {"rclone:remote:path", "is out of reach for the container that goes there"},
        {"/etc/torrust", "lies in '/etc'"},
    };
    char *longest = tbk_memory_new(502);
    memset(longest, '/', 501);
    memcpy(longest, "s3:", 3);
    tbk_error err;
    assert_fails(tbk_options_check_repository(longest, &err), err, TBK_E_CONFIG, "no repository");
    longest[500] = '\0';
    assert_succeeds(tbk_options_check_repository(longest, &err), err);
    free(longest);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_succeeds(tbk_options_check_repository(good[i], &err), err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(tbk_options_check_repository(bad[i][0], &err), err, TBK_E_CONFIG, bad[i][1]);
        assert_null(strstr(err.message, "secret"));
    }
}

static void names_and_files_of_offsite_are_checked(void **state)
{
    (void)state;
    static const char *const names[] = {"", "-a", "a b", "a/b", "../a", "a,b", "\xc3\xbc"};
    char text[1002];
    tbk_error err;
    memset(text, 'a', sizeof text);
    text[1001] = '\0';
    assert_fails(tbk_options_check_file(text, &err), err, TBK_E_CONFIG, "is no path of a file");
    text[1000] = '\0';
    assert_succeeds(tbk_options_check_file(text, &err), err);
    assert_fails(tbk_options_check_file("", &err), err, TBK_E_CONFIG, "'' is no path of a file");
    assert_fails(tbk_options_check_file("a\tb", &err), err, TBK_E_CONFIG, "is no path of a file");
    text[65] = '\0';
    assert_fails(tbk_options_check_offsite_name(text, &err), err, TBK_E_CONFIG, "cannot be a name");
    text[64] = '\0';
    assert_succeeds(tbk_options_check_offsite_name(text, &err), err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_fails(tbk_options_check_offsite_name(names[i], &err), err, TBK_E_CONFIG,
                     "cannot be a name off-site");
}

static void bad_offsite_options_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"offsite: {}", "'offsite.repository' is missing"},
        {"offsite: {name: a}", "file.yml:1: 'offsite.repository' is missing"},
        {"offsite: {repository: }", "'offsite.repository' is missing"},
        {"offsite: 5", "'offsite' must be a map"},
        {"offsite: [a]", "'offsite' must be a map"},
        {"offsite: {repository: 5}", "'offsite.repository' must be text"},
        {SFTP ", colour: 1}", "in 'offsite': file.yml:1: unknown key 'colour'"},
        {SFTP ", password: x}", "in 'offsite': file.yml:1: unknown key 'password'"},
        {SFTP ", name: 'a b'}", "'offsite.name': 'a b' cannot be a name off-site"},
        {SFTP ", take: most}", "'offsite.take': "},
        {SFTP ", access: none}", "'offsite.access': "},
        {SFTP ", secrets: ''}", "'offsite.secrets': '' is no path of a file"},
        {SFTP ", ssh_key: 5}", "'offsite.ssh_key' must be text"},
        {SFTP ", known_hosts: []}", "'offsite.known_hosts' must be text"},
        {SFTP ", full_every_days: -1}", "'offsite.full_every_days': -1 is not possible"},
        {SFTP ", limit_upload_kib: 1.5}", "'offsite.limit_upload_kib' must be a whole number"},
        {SFTP ", keep_last: 0}", "'offsite.keep_last': 0 is not possible; 1 to 10000 sets are"},
        {SFTP ", keep_daily: -1}", "'offsite.keep_daily': -1 is not possible"},
        {SFTP ", keep_weekly: 10001}", "'offsite.keep_weekly': 10001 is not possible"},
        {SFTP ", keep_monthly: '1'}", "'offsite.keep_monthly' must be a whole number"},
        {SFTP ", check_every_days: 3651}", "'offsite.check_every_days': 3651 is not possible"},
        {SFTP ", check_parts: 0}", "'offsite.check_parts': 0 is not possible"},
        {SFTP ", drill_every_days: -1}", "'offsite.drill_every_days': -1 is not possible"},
        {SFTP ", drill_level: none}", "'offsite.drill_level': "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_options options = defaults();
        tbk_options before = options;
        tbk_error err;
        assert_fails(tbk_options_read(yaml_of(arena, cases[i][0]), &options, &err), err,
                     TBK_E_CONFIG, cases[i][1]);
        assert_memory_equal(&options, &before, sizeof options);
    }
}

static void a_repository_and_the_store_are_apart(void **state)
{
    (void)state;
    static const char *const places[] = {"/srv/backup", "/srv/backup/repository", "/srv"};
    tbk_options options = defaults();
    tbk_error err;
    options.store = "/srv/backup";
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        options.offsite.repository = places[i];
        assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                     "lie in one another");
    }
    options.offsite.repository = "/srv/other";
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
}

static void a_dump_off_site_is_restored_by_nobody(void **state)
{
    (void)state;
    tbk_options options = defaults();
    tbk_error err;
    options.offsite.repository = "rest:https://host:8000/";
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_MYSQL, &err), err);
    options.offsite.drill_level = TBK_PROOF_CHECKSUMS;
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_MYSQL, &err), err);
    options.offsite.drill_level = TBK_PROOF_RESTORED;
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    assert_fails(tbk_options_check(&options, TBK_DRIVER_MYSQL, &err), err, TBK_E_CONFIG,
                 "'offsite.drill_level: restored' is for SQLite");
    assert_non_null(strstr(err.fix, "prove_restored_every_days"));
}

/* What only shows once all is read. */
static void sftp_needs_a_key_and_the_servers(void **state)
{
    (void)state;
    tbk_options options = defaults();
    tbk_error err;
    options.offsite.repository = "sftp:b@host:/srv";
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'offsite.ssh_key' is missing: the VM logs in to 'sftp:b@host:/srv' with it");
    assert_non_null(strstr(err.fix, "ssh-keygen"));
    options.offsite_ssh_key = "key";
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'offsite.known_hosts' is missing: the VM knows 'sftp:b@host:/srv' by it");
    assert_non_null(strstr(err.fix, "ssh-keyscan"));
    options.offsite_known_hosts = "known";
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    options.offsite_ssh_key = options.offsite_known_hosts = NULL;
    options.offsite.repository = "rest:https://host:8000/";
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    options.offsite.repository = "rest:https://a:b@host:8000/";
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'offsite.repository': the repository's address has a password in it");
    assert_null(strstr(err.message, "a:b"));
}

static void file_may_be_empty_or_say_little(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "# nothing\n", "{}",
                                        "ssh:\nverify:\nschedule:\noffsite:\n"};
    tbk_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_options options = defaults();
        assert_succeeds(tbk_options_read(yaml_of(arena, cases[i]), &options, &err), err);
        assert_string_equal(options.schedule, TBK_DEFAULT_SCHEDULE);
        assert_int_equal(options.ssh_port, 0);
    }
    tbk_options options = defaults();
    assert_succeeds(tbk_options_read(NULL, &options, &err), err);
}

static void bad_options_are_refused_with_file_and_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "must be a map, but it is a list"},
        {"keep_days: 7\nkeepdays: 7", "file.yml:2: unknown key 'keepdays'; known are: schedule"},
        {"verify: {limit: 5}", "in 'verify': file.yml:1: unknown key 'limit'"},
        {"verify: 5", "'verify' must be a map"},
        {"ssh: [a]", "'ssh' must be a map"},
        {"ssh: {hosts: a}", "in 'ssh': file.yml:1: unknown key 'hosts'"},
        {"schedule: 5", "file.yml:1: 'schedule' must be text"},
        {"\nschedule: '99 3 * * *'",
         "file.yml:2: 'schedule': the schedule '99 3 * * *': '99' is not possible as minute"},
        {"schedule: '@reboot'", "not @reboot"},
        {"schedule: '0 0 31 2 *'", "never due"},
        {"schedule: ''", "fewer than five"},
        {"schedule: \"0 3 * * *\\n* * * * *\"", "control characters"},
        {"schedule: \"0\\t3 * * *\"", "control characters"},
        {"keep_days: '7'", "'keep_days' must be a whole number"},
        {"keep_days: 7.5", "'keep_days' must be a whole number"},
        {"keep_days: 0", "file.yml:1: 'keep_days': 0 is not possible; 1 to 36500 days are"},
        {"keep_days: -1", "'keep_days': -1 is not possible"},
        {"keep_days: 36501", "'keep_days': 36501 is not possible"},
        {"keep_last: 0", "'keep_last': 0 is not possible; 1 to 10000 sets are"},
        {"profile: most", "'profile': the profile 'most' is unknown; known are: full"},
        {"profile: 5", "'profile' must be text"},
        {"essential: all", "'essential' must be a map"},
        {"essential: {keys: 5}", "the rule for 'keys' must be text, but this is a whole number"},
        {"essential:\n  torrents: 'a; b'", "file.yml:2: 'essential': the rule for the table"},
        {"full_schedule: '0 25 * * *'", "'full_schedule': the schedule '0 25 * * *'"},
        {"mode: cron",
         "file.yml:1: 'mode': the mode 'cron' is unknown; known are: window, sidecar"},
        {"mode: 1", "'mode' must be text"},
        {"method: warm",
         "file.yml:1: 'method': the method 'warm' is unknown; known are: auto, hot, reflink"},
        {"method: true", "'method' must be text"},
        {"hold: always", "file.yml:1: 'hold': 'always' is unknown here; known are: when_needed"},
        {"hold: true", "'hold' must be text"},
        {"database_tls: no",
         "file.yml:1: 'database_tls': 'no' is unknown here; known are: when_offered, required"},
        {"database_tls: 1", "'database_tls' must be text"},
        {"window_max_seconds: 29", "30 to 86400 seconds are"},
        {"window_max_seconds: 86401", "30 to 86400 seconds are"},
        {"compression_level: -11", "-10 to 9 for zstd are"},
        {"compression_level: 10", "-10 to 9 for zstd are"},
        {"rate_limit_mib: -1", "0 to 100000 MiB a second are"},
        {"prove_restored_every_days: -1", "0 to 3650 days are"},
        {"verify: {fetch_limit_mib: -1}", "'verify.fetch_limit_mib': -1 is not possible"},
        {"ssh: {host: -oProxyCommand=id}", "'ssh.host': '-oProxyCommand=id' is not a host"},
        {"ssh: {host: 'a b'}", "'ssh.host': 'a b' is not a host"},
        {"ssh: {user: -l}", "'ssh.user': '-l' is not a user name"},
        {"ssh: {key: id_ed25519}", "'ssh.key': 'id_ed25519' is not an absolute path"},
        {"ssh: {port: 0}", "'ssh.port': 0 is not possible; 1 to 65535"},
        {"ssh: {port: 65536}", "'ssh.port': 65536 is not possible"},
        {"ssh: {port: '22'}", "'ssh.port' must be a whole number"},
        {"ssh: {program: telnet}", "'ssh.program': the way to the VM 'telnet' is unknown"},
        {"ssh: {program: 5}", "'ssh.program' must be text"},
        {"store: relative/path", "file.yml:1: 'store': 'relative/path' is not an absolute path"},
        {"store: /srv/backup/", "empty part"},
        {"store: /srv//backup", "empty part"},
        {"store: /srv/../etc", "the part '..'"},
        {"store: \"/srv/a\\nb\"", "control"},
        {"store: /", "'/' holds more than backups"},
        {"store: /srv", "'/srv' holds more than backups"},
        {"store: /opt/torrust", "'/opt/torrust' holds more than backups"},
        {"store: /opt/torrust/storage", "holds more than backups"},
        {"store: /etc", "'/etc' lies in '/etc', which is not for backups"},
        {"store: /usr/local/backup", "lies in '/usr'"},
        {"store: /var/lib/docker/volumes/x", "lies in '/var/lib/docker'"},
        {"store: /opt/torrust/storage/tracker", "lies in '/opt/torrust/storage/tracker'"},
        {"store: /opt/torrust/storage/tracker/lib/backup",
         "lies in '/opt/torrust/storage/tracker'"},
        {"store: /opt/torrust-backup/sets", "lies in '/opt/torrust-backup'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_options options = defaults();
        tbk_options before = options;
        tbk_error err;
        assert_fails(tbk_options_read(yaml_of(arena, cases[i][0]), &options, &err), err,
                     TBK_E_CONFIG, cases[i][1]);
        assert_memory_equal(&options, &before, sizeof options);
    }
}

static void stores_beside_foreign_folders_are_fine(void **state)
{
    (void)state;
    static const char *const cases[] = {"/srv/backup",
                                        "/mnt/disk/sets",
                                        "/opt/torrust/backup",
                                        "/opt/torrust/storage/tracker-backup",
                                        "/etcetera",
                                        "/var/backups/torrust",
                                        "/var/lib/docker-backup"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_options options = defaults();
        tbk_error err;
        options.store = cases[i];
        assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    }
}

static void check_refuses_what_flags_bring(void **state)
{
    (void)state;
    tbk_options options = defaults();
    tbk_error err;
    options.ssh_port = 70000;
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'ssh.port': 70000 is not possible; 1 to 65535");
    options = defaults();
    options.ssh_host = "-v";
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'ssh.host': '-v' is not");
}

static void bad_native_schedule_says_where_it_comes_from(void **state)
{
    (void)state;
    tbk_environment environment = with_native;
    tbk_options options;
    tbk_error err;
    environment.native_schedule = "99 99 99 99 99";
    tbk_options_default(&environment, &options);
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "user_inputs.backup.schedule of the deployer's state: the schedule '99 99");
    assert_non_null(strstr(err.fix, "'schedule', such as \"0 3 * * *\", into the options file"));
}

static void bad_native_retention_says_where_it_comes_from(void **state)
{
    (void)state;
    tbk_environment environment = with_native;
    tbk_options options;
    tbk_error err;
    environment.native_keep_days = 4294967295;
    tbk_options_default(&environment, &options);
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "user_inputs.backup.retention_days of the deployer's state: 4294967295 is not");
    assert_non_null(strstr(err.fix, "'keep_days', such as 7, into the options file"));
}

static void options_file_overrules_bad_native_values(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_environment environment = with_native;
    tbk_options options;
    tbk_error err;
    environment.native_schedule = "";
    environment.native_keep_days = 0;
    tbk_options_default(&environment, &options);
    assert_succeeds(
        tbk_options_read(yaml_of(arena, "schedule: '@daily'\nkeep_days: 3"), &options, &err), err);
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
    assert_false(options.native_schedule);
    assert_false(options.native_keep_days);
}

static void values_of_no_file_are_named_by_their_key(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_value *document = tbk_value_map(arena);
    tbk_options options = defaults();
    tbk_error err;
    tbk_value_set_string(arena, document, "method", "warm");
    assert_fails(tbk_options_read(document, &options, &err), err, TBK_E_CONFIG, "'method': the ");
}

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const tbk_names *const all[] = {
        &tbk_method_names,       &tbk_hold_policy_names,    &tbk_database_tls_names,
        &tbk_mode_names,         &tbk_journal_mode_names,   &tbk_ssh_program_names,
        &tbk_offsite_take_names, &tbk_offsite_access_names, NULL};
    tbk_error err;
    for (const tbk_names *const *names = all; *names != NULL; names++)
        for (unsigned value = (*names)->first; value < (*names)->count; value++) {
            unsigned read = (*names)->count;
            assert_succeeds(tbk_names_parse(*names, tbk_names_of(*names, value), &read, &err), err);
            assert_int_equal(read, value);
        }
}

static void each_choice_has_its_own_name(void **state)
{
    (void)state;
    tbk_error err;
    tbk_method method = TBK_METHOD_AUTO;
    tbk_mode mode = TBK_MODE_WINDOW;
    tbk_journal_mode journal_mode = TBK_JOURNAL_AS_IT_IS;
    tbk_ssh_program program = TBK_SSH_AUTO;
    assert_succeeds(tbk_method_parse(tbk_method_name(TBK_METHOD_STOP), &method, &err), err);
    assert_int_equal(method, TBK_METHOD_STOP);
    assert_succeeds(tbk_mode_parse(tbk_mode_name(TBK_MODE_SIDECAR), &mode, &err), err);
    assert_int_equal(mode, TBK_MODE_SIDECAR);
    assert_succeeds(
        tbk_journal_mode_parse(tbk_journal_mode_name(TBK_JOURNAL_DELETE), &journal_mode, &err),
        err);
    assert_int_equal(journal_mode, TBK_JOURNAL_DELETE);
    assert_succeeds(tbk_ssh_program_parse("local", &program, &err), err);
    assert_int_equal(program, TBK_SSH_LOCAL);
    assert_string_equal(tbk_database_tls_name(TBK_TLS_REQUIRED), "required");
}

static void no_journal_mode_but_those_that_are_offered(void **state)
{
    (void)state;
    static const char *const others[] = {"as it is", "WAL", "memory", "off", ""};
    tbk_journal_mode mode = TBK_JOURNAL_AS_IT_IS;
    tbk_error err;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_fails(tbk_journal_mode_parse(others[i], &mode, &err), err, TBK_E_CONFIG,
                     "known are: wal, delete");
    assert_int_equal(mode, TBK_JOURNAL_AS_IT_IS);
}

static void a_full_schedule_goes_with_essential_backups_at_other_times(void **state)
{
    (void)state;
    static const struct {
        const char *schedule, *full_schedule;
        tbk_profile profile;
        const char *refusal; /* NULL: none */
    } cases[] = {
        {"0 3 * * *", NULL, TBK_PROFILE_FULL, NULL},
        {"0 3 * * *", NULL, TBK_PROFILE_ESSENTIAL, NULL},
        {"0 3 * * *", "0 4 * * 0", TBK_PROFILE_ESSENTIAL, NULL},
        {"0 3 * * *", "0 4 * * 0", TBK_PROFILE_FULL, "goes with the profile essential only"},
        {"0 3 * * *", "0 3 * * 0", TBK_PROFILE_ESSENTIAL, "are due at the same time now and then"},
        {"never", "0 3 * * 0", TBK_PROFILE_ESSENTIAL, "'schedule'"},
        {"0 3 * * *", "never", TBK_PROFILE_ESSENTIAL, "'full_schedule'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_options options = defaults();
        tbk_error err;
        options.schedule = cases[i].schedule;
        options.full_schedule = cases[i].full_schedule;
        options.profile = cases[i].profile;
        if (cases[i].refusal == NULL)
            assert_succeeds(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err);
        else
            assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                         cases[i].refusal);
    }
}

static void a_method_goes_with_database_mode_and_policy(void **state)
{
    (void)state;
    static const struct {
        tbk_method method;
        tbk_driver driver;
        tbk_mode mode;
        tbk_hold_policy hold;
        const char *refusal; /* NULL = none */
    } cases[] = {
        {TBK_METHOD_HOT, TBK_DRIVER_SQLITE, TBK_MODE_WINDOW, TBK_HOLD_NEVER, NULL},
        {TBK_METHOD_PAUSE, TBK_DRIVER_SQLITE, TBK_MODE_WINDOW, TBK_HOLD_WHEN_NEEDED, NULL},
        {TBK_METHOD_STOP, TBK_DRIVER_MYSQL, TBK_MODE_WINDOW, TBK_HOLD_WHEN_NEEDED, NULL},
        {TBK_METHOD_SNAPSHOT, TBK_DRIVER_MYSQL, TBK_MODE_WINDOW, TBK_HOLD_NEVER, NULL},
        {TBK_METHOD_SNAPSHOT, TBK_DRIVER_MYSQL, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED, NULL},
        {TBK_METHOD_AUTO, TBK_DRIVER_MYSQL, TBK_MODE_SIDECAR, TBK_HOLD_NEVER, NULL},
        {TBK_METHOD_AUTO, TBK_DRIVER_SQLITE, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED, NULL},
        {TBK_METHOD_REFLINK, TBK_DRIVER_SQLITE, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED, NULL},
        {TBK_METHOD_SNAPSHOT, TBK_DRIVER_SQLITE, TBK_MODE_WINDOW, TBK_HOLD_WHEN_NEEDED,
         "the method snapshot is for MySQL; this environment has SQLite"},
        {TBK_METHOD_HOT, TBK_DRIVER_MYSQL, TBK_MODE_WINDOW, TBK_HOLD_WHEN_NEEDED,
         "the method hot is for SQLite; this environment has MySQL"},
        {TBK_METHOD_REFLINK, TBK_DRIVER_MYSQL, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED,
         "the method reflink is for SQLite"},
        {TBK_METHOD_PAUSE, TBK_DRIVER_MYSQL, TBK_MODE_WINDOW, TBK_HOLD_WHEN_NEEDED,
         "the method pause is for SQLite"},
        {TBK_METHOD_PAUSE, TBK_DRIVER_SQLITE, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED,
         "the method pause holds the tracker, which mode sidecar cannot do"},
        {TBK_METHOD_STOP, TBK_DRIVER_MYSQL, TBK_MODE_SIDECAR, TBK_HOLD_WHEN_NEEDED,
         "the method stop holds the tracker, which mode sidecar cannot do"},
        {TBK_METHOD_STOP, TBK_DRIVER_MYSQL, TBK_MODE_WINDOW, TBK_HOLD_NEVER,
         "the method stop holds the tracker, which 'hold: never' rules out"},
        {TBK_METHOD_PAUSE, TBK_DRIVER_SQLITE, TBK_MODE_WINDOW, TBK_HOLD_NEVER,
         "the method pause holds the tracker, which 'hold: never' rules out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_options options = defaults();
        tbk_error err;
        options.method = cases[i].method;
        options.mode = cases[i].mode;
        options.hold = cases[i].hold;
        if (cases[i].refusal == NULL) {
            assert_succeeds(tbk_options_check(&options, cases[i].driver, &err), err);
            continue;
        }
        assert_fails(tbk_options_check(&options, cases[i].driver, &err), err, TBK_E_CONFIG,
                     cases[i].refusal);
        assert_non_null(strstr(err.fix, "method: auto"));
    }
}

static void tls_is_demanded_of_mysql_only(void **state)
{
    (void)state;
    tbk_options options = defaults();
    tbk_error err;
    options.database_tls = TBK_TLS_REQUIRED;
    assert_succeeds(tbk_options_check(&options, TBK_DRIVER_MYSQL, &err), err);
    assert_fails(tbk_options_check(&options, TBK_DRIVER_SQLITE, &err), err, TBK_E_CONFIG,
                 "'database_tls: required' is for MySQL; this environment has SQLite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_pass_their_own_check),
        cmocka_unit_test(native_backup_gives_schedule_and_retention),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(every_key_of_offsite_is_read),
        cmocka_unit_test(nothing_goes_off_site_unless_it_is_said),
        cmocka_unit_test(repositories_are_what_restic_knows),
        cmocka_unit_test(names_and_files_of_offsite_are_checked),
        cmocka_unit_test(bad_offsite_options_are_refused),
        cmocka_unit_test(a_repository_and_the_store_are_apart),
        cmocka_unit_test(a_dump_off_site_is_restored_by_nobody),
        cmocka_unit_test(sftp_needs_a_key_and_the_servers),
        cmocka_unit_test(file_may_be_empty_or_say_little),
        cmocka_unit_test(bad_options_are_refused_with_file_and_line),
        cmocka_unit_test(stores_beside_foreign_folders_are_fine),
        cmocka_unit_test(check_refuses_what_flags_bring),
        cmocka_unit_test(bad_native_schedule_says_where_it_comes_from),
        cmocka_unit_test(bad_native_retention_says_where_it_comes_from),
        cmocka_unit_test(options_file_overrules_bad_native_values),
        cmocka_unit_test(values_of_no_file_are_named_by_their_key),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(each_choice_has_its_own_name),
        cmocka_unit_test(a_full_schedule_goes_with_essential_backups_at_other_times),
        cmocka_unit_test(a_method_goes_with_database_mode_and_policy),
        cmocka_unit_test(tls_is_demanded_of_mysql_only),
        cmocka_unit_test(no_journal_mode_but_those_that_are_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

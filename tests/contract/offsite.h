/* SPDX-License-Identifier: MIT */
/* Repositories for tests, where restic can have them: a folder, an SFTP server, its own REST
 * server, S3; see tests/offsite/. Each test gets an address of its own, where nothing is yet. */
#ifndef TBK_TESTS_CONTRACT_OFFSITE_H
#define TBK_TESTS_CONTRACT_OFFSITE_H

#include "contract/sshd.h"

#include "adapters/restic.h"

/* Secrets that nobody but restic may see. */
#define PLANTED_PASSWORD "planted-Pa55word-of-the-repository"
#define PLANTED_REST "planted-Pa55word-of-the-server"
#define PLANTED_S3 "planted-Pa55word-of-the-bucket"

typedef struct place {
    const char *name;
    bool (*start)(void);              /* false: not on this machine */
    const char *(*address)(unsigned); /* of the repository with this number */
    void (*stop)(void);
} place;

static char offsite_tools[256];
static char offsite_scratch[64];
static uint16_t offsite_port;
static const place *where;
static unsigned repositories; /* so far */
static tbk_restic_settings settings;
static const char *variables[8];

static inline const char *in_scratch(const char *name)
{
    return text_of("%s/%s", offsite_scratch, name);
}

__attribute__((format(printf, 1, 2))) static inline int run_line(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return system(line);
}

static inline bool find_tools(void)
{
    FILE *out = popen(TBK_SOURCE_DIR "/tests/offsite/tools", "r");
    if (out == NULL)
        return false;
    if (fgets(offsite_tools, sizeof offsite_tools, out) == NULL)
        offsite_tools[0] = '\0';
    offsite_tools[strcspn(offsite_tools, "\n")] = '\0';
    return pclose(out) == 0;
}

/* --- the places --- */

static inline bool start_folder(void) { return true; }
static inline const char *folder_address(unsigned number)
{
    return text_of("%s/repository-%u", offsite_scratch, number);
}
static inline void stop_folder(void) {}

static inline bool start_sftp(void)
{
    return sshd_start(NULL) == 0 && sshd_restart("Subsystem sftp internal-sftp");
}
static inline const char *sftp_address(unsigned number)
{
    return text_of("sftp://%s@127.0.0.1:%u/%s/repository-%u", sshd_user, sshd_port, offsite_scratch,
                   number);
}
static inline void stop_sftp(void) { (void)sshd_stop(NULL); }

/* Another program may have taken the port meanwhile: then with the next one. */
static inline bool start_server(const char *kind, const char *options)
{
    /* Not in a line for the shell: a test beside this one looks for it in all arguments. */
    (void)setenv("TBK_REST_PASSWORD", PLANTED_REST, 1);
    for (int attempt = 0; attempt < 5; attempt++) {
        offsite_port = free_port();
        if (run_line("%s/tests/offsite/server start %s %s/server %u %s", TBK_SOURCE_DIR, kind,
                     offsite_scratch, offsite_port, options) == 0)
            return true;
    }
    return false;
}
static inline void stop_server(void)
{
    (void)run_line("%s/tests/offsite/server stop %s/server", TBK_SOURCE_DIR, offsite_scratch);
}

static inline bool start_rest(void) { return start_server("rest", ""); }
static inline const char *rest_address(unsigned number)
{
    return text_of("rest:http://127.0.0.1:%u/repository-%u", offsite_port, number);
}

static inline bool start_s3(void)
{
    return start_server("s3", "") &&
           run_line("curl -s -f -X PUT -o /dev/null http://127.0.0.1:%u/bucket", offsite_port) == 0;
}
static inline const char *s3_address(unsigned number)
{
    return text_of("s3:http://127.0.0.1:%u/bucket/repository-%u", offsite_port, number);
}

static const place FOLDER = {"folder", start_folder, folder_address, stop_folder};
static const place SFTP = {"sftp", start_sftp, sftp_address, stop_sftp};
static const place REST = {"rest", start_rest, rest_address, stop_server};
static const place S3 = {"s3", start_s3, s3_address, stop_server};

/* --- settings for a new repository --- */

static inline void set_variables(void)
{
    size_t count = 0;
    variables[count++] = "RESTIC_PASSWORD=" PLANTED_PASSWORD;
    if (where == &REST) {
        variables[count++] = "RESTIC_REST_USERNAME=operator";
        variables[count++] = "RESTIC_REST_PASSWORD=" PLANTED_REST;
    }
    if (where == &S3) {
        variables[count++] = "AWS_ACCESS_KEY_ID=operator";
        variables[count++] = "AWS_SECRET_ACCESS_KEY=" PLANTED_S3;
        variables[count++] = "AWS_DEFAULT_REGION=us-east-1";
    }
    variables[count] = NULL;
}

static inline void new_settings(const tbk_report *report)
{
    static char program[300], repository[300], cache[128], temporary[128], key[128], pins[128];
    (void)snprintf(program, sizeof program, "%s/bin/restic", offsite_tools);
    (void)snprintf(repository, sizeof repository, "%s", where->address(++repositories));
    (void)snprintf(cache, sizeof cache, "%s/cache", offsite_scratch);
    (void)snprintf(temporary, sizeof temporary, "%s/temporary", offsite_scratch);
    (void)snprintf(key, sizeof key, "%s/ed25519", sshd_directory);
    (void)snprintf(pins, sizeof pins, "%s/pins", sshd_directory);
    (void)mkdir(cache, 0700);
    (void)mkdir(temporary, 0700);
    set_variables();
    settings = (tbk_restic_settings){.program = program,
                                     .repository = repository,
                                     .variables = variables,
                                     .cache_folder = cache,
                                     .temporary_folder = temporary,
                                     .report = report};
    if (where != &SFTP)
        return;
    settings.ssh_key = key;
    settings.known_hosts = pins;
    (void)run_line("echo \"[127.0.0.1]:%u $(cat %s/host_ed25519.pub)\" >%s", sshd_port,
                   sshd_directory, pins);
}

/* --- sets to send --- */

#define SET_OLD "20260214T030000Z"
#define SET_NEW "20260215T030000Z"

static inline void write_file(const char *path, size_t size_bytes)
{
    tbk_error err;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    char *bytes = malloc(size_bytes + 1);
    assert_non_null(bytes);
    for (size_t done = 0; done < size_bytes;) {
        ssize_t length = read(random, bytes + done, size_bytes - done);
        assert_true(length > 0);
        done += (size_t)length;
    }
    assert_succeeds(tbk_file_write_all(fd, bytes, size_bytes, &err), err);
    free(bytes);
    (void)close(random);
    (void)close(fd);
}

static inline void write_set(const char *id, size_t size_bytes)
{
    (void)mkdir(in_scratch("store"), 0750);
    (void)mkdir(text_of("%s/store/%s", offsite_scratch, id), 0750);
    write_file(text_of("%s/store/%s/database.db.zst", offsite_scratch, id), size_bytes);
    write_file(text_of("%s/store/%s/SHA256SUMS", offsite_scratch, id), 300);
    write_file(text_of("%s/store/%s/manifest.json", offsite_scratch, id), 0);
}

static inline int begin_place(void **state)
{
    (void)state;
    make_scratch(offsite_scratch);
    write_set(SET_OLD, 100000);
    write_set(SET_NEW, 3000000);
    return where->start() ? 0 : -1;
}

static inline int end_place(void **state)
{
    (void)state;
    where->stop();
    return remove_scratch(offsite_scratch) ? 0 : -1;
}

#endif

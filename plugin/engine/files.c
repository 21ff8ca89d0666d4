/* SPDX-License-Identifier: MIT */
/* The configuration files: opened one by one without following a link, written as a tar later. */
#include "engine/files.h"

#include "base/memory.h"
#include "base/text.h"
#include "database/sqlite.h"
#include "engine/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
    ENTRIES_MAX = 4096,
    LEVELS_MAX = 32,
    DESCRIPTORS_MAX = ENTRIES_MAX + 256, /* with what else the process has open */
    BLOCK_BYTES = 256 * 1024
};

typedef struct entry {
    const char *path; /* below the root, without a slash at either end */
    struct stat status;
    int fd;             /* of a regular file; else -1 */
    const char *target; /* of a link */
    tbk_sqlite_reader *reader;
} entry;

struct tbk_files {
    tbk_arena *arena;
    const tbk_engine_config *config; /* only while opening */
    entry *entries;
    size_t count;
    size_t capacity;
    size_t visited;
    uint64_t size_bytes;
    const char **notes; /* NULL at the end */
    size_t note_count;
};

/* --- notes --- */

/* Notes go into JSON, whatever bytes a file's name is made of. */
static const char *to_utf8(tbk_arena *arena, const char *text)
{
    char *copy = tbk_arena_copy(arena, text);
    size_t left = strlen(copy);
    for (char *at = copy; left > 0;) {
        size_t step = tbk_text_utf8_step(at, left);
        if (step == 0) {
            *at = '?';
            step = 1;
        }
        at += step;
        left -= step;
    }
    return copy;
}

static void add_note(tbk_files *files, const char *text)
{
    const char **grown = realloc(files->notes, (files->note_count + 2) * sizeof *grown);
    tbk_memory_must(grown != NULL);
    files->notes = grown;
    grown[files->note_count++] = to_utf8(files->arena, text);
    grown[files->note_count] = NULL;
}

TBK_PRINTF(3, 4)
static void note(tbk_files *files, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *why = tbk_arena_vformat(files->arena, format, arguments);
    va_end(arguments);
    add_note(files, tbk_arena_format(files->arena, "%s: %s", path, why));
}

static void note_errno(tbk_files *files, const char *path, int errno_value)
{
    if (errno_value == ENOENT)
        add_note(files, path);
    else if (errno_value == ELOOP || errno_value == ENOTDIR)
        note(files, path, "not saved, its path leads through a link or a file");
    else
        note(files, path, "not saved, it cannot be opened: %s", strerrordesc_np(errno_value));
}

/* --- opening --- */

static void entry_close(entry *at)
{
    tbk_auto_end_fd(&at->fd);
    tbk_sqlite_reader_close(at->reader);
    at->reader = NULL;
}

static entry *add_entry(tbk_files *files, const char *path, const struct stat *status)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 64 : 2 * files->capacity;
        entry *grown = realloc(files->entries, capacity * sizeof *grown);
        tbk_memory_must(grown != NULL);
        files->entries = grown;
        files->capacity = capacity;
    }
    entry *added = &files->entries[files->count++];
    *added = (entry){.path = tbk_arena_copy(files->arena, path), .status = *status, .fd = -1};
    return added;
}

/* Descriptors may be limited below what we may have at once. */
static bool raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_MAX ||
        limit.rlim_cur >= limit.rlim_max)
        return false;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int open_at(int directory, const char *name, int flags)
{
    /* Without O_NONBLOCK a pipe that has just taken the file's place would be waited for. */
    flags |= O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, name, flags);
    if (fd < 0 && errno == EMFILE && raise_descriptor_limit())
        fd = openat(directory, name, flags);
    return fd;
}

static bool fail_descriptors(tbk_error *err)
{
    return tbk_fail_errno(err, TBK_E_FAILED, EMFILE, "raise the limit of open files (ulimit -n)",
                          "cannot open all configuration files");
}

static bool is_listed(const char *const *paths, const char *path)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if (strcmp(*paths, path) == 0)
            return true;
    return false;
}

/* SQLite's own files beside a live database: its copy needs none of them. */
static bool is_companion(const tbk_files *files, const char *path)
{
    static const char *const SUFFIXES[] = {"-journal", "-wal", "-shm"};
    for (const char *const *at = files->config->sqlite_paths; at != NULL && *at != NULL; at++)
        for (size_t index = 0; index < sizeof SUFFIXES / sizeof SUFFIXES[0]; index++)
            if (tbk_text_starts_with(path, *at) && strcmp(path + strlen(*at), SUFFIXES[index]) == 0)
                return true;
    return false;
}

/* Through SQLite alone: closing a descriptor of ours would drop the locks it holds. */
static void add_database(tbk_files *files, const char *path, const struct stat *status)
{
    tbk_sqlite_reader *reader = NULL;
    tbk_error why;
    const char *full = tbk_arena_format(files->arena, "%s/%s", files->config->config_root, path);
    if (!tbk_sqlite_reader_open(full, &reader, &why)) {
        note(files, path, "not saved: %s", why.message);
        return;
    }
    if (!tbk_sqlite_reader_is(reader, status)) {
        tbk_sqlite_reader_close(reader);
        note(files, path, "not saved, its path leads through a link");
        return;
    }
    add_entry(files, path, status)->reader = reader;
    /* For a while it is there twice: as a copy, and stored. */
    files->size_bytes += 2 * (uint64_t)status->st_size;
}

static bool add_file(tbk_files *files, int directory, const char *name, const char *path,
                     tbk_error *err)
{
    int fd = open_at(directory, name, O_RDONLY);
    struct stat status;
    if (fd < 0 && errno == EMFILE)
        return fail_descriptors(err);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        note_errno(files, path, fd < 0 ? errno : ENOENT);
        tbk_auto_end_fd(&fd);
        return true;
    }
    add_entry(files, path, &status)->fd = fd;
    files->size_bytes += (uint64_t)status.st_size;
    return true;
}

static void add_link(tbk_files *files, int directory, const char *name, const char *path,
                     const struct stat *status)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, name, target, sizeof target);
    if (length < 0)
        note_errno(files, path, errno);
    else
        add_entry(files, path, status)->target =
            tbk_arena_copy_bytes(files->arena, target, (size_t)length);
}

static const char *kind_of(mode_t mode)
{
    return S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a named pipe" : "a device";
}

static bool visit(tbk_files *files, int directory, const char *name, const char *path,
                  unsigned levels_left, tbk_error *err);

static bool visit_children(tbk_files *files, DIR *listing, const char *path, unsigned levels_left,
                           tbk_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *child = readdir(listing);
        if (child == NULL) {
            if (errno != 0)
                note_errno(files, path, errno);
            return true;
        }
        if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
            continue;
        const char *below = tbk_arena_format(files->arena, "%s/%s", path, child->d_name);
        if (!visit(files, dirfd(listing), child->d_name, below, levels_left - 1, err))
            return false;
    }
}

static bool add_directory(tbk_files *files, int directory, const char *name, const char *path,
                          const struct stat *status, unsigned levels_left, tbk_error *err)
{
    (void)add_entry(files, path, status);
    if (levels_left == 0) {
        note(files, path, "what is in it is not saved, it is nested too deeply");
        return true;
    }
    int fd = open_at(directory, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && errno == EMFILE)
        return fail_descriptors(err);
    tbk_auto(DIR) *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        note_errno(files, path, errno);
        tbk_auto_end_fd(&fd);
        return true;
    }
    return visit_children(files, listing, path, levels_left, err);
}

static bool visit(tbk_files *files, int directory, const char *name, const char *path,
                  unsigned levels_left, tbk_error *err)
{
    struct stat status;
    if (is_companion(files, path))
        return true;
    if (files->visited++ == ENTRIES_MAX)
        return tbk_fail(err, TBK_E_CONFIG, "name fewer or smaller folders in config.paths",
                        "there are more than %d configuration files", ENTRIES_MAX);
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        note_errno(files, path, errno);
    else if (S_ISREG(status.st_mode) && is_listed(files->config->sqlite_paths, path))
        add_database(files, path, &status);
    else if (S_ISREG(status.st_mode))
        return add_file(files, directory, name, path, err);
    else if (S_ISLNK(status.st_mode))
        add_link(files, directory, name, path, &status);
    else if (S_ISDIR(status.st_mode))
        return add_directory(files, directory, name, path, &status, levels_left, err);
    else
        note(files, path, "not saved, it is %s", kind_of(status.st_mode));
    return true;
}

/* Walks down to the path's last part, and keeps the folders on the way with owner and mode. */
static bool add_path(tbk_files *files, int root, const char *path, tbk_error *err)
{
    tbk_auto_fd int directory = fcntl(root, F_DUPFD_CLOEXEC, 0);
    const char *name = path;
    for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        const char *part = tbk_arena_copy_bytes(files->arena, name, (size_t)(slash - name));
        const char *above = tbk_arena_copy_bytes(files->arena, path, (size_t)(slash - path));
        struct stat status;
        int below = open_at(directory, part, O_PATH | O_DIRECTORY);
        if (below < 0 || fstat(below, &status) != 0) {
            note_errno(files, path, errno);
            tbk_auto_end_fd(&below);
            return true;
        }
        (void)close(directory);
        directory = below;
        (void)add_entry(files, above, &status);
    }
    return visit(files, directory, name, path, LEVELS_MAX, err);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->path, ((const entry *)b)->path);
}

/* A path can have been configured twice, and most share the folders above them. */
static void sort_and_drop_doubles(tbk_files *files)
{
    if (files->count == 0)
        return;
    qsort(files->entries, files->count, sizeof *files->entries, compare_paths);
    size_t kept = 1;
    for (size_t index = 1; index < files->count; index++) {
        if (compare_paths(&files->entries[index], &files->entries[kept - 1]) == 0)
            entry_close(&files->entries[index]);
        else
            files->entries[kept++] = files->entries[index];
    }
    files->count = kept;
}

bool tbk_files_open(const tbk_engine_config *config, tbk_files **out, tbk_error *err)
{
    tbk_auto(tbk_files) *files = tbk_memory_new(sizeof *files);
    files->arena = tbk_arena_new();
    files->config = config;
    files->notes = tbk_memory_new(sizeof *files->notes);
    tbk_auto_fd int root = open(config->config_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "check config.root in engine.yml",
                              "cannot open the folder '%s'", config->config_root);
    for (const char *const *path = config->config_paths; path != NULL && *path != NULL; path++)
        if (!add_path(files, root, *path, err))
            return tbk_while(err, "opening '%s' below '%s'", *path, config->config_root);
    sort_and_drop_doubles(files);
    files->config = NULL;
    *out = files;
    files = NULL;
    return true;
}

void tbk_files_close(tbk_files *files)
{
    if (files == NULL)
        return;
    for (size_t index = 0; index < files->count; index++)
        entry_close(&files->entries[index]);
    free(files->entries);
    free(files->notes);
    tbk_arena_free(files->arena);
    free(files);
}

uint64_t tbk_files_size_bytes(const tbk_files *files) { return files->size_bytes; }

const char **tbk_files_missing(const tbk_files *files) { return files->notes; }

/* --- storing --- */

/* Up to wanted bytes from the offset; fewer only at the end of the file. */
static bool read_at(int fd, unsigned char *block, size_t wanted, uint64_t offset, size_t *out_got,
                    tbk_error *err)
{
    size_t got = 0;
    while (got < wanted) {
        ssize_t length = pread(fd, block + got, wanted - got, (off_t)(offset + got));
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read it");
        if (length == 0)
            break;
        got += (size_t)length;
    }
    *out_got = got;
    return true;
}

/* Exactly as many bytes as its header has promised, whatever happens to the file meanwhile. */
static bool store_content(tbk_files *files, const char *path, int fd, uint64_t size_bytes,
                          tbk_archive_writer *writer, tbk_error *err)
{
    tbk_auto_free unsigned char *block = tbk_memory_new(BLOCK_BYTES);
    bool shrank = false;
    bool good = true;
    for (uint64_t at = 0; good && at < size_bytes; at += BLOCK_BYTES) {
        uint64_t left = size_bytes - at;
        size_t wanted = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        size_t got = 0;
        good = read_at(fd, block, wanted, at, &got, err);
        memset(block + got, 0, wanted - got);
        shrank = shrank || got < wanted;
        good = good && tbk_archive_writer_add(writer, block, wanted, err);
    }
    explicit_bzero(block, BLOCK_BYTES); /* keys, passwords */
    if (!good)
        return false;
    if (shrank)
        note(files, path, "shrank while it was read, its end is zeros");
    struct stat now;
    if (fstat(fd, &now) == 0 && (uint64_t)now.st_size > size_bytes)
        note(files, path, "grew while it was read, saved are its first %" PRIu64 " bytes",
             size_bytes);
    return tbk_tar_pad(writer, size_bytes, err);
}

static bool store_regular(tbk_files *files, const entry *from, int fd, tbk_archive_writer *writer,
                          tbk_error *err)
{
    struct stat now; /* of the file itself: its size may be another by now */
    if (fstat(fd, &now) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at it");
    struct stat header = from->status;
    header.st_size = now.st_size;
    return tbk_tar_header(writer, from->path, &header, NULL, err) &&
           store_content(files, from->path, fd, (uint64_t)now.st_size, writer, err);
}

static bool store_database(tbk_files *files, const entry *from, const char *scratch_directory,
                           tbk_archive_writer *writer, tbk_error *err)
{
    const char *copy = tbk_arena_format(files->arena, "%s/config-%zu.db", scratch_directory,
                                        (size_t)(from - files->entries));
    tbk_error why;
    if (!tbk_sqlite_reader_copy(from->reader, copy, &why)) {
        (void)unlink(copy);
        if (why.code == TBK_E_SPACE || why.code == TBK_E_INTERRUPTED) {
            *err = why;
            return false;
        }
        /* A database of others must not cost the tracker its backup. */
        note(files, from->path, "not saved: %s", why.message);
        return true;
    }
    tbk_auto_fd int fd = open(copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    (void)unlink(copy);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open its copy '%s'", copy);
    return store_regular(files, from, fd, writer, err);
}

static bool store_entry(tbk_files *files, const entry *from, const char *scratch_directory,
                        tbk_archive_writer *writer, tbk_error *err)
{
    if (from->reader != NULL)
        return store_database(files, from, scratch_directory, writer, err);
    if (from->fd >= 0)
        return store_regular(files, from, from->fd, writer, err);
    return tbk_tar_header(writer, from->path, &from->status, from->target, err);
}

bool tbk_files_store(tbk_files *files, const char *scratch_directory, tbk_archive_writer *writer,
                     tbk_error *err)
{
    for (size_t index = 0; index < files->count; index++)
        if (!store_entry(files, &files->entries[index], scratch_directory, writer, err))
            return tbk_while(err, "saving the configuration file '%s'", files->entries[index].path);
    return tbk_tar_end(writer, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * The configuration files: found and opened one by one, without following a link.
 *
 * Others may write in these folders while we walk through them as root. So every part of a path is
 * opened by itself below the one before, and what was opened is looked at, not what has the name.
 * Links are resolved as text (link.h), and the outcome is walked to like any other path.
 */
#include "engine/files.h"

#include "base/memory.h"
#include "base/text.h"
#include "engine/files_internal.h"
#include "store/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define LEVELS_MAX 32
#define OWN "not saved here, it is of the database or the store"

/* --- entries --- */

/* "a/b" is in "a" and in "a/b", and everything is in "". */
static bool is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return length == 0 ||
           (strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0'));
}

void tbk_files_entry_close(tbk_files_entry *at)
{
    tbk_auto_end_fd(&at->fd);
    tbk_sqlite_reader_close(at->reader);
    at->reader = NULL;
}

static tbk_files_entry *add_entry(tbk_files *files, const char *path, const struct stat *status)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 64 : 2 * files->capacity;
        tbk_files_entry *grown = realloc(files->entries, capacity * sizeof *grown);
        tbk_memory_must(grown != NULL);
        files->entries = grown;
        files->capacity = capacity;
    }
    tbk_files_entry *added = &files->entries[files->count++];
    *added =
        (tbk_files_entry){.path = tbk_arena_copy(files->arena, path), .status = *status, .fd = -1};
    return added;
}

static void note_errno(const tbk_files_walk *self, const char *path, int errno_value)
{
    tbk_files *files = self->files;
    if (errno_value == ENOENT && is_in(self->path, path))
        tbk_files_note_missing(files, self->path);
    else if (errno_value == ENOENT)
        tbk_files_note(files, path, "not saved, it was removed meanwhile");
    else if (errno_value == ELOOP || errno_value == ENOTDIR)
        tbk_files_note(files, path, "not saved, its path leads through a link or a file");
    else
        tbk_files_note_lost(files, path, "not saved, it cannot be opened: %s",
                            strerrordesc_np(errno_value));
}

/* --- the kinds of files --- */

/* Without O_NONBLOCK a pipe that has just taken the file's place would be waited for. */
static int open_at(int directory, const char *name, int flags)
{
    return openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_database(const tbk_files_walk *self, const char *path)
{
    for (const char **at = self->databases; *at != NULL; at++)
        if (strcmp(*at, path) == 0)
            return true;
    return false;
}

static const char *const COMPANIONS[] = {"-journal", "-wal", "-shm"};
#define COMPANION_COUNT (sizeof COMPANIONS / sizeof COMPANIONS[0])

/* SQLite's own files beside a live database: its copy needs none of them. */
static bool is_companion(const tbk_files_walk *self, const char *path)
{
    for (const char **at = self->databases; *at != NULL; at++)
        for (size_t i = 0; i < COMPANION_COUNT; i++)
            if (tbk_text_starts_with(path, *at) && strcmp(path + strlen(*at), COMPANIONS[i]) == 0)
                return true;
    return false;
}

/* SQLite would wait for a pipe in the place of one of them for ever. */
static bool has_odd_companion(int directory, const char *name)
{
    for (size_t i = 0; i < COMPANION_COUNT; i++) {
        char companion[NAME_MAX + 16];
        struct stat status;
        (void)snprintf(companion, sizeof companion, "%s%s", name, COMPANIONS[i]);
        if (fstatat(directory, companion, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISREG(status.st_mode))
            return true;
    }
    return false;
}

/* Through SQLite alone: closing a descriptor of ours would drop the locks it holds. */
static void add_database(tbk_files_walk *self, int directory, const char *name, const char *path,
                         const struct stat *status)
{
    enum { DESCRIPTORS = 6 };
    tbk_files *files = self->files;
    tbk_sqlite_reader *reader = NULL;
    tbk_error why;
    const char *full = tbk_arena_format(files->arena, "%s/%s", self->config->config_root, path);
    if (has_odd_companion(directory, name))
        tbk_files_note_lost(files, path, "not saved, what is beside it is no journal");
    /* For a while it is there twice: as a copy, and stored. */
    else if (!tbk_files_take_descriptors(self, path, DESCRIPTORS) ||
             !tbk_files_take_bytes(self, path, status, 2))
        return;
    else if (!tbk_sqlite_reader_open(full, &reader, &why))
        tbk_files_note_lost(files, path, "not saved: %s", why.message);
    else if (!tbk_sqlite_reader_is(reader, status)) {
        tbk_sqlite_reader_close(reader);
        tbk_files_note_lost(files, path, "not saved, its path leads through a link");
    } else
        add_entry(files, path, status)->reader = reader;
}

static const char *kind_of(mode_t mode)
{
    return S_ISSOCK(mode)   ? "a socket"
           : S_ISFIFO(mode) ? "a named pipe"
           : S_ISLNK(mode)  ? "a link by now"
           : S_ISDIR(mode)  ? "a folder by now"
                            : "a device";
}

static void add_file(tbk_files_walk *self, int directory, const char *name, const char *path)
{
    struct stat status;
    if (!tbk_files_take_descriptors(self, path, 1))
        return;
    tbk_auto_fd int fd = open_at(directory, name, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) != 0)
        note_errno(self, path, errno);
    else if (!S_ISREG(status.st_mode))
        tbk_files_note(self->files, path, "not saved, it is %s", kind_of(status.st_mode));
    else if (tbk_files_take_bytes(self, path, &status, 1)) {
        add_entry(self->files, path, &status)->fd = fd;
        fd = -1;
        return;
    }
    self->descriptors_left++;
}

/* --- links --- */

static void follow_later(tbk_files_walk *self, const char *path)
{
    if (self->link_count == self->link_capacity) {
        size_t capacity = self->link_capacity == 0 ? 16 : 2 * self->link_capacity;
        const char **grown = realloc(self->links, capacity * sizeof *grown);
        tbk_memory_must(grown != NULL);
        self->links = grown;
        self->link_capacity = capacity;
    }
    self->links[self->link_count++] = tbk_arena_copy(self->files->arena, path);
}

static void add_link(tbk_files_walk *self, int directory, const char *name, const char *path,
                     const struct stat *status)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, name, target, sizeof target);
    if (length < 0)
        note_errno(self, path, errno);
    else
        add_entry(self->files, path, status)->target =
            tbk_arena_copy_bytes(self->files->arena, target, (size_t)length);
}

/* --- walking --- */

static void visit(tbk_files_walk *self, int directory, const char *name, const char *path,
                  unsigned levels_left);

static void visit_children(tbk_files_walk *self, DIR *listing, const char *path,
                           unsigned levels_left)
{
    while (!self->is_full) {
        errno = 0;
        const struct dirent *child = readdir(listing);
        if (child == NULL && errno != 0)
            note_errno(self, path, errno);
        if (child == NULL)
            return;
        if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
            continue;
        const char *below = tbk_arena_format(self->files->arena, "%s/%s", path, child->d_name);
        visit(self, dirfd(listing), child->d_name, below, levels_left - 1);
    }
}

static void add_directory(tbk_files_walk *self, int directory, const char *name, const char *path,
                          const struct stat *status, unsigned levels_left)
{
    add_entry(self->files, path, status)->is_whole = true;
    if (levels_left == 0) {
        tbk_files_note_lost(self->files, path,
                            "what is in it is not saved, it is nested too deeply");
        return;
    }
    int fd = open_at(directory, name, O_RDONLY | O_DIRECTORY);
    tbk_auto(DIR) *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        note_errno(self, path, errno);
        tbk_auto_end_fd(&fd);
        return;
    }
    visit_children(self, listing, path, levels_left);
}

static bool is_own(const tbk_files_walk *self, const struct stat *status)
{
    for (size_t i = 0; i < self->own_count; i++)
        if (self->own[i].st_ino == status->st_ino && self->own[i].st_dev == status->st_dev)
            return true;
    return false;
}

static void visit(tbk_files_walk *self, int directory, const char *name, const char *path,
                  unsigned levels_left)
{
    struct stat status;
    if (is_companion(self, path) || !tbk_files_take_place(self))
        return;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        note_errno(self, path, errno);
    else if (is_own(self, &status))
        tbk_files_note(self->files, path, OWN);
    else if (S_ISREG(status.st_mode) && is_database(self, path))
        add_database(self, directory, name, path, &status);
    else if (S_ISREG(status.st_mode))
        add_file(self, directory, name, path);
    else if (S_ISLNK(status.st_mode)) {
        add_link(self, directory, name, path, &status);
        follow_later(self, path);
    } else if (S_ISDIR(status.st_mode))
        add_directory(self, directory, name, path, &status, levels_left);
    else
        tbk_files_note(self->files, path, "not saved, it is %s", kind_of(status.st_mode));
}

/* A folder on the way, with owner and mode. Where a link stands in its place, the link is stored,
 * and the whole path is what is to be followed. */
static int enter(tbk_files_walk *self, int directory, const char *name, const char *above,
                 const char *path)
{
    struct stat status;
    if (!tbk_files_take_place(self))
        return -1;
    int below = open_at(directory, name, O_PATH | O_DIRECTORY);
    if (below >= 0 && fstat(below, &status) == 0 && !is_own(self, &status)) {
        (void)add_entry(self->files, above, &status);
        return below;
    }
    int why = errno;
    if (below >= 0)
        tbk_files_note(self->files, path, OWN);
    else if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
             S_ISLNK(status.st_mode)) {
        add_link(self, directory, name, above, &status);
        follow_later(self, path);
    } else {
        note_errno(self, path, why);
    }
    tbk_auto_end_fd(&below);
    return -1;
}

/* Walks down to the path's last part. */
static void add_path(tbk_files_walk *self, const char *path)
{
    tbk_arena *arena = self->files->arena;
    tbk_auto_fd int directory = fcntl(self->root, F_DUPFD_CLOEXEC, 0);
    const char *name = path;
    for (const char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        const char *part = tbk_arena_copy_bytes(arena, name, (size_t)(slash - name));
        const char *above = tbk_arena_copy_bytes(arena, path, (size_t)(slash - path));
        int below = enter(self, directory, part, above, path);
        if (below < 0)
            return;
        (void)close(directory);
        directory = below;
    }
    visit(self, directory, name, path, LEVELS_MAX);
}

static bool is_visited(const tbk_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++) {
        const tbk_files_entry *entry = &files->entries[i];
        if ((!S_ISDIR(entry->status.st_mode) || entry->is_whole) && strcmp(entry->path, path) == 0)
            return true;
    }
    return false;
}

static void follow(tbk_files_walk *self, const char *link)
{
    char target[PATH_MAX];
    const char *why = NULL;
    if (!tbk_link_resolve(self->root, self->config->config_root, link, target, &why))
        tbk_files_note(self->files, link, "the link alone is saved: %s", why);
    else if (is_in(link, target))
        tbk_files_note(self->files, link,
                       "the link alone is saved: it leads to a folder that it is in");
    else if (!is_visited(self->files, target)) {
        tbk_files_begin_path(self, link, 1, 0);
        add_path(self, target);
    }
}

/* --- all of it --- */

static void find_databases(tbk_files_walk *self)
{
    tbk_arena *arena = self->files->arena;
    const char *const *paths = self->config->sqlite_paths;
    size_t count = 0;
    while (paths != NULL && paths[count] != NULL)
        count++;
    self->databases = tbk_arena_alloc(arena, (count + 1) * sizeof *self->databases);
    for (size_t i = 0; i < count; i++) {
        char real[PATH_MAX];
        const char *why;
        bool ok = tbk_link_resolve(self->root, self->config->config_root, paths[i], real, &why);
        self->databases[i] = tbk_arena_copy(arena, ok ? real : paths[i]);
    }
    self->databases[count] = NULL;
}

static void add_own(tbk_files_walk *self, const char *path)
{
    if (stat(path, &self->own[self->own_count]) == 0)
        self->own_count++;
}

static void find_own(tbk_files_walk *self)
{
    const tbk_engine_config *config = self->config;
    if (config->store != NULL)
        add_own(self, config->store);
    if (config->database_path == NULL)
        return;
    add_own(self, config->database_path);
    for (size_t i = 0; i < COMPANION_COUNT; i++)
        add_own(self,
                tbk_arena_format(self->files->arena, "%s%s", config->database_path, COMPANIONS[i]));
}

static int compare_paths(const void *a, const void *b)
{
    const tbk_files_entry *left = a, *right = b;
    int order = strcmp(left->path, right->path);
    return order != 0 ? order : (int)right->is_whole - (int)left->is_whole;
}

/* A path can have been configured twice, and most share the folders above them. */
static void sort_and_drop_doubles(tbk_files *files)
{
    if (files->count == 0)
        return;
    qsort(files->entries, files->count, sizeof *files->entries, compare_paths);
    size_t kept = 1;
    for (size_t index = 1; index < files->count; index++) {
        if (strcmp(files->entries[index].path, files->entries[kept - 1].path) == 0)
            tbk_files_entry_close(&files->entries[index]);
        else
            files->entries[kept++] = files->entries[index];
    }
    files->count = kept;
}

static void walk_all(tbk_files_walk *self)
{
    const char *const *paths = self->config->config_paths;
    size_t count = 0;
    while (paths != NULL && paths[count] != NULL)
        count++;
    find_databases(self);
    find_own(self);
    for (size_t i = 0; i < count; i++) {
        tbk_files_begin_path(self, paths[i], count, count - i - 1);
        add_path(self, paths[i]);
    }
    for (size_t i = 0; i < self->link_count; i++)
        follow(self, self->links[i]);
    free(self->links);
    sort_and_drop_doubles(self->files);
}

bool tbk_files_open(const tbk_engine_config *config, tbk_files **out, tbk_error *err)
{
    tbk_auto_fd int root = open(config->config_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, "check config.root in engine.yml",
                              "cannot open the folder '%s'", config->config_root);
    tbk_files *files = tbk_memory_new(sizeof *files);
    files->arena = tbk_arena_new();
    files->notes = tbk_memory_new((TBK_FILES_NOTES_MAX + 1) * sizeof *files->notes);
    tbk_files_walk self = {.files = files,
                           .config = config,
                           .root = root,
                           .left = {.entries = TBK_FILES_ENTRIES_MAX, .bytes = TBK_FILES_BYTES_MAX},
                           .descriptors_left = tbk_files_descriptors()};
    walk_all(&self);
    *out = files;
    return true;
}

void tbk_files_close(tbk_files *files)
{
    if (files == NULL)
        return;
    for (size_t index = 0; index < files->count; index++)
        tbk_files_entry_close(&files->entries[index]);
    free(files->entries);
    free(files->notes);
    tbk_arena_free(files->arena);
    free(files);
}

/* --- how much they take --- */

static uint64_t bytes_of(const tbk_files_entry *entry)
{
    bool has_content = !entry->is_excluded && (entry->fd >= 0 || entry->reader != NULL);
    return has_content ? (uint64_t)entry->status.st_size * (entry->reader != NULL ? 2 : 1) : 0;
}

static tbk_files_entry *largest(tbk_files *files)
{
    tbk_files_entry *found = NULL;
    for (size_t i = 0; i < files->count; i++)
        if (bytes_of(&files->entries[i]) > (found != NULL ? bytes_of(found) : 0))
            found = &files->entries[i];
    return found;
}

void tbk_files_limit(tbk_files *files, uint64_t size_bytes)
{
    while (files->size_bytes > size_bytes) {
        tbk_files_entry *entry = largest(files);
        if (entry == NULL)
            return;
        files->size_bytes -= bytes_of(entry);
        entry->is_excluded = true;
        tbk_files_note_lost(files, entry->path, "not saved, the store has no room for it");
    }
}

/* SPDX-License-Identifier: MIT */
/* A tar stream: fills ustar headers, and says in a pax header before them what does not fit. */
#include "store/tar.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum { BLOCK_BYTES = 512, NAME_BYTES = 100, PREFIX_BYTES = 155 };

typedef struct ustar_header {
    char name[NAME_BYTES];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[NAME_BYTES];
    char magic[6];
    char version[2];
    char user_name[32];
    char group_name[32];
    char device_major[8];
    char device_minor[8];
    char prefix[PREFIX_BYTES];
    char padding[12];
} ustar_header;

_Static_assert(sizeof(ustar_header) == BLOCK_BYTES, "the header of POSIX is one block");

/* What fits: one digit less than the field has bytes. */
#define OWNER_MAX UINT64_C(07777777)
#define SIZE_MAX_OCTAL UINT64_C(077777777777)

static void put_octal(char *field, size_t size, uint64_t number)
{
    field[size - 1] = '\0';
    for (size_t index = size - 1; index-- > 0; number >>= 3)
        field[index] = (char)('0' + (number & 7));
}

static void put_text(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);
    memcpy(field, text, length < size ? length : size);
}

static void put_checksum(ustar_header *header)
{
    memset(header->checksum, ' ', sizeof header->checksum);
    const unsigned char *bytes = (const unsigned char *)header;
    uint64_t sum = 0;
    for (size_t index = 0; index < sizeof *header; index++)
        sum += bytes[index];
    put_octal(header->checksum, 7, sum); /* six digits, NUL, and the space that is there */
}

/* Splits the path at a slash where both parts fit; false, and a cut name, where none does. */
static bool put_path(ustar_header *header, const char *path)
{
    size_t length = strlen(path);
    if (length <= NAME_BYTES) {
        put_text(header->name, NAME_BYTES, path);
        return true;
    }
    size_t first = length - NAME_BYTES - 1;
    for (size_t at = first; at <= PREFIX_BYTES && at + 1 < length; at++)
        if (path[at] == '/' && at > 0) {
            memcpy(header->prefix, path, at);
            put_text(header->name, NAME_BYTES, path + at + 1);
            return true;
        }
    put_text(header->name, NAME_BYTES, path);
    return false;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* "<length> <key>=<value>\n", the length being that of the whole record with its own digits. */
static void add_record(tbk_text *records, const char *key, const char *value)
{
    size_t content = strlen(key) + strlen(value) + 3; /* space, =, line break */
    size_t length = content;
    for (size_t digits = 1, limit = 10; digits < 20; digits++, limit *= 10)
        if ((length = content + digits) < limit)
            break;
    tbk_text_format(records, "%zu %s=%s\n", length, key, value);
}

static void add_number(tbk_text *records, const char *key, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    add_record(records, key, text);
}

/* A name that is no UTF-8 has no place in a pax header; where it fits, the plain one keeps it. */
static bool wants_record(const char *name, bool fits)
{
    return !fits || (!is_ascii(name) && tbk_text_is_utf8(name, strlen(name)));
}

/* Fills what is common to all types, and lists in records what did not fit. */
static void fill_header(ustar_header *header, const char *path, const struct stat *status,
                        const char *link_target, tbk_text *records)
{
    uint64_t size = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0;
    bool mtime_fits = status->st_mtime >= 0 && (uint64_t)status->st_mtime <= SIZE_MAX_OCTAL;
    if (wants_record(path, put_path(header, path)))
        add_record(records, "path", path);
    if (link_target != NULL) {
        put_text(header->link_name, NAME_BYTES, link_target);
        if (wants_record(link_target, strlen(link_target) <= NAME_BYTES))
            add_record(records, "linkpath", link_target);
    }
    if (size > SIZE_MAX_OCTAL)
        add_number(records, "size", (int64_t)size);
    if (status->st_uid > OWNER_MAX)
        add_number(records, "uid", (int64_t)status->st_uid);
    if (status->st_gid > OWNER_MAX)
        add_number(records, "gid", (int64_t)status->st_gid);
    if (!mtime_fits)
        add_number(records, "mtime", (int64_t)status->st_mtime);
    put_octal(header->mode, sizeof header->mode, status->st_mode & 07777);
    put_octal(header->uid, sizeof header->uid, status->st_uid > OWNER_MAX ? 0 : status->st_uid);
    put_octal(header->gid, sizeof header->gid, status->st_gid > OWNER_MAX ? 0 : status->st_gid);
    put_octal(header->size, sizeof header->size, size > SIZE_MAX_OCTAL ? 0 : size);
    put_octal(header->mtime, sizeof header->mtime, mtime_fits ? (uint64_t)status->st_mtime : 0);
    memcpy(header->magic, "ustar", sizeof header->magic);
    memcpy(header->version, "00", sizeof header->version);
    put_octal(header->device_major, sizeof header->device_major, 0);
    put_octal(header->device_minor, sizeof header->device_minor, 0);
}

static bool write_records(tbk_archive_writer *writer, const tbk_text *records, tbk_error *err)
{
    const struct stat status = {.st_mode = S_IFREG | 0600, .st_size = (off_t)records->length};
    ustar_header header = {0};
    tbk_auto_text none = {0};
    fill_header(&header, "PaxHeaders/next", &status, NULL, &none);
    header.type = 'x';
    put_checksum(&header);
    return tbk_archive_writer_add(writer, &header, sizeof header, err) &&
           tbk_archive_writer_add(writer, records->bytes, records->length, err) &&
           tbk_tar_pad(writer, records->length, err);
}

bool tbk_tar_header(tbk_archive_writer *writer, const char *path, const struct stat *status,
                    const char *link_target, tbk_error *err)
{
    ustar_header header = {0};
    tbk_auto_text records = {0};
    tbk_auto_text name = {0};
    tbk_text_append(&name, path);
    if (S_ISDIR(status->st_mode))
        tbk_text_append_char(&name, '/');
    fill_header(&header, tbk_text_string(&name), status, link_target, &records);
    header.type = '0';
    if (S_ISDIR(status->st_mode))
        header.type = '5';
    if (link_target != NULL)
        header.type = '2';
    put_checksum(&header);
    if (records.length > 0 && !write_records(writer, &records, err))
        return false;
    return tbk_archive_writer_add(writer, &header, sizeof header, err);
}

bool tbk_tar_pad(tbk_archive_writer *writer, uint64_t size_bytes, tbk_error *err)
{
    static const char ZEROS[BLOCK_BYTES];
    size_t over = (size_t)(size_bytes % BLOCK_BYTES);
    return over == 0 || tbk_archive_writer_add(writer, ZEROS, BLOCK_BYTES - over, err);
}

bool tbk_tar_end(tbk_archive_writer *writer, tbk_error *err)
{
    static const char ZEROS[2 * BLOCK_BYTES];
    return tbk_archive_writer_add(writer, ZEROS, sizeof ZEROS, err);
}

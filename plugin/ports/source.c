/* SPDX-License-Identifier: MIT */
#include "ports/source.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t tbk_source_file_bytes(int fd)
{
    struct stat status = {0};
    off_t at = lseek(fd, 0, SEEK_CUR);
    (void)fstat(fd, &status);
    if (at < 0 || !S_ISREG(status.st_mode) || status.st_size < at)
        return 0;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return (uint64_t)(status.st_size - at);
}

bool tbk_source_read_file(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                          tbk_error *err)
{
    ssize_t got = tbk_file_read_some(*(const int *)self, buffer, size_bytes);
    if (got < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read");
    *out_got = (size_t)got;
    return true;
}

tbk_source tbk_source_of_file(int *fd)
{
    return (tbk_source){
        .self = fd, .total_bytes = tbk_source_file_bytes(*fd), .read = tbk_source_read_file};
}

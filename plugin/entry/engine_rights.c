/* SPDX-License-Identifier: MIT */
/* From root to the store's owner, checked afterwards instead of believed. */
#include "entry/engine_rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

static const char *const FIX = "start the container as it is configured: user 0:0 with the "
                               "capabilities DAC_READ_SEARCH, SETUID "
                               "and SETGID ('torrust-backup configure' puts that right)";

/* glibc has no call for these; libcap would be one more library in the image for two calls. */
static bool drop_capabilities(tbk_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, FIX, "cannot give up capabilities");
    return true;
}

static bool has_no_capability(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct left[2];
    if (syscall(SYS_capget, &header, left) != 0)
        return false;
    return (left[0].effective | left[0].permitted | left[0].inheritable | left[1].effective |
            left[1].permitted | left[1].inheritable) == 0;
}

static bool become(uid_t user, gid_t group, tbk_error *err)
{
    if (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0 ||
        setresuid(user, user, user) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, FIX, "cannot become user %u",
                              (unsigned)user);
    if (setuid(0) == 0)
        return tbk_fail(err, TBK_E_CONFIG, FIX, "the way back to root is still open");
    return true;
}

/* Nothing that this process might start gains rights either. A user 0 stays it. */
static bool give_up_rights(uid_t user, gid_t group, tbk_error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, FIX, "cannot refuse new privileges");
    if (user != 0 && !become(user, group, err))
        return false;
    if (!drop_capabilities(err))
        return false;
    return has_no_capability() ||
           tbk_fail(err, TBK_E_CONFIG, FIX, "capabilities are left after all were given up");
}

bool engine_rights_become_owner(const char *store, bool drop_all, tbk_error *err)
{
    struct stat status;
    if (geteuid() != 0 || stat(store, &status) != 0)
        return true;
    return (status.st_uid == 0 && !drop_all) || give_up_rights(status.st_uid, status.st_gid, err);
}

bool engine_rights_become_nobody(tbk_error *err)
{
    return geteuid() != 0 || give_up_rights(NOBODY, NOBODY, err);
}

/* SPDX-License-Identifier: MIT */
/* From root to the store's owner, checked afterwards instead of believed. */
#include "entry/engine_privileges.h"

#include "base/auto.h"
#include "domain/host_layout.h"
#include "store/safe_path.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534
#define FIRST_USER 1000 /* below are the system's own, which other services run as */

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

/* Nothing that this process might start gains privileges either. A user 0 stays it. */
static bool drop_privileges(uid_t user, gid_t group, tbk_error *err)
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

/* As in the container: root by number only, which a place that others chose must not lend a user
 * to. An operator's root has all capabilities, and the store may be root's. */
static bool is_confined(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[2] = {{0}, {0}};
    return syscall(SYS_capget, &header, has) != 0 ||
           (has[CAP_TO_INDEX(CAP_CHOWN)].permitted & CAP_TO_MASK(CAP_CHOWN)) == 0;
}

static bool check_user(const char *place, uid_t user, tbk_error *err)
{
    bool is_user = user >= FIRST_USER && user != NOBODY;
    return is_user || !is_confined() ||
           tbk_fail(err, TBK_E_CONFIG,
                    "give it and all in it to the user that the tracker runs as, on the VM: "
                    "sudo chown -Rh USER:GROUP",
                    "'%s' belongs to %s (%u), as which no backup is made", place,
                    user == 0 ? "root" : "a user of the system", (unsigned)user);
}

bool engine_privileges_become_owner(const char *store, bool drop_all, tbk_error *err)
{
    struct stat status;
    if (geteuid() != 0)
        return true;
    tbk_auto_fd int place = tbk_safe_path_open(store, err);
    if (place < 0)
        return err->code == TBK_E_NOT_FOUND;
    if (fstat(place, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", store);
    if (!check_user(store, status.st_uid, err))
        return false;
    return (status.st_uid == 0 && !drop_all) || drop_privileges(status.st_uid, status.st_gid, err);
}

bool engine_privileges_become_nobody(tbk_error *err)
{
    return geteuid() != 0 || drop_privileges(NOBODY, NOBODY, err);
}

bool engine_privileges_become_outbound(const char *store, tbk_error *err)
{
    struct stat status;
    if (geteuid() != 0)
        return true;
    if (store == NULL)
        return drop_privileges(TBK_OUTBOUND_USER, TBK_OUTBOUND_USER, err);
    tbk_auto_fd int place = tbk_safe_path_open(store, err);
    if (place < 0)
        return false;
    if (fstat(place, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot look at '%s'", store);
    return check_user(store, status.st_uid, err) &&
           drop_privileges(TBK_OUTBOUND_USER, status.st_gid, err);
}

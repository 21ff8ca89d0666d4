/* SPDX-License-Identifier: MIT */
/* The three ways to the VM: libssh2, the ssh program, this machine; and that none of them leaks
 * anything in this process. */
#ifndef TBK_TESTS_CONTRACT_WAYS_H
#define TBK_TESTS_CONTRACT_WAYS_H

#include "contract/sshd.h"

static tbk_remote remote; /* the way that is tried */
static int descriptors_before;

static inline int open_remote(tbk_ssh_program program)
{
    tbk_error err;
    const tbk_ssh_target target = target_of(program, "ed25519");
    descriptors_before = open_descriptors();
    note_threads();
    if (tbk_ssh_open(&target, NULL, &remote, &err))
        return 0;
    print_error("%s\n", err.message);
    return -1;
}

static inline int open_libssh2(void **state)
{
    (void)state;
    return open_remote(TBK_SSH_LIBSSH2);
}

static inline int open_openssh(void **state)
{
    (void)state;
    return open_remote(TBK_SSH_OPENSSH);
}

static inline int open_local(void **state)
{
    (void)state;
    return open_remote(TBK_SSH_LOCAL);
}

static inline int close_remote(void **state)
{
    (void)state;
    tbk_remote_close(&remote);
    tbk_remote_close(&remote); /* once more does no harm */
    const int descriptors = open_descriptors();
    const bool is_alone = threads_are_gone(), has_child = has_children();
    if (descriptors != descriptors_before)
        print_error("%d descriptors before, %d after\n", descriptors_before, descriptors);
    if (!is_alone)
        print_error("%zu threads before, %zu after\n", threads_noted, threads_now());
    if (has_child)
        print_error("a child process is left\n");
    return descriptors == descriptors_before && is_alone && !has_child ? 0 : -1;
}

/* The second array is for the way on which there is no connection to be cut. */
#define run_every_way(over_a_connection, on_this_machine)                                          \
    (cmocka_run_group_tests_name("libssh2", over_a_connection, open_libssh2, close_remote) +       \
     cmocka_run_group_tests_name("openssh", over_a_connection, open_openssh, close_remote) +       \
     cmocka_run_group_tests_name("local", on_this_machine, open_local, close_remote))

#endif

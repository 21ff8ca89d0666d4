/* SPDX-License-Identifier: MIT */
/* Opening the way to the VM: keys, agents, host keys, and servers that misbehave. */
#include "contract/sshd.h"

#include <libssh2.h>
#include <pthread.h>

/* libssh2 1.10 forgets some bytes of each login with an ECDSA key; nothing of ours is left out. */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

static tbk_error err;
static char said[4096]; /* what was reported */

static void note(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)self;
    size_t length = strlen(said);
    (void)snprintf(said + length, sizeof said - length, "%s %s: %s\n", tbk_log_level_name(level),
                   phase, message);
}

static const tbk_report report = {.log = note};

static int begin(void **state)
{
    (void)state;
    said[0] = '\0';
    (void)unlink(in_sshd("pins"));
    (void)unlink(in_sshd("home/.ssh/known_hosts"));
    return 0;
}

/* Opens, runs a command, closes. */
static bool works(const tbk_ssh_target *target)
{
    tbk_auto_remote remote = {0};
    tbk_auto_remote_result result = {0};
    const char *const argv[] = {"echo", "here", NULL};
    tbk_remote_command command = {.argv = argv};
    return tbk_ssh_open(target, &report, &remote, &err) &&
           remote.run(remote.self, &command, &result, &err) &&
           strcmp(tbk_text_string(&result.output), "here\n") == 0;
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    const char *path = in_sshd(name);
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fchmod(fileno(file), mode), 0);
    assert_int_equal(fclose(file), 0);
}

static const char *read_text(const char *name)
{
    static char text[16384];
    FILE *file = fopen(in_sshd(name), "r");
    if (file == NULL)
        return "";
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void shell(const char *command)
{
    int status = system(command);
    if (status != 0)
        fail_msg("'%s' ended with %d", command, status);
}

/* --- the key, before anything is contacted --- */

/* Nothing listens there: a connection fails with TBK_E_NETWORK. */
static void assert_refused_key(const char *key, const char *message, const char *fix)
{
    tbk_ssh_target target = target_of(TBK_SSH_AUTO, key);
    target.port = refused_port;
    assert_error(works(&target), TBK_E_CONFIG);
    assert_contains(err.message, message);
    assert_contains(err.fix, fix);
    assert_int_not_equal(access(in_sshd("pins"), F_OK), 0);
}

static void refuses_keys_that_cannot_work(void **state)
{
    (void)state;
    write_text("empty", "", 0600);
    write_text("words", "this is no key\n", 0600);
    write_text("putty", "PuTTY-User-Key-File-2: ssh-rsa\n", 0600);
    write_text("dsa", "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n",
               0600);
    shell(text_of("head -c 200 %s/ed25519 >%s/cut; chmod 600 %s/cut", sshd_directory,
                  sshd_directory, sshd_directory));
    shell(text_of("sed 2s/b3BlbnNza/b3BlbnNzb/ %s/ed25519 >%s/damaged; chmod 600 %s/damaged",
                  sshd_directory, sshd_directory, sshd_directory));
    shell(text_of("cp %s/ed25519 %s/open; chmod 640 %s/open", sshd_directory, sshd_directory,
                  sshd_directory));
    assert_refused_key("missing", "No such file", "--ssh-key");
    assert_refused_key("empty", "is empty", "--ssh-key");
    assert_refused_key("home", "not a regular file", "--ssh-key");
    assert_refused_key("words", "is not a private key", "--ssh-key");
    assert_refused_key("ed25519.pub", "is a public key", "without .pub");
    assert_refused_key("putty", "PuTTY", "puttygen");
    assert_refused_key("dsa", "DSA", "ssh-keygen");
    assert_refused_key("cut", "cut off", "--ssh-key");
    assert_refused_key("damaged", "damaged", "--ssh-key");
    assert_refused_key("open", "mode 0640", "chmod 600");
}

static void refuses_a_key_that_it_cannot_read(void **state)
{
    (void)state;
    write_text("unreadable", "secret", 0000);
    /* Root reads everything, so another user tries. */
    assert_int_equal(chmod(sshd_directory, 0711), 0);
    bool was_root = geteuid() == 0;
    if (was_root)
        assert_int_equal(setresuid(65534, 65534, 0), 0);
    tbk_ssh_target target = target_of(TBK_SSH_AUTO, "unreadable");
    target.port = refused_port;
    bool worked = works(&target);
    if (was_root)
        assert_int_equal(setresuid(0, 0, 0), 0);
    assert_error(worked, TBK_E_CONFIG);
    assert_contains(err.message, "Permission denied");
    assert_contains(err.fix, "--ssh-key");
}

static void make_encrypted(const char *name, const char *arguments)
{
    (void)unlink(in_sshd(name));
    shell(text_of("ssh-keygen -q -N secret %s -f %s/%s", arguments, sshd_directory, name));
}

static void refuses_encrypted_keys_of_every_format(void **state)
{
    (void)state;
    make_encrypted("locked_pem", "-t rsa -b 2048 -m PEM");
    make_encrypted("locked_pkcs8", "-t ecdsa -m PKCS8");
    assert_refused_key("locked", "is encrypted", "ssh-add");
    assert_refused_key("locked_pem", "is encrypted", "ssh-add");
    assert_refused_key("locked_pkcs8", "is encrypted", "ssh-add");
}

static void refuses_a_target_that_is_none(void **state)
{
    (void)state;
    tbk_ssh_target target = target_of(TBK_SSH_AUTO, "ed25519");
    target.host = "-oProxyCommand=id";
    assert_error(works(&target), TBK_E_CONFIG);
    target = target_of(TBK_SSH_AUTO, "ed25519");
    target.user = "";
    assert_error(works(&target), TBK_E_CONFIG);
    target = target_of(TBK_SSH_AUTO, "ed25519");
    target.host_key = "SHA256:short";
    assert_error(works(&target), TBK_E_CONFIG);
}

/* --- keys that work --- */

static void assert_works(tbk_ssh_program program, const char *key)
{
    tbk_ssh_target target = target_of(program, key);
    assert_ok(works(&target));
}

static void logs_in_with_every_kind_of_key(void **state)
{
    (void)state;
    assert_works(TBK_SSH_AUTO, "ed25519");
    assert_works(TBK_SSH_OPENSSH, "ed25519");
    assert_works(TBK_SSH_OPENSSH, "ecdsa");
    assert_works(TBK_SSH_AUTO, "rsa");
    if (__lsan_disable != NULL)
        __lsan_disable();
    assert_works(TBK_SSH_LIBSSH2, "ecdsa");
    if (__lsan_enable != NULL)
        __lsan_enable();
}

static void takes_the_ssh_program_for_rsa_where_libssh2_is_old(void **state)
{
    (void)state;
    assert_works(TBK_SSH_AUTO, "rsa");
    assert_contains(said, "using the ssh program: libssh2 here is older than 1.11");
    shell(text_of("cp %s/rsa %s/rsa_pem; ssh-keygen -q -p -m PEM -N '' -f %s/rsa_pem >/dev/null",
                  sshd_directory, sshd_directory, sshd_directory));
    said[0] = '\0';
    assert_works(TBK_SSH_AUTO, "rsa_pem");
    assert_contains(said, "using the ssh program");
    tbk_ssh_target target = target_of(TBK_SSH_LIBSSH2, "rsa");
    assert_error(works(&target), TBK_E_KEY);
    assert_contains(err.message, "SHA-1");
}

static void tells_that_the_vm_refuses_the_key(void **state)
{
    (void)state;
    for (int program = TBK_SSH_LIBSSH2; program <= TBK_SSH_OPENSSH; program++) {
        tbk_ssh_target target = target_of((tbk_ssh_program)program, "other");
        assert_error(works(&target), TBK_E_KEY);
        assert_contains(err.message, "refuses the key");
        assert_contains(err.fix, "authorized_keys");
    }
}

/* --- the agent --- */

/* Each has a socket of its own: the one before may still be removing its. */
static int start_agent(void **state)
{
    static int count;
    begin(state);
    count++;
    write_text("askpass", "#!/bin/sh\necho secret\n", 0700);
    shell(text_of("ssh-agent -a %s/agent%d | sed -n 's/.*SSH_AGENT_PID=\\([0-9]*\\).*/\\1/p' "
                  ">%s/agent.pid",
                  sshd_directory, count, sshd_directory));
    return setenv("SSH_AUTH_SOCK", in_sshd(text_of("agent%d", count)), 1);
}

static int stop_agent(void **state)
{
    (void)state;
    (void)unsetenv("SSH_AUTH_SOCK");
    return system(text_of("kill $(cat %s/agent.pid)", sshd_directory)) == 0 ? 0 : -1;
}

static void add_to_agent(const char *key)
{
    shell(text_of("SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=%s/askpass ssh-add -q %s/%s 2>/dev/null",
                  sshd_directory, sshd_directory, key));
}

static void uses_an_encrypted_key_that_the_agent_holds(void **state)
{
    (void)state;
    assert_refused_key("locked", "is encrypted", "ssh-add");
    add_to_agent("other");
    assert_refused_key("locked", "is encrypted", "ssh-add");
    add_to_agent("locked");
    assert_works(TBK_SSH_LIBSSH2, "locked");
    assert_works(TBK_SSH_OPENSSH, "locked");
    /* A format that hides its public half, which then comes from its own file. */
    shell(text_of("cd %s; cp locked locked_pk; cp ecdsa hidden; ssh-keygen -q -p -m PKCS8 -P '' "
                  "-N secret -f hidden >/dev/null",
                  sshd_directory));
    add_to_agent("ecdsa");
    tbk_ssh_target target = target_of(TBK_SSH_OPENSSH, "hidden");
    char public_path[128];
    (void)snprintf(public_path, sizeof public_path, "%s/ecdsa.pub", sshd_directory);
    target.public_key_path = public_path;
    assert_ok(works(&target));
}

static void tries_no_other_key_of_the_agent(void **state)
{
    (void)state;
    add_to_agent("ed25519"); /* this one would be accepted */
    for (int program = TBK_SSH_LIBSSH2; program <= TBK_SSH_OPENSSH; program++) {
        tbk_ssh_target target = target_of((tbk_ssh_program)program, "other");
        assert_error(works(&target), TBK_E_KEY);
    }
}

static void survives_an_agent_that_does_not_answer(void **state)
{
    (void)state;
    (void)setenv("SSH_AUTH_SOCK", in_sshd("no agent"), 1);
    assert_refused_key("locked", "is encrypted", "ssh-add");
    assert_works(TBK_SSH_LIBSSH2, "ed25519");
}

/* --- host keys --- */

static const char *host_line(const char *key, const char *name)
{
    static char line[2048];
    char type[64];
    char text[1024];
    FILE *file = fopen(in_sshd(text_of("%s.pub", key)), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%63s %1023s", type, text), 2);
    (void)fclose(file);
    (void)snprintf(line, sizeof line, "%s %s %s\n", name, type, text);
    return line;
}

static const char *vm_name(void) { return text_of("[127.0.0.1]:%u", sshd_port); }

static const char *fingerprint(const char *key)
{
    static char text[128];
    FILE *output = popen(text_of("ssh-keygen -lf %s/%s.pub", sshd_directory, key), "r");
    assert_non_null(output);
    assert_int_equal(fscanf(output, "%*s %127s", text), 1);
    (void)pclose(output);
    return text;
}

typedef void host_key_test(tbk_ssh_program program);

static void with_both(host_key_test *test)
{
    test(TBK_SSH_LIBSSH2);
    begin(NULL);
    test(TBK_SSH_OPENSSH);
}

static void check_pin(tbk_ssh_program program)
{
    struct stat status;
    assert_works(program, "ed25519");
    assert_string_equal(read_text("pins"), host_line("host_ed25519", vm_name()));
    assert_int_equal(stat(in_sshd("pins"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_contains(said, "first contact");
    assert_contains(said, fingerprint("host_ed25519"));
    said[0] = '\0';
    assert_works(program, "ed25519");
    assert_string_equal(said, "");
}

static void pins_the_host_key_at_the_first_contact(void **state)
{
    (void)state;
    with_both(check_pin);
}

static void check_users_file(tbk_ssh_program program)
{
    /* Not the type that a server would show by itself. */
    write_text("home/.ssh/known_hosts", host_line("host_ecdsa", vm_name()), 0600);
    assert_works(program, "ed25519");
    assert_string_equal(read_text("pins"), host_line("host_ecdsa", vm_name()));
    assert_string_equal(said, "");
    /* What the user's file says later does not matter any more. */
    write_text("home/.ssh/known_hosts", host_line("other", vm_name()), 0600);
    assert_works(program, "ed25519");
}

static void counts_what_the_users_own_file_knows(void **state)
{
    (void)state;
    with_both(check_users_file);
}

static void check_hashed(tbk_ssh_program program)
{
    write_text("home/.ssh/known_hosts", "# words\n@cert-authority * ssh-ed25519 AAAA\n\n", 0600);
    shell(text_of("cd %s/home/.ssh; printf '%%s' '%s' >>known_hosts; "
                  "ssh-keygen -q -H -f known_hosts >/dev/null 2>&1; grep -q '^|1|' known_hosts",
                  sshd_directory, host_line("host_rsa", vm_name())));
    if (program == TBK_SSH_LIBSSH2 && libssh2_version(0x010b00) == NULL)
        program = TBK_SSH_AUTO; /* this server signs with SHA-2 only */
    assert_works(program, "ed25519");
    assert_string_equal(read_text("pins"), host_line("host_rsa", vm_name()));
}

static void counts_hashed_entries(void **state)
{
    (void)state;
    with_both(check_hashed);
}

static void check_changed(tbk_ssh_program program)
{
    char shown[128];
    (void)snprintf(shown, sizeof shown, "%s", fingerprint("host_ed25519"));
    write_text("pins", host_line("other", vm_name()), 0600);
    tbk_ssh_target target = target_of(program, "ed25519");
    assert_error(works(&target), TBK_E_HOST_KEY);
    assert_contains(err.message, shown);
    assert_contains(err.message, fingerprint("other"));
    assert_contains(err.fix, text_of("--host-key %s", shown));
    assert_string_equal(read_text("pins"), host_line("other", vm_name()));

    target.host_key = "accept";
    assert_ok(works(&target));
    assert_contains(said, "has a new host key");
    assert_string_equal(read_text("pins"), host_line("host_ed25519", vm_name()));
    target.host_key = NULL;
    assert_ok(works(&target));
}

static void refuses_a_changed_key_until_it_is_accepted(void **state)
{
    (void)state;
    with_both(check_changed);
}

static void check_fingerprint(tbk_ssh_program program)
{
    char right[128];
    char wrong[128];
    (void)snprintf(right, sizeof right, "%s", fingerprint("host_ed25519"));
    (void)snprintf(wrong, sizeof wrong, "%s", fingerprint("other"));
    tbk_ssh_target target = target_of(program, "ed25519");
    target.host_key = wrong;
    assert_error(works(&target), TBK_E_HOST_KEY);
    assert_contains(err.message, right);
    assert_int_not_equal(access(in_sshd("pins"), F_OK), 0);
    write_text("pins", host_line("other", vm_name()), 0600);
    target.host_key = right;
    assert_ok(works(&target));
    assert_string_equal(read_text("pins"), host_line("host_ed25519", vm_name()));
}

static void takes_only_the_fingerprint_that_was_given(void **state)
{
    (void)state;
    with_both(check_fingerprint);
}

static void check_others(tbk_ssh_program program)
{
    char before[2048];
    (void)snprintf(before, sizeof before, "# a note\n%s", host_line("other", "10.0.0.9"));
    write_text("pins", before, 0644);
    assert_works(program, "ed25519");
    struct stat status;
    assert_int_equal(stat(in_sshd("pins"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_string_equal(read_text("pins"),
                        text_of("%s%s", before, host_line("host_ed25519", vm_name())));
}

static void keeps_what_is_pinned_for_other_hosts(void **state)
{
    (void)state;
    with_both(check_others);
}

static void check_revoked(tbk_ssh_program program)
{
    write_text("pins", text_of("@revoked %s", host_line("host_ed25519", "*")), 0600);
    tbk_ssh_target target = target_of(program, "ed25519");
    assert_error(works(&target), TBK_E_HOST_KEY);
}

static void refuses_a_revoked_key(void **state)
{
    (void)state;
    with_both(check_revoked);
}

static void a_plain_entry_is_for_port_22_only(void **state)
{
    (void)state;
    write_text("home/.ssh/known_hosts", host_line("other", "127.0.0.1"), 0600);
    assert_works(TBK_SSH_LIBSSH2, "ed25519");
}

static void takes_the_ssh_program_where_libssh2_knows_no_algorithm(void **state)
{
    (void)state;
    write_text("pins", host_line("host_rsa", vm_name()), 0600);
    /* A server of its own that has nothing but an RSA key, which 1.10 cannot check with SHA-2. */
    uint16_t port;
    shell(text_of("mkdir -p %s/rsa_only; cp %s/host_rsa* %s/authorized_keys %s/rsa_only",
                  sshd_directory, sshd_directory, sshd_directory, sshd_directory));
    assert_true(sshd_start_in(
        in_sshd("rsa_only"), &port,
        text_of("HostKeys=host_rsa 'AuthorizedKeysFile %s/authorized_keys'", sshd_directory)));
    shell(text_of("cat %s/ed25519.pub >>%s/rsa_only/authorized_keys", sshd_directory,
                  sshd_directory));
    tbk_ssh_target target = target_of(TBK_SSH_AUTO, "ed25519");
    target.port = port;
    bool worked = works(&target);
    shell(text_of("%s/tests/contract/sshd.sh stop %s/rsa_only", TBK_SOURCE_DIR, sshd_directory));
    assert_ok(worked);
    assert_contains(said, "using the ssh program: libssh2");
}

/* --- the user's ssh configuration --- */

/* ssh finds it through the password database, which a test cannot change; so ssh is called through
 * a script that names it. A later -F, as ours, still counts. */
static void takes_the_ssh_program_for_a_jump_host(void **state)
{
    (void)state;
    write_text("config.ssh",
               text_of("Host jump\n HostName 127.0.0.1\n Port %u\n IdentityFile %s/ed25519\n"
                       " IdentitiesOnly yes\n StrictHostKeyChecking no\n"
                       " UserKnownHostsFile /dev/null\n LogLevel ERROR\n"
                       "Host behind\n HostName 127.0.0.1\n ProxyJump jump\n",
                       sshd_port, sshd_directory),
               0600);
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", getenv("PATH"));
    (void)mkdir(in_sshd("bin"), 0700);
    write_text(
        "bin/ssh",
        text_of("#!/bin/sh\nPATH='%s' exec ssh -F %s/config.ssh \"$@\"\n", path, sshd_directory),
        0700);
    (void)setenv("PATH", text_of("%s/bin:%s", sshd_directory, path), 1);
    tbk_ssh_target target = target_of(TBK_SSH_AUTO, "ed25519");
    target.host = "behind";
    bool worked = works(&target);
    target.host = "127.0.0.1";
    char first[sizeof said];
    (void)snprintf(first, sizeof first, "%s", said);
    said[0] = '\0';
    bool worked_directly = works(&target);
    (void)setenv("PATH", path, 1);
    assert_ok(worked);
    assert_contains(first, "using the ssh program: its configuration has a jump host");
    assert_contains(read_text("pins"),
                    host_line("host_ed25519", text_of("[behind]:%u", sshd_port)));
    assert_ok(worked_directly);
    if (strstr(said, "using the ssh program") != NULL)
        fail_msg("%s", said);
}

/* --- several threads of a host, each with a connection of its own --- */

static void *work_alone(void *target)
{
    tbk_error own;
    for (int i = 0; i < 3; i++) {
        tbk_auto_remote remote = {0};
        tbk_auto_remote_result result = {0};
        const char *const argv[] = {"echo", "here", NULL};
        tbk_remote_command command = {.argv = argv};
        if (!tbk_ssh_open(target, NULL, &remote, &own) ||
            !remote.run(remote.self, &command, &result, &own) ||
            strcmp(tbk_text_string(&result.output), "here\n") != 0)
            return target;
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    tbk_ssh_target libssh2 = target_of(TBK_SSH_LIBSSH2, "ed25519");
    tbk_ssh_target openssh = target_of(TBK_SSH_OPENSSH, "ed25519");
    pthread_t threads[4];
    assert_ok(works(&libssh2)); /* pins: first contacts at once would each write the file */
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, work_alone, i % 2 == 0 ? &libssh2 : &openssh), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

/* --- servers that misbehave --- */

static void check_no_listener(tbk_ssh_program program)
{
    tbk_ssh_target target = target_of(program, "ed25519");
    target.port = refused_port;
    int64_t begin_ms = tbk_clock_monotonic_ms();
    assert_error(works(&target), TBK_E_NETWORK);
    assert_soon(begin_ms);
    assert_contains(err.message, "refused");
}

static void tells_that_nothing_listens(void **state)
{
    (void)state;
    with_both(check_no_listener);
}

static void check_no_name(tbk_ssh_program program)
{
    tbk_ssh_target target = target_of(program, "ed25519");
    target.host = "no-such-host.invalid";
    assert_error(works(&target), TBK_E_NETWORK);
}

static void tells_that_a_name_has_no_address(void **state)
{
    (void)state;
    with_both(check_no_name);
}

/* The process that serves the connection dies, or the machine with it, while it looks at the key.
 */
static void check_cut_login(tbk_ssh_program program)
{
    tbk_ssh_target target = target_of(program, "other");
    assert_error(works(&target), TBK_E_NETWORK);
    if (program == TBK_SSH_LIBSSH2)
        assert_contains(err.message, "ended during the login");
}

static void tells_a_login_that_was_cut_from_a_key_that_is_refused(void **state)
{
    (void)state;
    assert_true(sshd_restart(text_of("AuthorizedKeysCommand /bin/sh -c \"kill -KILL $PPID\"\n"
                                     "AuthorizedKeysCommandUser %s",
                                     sshd_user)));
    with_both(check_cut_login);
    assert_true(sshd_restart(""));
}

/* A server whose kernel takes connections, and that never says a word. */
static int silent_server(uint16_t *out_port) { return listen_on_loopback(5, out_port); }

static void check_silent(tbk_ssh_program program)
{
    tbk_ssh_target target = target_of(program, "ed25519");
    int fd = silent_server(&target.port);
    target.connect_timeout_ms = 500;
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool worked = works(&target);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    (void)close(fd);
    assert_error(worked, TBK_E_TIMEOUT);
    assert_true(took_ms < SOON_MS);
}

static void gives_up_on_a_server_that_says_nothing(void **state)
{
    (void)state;
    with_both(check_silent);
}

static void check_cancel(tbk_ssh_program program)
{
    tbk_remote remote = {0};
    tbk_ssh_target target = target_of(program, "ed25519");
    int fd = silent_server(&target.port);
    int64_t cancel_ms = tbk_clock_monotonic_ms() + 300;
    tbk_report impatient = {.self = &cancel_ms, .cancelled = cancelled_soon};
    bool opened = tbk_ssh_open(&target, &impatient, &remote, &err);
    int64_t late_ms = tbk_clock_monotonic_ms() - cancel_ms;
    (void)close(fd);
    assert_error(opened, TBK_E_INTERRUPTED);
    assert_true(late_ms < SOON_MS);
}

static void can_be_cancelled_while_connecting(void **state)
{
    (void)state;
    with_both(check_cancel);
}

/* A server that talks and never comes to its banner. */
typedef struct talker {
    int listener;
    unsigned pause_ms; /* between two lines; 0 = none, and many at once */
    pthread_t thread;
} talker;

static void *talk(void *self)
{
    const talker *it = self;
    char lines[8192];
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = i % 16 == 15 ? '\n' : 'x';
    for (int fd; (fd = accept4(it->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; (void)close(fd))
        while (send(fd, lines, it->pause_ms == 0 ? sizeof lines : 16, MSG_NOSIGNAL) > 0)
            (void)usleep(it->pause_ms * 1000);
    return NULL;
}

static tbk_ssh_target begin_talk(talker *it, tbk_ssh_program program)
{
    tbk_ssh_target target = target_of(program, "ed25519");
    it->listener = silent_server(&target.port);
    assert_int_equal(pthread_create(&it->thread, NULL, talk, it), 0);
    target.connect_timeout_ms = 500;
    return target;
}

static void end_talk(talker *it)
{
    (void)shutdown(it->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(it->thread, NULL), 0);
    (void)close(it->listener);
}

static void check_talk(tbk_ssh_program program, unsigned pause_ms)
{
    talker server = {.pause_ms = pause_ms};
    tbk_ssh_target target = begin_talk(&server, program);
    int64_t begin_ms = tbk_clock_monotonic_ms();
    bool worked = works(&target);
    int64_t took_ms = tbk_clock_monotonic_ms() - begin_ms;
    end_talk(&server);
    assert_false(worked);
    assert_true(err.code == TBK_E_TIMEOUT || err.code == TBK_E_NETWORK);
    assert_true(took_ms < SOON_MS);
}

static void check_flood(tbk_ssh_program program) { check_talk(program, 0); }
static void check_dribble(tbk_ssh_program program) { check_talk(program, 20); }

static void gives_up_on_a_server_that_never_comes_to_its_banner(void **state)
{
    (void)state;
    with_both(check_flood);
    with_both(check_dribble);
}

static void check_cancelled_talk(tbk_ssh_program program)
{
    tbk_remote remote = {0};
    talker server = {.pause_ms = 20};
    tbk_ssh_target target = begin_talk(&server, program);
    target.connect_timeout_ms = 100000;
    int64_t cancel_ms = tbk_clock_monotonic_ms() + 300;
    tbk_report impatient = {.self = &cancel_ms, .cancelled = cancelled_soon};
    bool opened = tbk_ssh_open(&target, &impatient, &remote, &err);
    int64_t late_ms = tbk_clock_monotonic_ms() - cancel_ms;
    end_talk(&server);
    assert_error(opened, TBK_E_INTERRUPTED);
    assert_true(late_ms < SOON_MS);
}

static void can_be_cancelled_while_a_server_talks(void **state)
{
    (void)state;
    with_both(check_cancelled_talk);
}

static void check_cancelled_command(tbk_ssh_program program)
{
    tbk_remote remote = {0};
    tbk_auto_remote_result result = {0};
    tbk_ssh_target target = target_of(program, "ed25519");
    int64_t cancel_ms = INT64_MAX;
    tbk_report impatient = {.self = &cancel_ms, .cancelled = cancelled_soon};
    tbk_remote_command command = {.argv = (const char *const[]){"sleep", "200", NULL}};
    assert_ok(tbk_ssh_open(&target, &impatient, &remote, &err));
    cancel_ms = tbk_clock_monotonic_ms() + 300;
    bool ran = remote.run(remote.self, &command, &result, &err);
    int64_t late_ms = tbk_clock_monotonic_ms() - cancel_ms;
    assert_error(ran, TBK_E_INTERRUPTED);
    assert_true(late_ms < SOON_MS);
    tbk_auto_remote_result cleaned = {0};
    command = (tbk_remote_command){.argv = (const char *const[]){"echo", "cleaned", NULL},
                                   .is_cleanup = true};
    assert_ok(remote.run(remote.self, &command, &cleaned, &err));
    assert_string_equal(tbk_text_string(&cleaned.output), "cleaned\n");
    tbk_remote_close(&remote);
}

static void
a_command_is_cancelled_by_the_report_of_its_connection_and_a_cleanup_is_not(void **state)
{
    (void)state;
    with_both(check_cancelled_command);
}

/* --- --- */

static int descriptors_before;

static int begin_group(void **state)
{
    (void)state;
    descriptors_before = open_descriptors();
    return 0;
}

static int end_group(void **state)
{
    (void)state;
    int descriptors = open_descriptors();
    if (descriptors != descriptors_before)
        print_error("%d descriptors before, %d after\n", descriptors_before, descriptors);
    if (has_children())
        print_error("a child process is left\n");
    return descriptors == descriptors_before && !has_children() ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest where_libssh2_is_old[] = {
        /* from 1.11 on it does these itself */
        TEST(takes_the_ssh_program_for_rsa_where_libssh2_is_old),
        TEST(takes_the_ssh_program_where_libssh2_knows_no_algorithm),
    };
    const struct CMUnitTest tests[] = {
        TEST(refuses_keys_that_cannot_work),
        TEST(refuses_a_key_that_it_cannot_read),
        TEST(refuses_encrypted_keys_of_every_format),
        TEST(refuses_a_target_that_is_none),
        TEST(logs_in_with_every_kind_of_key),
        TEST(tells_that_the_vm_refuses_the_key),
        cmocka_unit_test_setup_teardown(uses_an_encrypted_key_that_the_agent_holds, start_agent,
                                        stop_agent),
        cmocka_unit_test_setup_teardown(tries_no_other_key_of_the_agent, start_agent, stop_agent),
        cmocka_unit_test_setup_teardown(survives_an_agent_that_does_not_answer, start_agent,
                                        stop_agent),
        TEST(pins_the_host_key_at_the_first_contact),
        TEST(counts_what_the_users_own_file_knows),
        TEST(counts_hashed_entries),
        TEST(refuses_a_changed_key_until_it_is_accepted),
        TEST(takes_only_the_fingerprint_that_was_given),
        TEST(keeps_what_is_pinned_for_other_hosts),
        TEST(refuses_a_revoked_key),
        TEST(a_plain_entry_is_for_port_22_only),
        TEST(takes_the_ssh_program_for_a_jump_host),
        TEST(threads_do_not_disturb_each_other),
        TEST(tells_that_nothing_listens),
        TEST(tells_that_a_name_has_no_address),
        TEST(tells_a_login_that_was_cut_from_a_key_that_is_refused),
        TEST(gives_up_on_a_server_that_says_nothing),
        TEST(can_be_cancelled_while_connecting),
        TEST(gives_up_on_a_server_that_never_comes_to_its_banner),
        TEST(can_be_cancelled_while_a_server_talks),
        TEST(a_command_is_cancelled_by_the_report_of_its_connection_and_a_cleanup_is_not),
    };
    int failed = sshd_start(NULL) != 0;
    if (!failed)
        failed = cmocka_run_group_tests(tests, begin_group, end_group);
    if (!failed && libssh2_version(0x010b00) == NULL)
        failed = cmocka_run_group_tests(where_libssh2_is_old, begin_group, end_group);
    failed |= sshd_stop(NULL) != 0;
    return failed ? 1 : 0;
}

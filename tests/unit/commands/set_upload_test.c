/* SPDX-License-Identifier: MIT */
/* Sets that go to a VM which is played by the test: what is sent, in which order, and what is made
 * of its answers. */
#include "unit/engine/backup_fixture.h"

#include "commands/set_upload.h"
#include "store/set.h"

typedef struct vm {
    char folder[64];
    tbk_arena *arena;
    tbk_workspace workspace;
    tbk_remote port;
    const char *store; /* of this machine */
    const char *id;
    const tbk_manifest *manifest;
    const char *answer; /* of the VM */
    int exit_status;
    tbk_text sent; /* the paths of what came, and whole */
    tbk_error err;
} vm;

static void receive(vm *self, const tbk_remote_command *command)
{
    static const char folder[] = "/var/lib/torrust-backup-uploaded/";
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    tbk_digest digest;
    char bytes[4096];
    if (command->input != NULL)
        tbk_hasher_add(hasher, command->input, command->input_size_bytes);
    for (ssize_t got; command->input_fd > 0 &&
                      (got = tbk_file_read_some(command->input_fd, bytes, sizeof bytes)) > 0;)
        tbk_hasher_add(hasher, bytes, (size_t)got);
    tbk_hasher_finish(hasher, &digest);
    assert_string_equal(command->argv[5], digest.hex);
    assert_memory_equal(command->argv[4], folder, strlen(folder));
    tbk_text_format(&self->sent, "%s ", command->argv[4] + strlen(folder));
}

static bool run(void *data, const tbk_remote_command *command, tbk_remote_result *result,
                tbk_error *err)
{
    vm *self = data;
    (void)err;
    assert_true(command->as_root);
    if (strcmp(command->argv[3], "torrust-backup-put") == 0) {
        receive(self, command);
    } else {
        assert_string_equal(command->argv[3], "upload");
        assert_string_equal(command->argv[5], self->id);
        tbk_text_append(&result->output, self->answer);
        tbk_text_append(&result->error_output, "said\n");
        result->exit_status = self->exit_status;
    }
    return true;
}

static int set_up(void **state)
{
    vm *self = calloc(1, sizeof *self);
    tbk_backup_result result;
    make_scratch(self->folder);
    self->arena = tbk_arena_new();
    self->store = tbk_arena_format(self->arena, "%s/fetched", self->folder);
    const char *database = tbk_arena_format(self->arena, "%s/t.db", self->folder);
    make_torrents(database, 300, "1");
    tbk_engine_config config = sqlite_config(database, self->store);
    const tbk_backup_request request = {
        .config = &config, .run_id = "run", .create_store = true, .now_s = START_S};
    assert_succeeds(tbk_backup_run(self->arena, &request, NULL, &result, &self->err), self->err);
    self->id = result.id;
    self->manifest = result.manifest;
    self->workspace.options.store = "/srv/store";
    self->answer = "free 100000000\n";
    self->port = (tbk_remote){.self = self, .name = "vm", .run = run};
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    vm *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_text_end(&self->sent);
    tbk_arena_free(self->arena);
    free(self);
    return removed ? 0 : -1;
}

static bool upload(vm *self, const char *set)
{
    const tbk_vm where = {.workspace = &self->workspace, .remote = &self->port};
    const char *folder = NULL;
    tbk_text_clear(&self->sent);
    if (!tbk_set_upload(self->arena, &where, self->store, set, &folder, &self->err))
        return false;
    assert_string_equal(
        folder, tbk_arena_format(self->arena, "/var/lib/torrust-backup-uploaded/%s", self->id));
    return true;
}

static void the_manifest_is_sent_last(void **state)
{
    vm *self = *state;
    assert_succeeds(upload(self, "latest"), self->err);
    assert_string_equal(tbk_text_string(&self->sent),
                        tbk_arena_format(self->arena,
                                         "%s/database.db.zst %s/SHA256SUMS %s/manifest.json ",
                                         self->id, self->id, self->id));
}

static void what_is_there_and_right_is_not_sent_again(void **state)
{
    vm *self = *state;
    const char *hex = self->manifest->files[0].stored.hex;
    const char *rest =
        tbk_arena_format(self->arena, "%s/SHA256SUMS %s/manifest.json ", self->id, self->id);
    self->answer = tbk_arena_format(self->arena, "free 67108864\nhas %s database.db.zst\n", hex);
    assert_succeeds(upload(self, self->id), self->err);
    assert_string_equal(tbk_text_string(&self->sent), rest);
    /* Neither a longer line nor another sum is that. */
    self->answer = tbk_arena_format(self->arena,
                                    "free 100000000\nhas %s database.db.zst~\n"
                                    "xhas %s database.db.zst\nhas %s0 database.db.zst\n",
                                    hex, hex, hex);
    assert_succeeds(upload(self, self->id), self->err);
    assert_string_not_equal(tbk_text_string(&self->sent), rest);
}

static void a_vm_without_room_or_backup_or_sense_gets_nothing(void **state)
{
    vm *self = *state;
    static const char *const odd[] = {"",
                                      "\n",
                                      "free \n",
                                      "free x\n",
                                      "free -1\n",
                                      "ferf 5\n",
                                      "free 99999999999999999999\n",
                                      "100000000\n"};
    self->answer = "free 67108864\n";
    assert_fails(upload(self, "latest"), self->err, TBK_E_SPACE, "where 67108864 are free");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        self->answer = odd[i];
        assert_fails(upload(self, "latest"), self->err, TBK_E_REMOTE, "how much room");
    }
    self->exit_status = 66;
    assert_fails(upload(self, "latest"), self->err, TBK_E_CONFIG, "no backup installed");
    self->exit_status = 1;
    assert_fails(upload(self, "latest"), self->err, TBK_E_REMOTE, "exit status 1: said");
    assert_int_equal(self->sent.length, 0);
}

static void what_is_damaged_here_is_not_sent(void **state)
{
    vm *self = *state;
    const char *path =
        tbk_arena_format(self->arena, "%s/%s/database.db.zst", self->store, self->id);
    tbk_auto_fd int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "wrong", 5, 100), 5);
    assert_fails(upload(self, "latest"), self->err, TBK_E_UNPROVED, "is not what was stored");
    assert_fails(upload(self, "20200101T000000Z"), self->err, TBK_E_NOT_FOUND, "20200101T000000Z");
    self->store = "/nonexistent";
    assert_fails(upload(self, "latest"), self->err, TBK_E_NOT_FOUND, "/nonexistent");
    assert_int_equal(self->sent.length, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_manifest_is_sent_last),
        TEST(what_is_there_and_right_is_not_sent_again),
        TEST(a_vm_without_room_or_backup_or_sense_gets_nothing),
        TEST(what_is_damaged_here_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

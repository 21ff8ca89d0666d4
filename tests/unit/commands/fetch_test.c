/* SPDX-License-Identifier: MIT */
/* Sets that come from a VM, which is this machine, by a way that can be cut and that can lie. */
#include "unit/engine/backup_fixture.h"

#include "adapters/remote_local.h"
#include "base/json.h"
#include "commands/fetch.h"

#include <sys/file.h>
#include <sys/stat.h>

typedef struct vm {
    char folder[64];
    tbk_arena *arena;
    tbk_engine_config config;
    tbk_workspace workspace;
    tbk_remote here, port;
    const char *id; /* of the set that is there */
    const char *list;
    uint64_t cut_after_bytes; /* of a file */
    uint64_t sent_bytes;
    const tbk_remote_command *command; /* that runs */
    tbk_error err;
} vm;

/* --- the way --- */

static bool pass_on(void *data, const char *bytes, size_t length, tbk_error *err)
{
    vm *self = data;
    uint64_t left = self->cut_after_bytes - self->sent_bytes;
    size_t most = length < left ? length : (size_t)left;
    if (most > 0 && !self->command->on_output(self->command->on_output_self, bytes, most, err))
        return false;
    self->sent_bytes += most;
    return most == length || tbk_fail(err, TBK_E_NETWORK, NULL, "the line is cut");
}

static bool run(void *data, const tbk_remote_command *command, tbk_remote_result *result,
                tbk_error *err)
{
    vm *self = data;
    tbk_remote_command changed = *command;
    assert_true(command->as_root);
    assert_true(command->timeout_ms > 0);
    if (strcmp(command->argv[3], "engine") == 0) {
        tbk_text_append(&result->output, self->list);
        return true;
    }
    changed.as_root = false;
    changed.on_output = pass_on;
    changed.on_output_self = self;
    self->command = command;
    self->sent_bytes = 0;
    return self->here.run(self->here.self, &changed, result, err);
}

static const char *list_of(vm *self, const char *id, const char *more)
{
    return tbk_arena_format(self->arena, "{\"sets\":[{\"id\":\"%s\"%s}]}", id, more);
}

static int set_up(void **state)
{
    vm *self = calloc(1, sizeof *self);
    tbk_backup_result result;
    make_scratch(self->folder);
    self->arena = tbk_arena_new();
    const char *database = tbk_arena_format(self->arena, "%s/t.db", self->folder);
    make_torrents(database, 3000, "1");
    self->config = sqlite_config(database, tbk_arena_format(self->arena, "%s/store", self->folder));
    const tbk_backup_request request = {
        .config = &self->config, .run_id = "run", .create_store = true, .now_s = START_S};
    assert_succeeds(tbk_backup_run(self->arena, &request, NULL, &result, &self->err), self->err);
    self->id = result.id;
    self->workspace.options.store = self->config.store;
    self->list = list_of(self, self->id, "");
    self->cut_after_bytes = UINT64_MAX;
    tbk_remote_local_open(NULL, &self->here);
    self->port = (tbk_remote){.self = self, .name = "vm", .run = run};
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    vm *self = *state;
    bool removed = remove_scratch(self->folder);
    tbk_arena_free(self->arena);
    free(self);
    return removed ? 0 : -1;
}

static const char *in(vm *self, const char *name)
{
    return tbk_arena_format(self->arena, "%s/%s", self->folder, name);
}

static bool fetch(vm *self, const char *set, tbk_value **out)
{
    const tbk_fetch_input input = {.vm = {.workspace = &self->workspace, .remote = &self->port},
                                   .set = set,
                                   .to = in(self, "to")};
    return tbk_fetch(self->arena, &input, out, &self->err);
}

static void shell(vm *self, const char *command)
{
    command = tbk_arena_format(self->arena, "umask 077 && cd '%s' && ID=%s && %s", self->folder,
                               self->id, command);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void check_fetched(vm *self)
{
    shell(self, "for name in manifest.json SHA256SUMS database.db.zst; do"
                "    cmp to/$ID/$name store/$ID/$name || exit;"
                "    [ \"$(stat -c %a to/$ID/$name)\" = 600 ] || exit;"
                "done;"
                "[ \"$(stat -c %a to to/$ID)\" = '700\n700' ] && [ \"$(ls -A to)\" = $ID ]");
}

/* --- what comes --- */

static void a_set_comes_whole_and_private(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    mode_t before = umask(0);
    assert_succeeds(fetch(self, "latest", &result), self->err);
    (void)umask(before);
    check_fetched(self);
    assert_string_equal(tbk_value_text_at(result, "set", ""), self->id);
    assert_string_equal(tbk_value_text_at(result, "path", ""),
                        in(self, tbk_arena_format(self->arena, "to/%s", self->id)));
    assert_false(tbk_value_true_at(result, "was_there"));
    assert_int_equal(tbk_value_integer_at(result, "fetched_bytes"),
                     tbk_value_integer_at(result, "stored_bytes"));
    assert_succeeds(fetch(self, self->id, &result), self->err);
    assert_true(tbk_value_true_at(result, "was_there"));
    assert_int_equal(tbk_value_integer_at(result, "fetched_bytes"), 0);
}

static void what_came_before_a_cut_is_not_sent_again(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    self->cut_after_bytes = 20000; /* more than the documents have */
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_NETWORK, "the line is cut");
    shell(self, "[ ! -e to/$ID ] && [ $(stat -c %s to/.$ID.partial/database.db.zst) = 20000 ]");
    self->cut_after_bytes = UINT64_MAX;
    assert_succeeds(fetch(self, self->id, &result), self->err);
    check_fetched(self);
    assert_int_equal(tbk_value_integer_at(result, "stored_bytes") -
                         tbk_value_integer_at(result, "fetched_bytes"),
                     20000);
    assert_int_equal(self->sent_bytes, tbk_value_integer_at(result, "fetched_bytes"));
}

static void what_came_before_and_is_wrong_is_found_and_goes(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "mkdir -p -m 700 to to/.$ID.partial && cd to/.$ID.partial &&"
                "cp ../../store/$ID/manifest.json . && echo other >database.db.zst");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_UNPROVED, "not what was stored");
    shell(self, "[ -z \"$(ls -A to)\" ]");
    assert_succeeds(fetch(self, self->id, &result), self->err);
    check_fetched(self);
}

static void what_came_of_another_set_of_that_name_is_not_used(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "mkdir -p -m 700 to to/.$ID.partial && cd to/.$ID.partial &&"
                "echo '{}' >manifest.json && echo other >database.db.zst && echo x >stranger");
    assert_succeeds(fetch(self, self->id, &result), self->err);
    check_fetched(self);
    shell(self, "[ \"$(ls to/$ID | xargs)\" = 'SHA256SUMS database.db.zst manifest.json' ]");
}

static void what_is_longer_than_it_may_be_comes_anew(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self,
          "mkdir -p -m 700 to to/.$ID.partial && cd to/.$ID.partial &&"
          "cp ../../store/$ID/manifest.json . && cat ../../store/$ID/*.zst >database.db.zst &&"
          "echo more >>database.db.zst");
    assert_succeeds(fetch(self, self->id, &result), self->err);
    check_fetched(self);
}

/* --- where it comes to --- */

static void a_folder_that_others_can_write_in_is_refused(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    static const mode_t modes[] = {0770, 0707, 01777};
    assert_int_equal(mkdir(in(self, "to"), 0700), 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(in(self, "to"), modes[i]), 0);
        assert_fails(fetch(self, self->id, &result), self->err, TBK_E_CONFIG, "others can write");
        assert_non_null(strstr(self->err.fix, "chmod go-w"));
    }
    shell(self, "[ -z \"$(ls -A to)\" ]");
    assert_int_equal(chmod(in(self, "to"), 0755), 0);
    assert_succeeds(fetch(self, self->id, &result), self->err);
}

static void a_part_that_others_could_have_made_is_refused(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "mkdir -m 700 to elsewhere && mkdir -m 755 to/.$ID.partial");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_CONFIG, "others can enter it");
    shell(self, "rmdir to/.$ID.partial && ln -s ../elsewhere to/.$ID.partial");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_IO, ".partial'");
    shell(self, "[ -z \"$(ls -A elsewhere)\" ]");
}

static void two_at_once_are_refused(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    assert_int_equal(mkdir(in(self, "to"), 0700), 0);
    tbk_auto_fd int other = open(in(self, "to"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_LOCKED,
                 "another command is putting a set into");
}

static void what_is_there_is_never_replaced(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "mkdir -p -m 700 to to/$ID && echo mine >to/$ID/database.db.zst");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_UNPROVED, "is there, and is not");
    shell(self, "[ \"$(cat to/$ID/database.db.zst)\" = mine ]");
}

/* --- what a VM may say --- */

static void the_latest_is_whole_of_now_and_of_this_database(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    self->list = tbk_arena_format(
        self->arena,
        "{\"sets\":[{\"id\":\"20990101T000000Z\",\"from_future\":true},"
        "{\"id\":\"20980101T000000Z\",\"damage\":\"d\"},"
        "{\"id\":\"20970101T000000Z\",\"other_database\":\"o\"},{\"id\":\"%s\",\"damage\":null,"
        "\"from_future\":false,\"other_database\":null}]}",
        self->id);
    assert_succeeds(fetch(self, "latest", &result), self->err);
    assert_string_equal(tbk_value_text_at(result, "set", ""), self->id);
    assert_fails(fetch(self, "20980101T000000Z", &result), self->err, TBK_E_CORRUPT, "damaged: d");
    assert_fails(fetch(self, "20960101T000000Z", &result), self->err, TBK_E_NOT_FOUND,
                 "no set '20960101T000000Z'");
    self->list = "{\"sets\":[]}";
    assert_fails(fetch(self, "latest", &result), self->err, TBK_E_NOT_FOUND, "can be the latest");
}

static void names_that_are_paths_are_refused(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    static const char *const names[] = {"../store", "/etc", "", ".", "20260216T175643Z/..", "x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        self->list = list_of(self, names[i], "");
        assert_fails(fetch(self, "latest", &result), self->err, TBK_E_REMOTE, "no set's name");
    }
    self->list = "{\"sets\":[5,[],null,\"x\"]}";
    assert_false(fetch(self, "latest", &result));
    shell(self, "[ -z \"$(ls -A to)\" ]");
}

static void change_manifest(vm *self, const char *key, const char *value)
{
    shell(self, tbk_arena_format(self->arena,
                                 "sed -i 's|\"%s\": [^,]*|\"%s\": %s|' store/$ID/manifest.json",
                                 key, key, value));
}

static void
a_manifest_that_names_other_files_or_more_than_there_is_room_for_is_refused(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "cp store/$ID/manifest.json keep");
    change_manifest(self, "stored_bytes", "9007199254740992");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_SPACE, "are free");
    shell(self, "cp keep store/$ID/manifest.json && sed -i s/database.db.zst/..\\\\/x/ "
                "store/$ID/manifest.json");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_CORRUPT, "names a file");
    shell(self, "cp keep store/$ID/manifest.json");
    change_manifest(self, "stored_bytes", "20");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_SPACE, "larger than 20 bytes");
    shell(self, "echo nonsense >store/$ID/manifest.json");
    assert_false(fetch(self, self->id, &result));
    shell(self, "head -c 5000000 /dev/zero >store/$ID/manifest.json");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_SPACE, "is larger than");
    shell(self, "[ ! -e to/$ID ]");
}

static void a_set_of_another_name_and_damage_are_found(void **state)
{
    vm *self = *state;
    tbk_value *result = NULL;
    shell(self, "cp -r store/$ID store/20200101T000000Z");
    self->list = list_of(self, "20200101T000000Z", "");
    assert_fails(fetch(self, "20200101T000000Z", &result), self->err, TBK_E_UNPROVED, "is the set");
    self->list = list_of(self, self->id, "");
    shell(self,
          "printf x | dd of=store/$ID/database.db.zst bs=1 seek=100 conv=notrunc status=none");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_UNPROVED, "not what was stored");
    shell(self, "rm store/$ID/SHA256SUMS");
    assert_fails(fetch(self, self->id, &result), self->err, TBK_E_NOT_FOUND, "SHA256SUMS");
    shell(self, "[ ! -e to/$ID ]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_set_comes_whole_and_private),
        TEST(what_came_before_a_cut_is_not_sent_again),
        TEST(what_came_before_and_is_wrong_is_found_and_goes),
        TEST(what_came_of_another_set_of_that_name_is_not_used),
        TEST(what_is_longer_than_it_may_be_comes_anew),
        TEST(a_folder_that_others_can_write_in_is_refused),
        TEST(a_part_that_others_could_have_made_is_refused),
        TEST(two_at_once_are_refused),
        TEST(what_is_there_is_never_replaced),
        TEST(the_latest_is_whole_of_now_and_of_this_database),
        TEST(names_that_are_paths_are_refused),
        TEST(a_manifest_that_names_other_files_or_more_than_there_is_room_for_is_refused),
        TEST(a_set_of_another_name_and_damage_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

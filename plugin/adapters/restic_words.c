/* SPDX-License-Identifier: MIT */
/* What restic says on standard error, and what it means. */
#include "adapters/restic_words.h"

#include "adapters/restic_answers.h"

#include <string.h>

#define LINE_LIMIT_BYTES ((size_t)8 << 10)
#define SECRET_LEAST_BYTES 4 /* shorter ones stand in words by chance */
#define TOLD_MOST 50

/* --- what may be shown --- */

static void append_clean(const char *text, tbk_text *out)
{
    size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        bool is_hidden = false;
        size_t step = tbk_text_utf8_step(text + at, length - at);
        if (step > 0)
            (void)tbk_text_character(text + at, step, &is_hidden);
        if (text[at] == '\n' || text[at] == '\t')
            tbk_text_append_char(out, ' ');
        else if (step == 0)
            tbk_text_append_char(out, '?');
        else if (!is_hidden)
            tbk_text_append_bytes(out, text + at, step);
        at += step > 0 ? step : 1;
    }
}

/* The values of the variables, as they would be shown. */
static const char *const *secrets_of(tbk_arena *arena, const char *const *variables)
{
    size_t count = 0, found = 0;
    while (variables != NULL && variables[count] != NULL)
        count++;
    const char **secrets = tbk_arena_alloc(arena, (count + 1) * sizeof *secrets);
    for (size_t i = 0; i < count; i++) {
        tbk_auto_text secret = {0};
        const char *equals = strchr(variables[i], '=');
        append_clean(equals != NULL ? equals + 1 : "", &secret);
        if (secret.length >= SECRET_LEAST_BYTES)
            secrets[found++] = tbk_arena_copy(arena, tbk_text_string(&secret));
    }
    secrets[found] = NULL;
    return secrets;
}

/* The longest that stands at the start of the text, so that of two with one beginning nothing
 * stays. */
static size_t secret_at(const char *const *secrets, const char *text)
{
    size_t longest = 0;
    for (size_t i = 0; secrets[i] != NULL; i++) {
        size_t length = strlen(secrets[i]);
        if (length > longest && strncmp(text, secrets[i], length) == 0)
            longest = length;
    }
    return longest;
}

/* Secrets are looked for in what is shown, not in what was said, where something that is not shown
 * may stand in one. */
void tbk_restic_words_show(const char *const *variables, const char *text, tbk_text *out)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const char *const *secrets = secrets_of(arena, variables);
    tbk_auto_text clean = {0};
    append_clean(text, &clean);
    for (const char *at = tbk_text_string(&clean); *at != '\0';) {
        size_t secret = secret_at(secrets, at);
        if (secret > 0)
            tbk_text_append(out, "***");
        else
            tbk_text_append_char(out, *at);
        at += secret > 0 ? secret : 1;
    }
}

/* --- what it means --- */

/* Where the exit status says no more than that it failed. The first that is found counts. */
static tbk_error_code kind_of(const char *text)
{
    static const struct {
        const char *part;
        tbk_error_code code;
    } KINDS[] = {
        {"no space left on device", TBK_E_SPACE},
        {"disk quota exceeded", TBK_E_SPACE},
        {"insufficient storage", TBK_E_SPACE},
        {"out of space", TBK_E_SPACE},
        {"wrong password", TBK_E_KEY},
        {"an empty password", TBK_E_KEY},
        {"401 unauthorized", TBK_E_KEY},
        {"access denied", TBK_E_KEY},
        {"access key id you provided does not exist", TBK_E_KEY},
        {"signature we calculated does not match", TBK_E_KEY},
        {"permission denied (publickey", TBK_E_KEY},
        {"host key verification failed", TBK_E_FAILED}, /* that no second try mends */
        {"permission denied, please try again", TBK_E_KEY},
        {"connection refused", TBK_E_NETWORK},
        {"connection reset", TBK_E_NETWORK},
        {"connection timed out", TBK_E_NETWORK},
        {"broken pipe", TBK_E_NETWORK},
        {"no such host", TBK_E_NETWORK},
        {"could not resolve hostname", TBK_E_NETWORK},
        {"server misbehaving", TBK_E_NETWORK},
        {"network is unreachable", TBK_E_NETWORK},
        {"no route to host", TBK_E_NETWORK},
        {"i/o timeout", TBK_E_NETWORK},
        {"tls handshake timeout", TBK_E_NETWORK},
        {"client.timeout exceeded", TBK_E_NETWORK},
        {"timeout awaiting response", TBK_E_NETWORK},
        {"ssh command exited", TBK_E_NETWORK},
        {"server unexpectedly closed connection", TBK_E_NETWORK},
        {"connection lost", TBK_E_NETWORK},
        {"service unavailable", TBK_E_NETWORK},
        {"bad gateway", TBK_E_NETWORK},
        {"ciphertext verification failed", TBK_E_CORRUPT},
        {"invalid data returned", TBK_E_CORRUPT},
        {"data corruption", TBK_E_CORRUPT},
        {"repository contains errors", TBK_E_CORRUPT},
        {"contains errors", TBK_E_CORRUPT},
        {"not found in index", TBK_E_CORRUPT},
        {"not found in repository", TBK_E_CORRUPT},
        {"invalid hash", TBK_E_CORRUPT},
        /* last: restic says so too where it could not look */
        {"failed to find snapshot", TBK_E_NOT_FOUND},
        {"failed to load snapshot", TBK_E_NOT_FOUND},
        {"not found in snapshot", TBK_E_NOT_FOUND},
        {"no matching id found", TBK_E_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcasestr(text, KINDS[i].part) != NULL)
            return KINDS[i].code;
    return TBK_E_OK;
}

tbk_error_code tbk_restic_words_code(const tbk_restic_words *words, int exit_status)
{
    switch (exit_status) {
    case 10:
        return TBK_E_NOT_FOUND;
    case 11:
        return TBK_E_LOCKED;
    case 12:
        return TBK_E_KEY;
    case 130: /* INT */
    case 143: /* TERM */
        return TBK_E_INTERRUPTED;
    default:
        break;
    }
    /* Of an ssh that was refused restic sees no more than that it has ended. */
    if (words->fatal_kind == TBK_E_NETWORK && words->ssh_kind != TBK_E_OK)
        return words->ssh_kind;
    if (words->fatal_kind != TBK_E_OK)
        return words->fatal_kind;
    return words->kind != TBK_E_OK ? words->kind : TBK_E_FAILED;
}

/* --- lines --- */

static void note(const tbk_restic_words *it, const char *text, char *out, size_t size)
{
    tbk_auto_text shown = {0};
    tbk_restic_words_show(it->variables, text, &shown);
    (void)snprintf(out, size, "%s", tbk_text_string(&shown));
    for (size_t length = strlen(out); !tbk_text_is_utf8(out, length);) /* cut in a character */
        out[--length] = '\0';
}

static void take_text(tbk_restic_words *it, const char *text)
{
    static const char SSH[] = "subprocess ssh: ";
    static const char IGNORED[] = "Ignoring \"";
    tbk_error_code kind = kind_of(text);
    if (kind != TBK_E_OK)
        it->kind = kind;
    if (it->ignored[0] == '\0' && tbk_text_starts_with(text, IGNORED))
        note(it, text, it->ignored, sizeof it->ignored);
    bool is_ssh = tbk_text_starts_with(text, SSH);
    if (is_ssh) {
        it->ssh_kind = kind;
        note(it, text + sizeof SSH - 1, it->ssh, sizeof it->ssh);
    } else
        note(it, text, it->last, sizeof it->last);
    if (it->told++ < TOLD_MOST)
        tbk_report_log(it->report, TBK_LOG_DETAIL, it->phase, "restic: %s",
                       is_ssh ? it->ssh : it->last);
}

/* Without the question after it, which repeats the address. */
static void take_fatal(tbk_restic_words *it, const char *text)
{
    static const char FATAL[] = "Fatal: ";
    tbk_auto_text reason = {0};
    const char *question = strstr(text, "\nIs there a repository");
    if (tbk_text_starts_with(text, FATAL))
        text += sizeof FATAL - 1;
    size_t length = question != NULL && question > text ? (size_t)(question - text) : strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    tbk_text_append_bytes(&reason, text, length);
    it->fatal_kind = kind_of(tbk_text_string(&reason));
    note(it, tbk_text_string(&reason), it->fatal, sizeof it->fatal);
}

static void take_line(tbk_restic_words *it, const char *line)
{
    static const char CLEAR[] = "\x1b[2K"; /* what it had written there before, on a terminal */
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    if (tbk_text_starts_with(line, CLEAR))
        line += sizeof CLEAR - 1;
    const tbk_value *object = tbk_restic_object(arena, line, strlen(line));
    if (object == NULL && strspn(line, " \r\t") != strlen(line))
        take_text(it, line);
    else if (strcmp(tbk_restic_kind(object), "exit_error") == 0)
        take_fatal(it, tbk_value_text_at(object, "message", ""));
    else if (strcmp(tbk_restic_kind(object), "error") == 0)
        take_text(it, tbk_value_text_at(object, "error.message", "an error without words"));
}

static size_t longest_secret(const char *const *variables)
{
    size_t longest = 0;
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        if (strlen(variables[i]) > longest)
            longest = strlen(variables[i]);
    return longest;
}

static void end_line(tbk_restic_words *it)
{
    size_t secret = longest_secret(it->variables);
    /* Where a line is cut, half a secret could stand, which is not known for one. */
    if (it->is_cut && it->line.length > 0)
        it->line.bytes[it->line.length > secret ? it->line.length - secret : 0] = '\0';
    take_line(it, tbk_text_string(&it->line));
    tbk_text_clear(&it->line);
    it->is_cut = false;
}

void tbk_restic_words_add(void *words, const char *bytes, size_t length)
{
    tbk_restic_words *it = words;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n')
            end_line(it);
        else if (it->line.length >= LINE_LIMIT_BYTES)
            it->is_cut = true;
        else if (bytes[i] != '\0')
            tbk_text_append_char(&it->line, bytes[i]);
    }
}

void tbk_restic_words_end(tbk_restic_words *it)
{
    if (it->line.length > 0)
        end_line(it);
    tbk_text_end(&it->line);
}

const char *tbk_restic_words_reason(const tbk_restic_words *words, char out[TBK_RESTIC_REASON_SIZE])
{
    const char *reason = words->fatal[0] != '\0' ? words->fatal : words->last;
    /* What ssh said is the reason of what restic makes of it. */
    if (words->ssh[0] != '\0')
        (void)snprintf(out, TBK_RESTIC_REASON_SIZE, "%s; ssh: %s", reason, words->ssh);
    else
        (void)snprintf(out, TBK_RESTIC_REASON_SIZE, "%s", reason);
    return out;
}

/* SPDX-License-Identifier: MIT */
/* `.env` files from bytes: refused without their text, or a login whose parts are what they claim.
 */
#include "fuzz/fuzz.h"

#include "domain/mysql_login.h"

static void check_login(const tbk_mysql_login *login)
{
    must(login->port > 0);
    must(login->host[0] != '\0' && strpbrk(login->host, "/@ ") == NULL);
    must(tbk_text_is_utf8(login->user, strlen(login->user)));
    must(tbk_text_is_utf8(login->password, strlen(login->password)));
    must(tbk_text_is_utf8(login->schema, strlen(login->schema)));
    must(login->root_password == NULL ||
         tbk_text_is_utf8(login->root_password, strlen(login->root_password)));
}

/* A name of ours, a line, a reason: nothing that has a byte beyond ASCII, whatever the input. */
static void check_discreet(const tbk_error *err)
{
    check_error(err, TBK_E_CONFIG);
    for (const char *at = err->message; *at != '\0'; at++)
        must((unsigned char)*at < 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_dotenv file = {.text = tbk_arena_copy_bytes(arena, (const char *)data, size),
                       .length = size,
                       .source = ".env"};
    const char *value = NULL;
    tbk_error err = {0};
    if (!tbk_dotenv_find(arena, &file, "V", &value, &err))
        check_discreet(&err);
    else if (value != NULL)
        must(tbk_text_is_utf8(value, strlen(value)));
    tbk_mysql_login login;
    if (tbk_mysql_login_read(arena, &file, &login, &err))
        check_login(&login);
    else
        check_discreet(&err);
    return 0;
}

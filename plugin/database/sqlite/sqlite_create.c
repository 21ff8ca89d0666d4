/* SPDX-License-Identifier: MIT */
/* Making tables and indexes by untrusted statements. */
#include "database/sqlite/sqlite_create.h"

#include <strings.h>

/* What one statement of the schema may do: make the table or index that it is listed as, of
 * expressions on the table's own columns. */
typedef struct making {
    const char *table; /* that is made, or that the index is of */
    bool is_index;
    bool is_made; /* the statement is the one that is wanted */
    bool is_refused;
} making;

/* Not those whose time grows with the square of what they are given (instr, replace, trim, ...):
 * SQLite cannot be interrupted inside of one. */
static bool is_quick(const char *function)
{
    static const char *const QUICK[] = {
        "abs",    "coalesce", "date",   "datetime", "hex",       "ifnull", "iif",       "julianday",
        "length", "like",     "lower",  "max",      "min",       "nullif", "round",     "strftime",
        "substr", "time",     "typeof", "unicode",  "unixepoch", "upper",  "substring", "glob"};
    for (size_t i = 0; i < sizeof QUICK / sizeof *QUICK; i++)
        if (strcasecmp(function, QUICK[i]) == 0)
            return true;
    return false;
}

static bool is_schema(const char *name)
{
    return strcmp(name, "sqlite_master") == 0 || strcmp(name, "sqlite_schema") == 0;
}

/* AUTOINCREMENT makes a table of its own. */
static bool may_make_table(making *self, const char *name)
{
    bool is_wanted = !self->is_index && strcasecmp(name, self->table) == 0;
    self->is_made = self->is_made || is_wanted;
    return is_wanted || (!self->is_index && strcmp(name, "sqlite_sequence") == 0);
}

/* UNIQUE and primary keys make indexes too. */
static bool may_make_index(making *self, const char *table)
{
    bool is_wanted = strcasecmp(table, self->table) == 0;
    self->is_made = self->is_made || (self->is_index && is_wanted);
    return is_wanted;
}

static bool may_make(making *self, int action, const char *first, const char *second)
{
    switch (action) {
    case SQLITE_CREATE_TABLE:
        return may_make_table(self, first);
    case SQLITE_CREATE_INDEX:
        return may_make_index(self, second);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
        return is_schema(first);
    case SQLITE_READ:
        return is_schema(first) || strcasecmp(first, self->table) == 0;
    case SQLITE_REINDEX:
        return self->is_index;
    case SQLITE_FUNCTION:
        return is_quick(second);
    default:
        return false;
    }
}

static int authorize_making(void *self, int action, const char *first, const char *second,
                            const char *database, const char *trigger)
{
    making *object = self;
    bool is_main = database == NULL || strcmp(database, "main") == 0;
    if (trigger == NULL && is_main && may_make(object, action, first, second))
        return SQLITE_OK;
    object->is_refused = true;
    return SQLITE_DENY;
}

static bool fail_statement(const char *table, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CONFIG, "see who wrote it; the profile 'full' saves it as it is",
                    "the schema's entry for the table '%.200s' does more than to make it", table);
}

bool tbk_sqlite_create(sqlite3 *db, const char *table, bool is_index, const char *sql,
                       tbk_error *err)
{
    making object = {.table = table, .is_index = is_index};
    tbk_auto(sqlite3_stmt) *statement = NULL;
    const char *rest = "";
    tbk_sqlite_authorize(db, authorize_making, &object);
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, &rest);
    bool is_one = rc == SQLITE_OK && object.is_made && rest[0] == '\0';
    if (is_one)
        rc = sqlite3_step(statement);
    tbk_sqlite_authorize(db, NULL, NULL);
    if (object.is_refused || (rc == SQLITE_OK && !is_one))
        return fail_statement(object.table, err);
    return rc == SQLITE_DONE ||
           tbk_sqlite_fail(db, rc, err, "cannot make the table '%.200s'", object.table);
}

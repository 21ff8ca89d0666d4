/* SPDX-License-Identifier: MIT */
/* Writes the statements of a schema into the sections of a dump. */
#include "database/mysql/mysql_sections.h"

#include <stdarg.h>

void tbk_mysql_schema_end(tbk_mysql_schema *schema)
{
    tbk_text_end(&schema->before);
    tbk_text_end(&schema->after);
    tbk_text_end(&schema->missing);
    tbk_hasher_free(schema->digesting);
    schema->digesting = NULL;
}

void tbk_mysql_section_begin(tbk_text *section, tbk_mysql_section section_name)
{
    tbk_text_format(section, TBK_MYSQL_SECTION_PREFIX "%s\n", tbk_mysql_section_name(section_name));
}

/* One that the statement does not hold. */
static void choose_delimiter(const char *statement, char out[16])
{
    (void)snprintf(out, 16, ";;");
    for (unsigned i = 1; strstr(statement, out) != NULL; i++)
        (void)snprintf(out, 16, "$%u$", i);
}

void tbk_mysql_section_add(tbk_mysql_schema *schema, tbk_text *section, const char *statement,
                           const char *plain)
{
    if (plain == NULL)
        plain = statement;
    tbk_hasher_add(schema->digesting, plain, strlen(plain) + 1);
    if (strpbrk(statement, ";#") == NULL && strstr(statement, "--") == NULL) {
        tbk_text_append(section, statement);
        tbk_text_append(section, ";\n");
        return;
    }
    /* On a line of its own, or a comment at the statement's end would swallow it. */
    char delimiter[16];
    choose_delimiter(statement, delimiter);
    tbk_text_format(section, "DELIMITER %s\n", delimiter);
    tbk_text_append(section, statement);
    tbk_text_format(section, "\n%s\nDELIMITER ;\n", delimiter);
}

void tbk_mysql_schema_miss(tbk_mysql_schema *schema, const char *format, ...)
{
    va_list arguments;
    char what[512];
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    tbk_text_format(&schema->missing, "%s%s", schema->missing.length > 0 ? "; " : "", what);
}

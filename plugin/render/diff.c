/* SPDX-License-Identifier: MIT */
/* The longest common sequence of lines, by a table: what is compared here has some hundred lines.
 */
#include "render/diff.h"

#include "base/auto.h"
#include "base/memory.h"

#include <stdint.h>
#include <string.h>

#define CONTEXT 3
#define TABLE_MAX (1u << 20) /* cells, 4 MiB */

typedef struct line {
    const char *text;
    size_t length; /* without the line break */
    bool ended;    /* by one */
} line;

typedef struct lines {
    line *at;
    size_t count;
} lines;

/* One line of the result: ' ' in both, '-' in the old text only, '+' in the new one only. */
typedef struct step {
    char kind;
    const line *line;
} step;

typedef struct script {
    step *steps;
    size_t count;
} script;

static void split(const char *text, lines *out)
{
    size_t count = 0;
    for (const char *at = text; *at != '\0'; count++)
        at += strcspn(at, "\n") + (at[strcspn(at, "\n")] != '\0');
    *out = (lines){.at = tbk_memory_new((count + 1) * sizeof *out->at), .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(text, "\n");
        out->at[i] = (line){.text = text, .length = length, .ended = text[length] != '\0'};
        text += length + out->at[i].ended;
    }
}

static bool is_same(const line *a, const line *b)
{
    return a->length == b->length && a->ended == b->ended &&
           memcmp(a->text, b->text, a->length) == 0;
}

static void add(script *out, char kind, const line *what)
{
    out->steps[out->count++] = (step){.kind = kind, .line = what};
}

/* What follows the walk from its end: cell (i, j) counts what old[i..] and new[j..] have in common.
 */
static uint32_t *common_table(const lines *old, const lines *new, size_t *out_width)
{
    size_t width = *out_width = new->count + 1;
    if ((old->count + 1) > TABLE_MAX / width)
        return NULL;
    uint32_t *table = tbk_memory_new((old->count + 1) * width * sizeof *table);
    for (size_t i = old->count; i-- > 0;)
        for (size_t j = new->count; j-- > 0;) {
            uint32_t without_old = table[(i + 1) * width + j];
            uint32_t without_new = table[i * width + j + 1];
            table[i * width + j] = is_same(&old->at[i], &new->at[j])
                                       ? table[(i + 1) * width + j + 1] + 1
                                   : without_old > without_new ? without_old
                                                               : without_new;
        }
    return table;
}

static void compare(const lines *old, const lines *new, script *out)
{
    size_t i = 0, j = 0, width;
    tbk_auto_free uint32_t *table = common_table(old, new, &width);
    while (table != NULL && i < old->count && j < new->count) {
        if (is_same(&old->at[i], &new->at[j]))
            add(out, ' ', &old->at[i++]), j++;
        else if (table[(i + 1) * width + j] >= table[i * width + j + 1])
            add(out, '-', &old->at[i++]);
        else
            add(out, '+', &new->at[j++]);
    }
    while (i < old->count)
        add(out, '-', &old->at[i++]);
    while (j < new->count)
        add(out, '+', &new->at[j++]);
}

/* --- hunks --- */

static size_t next_change(const script *all, size_t from)
{
    while (from < all->count && all->steps[from].kind == ' ')
        from++;
    return from;
}

/* One past the hunk that begins with the change: changes close to each other share one. */
static size_t hunk_end(const script *all, size_t change)
{
    size_t last = change;
    for (size_t next; (next = next_change(all, last + 1)) < all->count; last = next)
        if (next - last > 2 * CONTEXT + 1)
            break;
    return last + 1 + CONTEXT < all->count ? last + 1 + CONTEXT : all->count;
}

/* As `diff -u`: the first line, and how many when it is not one; of no lines the one before. */
static void put_range(tbk_text *out, char sign, size_t before, size_t count)
{
    tbk_text_format(out, "%c%zu", sign, count == 0 ? before : before + 1);
    if (count != 1)
        tbk_text_format(out, ",%zu", count);
}

static void put_step(tbk_text *out, const step *at)
{
    tbk_text_append_char(out, at->kind);
    tbk_text_append_bytes(out, at->line->text, at->line->length);
    tbk_text_append(out, at->line->ended ? "\n" : "\n\\ No newline at end of file\n");
}

static size_t count_of(const script *all, size_t begin, size_t end, char without)
{
    size_t count = 0;
    for (size_t i = begin; i < end; i++)
        count += all->steps[i].kind != without;
    return count;
}

static void put_hunk(tbk_text *out, const script *all, size_t begin, size_t end)
{
    tbk_text_append(out, "@@ ");
    put_range(out, '-', count_of(all, 0, begin, '+'), count_of(all, begin, end, '+'));
    tbk_text_append_char(out, ' ');
    put_range(out, '+', count_of(all, 0, begin, '-'), count_of(all, begin, end, '-'));
    tbk_text_append(out, " @@\n");
    for (size_t i = begin; i < end; i++)
        put_step(out, &all->steps[i]);
}

void tbk_diff_lines(tbk_text *out, const char *old_text, const char *new_text)
{
    lines old, new;
    split(old_text, &old);
    split(new_text, &new);
    script all = {.steps = tbk_memory_new((old.count + new.count + 1) * sizeof *all.steps)};
    compare(&old, &new, &all);
    for (size_t change = next_change(&all, 0), end; change < all.count;
         change = next_change(&all, end)) {
        end = hunk_end(&all, change);
        put_hunk(out, &all, change > CONTEXT ? change - CONTEXT : 0, end);
    }
    free(all.steps);
    free(old.at);
    free(new.at);
}

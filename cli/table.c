/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 2, COLUMNS_LIMIT = 16 };

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells;
    size_t count, capacity;
    bool failed;
};

struct table *table_new(const struct table_column *columns)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->columns = columns;
    while (table->column_count < COLUMNS_LIMIT && columns[table->column_count].title)
        table->column_count++;
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void table_add(struct table *table, const char *text)
{
    if (table->failed)
        return;
    if (table->count == table->capacity) {
        const size_t capacity = table->capacity > 0 ? 2 * table->capacity : 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = strdup(text);
    if (copy)
        table->cells[table->count++] = copy;
    else
        table->failed = true;
}

/* Characters, of UTF-8. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static int width_of_column(const struct table *table, size_t column)
{
    int width = width_of(table->columns[column].title);
    for (size_t i = column; i < table->count; i += table->column_count) {
        const int width_here = width_of(table->cells[i]);
        if (width_here > width)
            width = width_here;
    }
    return width;
}

static void print_cell(const struct table *table, const int *widths, size_t column, const char *text, FILE *to)
{
    const int padding = widths[column] - width_of(text);
    const bool is_last = column + 1 == table->column_count;
    if (table->columns[column].is_number)
        (void)fprintf(to, "%*s%s%*s", padding, "", text, is_last ? 0 : GAP, "");
    else
        (void)fprintf(to, "%s%*s", text, is_last ? 0 : padding + GAP, "");
    if (is_last)
        (void)fputc('\n', to);
}

bool table_print(const struct table *table, FILE *to)
{
    if (!table || table->failed)
        return false;
    int widths[COLUMNS_LIMIT];
    for (size_t column = 0; column < table->column_count; column++)
        widths[column] = width_of_column(table, column);
    for (size_t column = 0; column < table->column_count; column++)
        print_cell(table, widths, column, table->columns[column].title, to);
    for (size_t i = 0; i < table->count; i += table->column_count)
        for (size_t column = 0; column < table->column_count && i + column < table->count; column++)
            print_cell(table, widths, column, table->cells[i + column], to);
    return true;
}

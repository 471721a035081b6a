/* SPDX-License-Identifier: MIT */
/** @file
 * Tables on a terminal: columns as wide as their widest cell.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table_column {
    const char *title;
    bool is_number; /**< right-aligned */
};

struct table;

/** `columns` must stay, and ends with one without a title; at most 16. NULL without memory. */
struct table *table_new(const struct table_column *columns);
/** The next cell of the row, or the first of the next row; copied. What there is no memory for makes table_print
 *  fail. */
void table_add(struct table *table, const char *text);
/** False without memory for all of it: then nothing is printed. */
bool table_print(const struct table *table, FILE *to);
void table_free(struct table *table);

#endif

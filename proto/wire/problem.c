/* SPDX-License-Identifier: MIT */
#include "wire/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A name or path in a message may hold anything: one line it stays, and no character is cut in half. */
static void tidy(char *text, size_t size)
{
    size_t length = strlen(text);
    if (length + 1 == size) {
        size_t start = length; /* of the last character */
        while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
            start--;
        if (start > 0 && (unsigned char)text[start - 1] >= 0xc0)
            length = start - 1;
        text[length] = '\0';
    }
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
}

bool tp__problem_set(struct tp__problem *problem, tp_status status, const char *format, ...)
{
    if (!problem)
        return false;
    problem->status = status;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    tidy(problem->text, sizeof problem->text);
    return false;
}

bool tp__problem_errno(struct tp__problem *problem, tp_status status, const char *format, ...)
{
    const int number = errno;
    if (!problem)
        return false;
    problem->status = status;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    char reason[128];
    const size_t length = strlen(problem->text);
    (void)snprintf(problem->text + length, sizeof problem->text - length, ": %s",
                   strerror_r(number, reason, sizeof reason));
    tidy(problem->text, sizeof problem->text);
    return false;
}

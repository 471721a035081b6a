/* SPDX-License-Identifier: MIT */
#include "support/support.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>
#include <time.h>

int fail(const char *what)
{
    const tp_error *error = tp_last_error();
    warnx("%s: %s: %s", what, tp_status_name(error->status), error->message);
    return EXIT_FAILED;
}

int complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vwarnx(format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

bool parse_number(const char *text, uint64_t lowest, uint64_t highest, uint64_t *out)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    const uintmax_t number = strtoumax(text, &end, 10);
    const char *units = "KMG";
    const char *unit = *end ? strchr(units, *end) : NULL;
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (errno || end[unit != NULL] || number > UINT64_MAX >> shift)
        return false;
    if (number << shift < lowest || number << shift > highest)
        return false;
    *out = number << shift;
    return true;
}

bool parse_real(const char *text, double lowest, double highest, double *out)
{
    char *end;
    errno = 0;
    const double number = strtod(text, &end);
    if (errno || end == text || *end || !isfinite(number) || number < lowest || number > highest)
        return false;
    *out = number;
    return true;
}

double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *grouped(uint64_t number, struct grouped *text)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *to = text->text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text->text;
}

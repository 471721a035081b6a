/* SPDX-License-Identifier: MIT */
#include "daemon/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const char *const expected[] = {
    [TP__SETTING_TEXT] = "a text",
    [TP__SETTING_PATH] = "a path",
    [TP__SETTING_NUMBER] = "a number",
    [TP__SETTING_SIZE] = "a size such as 65536, 64K, 16M or 2G",
    [TP__SETTING_DURATION] = "a duration such as 500ms, 30s, 10min or 2h",
    [TP__SETTING_FLAG] = "yes or no",
};

/* Digits and a unit; the value before the range is looked at. */
static bool parse_quantity(const char *text, const struct unit *units, int64_t *value)
{
    *value = 0;
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9')
        return false;
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    if (number == 0 && !*end)
        return true;
    for (const struct unit *unit = units; unit->name; unit++)
        if (strcmp(end, unit->name) == 0)
            return !__builtin_mul_overflow((int64_t)number, unit->factor, value);
    return false;
}

static bool parse_flag(const char *text, int64_t *value)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (int64_t truth = 0; truth < 2; truth++)
            if (strcmp(text, words[i][truth]) == 0) {
                *value = truth;
                return true;
            }
    return false;
}

static bool in_range(const struct tp__setting *setting, int64_t value, struct tp__problem *problem)
{
    const bool any = setting->least == 0 && setting->most == 0;
    const int64_t most = any ? INT64_MAX : setting->most;
    if (value >= setting->least && value <= most)
        return true;
    if (any)
        return tp__problem_set(problem, TP_E_ARGUMENT, "%s must not be negative", setting->name);
    const char *unit = setting->type == TP__SETTING_SIZE       ? " bytes"
                       : setting->type == TP__SETTING_DURATION ? " ms"
                                                               : "";
    return tp__problem_set(problem, TP_E_ARGUMENT, "%s must be between %" PRId64 " and %" PRId64 "%s", setting->name,
                           setting->least, most, unit);
}

bool tp__setting_parse(const struct tp__setting *setting, const char *text, int64_t *value, struct tp__problem *problem)
{
    *value = 0;
    bool good = true;
    switch (setting->type) {
    case TP__SETTING_TEXT:
        return true;
    case TP__SETTING_PATH:
        good = *text != '\0';
        break;
    case TP__SETTING_FLAG:
        good = parse_flag(text, value);
        break;
    case TP__SETTING_NUMBER:
        good = parse_quantity(text, no_units, value);
        break;
    case TP__SETTING_SIZE:
        good = parse_quantity(text, size_units, value);
        break;
    case TP__SETTING_DURATION:
        good = parse_quantity(text, duration_units, value);
        break;
    }
    if (!good)
        return tp__problem_set(problem, TP_E_ARGUMENT, "%s must be %s, not \"%s\"", setting->name,
                               expected[setting->type], text);
    return setting->type == TP__SETTING_PATH || setting->type == TP__SETTING_FLAG || in_range(setting, *value, problem);
}

/* SPDX-License-Identifier: MIT */
/* Any text is a list of keys, all of which are found in each of the ways there are, or is refused with a reason. So
 * that good lines are met, bytes from 0xa0 on stand for words of such a file. */
#include "trust/authorized.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
    "driver ",
    "node ",
    "admin ",
    "coordinator ",
    "driver 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= alice\n",
    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", /* the public keys of RFC 8032 */
    "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=",
    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUZo=", /* the negative of the first */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    " alice",
    " bob\n",
    " # ",
};
enum { WORDS = sizeof words / sizeof words[0], FIRST_WORD = 0xa0 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void look_up(const struct tp__authorized *authorized, enum tp__role role)
{
    const size_t count = tp__authorized_count(authorized, role);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const struct tp__public_key *key = tp__authorized_at(authorized, role, i, &name);
        uint8_t curve[32];
        struct tp__public_key found;
        check(key && name && strlen(name) >= 1 && strlen(name) <= TP__NAME_LIMIT);
        check(tp__curve_of_public(key, curve));
        check(tp__authorized_find(authorized, role, key) == name);
        check(tp__authorized_find_curve(authorized, role, curve, &found) == name);
        check(memcmp(&found, key, sizeof found) == 0);
    }
    const char *name;
    check(!tp__authorized_at(authorized, role, count, &name) && !name);
}

static char *expand(const uint8_t *data, size_t size, size_t *expanded_size)
{
    char *text = malloc(64 * size + 1);
    check(text != NULL);
    char *end = text;
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= FIRST_WORD && data[i] < FIRST_WORD + WORDS)
            end = stpcpy(end, words[data[i] - FIRST_WORD]);
        else
            *end++ = (char)data[i];
    }
    *expanded_size = (size_t)(end - text);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(tp__trust_start());
    size_t text_size;
    char *text = expand(data, size, &text_size);
    struct tp__problem problem = {0};
    struct tp__authorized *authorized = tp__authorized_parse(text, text_size, "keys", &problem);
    check(authorized ? problem.status == TP_OK : problem.status != TP_OK && problem.text[0]);
    if (authorized) {
        for (int role = TP__ROLE_DRIVER; role <= TP__ROLE_COORDINATOR; role++)
            look_up(authorized, (enum tp__role)role);
    }
    tp__authorized_free(authorized);
    free(text);
    return 0;
}

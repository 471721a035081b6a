/* SPDX-License-Identifier: MIT */
/* Whatever stands in a file of settings, reading it succeeds or names the problem; and whatever stands in a log line's
 * pairs, a reader comes to its end. */
#include "daemon/config.h"
#include "daemon/pairs.h"

#include <stdlib.h>
#include <string.h>

static const struct tp__setting settings[] = {
    {.name = "listen", .type = TP__SETTING_TEXT, .help = "x", .standard = "here"},
    {.name = "key", .type = TP__SETTING_PATH, .help = "x"},
    {.name = "n", .type = TP__SETTING_NUMBER, .help = "x", .least = 1, .most = 1000},
    {.name = "size", .type = TP__SETTING_SIZE, .help = "x"},
    {.name = "time", .type = TP__SETTING_DURATION, .help = "x", .standard = "1s"},
    {.name = "flag", .type = TP__SETTING_FLAG, .help = "x"},
    {.name = NULL},
};
static const struct tp__program program = {.name = "fuzz", .version = "0", .about = "", .settings = settings};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_settings(const char *text, size_t size)
{
    struct tp__problem problem = {.text = ""};
    struct tp__config *config = tp__config_new(&program, &problem);
    check(config != NULL);
    if (tp__config_read_text(config, "file", text, size, &problem)) {
        const int64_t n = tp__config_number(config, "n");
        check(tp__config_is_set(config, "n") ? n >= 1 && n <= 1000 : n == 0);
        check(tp__config_number(config, "size") >= 0 && tp__config_number(config, "time") >= 0);
        check(tp__config_text(config, "listen") != NULL);
        check(!tp__config_text(config, "key") || *tp__config_text(config, "key"));
        (void)tp__config_flag(config, "flag");
    } else
        check(strncmp(problem.text, "file:", 5) == 0 && !strpbrk(problem.text, "\n\r"));
    tp__config_free(config);
}

static void read_pairs(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    check(copy != NULL);
    memcpy(copy, text, size);
    copy[size] = '\0';
    struct tp__pairs again = {0};
    tp__pairs_add(&again, "k", copy);
    check(strlen(again.text) == again.length && again.length < sizeof again.text);
    const char *at = copy, *before = copy;
    struct tp__pair pair;
    while (tp__pairs_next(&at, &pair)) {
        check(at > before && at <= copy + size);
        check(pair.length < sizeof pair.value);
        before = at;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        read_settings((const char *)data + 1, size - 1);
    else
        read_pairs((const char *)data + 1, size - 1);
    return 0;
}

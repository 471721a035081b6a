/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include "daemon/value.h"

#include <argp.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT_BYTES = 1 << 20, LINE_LIMIT_BYTES = 1024, FIRST_LONG_KEY = 256 };

enum origin { FROM_TABLE, FROM_FILE, FROM_COMMAND_LINE };

struct value {
    enum origin origin;
    int line;   /* in the file, if it is there too */
    char *text; /* NULL: none */
    int64_t number;
};

struct tp__config {
    const struct tp__program *program;
    size_t count;
    struct value *values; /* as the table's settings */
    char **arguments;     /* of argv */
    size_t argument_count;
    struct tp__problem *problem; /* while the command line is read */
};

static size_t count_settings(const struct tp__program *program)
{
    size_t count = 0;
    while (program->settings[count].name)
        count++;
    return count;
}

static const struct tp__setting *find_setting(const struct tp__config *config, const char *name, struct value **value)
{
    for (size_t i = 0; i < config->count; i++)
        if (strcmp(config->program->settings[i].name, name) == 0) {
            *value = &config->values[i];
            return &config->program->settings[i];
        }
    return NULL;
}

static bool store(struct value *value, const struct tp__setting *setting, enum origin origin, const char *text,
                  struct tp__problem *problem)
{
    int64_t number;
    if (!tp__setting_parse(setting, text, &number, problem))
        return false;
    char *copy = strdup(text);
    if (!copy)
        return tp__problem_set(problem, TP_E_NOMEM, "no memory for settings");
    free(value->text);
    value->text = copy;
    value->number = number;
    value->origin = origin;
    return true;
}

void tp__config_free(struct tp__config *config)
{
    if (!config)
        return;
    for (size_t i = 0; config->values && i < config->count; i++)
        free(config->values[i].text);
    free(config->values);
    free(config->arguments);
    free(config);
}

struct tp__config *tp__config_new(const struct tp__program *program, struct tp__problem *problem)
{
    struct tp__config *config = calloc(1, sizeof *config);
    if (config) {
        config->program = program;
        config->count = count_settings(program);
        config->values = calloc(config->count + 1, sizeof *config->values);
        config->arguments = calloc(1, sizeof *config->arguments);
    }
    if (!config || !config->values || !config->arguments) {
        (void)tp__problem_set(problem, TP_E_NOMEM, "no memory for settings");
        tp__config_free(config);
        return NULL;
    }
    for (size_t i = 0; i < config->count; i++) {
        const struct tp__setting *setting = &program->settings[i];
        if (setting->standard && !store(&config->values[i], setting, FROM_TABLE, setting->standard, problem)) {
            tp__config_free(config);
            return NULL;
        }
    }
    return config;
}

/* ---- the command line ---- */

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct tp__config *config = state->input;
    const struct tp__program *program = config->program;
    switch (key) {
    case ARGP_KEY_ARG:
        if (config->argument_count >= program->most_arguments && !program->ends_at_argument)
            argp_error(state, "too many arguments: \"%s\"", argument);
        if (!program->ends_at_argument) {
            config->arguments[config->argument_count++] = argument;
            return 0;
        }
        /* this one and all behind it */
        for (state->next--; state->next < state->argc; state->next++)
            config->arguments[config->argument_count++] = state->argv[state->next];
        return 0;
    case ARGP_KEY_END:
        if (config->argument_count < program->least_arguments)
            argp_error(state, "what is missing: %s", program->arguments);
        return 0;
    default:
        break;
    }
    for (size_t i = 0; i < config->count; i++) {
        const struct tp__setting *setting = &program->settings[i];
        if (key != (setting->letter ? setting->letter : FIRST_LONG_KEY + (int)i))
            continue;
        const char *text = argument ? argument : "yes";
        struct tp__problem problem;
        if (store(&config->values[i], setting, FROM_COMMAND_LINE, text, &problem))
            return 0;
        (void)tp__problem_set(config->problem, problem.status, "--%s", problem.text);
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

/* The table as argp wants it, help texts with the standard values; in one piece of memory with its texts apart. */
static struct argp_option *make_options(const struct tp__config *config, char ***texts)
{
    struct argp_option *options = calloc(config->count + 1, sizeof *options);
    *texts = calloc(config->count + 1, sizeof **texts);
    if (!options || !*texts)
        return options;
    for (size_t i = 0; i < config->count; i++) {
        const struct tp__setting *setting = &config->program->settings[i];
        options[i].name = setting->name;
        options[i].key = setting->letter ? setting->letter : FIRST_LONG_KEY + (int)i;
        options[i].arg = setting->type == TP__SETTING_FLAG ? "no" : setting->argument;
        options[i].flags = setting->type == TP__SETTING_FLAG ? OPTION_ARG_OPTIONAL : 0;
        options[i].doc = setting->help;
        if (setting->standard && *setting->standard && setting->type != TP__SETTING_FLAG &&
            asprintf(&(*texts)[i], "%s (default: %s)", setting->help, setting->standard) >= 0)
            options[i].doc = (*texts)[i];
    }
    return options;
}

static bool read_command_line(struct tp__config *config, int argc, char **argv, struct tp__problem *problem)
{
    const struct tp__program *program = config->program;
    char **texts = NULL;
    char **arguments = calloc((size_t)argc + 1, sizeof *arguments);
    struct argp_option *options = make_options(config, &texts);
    char *version = NULL;
    const bool named = asprintf(&version, "%s %s", program->name, program->version) >= 0;
    bool good = arguments && options && texts && named;
    if (!good)
        (void)tp__problem_set(problem, TP_E_NOMEM, "no memory for the command line");
    else {
        free(config->arguments);
        config->arguments = arguments;
        arguments = NULL;
        config->problem = problem;
        argp_program_version = version;
        const struct argp argp = {
            .options = options, .parser = parse_option, .args_doc = program->arguments, .doc = program->about};
        const error_t error =
            argp_parse(&argp, argc, argv, program->ends_at_argument ? ARGP_IN_ORDER : 0, NULL, config);
        argp_program_version = NULL;
        config->problem = NULL;
        good = error == 0;
        if (error != 0 && error != EINVAL)
            (void)tp__problem_set(problem, TP_E_ARGUMENT, "cannot read the command line: %s", strerror(error));
    }
    for (size_t i = 0; texts && i < config->count; i++)
        free(texts[i]);
    free(texts);
    free(options);
    free(version);
    free(arguments);
    return good;
}

/* ---- the file ---- */

struct source {
    struct tp__config *config;
    const char *path;
    const char *at, *end;
    int line;
    bool failed;
    struct tp__problem *problem;
};

static int fail(struct source *source, const char *what)
{
    if (!source->failed)
        (void)tp__problem_set(source->problem, TP_E_ARGUMENT, "%s:%d: %s", source->path, source->line, what);
    source->failed = true;
    return 0;
}

/* As fgets. Lines that inih would split or cut are refused here, and after a failure there is nothing more to read. */
static char *next_line(char *line, int size, void *argument)
{
    struct source *source = argument;
    const size_t left = (size_t)(source->end - source->at);
    if (left == 0 || source->failed)
        return NULL;
    const char *newline = memchr(source->at, '\n', left);
    const size_t length = newline ? (size_t)(newline - source->at) + 1 : left;
    source->line++;
    if (length >= (size_t)size) {
        (void)fail(source, "the line is too long");
        return NULL;
    }
    if (memchr(source->at, '\0', length)) {
        (void)fail(source, "the line holds a zero byte");
        return NULL;
    }
    memcpy(line, source->at, length);
    line[length] = '\0';
    source->at += length;
    return line;
}

static int take_value(void *argument, const char *section, const char *name, const char *text)
{
    struct source *source = argument;
    if (*section)
        return fail(source, "there are no sections here");
    struct value *value;
    const struct tp__setting *setting = find_setting(source->config, name, &value);
    char what[sizeof source->problem->text];
    if (!setting || setting->not_in_file) {
        (void)snprintf(what, sizeof what,
                       setting ? "\"%s\" can only be set on the command line" : "unknown setting \"%s\"", name);
        return fail(source, what);
    }
    if (value->line > 0) {
        (void)snprintf(what, sizeof what, "%s is set in line %d already", name, value->line);
        return fail(source, what);
    }
    value->line = source->line;
    struct tp__problem problem;
    if (value->origin == FROM_COMMAND_LINE) {
        int64_t unused; /* but it must be good */
        return tp__setting_parse(setting, text, &unused, &problem) ? 1 : fail(source, problem.text);
    }
    return store(value, setting, FROM_FILE, text, &problem) ? 1 : fail(source, problem.text);
}

bool tp__config_read_text(struct tp__config *config, const char *path, const char *text, size_t size,
                          struct tp__problem *problem)
{
    struct source source = {.config = config, .path = path, .at = text, .end = text + size, .problem = problem};
    for (size_t i = 0; i < config->count; i++)
        config->values[i].line = 0;
    /* inih's own are for other tastes: a value is one line, and lines may be longer than 200 bytes */
    ini_allow_multiline = false;
    ini_use_stack = false;
    ini_max_line = LINE_LIMIT_BYTES;
    ini_initial_alloc = LINE_LIMIT_BYTES;
    const int line = ini_parse_stream(next_line, &source, take_value, &source);
    if (source.failed)
        return false;
    if (line < 0)
        return tp__problem_set(problem, TP_E_NOMEM, "no memory to read %s", path);
    if (line > 0)
        return tp__problem_set(problem, TP_E_ARGUMENT, "%s:%d: neither \"NAME = VALUE\" nor a comment", path, line);
    return true;
}

static bool read_file(struct tp__config *config, struct tp__problem *problem)
{
    struct value *value;
    if (!config->program->file_setting || !find_setting(config, config->program->file_setting, &value) || !value->text)
        return true;
    FILE *file = fopen(value->text, "re");
    if (!file)
        return (errno == ENOENT && value->origin == FROM_TABLE) ||
               tp__problem_errno(problem, TP_E_SYSTEM, "cannot open %s", value->text);
    char *text = malloc(FILE_LIMIT_BYTES + 1);
    const size_t size = text ? fread(text, 1, FILE_LIMIT_BYTES + 1, file) : 0;
    bool good;
    if (!text)
        good = tp__problem_set(problem, TP_E_NOMEM, "no memory to read %s", value->text);
    else if (ferror(file))
        good = tp__problem_errno(problem, TP_E_SYSTEM, "cannot read %s", value->text);
    else if (size > FILE_LIMIT_BYTES)
        good = tp__problem_set(problem, TP_E_LIMIT, "%s is longer than 1 MiB", value->text);
    else
        good = tp__config_read_text(config, value->text, text, size, problem);
    free(text);
    (void)fclose(file);
    return good;
}

struct tp__config *tp__config_read(const struct tp__program *program, int argc, char **argv,
                                   struct tp__problem *problem)
{
    struct tp__config *config = tp__config_new(program, problem);
    if (!config)
        return NULL;
    if (read_command_line(config, argc, argv, problem) && read_file(config, problem))
        return config;
    tp__config_free(config);
    return NULL;
}

/* ---- what was said ---- */

static const struct value *get(const struct tp__config *config, const char *name, unsigned types)
{
    struct value *value = NULL;
    const struct tp__setting *setting = find_setting(config, name, &value);
    if (!setting || !(types & 1U << setting->type)) {
        (void)fprintf(stderr, "%s: no such setting in the table: %s\n", config->program->name, name);
        abort();
    }
    return value;
}

const char *tp__config_text(const struct tp__config *config, const char *name)
{
    return get(config, name, 1U << TP__SETTING_TEXT | 1U << TP__SETTING_PATH)->text;
}

int64_t tp__config_number(const struct tp__config *config, const char *name)
{
    return get(config, name, 1U << TP__SETTING_NUMBER | 1U << TP__SETTING_SIZE | 1U << TP__SETTING_DURATION)->number;
}

bool tp__config_flag(const struct tp__config *config, const char *name)
{
    return get(config, name, 1U << TP__SETTING_FLAG)->number != 0;
}

bool tp__config_is_set(const struct tp__config *config, const char *name)
{
    return get(config, name, ~0U)->origin != FROM_TABLE;
}

size_t tp__config_argument_count(const struct tp__config *config)
{
    return config->argument_count;
}

const char *tp__config_argument(const struct tp__config *config, size_t index)
{
    return index < config->argument_count ? config->arguments[index] : NULL;
}

char **tp__config_arguments(const struct tp__config *config)
{
    return config->arguments;
}

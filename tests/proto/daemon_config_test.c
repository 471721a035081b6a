/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "daemon/config.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char config_path[128];

static const struct tp__setting settings[] = {
    {.name = "config",
     .letter = 'c',
     .type = TP__SETTING_PATH,
     .argument = "FILE",
     .help = "settings",
     .standard = "/nonexistent/taskpool.conf",
     .not_in_file = true},
    {.name = "listen",
     .letter = 'l',
     .type = TP__SETTING_TEXT,
     .argument = "ENDPOINT",
     .help = "where",
     .standard = "tcp://127.0.0.1:7077"},
    {.name = "name", .type = TP__SETTING_TEXT, .argument = "NAME", .help = "its name"},
    {.name = "key", .type = TP__SETTING_PATH, .argument = "FILE", .help = "key"},
    {.name = "workers",
     .letter = 'w',
     .type = TP__SETTING_NUMBER,
     .argument = "COUNT",
     .help = "threads",
     .standard = "4",
     .least = 1,
     .most = 1024},
    {.name = "queue",
     .type = TP__SETTING_SIZE,
     .argument = "SIZE",
     .help = "bytes",
     .standard = "256M",
     .least = 1 << 20,
     .most = INT64_C(1) << 40},
    {.name = "lease", .type = TP__SETTING_DURATION, .argument = "TIME", .help = "patience", .standard = "30s"},
    {.name = "same-user", .type = TP__SETTING_FLAG, .help = "no other user"},
    {.name = NULL},
};
static const struct tp__program program = {.name = "taskpool-test",
                                           .version = "1.2.3",
                                           .about = "A test.",
                                           .arguments = "[WORD]",
                                           .most_arguments = 2,
                                           .settings = settings,
                                           .file_setting = "config"};

static struct tp__config *read_line(struct tp__problem *problem, const char *const *words)
{
    char *argv[16] = {(char *)(uintptr_t) "test"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return tp__config_read(&program, argc, argv, problem);
}
#define READ(...) read_line(&problem, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void write_file(const char *text)
{
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_nobody_sets_has_its_standard_value(void **state)
{
    (void)state;
    struct tp__problem problem;
    struct tp__config *config = READ();
    assert_non_null(config);
    assert_string_equal(tp__config_text(config, "listen"), "tcp://127.0.0.1:7077");
    assert_null(tp__config_text(config, "name"));
    assert_null(tp__config_text(config, "key"));
    assert_int_equal(tp__config_number(config, "workers"), 4);
    assert_int_equal(tp__config_number(config, "queue"), 256 << 20);
    assert_int_equal(tp__config_number(config, "lease"), 30000);
    assert_false(tp__config_flag(config, "same-user"));
    assert_false(tp__config_is_set(config, "workers"));
    assert_int_equal(tp__config_argument_count(config), 0);
    assert_null(tp__config_argument(config, 0));
    tp__config_free(config);
}

static void the_command_line_sets_everything(void **state)
{
    (void)state;
    struct tp__problem problem;
    struct tp__config *config =
        READ("one", "-l", "tcp://*:1", "--workers=8", "--queue", "2G", "two", "--lease=500ms", "--same-user");
    assert_non_null(config);
    assert_string_equal(tp__config_text(config, "listen"), "tcp://*:1");
    assert_int_equal(tp__config_number(config, "workers"), 8);
    assert_int_equal(tp__config_number(config, "queue"), INT64_C(2) << 30);
    assert_int_equal(tp__config_number(config, "lease"), 500);
    assert_true(tp__config_flag(config, "same-user"));
    assert_true(tp__config_is_set(config, "workers"));
    assert_int_equal(tp__config_argument_count(config), 2);
    assert_string_equal(tp__config_argument(config, 0), "one");
    assert_string_equal(tp__config_argument(config, 1), "two");
    assert_null(tp__config_arguments(config)[2]);
    tp__config_free(config);
    config = READ("--same-user=no", "--", "-l");
    assert_non_null(config);
    assert_false(tp__config_flag(config, "same-user"));
    assert_string_equal(tp__config_argument(config, 0), "-l");
    tp__config_free(config);
}

static void the_file_sets_what_the_command_line_does_not(void **state)
{
    (void)state;
    write_file("# a comment\n; another\n\nlisten = tcp://0.0.0.0:7077\r\nworkers=16\n  lease : 10min ; said why\n"
               "same-user = yes\nqueue = 64M");
    struct tp__problem problem;
    struct tp__config *config = READ("--config", config_path, "-w", "2");
    assert_non_null(config);
    assert_string_equal(tp__config_text(config, "listen"), "tcp://0.0.0.0:7077");
    assert_int_equal(tp__config_number(config, "workers"), 2);
    assert_int_equal(tp__config_number(config, "lease"), 600000);
    assert_int_equal(tp__config_number(config, "queue"), 64 << 20);
    assert_true(tp__config_flag(config, "same-user"));
    tp__config_free(config);
}

static void a_file_that_was_named_must_be_there(void **state)
{
    (void)state;
    struct tp__problem problem;
    assert_null(READ("--config", "/nonexistent/other.conf"));
    assert_string_equal(problem.text, "cannot open /nonexistent/other.conf: No such file or directory");
    assert_null(READ("--config", "/")); /* a directory */
    assert_int_equal(problem.status, TP_E_SYSTEM);
}

static void what_is_wrong_in_a_file_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *problem;
    } cases[] = {
        {"listen = a\nworkerz = 3\nworkers = x\n", "f:2: unknown setting \"workerz\""},
        {"workers = many", "f:1: workers must be a number, not \"many\""},
        {"\n\nworkers = 0\n", "f:3: workers must be between 1 and 1024"},
        {"workers = 1025\n", "f:1: workers must be between 1 and 1024"},
        {"workers = 4 4\n", "f:1: workers must be a number, not \"4 4\""},
        {"workers =\n", "f:1: workers must be a number, not \"\""},
        {"workers = 99999999999999999999\n", "f:1: workers must be a number, not \"99999999999999999999\""},
        {"queue = 64m\n", "f:1: queue must be a size such as 65536, 64K, 16M or 2G, not \"64m\""},
        {"queue = 9999999999G\n", "f:1: queue must be a size such as 65536, 64K, 16M or 2G, not \"9999999999G\""},
        {"queue = 1K\n", "f:1: queue must be between 1048576 and 1099511627776 bytes"},
        {"lease = 30\n", "f:1: lease must be a duration such as 500ms, 30s, 10min or 2h, not \"30\""},
        {"lease = -1s\n", "f:1: lease must not be negative"},
        {"same-user = perhaps\n", "f:1: same-user must be yes or no, not \"perhaps\""},
        {"key =\n", "f:1: key must be a path, not \"\""},
        {"config = other\n", "f:1: \"config\" can only be set on the command line"},
        {"name = a\nname = b\n", "f:2: name is set in line 1 already"},
        {"[section]\nname = a\n", "f:2: there are no sections here"},
        {"name = a\njust words\n", "f:2: neither \"NAME = VALUE\" nor a comment"},
        {"name = a\n[open\n", "f:2: neither \"NAME = VALUE\" nor a comment"},
        {"= value\n", "f:1: unknown setting \"\""},
        {"name = a\n  continued\n", "f:2: neither \"NAME = VALUE\" nor a comment"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tp__problem problem = {.text = ""};
        struct tp__config *config = tp__config_new(&program, &problem);
        assert_non_null(config);
        assert_false(tp__config_read_text(config, "f", cases[i].text, strlen(cases[i].text), &problem));
        assert_string_equal(problem.text, cases[i].problem);
        assert_int_equal(problem.status, TP_E_ARGUMENT);
        tp__config_free(config);
    }
}

static void lines_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    struct tp__problem problem;
    struct tp__config *config = tp__config_new(&program, &problem);
    char text[3000] = "name = ";
    memset(text + 7, 'x', 900);
    assert_true(tp__config_read_text(config, "f", text, 907, &problem));
    assert_int_equal(strlen(tp__config_text(config, "name")), 900);
    memset(text + 7, 'x', sizeof text - 7);
    assert_false(tp__config_read_text(config, "f", text, sizeof text, &problem));
    assert_string_equal(problem.text, "f:1: the line is too long");
    assert_false(tp__config_read_text(config, "f", "name = a\nname\0 = b\n", 18, &problem));
    assert_string_equal(problem.text, "f:2: the line holds a zero byte");
    assert_true(tp__config_read_text(config, "f", "", 0, &problem));
    assert_true(tp__config_read_text(config, "f", "\xef\xbb\xbfname = b", 11, &problem));
    assert_string_equal(tp__config_text(config, "name"), "b");
    tp__config_free(config);
}

static void a_bad_value_in_the_file_is_an_error_even_if_overridden(void **state)
{
    (void)state;
    write_file("workers = none\n");
    struct tp__problem problem;
    assert_null(READ("-c", config_path, "-w", "2"));
    assert_non_null(strstr(problem.text, ":1: workers must be a number"));
}

static void a_bad_value_on_the_command_line_is_named(void **state)
{
    (void)state;
    struct tp__problem problem;
    assert_null(READ("--workers=none"));
    assert_string_equal(problem.text, "--workers must be a number, not \"none\"");
    assert_null(READ("--same-user=maybe"));
    assert_string_equal(problem.text, "--same-user must be yes or no, not \"maybe\"");
}

static void reading_again_finds_what_has_changed(void **state)
{
    (void)state;
    struct tp__problem problem;
    write_file("workers = 3\n");
    struct tp__config *config = READ("-c", config_path);
    assert_int_equal(tp__config_number(config, "workers"), 3);
    tp__config_free(config);
    write_file("workers = 5\n");
    config = READ("-c", config_path);
    assert_int_equal(tp__config_number(config, "workers"), 5);
    tp__config_free(config);
}

static void options_behind_a_command_belong_to_it(void **state)
{
    (void)state;
    struct tp__program wrapper = program;
    wrapper.ends_at_argument = true;
    struct tp__problem problem;
    static const char *const words[] = {"test", "-w", "2", "run", "prog", "-w", "3", "--", "--unknown", NULL};
    struct tp__config *config = tp__config_read(&wrapper, 9, (char **)(uintptr_t)words, &problem);
    assert_non_null(config);
    assert_int_equal(tp__config_number(config, "workers"), 2);
    assert_int_equal(tp__config_argument_count(config), 6);
    for (size_t i = 0; i < 7; i++)
        assert_ptr_equal(tp__config_arguments(config)[i], words[3 + i]);
    tp__config_free(config);
}

/* argp ends the program: what it prints, and how it ends. */
static int run_apart(const char *const *words, char *output, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        struct tp__problem problem;
        struct tp__config *config = read_line(&problem, words);
        _exit(config ? 100 : 101);
    }
    (void)close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], output + length, size - 1 - length)) > 0)
        length += (size_t)got;
    output[length] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define RUN(...) run_apart((const char *const[]){__VA_ARGS__, NULL}, output, sizeof output)

static void help_says_what_there_is(void **state)
{
    (void)state;
    char output[8192];
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(output, "A test."));
    assert_non_null(strstr(output, "-w, --workers=COUNT"));
    assert_non_null(strstr(output, "threads (default: 4)"));
    assert_non_null(strstr(output, "--same-user"));
    assert_int_equal(RUN("--version"), 0);
    assert_string_equal(output, "taskpool-test 1.2.3\n");
    assert_int_equal(RUN("--unknown"), 64);
    assert_non_null(strstr(output, "unrecognized option '--unknown'"));
    assert_int_equal(RUN("one", "two", "three"), 64);
    assert_non_null(strstr(output, "too many arguments: \"three\""));
}

static int make_path(void **state)
{
    (void)state;
    (void)snprintf(config_path, sizeof config_path, "/tmp/taskpool-config-test-%d", (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    (void)unlink(config_path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_sets_has_its_standard_value),
        cmocka_unit_test(the_command_line_sets_everything),
        cmocka_unit_test(the_file_sets_what_the_command_line_does_not),
        cmocka_unit_test(a_file_that_was_named_must_be_there),
        cmocka_unit_test(what_is_wrong_in_a_file_is_named_with_its_line),
        cmocka_unit_test(lines_are_read_whole_or_not_at_all),
        cmocka_unit_test(a_bad_value_in_the_file_is_an_error_even_if_overridden),
        cmocka_unit_test(a_bad_value_on_the_command_line_is_named),
        cmocka_unit_test(reading_again_finds_what_has_changed),
        cmocka_unit_test(options_behind_a_command_belong_to_it),
        cmocka_unit_test(help_says_what_there_is),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

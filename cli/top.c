/* SPDX-License-Identifier: MIT */
/* taskpool top: the status, again and again. */
#include "command.h"
#include "connection.h"
#include "status_view.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <taskpool/version.h>
#include <unistd.h>

static const struct tp__setting settings[] = {
    {"interval", 'i', TP__SETTING_DURATION, "TIME", "How often", "1s", 100, 3600000, 0},
    CONNECTION_SETTINGS,
    SETTINGS_END};

static const struct tp__program program = {
    .name = "taskpool top",
    .version = TP_VERSION,
    .about = "Shows what `taskpool status` shows, again and again until ^C. Where standard output is no terminal it "
             "shows it once.\v" CONNECTION_EXIT_CODES,
    .settings = settings,
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* As many lines as the terminal has, each with the rest of its old text wiped out, and all below. */
static void draw(const char *text)
{
    struct winsize window;
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 1;
    unsigned left = is_known ? window.ws_row - 1U : 1000U;
    (void)fputs("\033[H", stdout);
    while (*text && left-- > 0) {
        const size_t length = strcspn(text, "\n");
        (void)fwrite(text, 1, length, stdout);
        (void)fputs("\033[K\n", stdout);
        text += length + (text[length] == '\n');
    }
    (void)fputs("\033[J", stdout);
    (void)fflush(stdout);
}

/* The status, or why there is none; NULL without memory. */
static char *make_page(struct connection *connection, struct tp__problem *problem, int *code)
{
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);
    if (!page)
        return NULL;
    const Taskpool__Answer *answer = connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", problem, code);
    bool good = true;
    if (answer)
        good = status_print(answer, connection_endpoint(connection), page);
    else
        (void)fprintf(page, "%s\n", problem->text);
    if (fclose(page) == 0 && good)
        return text;
    free(text);
    return NULL;
}

/* In a screen of its own, so that what was on the terminal comes back. A coordinator that goes away is waited for. */
static int show_on_terminal(struct connection *connection, int64_t interval_ms, struct tp__problem *problem)
{
    const struct sigaction action = {.sa_handler = stop};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    connection_stop_at(connection, &stopped);
    (void)fputs("\033[?1049h\033[?25l\033[?7l", stdout);
    int code = EXIT_DONE;
    while (!stopped && (code == EXIT_DONE || code == EXIT_UNREACHABLE)) {
        char *page = make_page(connection, problem, &code);
        if (!page) {
            (void)tp__problem_set(problem, TP_E_NOMEM, "out of memory");
            code = EXIT_FAILED;
        } else if (!stopped) {
            draw(page);
            connection_wait(connection, interval_ms);
        }
        free(page);
    }
    (void)fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    return stopped ? EXIT_DONE : code;
}

int command_top(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    int code;
    struct connection *connection = connection_new(config, &problem, &code);
    /* What is wrong from the beginning is said at once, and not on a screen that goes away. */
    const Taskpool__Answer *answer =
        connection ? connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", &problem, &code) : NULL;
    if (answer && isatty(STDOUT_FILENO))
        code = show_on_terminal(connection, tp__config_number(config, "interval"), &problem);
    else if (answer && !status_print(answer, connection_endpoint(connection), stdout)) {
        (void)tp__problem_set(&problem, TP_E_NOMEM, "out of memory");
        code = EXIT_FAILED;
    }
    if (code != EXIT_DONE)
        (void)command_fail(argv[0], "%s", problem.text);
    connection_free(connection);
    tp__config_free(config);
    return code;
}

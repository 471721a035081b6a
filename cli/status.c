/* SPDX-License-Identifier: MIT */
/* taskpool status: how things are. */
#include "command.h"
#include "connection.h"
#include "status_view.h"

#include <taskpool/version.h>

static const struct tp__setting settings[] = {
    {"json", 'j', TP__SETTING_FLAG, NULL, "As JSON, for scripts", NULL, 0, 0, 0}, CONNECTION_SETTINGS, SETTINGS_END};

static const struct tp__program program = {
    .name = "taskpool status",
    .version = TP_VERSION,
    .about = "Shows the coordinator, its nodes and its sessions.\v" CONNECTION_EXIT_CODES,
    .settings = settings,
};

int command_status(int argc, char **argv)
{
    struct tp__config *config = command_settings(&program, argc, argv);
    if (!config)
        return EXIT_USAGE;
    struct tp__problem problem;
    int code;
    struct connection *connection = connection_new(config, &problem, &code);
    const Taskpool__Answer *answer =
        connection ? connection_ask(connection, TASKPOOL__QUERY_KIND__QUERY_STATUS, "", &problem, &code) : NULL;
    if (!answer)
        (void)command_fail(argv[0], "%s", problem.text);
    else if (tp__config_flag(config, "json"))
        code = json_print(argv[0], status_json(answer, connection_endpoint(connection)));
    else if (!status_print(answer, connection_endpoint(connection), stdout))
        code = command_fail(argv[0], "out of memory");
    connection_free(connection);
    tp__config_free(config);
    return code;
}

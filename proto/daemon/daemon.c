/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/signals.h"
#include "trust/keys.h"
#include "wire/heap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The search for leaks at the end traces the process. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_TRACED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_TRACED true
#endif
#endif
#ifndef IS_TRACED
#define IS_TRACED false
#endif

static bool start_log(const struct tp__config *config, struct tp__problem *problem)
{
    enum tp__log_format format;
    enum tp__log_level level;
    if (!tp__log_format_parse(&format, tp__config_text(config, "log-format")))
        return tp__problem_set(problem, TP_E_ARGUMENT, "log-format: text or json");
    if (!tp__log_level_parse(&level, tp__config_text(config, "log-level")))
        return tp__problem_set(problem, TP_E_ARGUMENT, "log-level: debug, info, warning or error");
    tp__log_start(format, level);
    return true;
}

static bool prepare(const struct tp__config *config, uint64_t descriptors, int *signals, struct tp__problem *problem)
{
    uint64_t allowed;
    if (!start_log(config, problem))
        return false;
    if (!tp__trust_start())
        return tp__problem_set(problem, TP_E_SYSTEM, "libsodium cannot start");
    *signals = tp__signals_open(problem);
    if (*signals < 0)
        return false;
    if (!tp__limits_raise_descriptors(descriptors, &allowed, problem)) {
        struct tp__pairs pairs = {.length = 0};
        tp__pairs_add(&pairs, "reason", problem->text);
        tp__log(TP__LOG_WARNING, "few-descriptors", pairs.text);
    }
    return true;
}

int tp__daemon_main(const struct tp__program *program, int argc, char **argv, uint64_t descriptors,
                    tp__daemon_run_fn *run)
{
    if (!IS_TRACED) /* nobody of the same user reads the key out of this process's memory */
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    tp__heap_keep_freed();
    int signals = -1;
    struct tp__problem problem;
    struct tp__config *config = tp__config_read(program, argc, argv, &problem);
    const bool ok = config && prepare(config, descriptors, &signals, &problem) && run(config, signals, &problem);
    if (!ok)
        fprintf(stderr, "%s: %s\n", program->name, problem.text);
    if (signals >= 0)
        close(signals);
    tp__config_free(config);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

bool tp__daemon_name(char name[TP__NAME_LIMIT + 1], const char *given, struct tp__problem *problem)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (given && (!*given || strlen(given) > TP__NAME_LIMIT))
        return tp__problem_set(problem, TP_E_ARGUMENT, "name: 1 to %d bytes", TP__NAME_LIMIT);
    if (!given && gethostname(host, sizeof host - 1) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the name of this machine");
    (void)snprintf(name, TP__NAME_LIMIT + 1, "%.*s", TP__NAME_LIMIT, given ? given : host);
    return true;
}

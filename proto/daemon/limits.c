/* SPDX-License-Identifier: MIT */
#include "daemon/limits.h"

#include <inttypes.h>
#include <sys/resource.h>

bool tp__limits_raise_descriptors(uint64_t needed, uint64_t *allowed, struct tp__problem *problem)
{
    *allowed = 0;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the limit of open files");
    *allowed = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot raise the limit of open files to %ju",
                                 (uintmax_t)limit.rlim_max);
    *allowed = limit.rlim_cur;
    if (*allowed >= needed)
        return true;
    return tp__problem_set(problem, TP_E_LIMIT,
                           "%" PRIu64 " open files are allowed, %" PRIu64
                           " are needed: raise the hard limit (ulimit -n, or LimitNOFILE= of the unit)",
                           *allowed, needed);
}

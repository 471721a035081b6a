/* SPDX-License-Identifier: MIT */
/* A program whose coordinator is away waits for as long as it takes. It says so, once, so that whoever looks at it
 * knows what it waits for, and says when that is over. */
#include "cluster/driver.h"

enum { AWAY_MS = 5000 /* shorter: a restart, or a cable */ };

static void say_away(struct tp__driver *driver)
{
    struct tp__problem problem;
    tp__trouble_explain(driver->trouble, driver->endpoint, &driver->key, TP__ROLE_DRIVER, &problem);
    const unsigned long long tasks = tp__session_count(driver->session).unresolved;
    tp__driver_say(driver, "%s (%llu task%s for it)", problem.text, tasks, tasks == 1 ? " waits" : "s wait");
}

int64_t tp__driver_note_away(struct tp__driver *driver)
{
    struct tp__problem problem;
    const int64_t now_ms = tp__now_ms();
    if (tp__session_is_linked(driver->session)) {
        if (driver->away.is_said)
            tp__driver_say(driver, "%s: the coordinator is back after %lld s", driver->endpoint,
                           (long long)((now_ms - driver->away.since_ms) / 1000));
        driver->away.since_ms = 0;
        driver->away.is_said = false;
        driver->trouble = TP__TROUBLE_NONE;
        return INT64_MAX;
    }
    if (tp__session_state(driver->session, &problem) != TP__SESSION_OPEN)
        return INT64_MAX; /* who opens the pool will hear of it */
    if (driver->away.since_ms == 0)
        driver->away.since_ms = now_ms;
    if (driver->away.is_said || tp__session_unresolved(driver->session) == 0)
        return INT64_MAX;
    if (now_ms - driver->away.since_ms < AWAY_MS)
        return driver->away.since_ms + AWAY_MS;
    say_away(driver);
    driver->away.is_said = true;
    return INT64_MAX;
}

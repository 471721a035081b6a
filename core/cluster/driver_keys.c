/* SPDX-License-Identifier: MIT */
/* Design notes: whose key a driver uses, and whom it believes
 *
 * A program has no signal to spare for "read your keys again", so the thread looks at the file once a second: whoever
 * is new is believed, and whoever is not in it any more goes. It is read when two looks in a row saw the same new file:
 * who writes it in place may not be done at the first. One that cannot be read changes nothing.
 */
#include "cluster/driver.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 1000 };

static struct tp__driver_list list_at(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return (struct tp__driver_list){.device = 0};
    return (struct tp__driver_list){
        .device = found.st_dev, .inode = found.st_ino, .size = found.st_size, .modified = found.st_mtim};
}

static bool is_same(const struct tp__driver_list *a, const struct tp__driver_list *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

tp_status tp__driver_read_keys(struct tp__driver *driver, const char *host_and_port)
{
    char path[TP__PATH_BYTES];
    struct tp__problem problem;
    if (!tp__trust_start())
        return tp__fail(TP_E_SYSTEM, "libsodium cannot start");
    if (!tp__identity_key_path(NULL, path, &problem))
        return tp__fail(problem.status, "tcp://%s: %s", host_and_port, problem.text);
    if (!tp__key_read(&driver->key, path, &problem))
        return tp__fail(problem.status, "tcp://%s: %s%s", host_and_port, problem.text,
                        problem.status == TP_E_SYSTEM ? "; `taskpool keygen` makes a key" : "");
    if (tp__identity_authorized_path(NULL, driver->authorized_path, &problem)) {
        driver->list = driver->list_seen =
            list_at(driver->authorized_path); /* before: what changes now is seen later */
        driver->authorized = tp__authorized_read(driver->authorized_path, &problem);
    }
    if (!driver->authorized || !tp__identity_coordinator(driver->authorized, driver->authorized_path, host_and_port,
                                                         &driver->coordinator, &problem))
        return tp__fail(problem.status, "tcp://%s: %s", host_and_port, problem.text);
    return TP_OK;
}

/* The one that is linked, as long as it is listed. */
static void choose_coordinator(struct tp__driver *driver)
{
    struct tp__problem problem;
    struct tp__public_key key;
    if (tp__authorized_find(driver->authorized, TP__ROLE_COORDINATOR, &driver->coordinator))
        return;
    if (!tp__identity_coordinator(driver->authorized, driver->authorized_path, driver->endpoint + strlen("tcp://"),
                                  &key, &problem)) {
        tp__session_give_up(driver->session, problem.status, problem.text, tp__now_ms());
        tp__driver_disconnect(driver);
        driver->reconnect_ms = INT64_MAX;
        return;
    }
    driver->coordinator = key;
    tp__driver_reconnect(driver);
}

void tp__driver_look_at_keys(struct tp__driver *driver)
{
    const int64_t now_ms = tp__now_ms();
    if (now_ms < driver->look_ms)
        return;
    driver->look_ms = now_ms + LOOK_MS;
    const struct tp__driver_list found = list_at(driver->authorized_path);
    const bool is_still = is_same(&found, &driver->list_seen);
    driver->list_seen = found;
    if (!is_still || is_same(&found, &driver->list))
        return;
    driver->list = found;
    struct tp__problem problem;
    struct tp__authorized *fresh = tp__authorized_read(driver->authorized_path, &problem);
    if (!fresh) {
        tp__driver_say(driver, "%s: those who were listed before are believed on", problem.text);
        return;
    }
    struct tp__authorized *former = driver->authorized;
    driver->authorized = fresh;
    tp__session_authorize(driver->session, fresh, now_ms);
    tp__authorized_free(former);
    choose_coordinator(driver);
}

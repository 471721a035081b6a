/* SPDX-License-Identifier: MIT */
/* The program taskpool-node, from outside: its settings, signals, link and programs. */
#include "head.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* A node that is linked and ready. */
static struct head *open_with_node(const char *const *arguments)
{
    struct head *head = head_open();
    head_start_node(head, arguments);
    HEAD_UNTIL(head, head_is_ready(head));
    assert_int_equal(head->hellos, 1);
    return head;
}

static void end(struct head *head)
{
    assert_int_equal(kill(head->node, SIGTERM), 0);
    assert_int_equal(head_wait_node(head), 0);
    head_close(head);
}

static void assert_accepted(struct head *head)
{
    HEAD_UNTIL(head, head->accepts > 0);
    if (head->status != TP_OK)
        fail_msg("refused: %s", head->reason);
    struct tp__accept accept;
    assert_true(tp__accept_verify(&accept, head->signed_accept, head->signed_accept_size));
    assert_memory_equal(&accept.node, &head->node_key.public_key, sizeof accept.node);
}

static void assert_refused(struct head *head, const char *reason)
{
    HEAD_UNTIL(head, head->accepts > 0);
    assert_int_not_equal(head->status, TP_OK);
    assert_contains(head->reason, reason);
}

static void a_node_is_ready_when_it_is_welcome_and_ends_when_it_is_told(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    kill(head->node, SIGTERM);
    assert_int_equal(head_wait_node(head), 0);
    HEAD_UNTIL(head, head->said_bye);
    head_close(head);
}

static void a_program_is_fetched_checked_and_started(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    head_offer(head, "ready");
    assert_accepted(head);
    assert_int_equal(head->chunks_sent, (int)((head->length + TP__CHUNK_BYTES - 1) / TP__CHUNK_BYTES));
    const int sent = head->chunks_sent;
    head_offer(head, "ready"); /* another session: from the cache */
    assert_accepted(head);
    assert_int_equal(head->chunks_sent, sent);
    end(head);
}

static void the_cache_survives_a_restart(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    head_offer(head, "ready");
    assert_accepted(head);
    kill(head->node, SIGTERM);
    assert_int_equal(head_wait_node(head), 0);
    const int sent = head->chunks_sent;
    head_start_node(head, NULL);
    HEAD_UNTIL(head, head_is_ready(head));
    head_offer(head, "ready");
    assert_accepted(head);
    assert_int_equal(head->chunks_sent, sent);
    end(head);
}

static void a_program_that_cannot_start_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    head_offer(head, "_exit");
    assert_refused(head, "status 4");
    end(head);
}

static void a_driver_that_is_not_trusted_is_refused_also_after_a_reload(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    head_offer(head, "ready");
    assert_accepted(head);
    head_authorize(head, false);
    head->accepts = 0;
    kill(head->node, SIGHUP);
    HEAD_UNTIL(head, head->accepts > 0); /* the session that it had ends */
    assert_int_equal(head->status, TP_E_UNTRUSTED);
    head_offer(head, "ready");
    assert_refused(head, "");
    head_authorize(head, true);
    end(head);
}

static void only_installed_programs_run_where_nothing_is_shipped(void **state)
{
    (void)state;
    char installed[128], argument[160], command[400];
    struct head *head = head_open();
    snprintf(installed, sizeof installed, "%s/installed", head->directory);
    snprintf(argument, sizeof argument, "--programs=%s", installed);
    assert_int_equal(mkdir(installed, 0755), 0);
    head_start_node(head, (const char *const[]){argument, NULL});
    HEAD_UNTIL(head, head_is_ready(head));
    head_offer(head, "ready");
    assert_refused(head, "not installed on this node");
    snprintf(command, sizeof command, "install -m 755 '%s' %s/fake", FAKE_WORKER, installed);
    assert_int_equal(system(command), 0);
    head_offer(head, "ready");
    assert_accepted(head);
    assert_int_equal(head->chunks_sent, 0);
    end(head);
}

static void a_node_comes_back_to_its_coordinator_with_the_same_life(void **state)
{
    (void)state;
    struct head *head = open_with_node(NULL);
    uint8_t life[16];
    memcpy(life, head->last_life, sizeof life);
    head_go_away(head);
    head_come_back(head);
    HEAD_UNTIL(head, head->hellos >= 2);
    assert_memory_equal(head->last_life, life, sizeof life);
    head_offer(head, "ready");
    assert_accepted(head);
    end(head);
}

static void a_node_waits_for_a_coordinator_that_is_not_there_yet(void **state)
{
    (void)state;
    struct head *head = head_open();
    head_go_away(head);
    head_start_node(head, NULL);
    for (int i = 0; i < 10; i++) {
        assert_false(head_is_ready(head));
        head_step(head, head_now());
    }
    head_come_back(head);
    HEAD_UNTIL(head, head_is_ready(head));
    end(head);
}

static void a_node_without_a_coordinator_ends_when_it_is_told(void **state)
{
    (void)state;
    struct head *head = head_open();
    head_go_away(head);
    head_start_node(head, NULL);
    char cache[128];
    snprintf(cache, sizeof cache, "%s/cache", head->directory);
    HEAD_UNTIL(head, access(cache, F_OK) == 0); /* from here on it handles signals */
    end(head);
}

static void wrong_settings_end_it_with_their_name(void **state)
{
    (void)state;
    struct head *head = head_open();
    char text[4096], path[128];
    assert_int_equal(head_run_node(head, NULL, text, sizeof text), 1);
    assert_contains(text, "coordinator is not set");
    const char *const bad_endpoint[] = {"--coordinator=head:7077", NULL};
    assert_int_equal(head_run_node(head, bad_endpoint, text, sizeof text), 1);
    assert_contains(text, "tcp://HOST:PORT");
    const char *const bad_environment[] = {"--coordinator=tcp://h:1", "--environment=TASKPOOL_KEY", NULL};
    assert_int_equal(head_run_node(head, bad_environment, text, sizeof text), 1);
    assert_contains(text, "environment: ");
    const char *const bad_key[] = {"--coordinator=tcp://h:1", "--coordinator-key=abc", NULL};
    assert_int_equal(head_run_node(head, bad_key, text, sizeof text), 1);
    assert_contains(text, "coordinator-key: ");

    snprintf(path, sizeof path, "%s/key", head->directory);
    const char *const good[] = {"--coordinator=tcp://127.0.0.1:9", NULL};
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(head_run_node(head, good, text, sizeof text), 1);
    assert_contains(text, "key");
    assert_int_equal(chmod(path, 0600), 0);
    snprintf(path, sizeof path, "%s/authorized_keys", head->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(head_run_node(head, good, text, sizeof text), 1);
    assert_contains(text, "exactly one line of a coordinator");
    head_close(head);
}

static void without_rights_it_starts_only_as_the_same_user(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("skipped: root may change users; see isolation_test\n");
        skip();
    }
    struct head *head = head_open();
    char text[4096];
    const char *const arguments[] = {"--coordinator=tcp://127.0.0.1:9", "--same-user=no", NULL};
    assert_int_equal(head_run_node(head, arguments, text, sizeof text), 1);
    assert_contains(text, "--same-user");
    head_close(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_ready_when_it_is_welcome_and_ends_when_it_is_told),
        cmocka_unit_test(a_program_is_fetched_checked_and_started),
        cmocka_unit_test(the_cache_survives_a_restart),
        cmocka_unit_test(a_program_that_cannot_start_is_refused_with_the_reason),
        cmocka_unit_test(a_driver_that_is_not_trusted_is_refused_also_after_a_reload),
        cmocka_unit_test(only_installed_programs_run_where_nothing_is_shipped),
        cmocka_unit_test(a_node_comes_back_to_its_coordinator_with_the_same_life),
        cmocka_unit_test(a_node_waits_for_a_coordinator_that_is_not_there_yet),
        cmocka_unit_test(a_node_without_a_coordinator_ends_when_it_is_told),
        cmocka_unit_test(wrong_settings_end_it_with_their_name),
        cmocka_unit_test(without_rights_it_starts_only_as_the_same_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

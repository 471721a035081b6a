/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/authorized.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/trust_authorized_XXXXXX";
static char path[64];
static struct tp__problem problem;

enum { KEYS = 8 };
static struct tp__key keys[KEYS];
static char texts[KEYS][45];

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) {
        tp__key_generate(&keys[i], "x");
        tp__public_key_text(&keys[i].public_key, texts[i]);
    }
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/authorized_keys", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

__attribute__((format(printf, 1, 2))) static struct tp__authorized *parse(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < sizeof text);
    problem = (struct tp__problem){0};
    return tp__authorized_parse(text, (size_t)size, "keys", &problem);
}

static bool is_listed(const struct tp__authorized *authorized, enum tp__role role, int key, const char *name)
{
    uint8_t curve[32];
    struct tp__public_key found;
    assert_true(tp__curve_of_public(&keys[key].public_key, curve));
    const char *by_key = tp__authorized_find(authorized, role, &keys[key].public_key);
    const char *by_curve = tp__authorized_find_curve(authorized, role, curve, &found);
    assert_int_equal(!by_key, !by_curve);
    if (!by_key) {
        assert_true(sodium_is_zero(found.bytes, 32));
        return false;
    }
    assert_memory_equal(&found, &keys[key].public_key, 32);
    assert_string_equal(by_key, by_curve);
    return strcmp(by_key, name) == 0;
}

static void who_is_listed_is_found_in_that_role(void **state)
{
    (void)state;
    struct tp__authorized *authorized = parse("# who may\n"
                                              "\n"
                                              "driver %s alice\n"
                                              "  node\t%s  rack-1 \t\n"
                                              "\t# more\n"
                                              "driver %s bob\n"
                                              "admin %s alice\n"
                                              "coordinator %s head",
                                              texts[0], texts[1], texts[2], texts[0], texts[3]);
    assert_non_null(authorized);
    assert_true(is_listed(authorized, TP__ROLE_DRIVER, 0, "alice"));
    assert_true(is_listed(authorized, TP__ROLE_ADMIN, 0, "alice"));
    assert_false(is_listed(authorized, TP__ROLE_NODE, 0, "alice"));
    assert_true(is_listed(authorized, TP__ROLE_NODE, 1, "rack-1"));
    assert_true(is_listed(authorized, TP__ROLE_DRIVER, 2, "bob"));
    assert_true(is_listed(authorized, TP__ROLE_COORDINATOR, 3, "head"));
    assert_false(is_listed(authorized, TP__ROLE_DRIVER, 4, ""));
    assert_false(is_listed(authorized, (enum tp__role)0, 0, ""));

    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_DRIVER), 2);
    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_NODE), 1);
    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_ADMIN), 1);
    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_COORDINATOR), 1);
    assert_int_equal(tp__authorized_count(authorized, (enum tp__role)0), 0);
    assert_int_equal(tp__authorized_count(authorized, (enum tp__role)5), 0);
    const char *name;
    assert_memory_equal(tp__authorized_at(authorized, TP__ROLE_DRIVER, 0, &name), &keys[0].public_key, 32);
    assert_string_equal(name, "alice");
    assert_memory_equal(tp__authorized_at(authorized, TP__ROLE_DRIVER, 1, &name), &keys[2].public_key, 32);
    assert_string_equal(name, "bob");
    assert_memory_equal(tp__authorized_at(authorized, TP__ROLE_NODE, 0, &name), &keys[1].public_key, 32);
    assert_null(tp__authorized_at(authorized, TP__ROLE_DRIVER, 2, &name));
    assert_null(name);
    assert_null(tp__authorized_at(authorized, (enum tp__role)9, 0, &name));
    tp__authorized_free(authorized);
}

/* In so small a table keys fall on each other's places. */
static void a_key_is_listed_in_its_role_only(void **state)
{
    (void)state;
    for (int key = 0; key < KEYS; key++) {
        for (int listed = TP__ROLE_DRIVER; listed <= TP__ROLE_COORDINATOR; listed++) {
            struct tp__authorized *authorized = parse("%s %s x\n", tp__role_name((enum tp__role)listed), texts[key]);
            assert_non_null(authorized);
            for (int role = TP__ROLE_DRIVER; role <= TP__ROLE_COORDINATOR; role++)
                assert_int_equal(is_listed(authorized, (enum tp__role)role, key, "x"), role == listed);
            assert_false(is_listed(authorized, (enum tp__role)listed, (key + 1) % KEYS, "x"));
            tp__authorized_free(authorized);
        }
    }
}

static void an_empty_file_lists_nobody(void **state)
{
    (void)state;
    const char *empty[] = {"", "\n", "\n\n", "# nobody", " ", "\t\n  # x\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct tp__authorized *authorized = parse("%s", empty[i]);
        assert_non_null(authorized);
        assert_false(is_listed(authorized, TP__ROLE_DRIVER, 0, ""));
        assert_int_equal(tp__authorized_count(authorized, TP__ROLE_DRIVER), 0);
        tp__authorized_free(authorized);
    }
    tp__authorized_free(NULL);
}

static void two_keys_of_one_name_rotate_it(void **state)
{
    (void)state;
    struct tp__authorized *authorized = parse("node %s rack\nnode %s rack\n", texts[0], texts[1]);
    assert_non_null(authorized);
    assert_true(is_listed(authorized, TP__ROLE_NODE, 0, "rack"));
    assert_true(is_listed(authorized, TP__ROLE_NODE, 1, "rack"));
    tp__authorized_free(authorized);
}

static void a_line_twice_counts_once(void **state)
{
    (void)state;
    struct tp__authorized *authorized = parse("node %s rack\nnode %s rack\n", texts[0], texts[0]);
    assert_non_null(authorized);
    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_NODE), 1);
    tp__authorized_free(authorized);
}

static void refuse(const char *words, struct tp__authorized *authorized)
{
    assert_null(authorized);
    assert_int_equal(problem.status, TP_E_DECODE);
    if (!strstr(problem.text, words) || !strstr(problem.text, "keys"))
        fail_msg("'%s' does not say '%s'", problem.text, words);
}

static void a_line_that_cannot_be_read_is_a_failure(void **state)
{
    (void)state;
    char longest[TP__NAME_LIMIT + 2];
    memset(longest, 'x', sizeof longest);
    longest[TP__NAME_LIMIT + 1] = 0;
    refuse("line 2", parse("# x\ndrivers %s alice\n", texts[0]));
    refuse("line 1", parse("%s driver alice\n", texts[0]));
    refuse("line 1: begins with no role", parse("ssh-ed25519 %s alice\n", texts[0]));
    refuse("line 1: the second word", parse("driver"));
    refuse("line 1: the second word", parse("driver %.43s alice\n", texts[0]));
    refuse("line 1: the second word", parse("driver A%s alice\n", texts[0]));
    refuse("line 1: needs a name", parse("driver %s\n", texts[0]));
    refuse("line 1: needs a name", parse("driver %s \n", texts[0]));
    refuse("line 1: needs a name", parse("driver %s #alice\n", texts[0]));
    refuse("line 1: needs a name", parse("driver %s %s\n", texts[0], longest));
    refuse("line 1: needs a name", parse("driver %s alice\r\n", texts[0]));
    refuse("line 1: has more", parse("driver %s alice # from Paris\n", texts[0]));
    refuse("line 3: the key has another name in line 1",
           parse("driver %s alice\n\ndriver %s bob\n", texts[0], texts[0]));
    refuse("zero byte", tp__authorized_parse("#\0", 2, "keys", &problem));
    longest[TP__NAME_LIMIT] = 0;
    struct tp__authorized *authorized = parse("driver %s %s\n", texts[0], longest);
    assert_non_null(authorized);
    tp__authorized_free(authorized);
}

static void a_point_of_low_order_is_no_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOW_ORDER_POINTS; i++) {
        struct tp__public_key point;
        char text[45];
        memcpy(point.bytes, low_order_points[i], 32);
        tp__public_key_text(&point, text);
        refuse("line 1: the second word", parse("driver %s alice\n", text));
        assert_false(tp__authorized_add(path, TP__ROLE_DRIVER, &point, "alice", &problem));
    }
}

static void a_key_and_its_negative_are_not_listed_together(void **state)
{
    (void)state;
    struct tp__public_key negative = keys[0].public_key;
    char text[45];
    negative.bytes[31] ^= 0x80;
    tp__public_key_text(&negative, text);
    refuse("line 2: the key cannot be told from that of line 1",
           parse("driver %s alice\ndriver %s mallory\n", texts[0], text));
}

static void there_are_at_most_65536_lines(void **state)
{
    (void)state;
    static char lines[TP__AUTHORIZED_LIMIT_LINES + 1];
    memset(lines, '\n', sizeof lines);
    struct tp__authorized *authorized = tp__authorized_parse(lines, TP__AUTHORIZED_LIMIT_LINES, "keys", &problem);
    assert_non_null(authorized);
    tp__authorized_free(authorized);
    assert_null(tp__authorized_parse(lines, TP__AUTHORIZED_LIMIT_LINES + 1, "keys", &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
}

static void many_keys_are_all_found(void **state)
{
    (void)state;
    enum { MANY = 1000, LINE = 70 };
    static struct tp__public_key many[MANY];
    static char text[MANY * LINE];
    size_t size = 0;
    for (int i = 0; i < MANY; i++) {
        struct tp__key key;
        char key_text[45];
        tp__key_generate(&key, "x");
        many[i] = key.public_key;
        tp__public_key_text(&many[i], key_text);
        size += (size_t)snprintf(text + size, LINE, "%s %s key-%d\n", tp__role_name((enum tp__role)(1 + i % 4)),
                                 key_text, i);
    }
    struct tp__authorized *authorized = tp__authorized_parse(text, size, "keys", &problem);
    assert_non_null(authorized);
    for (int i = 0; i < MANY; i++) {
        for (int role = TP__ROLE_DRIVER; role <= TP__ROLE_COORDINATOR; role++) {
            char name[16];
            uint8_t curve[32];
            struct tp__public_key key;
            snprintf(name, sizeof name, "key-%d", i);
            const char *found = tp__authorized_find(authorized, (enum tp__role)role, &many[i]);
            assert_true(tp__curve_of_public(&many[i], curve));
            const char *by_curve = tp__authorized_find_curve(authorized, (enum tp__role)role, curve, &key);
            if (role == 1 + i % 4) {
                assert_string_equal(found, name);
                assert_string_equal(by_curve, name);
            } else {
                assert_null(found);
                assert_null(by_curve);
            }
        }
    }
    tp__authorized_free(authorized);
}

/* ---- files ---- */

static void put_file(const char *text, mode_t mode)
{
    unlink(path);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(descriptor, mode), 0);
    close(descriptor);
}

static void get_file(char *text, size_t size)
{
    const int descriptor = open(path, O_RDONLY);
    assert_true(descriptor >= 0);
    const ssize_t got = read(descriptor, text, size - 1);
    assert_true(got >= 0);
    text[got] = 0;
    close(descriptor);
}

static bool reads(void)
{
    struct tp__authorized *authorized = tp__authorized_read(path, &problem);
    tp__authorized_free(authorized);
    return authorized != NULL;
}

static void a_file_that_others_can_write_is_refused(void **state)
{
    (void)state;
    const mode_t loose[] = {0664, 0646, 0620, 0602, 0666};
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        put_file("", loose[i]);
        assert_false(reads());
        assert_int_equal(problem.status, TP_E_UNTRUSTED);
        assert_false(tp__authorized_add(path, TP__ROLE_NODE, &keys[0].public_key, "a", &problem));
        assert_int_equal(problem.status, TP_E_UNTRUSTED);
    }
    put_file("", 0644);
    assert_true(reads());
    put_file("", 0600);
    assert_true(reads());
}

static void a_file_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    put_file("", 0644);
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_false(reads());
    assert_int_equal(problem.status, TP_E_UNTRUSTED);
    assert_non_null(strstr(problem.text, "12345"));
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_false(reads());
    assert_int_equal(problem.status, TP_E_SYSTEM);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(reads());
    assert_int_equal(problem.status, TP_E_ARGUMENT);
    unlink(path);
    put_file("", 0644);
    assert_int_equal(truncate(path, TP__AUTHORIZED_LIMIT_BYTES + 1), 0);
    assert_false(reads());
    assert_int_equal(problem.status, TP_E_LIMIT);
}

static bool add(enum tp__role role, int key, const char *name)
{
    return tp__authorized_add(path, role, &keys[key].public_key, name, &problem);
}

static void an_added_key_is_read_again(void **state)
{
    (void)state;
    const mode_t mask = umask(0);
    assert_true(add(TP__ROLE_DRIVER, 0, "alice"));
    umask(mask);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_true(add(TP__ROLE_NODE, 1, "rack"));
    assert_true(add(TP__ROLE_ADMIN, 0, "alice"));
    char text[512];
    char expected[512];
    get_file(text, sizeof text);
    snprintf(expected, sizeof expected, "driver %s alice\nnode %s rack\nadmin %s alice\n", texts[0], texts[1],
             texts[0]);
    assert_string_equal(text, expected);
    assert_true(reads());
}

static void adding_what_is_there_does_nothing(void **state)
{
    (void)state;
    char before[512];
    char after[512];
    assert_true(add(TP__ROLE_DRIVER, 0, "alice"));
    get_file(before, sizeof before);
    assert_true(add(TP__ROLE_DRIVER, 0, "alice"));
    get_file(after, sizeof after);
    assert_string_equal(before, after);
    assert_false(add(TP__ROLE_DRIVER, 0, "bob"));
    assert_non_null(strstr(problem.text, "alice"));
    get_file(after, sizeof after);
    assert_string_equal(before, after);
}

static void a_last_line_without_end_stays_whole(void **state)
{
    (void)state;
    put_file("# no end", 0644);
    assert_true(add(TP__ROLE_NODE, 0, "rack"));
    char text[512];
    char expected[512];
    get_file(text, sizeof text);
    snprintf(expected, sizeof expected, "# no end\nnode %s rack\n", texts[0]);
    assert_string_equal(text, expected);
}

static void nothing_is_added_to_a_file_that_cannot_be_read(void **state)
{
    (void)state;
    put_file("nonsense\n", 0644);
    assert_false(add(TP__ROLE_NODE, 0, "rack"));
    assert_int_equal(problem.status, TP_E_DECODE);
    char text[512];
    get_file(text, sizeof text);
    assert_string_equal(text, "nonsense\n");
}

static void a_bad_name_or_role_is_not_added(void **state)
{
    (void)state;
    assert_false(add(TP__ROLE_NODE, 0, "two words"));
    assert_false(add(TP__ROLE_NODE, 0, "line\nadmin"));
    assert_false(add(TP__ROLE_NODE, 0, ""));
    assert_false(add((enum tp__role)7, 0, "rack"));
    assert_int_equal(access(path, F_OK), -1);
}

static void processes_that_add_at_once_lose_nothing(void **state)
{
    (void)state;
    pid_t children[KEYS];
    int gate[2]; /* opens for all at once when this process closes its end */
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < KEYS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            char none;
            close(gate[1]);
            if (read(gate[0], &none, 1) != 0)
                _exit(2);
            for (int other = 0; other < KEYS; other++)
                if (!add(TP__ROLE_DRIVER, other, "alice"))
                    _exit(1);
            _exit(add(TP__ROLE_NODE, i, "rack") ? 0 : 1);
        }
        assert_true(children[i] > 0);
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < KEYS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct tp__authorized *authorized = tp__authorized_read(path, &problem);
    assert_non_null(authorized);
    assert_int_equal(tp__authorized_count(authorized, TP__ROLE_NODE), KEYS);
    tp__authorized_free(authorized);
    char text[KEYS * KEYS * 128];
    get_file(text, sizeof text);
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 2 * KEYS);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_listed_is_found_in_that_role),
        cmocka_unit_test(a_key_is_listed_in_its_role_only),
        cmocka_unit_test(an_empty_file_lists_nobody),
        cmocka_unit_test(two_keys_of_one_name_rotate_it),
        cmocka_unit_test(a_line_twice_counts_once),
        cmocka_unit_test(a_line_that_cannot_be_read_is_a_failure),
        cmocka_unit_test(a_point_of_low_order_is_no_key),
        cmocka_unit_test(a_key_and_its_negative_are_not_listed_together),
        cmocka_unit_test(there_are_at_most_65536_lines),
        cmocka_unit_test(many_keys_are_all_found),
        cmocka_unit_test_teardown(a_file_that_others_can_write_is_refused, remove_file),
        cmocka_unit_test_teardown(a_file_of_another_user_is_refused, remove_file),
        cmocka_unit_test_teardown(what_is_no_file_is_refused, remove_file),
        cmocka_unit_test_teardown(an_added_key_is_read_again, remove_file),
        cmocka_unit_test_teardown(adding_what_is_there_does_nothing, remove_file),
        cmocka_unit_test_teardown(a_last_line_without_end_stays_whole, remove_file),
        cmocka_unit_test_teardown(nothing_is_added_to_a_file_that_cannot_be_read, remove_file),
        cmocka_unit_test_teardown(a_bad_name_or_role_is_not_added, remove_file),
        cmocka_unit_test_teardown(processes_that_add_at_once_lose_nothing, remove_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/trust_keys_XXXXXX";
static char path[64];
static char other_path[64];
static struct tp__key key;
static struct tp__problem problem;

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/key", directory);
    snprintf(other_path, sizeof other_path, "%s/other", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return 0;
}

static void put_file(const char *text, size_t size, mode_t mode)
{
    unlink(path);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, size), size);
    assert_int_equal(fchmod(descriptor, mode), 0);
    close(descriptor);
}

static void new_key_file(void)
{
    tp__key_generate(&key, "alice@head");
    assert_true(tp__key_write(&key, path, &problem));
}

static bool is_refused(tp_status status, const char *words)
{
    static const struct tp__key none;
    struct tp__key read;
    problem = (struct tp__problem){0};
    if (tp__key_read(&read, path, &problem))
        return false;
    assert_memory_equal(&read, &none, sizeof read);
    if (problem.status == status && strstr(problem.text, words))
        return true;
    print_error("got %d: %s\n", problem.status, problem.text);
    return false;
}

static void a_key_comes_back_from_its_file(void **state)
{
    (void)state;
    new_key_file();
    struct tp__key read;
    assert_true(tp__key_read(&read, path, &problem));
    assert_memory_equal(&read, &key, sizeof key);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_file_is_one_line_of_the_format(void **state)
{
    (void)state;
    new_key_file();
    char line[256] = "";
    const int descriptor = open(path, O_RDONLY);
    assert_true(read(descriptor, line, sizeof line - 1) > 0);
    close(descriptor);
    char secret[89];
    sodium_bin2base64(secret, sizeof secret, key.secret, 64, sodium_base64_VARIANT_ORIGINAL);
    char expected[256];
    snprintf(expected, sizeof expected, "taskpool-secret-key 1 %s alice@head\n", secret);
    assert_string_equal(line, expected);
}

static void a_key_file_is_never_overwritten(void **state)
{
    (void)state;
    new_key_file();
    struct tp__key other;
    tp__key_generate(&other, "bob");
    assert_false(tp__key_write(&other, path, &problem));
    assert_int_equal(problem.status, TP_E_BUSY);
    assert_int_equal(symlink(other_path, path), -1);
    unlink(path);
    assert_int_equal(symlink(other_path, path), 0); /* not even through a link that leads nowhere */
    assert_false(tp__key_write(&other, path, &problem));
    assert_int_equal(access(other_path, F_OK), -1);
}

static void a_name_must_fit_a_line(void **state)
{
    (void)state;
    char longest[TP__NAME_LIMIT + 2];
    memset(longest, 'x', sizeof longest);
    longest[TP__NAME_LIMIT + 1] = 0;
    const char *bad[] = {"", "two words", "a\nb", "tab\t", "#comment", "\x7f", longest};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tp__key_generate(&key, bad[i]);
        assert_false(tp__key_write(&key, path, &problem));
        assert_int_equal(problem.status, TP_E_ARGUMENT);
        assert_int_equal(access(path, F_OK), -1);
    }
    longest[TP__NAME_LIMIT] = 0;
    tp__key_generate(&key, longest);
    assert_true(tp__key_write(&key, path, &problem));
    struct tp__key read;
    assert_true(tp__key_read(&read, path, &problem));
    assert_string_equal(read.name, longest);
}

static void a_loose_key_file_is_refused(void **state)
{
    (void)state;
    new_key_file();
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        assert_true(is_refused(TP_E_UNTRUSTED, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    struct tp__key read;
    assert_true(tp__key_read(&read, path, &problem));
}

static void a_key_file_of_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    new_key_file();
    assert_int_equal(chown(path, 12345, 0), 0);
    assert_true(is_refused(TP_E_UNTRUSTED, "belongs to user 12345"));
}

static void only_a_regular_file_is_a_key_file(void **state)
{
    (void)state;
    new_key_file();
    assert_int_equal(rename(path, other_path), 0);
    assert_true(is_refused(TP_E_SYSTEM, "cannot open"));
    assert_int_equal(symlink(other_path, path), 0);
    assert_true(is_refused(TP_E_UNTRUSTED, "symbolic link"));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(is_refused(TP_E_ARGUMENT, "no regular file"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(is_refused(TP_E_ARGUMENT, "no regular file"));
    rmdir(path);
}

static void malformed_key_files_are_refused(void **state)
{
    (void)state;
    new_key_file();
    char good[256];
    int descriptor = open(path, O_RDONLY);
    const size_t size = (size_t)read(descriptor, good, sizeof good);
    close(descriptor);
    const size_t name = size - strlen("alice@head\n");

    struct tp__key read;
    put_file(good, size - 1, 0600); /* without the end of the line it is as good */
    assert_true(tp__key_read(&read, path, &problem));
    for (size_t i = 0; i <= name; i++) {
        put_file(good, i, 0600);
        assert_true(is_refused(TP_E_DECODE, "no secret key"));
    }
    for (size_t i = 0; i < name; i++) { /* any other character there is malformed, or makes the halves differ */
        const char was = good[i];
        good[i] = was == 'A' ? 'B' : 'A';
        put_file(good, size, 0600);
        assert_true(is_refused(TP_E_DECODE, "no secret key"));
        good[i] = was;
    }
    char more[sizeof good + 100];
    memcpy(more, good, size);
    memset(more + size, '\n', 100);
    put_file(more, size + 1, 0600);
    assert_true(is_refused(TP_E_DECODE, "no secret key"));
    put_file(more, size + 100, 0600);
    assert_true(is_refused(TP_E_DECODE, "no secret key"));
    put_file("", 0, 0600);
    assert_true(is_refused(TP_E_DECODE, "no secret key"));
}

static void a_wiped_key_is_zero(void **state)
{
    (void)state;
    static const struct tp__key none;
    tp__key_generate(&key, "x");
    tp__key_wipe(&key);
    assert_memory_equal(&key, &none, sizeof key);
}

/* ---- CURVE ---- */

static void both_ways_lead_to_the_same_curve_key(void **state)
{
    (void)state;
    tp__key_generate(&key, "x");
    uint8_t public_key[32];
    uint8_t other_public_key[32];
    uint8_t secret_key[32];
    assert_true(tp__curve_of_key(&key, public_key, secret_key));
    assert_true(tp__curve_of_public(&key.public_key, other_public_key));
    assert_memory_equal(public_key, other_public_key, 32);
    crypto_scalarmult_base(other_public_key, secret_key);
    assert_memory_equal(public_key, other_public_key, 32);
}

static void a_point_of_low_order_has_no_curve_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < LOW_ORDER_POINTS; i++) {
        struct tp__public_key point;
        uint8_t curve[32];
        memcpy(point.bytes, low_order_points[i], 32);
        assert_false(tp__curve_of_public(&point, curve));
        assert_true(sodium_is_zero(curve, 32));
    }
}

/* ---- texts ---- */

static void a_public_key_comes_back_from_its_text(void **state)
{
    (void)state;
    tp__key_generate(&key, "x");
    char text[45];
    char brief[9];
    struct tp__public_key read;
    tp__public_key_text(&key.public_key, text);
    assert_int_equal(strlen(text), 44);
    assert_true(tp__public_key_parse(&read, text));
    assert_memory_equal(&read, &key.public_key, 32);
    tp__public_key_brief(&key.public_key, brief);
    assert_int_equal(strlen(brief), 8);
    assert_memory_equal(brief, text, 8);
}

static void only_the_one_text_of_a_key_is_read(void **state)
{
    (void)state;
    static const char zero[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    struct tp__public_key read;
    assert_true(tp__public_key_parse(&read, zero));
    const char *bad[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* no padding */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",  /* bits that do not count */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ", /* more behind */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",  /* 31 bytes */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  /* 33 bytes */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-=",  /* not in the alphabet */
        "AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(tp__public_key_parse(&read, bad[i]));
}

static void roles_have_names(void **state)
{
    (void)state;
    const char *names[] = {"driver", "node", "admin", "coordinator"};
    for (unsigned i = 0; i < 4; i++) {
        enum tp__role role;
        assert_true(tp__role_parse(&role, names[i]));
        assert_int_equal(role, i + 1);
        assert_string_equal(tp__role_name(role), names[i]);
    }
    enum tp__role role;
    assert_false(tp__role_parse(&role, ""));
    assert_false(tp__role_parse(&role, "Driver"));
    assert_false(tp__role_parse(&role, "drivers"));
    assert_string_equal(tp__role_name((enum tp__role)0), "unknown");
    assert_string_equal(tp__role_name((enum tp__role)5), "unknown");
}

static void keys_are_at_home(void **state)
{
    (void)state;
    char place[64];
    setenv("HOME", "/home/x", 1);
    unsetenv("TASKPOOL_HOME");
    assert_true(tp__home_path(place, sizeof place, "key"));
    assert_string_equal(place, "/home/x/.config/taskpool/key");
    setenv("TASKPOOL_HOME", "", 1);
    assert_true(tp__home_path(place, sizeof place, "key"));
    assert_string_equal(place, "/home/x/.config/taskpool/key");
    setenv("TASKPOOL_HOME", "/etc/taskpool", 1);
    assert_true(tp__home_path(place, sizeof place, "key"));
    assert_string_equal(place, "/etc/taskpool/key");
    assert_true(tp__home_path(place, sizeof "/etc/taskpool/key", "key"));
    assert_false(tp__home_path(place, sizeof "/etc/taskpool/key" - 1, "key"));
    unsetenv("TASKPOOL_HOME");
    unsetenv("HOME");
    assert_false(tp__home_path(place, sizeof place, "key"));
}

/* ---- the generator ---- */

static uint8_t next_byte;

static const char *replaced_name(void)
{
    return "replaced";
}
static uint32_t replaced_random(void)
{
    return next_byte++;
}
static void replaced_buffer(void *const buffer, const size_t size)
{
    memset(buffer, next_byte++, size);
}

static void a_simulation_can_replace_the_generator(void **state)
{
    (void)state;
    static randombytes_implementation replaced = {
        .implementation_name = replaced_name, .random = replaced_random, .buf = replaced_buffer};
    randombytes_implementation *usual = &randombytes_sysrandom_implementation;
    struct tp__key keys[2];
    randombytes_set_implementation(&replaced);
    for (int i = 0; i < 2; i++) {
        next_byte = 7;
        tp__key_generate(&keys[i], "x");
    }
    randombytes_set_implementation(usual);
    assert_memory_equal(&keys[0], &keys[1], sizeof keys[0]);
    tp__key_generate(&keys[1], "x");
    assert_memory_not_equal(&keys[0], &keys[1], sizeof keys[0]);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_comes_back_from_its_file, remove_files),
        cmocka_unit_test_teardown(a_file_is_one_line_of_the_format, remove_files),
        cmocka_unit_test_teardown(a_key_file_is_never_overwritten, remove_files),
        cmocka_unit_test_teardown(a_name_must_fit_a_line, remove_files),
        cmocka_unit_test_teardown(a_loose_key_file_is_refused, remove_files),
        cmocka_unit_test_teardown(a_key_file_of_another_user_is_refused, remove_files),
        cmocka_unit_test_teardown(only_a_regular_file_is_a_key_file, remove_files),
        cmocka_unit_test_teardown(malformed_key_files_are_refused, remove_files),
        cmocka_unit_test(a_wiped_key_is_zero),
        cmocka_unit_test(both_ways_lead_to_the_same_curve_key),
        cmocka_unit_test(a_point_of_low_order_has_no_curve_key),
        cmocka_unit_test(a_public_key_comes_back_from_its_text),
        cmocka_unit_test(only_the_one_text_of_a_key_is_read),
        cmocka_unit_test(roles_have_names),
        cmocka_unit_test(keys_are_at_home),
        cmocka_unit_test(a_simulation_can_replace_the_generator),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

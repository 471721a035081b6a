/* SPDX-License-Identifier: MIT */
#include "trust/keys.h"

#include "trust/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_TEXT "taskpool-secret-key 1 "

enum {
    SECRET_BASE64 = sodium_base64_ENCODED_LEN(64, sodium_base64_VARIANT_ORIGINAL) - 1,
    PUBLIC_BASE64 = sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL) - 1,
    LINE_LIMIT = sizeof SECRET_TEXT - 1 + SECRET_BASE64 + 1 + TP__NAME_LIMIT + 1
};
_Static_assert(PUBLIC_BASE64 == 44, "as the header says");

bool tp__trust_start(void)
{
    return sodium_init() >= 0;
}

/* ---- secret keys ---- */

/* A name that cannot stand in a line is left out, and then the key cannot be written. */
static void set_name(struct tp__key *key, const char *name, size_t length)
{
    memset(key->name, 0, sizeof key->name);
    if (tp__keyfile_name_is_good(name, length))
        memcpy(key->name, name, length);
}

void tp__key_generate(struct tp__key *key, const char *name)
{
    crypto_sign_keypair(key->public_key.bytes, key->secret);
    set_name(key, name, strlen(name));
}

void tp__key_wipe(struct tp__key *key)
{
    sodium_memzero(key, sizeof *key);
}

static size_t write_line(const struct tp__key *key, char line[LINE_LIMIT + 1])
{
    char *end = mempcpy(line, SECRET_TEXT, sizeof SECRET_TEXT - 1);
    sodium_bin2base64(end, SECRET_BASE64 + 1, key->secret, sizeof key->secret, sodium_base64_VARIANT_ORIGINAL);
    end += SECRET_BASE64;
    *end++ = ' ';
    end = mempcpy(end, key->name, strlen(key->name));
    *end++ = '\n';
    return (size_t)(end - line);
}

bool tp__key_write(const struct tp__key *key, const char *path, struct tp__problem *problem)
{
    if (!tp__keyfile_name_is_good(key->name, strnlen(key->name, sizeof key->name)))
        return tp__problem_set(problem, TP_E_ARGUMENT,
                               "a key needs a name of 1 to %d bytes without spaces, and no # in front", TP__NAME_LIMIT);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        if (errno == EEXIST)
            return tp__problem_set(problem, TP_E_BUSY, "%s is there already: a key is never overwritten", path);
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot create %s", path);
    }
    char line[LINE_LIMIT + 1];
    const size_t size = write_line(key, line);
    bool written = tp__keyfile_write(descriptor, line, size) && fsync(descriptor) == 0;
    sodium_memzero(line, sizeof line);
    if (!written)
        tp__problem_errno(problem, TP_E_SYSTEM, "cannot write %s", path);
    if (close(descriptor) != 0 && written)
        written = tp__problem_errno(problem, TP_E_SYSTEM, "cannot write %s", path);
    if (!written)
        unlink(path);
    return written;
}

/* The public half must be that of the seed: signing with another one would give the secret away. */
static bool halves_belong_together(const struct tp__key *key)
{
    struct tp__key whole;
    crypto_sign_seed_keypair(whole.public_key.bytes, whole.secret, key->secret);
    const bool equal = sodium_memcmp(whole.secret, key->secret, sizeof key->secret) == 0;
    tp__key_wipe(&whole);
    return equal;
}

static bool parse_line(struct tp__key *key, const char *line, size_t size)
{
    const size_t text = sizeof SECRET_TEXT - 1;
    if (size < text + SECRET_BASE64 + 1 || memcmp(line, SECRET_TEXT, text) != 0 ||
        !tp__keyfile_base64(key->secret, sizeof key->secret, line + text, SECRET_BASE64) ||
        line[text + SECRET_BASE64] != ' ')
        return false;
    memcpy(key->public_key.bytes, key->secret + 32, sizeof key->public_key.bytes);
    const char *name = line + text + SECRET_BASE64 + 1;
    size_t length = size - (text + SECRET_BASE64 + 1);
    if (length > 0 && name[length - 1] == '\n')
        length--;
    set_name(key, name, length);
    return key->name[0] && halves_belong_together(key);
}

bool tp__key_read(struct tp__key *key, const char *path, struct tp__problem *problem)
{
    memset(key, 0, sizeof *key);
    const int descriptor = tp__keyfile_open(path, TP__KEYFILE_SECRET, O_RDONLY, problem);
    if (descriptor < 0)
        return false;
    char line[LINE_LIMIT + 1]; /* one more than there may be */
    const ssize_t size = tp__keyfile_read(descriptor, line, sizeof line);
    bool good = size >= 0;
    if (!good)
        tp__problem_errno(problem, TP_E_SYSTEM, "cannot read %s", path);
    else if (size > LINE_LIMIT || !parse_line(key, line, (size_t)size))
        good = tp__problem_set(problem, TP_E_DECODE, "%s holds no secret key: make one with 'taskpool keygen'", path);
    close(descriptor);
    sodium_memzero(line, sizeof line);
    if (!good)
        tp__key_wipe(key);
    return good;
}

/* ---- their CURVE keys ---- */

bool tp__curve_of_public(const struct tp__public_key *key, uint8_t public_key[32])
{
    if (crypto_sign_ed25519_pk_to_curve25519(public_key, key->bytes) == 0)
        return true;
    memset(public_key, 0, 32);
    return false;
}

bool tp__curve_of_key(const struct tp__key *key, uint8_t public_key[32], uint8_t secret_key[32])
{
    if (tp__curve_of_public(&key->public_key, public_key) &&
        crypto_sign_ed25519_sk_to_curve25519(secret_key, key->secret) == 0)
        return true;
    sodium_memzero(secret_key, 32);
    return false;
}

/* ---- texts ---- */

void tp__public_key_text(const struct tp__public_key *key, char text[45])
{
    sodium_bin2base64(text, PUBLIC_BASE64 + 1, key->bytes, sizeof key->bytes, sodium_base64_VARIANT_ORIGINAL);
}

bool tp__public_key_parse(struct tp__public_key *key, const char *text)
{
    if (tp__keyfile_base64(key->bytes, sizeof key->bytes, text, strnlen(text, PUBLIC_BASE64 + 1)))
        return true;
    memset(key, 0, sizeof *key);
    return false;
}

void tp__public_key_brief(const struct tp__public_key *key, char text[9])
{
    char whole[PUBLIC_BASE64 + 1];
    tp__public_key_text(key, whole);
    memcpy(text, whole, 8);
    text[8] = 0;
}

static const char *const role_names[] = {
    [TP__ROLE_DRIVER] = "driver",
    [TP__ROLE_NODE] = "node",
    [TP__ROLE_ADMIN] = "admin",
    [TP__ROLE_COORDINATOR] = "coordinator",
};
enum { ROLES_END = sizeof role_names / sizeof role_names[0] };

const char *tp__role_name(enum tp__role role)
{
    const unsigned index = (unsigned)role;
    return index < ROLES_END && role_names[index] ? role_names[index] : "unknown";
}

bool tp__role_parse(enum tp__role *role, const char *text)
{
    for (unsigned i = TP__ROLE_DRIVER; i < ROLES_END; i++) {
        if (strcmp(text, role_names[i]) == 0) {
            *role = (enum tp__role)i;
            return true;
        }
    }
    return false;
}

bool tp__home_path(char *path, size_t size, const char *file)
{
    const char *home = getenv("TASKPOOL_HOME");
    const char *below = "";
    if (!home || !*home) {
        home = getenv("HOME");
        below = "/.config/taskpool";
    }
    if (!home || !*home)
        return false;
    const int length = snprintf(path, size, "%s%s/%s", home, below, file);
    return length > 0 && (size_t)length < size;
}

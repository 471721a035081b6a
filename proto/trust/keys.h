/* SPDX-License-Identifier: MIT */
/** @file
 * Who is who: one Ed25519 key a principal, and the files of those whom one trusts.
 *
 * A key file is one line of text, "taskpool-secret-key 1 BASE64 NAME", readable by its owner alone; the public half is
 * the line "ROLE BASE64 NAME" in the authorized_keys of others. The CURVE key of a principal is derived from its
 * Ed25519 key (libsodium's crypto_sign_ed25519_*_to_curve25519), so there is only one to look after.
 */
#ifndef TP_PROTO_KEYS_H
#define TP_PROTO_KEYS_H

#include "wire/names.h"
#include "wire/problem.h"

#include <stdio.h>

struct tp__public_key {
    uint8_t bytes[32]; /**< Ed25519 */
};

struct tp__key {
    uint8_t secret[64]; /**< Ed25519: seed and public half */
    struct tp__public_key public_key;
    char name[TP__NAME_LIMIT + 1];
};

/** Must come first, once: starts libsodium. False if it cannot. May be called again. */
bool tp__trust_start(void);

/** A new key. Wipe it with tp__key_wipe when it is not needed any more. A name is 1 to TP__NAME_LIMIT bytes without
 *  spaces and control characters, and no # in front; another one is left out, and then tp__key_write refuses the key.
 */
void tp__key_generate(struct tp__key *key, const char *name);
void tp__key_wipe(struct tp__key *key);
/** Creates the file, mode 0600; it must not be there yet. */
bool tp__key_write(const struct tp__key *key, const char *path, struct tp__problem *problem);
/** Refuses a file that others can read or write, or that belongs to another user (unless that is root). */
bool tp__key_read(struct tp__key *key, const char *path, struct tp__problem *problem);

/** The CURVE key pair that belongs to a key, and the CURVE key of somebody else's public one. False for a public key
 *  that is none (a point of low order ...). */
bool tp__curve_of_key(const struct tp__key *key, uint8_t public_key[32], uint8_t secret_key[32]);
bool tp__curve_of_public(const struct tp__public_key *key, uint8_t public_key[32]);

/** 44 characters of base64 and a 0; and back (false: malformed). */
void tp__public_key_text(const struct tp__public_key *key, char text[45]);
bool tp__public_key_parse(struct tp__public_key *key, const char *text);

/** A short one for logs: the first 8 characters of the text. */
void tp__public_key_brief(const struct tp__public_key *key, char text[9]);

enum tp__role { TP__ROLE_DRIVER = 1, TP__ROLE_NODE = 2, TP__ROLE_ADMIN = 3, TP__ROLE_COORDINATOR = 4 };
const char *tp__role_name(enum tp__role role); /**< "driver", ...; static */
bool tp__role_parse(enum tp__role *role, const char *text);

/** A file of trusted keys: lines "ROLE KEY NAME", # comments, empty lines. Immutable once read. */
struct tp__authorized;

/** Refuses a file that others can write. NULL on failure. A line that cannot be read is a failure: nothing is skipped
 *  in silence. At most 65,536 lines. */
struct tp__authorized *tp__authorized_read(const char *path, struct tp__problem *problem);
void tp__authorized_free(struct tp__authorized *authorized);
/** The name that goes with the key in that role, NULL if it is not listed. Valid as long as `authorized`. */
const char *tp__authorized_find(const struct tp__authorized *authorized, enum tp__role role,
                                const struct tp__public_key *key);
/** The same by the CURVE key that belongs to it; stores the Ed25519 key. */
const char *tp__authorized_find_curve(const struct tp__authorized *authorized, enum tp__role role,
                                      const uint8_t curve[32], struct tp__public_key *key);
/** The number of keys in that role, and the one at `index` (NULL: none). */
size_t tp__authorized_count(const struct tp__authorized *authorized, enum tp__role role);
const struct tp__public_key *tp__authorized_at(const struct tp__authorized *authorized, enum tp__role role,
                                               size_t index, const char **name);
/** Appends a line, creating the file (mode 0644); does nothing if the line is there already. */
bool tp__authorized_add(const char *path, enum tp__role role, const struct tp__public_key *key, const char *name,
                        struct tp__problem *problem);

/** Where keys are by default: $TASKPOOL_HOME, else $HOME/.config/taskpool; with "/" and `file` behind it. False if it
 *  does not fit or neither is set. */
bool tp__home_path(char *path, size_t size, const char *file);

#endif

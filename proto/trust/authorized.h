/* SPDX-License-Identifier: MIT */
/** @file
 * Reading authorized_keys from memory; the rest is in trust/keys.h. Private to this folder and its tests.
 */
#ifndef TP_PROTO_AUTHORIZED_H
#define TP_PROTO_AUTHORIZED_H

#include "trust/keys.h"

enum { TP__AUTHORIZED_LIMIT_LINES = 65536, TP__AUTHORIZED_LIMIT_BYTES = 16 << 20 };

/** `origin` names the text in messages. Takes a copy. NULL on failure. */
struct tp__authorized *tp__authorized_parse(const char *text, size_t size, const char *origin,
                                            struct tp__problem *problem);

#endif

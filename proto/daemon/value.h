/* SPDX-License-Identifier: MIT */
/** @file
 * The values of settings, from text.
 */
#ifndef TP_PROTO_VALUE_H
#define TP_PROTO_VALUE_H

#include "daemon/config.h"

/** What NUMBER, SIZE, DURATION and FLAG (0, 1) mean, within the setting's range. The problem names the setting and what
 *  it may be. TEXT and PATH: only checked. */
bool tp__setting_parse(const struct tp__setting *setting, const char *text, int64_t *value,
                       struct tp__problem *problem);

#endif

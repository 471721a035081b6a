/* SPDX-License-Identifier: MIT */
/** @file
 * The named channels of a pool. Each is made on first use and stays until the pool is closed; a name that was closed
 * stays closed. Closures and messages hold references, so that a channel outlives its pool as long as they do: closed
 * and empty. Beside these functions: tp__channels_resolve of closure/channel_ref.h.
 */
#ifndef TP_RUNTIME_CHANNELS_H
#define TP_RUNTIME_CHANNELS_H

#include "closure/channel_ref.h"

enum { TP__CHANNEL_NAME_LIMIT = 255 };

struct tp__remote;

/** NULL on TP_E_NOMEM. With a remote, each channel is a proxy of one that is there (see proxy.h). */
struct tp__channels *tp__channels_new(struct tp__remote *remote);

/** The channel of that name, which stays owned by `channels`. NULL with the error set: TP_E_ARGUMENT (no name, or too
 *  long a one), TP_E_NOMEM. */
tp_channel *tp__channels_get(struct tp__channels *channels, const char *name);
/** The same with a capacity for a new channel; TP_E_ARGUMENT if it exists with another one, TP_E_LIMIT. */
tp_channel *tp__channels_get_with(struct tp__channels *channels, const char *name, size_t capacity);

/** Closes and empties all channels, which wakes everyone who waits, and gives them up; of proxies, only the latter.
 *  Nobody may use `channels` any more. NULL is allowed. */
void tp__channels_free(struct tp__channels *channels);

#endif

/* SPDX-License-Identifier: MIT */
/** @file
 * What closures need to know of channels: a reference to a named one. The runtime's channel.c provides these, so that
 * closures depend on nothing of the runtime.
 */
#ifndef TP_CLOSURE_CHANNEL_REF_H
#define TP_CLOSURE_CHANNEL_REF_H

#include <stddef.h>
#include <taskpool/channel.h>

struct tp__channels; /* the named channels of one pool: runtime/channels.h */

tp_channel *tp__channel_retain(tp_channel *channel);
void tp__channel_unref(tp_channel *channel); /* NULL is allowed */

/** The channel of that name among `channels`, made if need be, with a reference for the caller. NULL with the error set
 *  (TP_E_NOMEM, TP_E_ARGUMENT; TP_E_DECODE when `channels` is NULL). */
tp_channel *tp__channels_resolve(struct tp__channels *channels, const char *name, size_t length);

#endif

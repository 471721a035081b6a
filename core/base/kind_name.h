/* SPDX-License-Identifier: MIT */
/** @file
 * The kinds of values in the words of error messages.
 */
#ifndef TP_BASE_KIND_NAME_H
#define TP_BASE_KIND_NAME_H

#include <taskpool/kind.h>

/** Such as "an integer"; never NULL. */
const char *tp__kind_name(tp_kind kind);

#endif

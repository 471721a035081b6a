/* SPDX-License-Identifier: MIT */
/** @file
 * The version of the headers that a program is compiled with.
 */
#ifndef TASKPOOL_VERSION_H
#define TASKPOOL_VERSION_H

#define TP_VERSION_MAJOR 0
#define TP_VERSION_MINOR 2
#define TP_VERSION_PATCH 0
#define TP_VERSION "0.2.0"

#endif

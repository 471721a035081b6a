/* SPDX-License-Identifier: MIT */
/** @file
 * TaskPool: all of it. A program needs only this header.
 */
#ifndef TASKPOOL_TASKPOOL_H
#define TASKPOOL_TASKPOOL_H

#include <taskpool/async_pool.h>
#include <taskpool/channel.h>
#include <taskpool/closure.h>
#include <taskpool/error.h>
#include <taskpool/green.h>
#include <taskpool/init.h>
#include <taskpool/kind.h>
#include <taskpool/pool.h>
#include <taskpool/promise.h>
#include <taskpool/scope.h>
#include <taskpool/status.h>
#include <taskpool/sync.h>
#include <taskpool/task.h>
#include <taskpool/value.h>
#include <taskpool/version.h>

#endif

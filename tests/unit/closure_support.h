/* SPDX-License-Identifier: MIT */
/** @file
 * What the tests of closures share: channels that are only names, a task that is only a context, refused allocations.
 * With it they link nothing of the runtime.
 */
#ifndef TESTS_UNIT_CLOSURE_SUPPORT_H
#define TESTS_UNIT_CLOSURE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/error.h"
#include "closure/channel_ref.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/program.h"

#include <taskpool/task.h>

/** A channel of that name (never freed), and how many references to it are held. */
tp_channel *fake_channel(const char *name);
int fake_channel_references(const tp_channel *channel);
/** Stands for the named channels of a pool: resolves the names of fake channels. */
extern struct tp__channels *const fake_channels;

/** Between these the thread counts as inside a task. */
void fake_task_begin(void);
void fake_task_end(void);
/** How many values belong to the task. */
size_t fake_task_owned(void);

/** Calls `function` with the first allocation refused, then with the second, and so on, until it needs no more of them.
 *  `function` returns TP_E_NOMEM or, once nothing was refused, TP_OK; it must not leave anything behind. */
void refuse_each_allocation(tp_status (*function)(void));
/** The call fails with that status, which is also that of the last error. */
#define assert_fails(wanted, call)                           \
    do {                                                     \
        assert_int_equal((call), (wanted));                  \
        assert_int_equal(tp_last_error()->status, (wanted)); \
    } while (0)

#endif

/* SPDX-License-Identifier: MIT */
/** @file
 * The sweep as a picture: prices against the closed form, and how the deviations are spread against how they should be.
 */
#ifndef SWEEP_PLOT_H
#define SWEEP_PLOT_H

#include "sweep/call.h"

#include <stdbool.h>
#include <stddef.h>

/** Writes an SVG file. `years` chooses the calls that are drawn on the left. False, with errno, if that fails. */
bool plot_write(const char *path, const struct call *calls, const struct estimate *estimates, size_t count,
                double years);

#endif

/* SPDX-License-Identifier: MIT */
/** @file
 * The price of a European call: by simulation, and by the closed form that the simulation must meet.
 */
#ifndef SWEEP_CALL_H
#define SWEEP_CALL_H

#include <stdint.h>

/** The right to buy, when `years` have passed, at the price `strike`. */
struct call {
    uint32_t number; /**< in the sweep: each has random numbers of its own */
    double spot;     /**< the price of the share today */
    double strike;
    double volatility; /**< of the share, a year */
    double years;
    double rate; /**< interest a year, continuous */
};

/** What a simulation says. */
struct estimate {
    double price;
    double standard_error;
    uint64_t paths;
    uint32_t steps; /**< of a path: months */
};

/** Simulates monthly steps of the share's price, path after path, until the standard error is at most `precision`,
 *  but at least 1,000 paths and at most `path_limit`. The result depends on the arguments alone. */
struct estimate call_simulate(const struct call *call, double precision, uint64_t path_limit, uint64_t seed);

/** Black and Scholes' formula. */
double call_closed_form(const struct call *call);

/** How many standard errors the estimate is above the closed form. */
double call_deviation(const struct call *call, const struct estimate *estimate);

#endif

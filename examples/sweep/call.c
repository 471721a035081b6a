/* SPDX-License-Identifier: MIT */
#include "sweep/call.h"

#include "sweep/philox.h"

#include <math.h>

enum { MONTHS_A_YEAR = 12, BATCH = 1000 };

/* Two independent normal numbers from two words, by G. Box and M. Muller. */
static void normal_pair(uint32_t first, uint32_t second, double out[2])
{
    const double radius = sqrt(-2 * log((first + 0.5) * 0x1p-32)), angle = 2 * M_PI * (second + 0.5) * 0x1p-32;
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

/* The logarithm of the share's price at the end of a path, over that at its begin. */
static double walk(const struct call *call, uint64_t path, uint32_t steps, uint64_t seed)
{
    const double step_years = call->years / steps;
    const double drift = (call->rate - 0.5 * call->volatility * call->volatility) * step_years;
    const double scale = call->volatility * sqrt(step_years);
    double position = 0;
    for (uint32_t step = 0; step < steps; step += 4) {
        const struct philox words =
            philox(seed, (struct philox){{step, call->number, (uint32_t)path, (uint32_t)(path >> 32)}});
        double normals[4];
        normal_pair(words.word[0], words.word[1], normals);
        normal_pair(words.word[2], words.word[3], normals + 2);
        for (uint32_t i = 0; i < 4 && step + i < steps; i++)
            position += drift + scale * normals[i];
    }
    return position;
}

struct estimate call_simulate(const struct call *call, double precision, uint64_t path_limit, uint64_t seed)
{
    const double months = round(call->years * MONTHS_A_YEAR), discount = exp(-call->rate * call->years);
    struct estimate estimate = {.steps = months < 1 ? 1 : (uint32_t)months};
    double mean = 0, squares = 0; /* of the deviations from the mean: B. Welford's way, which does not cancel */
    do {
        for (int i = 0; i < BATCH; i++) {
            const double share = call->spot * exp(walk(call, estimate.paths, estimate.steps, seed));
            const double payoff = share > call->strike ? discount * (share - call->strike) : 0;
            const double before = payoff - mean;
            estimate.paths++;
            mean += before / (double)estimate.paths;
            squares += before * (payoff - mean);
        }
        const double paths = (double)estimate.paths;
        estimate.standard_error = sqrt(squares / (paths - 1) / paths);
    } while (estimate.standard_error > precision && estimate.paths < path_limit);
    estimate.price = mean;
    return estimate;
}

/* The probability that a normal number is below x. */
static double normal_below(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

double call_closed_form(const struct call *call)
{
    const double width = call->volatility * sqrt(call->years);
    const double d1 = (log(call->spot / call->strike) + call->rate * call->years) / width + 0.5 * width;
    return call->spot * normal_below(d1) - call->strike * exp(-call->rate * call->years) * normal_below(d1 - width);
}

double call_deviation(const struct call *call, const struct estimate *estimate)
{
    const double difference = estimate->price - call_closed_form(call);
    if (estimate->standard_error > 0)
        return difference / estimate->standard_error;
    return difference == 0 ? 0 : copysign(INFINITY, difference);
}

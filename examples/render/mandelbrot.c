/* SPDX-License-Identifier: MIT */
#include "render/mandelbrot.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct colour {
    double red, green, blue; /* linear light, 0 to 1 */
};

/* The base 2 logarithm of a finite number from 1 on, to 1e-9. The series of the inverse hyperbolic tangent. */
static double log_2(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    double exponent = (double)(int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) | (uint64_t)1023 << 52;
    double mantissa; /* 1 to 2 */
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa > 1.4142135623730951) {
        mantissa *= 0.5;
        exponent += 1;
    }
    const double t = (mantissa - 1) / (mantissa + 1), t2 = t * t;
    const double series = t * (1 + t2 * (1.0 / 3 + t2 * (1.0 / 5 + t2 * (1.0 / 7 + t2 * (1.0 / 9 + t2 / 11)))));
    return exponent + series * 2.8853900817779268; /* 2 / ln 2 */
}

/* The two large parts of the set, whose points would take all iterations. */
static bool is_inside(double x, double y)
{
    const double y2 = y * y;
    const double q = (x - 0.25) * (x - 0.25) + y2;
    return q * (q + (x - 0.25)) <= 0.25 * y2 || (x + 1) * (x + 1) + y2 <= 0.0625;
}

/* A closed path through colours; `place` goes round once from 0 to 1. */
static struct colour palette(double place)
{
    static const struct colour stops[] = {
        {0.000, 0.010, 0.080}, {0.010, 0.100, 0.420}, {0.150, 0.500, 0.850}, {0.850, 0.950, 1.000},
        {1.000, 0.700, 0.120}, {0.620, 0.170, 0.020}, {0.120, 0.010, 0.030},
    };
    enum { STOPS = sizeof stops / sizeof *stops };
    const double along = (place - (double)(int64_t)place) * STOPS;
    const int stop = (int)along < STOPS ? (int)along : STOPS - 1;
    const double part = along - stop, smooth = part * part * (3 - 2 * part);
    const struct colour a = stops[stop], b = stops[(stop + 1) % STOPS];
    return (struct colour){a.red + (b.red - a.red) * smooth, a.green + (b.green - a.green) * smooth,
                           a.blue + (b.blue - a.blue) * smooth};
}

/* Follows z := z^2 + c from 0, and the derivative of z by c. Where z escapes, the colour comes from how long it took,
 * made continuous, and the light from the slope of that height, whose direction is z / derivative. */
static struct colour point_colour(double x, double y, uint32_t iterations)
{
    static const double escape = 1e6, light_x = 0.7071067811865476, light_y = 0.7071067811865476, light_height = 1.4;
    const struct colour black = {0, 0, 0};
    if (is_inside(x, y))
        return black;
    double zx = 0, zy = 0, dx = 0, dy = 0;
    uint32_t n = 0;
    for (; n < iterations && zx * zx + zy * zy <= escape; n++) {
        const double ndx = 2 * (zx * dx - zy * dy) + 1;
        dy = 2 * (zx * dy + zy * dx);
        dx = ndx;
        const double nzx = zx * zx - zy * zy + x;
        zy = 2 * zx * zy + y;
        zx = nzx;
    }
    if (n == iterations)
        return black;
    const double size = log_2(zx * zx + zy * zy) * 0.5;
    const double height = n + 1 - log_2(size > 1 ? size : 1);
    struct colour colour = palette(log_2(height > 1 ? height : 1) * 0.75);

    const double ux = zx * dx + zy * dy, uy = zy * dx - zx * dy; /* z times the conjugate: the direction of z / d */
    const double length = sqrt(ux * ux + uy * uy);
    double light = length > 0 ? (ux * light_x + uy * light_y) / length : 0;
    light = (light + light_height) / (1 + light_height);
    light = light > 0 ? 0.25 + 0.85 * light : 0.25;
    colour.red *= light;
    colour.green *= light;
    colour.blue *= light;
    return colour;
}

/* Linear light to a byte; a square root stands for the screen's curve. */
static uint8_t to_byte(double light)
{
    const double clamped = light < 0 ? 0 : light > 1 ? 1 : light;
    return (uint8_t)(sqrt(clamped) * 255 + 0.5);
}

void mandelbrot_pixel(const struct view *view, uint32_t column, uint32_t row, uint8_t rgb[3])
{
    const double pixel = view->across / view->width, part = 1.0 / view->samples;
    struct colour sum = {0, 0, 0};
    for (uint32_t j = 0; j < view->samples; j++) {
        for (uint32_t i = 0; i < view->samples; i++) {
            const double right = column + (i + 0.5) * part - 0.5 * view->width;
            const double down = row + (j + 0.5) * part - 0.5 * view->height;
            const struct colour colour =
                point_colour(view->x + right * pixel, view->y - down * pixel, view->iterations);
            sum.red += colour.red;
            sum.green += colour.green;
            sum.blue += colour.blue;
        }
    }
    rgb[0] = to_byte(sum.red * part * part);
    rgb[1] = to_byte(sum.green * part * part);
    rgb[2] = to_byte(sum.blue * part * part);
}

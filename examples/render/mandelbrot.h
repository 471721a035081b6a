/* SPDX-License-Identifier: MIT */
/** @file
 * The Mandelbrot set: smooth colours, and light from the side.
 *
 * A pixel depends on the view alone, and every operation is one that IEEE 754 rounds exactly (of libm only
 * sqrt: the variants of the others differ from processor to processor): so it has the same bytes wherever it is
 * computed.
 */
#ifndef RENDER_MANDELBROT_H
#define RENDER_MANDELBROT_H

#include <stdint.h>

/** What is seen. */
struct view {
    double x, y;         /**< the centre */
    double across;       /**< the width of the picture in the plane */
    uint32_t width;      /**< pixels */
    uint32_t height;     /**< pixels */
    uint32_t samples;    /**< a pixel is the mean of samples x samples points */
    uint32_t iterations; /**< after so many a point counts as one of the set */
};

/** Computes a pixel: red, green, blue. */
void mandelbrot_pixel(const struct view *view, uint32_t column, uint32_t row, uint8_t rgb[3]);

#endif

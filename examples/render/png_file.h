/* SPDX-License-Identifier: MIT */
/** @file
 * Pictures as PNG files.
 */
#ifndef RENDER_PNG_FILE_H
#define RENDER_PNG_FILE_H

#include <stdbool.h>
#include <stdint.h>

/** Writes a picture of 8-bit red, green, blue, row by row, to a file that is there whole or not at all. False, after a
 *  message on standard error, if that fails. */
bool png_file_write(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height);

#endif

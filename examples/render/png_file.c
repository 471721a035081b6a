/* SPDX-License-Identifier: MIT */
#include "render/png_file.h"

#include "support/support.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libpng reports errors by longjmp to here; what is set before and used after lives in the caller. */
static bool write_picture(FILE *file, png_structp png, png_infop info, const uint8_t *rgb, uint32_t width,
                          uint32_t height)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, file);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t row = 0; row < height; row++)
        png_write_row(png, rgb + (size_t)row * width * 3);
    png_write_end(png, NULL);
    return true;
}

bool png_file_write(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height)
{
    char *part;
    if (asprintf(&part, "%s.part", path) < 0) {
        complain("out of memory");
        return false;
    }
    FILE *file = fopen(part, "wbe");
    png_structp png = file ? png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL) : NULL;
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool written = info && write_picture(file, png, info, rgb, width, height);
    png_destroy_write_struct(&png, &info);
    if (file && fclose(file) != 0)
        written = false;
    written = written && rename(part, path) == 0;
    if (!written) {
        complain("cannot write %s: %s", path, strerror(errno));
        if (file)
            remove(part);
    }
    free(part);
    return written;
}

/* SPDX-License-Identifier: MIT */
/* Renders a piece of the Mandelbrot set in tiles on a pool of any kind, and writes it as a PNG file.
 *
 * The tiles are unequal work: one inside the set takes a thousand times as long as one far outside. A worker that is
 * through with its own takes those that others have not started. */
#include "render/mandelbrot.h"
#include "render/png_file.h"
#include "support/progress.h"
#include "support/support.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>

enum { TILE_LIMIT = 2048, SIDE_LIMIT = 1 << 16 };

struct tile {
    uint32_t x, y, width, height;
};

/* Red, green, blue of each pixel of the tile, row by row. */
TP_TASK(render_tile, tp_bytes, (struct tile, tile), (struct view, view))
{
    const size_t size = (size_t)tile.width * tile.height * 3;
    uint8_t *pixels = malloc(size);
    if (!pixels)
        tp_raise("no memory for a tile of %u x %u", tile.width, tile.height);
    tp_defer(free, pixels);
    uint8_t *pixel = pixels;
    for (uint32_t row = 0; row < tile.height; row++)
        for (uint32_t column = 0; column < tile.width; column++, pixel += 3)
            mandelbrot_pixel(&view, tile.x + column, tile.y + row, pixel);
    return tp_bytes_new(pixels, size);
}

struct options {
    struct view view;
    uint64_t tile;
    const char *output;
    bool serial;
    bool progress;
};

/* Places worth seeing. */
static const struct place {
    const char *name;
    double x, y, across;
    uint32_t iterations;
} PLACES[] = {
    {"whole", -0.65, 0, 3.6, 1000},
    {"seahorses", -0.7463, 0.1102, 0.005, 3000},
    {"spiral", -0.743643887037151, 0.131825904205330, 0.00012, 6000},
    {"deep", -0.743643887037151, 0.131825904205330, 0.00000004, 12000},
};

enum { KEY_SERIAL = 256, KEY_PROGRESS };

static const struct argp_option OPTIONS[] = {
    {"output", 'o', "FILE", 0, "The picture (default render.png)", 0},
    {"place", 'p', "NAME", 0, "whole, seahorses, spiral (the default) or deep", 0},
    {"centre", 'c', "X,Y", 0, "The point in the middle, in place of that of --place", 0},
    {"across", 'w', "WIDTH", 0, "How much of the plane is seen, from 1e-12 to 8", 0},
    {"size", 's', "WxH", 0, "Pixels (default 1920x1080)", 0},
    {"samples", 'a', "N", 0, "A pixel is the mean of N x N points, 1 to 16 (default 2)", 0},
    {"iterations", 'i', "N", 0, "After so many a point counts as one of the set", 0},
    {"tile", 't', "N", 0, "A task renders N x N pixels, 8 to 2048 (default 64)", 0},
    {"serial", KEY_SERIAL, NULL, 0, "Render here, without a pool", 0},
    {"progress", KEY_PROGRESS, NULL, 0, "Show progress also where standard error is no terminal", 0},
    {0}};

static void take_place(struct argp_state *state, struct view *view, const char *name)
{
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        if (strcmp(PLACES[i].name, name) != 0)
            continue;
        view->x = PLACES[i].x;
        view->y = PLACES[i].y;
        view->across = PLACES[i].across;
        view->iterations = PLACES[i].iterations;
        return;
    }
    argp_error(state, "no place is named '%s': whole, seahorses, spiral, deep", name);
}

/* Splits "A,B" in place. NULL if there is no separator. */
static char *split(char *text, char separator)
{
    char *at = strchr(text, separator);
    if (at)
        *at++ = '\0';
    return at;
}

static void take_pair(struct argp_state *state, int key, char *argument, struct view *view)
{
    uint64_t width = 0, height = 0;
    char *second = split(argument, key == 's' ? 'x' : ',');
    if (key == 's') {
        if (!second || !parse_number(argument, 1, SIDE_LIMIT, &width) || !parse_number(second, 1, SIDE_LIMIT, &height))
            argp_error(state, "--size takes pixels as 1920x1080, each from 1 to %d", SIDE_LIMIT);
        view->width = (uint32_t)width;
        view->height = (uint32_t)height;
    } else if (!second || !parse_real(argument, -4, 4, &view->x) || !parse_real(second, -4, 4, &view->y)) {
        argp_error(state, "--centre takes a point as -0.75,0.1");
    }
}

static void take_number(struct argp_state *state, const char *name, const char *argument, uint64_t lowest,
                        uint64_t highest, uint32_t *out)
{
    uint64_t number = 0;
    if (!parse_number(argument, lowest, highest, &number))
        argp_error(state, "--%s takes a number from %lu to %lu, not '%s'", name, (unsigned long)lowest,
                   (unsigned long)highest, argument);
    *out = (uint32_t)number;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    uint32_t tile = 0;
    switch (key) {
    case 'o':
        options->output = argument;
        return 0;
    case 'p':
        take_place(state, &options->view, argument);
        return 0;
    case 'c':
    case 's':
        take_pair(state, key, argument, &options->view);
        return 0;
    case 'w':
        if (!parse_real(argument, 1e-12, 8, &options->view.across))
            argp_error(state, "--across takes a number from 1e-12 to 8, not '%s'", argument);
        return 0;
    case 'a':
        take_number(state, "samples", argument, 1, 16, &options->view.samples);
        return 0;
    case 'i':
        take_number(state, "iterations", argument, 1, 10000000, &options->view.iterations);
        return 0;
    case 't':
        take_number(state, "tile", argument, 8, TILE_LIMIT, &tile);
        options->tile = tile;
        return 0;
    case KEY_SERIAL:
        options->serial = true;
        return 0;
    case KEY_PROGRESS:
        options->progress = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp PARSER = {
    .options = OPTIONS,
    .parser = parse_option,
    .doc = "Renders a piece of the Mandelbrot set, in tiles on a pool, to a PNG file."
           "\v$TASKPOOL says where the tasks run: local, local:4, tcp://host:port. The picture is the same, byte for "
           "byte, wherever its tiles were rendered."};

/* The picture in progress. */
struct picture {
    const struct options *options;
    uint8_t *rgb;
    struct tile *tiles;
    tp_bytes *rendered; /* the pixels of each tile */
    size_t tile_count;
    struct progress progress;
};

static bool picture_begin(struct picture *picture, const struct options *options)
{
    const struct view *view = &options->view;
    const uint32_t side = (uint32_t)options->tile;
    const uint32_t columns = (view->width + side - 1) / side, rows = (view->height + side - 1) / side;
    *picture = (struct picture){.options = options, .tile_count = (size_t)columns * rows};
    picture->rgb = malloc((size_t)view->width * view->height * 3);
    picture->tiles = calloc(picture->tile_count, sizeof *picture->tiles);
    picture->rendered = calloc(picture->tile_count, sizeof *picture->rendered);
    if (!picture->rgb || !picture->tiles || !picture->rendered) {
        complain("no memory for a picture of %u x %u", view->width, view->height);
        return false;
    }
    for (size_t i = 0; i < picture->tile_count; i++) {
        const uint32_t x = (uint32_t)(i % columns) * side, y = (uint32_t)(i / columns) * side;
        picture->tiles[i] = (struct tile){x, y, view->width - x < side ? view->width - x : side,
                                          view->height - y < side ? view->height - y : side};
    }
    progress_begin(&picture->progress, options->serial ? "rows" : "tiles", options->progress);
    return true;
}

static void picture_end(struct picture *picture)
{
    for (size_t i = 0; picture->rendered && i < picture->tile_count; i++)
        tp_bytes_release(picture->rendered[i]);
    free(picture->rendered);
    free(picture->tiles);
    free(picture->rgb);
}

static void render_serially(struct picture *picture)
{
    const struct view *view = &picture->options->view;
    uint8_t *pixel = picture->rgb;
    for (uint32_t row = 0; row < view->height; row++) {
        for (uint32_t column = 0; column < view->width; column++, pixel += 3)
            mandelbrot_pixel(view, column, row, pixel);
        progress_update(&picture->progress, row + 1, view->height);
    }
}

static int render_on_pool(struct picture *picture, tp_pool *pool)
{
    const struct view view = picture->options->view;
    const tp_status status =
        tp_map_with(pool, tp_map_options(.progress = progress_of_map, .progress_argument = &picture->progress),
                    render_tile, picture->tiles, picture->rendered, picture->tile_count, .view = view);
    if (status != TP_OK) {
        progress_clear(&picture->progress);
        return fail("a tile failed");
    }
    for (size_t i = 0; i < picture->tile_count; i++) {
        const struct tile tile = picture->tiles[i];
        const size_t line = (size_t)tile.width * 3;
        if (picture->rendered[i].size != line * tile.height)
            return complain("a tile has %zu bytes instead of %zu", picture->rendered[i].size, line * tile.height);
        for (uint32_t row = 0; row < tile.height; row++)
            memcpy(picture->rgb + ((size_t)(tile.y + row) * view.width + tile.x) * 3,
                   picture->rendered[i].data + row * line, line);
    }
    return EXIT_DONE;
}

static int render(const struct options *options)
{
    struct picture picture;
    int result = EXIT_FAILED;
    size_t workers = 1;
    const double start = now_s();
    if (picture_begin(&picture, options)) {
        if (options->serial) {
            render_serially(&picture);
            result = EXIT_DONE;
        } else {
            tp_with (tp_pool, pool, tp_pool_open(NULL)) {
                workers = tp_pool_size(pool);
                result = render_on_pool(&picture, pool);
            } else {
                result = fail("cannot open a pool");
            }
        }
    }
    const struct view *view = &options->view;
    const double seconds = now_s() - start;
    if (result == EXIT_DONE && !png_file_write(options->output, picture.rgb, view->width, view->height))
        result = EXIT_FAILED;
    if (result == EXIT_DONE) {
        struct grouped tiles, points;
        printf("%s: %u x %u, %s points in %s tiles: %.2f s on %zu worker%s%s\n", options->output, view->width,
               view->height, grouped((uint64_t)view->width * view->height * view->samples * view->samples, &points),
               grouped(picture.tile_count, &tiles), seconds, workers, workers == 1 ? "" : "s",
               options->serial ? " (serial)" : "");
    }
    picture_end(&picture);
    return result;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    argp_err_exit_status = EXIT_USAGE;
    struct options options = {
        .view = {-0.743643887037151, 0.131825904205330, 0.00012, 1920, 1080, 2, 6000},
        .tile = 64,
        .output = "render.png",
    };
    argp_parse(&PARSER, argc, argv, 0, NULL, &options);
    if ((uint64_t)options.view.width * options.view.height > 1 << 28)
        return complain("--size: at most %d pixels", 1 << 28);
    return render(&options);
}

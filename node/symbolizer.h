/* SPDX-License-Identifier: MIT */
/** @file
 * From addresses to "function (file:line)". The program's debugging information comes from whoever wrote the program,
 * and reading it takes long and is intricate: a process of its own does it, as the user of the dead worker process,
 * with nothing to reach and a limit to its time.
 */
#ifndef NODE_SYMBOLIZER_H
#define NODE_SYMBOLIZER_H

#include "wire/worker_memory.h"

#include <stdbool.h>

enum {
    SYMBOLIZER_FRAME_BYTES = 256,
    SYMBOLIZER_OUTPUT_BYTES = TP__WORKER_FRAMES_LIMIT * SYMBOLIZER_FRAME_BYTES,
    SYMBOLIZER_SECONDS = 5,
    SYMBOLIZER_ARGUMENTS = TP__WORKER_FRAMES_LIMIT + 4
};

/** The arguments of such a process: this same program again, with the program that crashed as descriptor 0. Its output,
 *  a frame a line, comes out of 1. */
struct symbolizer_arguments {
    char *pointers[SYMBOLIZER_ARGUMENTS];
    char numbers[TP__WORKER_FRAMES_LIMIT + 1][20];
};
void symbolizer_fill(struct symbolizer_arguments *arguments, uint64_t load_base, const struct tp__worker_crash *record);

/** The first line of main: runs and ends as a symbolizer if these arguments say so, and returns if not. */
void symbolizer_run_if_asked(int argc, char **argv);

#endif

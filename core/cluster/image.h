/* SPDX-License-Identifier: MIT */
/** @file
 * The running program's own executable: what a driver offers to the nodes, and sends to those that lack it.
 */
#ifndef TP_CLUSTER_IMAGE_H
#define TP_CLUSTER_IMAGE_H

#include "wire/names.h"

#include <taskpool/status.h>

struct tp__image {
    int descriptor; /**< of the executable, open for reading: stays the same when the file is replaced */
    uint64_t length;
    struct tp__hash root;
    struct tp__hash *chunk_hashes;
    char name[TP__NAME_LIMIT + 1];
    char machine[16];
};

/** Opened and hashed on the first call, for good. NULL with the error stored: TP_E_SYSTEM, TP_E_NOMEM, TP_E_LIMIT. */
const struct tp__image *tp__image_get(void);

/** Reads a chunk into `to`, of TP__CHUNK_BYTES. Returns its size; 0 if it cannot be read any more. */
size_t tp__image_read(const struct tp__image *image, uint32_t index, uint8_t *to);

#endif

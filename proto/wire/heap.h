/* SPDX-License-Identifier: MIT */
/** @file
 * How glibc's allocator treats what a process of ours frees.
 */
#ifndef TP_PROTO_HEAP_H
#define TP_PROTO_HEAP_H

/** Keeps up to 64 MiB of freed memory for the next message instead of giving it back to the system at once: payloads
 *  come and go by the megabyte, and each fresh page costs the kernel as much as encrypting a quarter of it. For
 *  processes that are ours from the start; not for the program that a user links us into. */
void tp__heap_keep_freed(void);

/** The same for the program that a user links us into, as far as that is ours to do: frees a block of 16 MiB that was
 *  never touched. glibc then takes blocks of this size for usual, as when the program itself had freed one: it keeps up
 *  to twice as much for each of its arenas, unless the user has set either limit (mallopt(3), M_MMAP_THRESHOLD). */
void tp__heap_expect_large(void);

#endif

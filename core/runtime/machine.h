/* SPDX-License-Identifier: MIT */
/** @file
 * The processor's part of a switch between stacks: the registers that a function must preserve, saved on the stack that
 * is left. In assembly, for x86-64 and AArch64.
 */
#ifndef TP_RUNTIME_MACHINE_H
#define TP_RUNTIME_MACHINE_H

/** Saves the caller's registers on its stack and the place in `*from`; goes on where `to` was saved. Returns, when
 *  somebody comes back, the `message` of the one who did. */
void *tp__machine_switch(void **from, void *to, void *message);

/** Prepares a stack that ends at `top` (aligned to 16), so that the first switch to what this returns calls
 *  `entry(message)`, which must not return. */
void *tp__machine_prepare(void *top, void (*entry)(void *message));

#endif

/* SPDX-License-Identifier: MIT */
/** @file
 * The first line of main.
 */
#ifndef TASKPOOL_INIT_H
#define TASKPOOL_INIT_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Must be the first statement of main: a node of a cluster runs this same program as a worker, and then this call does
 *  not return. In the driver it returns at once. Without it opening any pool fails with TP_E_NO_INIT. A second call
 *  does nothing. `argc` and `argv` are those of main; 0 and NULL are allowed where there are none (a plugin, a
 *  test). */
void tp_init(int argc, char **argv);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
